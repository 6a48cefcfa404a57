"""The live executor: it sends what is decided to AWS, records each call before it is sent, and waits for its end.

A call is recorded as an intent first (`steps`), so that a run that dies, or an answer that is lost, leaves a record of
what may be in force. Nothing is sent that may not be answered before the run's deadline.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import anyio
import structlog

from infra.errors import CallFailed, OutOfTime, Verdict
from infra.service_model import is_mutating
from infra.tasks import together
from workflows.kinds.kind import Phase
from workflows.kinds.observed import ObservedState
from workflows.planner import failures
from workflows.planner.decision import VISIBLE_WITHIN, Action, Decision, DesiredState
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile import remembering, steps
from workflows.reconcile.executor import Executor, State
from workflows.reconcile.remembering import REFUSED
from workflows.reconcile.results import of_failed_call, result_of
from workflows.reconcile.run import Node, Run
from workflows.reconcile.waiting import look, look_by_id, settle_down, until_gone, wait

log = structlog.get_logger()

#: Calls without an answer that one resource may meet in a run before it is left to the next.
_MOST_UNANSWERED = 5
#: Seconds between the last READY and the look that confirms it, which may be answered from somewhere else.
_CONFIRM_SECONDS = 0.3

Step = Callable[[Run, DesiredState], Awaitable[ObservedState | None]]
_STEPS: Mapping[Action, Step] = {
    Action.UPDATE: steps.update,
    Action.TAG: steps.tag,
    Action.SYNCHRONIZE: steps.synchronize,
}


class LiveExecutor(Executor):
    """Sends the steps of a run to AWS."""

    def decided(self, node: Node, state: State, decision: Decision) -> None:
        """Nothing: a step tells of itself when it is sent."""

    async def know_references(self, node: Node) -> None:
        """See that every reference can be resolved, reading whole what a list showed in part."""
        run = self.run
        for reference in node.resource.references if node.resource is not None else ():
            if run.value_of(reference) is not None:
                continue
            other = run.nodes[reference.address]
            observed = run.observed.get(other.address)
            if observed is not None and not observed.full:
                await look(run, other)
            if run.value_of(reference) is None:
                message = f"${{{reference.text}}} has no value: {other.address} does not show that member"
                raise CallFailed("reference", Verdict.INVALID, "UnresolvedReference", message)

    async def pause(self, seconds: float, reason: str) -> None:
        """Sleep. Raises OutOfTime."""
        await self.run.deadline.sleep(seconds, reason)

    async def read(self, node: Node, decision: Decision) -> None:
        """Read a resource whole, after a pause where the decision names one."""
        run = self.run
        if decision.pause:
            await remembering.note_unforced(run, run.desired(node.address))
            run.tell(node.address, "WAIT", decision.reason)
            await run.deadline.sleep(decision.pause, decision.reason)
        if run.observed.get(node.address) is not None:
            await look(run, node)
            return
        if await look_by_id(run, node) is None:
            # Written down, so that a run that ends before it can act on it has not to find it out again.
            await remembering.forget(run, run.desired(node.address), hidden=True)

    async def wait(self, node: Node, decision: Decision) -> None:
        """Wait until polls show the end of an operation."""
        await wait(self.run, node, decision.reason)

    async def change(self, node: Node, state: State, decision: Decision) -> None:
        """Take a step that changes something, holding one of the gateway's places until it has ended."""
        run, desired = self.run, state.desired
        if node.parent is None or decision.action is Action.TAG:
            await _send(run, node, desired, decision)
            return
        slots, watch = run.slots(node), run.watch(node.address)

        async def wait_for_others() -> None:
            await run.deadline.sleep(1.0, f"a place among the operations of {node.parent}")
            await watch.look()

        await slots.take(node.name, wait_for_others)
        try:
            await _send(run, node, desired, decision)
        except OutOfTime as late:
            observed = run.observed.get(node.address)
            if observed is not None and observed.moving:
                slots.leave(node.name, late.retry_after)
            raise
        finally:
            slots.free(node.name)

    async def disown(self, desired: DesiredState) -> None:
        """Take the owner tag off a resource."""
        await steps.disown(self.run, desired)

    def restless(self, node: Node, decision: Decision) -> Result:
        """Give a resource up."""
        failure = failures.restless(node.address, ", ".join(decision.paths))
        return replace(result_of(self.run, node, ResourceStatus.FAILED, failure.message), failure=failure)

    async def failed(self, node: Node, error: CallFailed | OutOfTime) -> Result:
        """Return the result of a resource, to come again or for good; note since when a change is refused."""
        run = self.run
        if isinstance(error, CallFailed):
            await self._note_refusal(node, error)
            return of_failed_call(run, node, error)
        refused = error.refused
        if refused is not None and refused.verdict in REFUSED:
            await self._note_refusal(node, refused)
            return of_failed_call(run, node, refused, cut_short=True)
        return result_of(run, node, ResourceStatus.IN_PROGRESS, str(error), retry_after=error.retry_after)

    async def _note_refusal(self, node: Node, failed: CallFailed) -> None:
        if failed.verdict in REFUSED and is_mutating(failed.operation):
            await remembering.note_refusal(self.run, node, failed)

    async def unsteady(self) -> list[str]:
        """Look once more at the resources that were changed: READY can flicker."""
        run = self.run
        changed = [
            node
            for node in run.nodes.values()
            if node.first_action is not None and node.result is not None and node.result.status is ResourceStatus.READY
        ]
        # Everything under one gateway is seen by one look, and the gateway itself by another.
        looks = {id(watch): watch for watch in (run.watch(node.address) for node in changed)}
        try:
            if changed:
                last = max(node.ended for node in changed)
                seconds = last + _CONFIRM_SECONDS - anyio.current_time()
                await run.deadline.sleep(max(0.0, seconds), "a second look at what is READY")
            await together([watch.look for watch in looks.values()])
            return [node.address for node in changed if not await _rests(run, node)]
        except (CallFailed, OutOfTime):
            return []


