"""Driving one resource to its desired state: ask the planner for the next step, take it, and ask again.

The loop is the same for a run and for a plan: which executor takes the steps is all that tells them apart.
"""

from dataclasses import replace
from functools import partial

from infra.errors import CallFailed, OutOfTime, Verdict
from infra.tasks import together
from workflows.acting import remembering
from workflows.acting.executor import Executor, State
from workflows.acting.reasons import without_secrets
from workflows.acting.remembering import declared_of, present
from workflows.acting.results import awaiting_consent, result_of
from workflows.acting.run import Item
from workflows.acting.survey import holds_something, list_children, list_inside, look_by_name
from workflows.acting.waiting import look, look_by_id
from workflows.deciding import failures
from workflows.deciding.comparing import forms
from workflows.deciding.decide import decide
from workflows.deciding.decision import CHANGES, Action, Birth, Decision, Wish
from workflows.deciding.outcome import ResourceStatus, Result
from workflows.document.stack import Deletion
from workflows.records.request_state import Mode

#: More steps than any resource takes; one that takes them all does not come to rest.
_MOST_STEPS = 60
_MOST_UPDATES = 6
#: Seconds before a read is repeated that nobody can make sense of.
_ASK_AGAIN = 2.0
_REMOVALS = frozenset({Action.DELETE, Action.REPLACE})


async def drive(executor: Executor, item: Item) -> Result:
    """Take step after step until there is none left. Raises CallFailed and OutOfTime."""
    await _prepare(executor, item)
    decision = Decision(Action.NONE, "")
    for _ in range(_MOST_STEPS):
        state = await _state(executor, item)
        decision = decide(state.desired, state.observed, state.record)
        item.updates += decision.action is Action.UPDATE
        if item.updates > _MOST_UPDATES:
            break
        result = await _step(executor, item, state, decision)
        if result is not None:
            return result
    return executor.restless(item, decision)


async def _prepare(executor: Executor, item: Item) -> None:
    run = executor.run
    obstacle = run.obstacles.get(item.address) or run.obstacles.get(item.parent or "")
    if obstacle is not None:
        raise obstacle
    if item.parent is not None and item.parent not in run.listed and run.parent_id(item.address):
        await list_children(run, item.parent)
    if run.mode is Mode.PROVISION:
        await executor.know_references(item)


async def _state(executor: Executor, item: Item) -> State:
    """Return the state of a resource, with secrets blotted out of the service's reasons."""
    await without_secrets(executor.run, item)
    await remembering.note_failure(executor.run, executor.run.wish(item.address))
    return executor.state(item)


async def _step(executor: Executor, item: Item, state: State, decision: Decision) -> Result | None:
    """Take one step. Returns the result when it was the last."""
    run = executor.run
    if _garbled(item, decision):
        await executor.pause(_ASK_AGAIN, f"another look at {item.address}")
        await look(run, item)
        return None
    if await _let_arrive(executor, item, decision):
        return None
    if decision.action is Action.LOOK:
        await executor.read(item, decision)
        return None
    if decision.action in _REMOVALS and holds_something(item.kind) and item.address not in run.unmanaged:
        await list_inside(run, item.address)
        return None
    executor.decided(item, state, decision)
    if decision.action is Action.WAIT:
        await executor.wait(item, decision)
        return None
    if decision.action not in CHANGES:
        return await _conclude(executor, item, state, decision)
    item.first_action = item.first_action or (decision.action, decision.reason)
    if decision.action is Action.REPLACE and not state.record.deletion_begun:
        await _empty(executor, item)
    await executor.change(item, state, decision)
    return None


async def _conclude(executor: Executor, item: Item, state: State, decision: Decision) -> Result:
    """Record the end of the work on a resource, and return its result."""
    run, wish = executor.run, state.desired
    match decision.action:
        case Action.NONE:
            if run.mode is Mode.PROVISION:
                await _settle(executor, item, state)
            return result_of(run, item, ResourceStatus.READY, decision.reason)
        case Action.GONE:
            await remembering.forget(run, wish, hidden=True)
            return result_of(run, item, ResourceStatus.DELETED, decision.reason)
        case Action.KEEP:
            return await _keep(executor, item, state, decision)
        case Action.CONSENT:
            await remembering.know(run, wish)
            return awaiting_consent(run, item, decision.reason)
        case _:
            return replace(result_of(run, item, ResourceStatus.FAILED, decision.reason), failure=decision.failure)


