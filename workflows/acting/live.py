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
from workflows.acting import remembering, steps
from workflows.acting.executor import Executor, State
from workflows.acting.remembering import REFUSED
from workflows.acting.results import of_failed_call, result_of
from workflows.acting.run import Item, Run
from workflows.acting.waiting import look, look_by_id, settle_down, until_gone, wait
from workflows.deciding import failures
from workflows.deciding.decision import VISIBLE_WITHIN, Action, Decision, Wish
from workflows.deciding.outcome import ResourceStatus, Result
from workflows.kinds.kind import Phase
from workflows.kinds.observed import ObservedState

log = structlog.get_logger()

#: Calls without an answer that one resource may meet in a run before it is left to the next.
_MOST_UNANSWERED = 5
#: Seconds between the last READY and the look that confirms it, which may be answered from somewhere else.
_CONFIRM_SECONDS = 0.3

Step = Callable[[Run, Wish], Awaitable[ObservedState | None]]
_STEPS: Mapping[Action, Step] = {
    Action.UPDATE: steps.update,
    Action.TAG: steps.tag,
    Action.SYNCHRONIZE: steps.synchronize,
}


class LiveExecutor(Executor):
    """Sends the steps of a run to AWS."""

    def decided(self, item: Item, state: State, decision: Decision) -> None:
        """Nothing: a step tells of itself when it is sent."""

    async def know_references(self, item: Item) -> None:
        """See that every reference can be resolved, reading whole what a list showed in part."""
        run = self.run
        for reference in item.resource.references if item.resource is not None else ():
            if run.value_of(reference) is not None:
                continue
            other = run.items[reference.address]
            seen = run.seen.get(other.address)
            if seen is not None and not seen.full:
                await look(run, other)
            if run.value_of(reference) is None:
                message = f"${{{reference.text}}} has no value: {other.address} does not show that member"
                raise CallFailed("reference", Verdict.INVALID, "UnresolvedReference", message)

    async def pause(self, seconds: float, reason: str) -> None:
        """Sleep. Raises OutOfTime."""
        await self.run.deadline.sleep(seconds, reason)

    async def read(self, item: Item, decision: Decision) -> None:
        """Read a resource whole, after a pause where the decision names one."""
        run = self.run
        if decision.pause:
            await remembering.note_unforced(run, run.wish(item.address))
            run.tell(item.address, "WAIT", decision.reason)
            await run.deadline.sleep(decision.pause, decision.reason)
        if run.seen.get(item.address) is not None:
            await look(run, item)
            return
        if await look_by_id(run, item) is None:
            # Written down, so that a run that ends before it can act on it has not to find it out again.
            await remembering.forget(run, run.wish(item.address), hidden=True)

    async def wait(self, item: Item, decision: Decision) -> None:
        """Wait until polls show the end of an operation."""
        await wait(self.run, item, decision.reason)

    async def change(self, item: Item, state: State, decision: Decision) -> None:
        """Take a step that changes something, holding one of the gateway's places until it has ended."""
        run, wish = self.run, state.desired
        if item.parent is None or decision.action is Action.TAG:
            await _send(run, item, wish, decision)
            return
        slots, watch = run.slots(item.parent), run.watch(item.address)

        async def wait_for_others() -> None:
            await run.deadline.sleep(1.0, f"a place among the operations of {item.parent}")
            await watch.look()

        await slots.take(item.name, wait_for_others)
        try:
            await _send(run, item, wish, decision)
        except OutOfTime as late:
            seen = run.seen.get(item.address)
            if seen is not None and seen.moving:
                slots.leave(item.name, late.retry_after)
            raise
        finally:
            slots.free(item.name)

    async def disown(self, wish: Wish) -> None:
        """Take the owner tag off a resource."""
        await steps.disown(self.run, wish)

    def restless(self, item: Item, decision: Decision) -> Result:
        """Give a resource up."""
        failure = failures.restless(item.address, ", ".join(decision.paths))
        return replace(result_of(self.run, item, ResourceStatus.FAILED, failure.message), failure=failure)

    async def failed(self, item: Item, error: CallFailed | OutOfTime) -> Result:
        """Return the result of a resource, to come again or for good; note since when a change is refused."""
        run = self.run
        if isinstance(error, CallFailed):
            await self._note_refusal(item, error)
            return of_failed_call(run, item, error)
        refused = error.refused
        if refused is not None and refused.verdict in REFUSED:
            await self._note_refusal(item, refused)
            return of_failed_call(run, item, refused, cut_short=True)
        return result_of(run, item, ResourceStatus.IN_PROGRESS, str(error), retry_after=error.retry_after)

    async def _note_refusal(self, item: Item, failed: CallFailed) -> None:
        if failed.verdict in REFUSED and is_mutating(failed.operation):
            await remembering.note_refusal(self.run, item, failed)

    async def unsteady(self) -> list[str]:
        """Look once more at the resources that were changed: READY can flicker."""
        run = self.run
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
                seconds = last + _CONFIRM_SECONDS - anyio.current_time()
                await run.deadline.sleep(max(0.0, seconds), "a second look at what is READY")
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
        shown = await look(run, item)
    if shown is not None and shown.meaning.phase is Phase.SETTLED:
        return True
    run.learn(item.address, replace(shown, ours=before.ours) if shown is not None and before is not None else shown)
    item.done, item.result, item.after = anyio.Event(), None, frozenset()
    return False


