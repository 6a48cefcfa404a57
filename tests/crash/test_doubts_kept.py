"""What may have taken effect stays in doubt until somebody knows: through refusals, deletions and later requests."""

import anyio
import pytest

from infra.sandbox.faults import Effect, Fault
from tests.crash.harness import unknown_to_ledger
from tests.documents import gateway, small_stack
from tests.twists import Twist, TwistedWorld
from tests.twists import refused as answered_with
from workflows.planner.outcome import Status

#: For so long reads hide what was created, so that nobody can know of it but by its mark.
HIDDEN = 100.0
DENIED = "AccessDeniedException"


def plain() -> dict:
    return {"stack": "payments.tools", "gateways": {"payments": gateway()}}


def described(text: str = "more") -> dict:
    return {"stack": "payments.tools", "gateways": {"payments": gateway(description=text)}}


def refused(operation: str, code: str) -> Fault:
    return Fault(operation, Effect.REFUSE, -1, 0, code, "not now")


async def test_a_refusal_does_not_take_back_what_had_no_answer(world):
    """A creation had no answer, and its repetition in a later run is denied: the removal finds what it made."""
    world.behaviour.durations.visible_after = HIDDEN
    world.plane.faults.add(Fault("CreateGateway", Effect.LOST_ANSWER, times=1))
    world.plane.faults.add(Fault("CreateGateway", Effect.LOST, times=-1))
    assert (await world.apply(plain(), "one")).status is Status.IN_PROGRESS
    world.plane.faults.all.clear()
    world.plane.faults.add(refused("CreateGateway", DENIED))
    assert (await world.apply(plain(), "one")).status is Status.FAILED
    assert list(world.live) == ["gateway payments"]
    assert (await world.destroy(plain())).status is Status.DELETED
    assert world.live == {}


async def test_an_error_that_nobody_knows_leaves_a_creation_in_doubt(world):
    """The first try took effect without an answer, the next ones end in a novel error: the removal finds it."""
    world.behaviour.durations.visible_after = HIDDEN
    world.plane.faults.add(Fault("CreateGateway", Effect.LOST_ANSWER, times=1))
    world.plane.faults.add(refused("CreateGateway", "NovelException"))
    assert (await world.apply(plain(), "one")).status is Status.FAILED
    assert list(world.live) == ["gateway payments"]
    assert (await world.destroy(plain())).status is Status.DELETED
    assert world.live == {}


async def test_an_error_that_nobody_knows_may_stand_for_an_effect():
    """The only answer to a creation is an error of which nothing is known, and it took effect: the removal finds it."""
    with TwistedWorld() as world:
        world.behaviour.durations.visible_after = HIDDEN
        world.twists.append(Twist("CreateGateway", answered_with("NovelException"), times=-1))
        assert (await world.apply(plain(), "one")).status is Status.FAILED
        assert list(world.live) == ["gateway payments"]
        assert (await world.destroy(plain())).status is Status.DELETED
        assert world.live == {}


@pytest.mark.parametrize(
    "code", [DENIED, "ExpiredTokenException", "ServiceQuotaExceededException", "ValidationException"]
)
async def test_a_refusal_of_a_repetition_leaves_a_creation_in_doubt(world, code):
    """The first try of a call took effect without an answer, the next one was refused: the removal finds it."""
    world.behaviour.durations.visible_after = HIDDEN
    world.plane.faults.add(Fault("CreateGateway", Effect.LOST_ANSWER, times=1))
    world.plane.faults.add(refused("CreateGateway", code))
    assert (await world.apply(plain(), "one")).status in (Status.FAILED, Status.IN_PROGRESS)
    assert list(world.live) == ["gateway payments"]
    world.plane.faults.all.clear()
    left = await world.apply({"stack": "payments.tools"}, "two", allow=frozenset({"gateways.payments"}))
    assert (left.status, world.live) == (Status.READY, {})


