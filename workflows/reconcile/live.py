"""The live executor: sends the decided steps to AWS, and waits for the end of each operation.

A change passes through these functions:

1. `change` takes a place among the operations in flight of the resource's kind under the parent (`InFlightLimiter`). A
   TAG and a resource without a parent need no place. A place whose operation outlasts the run stays taken, as at the
   service.
2. `_carry_out` calls the step (`steps`), which records an intent before the call is sent. A run that dies, or a lost
   answer, therefore leaves a record of the declarations that may be in force. A replacement deletes the resource,
   waits until the resource is gone, and creates the new resource; a deletion without effect counts as an attempt.
3. `wait_until_stable` polls through a shared watch until the operation has ended. Then `drive` decides again.

Errors:

- An update or a deletion without an answer (UNKNOWN_OUTCOME) is not repeated within the call: the resource is read and
  decided about again, up to `_MOST_UNANSWERED` times. A creation is repeated within the call (infra.retry), then by the
  next run, under the same client token.
- A change that is refused because the resource waits for consent (AWAITING_CONSENT) is recorded, and the resource is
  read and decided about again. After the wait for a place, a resource that waited for consent is read first.
- A refusal for a passing reason (`REFUSED`) is recorded with the time of the first refusal, over runs, so that the
  resource fails in the end (`results`).
- No call is sent that may not be answered before the run's deadline. OutOfTime makes the resource IN_PROGRESS.

READY can flicker: when all tasks are done, `changed_since` reads every changed resource a second time.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import anyio
import structlog

from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.service_model import is_mutating
from infra.tasks import gather_all
from workflows.kinds.observed import ObservedState
from workflows.kinds.status import Phase
from workflows.planner import failures
from workflows.planner.decision import VISIBLE_WITHIN, Action, Decision, DesiredState, State
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile import recording, steps
from workflows.reconcile.executor import Executor
from workflows.reconcile.graph import Node
from workflows.reconcile.reasons import told
from workflows.reconcile.recording import REFUSED
from workflows.reconcile.results import of_failed_call, result_of
from workflows.reconcile.run import Run
from workflows.reconcile.waiting import look, look_by_id, until_gone, wait, wait_until_stable

log = structlog.get_logger()

#: Calls without an answer that a resource may have in a run before the resource is left to the next run.
_MOST_UNANSWERED = 5
#: Seconds between the last READY and the read that confirms READY, which another replica may answer.
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
        """Do nothing: a step reports progress when the step is sent."""

    async def know_references(self, node: Node) -> None:
        """Read resources that a list showed in part. Raises CallFailed for a reference without a value."""
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
                raise CallFailed("reference", ErrorClass.INVALID, "UnresolvedReference", message)

    async def pause(self, seconds: float, reason: str) -> None:
        """Sleep for a number of seconds. Raises OutOfTime."""
        await self.run.deadline.sleep(seconds, reason)

    async def read(self, node: Node, decision: Decision) -> None:
        """Read a resource in full, after the pause of the decision."""
        run = self.run
        if decision.pause:
            await recording.record_shown_otherwise(run, run.desired(node.address))
            run.tell(node.address, "WAIT", decision.reason)
            await run.deadline.sleep(decision.pause, decision.reason)
        if run.observed.get(node.address) is not None:
            await look(run, node)
            return
        if await look_by_id(run, node) is None:
            # Recorded, so that the next run need not repeat the reads if this run ends before the next step.
            await recording.record_deleted(run, run.desired(node.address), unconfirmed=True)

    async def find(self, node: Node) -> None:
        """Read a resource by id, until two reads agree that there is none."""
        await look_by_id(self.run, node)

    def stays(self, node: Node, result: Result) -> None:
        """Leave the replacement of the parent to a later run. Raises OutOfTime."""
        raise OutOfTime(f"{node.address} must be deleted first: {result.reason}", retry_after=60.0)

    async def wait(self, node: Node, decision: Decision) -> None:
        """Wait until polls show the end of an operation."""
        await wait(self.run, node, decision.reason)

    async def change(self, node: Node, state: State, decision: Decision) -> None:
        """Carry out a changing step, holding a place among the gateway's operations until the operation has ended."""
        run, desired = self.run, state.desired
        if node.parent is None or decision.action is Action.TAG:
            await _send(run, node, desired, decision)
            return
        slots, watch = run.slots(node), run.watch(node.address)

        async def wait_for_others() -> None:
            await run.deadline.sleep(1.0, f"a slot among the operations of {node.parent}")
            await watch.look()

        await slots.take(node.name, wait_for_others)
        try:
            if not await _consented_meanwhile(run, node):
                await _send(run, node, desired, decision)
        except OutOfTime as late:
            observed = run.observed.get(node.address)
            if observed is not None and observed.moving:
                slots.leave(node.name, late.retry_after)
            raise
        finally:
            slots.free(node.name)

    async def disown(self, desired: DesiredState) -> None:
        """Remove the owner tag from a resource."""
        await steps.disown(self.run, desired)

    def never_converges(self, node: Node, decision: Decision) -> Result:
        """Return FAILED for a resource that never converges."""
        failure = failures.never_converges(node.address, ", ".join(decision.paths))
        return replace(result_of(self.run, node, ResourceStatus.FAILED, failure.message), failure=failure)

    async def failed(self, node: Node, error: CallFailed | OutOfTime) -> Result:
        """Return IN_PROGRESS or FAILED for a resource, and record since when a change is refused."""
        run = self.run
        if isinstance(error, CallFailed):
            error = await told(run, node, error)
            await self._note_refusal(node, error)
            return of_failed_call(run, node, error)
        refused = error.refused
        if refused is not None and refused.error_class in REFUSED:
            refused = await told(run, node, refused)
            await self._note_refusal(node, refused)
            return of_failed_call(run, node, refused, cut_short=True)
        return result_of(run, node, ResourceStatus.IN_PROGRESS, str(error), retry_after=error.retry_after)

    async def _note_refusal(self, node: Node, failed: CallFailed) -> None:
        if failed.error_class in REFUSED and is_mutating(failed.operation):
            await recording.record_refusal(self.run, node, failed)

    async def changed_since(self) -> list[str]:
        """Read the changed resources once more, since READY can flicker; return the addresses not READY any more."""
        run = self.run
        changed = [
            node
            for node in run.nodes.values()
            if node.first_action is not None and node.result is not None and node.result.status is ResourceStatus.READY
        ]
        # A single poll shows all targets of a gateway; the gateway has a poll of its own.
        looks = {id(watch): watch for watch in (run.watch(node.address) for node in changed)}
        try:
            if changed:
                last = max(node.ended for node in changed)
                seconds = last + _CONFIRM_SECONDS - anyio.current_time()
                await run.deadline.sleep(max(0.0, seconds), "a second read of READY resources")
            await gather_all([watch.look for watch in looks.values()])
            return [node.address for node in changed if not await _rests(run, node)]
        except (CallFailed, OutOfTime):
            return []


