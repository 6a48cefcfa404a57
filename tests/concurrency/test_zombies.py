"""R6: a worker that wakes up after another took its stack writes nothing, and sends only what it had marked before."""

import math
import random
from functools import partial

import anyio
import pytest

from tests.concurrency.cases import (
    CASES,
    Case,
    applied,
    changed,
    expected,
    judge,
    nothing,
    quick,
    removal,
    rolling,
    will_fail,
)
from tests.concurrency.workers import History, Trouble, Worker, consume
from tests.documents import small_stack
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import provision, virtually
from workflows.planner.outcome import Status

pytestmark = pytest.mark.sweep

#: Seconds by which a clock may be wrong.
HOUR = 3600.0
SMALL = small_stack(1)
PAIRS = (
    Case("provision", nothing, (provision(SMALL, "a", generation=2), provision(SMALL, "a", generation=2))),
    Case("update", applied, (provision(changed(), "a", generation=2), provision(changed(), "a", generation=2))),
    Case("overtaken", applied, (provision(changed(), "a", generation=2), provision(small_stack(2), "b", generation=3))),
    Case(
        "rolled back",
        will_fail,
        (provision(rolling(), "a", generation=2), provision(rolling(), "a", generation=2)),
        Status.ROLLED_BACK,
        provision(small_stack(2), "c", generation=3),
    ),
    Case(
        "made and removed",
        nothing,
        (provision(SMALL, "a", generation=2), removal(SMALL, "b", generation=3)),
        Status.DELETED,
    ),
    Case(
        "removed and made",
        applied,
        (removal(small_stack(2), "a", generation=2), provision(changed(), "b", generation=3)),
    ),
)


async def _operations(case: Case) -> int:
    """Count what the first worker does when it is alone."""
    world = quick()
    await case.prepare(world)
    worker = Worker(world, History(), "a", slow=0.1)
    await worker.deliver(case.requests[0])
    world.close()
    return worker.operations


async def _woken(case: Case, shown: dict, trouble: Trouble, ahead: float) -> list[str]:
    """Freeze the first worker, let the second take the stack and run to its end, then let the first go on."""
    world, history = quick(), History()
    await case.prepare(world)
    world.sent()
    first = Worker(world, history, "a", slow=0.1, trouble=trouble)
    async with anyio.create_task_group() as group:
        group.start_soon(first.deliver, case.requests[0])
        await first.struck.wait()

        def second(number: int) -> Worker:
            return Worker(world, history, f"b-{number}", number, 0.1, clock=lambda true: true + ahead)

        outcome = await consume(second, case.requests[1])
        first.frozen_until = 0.0
    wrong = [] if outcome.status is case.ends else [f"the second ended {outcome.status}"]
    judged = await judge(world, case, shown, spare=history.created_late)
    wrong += [*history.unmarked, *history.broken, *judged]
    world.close()
    return [f"{case.name}, {trouble}, {ahead:.0f} s ahead: {one}" for one in wrong]


@pytest.mark.parametrize(
    ("case", "ahead"),
    [*((case, 0.0) for case in PAIRS), *((case, HOUR) for case in PAIRS if case.name != "update")],
    ids=lambda value: value.name if isinstance(value, Case) else f"{value:.0f} s ahead",
)
def test_r6_every_point_of_a_zombie(case, ahead):
    """The first worker is frozen at each of its calls and ledger operations in turn."""
    random.seed(0)
    shown = virtually(partial(expected, case))
    # Before its effect where the lease runs out, after it where a clock that is ahead takes the lease at once.
    places = sliced(range(virtually(partial(_operations, case))), 24, case.name, ahead)
    points = [Trouble(at, ahead > 0, math.inf) for at in places]
    wrong = [one for point in points for one in virtually(partial(_woken, case, shown, point, ahead))]
    tried("R6", "of two workers one frozen at each of its steps until the other is done", len(points), wrong)
    assert wrong == []


async def _herd(case: Case, workers: int, seed: int) -> list[str]:
    """Let workers loose that are killed or frozen for minutes, with clocks that are wrong by up to an hour."""
    shown, world, history = await expected(case), quick(), History()
    chance = random.Random(f"{case.name} {workers} {seed}")
    await case.prepare(world)
    world.sent()

    async def consumer(number: int) -> None:
        off, slow = chance.uniform(-HOUR, HOUR), chance.choice((0.05, 0.5))
        await anyio.sleep(chance.uniform(0, 20))

        def make(delivery: int) -> Worker:
            seconds = chance.choice((None, 60.0, 150.0, 400.0))
            struck = Trouble(chance.randrange(60), after=chance.random() < 0.5, seconds=seconds)
            name, trouble = f"worker-{number}-{delivery}", struck if delivery < 2 else None
            return Worker(world, history, name, seed, slow, trouble, clock=lambda true: true + off)

        await consume(make, case.requests[number % len(case.requests)], most=400)

    async with anyio.create_task_group() as group:
        for number in range(workers):
            group.start_soon(consumer, number)
    judged = await judge(world, case, shown, spare=history.created_late)
    wrong = [*history.unmarked, *history.broken, *judged]
    world.close()
    return [f"{case.name}, {workers} workers, seed {seed}: {one}" for one in wrong]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_r6_many_zombies(case):
    """Beyond the margin a zombie sends only what it had marked, commits nothing, and doubles nothing."""
    wrong, seeds = [], sliced(range(6), 3, case.name)
    for seed in seeds:
        random.seed(seed)
        wrong += virtually(partial(_herd, case, (2, 3, 4, 6, 9, 16)[seed], seed))
    tried("R6", "2 to 16 workers with clocks an hour off, killed and frozen", len(seeds), wrong)
    assert wrong == []


async def _overslept(at: int) -> tuple[bool, list[str]]:
    """Freeze a delivery before it has the lease until another has rolled the request back; return what it then did."""
    case = next(one for one in PAIRS if one.name == "rolled back")
    world, history = quick(), History()
    await case.prepare(world)
    first = Worker(world, history, "a", slow=0.1, trouble=Trouble(at, after=False, seconds=math.inf))
    outcomes = []

    async def deliver() -> None:
        outcomes.append(await first.deliver(case.requests[0]))

    async with anyio.create_task_group() as group:
        group.start_soon(deliver)
        await first.struck.wait()
        early = "a" not in history.takers
        if early:
            await consume(lambda number: Worker(world, history, f"b-{number}", slow=0.1), case.requests[1])
        world.sent()
        first.frozen_until = 0.0
    sent = world.sent()
    world.close()
    # It may also be told to come again, when its lease was written for meanwhile.
    assert outcomes[0] is not None
    ended = [] if outcomes[0].status in (case.ends, Status.IN_PROGRESS) else [f"it ended {outcomes[0].status}"]
    return early, [*sent, *ended]


def test_r6_a_delivery_that_slept_while_another_finished_does_nothing():
    """What was accepted and finished since is answered as it ended, and not done again."""
    found = [virtually(partial(_overslept, at)) for at in range(8)]
    early = [wrong for first, wrong in found if first]
    wrong = [one for ones in early for one in ones]
    tried("R6", "a delivery frozen before it has the lease until another has finished", len(early), wrong)
    assert len(early) > 2
    assert wrong == []
