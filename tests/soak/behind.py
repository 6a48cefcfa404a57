"""Who answers at the other end of the wire: a plane through the sandbox server's own routing, and moto's DynamoDB."""

import copy
import json
from random import Random
from typing import Any, cast

from botocore.awsrequest import AWSPreparedRequest
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models import table as moto_table

from infra.ledger.packing import PARTITION, SORT
from infra.sandbox.plane import Plane
from infra.sandbox.records import Record
from infra.sandbox.refusals import Refusal
from infra.sandbox.server import SandboxServer, _refused
from tests.everything.states import recorded_as
from tests.soak.faults import WRITE
from tests.soak.wire import Asked, Reply
from tests.worlds import REGION
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


class _Light(moto_table.Table):
    """A table whose copies, of which moto makes one for each transaction, share the items: those are only replaced."""

    def __deepcopy__(self, memo: object) -> "_Light":
        made = copy.copy(self)
        made.items = copy.copy(self.items)
        for partition, items in self.items.items():
            made.items[partition] = copy.copy(items)
        return made


class Table:
    """A table of its own in moto's DynamoDB, which forgets the tokens of writes: a token counts once here."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._writes: dict[str, Reply] = {}
        self._stubber = BotocoreStubber()
        self._backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION]
        self._backend.tables.pop(name, None)
        self._backend.create_table(
            name=name,
            schema=[{"AttributeName": PARTITION, "KeyType": "HASH"}, {"AttributeName": SORT, "KeyType": "RANGE"}],
            throughput=None,
            attr=[{"AttributeName": one, "AttributeType": "S"} for one in (PARTITION, SORT)],
            global_indexes=None,
            indexes=None,
            streams=None,
            billing_mode="PAY_PER_REQUEST",
            sse_specification=None,
            tags=[],
            deletion_protection_enabled=None,
            warm_throughput=None,
        )
        self._backend.tables[name].__class__ = _Light  # type: ignore[type-abstract]

    def answer(self, asked: Asked) -> Reply:
        """Return what DynamoDB would put on the wire."""
        token = json.loads(asked.body).get("ClientRequestToken") if asked.operation == WRITE else None
        if token in self._writes:
            return self._writes[token]
        request = AWSPreparedRequest(asked.method, str(asked.url), dict(asked.headers), asked.body, stream_output=False)
        found = self._stubber.process_request(request)
        assert found is not None
        status, headers, body = found
        reply = Reply(status, dict(headers), body.encode() if isinstance(body, str) else body)
        if token is not None and status == 200:
            self._writes[token] = reply
        return reply

    def close(self) -> None:
        """Forget the table."""
        self._backend.tables.pop(self.name, None)
