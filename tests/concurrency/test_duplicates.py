"""R4: the same event many times is one event, at the queue's door and inside."""

import random
from functools import partial
from typing import Any

import anyio
import pytest

from handlers.sqs import take
from infra.deadline import Deadline
from tests.concurrency.deliveries import INVOCATION, VISIBILITY, Queue, message, one_gateway, requested
from tests.documents import small_stack
from tests.everything.states import state
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import SandboxWorld, provision, virtually
from workflows.planner.outcome import Status
from workflows.service import handle

DOCUMENT = small_stack(1)
OTHERS = 2


def _about(world: SandboxWorld, kind: str) -> list[Any]:
    return [detail for said, detail in world.announced if said == kind and detail["stack"] == DOCUMENT["stack"]]


def _trace(world: SandboxWorld) -> dict[str, Any]:
    """What a stack's event left behind: changing calls, what was accepted, how it ended, what stands."""
    calls = [(call.operation, call.name) for call in world.plane.journal.calls if call.mutating]
    ready = [{**one["resources"], "status": one["status"]} for one in _about(world, "Gateway Stack Ready")]
    shown = {address: (one["status"], one["arn"]) for address, one in ready[0].items() if address != "status"}
    assert all({a: (o["status"], o["arn"]) for a, o in one.items() if a != "status"} == shown for one in ready)
    doubles, accepted = world.plane.world.records.doubles, len(_about(world, "Gateway Stack Accepted"))
    names = sorted({result for one in ready for result in one})
    return {"calls": calls, "accepted": accepted, "doubles": doubles, "stands": state(world), "names": names}


def _copies(times: int) -> list[dict[str, Any]]:
    return [message(f"m{n}", requested("same", DOCUMENT)) for n in range(times)]


async def _in_sequence(world: SandboxWorld, times: int) -> None:
    for one in _copies(times):
        assert await take(world.context(), [one], Deadline.within(INVOCATION)) == []


async def _in_one_batch(world: SandboxWorld, times: int) -> None:
    assert await take(world.context(), _copies(times), Deadline.within(INVOCATION)) == []


async def _at_once(world: SandboxWorld, times: int) -> None:
    """Every copy in an invocation of its own; what finds the stack held comes again."""
    queue = Queue(world, most=10)
    async with anyio.create_task_group() as group:
        for one in _copies(times):
            group.start_soon(queue.deliver, [one])
    assert queue.given_up == set()


async def _fulfilled(world: SandboxWorld, times: int) -> None:
    """The same below the doors, staggered."""

    async def one(number: int) -> None:
        await anyio.sleep(number * 0.4)
        while True:
            outcome = await handle(world.context(), provision(DOCUMENT, "same"), Deadline.within(INVOCATION))
            if outcome.status is Status.READY:
                return
            assert outcome.status is Status.IN_PROGRESS
            await anyio.sleep(outcome.retry_after or VISIBILITY)

    async with anyio.create_task_group() as group:
        for number in range(times):
            group.start_soon(one, number)


async def _left(deliver: Any, times: int) -> dict[str, Any]:
    with SandboxWorld() as world:
        await deliver(world, times)
        return _trace(world)


@pytest.mark.sweep
def test_r4_one_event_many_times():
    """In sequence, in one batch, at once and staggered: the same calls, one acceptance, one outcome as with one."""
    wrong, cases = [], 0
    for deliver in (_in_sequence, _in_one_batch, _at_once, _fulfilled):
        once = virtually(partial(_left, deliver, 1))
        assert once["accepted"] == 1
        all_times = range(1, 51) if deliver is _in_sequence else (2, 3, 7, 10, 20, 35, 50)
        for times in sliced(all_times, 7, deliver.__name__):
            cases += 1
            if (found := virtually(partial(_left, deliver, times))) != once:
                wrong.append(f"{times} times {deliver.__name__}: {found['calls']}, {found['accepted']} accepted")
    tried("R4", "one event up to 50 times, in sequence, in one batch, at once, staggered", cases, wrong)
    assert wrong == []


async def _mixed(times: int) -> tuple[list[Any], int]:
    with SandboxWorld() as world:
        names = [f"other{n}" for n in range(OTHERS)]
        events = [message(f"{name}-{k}", requested(name, one_gateway(name))) for name in names for k in range(times)]
        events += _copies(times)
        random.Random(times).shuffle(events)
        queue = Queue(world, most=10)
        async with anyio.create_task_group() as group:
            for start in range(0, len(events), 10):
                group.start_soon(queue.deliver, events[start : start + 10])
        assert queue.given_up == set()
        calls = sorted(
            (call.operation, call.name.partition("-")[0]) for call in world.plane.journal.calls if call.mutating
        )
        accepted = [detail["requestId"] for kind, detail in world.announced if kind == "Gateway Stack Accepted"]
        assert sorted(accepted) == sorted(set(accepted))
        return [call for call in calls if call[0].startswith(("Create", "Update", "Delete"))], len(accepted)


def test_r4_interleaved_with_other_stacks():
    """Copies of several stacks' events, shuffled into batches that run at once, are one event each."""
    once = virtually(partial(_mixed, 1))
    wrong = [times for times in (2, 5, 10, 25, 50) if virtually(partial(_mixed, times)) != once]
    tried("R4", "the events of three stacks up to 50 times each, shuffled into batches at once", 5, wrong)
    assert wrong == []
