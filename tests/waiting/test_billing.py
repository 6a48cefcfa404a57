"""R10: what the service takes long for is waited for by the state machine, and not paid for."""

import math
from collections import Counter

import pytest

from infra.watch import CEILING, FLOOR, FRACTION
from tests.crash.test_single_faults import sample
from tests.documents import small_stack
from tests.goals import tried
from tests.machine import Turns, run_through
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import Status

HALF_AN_HOUR = 1_800.0
#: The part of the time that may be paid for.
PART = 0.02


def most_looks(seconds: float) -> float:
    """Return how often a wait of so long is looked at: every tenth of itself, and every minute in the end."""
    return math.log(seconds / FLOOR) / math.log(1 + FRACTION) + seconds / CEILING + 10


def looks_of(turns: Turns) -> int:
    """Return how often the operation that looks was called that was called most."""
    total: Counter[str] = sum((Counter(outcome.calls) for outcome in turns.outcomes), Counter())
    return max(count for name, count in total.items() if name.startswith(("Get", "List")))


@pytest.mark.sweep
@pytest.mark.parametrize("kind", ["provider", "gateway", "target", "runtime", "harness", "registry"])
async def test_r10_half_an_hour_of_waiting_is_billed_for_seconds(kind):
    """A creation of half an hour costs at most two percent of its time, and few looks."""
    with SandboxWorld() as world:
        world.round_trip = 0.05
        setattr(world.behaviour.durations, kind, HALF_AN_HOUR)
        document = small_stack(3) if kind in ("provider", "gateway", "target") else sample("every-kind.yaml")
        turns = await run_through(world, provision(document, "one"))
        assert turns.last.status is Status.READY
        billed, looks = turns.billed / turns.passed, looks_of(turns)
        # The sample has two registries, and each turn begins with a look of its own.
        most = 2 * (most_looks(HALF_AN_HOUR) + len(turns.outcomes))
        wrong = [*([f"{billed:.1%} billed"] if billed > PART else []), *([f"{looks} looks"] if looks > most else [])]
        tried("R10", "creations of half an hour, of every kind that takes its time", violations=wrong)
        assert wrong == []


@pytest.mark.parametrize(("targets", "seconds"), [(3, 1.0), (12, 4.0)])
async def test_r10_what_ends_soon_ends_in_one_run(world, targets, seconds):
    """Nothing is handed over for a few seconds, nor by those who know of others that they will take some."""
    world.behaviour.durations.target = seconds
    turns = await run_through(world, provision(small_stack(targets), "one"))
    tried("R10", "creations of seconds, in one run")
    assert [outcome.status for outcome in turns.outcomes] == [Status.READY]
