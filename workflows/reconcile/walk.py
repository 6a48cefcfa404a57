"""Walking the dependency graph: a task per resource waits only for dependencies, so a run takes the critical path."""

from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter

import anyio

from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.tasks import gather_all
from workflows.planner import failures
from workflows.planner.decide import decide
from workflows.planner.decision import Action, Decision
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile import recording
from workflows.reconcile.drive import drive
from workflows.reconcile.executor import Executor
from workflows.reconcile.graph import Node, predecessor_of
from workflows.reconcile.results import result_of
from workflows.reconcile.run import Run
from workflows.reconcile.stages import in_scope, skip_out_of_scope

#: Statuses after which a run does no more work on a resource.
_ENDS = frozenset({ResourceStatus.READY, ResourceStatus.DELETED, ResourceStatus.RETAINED})


async def walk(executor: Executor) -> list[Result]:
    """Drive every node to the desired state; drive changed resources again that a second read does not show READY."""
    run = executor.run
    todo = await skip_out_of_scope(run)
    while todo:
        await gather_all([partial(_task, executor, address) for address in todo])
        todo = await executor.changed_since()
    results = [node.result for node in run.nodes.values() if node.result is not None and in_scope(run, node)]
    if not run.stage and all(result.status in _ENDS for result in results):
        await _let_go_of_released(run)
    return results


async def _let_go_of_released(run: Run) -> None:
    """Clear the records of retained resources, but only when the run has converged.

    Until then these records keep the dependencies of retained resources from being deleted. The record of a dependency
    is cleared before the records of its users, so that an interrupted run leaves no dependency without known users.
    """
    order = TopologicalSorter({address: node.after for address, node in run.nodes.items()}).static_order()
    for address in reversed(list(order)):
        if run.nodes[address].released:
            await recording.record_deleted(run, run.desired(address))


async def _task(executor: Executor, address: str) -> None:
    """Drive a resource after the dependencies are done; set `done` in any case, so that no dependent waits forever."""
    run, node = executor.run, executor.run.nodes[address]
    try:
        found = await _after_others(run, node)
        # The task of a successor may have deleted the resource meanwhile.
        node.result = node.result or found
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
    """Drive a resource; after a quota refusal, once more if a deletion of siblings or the predecessor makes room."""
    run, node.began = executor.run, node.began or anyio.current_time()
    try:
        async with node.lock:
            return await drive(executor, node)
    except CallFailed as failed:
        if failed.error_class is not ErrorClass.QUOTA:
            raise
        leaving = _leaving_beside(run, node)
        node.blocked_by = frozenset(one.address for one in leaving)
        for one in leaving:
            await one.done.wait()
        ends = {one.address: one.result for one in leaving if one.result is not None}
        for address, end in ends.items():
            if end.status is ResourceStatus.IN_PROGRESS:
                reason = f"waits for {address} to be deleted, which frees the quota"
                return result_of(run, node, ResourceStatus.IN_PROGRESS, reason, retry_after=end.retry_after)
        freed = any(end.status is ResourceStatus.DELETED for end in ends.values())
        if not freed and not await _predecessor_deleted(executor, node):
            raise
    async with node.lock:
        return await drive(executor, node)


async def _predecessor_deleted(executor: Executor, node: Node) -> bool:
    """Delete the predecessor of a resource, with its children, if the request approves that; return whether it did.

    Nothing serves in its place until the resource is READY, which is why replacing alone approves nothing.
    """
    run = executor.run
    before = predecessor_of(run.nodes, node)
    if before is None or before.address not in run.allow:
        return False
    run.tell(node.address, "WAIT", f"a quota refuses it, so {before.address} is deleted first")
    inside = [one for one in run.nodes.values() if one.parent == before.address]
    for one in (*inside, before):
        async with one.lock:
            one.result = await drive(executor, one)
        if one.result.status is not ResourceStatus.DELETED:
            return False
    return True


def _leaving_beside(run: Run, node: Node) -> list[Node]:
    """Return siblings of the same kind that are to be deleted and do not (transitively) wait for this resource."""

    def waits(one: Node, observed: set[str]) -> bool:
        observed.add(one.address)
        others = one.after | one.blocked_by
        return node.address in others or any(waits(run.nodes[a], observed) for a in others if a not in observed)

    beside = (one for one in run.nodes.values() if (one.kind, one.parent) == (node.kind, node.parent))
    return [one for one in beside if not one.wanted and not waits(one, set())]


async def _after_others(run: Run, node: Node) -> Result | None:
    """Wait until all dependencies are done; return a result if they rule out work on this resource now."""
    for address in sorted(node.after):
        await run.nodes[address].done.wait()
    found = blocked(run, node)
    if found is not None and found.status is ResourceStatus.RETAINED:
        run.warn(node.address, "kept", found.reason)
        if any(run.nodes[address].released for address in node.after):
            # A resource that is retained on purpose still uses this resource: both are unmanaged from now on.
            node.released = True
    return found


def blocked(run: Run, node: Node) -> Result | None:
    """Return the result of a resource that is blocked by a dependency; None: the work may begin."""
    for address in sorted(node.after):
        other = run.nodes[address]
        result = other.result
        if result is None or _serves(node, other, result):
            continue
        if result.status is ResourceStatus.RETAINED:
            if _decision(run, node).action is Action.KEEP:
                continue
            reason = f"retained: {address}, which depends on it, is retained"
            return result_of(run, node, ResourceStatus.RETAINED, reason)
        if result.status is ResourceStatus.IN_PROGRESS:
            reason = f"waits for {address}, which is in progress"
            return result_of(run, node, ResourceStatus.IN_PROGRESS, reason, retry_after=result.retry_after)
        found = result_of(run, node, ResourceStatus.BLOCKED, f"waits for {address}, which is {result.status}")
        # The run drives a dependency in the stage, or reports the failure; outside the stage nobody works on it now.
        return found if in_scope(run, other) else replace(found, failure=failures.out_of_order(node.address, address))
    return None


def _decision(run: Run, node: Node) -> Decision:
    return decide(run.desired(node.address), run.observed.get(node.address), run.record(node.address))


def _serves(node: Node, other: Node, result: Result) -> bool:
    """Return whether the result of a dependency lets the work on a resource begin."""
    if other.wanted:
        return result.status is ResourceStatus.READY
    untouched = result.status is ResourceStatus.RETAINED and other.options.existing and not node.wanted
    return result.status is ResourceStatus.DELETED or untouched
