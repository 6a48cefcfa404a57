"""Documents made from the service model: whatever can be declared converges, and rests."""

import pytest

from tests.everything.states import addresses, state
from tests.generated import Maker
from tests.worlds import SandboxWorld, virtually
from workflows.outcome import Status

pytestmark = pytest.mark.sweep

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_applied_twice_is_applied_once(seed):
    """The second apply of any document sends nothing."""

    async def job() -> None:
        document = Maker(seed, 0.3).document()
        with SandboxWorld() as world:
            first = await world.apply(document)
            assert first.status is Status.READY, [failure.shown() for failure in first.failures]
            world.sent()
            second = await world.apply(document)
            assert (second.status, world.sent()) == (Status.READY, [])

    virtually(job)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_before_leaves_no_trace(seed):
    """Any document applied after any other leaves what it leaves on an empty account."""

    async def job() -> None:
        maker = Maker(seed, 0.3)
        one, other = maker.document(), maker.document()
        with SandboxWorld() as world, SandboxWorld() as fresh:
            await world.apply(one)
            outcome = await world.apply(other, allow=addresses(one, other))
            assert outcome.status is Status.READY, [failure.shown() for failure in outcome.failures]
            await fresh.apply(other)
            assert state(world) == state(fresh)
            world.sent()
            assert (await world.apply(other)).status is Status.READY
            assert world.sent() == []

    virtually(job)