async def in_doubt(world, effect: Effect, seconds: float = 0.0) -> None:
    """Have an update of the gateway in doubt: the first call may take effect, and no later one gets through."""
    await world.apply(plain())
    world.plane.faults.add(Fault("UpdateGateway", effect, times=1, seconds=seconds))
    world.plane.faults.add(Fault("UpdateGateway", Effect.LOST, times=-1))
    world.plane.faults.add(Fault("GetGateway", Effect.LOST, times=-1, skip=2))
    world.plane.faults.add(Fault("ListGateways", Effect.LOST, times=-1))
    await world.apply(described(), "more")
    world.plane.faults.all.clear()


async def test_a_refused_deletion_forgets_nothing_that_is_in_doubt(world):
    """An update had no answer, a removal is denied, then the document without it comes: its member goes."""
    await in_doubt(world, Effect.LOST_ANSWER)
    world.plane.faults.add(refused("DeleteGateway", DENIED))
    assert (await world.destroy(plain())).status is Status.FAILED
    world.plane.faults.all.clear()
    assert (await world.apply(plain())).status is Status.READY
    assert "description" not in world.live["gateway payments"].request


async def test_what_arrives_after_the_end_is_known_as_ours(world):
    """An update without an answer arrives when the document without it is READY: the next run takes it back."""
    await in_doubt(world, Effect.LATE, seconds=500.0)
    assert (await world.apply(plain())).status is Status.READY
    assert "description" not in world.live["gateway payments"].request
    await anyio.sleep(600)
    assert world.live["gateway payments"].request["description"] == "more"
    assert (await world.apply(plain())).status is Status.READY
    assert "description" not in world.live["gateway payments"].request
    assert await unknown_to_ledger(world) == []


async def test_of_several_updates_without_an_answer_each_is_known_as_ours(world):
    """The first of two arrives when the document without either is READY: what it set is taken back all the same."""
    await in_doubt(world, Effect.LATE, seconds=900.0)
    world.plane.faults.add(Fault("UpdateGateway", Effect.LOST, times=-1))
    other = plain()
    other["gateways"]["payments"]["exceptionLevel"] = "DEBUG"
    assert (await world.apply(other)).status is Status.IN_PROGRESS
    world.plane.faults.all.clear()
    assert (await world.apply(plain())).status is Status.READY
    await anyio.sleep(1000)
    assert world.live["gateway payments"].request["description"] == "more"
    assert (await world.apply(plain())).status is Status.READY
    assert "description" not in world.live["gateway payments"].request


@pytest.mark.parametrize("lost", [Effect.LOST, Effect.LOST_ANSWER])
async def test_a_removal_of_what_is_in_doubt_leaves_nothing(world, lost):
    """A provider's creation has no answer and was never seen: whatever became of it, it does not outlive its stack."""
    world.behaviour.durations.visible_after = HIDDEN
    world.plane.faults.add(Fault("CreateOauth2CredentialProvider", lost, times=1))
    world.plane.faults.add(Fault("CreateOauth2CredentialProvider", Effect.LOST, times=-1))
    await world.apply(small_stack(0))
    world.plane.faults.all.clear()
    assert (await world.destroy(small_stack(0))).status is Status.DELETED
    assert world.live == {}


async def test_a_creation_whose_token_is_forgotten_is_found_by_its_name(world):
    """The service takes the repetition for a second creation and refuses its name: what bears it is looked up."""
    world.behaviour.token_seconds = 0.0
    world.plane.faults.add(Fault("CreateGateway", Effect.LOST_ANSWER, times=1))
    outcome = await world.apply(plain())
    assert (outcome.status, list(world.live)) == (Status.READY, ["gateway payments"])
    assert world.plane.world.now < 60


async def test_a_second_life_has_a_token_of_its_own(world):
    """A service that remembers tokens for longer than resources live would answer with what is gone."""
    world.behaviour.tokens_outlive = True
    for _ in range(3):
        assert (await world.apply(plain())).status is Status.READY
        assert (await world.destroy(plain())).status is Status.DELETED
    assert world.sent() == ["CreateGateway", "DeleteGateway"] * 3
