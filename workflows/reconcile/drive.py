"""Driving one resource to the desired state: observe, decide, act, and decide again.

The loop is level-triggered. Each iteration builds the state of the resource (desired state, observed state, record),
asks the planner (`decide`, a pure function) for the next action, and has the executor carry out that action. The next
iteration starts from the new observation and record. No plan is held that a change at the service could invalidate,
and an interrupted run resumes from wherever the previous run ended.

`_step` treats a decision in this order:

1. A decision about an unrecognized value is made again after a second read (`_garbled`).
2. A change waits while a call of a run that died may still be in flight for the resource (`_let_arrive`).
3. LOOK reads the resource. Before a deletion or replacement, the children are listed, so that the planner knows the
   children that this stack does not manage. Neither changes anything, and the planner decides again.
4. WAIT waits for an operation that is under way.
5. An action that changes nothing ends the loop (NONE, GONE, KEEP, CONSENT, FAIL): `_conclude` records how the work
   ended, and `drive` returns the result.
6. Every other action goes to `Executor.change`. A replacement deletes the children first (`_empty`); the tasks of
   declared children create them again later.

A resource that takes too many steps or updates never converges; the executor says which result that is. The loop is
the same for a run and for a plan: `LiveExecutor` sends the calls, `DryExecutor` projects the effect of each call.
CallFailed and OutOfTime leave the loop, and `act` turns them into a result.
"""

from dataclasses import replace
from functools import partial

from infra.errors import CallFailed, ErrorClass
from infra.tasks import gather_all
from workflows.document.stack import Deletion
from workflows.planner import failures
from workflows.planner.comparing import forms
from workflows.planner.decide import decide
from workflows.planner.decision import CHANGES, Action, Decision, DesiredState, Provenance, State
from workflows.planner.outcome import ResourceStatus, Result
from workflows.reconcile import recording
from workflows.reconcile.executor import Executor
from workflows.reconcile.graph import Node
from workflows.reconcile.observation import list_children, list_inside, look_by_name, may_hold_others
from workflows.reconcile.reasons import without_secrets
from workflows.reconcile.recording import declared_of, present
from workflows.reconcile.results import awaiting_consent, result_of
from workflows.reconcile.waiting import look
from workflows.records.request_state import Mode

#: More steps than any resource needs; a resource that takes all of them never converges.
_MOST_STEPS = 60
_MOST_UPDATES = 6
#: Seconds before a read that showed an unrecognized value is repeated.
_ASK_AGAIN = 2.0
#: Seconds before the second look for a resource whose creation has no answer.
_SEEK_AGAIN = 5.0
_REMOVALS = frozenset({Action.DELETE, Action.REPLACE})


async def drive(executor: Executor, node: Node) -> Result:
    """Carry out decisions until the planner ends the work on a resource. Raises CallFailed and OutOfTime."""
    await _prepare(executor, node)
    decision = Decision(Action.NONE, "")
    for _ in range(_MOST_STEPS):
        state = await _state(executor, node)
        decision = decide(state.desired, state.observed, state.record)
        node.updates += decision.action is Action.UPDATE
        if node.updates > _MOST_UPDATES:
            break
        result = await _step(executor, node, state, decision)
        if result is not None:
            return result
    return executor.never_converges(node, decision)


async def _prepare(executor: Executor, node: Node) -> None:
    run = executor.run
    obstacle = run.observation_errors.get(node.address) or run.observation_errors.get(node.parent or "")
    if obstacle is not None:
        raise obstacle
    if node.parent is not None and node.parent not in run.listed and run.parent_id(node.address):
        await list_children(run, node.parent)
    if run.mode is Mode.PROVISION:
        await executor.know_references(node)


async def _state(executor: Executor, node: Node) -> State:
    """Return the state of a resource, after masking secrets in the service's reasons and recording a failed update."""
    await without_secrets(executor.run, node)
    await recording.record_failure(executor.run, executor.run.desired(node.address))
    return executor.state(node)


async def _step(executor: Executor, node: Node, state: State, decision: Decision) -> Result | None:
    """Carry out a decision. Returns the result of the resource if the decision ends the work, else None."""
    run = executor.run
    if _garbled(node, decision):
        await executor.pause(_ASK_AGAIN, f"another read of {node.address}")
        await look(run, node)
        return None
    if await _let_arrive(executor, node, decision):
        return None
    if _may_be_hidden(node, state, decision):
        await executor.pause(_SEEK_AGAIN, f"another look for {node.address}")
        await look_by_name(run, node)
        return None
    if decision.action is Action.LOOK:
        await executor.read(node, decision)
        return None
    if decision.action in _REMOVALS and may_hold_others(node.kind) and node.address not in run.unmanaged:
        await list_inside(run, node.address)
        return None
    executor.decided(node, state, decision)
    if decision.action is Action.WAIT:
        await executor.wait(node, decision)
        return None
    if decision.action not in CHANGES:
        return await _conclude(executor, node, state, decision)
    node.first_action = node.first_action or (decision.action, decision.reason)
    if decision.action is Action.REPLACE and not state.record.deletion_begun:
        await _empty(executor, node)
    await executor.change(node, state, decision)
    return None


