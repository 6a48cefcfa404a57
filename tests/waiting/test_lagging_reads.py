"""R18: reads that lag and READY that wavers double nothing, delete nothing and are not believed too soon."""

import itertools
from collections.abc import Awaitable, Callable
from functools import cache

import anyio
import pytest

from infra.ledger.sqlite import SqliteLedger
from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.faults import Effect, Fault
from tests.crash.test_single_faults import changed, quick, remove, sample
from tests.documents import small_stack
from tests.everything.states import state
from tests.goals import tried
from tests.worlds import SandboxWorld, provision, virtually
from workflows.planner.outcome import Outcome, Status
from workflows.requests.request import Request

#: How reads may lie: by what is tried, in words.
LIES = {
    "lists and gets that show nothing for 60 s after a create": {"visible_after": 60.0},
    "reads that show what was 5 s ago": {"reads_lag": 5.0},
    "reads that show what was 30 s ago": {"reads_lag": 30.0},
    "READY that wavers after 0.1 s": {"flicker": 0.1},
    "READY that wavers after 2 s": {"flicker": 2.0},
    "reads that lag and READY that wavers": {"reads_lag": 3.0, "flicker": 1.0, "visible_after": 20.0},
}
Story = Callable[[SandboxWorld], Awaitable[Status]]


def lying(lie: str) -> SandboxWorld:
    return SandboxWorld(Behaviour(durations=Durations(**LIES[lie])))


def truthful(world: SandboxWorld) -> None:
    """Reads show what is from here on, for a test to look."""
    world.behaviour.durations = Durations()


async def settled(world: SandboxWorld, request: Request) -> Outcome:
    for _ in range(40):
        outcome = await world.run(request, seconds=900)
        if outcome.status is not Status.IN_PROGRESS:
            return outcome
        assert outcome.retry_after is not None
        await anyio.sleep(outcome.retry_after)
    raise AssertionError("forty deliveries did not settle the request")


async def provisioned(world: SandboxWorld) -> Status:
    return (await settled(world, provision(small_stack(), "provision"))).status


async def updated(world: SandboxWorld) -> Status:
    await provisioned(world)
    return (await settled(world, provision(changed(), "update"))).status


async def removed(world: SandboxWorld) -> Status:
    await provisioned(world)
    return (await settled(world, remove(small_stack()))).status


async def adopted(world: SandboxWorld) -> Status:
    """The ledger is lost right after the end, so that reads still lag."""
    await provisioned(world)
    assert isinstance(world.ledger, SqliteLedger)
    world.ledger.close()
    world.ledger = SqliteLedger()
    return (await settled(world, provision(small_stack(), "adopt"))).status


async def changed_at_once(world: SandboxWorld) -> Status:
    """A new generation and its removal come while reads still show the one before."""
    await world.run(provision(small_stack(), "provision"), seconds=8)
    await world.run(provision(changed(), "update"), seconds=8)
    return (await settled(world, provision(small_stack(), "back"))).status


STORIES: dict[str, Story] = {one.__name__: one for one in (provisioned, updated, removed, adopted, changed_at_once)}


@cache
def truth(story: Story) -> dict:
    """Return how a story ends where reads are true, told once for every lie."""
    return told(story, SandboxWorld())


def told(story: Story, world: SandboxWorld) -> dict:
    """Return how a story ends in a world."""

    async def end() -> dict:
        status = await story(world)
        truthful(world)
        await anyio.sleep(100)
        found = state(world)
        doubles = list(world.plane.world.records.doubles)
        moving = [name for name, record in world.live.items() if record.status != "READY"]
        world.close()
        return {"status": status, "state": found, "doubles": doubles, "moving": moving}

    return virtually(end)


