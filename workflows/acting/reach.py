"""Reaching one resource: ask the planner for the next step, take it, and ask again, until there is none left."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

import anyio
import structlog

from infra.errors import CallFailed, OutOfTime, Verdict
from infra.tasks import together
from workflows.acting import remembering, steps
from workflows.acting.reasons import without_secrets
from workflows.acting.remembering import declared_of, present
from workflows.acting.results import awaiting_consent, result_of
from workflows.acting.run import Item, Run
from workflows.acting.survey import holds_something, list_children, list_inside
from workflows.acting.waiting import look, look_by_id, settle_down, until_gone, wait
from workflows.deciding import failures
from workflows.deciding.comparing import forms
from workflows.deciding.decide import decide
from workflows.deciding.decision import CHANGES, VISIBLE_WITHIN, Action, Birth, Decision, Wish
from workflows.deciding.outcome import ResourceStatus, Result
from workflows.document.stack import Deletion
from workflows.records.request_state import Mode

log = structlog.get_logger()

#: More steps than any resource takes; one that takes them all does not come to rest.
_MOST_STEPS = 60
_MOST_UPDATES = 6
#: Calls without an answer that one resource may meet in a run before it is left to the next.
_MOST_UNANSWERED = 5

#: Seconds before a read is repeated that nobody can make sense of.
_ASK_AGAIN = 2.0

Step = Callable[[Run, Wish], Awaitable[None]]
_STEPS: Mapping[Action, Step] = {
    Action.UPDATE: steps.update,
    Action.TAG: steps.tag,
    Action.SYNCHRONIZE: steps.synchronize,
}


async def reach(run: Run, item: Item) -> Result:
    """Take step after step until there is none left."""
    item.began = item.began or anyio.current_time()
    obstacle = run.obstacles.get(item.address) or run.obstacles.get(item.parent or "")
    if obstacle is not None:
        raise obstacle
    if item.parent is not None and item.parent not in run.listed and run.parent_id(item.address) is not None:
        await list_children(run, item.parent)
    if run.mode is Mode.PROVISION:
        await _know_references(run, item)
    decision = Decision(Action.NONE, "")
    for _ in range(_MOST_STEPS):
        await without_secrets(run, item)
        wish = run.wish(item.address)
        await remembering.note_failure(run, wish)
        decision = decide(wish, run.seen.get(item.address), run.memory(item.address))
        item.updates += decision.action is Action.UPDATE
        if item.updates > _MOST_UPDATES:
            break
        if _garbled(item, decision):
            await run.deadline.sleep(_ASK_AGAIN, f"another look at {item.address}")
            await look(run, item)
            continue
        if await _let_arrive(run, item, decision):
            continue
        result = await _take(run, item, wish, decision)
        if result is not None:
            return result
    failure = failures.restless(item.address, ", ".join(decision.paths))
    return replace(result_of(run, item, ResourceStatus.FAILED, failure.message), failure=failure)


async def _let_arrive(run: Run, item: Item, decision: Decision) -> bool:
    """Where a run died after it recorded an intent: wait until its call must have arrived, and look again.

    Returns whether it waited: what was decided before is out of date then.
    """
    left = run.book.in_flight_for(run.memory(item.address)) if decision.action in CHANGES else 0.0
    if left <= 0:
        return False
    reason = f"a call of a run that died, which may still be on its way to {item.address}"
    run.tell(item.address, "WAIT", reason)
    await run.deadline.sleep(left, reason)
    if run.seen.get(item.address) is not None:
        await look(run, item)
    else:
        await steps.look_by_name(run, run.wish(item.address))
    return True


def _garbled(item: Item, decision: Decision) -> bool:
    """Tell whether a read that nobody can make sense of is to be asked for once more."""
    failed = decision.failure
    first = failed is not None and failed.code == failures.UNRECOGNIZED and not item.asked_again
    item.asked_again = item.asked_again or first
    return first


async def _know_references(run: Run, item: Item) -> None:
    """See that every reference can be resolved, reading whole what a list showed in part."""
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


async def _take(run: Run, item: Item, wish: Wish, decision: Decision) -> Result | None:
    """Take one step. Returns the result when it was the last."""
    match decision.action:
        case Action.NONE:
            if run.mode is Mode.PROVISION:
                await _settle(run, item, wish)
            return result_of(run, item, ResourceStatus.READY, decision.reason)
        case Action.GONE:
            await remembering.forget(run, wish, hidden=True)
            return result_of(run, item, ResourceStatus.DELETED, decision.reason)
        case Action.KEEP:
            return await _keep(run, item, wish, decision)
        case Action.FAIL:
            return replace(result_of(run, item, ResourceStatus.FAILED, decision.reason), failure=decision.failure)
        case Action.CONSENT:
            await remembering.know(run, wish)
            return awaiting_consent(run, item, decision.reason)
        case Action.LOOK:
            await _look(run, item, decision)
        case Action.WAIT:
            await wait(run, item, decision.reason)
        case Action.DELETE | Action.REPLACE if holds_something(item.kind) and item.address not in run.unmanaged:
            await list_inside(run, item.address)
        case _:
            await _change(run, item, wish, decision)
    return None


async def _look(run: Run, item: Item, decision: Decision) -> None:
    """Read a resource whole, after a pause where the decision names one."""
    if decision.pause:
        await remembering.note_unforced(run, run.wish(item.address))
        run.tell(item.address, "WAIT", decision.reason)
        await run.deadline.sleep(decision.pause, decision.reason)
    if run.seen.get(item.address) is not None:
        await look(run, item)
        return
    await look_by_id(run, item)
    if run.seen.get(item.address) is None:
        # Written down, so that a run that ends before it can act on it has not to find it out again.
        await remembering.forget(run, run.wish(item.address), hidden=True)


async def _change(run: Run, item: Item, wish: Wish, decision: Decision) -> None:
    """Take a step that changes something, holding one of the gateway's places until it has ended."""
    item.first_action = item.first_action or (decision.action, decision.reason)
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
        if not run.memory(item.address).deletion_begun:
            await _empty(run, item)
            await _delete(run, item, wish)
        if run.seen.get(item.address) is not None:
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
        await step(run, wish)
    except CallFailed as failed:
        if failed.verdict is not Verdict.GONE or before is None:
            raise
        await look(run, item)
        if run.seen.get(item.address) is not None:
            raise
    await settle_down(run, item, began)


