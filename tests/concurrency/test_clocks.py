"""R16: clocks may be wrong; they decide when something is tried, never whether something exists twice."""

import random
from collections.abc import Callable
from functools import partial
from itertools import product

import anyio
import pytest

from tests.concurrency.cases import CASES, Case, expected, judge, quick
from tests.concurrency.workers import History, Trouble, Worker, consume
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import virtually

pytestmark = pytest.mark.sweep

HOUR = 3600.0
Clock = Callable[[float], float]


def _skewed(chance: random.Random) -> Clock:
    off = chance.uniform(-HOUR, HOUR)
    return lambda true: true + off


def _jumping(chance: random.Random) -> Clock:
    at, first, then = chance.uniform(1, 15), chance.uniform(-HOUR, HOUR), chance.uniform(-HOUR, HOUR)
    return lambda true: true + (first if true < at else then)


def _backwards(chance: random.Random) -> Clock:
    at, rate = chance.uniform(0, HOUR), chance.uniform(0.5, 5)
    return lambda true: at - rate * true


def _stopped(chance: random.Random) -> Clock:
    at = chance.uniform(-HOUR, HOUR)
    return lambda _true: at


SORTS = {"skewed": _skewed, "jumping": _jumping, "running backwards": _backwards, "stopped": _stopped}


async def _run(case: Case, sort: str, seed: int) -> list[str]:
    """Let three workers with wrong clocks loose for some minutes; then clocks are right again."""
    shown, world, history = await expected(case), quick(), History()
    chance = random.Random(f"{case.name} {sort} {seed}")
    await case.prepare(world)
    right_again = anyio.current_time() + 400.0

    async def consumer(number: int) -> None:
        wrong = SORTS[sort](chance)
        await anyio.sleep(chance.uniform(0, 20))

        def make(delivery: int) -> Worker:
            struck = Trouble(chance.randrange(50), chance.random() < 0.5, chance.choice((None, 30.0, 150.0)))
            trouble = struck if delivery < 2 and chance.random() < 0.6 else None
            clock: Clock = lambda true: wrong(true) if true < right_again else true  # noqa: E731 - one of two
            return Worker(world, history, f"worker-{number}-{delivery}", seed, 0.3, trouble, clock)

        await consume(make, case.requests[number % len(case.requests)], most=1000)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(consumer, number)
    wrong = [*history.unmarked, *history.broken, *await judge(world, case, shown)]
    world.close()
    return [f"{case.name}, {sort}, seed {seed}: {one}" for one in wrong]


@pytest.mark.parametrize("sort", SORTS)
def test_r16_wrong_clocks_double_nothing(sort):
    """Skew, jumps, running backwards, standing still: in the end one of everything, as declared, and at rest."""
    wrong, cases = [], sliced(product(range(3), CASES), 5, sort)
    for seed, case in cases:
        random.seed(seed)
        wrong += virtually(partial(_run, case, sort, seed))
    tried(
        "R16",
        "three workers with clocks that are wrong by an hour, jump, run backwards or stand",
        len(cases),
        wrong,
    )
    assert wrong == []
