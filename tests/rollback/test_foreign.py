"""R13: a rollback touches only what is the stack's own: somebody else's resource of our name survives it untouched."""

import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import pytest

from infra.sandbox.records import GONE, Record
from tests.crash.harness import At, History, Point, run_until_settled
from tests.crash.test_single_faults import quick
from tests.everything.test_kinds import LEAST, NAME, document, each_at_the_top, the
from tests.goals import tried
from tests.secrets import SENTINELS
from tests.slices import sliced
from tests.worlds import SandboxWorld, provision, virtually
from workflows.kinds import Kind
from workflows.planner.outcome import Status

pytestmark = pytest.mark.sweep

LOST = (At.ANSWER_LOST, At.EFFECT_LOST)


def failing(kind: Kind, **more: Any) -> dict[str, Any]:
    """A stack with one thing of a kind that cannot become READY: it looks for a gateway that nobody made."""
    made = document(kind, {**LEAST[kind.section], **more}, onFailure="ROLLBACK")
    made["gateways"] = {**made.get("gateways", {}), "absent": {"gatewright": {"existing": True}}}
    return made


@dataclass
class Others(History):
    """A history in the middle of which others make a resource of our name, in the place of ours if there is one."""

    world: SandboxWorld | None = None
    kind: Kind | None = None
    when: int = -1
    theirs: Record | None = None
    was: tuple[Any, ...] = ()
    seen: list[str] = field(default_factory=list)

    def strikes(self, at: At, index: int) -> bool:
        if at is At.BEFORE_SENDING and index == self.when and self.theirs is None:
            self.make()
        return super().strikes(at, index)

    def make(self) -> None:
        assert self.world is not None
        assert self.kind is not None
        kind, world = self.kind, self.world
        ours = the(world, kind)
        if ours is not None:
            ours.status, ours.next = GONE, None
        body = kind.create_members(copy.deepcopy(LEAST[kind.section])) | {kind.name_member: NAME}
        for config in body.get("oauth2ProviderConfigInput", {}).values():
            config["clientSecret"] = SENTINELS[0]
        body |= {"apiKey": SENTINELS[0]} if "apiKey" in body else {}
        body |= {"clientToken": "t" * 40} if kind.token else {}
        body |= {"tags": {"owner": "somebody else"}} if kind.tagged else {}
        world.plane.answer(kind.operations.create, body, kind.service)
        self.theirs = the(world, kind)
        self.was = self.now()

    def now(self) -> tuple[Any, ...]:
        record = self.theirs
        assert record is not None
        began = [until for until, was in record.past if was.status == "UPDATING"]
        return copy.deepcopy((record.id, record.request, record.tags, began))

    def untouched(self) -> bool:
        assert self.world is not None
        assert self.kind is not None
        return the(self.world, self.kind) is self.theirs and self.now() == self.was


async def survived(kind: Kind, when: int, *faults: Point, ready: bool = False) -> tuple[list[str], Others]:
    """Roll back with somebody else's resource made at a call; return what is wrong, and what happened."""
    with quick() as world:
        if ready:
            assert (await world.apply(document(kind, LEAST[kind.section]))).status is Status.READY
        history = Others(faults, world=world, kind=kind, when=when)
        outcome = await run_until_settled(world, history, provision(failing(kind), "one"))
        await anyio.sleep(60)
        wrong = [] if outcome.status in (Status.ROLLED_BACK, Status.FAILED) else [f"ended {outcome.status}"]
        wrong += [] if history.theirs is None or history.untouched() else ["theirs was touched"]
        return [f"{kind.section} {when}, {', '.join(map(str, faults))}: {one}" for one in wrong], history


@each_at_the_top
@pytest.mark.parametrize("ready", [False, True], ids=["to nothing", "to a document"])
def test_r13_somebody_elses_resource_survives_a_rollback(kind, ready):
    """Made at any call, before or in the place of ours; and with every answer lost after it was made."""
    _, plain = virtually(partial(survived, kind, -1, ready=ready))
    calls, wrong, cases = plain.calls, [], 0
    some = {*sliced(moments(kind, calls), 6, kind.section, ready), *chosen(kind, calls)}
    for when in (one for one in moments(kind, calls) if one in some):
        found, history = virtually(partial(survived, kind, when, ready=ready))
        wrong += found
        cases += 1
        if when not in chosen(kind, calls):
            continue
        lost = [Point(at, index) for at in LOST for index in range(when, len(history.calls))]
        points = sliced(lost, 16, kind.section, when)
        wrong += [one for point in points for one in virtually(partial(survived, kind, when, point, ready=ready))[0]]
        cases += len(points)
    tried("R13", "somebody else's resource of our name, made at any call, with every answer lost", cases, wrong)
    assert wrong == []


def python_name(operation: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in operation).strip("_")


def moments(kind: Kind, calls: list[str]) -> list[int]:
    """Return the calls at which theirs is made.

    Where the name is the id, nobody can tell theirs from ours between the look at its tags and the deletion.
    """
    deletion, look = python_name(kind.operations.delete), "list_tags_for_resource"
    if kind.id_member != "name" or deletion not in calls:
        return list(range(len(calls)))
    first, last = calls.index(look), calls.index(deletion)
    return [n for n in range(len(calls)) if not first < n <= last]


def chosen(kind: Kind, calls: list[str]) -> set[int]:
    """Return the moments that are tried with faults: first of all, and once ours was made."""
    creation = python_name(kind.operations.create)
    made = calls.index(creation) if creation in calls else 0
    return {0, made + 1}
