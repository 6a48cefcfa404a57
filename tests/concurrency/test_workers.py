"""R6: however many workers take one stack, at whatever pace, one at a time changes it."""

import random
from functools import partial

import anyio
import pytest

from tests.concurrency.cases import CASES, Case, expected, judge, quick
from tests.concurrency.workers import History, Trouble, Worker, consume
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import virtually

pytestmark = pytest.mark.sweep

SEEDS = range(6)


async def _together(case: Case, workers: int, seed: int) -> list[str]:
    """Let workers loose on a case: slow ones, killed ones, with clocks that are wrong by up to an hour.

    The slowest renew their lease in time, and no call of theirs takes longer than a silent holder is waited for.
    """
    shown, world, history = await expected(case), quick(), History()
    chance = random.Random(f"{case.name} {workers} {seed}")
    await case.prepare(world)
    world.sent()
    statuses = []

    async def consumer(number: int) -> None:
        request = case.requests[number % len(case.requests)]
        off = chance.uniform(-3600.0, 3600.0)
        slow = chance.choice((0.05, 0.5, 1.5, 3.0))
        await anyio.sleep(chance.uniform(0, 10))

        def make(delivery: int) -> Worker:
            killed = Trouble(chance.randrange(60), after=chance.random() < 0.5)
            trouble = killed if delivery < 2 and chance.random() < 0.4 else None
            name = f"worker-{number}-{delivery}"
            return Worker(world, history, name, seed, slow, trouble, clock=lambda true: true + off)

        statuses.append((request.request_id, (await consume(make, request)).status))

    async with anyio.create_task_group() as group:
        for number in range(workers):
            group.start_soon(consumer, number)
    newest = case.requests[-1].request_id
    wrong = [f"{one} ended {status}" for one, status in statuses if one == newest and status is not case.ends]
    wrong += [*history.late, *history.broken, *await judge(world, case, shown)]
    world.close()
    return [f"{case.name}, {workers} workers, seed {seed}: {one}" for one in wrong]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_r6_many_workers_one_mutator(case):
    """Whatever their clocks say, no call is sent by a worker after another took the lease."""
    wrong, seeds = [], sliced(SEEDS, 3, case.name)
    for seed in seeds:
        workers = (2, 3, 5, 8, 12, 16)[seed % 6]
        random.seed(seed)
        wrong += virtually(partial(_together, case, workers, seed))
    tried("R6", "2 to 16 workers, slow and killed, with clocks an hour off", len(seeds), wrong)
    assert wrong == []
