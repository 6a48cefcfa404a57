"""R5: whatever the order and the delays of generations, the newest wins, and no older one changes anything later."""

import asyncio
import copy
import itertools
import random
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

import anyio
import looptime
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.concurrency.cases import quick, removal
from tests.concurrency.workers import History, Trouble, Worker, consume
from tests.documents import mcp_target, small_stack
from tests.everything.states import state
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import provision, virtually
from workflows.planner.outcome import Status
from workflows.records.items import partition_of, stack_key
from workflows.requests.request import Request

T = TypeVar("T")
STACK = stack_key(partition_of("123456789012", "us-east-1", small_stack()["stack"]))


def document(number: int) -> dict[str, Any]:
    """The small stack as generation `number` has it: other targets, another description."""
    made = copy.deepcopy(small_stack(number % 3))
    gateway = made["gateways"]["payments"]
    gateway["description"] = f"generation {number}"
    gateway["targets"][f"made-{number % 4}"] = mcp_target(f"https://{number}.example.com/mcp")
    return made


def request(number: int, *, removes: bool = False) -> Request:
    if removes:
        return removal(document(number), f"request-{number}", generation=number)
    return provision(document(number), f"request-{number}", generation=number)


async def alone(last: Request) -> dict[str, Any]:
    """Return the world in which only this was asked for."""
    world = quick()
    assert (await world.run(last)).status in (Status.READY, Status.DELETED)
    shown = state(world)
    world.close()
    return shown