async def _empty(run: Run, item: Item) -> None:
    """Remove what stands under a resource that is to be made anew; what is declared of it is made again later."""
    mine = [one for one in run.items.values() if one.parent == item.address]
    hidden = [one for one in mine if run.seen.get(one.address) is None and run.memory(one.address).id is not None]
    await together([partial(look_by_id, run, one) for one in hidden])
    inside = [one for one in mine if run.seen.get(one.address)]
    await together([partial(_go, run, one, f"{item.address} is made anew") for one in inside])


async def _go(run: Run, item: Item, why: str) -> None:
    """Take step after step until a resource is gone."""
    if item.wanted:
        item.first_action = (Action.REPLACE, why)
    result = None
    async with item.lock:
        while result is None:
            await without_secrets(run, item)
            wish = run.going(item.address)
            decision = decide(wish, run.seen.get(item.address), run.memory(item.address))
            if not await _let_arrive(run, item, decision):
                result = await _take(run, item, wish, decision)
    if result.failure is not None:
        raise CallFailed(item.kind.operations.delete, Verdict.UNKNOWN, result.failure.code, result.failure.message)
    if result.status is not ResourceStatus.DELETED:
        raise OutOfTime(f"{item.address} must go first: {result.reason}", retry_after=60.0)


async def _delete(run: Run, item: Item, wish: Wish) -> None:
    began = anyio.current_time()
    if item.kind.endpoints:
        await steps.delete_endpoints(run, wish)
    await steps.delete(run, wish)
    accepted = run.seen.get(item.address) is not None
    await settle_down(run, item, began, sort="DELETE")
    if run.seen.get(item.address) is None and not accepted:
        await look_by_id(run, item, VISIBLE_WITHIN)
    elif run.seen.get(item.address) is None and item.parent is not None:
        await until_gone(run, item, began)
    if run.seen.get(item.address) is None:
        await remembering.forget(run, wish)


async def _settle(run: Run, item: Item, wish: Wish) -> None:
    """Note that a resource is as declared; what is only looked up is left to its owner."""
    if item.options.existing:
        await _let_go(run, wish)
        return
    found = forms(wish.kind, declared_of(wish), present(run, wish), run.memory(item.address))
    run.warn_of_forms(item.address, found)
    await remembering.settle(run, wish, found)


async def _let_go(run: Run, wish: Wish) -> None:
    """Leave to its owner what is only looked up from now on, also what was taken over before."""
    if run.memory(wish.address).imported:
        await steps.disown(run, wish)
        run.warn(wish.address, "kept", "it is not managed any more; what was changed of it stays as it is")
    await remembering.let_go(run, wish)


async def _keep(run: Run, item: Item, wish: Wish, decision: Decision) -> Result:
    """Leave a resource as it is; one that is retained on purpose is ours no longer."""
    run.warn(item.address, "kept", decision.reason)
    # It names what its owner has by hand from now on.
    result = result_of(run, item, ResourceStatus.RETAINED, decision.reason)
    memory, seen = run.memory(item.address), present(run, wish)
    # What is ours, and nobody can tell since when, stays known: without a tag it would not be known again.
    others = wish.birth is Birth.OTHERS and (memory.imported or not seen.ours)
    before = wish.birth in (Birth.BEFORE, Birth.OTHERS) and not others
    lacks_leave = wish.needs_allow and not wish.allowed and run.mode is Mode.PROVISION and not others
    retained = wish.options.deletion is Deletion.RETAIN
    # What a rollback leaves because it was ours before is ours yet.
    if not lacks_leave and (retained or not before):
        if others:
            if memory.imported:
                await steps.disown(run, wish)
            await remembering.forget(run, wish)
        if item.parent is not None:
            run.unmanaged[item.parent] = (*run.unmanaged.get(item.parent, ()), item.name)
        item.released = True
    return result