async def _conclude(executor: Executor, node: Node, state: State, decision: Decision) -> Result:
    """Record how the work on a resource ended, and return the result."""
    run, desired = executor.run, state.desired
    match decision.action:
        case Action.NONE:
            if run.mode is Mode.PROVISION:
                await _settle(executor, node, state)
            return result_of(run, node, ResourceStatus.READY, decision.reason)
        case Action.GONE:
            await recording.record_deleted(run, desired, unconfirmed=True)
            return result_of(run, node, ResourceStatus.DELETED, decision.reason)
        case Action.KEEP:
            return await _keep(executor, node, state, decision)
        case Action.CONSENT:
            await recording.record_consent(run, desired)
            return awaiting_consent(run, node, decision.reason)
        case _:
            return replace(result_of(run, node, ResourceStatus.FAILED, decision.reason), failure=decision.failure)


async def _let_arrive(executor: Executor, node: Node, decision: Decision) -> bool:
    """Wait while a call of a run that died after recording an intent may be in flight, then read the resource again.

    Returns whether there was such a call: the decision is out of date then.
    """
    run = executor.run
    left = run.session.in_flight_for(run.record(node.address)) if decision.action in CHANGES else 0.0
    if left <= 0:
        return False
    reason = f"a call of an earlier run that may still reach {node.address}"
    run.tell(node.address, "WAIT", reason)
    await executor.pause(left, reason)
    if run.observed.get(node.address) is not None:
        await look(run, node)
    else:
        await look_by_name(run, node)
    return True


def _garbled(node: Node, decision: Decision) -> bool:
    """Return whether to repeat a read that showed an unrecognized value: once for each resource."""
    failed = decision.failure
    first = failed is not None and failed.code == failures.UNRECOGNIZED and not node.asked_again
    node.asked_again = node.asked_again or first
    return first


def _may_be_hidden(node: Node, state: State, decision: Decision) -> bool:
    """Return whether to look once more for a resource whose creation has no answer, before it counts as never created.

    Without an id only a list tells, and one list may lack the resource.
    """
    first = decision.action is Action.GONE and state.record.pending_creation is not None and not node.sought_again
    node.sought_again = node.sought_again or first
    return first


async def _empty(executor: Executor, node: Node) -> None:
    """Delete the children of a resource that is to be replaced; declared children are created again later."""
    run = executor.run
    mine = [one for one in run.nodes.values() if one.parent == node.address]
    hidden = [one for one in mine if run.observed.get(one.address) is None and run.record(one.address).id]
    await gather_all([partial(executor.find, one) for one in hidden])
    inside = [one for one in mine if run.observed.get(one.address)]
    await gather_all([partial(_remove, executor, one, f"{node.address} is replaced") for one in inside])


async def _remove(executor: Executor, node: Node, why: str) -> None:
    """Delete a resource even if declared, because the parent is to be replaced. Raises CallFailed and OutOfTime."""
    run, result = executor.run, None
    async with node.lock:
        if node.wanted:
            executor.decided(node, executor.state(node), Decision(Action.REPLACE, why))
            node.first_action = (Action.REPLACE, why)
        while result is None:
            await without_secrets(run, node)
            state = replace(executor.state(node), desired=run.going(node.address))
            decision = decide(state.desired, state.observed, state.record)
            result = await _step(executor, node, state, decision)
    if result.failure is not None:
        raise CallFailed(node.kind.operations.delete, ErrorClass.UNKNOWN, result.failure.code, result.failure.message)
    if result.status is not ResourceStatus.DELETED:
        executor.stays(node, result)


async def _settle(executor: Executor, node: Node, state: State) -> None:
    """Record that a resource has converged; stop managing a resource that is only looked up."""
    run, desired = executor.run, state.desired
    if node.options.existing:
        await _let_go(executor, desired)
        return
    observed = present(run, desired)
    found = forms(desired.kind, declared_of(desired), observed, state.record) if observed.id else ()
    run.warn_of_forms(node.address, found)
    await recording.record_converged(run, desired, found)


async def _let_go(executor: Executor, desired: DesiredState) -> None:
    """Stop managing a resource that is only looked up from now on, and remove the owner tag."""
    run = executor.run
    if run.record(desired.address).exists:
        await executor.disown(desired)
        run.warn(desired.address, "kept", "it is not managed any more; earlier changes to it stay")
    await recording.stop_managing(run, desired)


async def _keep(executor: Executor, node: Node, state: State, decision: Decision) -> Result:
    """Retain a resource; stop managing the resource unless a missing approval or a rollback is the reason."""
    run, desired = executor.run, state.desired
    run.warn(node.address, "kept", decision.reason)
    # Built before the record is cleared: the result names the ids that the owner needs from now on.
    result = result_of(run, node, ResourceStatus.RETAINED, decision.reason)
    record, observed = run.record(node.address), present(run, desired)
    # Keep the record of an owned resource of unknown age: an untagged resource could never be identified again.
    others = desired.provenance is Provenance.FOREIGN and (record.imported or not observed.ours)
    before = desired.provenance in (Provenance.PRE_EXISTING, Provenance.FOREIGN) and not others
    lacks_approval = desired.needs_allow and not desired.allowed and run.mode is Mode.PROVISION and not others
    retained = desired.options.deletion is Deletion.RETAIN
    # A resource that a rollback retains because this stack owned it before remains managed.
    if not lacks_approval and (retained or not before):
        if others:
            if record.imported:
                await executor.disown(desired)
            await recording.record_deleted(run, desired)
        if node.parent is not None:
            run.unmanaged[node.parent] = (*run.unmanaged.get(node.parent, ()), node.name)
        node.released = True
    return result
