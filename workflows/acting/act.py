"""Acting: one task per resource, each waiting for exactly what it needs, so that a run takes its critical path."""

from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter

import anyio

from infra.errors import CallFailed, OutOfTime, Verdict
from infra.tasks import together
from workflows.acting import remembering
from workflows.acting.drive import drive
from workflows.acting.executor import Executor
from workflows.acting.results import result_of
from workflows.acting.run import Item, Run
from workflows.acting.stages import inside, set_aside
from workflows.deciding import failures
from workflows.deciding.decide import decide
from workflows.deciding.decision import Action, Decision
from workflows.deciding.outcome import ResourceStatus, Result

#: Statuses at which a run has done with a resource.
_ENDS = frozenset({ResourceStatus.READY, ResourceStatus.DELETED, ResourceStatus.RETAINED})


async def act(executor: Executor) -> list[Result]:
    """Bring every item to where it is wanted, then look once more that it stays there."""
    run = executor.run
    todo = await set_aside(run)
    while todo:
        await together([partial(_task, executor, address) for address in todo])
        todo = await executor.unsteady()
    results = [item.result for item in run.items.values() if item.result is not None and inside(run, item)]
    if not run.stage and all(result.status in _ENDS for result in results):
        await _let_go_of_released(run)
    return results


async def _let_go_of_released(run: Run) -> None:
    """Forget what is left on purpose, once nothing else is to be done: until then it says what must stay with it.

    What others need goes first, so that a run that is cut off here leaves nothing that is known without its users.
    """
    order = TopologicalSorter({address: item.after for address, item in run.items.items()}).static_order()
    for address in reversed(list(order)):
        if run.items[address].released:
            await remembering.forget(run, run.wish(address))


async def _task(executor: Executor, address: str) -> None:
    """Work on one resource once all that comes first is done. Whatever happens, who waits for it is told."""
    run, item = executor.run, executor.run.items[address]
    try:
        item.result = await _after_others(run, item)
        if item.result is None:
            item.result = await _drive_with_room(executor, item)
    except (CallFailed, OutOfTime) as error:
        item.result = await executor.failed(item, error)
    finally:
        item.ended = anyio.current_time()
        item.done.set()
    result = item.result
    run.tell(address, str(result.status), f"{result.seconds:.1f} s" if result.failure is None else result.reason)


async def _drive_with_room(executor: Executor, item: Item) -> Result:
    """Drive a resource; where there is no room for it, once more when what leaves beside it has made some."""
    run, item.began = executor.run, item.began or anyio.current_time()
    try:
        async with item.lock:
            return await drive(executor, item)
    except CallFailed as failed:
        leaving = _leaving_beside(run, item) if failed.verdict is Verdict.QUOTA else []
        item.room = frozenset(one.address for one in leaving)
        for one in leaving:
            await one.done.wait()
        ends = {one.address: one.result for one in leaving if one.result is not None}
        for address, end in ends.items():
            if end.status is ResourceStatus.IN_PROGRESS:
                reason = f"waits for the room of {address}, which is in progress"
                return result_of(run, item, ResourceStatus.IN_PROGRESS, reason, retry_after=end.retry_after)
        if not any(end.status is ResourceStatus.DELETED for end in ends.values()):
            raise
    async with item.lock:
        return await drive(executor, item)


def _leaving_beside(run: Run, item: Item) -> list[Item]:
    """Return what is to go of a kind in the same place, and waits, over however many others, not for this one."""

    def waits(one: Item, seen: set[str]) -> bool:
        seen.add(one.address)
        others = one.after | one.room
        return item.address in others or any(waits(run.items[a], seen) for a in others if a not in seen)

    beside = (one for one in run.items.values() if (one.kind, one.parent) == (item.kind, item.parent))
    return [one for one in beside if not one.wanted and not waits(one, set())]


async def _after_others(run: Run, item: Item) -> Result | None:
    """Wait for what comes first; return the result of this resource when that cannot be had now."""
    for address in sorted(item.after):
        await run.items[address].done.wait()
    found = blocked(run, item)
    if found is not None and found.status is ResourceStatus.RETAINED:
        run.warn(item.address, "kept", found.reason)
        if any(run.items[address].released for address in item.after):
            # It belongs to what was left on purpose, and is left with it.
            item.released = True
    return found


def blocked(run: Run, item: Item) -> Result | None:
    """Return the result of a resource for which something that comes first is not as it needs it; None: go on."""
    for address in sorted(item.after):
        other = run.items[address]
        result = other.result
        if result is None or _serves(item, other, result):
            continue
        if result.status is ResourceStatus.RETAINED:
            if _decision(run, item).action is Action.KEEP:
                continue
            reason = f"kept: {address}, which needs it, is retained"
            return result_of(run, item, ResourceStatus.RETAINED, reason)
        if result.status is ResourceStatus.IN_PROGRESS:
            reason = f"waits for {address}, which is in progress"
            return result_of(run, item, ResourceStatus.IN_PROGRESS, reason, retry_after=result.retry_after)
        found = result_of(run, item, ResourceStatus.BLOCKED, f"waits for {address}, which is {result.status}")
        # Within a stage it comes by itself, or its own failure is told; outside nobody works on it now.
        return found if inside(run, other) else replace(found, failure=failures.out_of_turn(item.address, address))
    return None


def _decision(run: Run, item: Item) -> Decision:
    return decide(run.wish(item.address), run.seen.get(item.address), run.memory(item.address))


def _serves(item: Item, other: Item, result: Result) -> bool:
    """Tell whether another's result lets this one begin."""
    if other.wanted:
        return result.status is ResourceStatus.READY
    untouched = result.status is ResourceStatus.RETAINED and other.options.existing and not item.wanted
    return result.status is ResourceStatus.DELETED or untouched