async def _rests(run: Run, node: Node) -> bool:
    """Tell whether the last look still shows a resource at rest; else make it ready to be worked on again."""
    before = run.observed.get(node.address)
    shown = run.watch(node.address).last.get(node.name)
    if shown is None:
        # A list may lag behind; only a read of the thing itself says that it is gone.
        shown = await look(run, node)
    if shown is not None and shown.meaning.phase is Phase.SETTLED:
        return True
    run.learn(node.address, replace(shown, ours=before.ours) if shown is not None and before is not None else shown)
    node.done, node.result, node.after = anyio.Event(), None, frozenset()
    return False


async def _send(run: Run, node: Node, desired: DesiredState, decision: Decision) -> None:
    """Send what a decision says and wait for the end of it."""
    run.tell(node.address, decision.action, ", ".join(decision.paths) or decision.reason)
    log.info("step", resource=node.address, action=decision.action, paths=list(decision.paths))
    try:
        await _carry_out(run, node, desired, decision)
    except CallFailed as failed:
        if failed.verdict is not Verdict.UNKNOWN_OUTCOME or run.observed.get(node.address) is None:
            raise
        node.unanswered += 1
        if node.unanswered > _MOST_UNANSWERED:
            raise
        # It may have taken effect: look, and decide again.
        await run.deadline.sleep(1.0, f"an answer of {failed.operation}")
        await look(run, node)


async def _carry_out(run: Run, node: Node, desired: DesiredState, decision: Decision) -> None:
    """Do what a decision says."""
    if decision.action is Action.REPLACE:
        # A deletion of an earlier run may have come to nothing: that was a try too.
        left = run.observed.get(node.address)
        if not run.record(node.address).deletion_begun:
            left = await _delete(run, node, desired)
        if left is not None:
            await run.session.remember(run.record(node.address).deletion_failed(desired.retry_scope))
            return
        desired = run.desired(node.address)
    if decision.action is Action.DELETE:
        await _delete(run, node, desired)
        return
    before = run.observed.get(node.address)
    began = anyio.current_time()
    step = _STEPS.get(decision.action, steps.create)
    try:
        after = await step(run, desired)
    except CallFailed as failed:
        if failed.verdict is not Verdict.GONE or before is None:
            raise
        after = await look(run, node)
        if after is not None:
            raise
    await settle_down(run, node, after, began)


async def _delete(run: Run, node: Node, desired: DesiredState) -> ObservedState | None:
    """Delete a resource and wait until it is gone; return it where it is not."""
    began = anyio.current_time()
    if node.kind.endpoints:
        await steps.delete_endpoints(run, desired)
    deleting = await steps.delete(run, desired)
    left = await settle_down(run, node, deleting, began, sort="DELETE")
    if left is None and deleting is None:
        left = await look_by_id(run, node, VISIBLE_WITHIN)
    elif left is None and node.parent is not None:
        left = await until_gone(run, node, began)
    if left is None:
        await remembering.forget(run, desired)
    return left
