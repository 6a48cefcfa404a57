"""R3: documents made from the service model: whatever can be declared converges, and rests."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import pytest

from tests.crash.test_single_faults import quick
from tests.documents import SECRET
from tests.everything.states import addresses, state
from tests.generated import Maker
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import SandboxWorld, virtually
from workflows.planner.outcome import Status

pytestmark = pytest.mark.sweep

#: Documents that are applied twice, in how many parts, so that they spread over processes.
_DOCUMENTS, _PARTS = 1_000, 20
#: How likely an optional member is declared.
_FULL = (0.1, 0.2, 0.3)
SEEDS = range(40)


def most_reads(document: Mapping[str, Any], resources: int) -> int:
    """Return what looking at a whole stack may cost: each resource, a page a gateway, each secret, the account."""
    return resources + len(document.get("gateways", {})) + (SECRET in str(document)) + 1


async def applied_twice(seed: int) -> list[str]:
    """Apply a document twice; return what is wrong with that."""
    document = Maker(seed, _FULL[seed % len(_FULL)]).document()
    with quick() as world:
        first = await world.apply(document)
        if first.status is not Status.READY:
            return [f"{seed}: {first.status}: {[failure.message for failure in first.failures]}"]
        world.sent()
        second = await world.apply(document)
        reads, most = len(world.plane.journal.calls), most_reads(document, len(second.results))
        wrong = [] if second.status is Status.READY else [f"{seed}: then {second.status}"]
        wrong += [f"{seed}: {reads} reads where {most} do"] if reads > most else []
        return wrong + ([f"{seed}: sent {sent}"] if (sent := world.sent()) else [])


def all_of(seeds: Iterable[int]) -> list[str]:
    return [one for seed in seeds for one in virtually(partial(applied_twice, seed))]


@pytest.mark.parametrize("part", range(_PARTS))
def test_r3_applied_twice_is_applied_once(part):
    """The second apply of any document sends nothing, and reads no more than there is."""
    seeds = sliced(range(part, _DOCUMENTS, _PARTS), 14, part)
    wrong = all_of(seeds)
    tried("R3", "generated documents, applied twice", len(seeds), wrong)
    assert wrong == []


@pytest.mark.parametrize("seed", sliced(SEEDS, 6))
def test_r3_what_was_before_leaves_no_trace(seed):
    """Any document applied after any other leaves what it leaves on an empty account."""

    async def job() -> None:
        maker = Maker(seed, 0.3)
        one, other = maker.document(), maker.document()
        with SandboxWorld() as world, SandboxWorld() as fresh:
            await world.apply(one)
            outcome = await world.apply(other, allow=addresses(one, other))
            assert outcome.status is Status.READY, [failure.shown() for failure in outcome.failures]
            await fresh.apply(other)
            same = state(world) == state(fresh)
            world.sent()
            again = await world.apply(other)
            sent = world.sent()
            tried("R3", "generated documents, each applied after another", 1, sent if same else 1)
            assert same
            assert (again.status, sent) == (Status.READY, [])

    virtually(job)
