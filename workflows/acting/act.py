"""Acting: one task per resource, each waiting for exactly what it needs, so that a run takes its critical path."""

from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter

import anyio

from infra.errors import CallFailed, OutOfTime, Verdict
from infra.service_model import is_mutating
from infra.tasks import together
from workflows.acting import remembering
from workflows.acting.reach import reach
from workflows.acting.results import of_failed_call, result_of
from workflows.acting.run import Item, Run
from workflows.acting.stages import inside, set_aside
from workflows.acting.waiting import look
from workflows.deciding import failures
from workflows.deciding.decide import decide
from workflows.deciding.decision import Action, Decision
from workflows.deciding.outcome import ResourceStatus, Result
from workflows.kinds.kind import Phase
from workflows.records.request_state import Mode

#: Seconds between the last READY and the look that confirms it, which may be answered from somewhere else.
_CONFIRM_SECONDS = 0.3
#: Statuses at which a run has done with a resource.
_ENDS = frozenset({ResourceStatus.READY, ResourceStatus.DELETED, ResourceStatus.RETAINED})
#: Refusals that pass as a rule, and do not always.
_REFUSED = frozenset({Verdict.BUSY, Verdict.IN_USE, Verdict.NOT_YET})


async def act(run: Run) -> list[Result]:
    """Bring every item to where it is wanted, then look once more that it stays there."""
    todo = await set_aside(run)
    while todo:
        await together([partial(_task, run, address) for address in todo])
        todo = await _unsteady(run)
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


async def _task(run: Run, address: str) -> None:
    """Work on one resource once all that comes first is done. Whatever happens, who waits for it is told."""
    item = run.items[address]
    try:
        item.result = await _after_others(run, item)
        if item.result is None:
            item.result = await _reach_with_room(run, item)
    except OutOfTime as late:
        if late.refused is not None and late.refused.verdict in _REFUSED:
            await _note_refusal(run, item, late.refused)
            item.result = of_failed_call(run, item, late.refused, cut_short=True)
        else:
            item.result = result_of(run, item, ResourceStatus.IN_PROGRESS, str(late), retry_after=late.retry_after)
    except CallFailed as failed:
        await _note_refusal(run, item, failed)
        item.result = of_failed_call(run, item, failed)
    finally:
        item.ended = anyio.current_time()
        item.done.set()
    result = item.result
    run.tell(address, str(result.status), f"{result.seconds:.1f} s" if result.failure is None else result.reason)


async def _reach_with_room(run: Run, item: Item) -> Result:
    """Reach a resource; where there is no room for it, once more when what leaves beside it has made some."""
    try:
        async with item.lock:
            return await reach(run, item)
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
        return await reach(run, item)


def _leaving_beside(run: Run, item: Item) -> list[Item]:
    """Return what is to go of a kind in the same place, and waits, over however many others, not for this one."""

    def waits(one: Item, seen: set[str]) -> bool:
        seen.add(one.address)
        others = one.after | one.room
        return item.address in others or any(waits(run.items[a], seen) for a in others if a not in seen)

    beside = (one for one in run.items.values() if (one.kind, one.parent) == (item.kind, item.parent))
    return [one for one in beside if not one.wanted and not waits(one, set())]


async def _note_refusal(run: Run, item: Item, failed: CallFailed) -> None:
    """Remember since when a change is refused for a passing reason, so that it does not pass for ever."""
    memory = run.memory(item.address)
    refused = failed.verdict in _REFUSED and is_mutating(failed.operation)
    if refused and run.mode is not Mode.SYNCHRONIZE:
        why = {"error_class": str(failed.verdict), "error": failed.message}
        noted = memory.refused_for_now(run.now(), run.counted_for, **why)
        if noted != memory:
            await run.book.remember(noted)


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


async def _unsteady(run: Run) -> list[str]:
    """Look once more at what was changed: READY can flicker. Returns what must be worked on again."""
    changed = [
        item
        for item in run.items.values()
        if item.first_action is not None and item.result is not None and item.result.status is ResourceStatus.READY
    ]
    # Everything under one gateway is seen by one look, and the gateway itself by another.
    looks = {(item.parent or item.address, item.parent is not None): run.watch(item.address) for item in changed}
    try:
        if changed:
            last = max(item.ended for item in changed)
            wait = last + _CONFIRM_SECONDS - anyio.current_time()
            await run.deadline.sleep(max(0.0, wait), "a second look at what is READY")
        await together([watch.look for watch in looks.values()])
        return [item.address for item in changed if not await _rests(run, item)]
    except (CallFailed, OutOfTime):
        return []


async def _rests(run: Run, item: Item) -> bool:
    """Tell whether the last look still shows a resource at rest; else make it ready to be worked on again."""
    before = run.seen.get(item.address)
    shown = run.watch(item.address).last.get(item.name)
    if shown is None:
        # A list may lag behind; only a read of the thing itself says that it is gone.
        await look(run, item)
        shown = run.seen.get(item.address)
    if shown is not None and shown.meaning.phase is Phase.SETTLED:
        return True
    run.seen[item.address] = replace(shown, ours=before.ours) if shown is not None and before is not None else shown
    item.done, item.result, item.after = anyio.Event(), None, frozenset()
    return False
