"""Acting: one task per resource, each waiting for exactly what it needs, so that a run takes its critical path."""

from dataclasses import replace
from functools import partial

import anyio

from infra.errors import CallFailed, OutOfTime
from infra.tasks import together
from workflows.kinds.kind import Phase
from workflows.outcome import ResourceStatus, Result
from workflows.reach import reach
from workflows.results import of_failed_call, result_of
from workflows.run import Item, Run


async def act(run: Run) -> list[Result]:
    """Bring every item to where it is wanted, then look once more that it stays there."""
    todo = list(run.items)
    while todo:
        await together([partial(_task, run, address) for address in todo])
        todo = await _unsteady(run)
    return [item.result for item in run.items.values() if item.result is not None]


async def _task(run: Run, address: str) -> None:
    """Work on one resource once all that comes first is done. Whatever happens, who waits for it is told."""
    item = run.items[address]
    try:
        item.result = await _after_others(run, item) or await reach(run, item)
    except OutOfTime as late:
        item.result = result_of(run, item, ResourceStatus.IN_PROGRESS, str(late), retry_after=late.retry_after)
    except CallFailed as failed:
        item.result = of_failed_call(run, item, failed)
    finally:
        item.done.set()
    result = item.result
    run.tell(address, str(result.status), f"{result.seconds:.1f} s" if result.failure is None else result.reason)


async def _after_others(run: Run, item: Item) -> Result | None:
    """Wait for what comes first; return the result of this resource when that cannot be had now."""
    for address in sorted(item.after):
        other = run.items[address]
        await other.done.wait()
        result = other.result
        if result is None or _serves(item, other, result):
            continue
        if result.status is ResourceStatus.IN_PROGRESS:
            reason = f"waits for {address}, which is in progress"
            return result_of(run, item, ResourceStatus.IN_PROGRESS, reason, retry_after=result.retry_after)
        return result_of(run, item, ResourceStatus.BLOCKED, f"waits for {address}, which is {result.status}")
    return None


def _serves(item: Item, other: Item, result: Result) -> bool:
    """Tell whether another's result lets this one begin."""
    if other.wanted:
        return result.status is ResourceStatus.READY
    kept = result.status is ResourceStatus.RETAINED and not item.wanted
    return result.status is ResourceStatus.DELETED or kept


async def _unsteady(run: Run) -> list[str]:
    """Look once more at what was changed: READY can flicker. Returns what must be worked on again."""
    changed = [
        item
        for item in run.items.values()
        if item.first_action is not None and item.result is not None and item.result.status is ResourceStatus.READY
    ]
    places = {item.parent or item.address: item.address for item in changed}
    try:
        await together([run.watch(address).look for address in places.values()])
    except (CallFailed, OutOfTime):
        return []
    unsteady = []
    for item in changed:
        shown = run.watch(item.address).last.get(item.name)
        if shown is None or shown.meaning.phase is not Phase.SETTLED:
            before = run.seen.get(item.address)
            run.seen[item.address] = replace(shown, ours=before.ours) if shown and before else shown
            item.done, item.result, item.after = anyio.Event(), None, frozenset()
            unsteady.append(item.address)
    return unsteady
