"""Who answers at the other end of the wire: a plane, through the sandbox server's own routing."""

import copy
from random import Random
from typing import Any, cast

from infra.sandbox.plane import Plane
from infra.sandbox.records import Record
from infra.sandbox.refusals import Refusal
from infra.sandbox.server import SandboxServer, _refused
from tests.everything.states import recorded_as
from tests.soak.wire import Asked, Reply
from workflows.kinds import KINDS


class Served(SandboxServer):
    """The sandbox's server without its sockets, over a plane that is there already."""

    def __init__(self, plane: Plane) -> None:  # no call of super: it would make a plane of its own
        self.plane = plane

    def answer(self, asked: Asked) -> Reply:
        """Return what the server would put on the wire."""
        try:
            response = self._route(cast("Any", asked), asked.body)
        except Refusal as refusal:
            response = _refused(refusal)
        body = response.body
        assert body is None or isinstance(body, bytes)
        return Reply(response.status, dict(response.headers), body or b"")


def unchanged(random: Random, plane: Plane, asked: Asked) -> Reply:
    """Return what a plane would answer, and leave it as it was but for the times of what the request is about.

    The answer is that of a copy. The times of an update show in the plane or do not, by chance.
    """
    plane.arrive()
    mine = {record.id: record for place in _places(plane) for record in place}
    shared = (plane.journal, plane.world.records._count)  # noqa: SLF001 - a counter cannot be copied
    other = copy.deepcopy(plane, {id(one): one for one in shared})
    reply, advances = Served(other).answer(asked), random.random() < 0.5
    for record in (record for place in _places(other) for record in place):
        if advances and record.id in mine:
            mine[record.id].updated = record.updated
    return reply


def _places(plane: Plane) -> list[list[Record]]:
    """Return what exists, by its kind; what is due by now has come about."""
    return [list(plane.world.records.live(recorded_as(kind))) for kind in KINDS]
