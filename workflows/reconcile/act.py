"""Acting: one task per resource, each waiting for exactly what it needs, so that a run takes its critical path."""

from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter

import anyio

from infra.errors import CallFailed, OutOfTime, Verdict
from infra.tasks import together
from workflows.planner import failures
from workflows.planner.decide import decide
from workflows.planner.decision import Action, Decision
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile import remembering
from workflows.reconcile.drive import drive
from workflows.reconcile.executor import Executor
from workflows.reconcile.results import result_of
from workflows.reconcile.run import Node, Run
from workflows.reconcile.stages import inside, set_aside

#: Statuses at which a run has done with a resource.
_ENDS = frozenset({ResourceStatus.READY, ResourceStatus.DELETED, ResourceStatus.RETAINED})


async def act(executor: Executor) -> list[Result]:
    """Bring every item to where it is wanted, then look once more that it stays there."""
    run = executor.run
    todo = await set_aside(run)
    while todo:
        await together([partial(_task, executor, address) for address in todo])
        todo = await executor.unsteady()
    results = [node.result for node in run.nodes.values() if node.result is not None and inside(run, node)]
    if not run.stage and all(result.status in _ENDS for result in results):
        await _let_go_of_released(run)
    return results


async def _let_go_of_released(run: Run) -> None:
    """Forget what is left on purpose, once nothing else is to be done: until then it says what must stay with it.

    What others need goes first, so that a run that is cut off here leaves nothing that is known without its users.
    """
    order = TopologicalSorter({address: node.after for address, node in run.nodes.items()}).static_order()
    for address in reversed(list(order)):
        if run.nodes[address].released:
            await remembering.forget(run, run.desired(address))


async def _task(executor: Executor, address: str) -> None:
    """Work on one resource once all that comes first is done. Whatever happens, who waits for it is told."""
    run, node = executor.run, executor.run.nodes[address]
    try:
        node.result = await _after_others(run, node)
        if node.result is None:
            node.result = await _drive_with_room(executor, node)
    except (CallFailed, OutOfTime) as error:
        node.result = await executor.failed(node, error)
    finally:
        node.ended = anyio.current_time()
        node.done.set()
    result = node.result
    run.tell(address, str(result.status), f"{result.seconds:.1f} s" if result.failure is None else result.reason)


async def _drive_with_room(executor: Executor, node: Node) -> Result:
    """Drive a resource; where there is no room for it, once more when what leaves beside it has made some."""
    run, node.began = executor.run, node.began or anyio.current_time()
    try:
        async with node.lock:
            return await drive(executor, node)
    except CallFailed as failed:
        leaving = _leaving_beside(run, node) if failed.verdict is Verdict.QUOTA else []
        node.room = frozenset(one.address for one in leaving)
        for one in leaving:
            await one.done.wait()
        ends = {one.address: one.result for one in leaving if one.result is not None}
        for address, end in ends.items():
            if end.status is ResourceStatus.IN_PROGRESS:
                reason = f"waits for the room of {address}, which is in progress"
                return result_of(run, node, ResourceStatus.IN_PROGRESS, reason, retry_after=end.retry_after)
        if not any(end.status is ResourceStatus.DELETED for end in ends.values()):
            raise
    async with node.lock:
        return await drive(executor, node)


def _leaving_beside(run: Run, node: Node) -> list[Node]:
    """Return what is to go of a kind in the same place, and waits, over however many others, not for this one."""

    def waits(one: Node, observed: set[str]) -> bool:
        observed.add(one.address)
        others = one.after | one.room
        return node.address in others or any(waits(run.nodes[a], observed) for a in others if a not in observed)

    beside = (one for one in run.nodes.values() if (one.kind, one.parent) == (node.kind, node.parent))
    return [one for one in beside if not one.wanted and not waits(one, set())]


async def _after_others(run: Run, node: Node) -> Result | None:
    """Wait for what comes first; return the result of this resource when that cannot be had now."""
    for address in sorted(node.after):
        await run.nodes[address].done.wait()
    found = blocked(run, node)
    if found is not None and found.status is ResourceStatus.RETAINED:
        run.warn(node.address, "kept", found.reason)
        if any(run.nodes[address].released for address in node.after):
            # It belongs to what was left on purpose, and is left with it.
            node.released = True
    return found


def blocked(run: Run, node: Node) -> Result | None:
    """Return the result of a resource for which something that comes first is not as it needs it; None: go on."""
    for address in sorted(node.after):
        other = run.nodes[address]
        result = other.result
        if result is None or _serves(node, other, result):
            continue
        if result.status is ResourceStatus.RETAINED:
            if _decision(run, node).action is Action.KEEP:
                continue
            reason = f"kept: {address}, which needs it, is retained"
            return result_of(run, node, ResourceStatus.RETAINED, reason)
        if result.status is ResourceStatus.IN_PROGRESS:
            reason = f"waits for {address}, which is in progress"
            return result_of(run, node, ResourceStatus.IN_PROGRESS, reason, retry_after=result.retry_after)
        found = result_of(run, node, ResourceStatus.BLOCKED, f"waits for {address}, which is {result.status}")
        # Within a stage it comes by itself, or its own failure is told; outside nobody works on it now.
        return found if inside(run, other) else replace(found, failure=failures.out_of_turn(node.address, address))
    return None


def _decision(run: Run, node: Node) -> Decision:
    return decide(run.desired(node.address), run.observed.get(node.address), run.record(node.address))


def _serves(node: Node, other: Node, result: Result) -> bool:
    """Tell whether another's result lets this one begin."""
    if other.wanted:
        return result.status is ResourceStatus.READY
    untouched = result.status is ResourceStatus.RETAINED and other.options.existing and not node.wanted
    return result.status is ResourceStatus.DELETED or untouched
