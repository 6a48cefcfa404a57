"""R6: a lease lasts as long as its holder may send calls, also where accepting took long or the run lasts for hours."""

import anyio

from tests.concurrency.workers import History, Worker
from tests.documents import small_stack
from tests.goals import tried
from tests.worlds import EPOCH, SandboxWorld, provision

REQUEST = provision(small_stack(3), "a")


async def _two(world: SandboxWorld, slow: float, seconds: float) -> History:
    """Let a second worker ask for a stack again and again while a first one works on it; clocks agree."""
    history = History()
    async with anyio.create_task_group() as group:

        async def first() -> None:
            await Worker(world, history, "first", 1, slow).deliver(REQUEST, seconds)
            group.cancel_scope.cancel()

        group.start_soon(first)
        while not history.takers:  # noqa: ASYNC110
            await anyio.sleep(1)
        for number in range(10_000):
            await Worker(world, history, f"second-{number}", slow=0.0).deliver(REQUEST, 100)
            await anyio.sleep(10)
    return history


async def test_r6_a_slow_acceptance_does_not_shorten_the_lease():
    """Asking for the account, and accepting, may take a minute; the lease lasts to the run's deadline all the same."""
    wrong = []
    for seed in range(8):
        with SandboxWorld(round_trip=0.0) as world:
            world.behaviour.durations.gateway = 60
            history = History()
            worker = Worker(world, history, f"first-{seed}", seed, 18.0)
            async with anyio.create_task_group() as group:
                began = anyio.current_time()
                group.start_soon(worker.deliver, REQUEST, 200.0)
                while not history.takers:  # noqa: ASYNC110
                    await anyio.sleep(1)
                partition = (await world.ledger.partitions("123456789012"))[0]
                until = (await world.ledger.query(partition, "stack"))["stack"]["lease"]["until"]
                wrong.append(began + 200.0 - (until - EPOCH.timestamp()))
                group.cancel_scope.cancel()
    tried("R6", "slow acceptances: the lease lasts to the deadline", len(wrong), [one for one in wrong if one > 1.0])
    assert max(wrong) <= 1.0, f"leases end up to {max(wrong):.0f} s before their holders' deadlines"


async def test_r6_a_run_of_hours_keeps_its_stack():
    """A terminal may be told to wait for hours; no other run takes the stack meanwhile while it sends calls."""
    with SandboxWorld(round_trip=0.0) as world:
        world.behaviour.durations.gateway = 4000
        history = await _two(world, 0.1, 10_000)
    tried("R6", "a run of hours keeps its stack", 1, len(set(history.takers)) - 1)
    assert set(history.takers) == {"first"}