async def _rests(run: Run, node: Node) -> bool:
    """Return whether the last poll still shows a resource READY; else reset the node, so that work starts again."""
    before = run.observed.get(node.address)
    shown = run.watch(node.address).last.get(node.name)
    if shown is None:
        # A list may lag; only a read of the resource itself shows a deletion.
        shown = await look(run, node)
    if shown is not None and shown.meaning.phase is Phase.SETTLED:
        return True
    run.learn(node.address, replace(shown, ours=before.ours) if shown is not None and before is not None else shown)
    node.done, node.result, node.after = anyio.Event(), None, frozenset()
    return False


async def _consented_meanwhile(run: Run, node: Node) -> bool:
    """Return whether a resource that waited for consent does so no longer, so that it is decided about again."""
    before = run.observed.get(node.address)
    if before is None or before.meaning.phase is not Phase.AWAITING_CONSENT:
        return False
    after = await look(run, node)
    return after is None or after.status != before.status


async def _send(run: Run, node: Node, desired: DesiredState, decision: Decision) -> None:
    """Carry out a decision, and read an existing resource again when a call had no answer."""
    run.tell(node.address, decision.action, ", ".join(decision.paths) or decision.reason)
    log.info("step", resource=node.address, action=decision.action, paths=list(decision.paths))
    try:
        await _carry_out(run, node, desired, decision)
    except CallFailed as failed:
        if failed.error_class is ErrorClass.AWAITING_CONSENT and run.observed.get(node.address) is not None:
            # Which calls the service takes in this status is not known before: note the refusal, and decide again.
            await recording.record_refusal(run, node, failed)
            await look(run, node)
            return
        if failed.error_class is not ErrorClass.UNKNOWN_OUTCOME or run.observed.get(node.address) is None:
            raise
        node.unanswered += 1
        if node.unanswered > _MOST_UNANSWERED:
            raise
        # The call may have taken effect: read, and decide again.
        await run.deadline.sleep(1.0, f"a response of {failed.operation}")
        await look(run, node)


async def _carry_out(run: Run, node: Node, desired: DesiredState, decision: Decision) -> None:
    """Carry out a decision and wait until the operation has ended."""
    if decision.action is Action.REPLACE:
        # A deletion of an earlier run may have had no effect: that counts as an attempt too.
        left = run.observed.get(node.address)
        if not run.record(node.address).deletion_begun:
            left = await _delete(run, node, desired)
        if left is not None:
            await run.session.store(run.record(node.address).deletion_failed(desired.retry_scope))
            return
        desired = run.desired(node.address)
    if decision.action is Action.DELETE:
        await _delete(run, node, desired)
        return
    before = run.observed.get(node.address)
    began = anyio.current_time()
    step = _STEPS.get(decision.action, steps.create)
    if decision.action is Action.UPDATE and desired.declared is None:
        step = steps.ask_no_consent
    try:
        after = await step(run, desired)
    except CallFailed as failed:
        if failed.error_class is not ErrorClass.GONE or before is None:
            raise
        after = await look(run, node)
        if after is not None:
            raise
    await wait_until_stable(run, node, after, began)


async def _delete(run: Run, node: Node, desired: DesiredState) -> ObservedState | None:
    """Delete a resource and wait until the resource is gone. Returns the resource if the deletion had no effect."""
    began = anyio.current_time()
    if node.kind.endpoints:
        await steps.delete_endpoints(run, desired)
    deleting = await steps.delete(run, desired)
    left = await wait_until_stable(run, node, deleting, began, sort="DELETE")
    if left is None and deleting is None:
        left = await look_by_id(run, node, VISIBLE_WITHIN)
    elif left is None and node.parent is not None:
        left = await until_gone(run, node, began)
    if left is None:
        await recording.record_deleted(run, desired)
    return left