async def _let_arrive(executor: Executor, item: Item, decision: Decision) -> bool:
    """Where a run died after it recorded an intent: wait until its call must have arrived, and look again.

    Returns whether it waited: the decision is out of date then.
    """
    run = executor.run
    left = run.book.in_flight_for(run.memory(item.address)) if decision.action in CHANGES else 0.0
    if left <= 0:
        return False
    reason = f"a call of a run that died, which may still be on its way to {item.address}"
    run.tell(item.address, "WAIT", reason)
    await executor.pause(left, reason)
    if run.seen.get(item.address) is not None:
        await look(run, item)
    else:
        await look_by_name(run, item)
    return True


def _garbled(item: Item, decision: Decision) -> bool:
    """Tell whether a read that nobody can make sense of is to be asked for once more."""
    failed = decision.failure
    first = failed is not None and failed.code == failures.UNRECOGNIZED and not item.asked_again
    item.asked_again = item.asked_again or first
    return first


async def _empty(executor: Executor, item: Item) -> None:
    """Remove the children of a resource that is to be made anew; those that are declared are made again later."""
    run = executor.run
    mine = [one for one in run.items.values() if one.parent == item.address]
    hidden = [one for one in mine if run.seen.get(one.address) is None and run.memory(one.address).id]
    await together([partial(look_by_id, run, one) for one in hidden])
    inside = [one for one in mine if run.seen.get(one.address)]
    await together([partial(_remove, executor, one, f"{item.address} is made anew") for one in inside])


async def _remove(executor: Executor, item: Item, why: str) -> None:
    """Take step after step until a resource is gone, whatever is declared of it."""
    run, result = executor.run, None
    async with item.lock:
        if item.wanted:
            executor.decided(item, executor.state(item), Decision(Action.REPLACE, why))
            item.first_action = (Action.REPLACE, why)
        while result is None:
            await without_secrets(run, item)
            state = replace(executor.state(item), desired=run.going(item.address))
            decision = decide(state.desired, state.observed, state.record)
            result = await _step(executor, item, state, decision)
    if result.failure is not None:
        raise CallFailed(item.kind.operations.delete, Verdict.UNKNOWN, result.failure.code, result.failure.message)
    if result.status is not ResourceStatus.DELETED:
        raise OutOfTime(f"{item.address} must go first: {result.reason}", retry_after=60.0)


async def _settle(executor: Executor, item: Item, state: State) -> None:
    """Record that a resource is as declared; one that is only looked up is left to its owner."""
    run, wish = executor.run, state.desired
    if item.options.existing:
        await _let_go(executor, wish)
        return
    seen = present(run, wish)
    found = forms(wish.kind, declared_of(wish), seen, state.record) if seen.id else ()
    run.warn_of_forms(item.address, found)
    await remembering.settle(run, wish, found)


async def _let_go(executor: Executor, wish: Wish) -> None:
    """Leave to its owner what is only looked up from now on, also what was taken over before."""
    run = executor.run
    if run.memory(wish.address).imported:
        await executor.disown(wish)
        run.warn(wish.address, "kept", "it is not managed any more; what was changed of it stays as it is")
    await remembering.let_go(run, wish)


async def _keep(executor: Executor, item: Item, state: State, decision: Decision) -> Result:
    """Leave a resource as it is; one that is retained on purpose is ours no longer."""
    run, wish = executor.run, state.desired
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
                await executor.disown(wish)
            await remembering.forget(run, wish)
        if item.parent is not None:
            run.unmanaged[item.parent] = (*run.unmanaged.get(item.parent, ()), item.name)
        item.released = True
    return result