class Generations(RuleBasedStateMachine):
    """Requests are made, lost, repeated, reordered and interrupted, while time goes by."""

    cases = 0

    @initialize()
    def begin(self) -> None:
        random.seed(0)
        self.runner = asyncio.Runner(loop_factory=looptime.new_event_loop)
        self.made: list[Request] = []
        self.delivered: list[Request] = []
        self.accepted = self.steps = 0
        self.history = History()
        self.wrong: list[str] = []
        self.world = self.of(self._world())

    def of(self, job: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(job)

    async def _world(self) -> Any:
        return quick()

    @rule(removes=st.booleans(), deliver=st.booleans())
    def submit(self, *, removes: bool, deliver: bool) -> None:
        """A newer document or removal; it may be lost, or come late."""
        self.made.append(request(len(self.made) + 1, removes=removes and len(self.made) % 2 == 1))
        if deliver:
            self.of(self._deliver(self.made[-1], None))

    @rule(which=st.integers(0, 30))
    def deliver_any(self, which: int) -> None:
        """Any request that was made, again or for the first time."""
        if self.made:
            self.of(self._deliver(self.made[which % len(self.made)], None))

    @rule(which=st.integers(0, 30), at=st.integers(0, 60), after=st.booleans(), frozen=st.booleans())
    def crash(self, which: int, at: int, *, after: bool, frozen: bool) -> None:
        """A run that is killed, or frozen for minutes, in its middle."""
        if self.made:
            trouble = Trouble(at, after, 200.0 if frozen else None)
            self.of(self._deliver(self.made[which % len(self.made)], trouble))

    @rule(first=st.integers(0, 30), second=st.integers(0, 30))
    def two_at_once(self, first: int, second: int) -> None:
        """Two requests at the same time."""
        if self.made:
            self.of(self._both(*(self.made[which % len(self.made)] for which in (first, second))))

    @rule(seconds=st.sampled_from([1.0, 30.0, 200.0, 4000.0]))
    def tick(self, seconds: float) -> None:
        self.of(anyio.sleep(seconds))

    @invariant()
    def generations_only_rise(self) -> None:
        if hasattr(self, "world"):
            item = self.of(self.world.ledger.get(STACK)) or {"generation": 0}
            assert item["generation"] >= self.accepted
            self.accepted = item["generation"]
            assert self.world.plane.world.records.doubles == []
            assert self.history.unmarked + self.history.broken + self.wrong == []

    async def _both(self, *requests: Request) -> None:
        async with anyio.create_task_group() as group:
            for one in requests:
                group.start_soon(self._deliver, one, None)

    async def _deliver(self, given: Request, trouble: Trouble | None) -> None:
        Generations.cases += 1
        self.steps += 1
        newest = (await self.world.ledger.get(STACK) or {"generation": 0})["generation"]
        self.delivered.append(given)
        worker = Worker(self.world, self.history, f"run-{self.steps}", slow=0.2, trouble=trouble)
        outcome = await worker.deliver(given)
        older = (given.generation or 0) < newest
        if older and outcome is not None and outcome.status is not Status.SUPERSEDED:
            self.wrong.append(f"{given.request_id} ended {outcome.status} after generation {newest}")
        if older and len(self.history.takers) and self.history.takers[-1] == worker.name:
            self.wrong.append(f"{given.request_id} took the stack after generation {newest}")

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            if self.delivered:
                self.of(self._end())
        finally:
            self.world.close()
            self.runner.close()

    def _late(self, number: int, delivery: int) -> Worker:
        return Worker(self.world, self.history, f"end-{number}-{delivery}", slow=0.0)

    async def _end(self) -> None:
        """Deliver everything once more in a strange order, then look at what stands."""
        last = max(self.delivered, key=lambda one: one.generation or 0)
        for number, one in enumerate((*reversed(self.delivered), last)):
            await consume(partial(self._late, number), one, most=400)
        assert state(self.world) == await alone(last)
        assert self.world.plane.world.records.doubles == []


@pytest.mark.sweep
def test_r5_any_history_of_generations_ends_at_the_newest():
    """Submitted, lost, repeated, reordered, killed, frozen and at once: generations rise, the newest stands."""
    plan = settings(
        max_examples=40,
        stateful_step_count=14,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    Generations.cases = 0
    run_state_machine_as_test(Generations, settings=plan)
    tried("R5", "generations submitted, lost, repeated, reordered, killed, frozen, two at once", Generations.cases)


async def _permuted(order: tuple[int, ...], delays: tuple[float, ...]) -> list[str]:
    """Deliver generations in an order with delays in between, side by side, until each is settled."""
    world, history, wrong = quick(), History(), []
    statuses = {}

    async def one(generation: int, delay: float) -> None:
        await anyio.sleep(delay)
        given = request(generation, removes=generation == 3)
        name = f"g{generation}"
        outcome = await consume(lambda n: Worker(world, history, f"{name}-{n}", slow=0.02), given, most=60)
        statuses[generation] = outcome.status

    async with anyio.create_task_group() as group:
        for place, generation in enumerate(order):
            group.start_soon(one, generation, sum(delays[: place + 1]))
    if statuses[5] is not Status.READY or not set(statuses.values()) <= {*_ENDS}:
        wrong.append(f"ended {statuses}")
    takers = [int(run[1 : run.index("-")]) for run in history.takers]
    if takers != sorted(takers):
        wrong.append(f"an older generation took the stack after a newer: {takers}")
    wrong += [*history.late, *history.broken]
    if state(world) != await alone(request(5)):
        wrong.append("what stands is not the newest")
    wrong += world.plane.world.records.doubles
    world.close()
    return [f"{order} {delays}: {one}" for one in wrong]


_ENDS = (Status.READY, Status.DELETED, Status.SUPERSEDED)


@pytest.mark.sweep
def test_r5_every_order_of_five_generations():
    """Every permutation, one after the other, close together, and at once: the fifth is what stands."""
    random.seed(0)
    stale = ((0.0,) * 5, (1.5,) * 5, (0.0, 40.0, 0.3, 40.0, 2.0))
    orders = list(itertools.permutations(range(1, 6)))
    cases = sliced([(order, stale[number % 3]) for number, order in enumerate(orders)], 6)
    wrong = [one for order, delays in cases for one in virtually(partial(_permuted, order, delays))]
    tried("R5", "every order of five generations, at once, close together, and stale", len(cases), wrong)
    assert wrong == []