async def _send(run: Run, item: Item, wish: Wish, decision: Decision) -> None:
    """Send what a decision says and wait for the end of it."""
    run.tell(item.address, decision.action, ", ".join(decision.paths) or decision.reason)
    log.info("step", resource=item.address, action=decision.action, paths=list(decision.paths))
    try:
        await _carry_out(run, item, wish, decision)
    except CallFailed as failed:
        if failed.verdict is not Verdict.UNKNOWN_OUTCOME or run.seen.get(item.address) is None:
            raise
        item.unanswered += 1
        if item.unanswered > _MOST_UNANSWERED:
            raise
        # It may have taken effect: look, and decide again.
        await run.deadline.sleep(1.0, f"an answer of {failed.operation}")
        await look(run, item)


async def _carry_out(run: Run, item: Item, wish: Wish, decision: Decision) -> None:
    """Do what a decision says."""
    if decision.action is Action.REPLACE:
        # A deletion of an earlier run may have come to nothing: that was a try too.
        left = run.seen.get(item.address)
        if not run.memory(item.address).deletion_begun:
            left = await _delete(run, item, wish)
        if left is not None:
            await run.book.remember(run.memory(item.address).deletion_failed(wish.counted_for))
            return
        wish = run.wish(item.address)
    if decision.action is Action.DELETE:
        await _delete(run, item, wish)
        return
    before = run.seen.get(item.address)
    began = anyio.current_time()
    step = _STEPS.get(decision.action, steps.create)
    try:
        after = await step(run, wish)
    except CallFailed as failed:
        if failed.verdict is not Verdict.GONE or before is None:
            raise
        after = await look(run, item)
        if after is not None:
            raise
    await settle_down(run, item, after, began)


async def _delete(run: Run, item: Item, wish: Wish) -> ObservedState | None:
    """Delete a resource and wait until it is gone; return it where it is not."""
    began = anyio.current_time()
    if item.kind.endpoints:
        await steps.delete_endpoints(run, wish)
    deleting = await steps.delete(run, wish)
    left = await settle_down(run, item, deleting, began, sort="DELETE")
    if left is None and deleting is None:
        left = await look_by_id(run, item, VISIBLE_WITHIN)
    elif left is None and item.parent is not None:
        left = await until_gone(run, item, began)
    if left is None:
        await remembering.forget(run, wish)
    return left