@pytest.mark.sweep
@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("lie", LIES)
def test_r18_reads_that_lie_change_nothing(lie, story):
    """What ends with true reads ends the same with reads that lag, and nothing is doubled or left over."""
    true = truth(STORIES[story])
    found = told(STORIES[story], lying(lie))
    wrong = [part for part in true if found[part] != true[part]]
    tried("R18", f"{lie}: provisioned, updated, removed, adopted, changed meanwhile", 1, wrong)
    assert wrong == []


@pytest.mark.parametrize("lie", LIES)
def test_r18_nothing_is_sent_twice(lie):
    """A stack is made with as many changes as with true reads, and applied again needs none."""

    async def calls() -> tuple[list[str], list[str]]:
        with lying(lie) as world:
            await provisioned(world)
            made = sorted(world.sent())
            assert (await settled(world, provision(small_stack(), "again"))).status is Status.READY
            return made, world.sent()

    made, again = virtually(calls)
    expected = sorted(["CreateOauth2CredentialProvider", "CreateGateway", *["CreateGatewayTarget"] * 3])
    refused = made != expected
    tried(
        "R18", "reads that lie: calls beyond those that are needed", len(made), again + (["doubled"] if refused else [])
    )
    assert (made, again) == (expected, [])


@pytest.mark.parametrize("flicker", [0.05, 0.1, 0.2, 0.25])
def test_r18_a_wavering_ready_is_not_believed(flicker):
    """When the run says READY, every resource is READY for good."""

    async def statuses() -> set[str]:
        with SandboxWorld(Behaviour(durations=Durations(flicker=flicker))) as world:
            assert await provisioned(world) is Status.READY
            seen = set()
            for _ in range(40):
                seen |= {record.status for record in world.live.values()}
                await anyio.sleep(0.25)
            return seen

    seen = virtually(statuses)
    tried("R18", "READY that wavers, and what is there when the run says READY", 1, seen - {"READY"})
    assert seen == {"READY"}


_EFFECTS = [Effect.LATE, Effect.AGAIN]
_CREATES = ["CreateOauth2CredentialProvider", "CreateGateway", "CreateGatewayTarget"]


@pytest.mark.sweep
@pytest.mark.parametrize("seconds", [0.5, 3.0, 20.0, 70.0])
@pytest.mark.parametrize(("operation", "effect"), list(itertools.product(_CREATES, _EFFECTS)))
def test_r18_what_comes_late_doubles_nothing(operation, effect, seconds):
    """A create that the network delivers late, or twice, leaves one of each, known to the ledger."""

    async def end() -> tuple[list[str], Status, list[str]]:
        with SandboxWorld() as world:
            world.plane.faults.add(Fault(operation, effect, times=1, seconds=seconds))
            assert await provisioned(world) is Status.READY
            await anyio.sleep(100)
            outcome = await settled(world, provision(small_stack(), "again"))
            return world.plane.world.records.doubles, outcome.status, sorted(world.live)

    doubles, status, live = virtually(end)
    tried("R18", "creates that arrive late, or once more, after their answer was lost", 1, doubles)
    names = ["gateway payments", "provider idp", "target target-0", "target target-1", "target target-2"]
    assert (doubles, status, live) == ([], Status.READY, names)


@pytest.mark.parametrize(
    "lie", ["lists and gets that show nothing for 60 s after a create", "READY that wavers after 2 s"]
)
def test_r18_every_kind(lie):
    """The sample with one of every kind, made and removed under reads that lie."""

    async def end() -> tuple[Status, Status, list[str], list[str]]:
        with quick() as world:
            for name, value in LIES[lie].items():
                setattr(world.behaviour.durations, name, value)
            made = await settled(world, provision(sample("every-kind.yaml"), "make"))
            gone = await settled(world, remove(sample("every-kind.yaml")))
            return made.status, gone.status, world.plane.world.records.doubles, sorted(world.live)

    made, gone, doubles, live = virtually(end)
    tried("R18", "one of every kind, made and removed under reads that lie", 2, doubles)
    assert (made, gone, doubles, live) == (Status.READY, Status.DELETED, [], [])
