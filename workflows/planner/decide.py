"""Decides the next action for one resource: a pure function of desired state, observed state and record.

Theory of operation. A run calls `decide` again after every action, and acts on the latest answer only; no plan is
stored that a change at AWS could make wrong. The plan that people see is made of the same answers, each action being
projected instead of sent (`projection`). The inputs:

- `DesiredState`: the resolved declaration, and the mode, approvals and options of the request. `declared` is None for
  a resource that shall not exist: removed from the document, part of a stack that is being removed, or a child of a
  resource that is being replaced.
- `ObservedState`: the last read; None where reads show no object. Where `full` is False, the body is a summary from a
  list, and every branch that needs more members answers LOOK (read the whole resource) first.
- `ResourceRecord`: the ledger's record: the id of the object, operations in flight, declarations that may be in
  force, and the attempts of this request.

The rules are rows of two tables; the first row that applies decides. For a declared resource (`DECLARED`):

1. Not observed (`_absent`): LOOK by the recorded id, because lists may lag. With `existing`, or in mode SYNCHRONIZE,
   FAIL. WAIT where a creation was accepted less than VISIBLE_WITHIN ago. FAIL after TRIES attempts. Otherwise CREATE.
2. Not owned by this stack: FAIL, unless the document imports the resource (`adopt`) or only refers to it (`existing`).
   Kinds without tags show no owner, so an unanswered creation is repeated under its client token to learn the owner.
3. In transition: WAIT. No change is sent while the service works on the resource.
4. Awaiting consent: CONSENT, once the authorization URL is known; UPDATE where the URL has expired (`consent`).
5. `existing`: NONE. Such a resource is never changed.
6. Mode SYNCHRONIZE: SYNCHRONIZE, NONE or FAIL, and never any other change.
7. Failed status (`_recover`): the remedy of that status, TRIES times for a request. UPDATE and SYNCHRONIZE repair in
   place; REPLACE deletes, and so needs an approval, a replaceable kind, or a failed creation that was never READY. With
   `only_approved`, a replaceable kind or a failed creation suffices for resources of the present generation alone.
8. At rest: compared with the declaration (`settled`).

For a resource that shall not exist (`UNDECLARED`), absence is proven first (WAIT while a creation may still become
visible, LOOK by id, then GONE). Every reason not to delete comes before DELETE: an unanswered creation that leaves the
owner unknown, no record but a tag, another owner, retention, a rollback that may not delete the object, a missing
approval, an operation in flight at the service, children that this stack does not manage, TRIES attempts.

Failures are decisions, too: FAIL carries a `Failure` with code, actor and advice (`failures`).
"""

from infra.error_table import propagates
from workflows.document.compare import create_only_differences
from workflows.document.problems import path_text
from workflows.document.stack import OWNER_TAG, Deletion
from workflows.kinds.observed import ObservedState
from workflows.kinds.status import Phase, Remedy
from workflows.planner import failures
from workflows.planner.comparing import beyond, differences
from workflows.planner.consent import abandoned, awaited
from workflows.planner.decision import (
    ARRIVES_WITHIN,
    PROPAGATION,
    ROLLBACK_DELETABLE,
    TRIES,
    VISIBLE_WITHIN,
    Action,
    Decision,
    DesiredState,
    Provenance,
    Row,
    State,
)
from workflows.planner.settled import cannot_tell, free, holds_others, is_covered, replaced, settled
from workflows.planner.unattended import restrained
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord


def decide(desired: DesiredState, observed: ObservedState | None, record: ResourceRecord) -> Decision:
    """Return the next action for a resource, with its reason: the answer of the first row that applies."""
    state = State(desired, observed, record)
    decision = row_of(state).decide(state)
    return restrained(state, decision) if desired.unattended else decision


def row_of(state: State) -> Row:
    """Return the row of the table that decides about a resource."""
    table = DECLARED if state.desired.declared is not None else UNDECLARED
    return next(row for row in table if row.applies(state))


def _look_by_id(desired: DesiredState, record: ResourceRecord) -> Decision | None:
    """Return a LOOK where an id is recorded: only reads by id prove a deletion, as a list may lack existing objects."""
    if record.id is None or desired.gone or desired.options.existing:
        return None
    return Decision(Action.LOOK, "read by id: the last read did not show it")


def _absent(state: State) -> Decision:
    desired, record = state.desired, state.record
    fresh = record.id is not None and desired.now - record.created_at < VISIBLE_WITHIN
    if not fresh and (look := _look_by_id(desired, record)) is not None:
        return look
    if desired.options.existing or desired.mode is Mode.SYNCHRONIZE:
        said = failures.missing if desired.options.existing else failures.not_provisioned
        failure = said(desired.address, desired.kind.noun, desired.name)
        return Decision(Action.FAIL, failure.message, failure=failure)
    if fresh:
        return Decision(Action.WAIT, "created; reads do not show it yet")
    if record.attempts(desired.retry_scope) >= TRIES and record.log.intent is None:
        failure = failures.of_status(desired.address, "FAILED", record.log.error, TRIES)
        return Decision(Action.FAIL, failure.message, failure=failure)
    known = record.id is not None or record.deposed
    return Decision(Action.CREATE, "it was deleted by others" if known else "it does not exist")


def _foreign(state: State) -> Decision:
    """Fail, unless a repeated creation can tell whether this stack made the object."""
    desired, observed, record = state.desired, state.present, state.record
    if record.pending_creation is not None and desired.kind.token and not desired.kind.tagged:
        reason = "repeated with its recorded client tokens, to learn who created the resource of this name"
        return Decision(Action.CREATE, reason)
    identity = observed.arn or observed.id or desired.name
    owner = (observed.tags or {}).get(OWNER_TAG, "")
    owner = owner if owner != desired.stack else ""
    failure = failures.name_taken(desired.address, desired.kind.noun, desired.name, identity, owner)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _wait(state: State) -> Decision:
    return Decision(Action.WAIT, f"{state.present.status}")


def _only_looked_up(state: State) -> Decision:
    del state
    return Decision(Action.NONE, "only looked up")


def _recover(state: State) -> Decision:
    """Return the remedy of a failed status, at most three times for a request."""
    desired, observed, record = state.desired, state.present, state.record
    if not observed.full:
        return _look_for_reason()
    tries, remedy = record.attempts(desired.retry_scope), observed.meaning.remedy
    if tries >= TRIES:
        return _given_up(desired, observed, tries)
    reason = f"{observed.status}: {observed.reasons or 'no reason given'}"
    repeats = remedy in (Remedy.UPDATE_AGAIN, Remedy.SYNCHRONIZE_AGAIN)
    young = _is_failed_creation(observed, record) and is_covered(desired, record)
    if not (repeats or young or free(desired, record)):
        failure = failures.not_ours_to_delete(
            desired.address, desired.kind.noun, str(observed.status), observed.reasons
        )
        return Decision(Action.FAIL, failure.message, failure=failure)
    if (pause := _propagation(desired, record, observed.reasons)) > 0:
        return Decision(Action.LOOK, f"{reason}; a grant may not be visible yet", pause=pause)
    if repeats:
        if desired.kind.tagged and not observed.ours:
            return Decision(Action.TAG, "declared with adopt: true", ("tags",))
        return _go_on(desired, observed, record, reason)
    if desired.unmanaged or desired.staying:
        return holds_others(desired)
    if unknown := beyond(desired.kind, desired.declared or {}, observed, carried=False):
        return cannot_tell(desired, unknown)
    return Decision(Action.REPLACE, reason)


def _propagation(desired: DesiredState, record: ResourceRecord, reasons: str) -> float:
    """Return the seconds to wait until a permission that an operation lacked may be visible."""
    last = record.log.last_update
    since = max(record.created_at, last.accepted_at if last is not None else 0.0)
    if not since or not propagates(reasons):
        return 0.0
    wait = PROPAGATION[record.attempts(desired.retry_scope) > 1]
    return since + wait - desired.now


def _given_up(desired: DesiredState, observed: ObservedState, tries: int) -> Decision:
    """Return the failure of a resource whose attempts are used up, with the service's reason."""
    if not observed.full:
        return _look_for_reason()
    failure = failures.of_status(desired.address, str(observed.status), observed.reasons, tries)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _look_for_reason() -> Decision:
    return Decision(Action.LOOK, "to read the reason of the failure")


def _go_on(desired: DesiredState, observed: ObservedState, record: ResourceRecord, reason: str) -> Decision:
    """Repeat the failed operation, or make the change that the declaration needs by now: that may be the repair."""
    declared = desired.declared or {}
    if unknown := [
        name for carried in (False, True) for name in beyond(desired.kind, declared, observed, carried=carried)
    ]:
        return cannot_tell(desired, tuple(unknown))
    found = differences(desired.kind, declared, observed, record)
    fixed = tuple(create_only_differences(desired.kind, declared, observed.body, found))
    if fixed:
        return replaced(desired, fixed, record)
    repeats = observed.meaning.remedy is Remedy.SYNCHRONIZE_AGAIN and not found
    if repeats and desired.kind.refuses_synchronization(declared) is None:
        return Decision(Action.SYNCHRONIZE, reason)
    return Decision(Action.UPDATE, reason, tuple(sorted(path_text(path) for path in found)))


def _is_failed_creation(observed: ObservedState, record: ResourceRecord) -> bool:
    """Return whether the failed resource was created by this stack and never became READY, so that nothing uses it."""
    mine = record.id == observed.id or record.pending_creation is not None
    return mine and record.incarnation > 0 and not record.ever_ready and observed.meaning.remedy is Remedy.CREATE_AGAIN


def _synchronize(state: State) -> Decision:
    """Decide in mode SYNCHRONIZE: a synchronization that the service would refuse is skipped with its reason."""
    desired, observed = state.desired, state.present
    failing = observed.meaning.phase is Phase.FAILED
    if failing and observed.meaning.remedy is not Remedy.SYNCHRONIZE_AGAIN:
        if not observed.full:
            return _look_for_reason()
        failure = failures.bad_status(desired.address, desired.kind.noun, str(observed.status), observed.reasons)
        return Decision(Action.FAIL, failure.message, failure=failure)
    if desired.kind.synchronization is None:
        return Decision(Action.NONE, "nothing to synchronize")
    refused = desired.kind.refuses_synchronization(desired.declared or {})
    if refused is not None:
        return Decision(Action.NONE, f"skipped: {refused}")
    if failing and desired.synchronizations >= TRIES:
        return _given_up(desired, observed, desired.synchronizations)
    if desired.synchronizations and not failing:
        return Decision(Action.NONE, "synchronized")
    return Decision(Action.SYNCHRONIZE, "asked for")


def _absent_and_undeclared(state: State) -> Decision:
    """Wait while a creation may still become visible; otherwise the resource is gone once reads by id say so."""
    desired, record, pending = state.desired, state.record, state.record.pending_creation
    since = record.created_at if record.id is not None else (pending.at if pending is not None else None)
    within = VISIBLE_WITHIN if record.id is not None else ARRIVES_WITHIN + VISIBLE_WITHIN
    if since is not None and desired.now - since < within:
        return Decision(Action.WAIT, "created; reads do not show it yet")
    return _look_by_id(desired, record) or Decision(Action.GONE, "it does not exist")


def _in_doubt(state: State) -> Decision:
    desired = state.desired
    failure = failures.in_doubt(desired.address, desired.kind.noun, desired.name)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _left_behind(state: State) -> Decision:
    desired, observed = state.desired, state.present
    identity = observed.arn or observed.id or desired.name
    failure = failures.left_behind(desired.address, desired.kind.noun, desired.name, identity, tagged=observed.ours)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _keep(state: State) -> Decision:
    return Decision(Action.KEEP, str(_reason_to_keep(state)))


def _exhausted(state: State) -> Decision:
    return _given_up(state.desired, state.present, TRIES)


def _delete(state: State) -> Decision:
    provisions = state.desired.mode is Mode.PROVISION
    return Decision(Action.DELETE, "not declared any more" if provisions else "asked for")


def _reason_to_keep(state: State) -> str | None:
    """Return why an undeclared resource is retained; None where deletion may go on."""
    desired, observed = state.desired, state.present
    if not observed.ours or desired.options.existing:
        return "not owned by this stack: not changed"
    if desired.options.deletion is Deletion.RETAIN and desired.provenance is not Provenance.FAILED_GENERATION:
        return "retained as declared"
    undoing, left = desired.provenance is not None, desired.mode is Mode.PROVISION and desired.needs_allow
    kept = desired.provenance not in ROLLBACK_DELETABLE
    if undoing and kept and not (left and desired.provenance is Provenance.PRE_EXISTING):
        return "retained: the failed generation did not create it, and its earlier state is not recorded"
    if left and not desired.allowed:
        return "removed from the document; it is deleted only when the request allows its address"
    return None


def _is_absent(state: State) -> bool:
    return state.observed is None


def _is_foreign(state: State) -> bool:
    options = state.desired.options
    return not state.present.ours and not options.existing and not options.adopt


def _is_moving(state: State) -> bool:
    return state.present.moving


def _asks_consent(state: State) -> bool:
    return state.present.meaning.phase is Phase.AWAITING_CONSENT


def _has_failed(state: State) -> bool:
    return state.present.meaning.phase is Phase.FAILED


def _is_in_doubt(state: State) -> bool:
    in_doubt = state.record.pending_creation is not None and state.desired.kind.token
    return in_doubt and not state.present.ours and not state.desired.options.existing


def _always(state: State) -> bool:
    del state
    return True


_A = Action
#: For a resource that shall exist: the first row that applies decides.
DECLARED: tuple[Row, ...] = (
    Row("absent", _is_absent, _absent, frozenset({_A.LOOK, _A.FAIL, _A.WAIT, _A.CREATE})),
    Row("foreign", _is_foreign, _foreign, frozenset({_A.CREATE, _A.FAIL})),
    Row("in transition", _is_moving, _wait, frozenset({_A.WAIT})),
    Row("awaiting consent", _asks_consent, awaited, frozenset({_A.LOOK, _A.CONSENT, _A.UPDATE, _A.REPLACE})),
    Row("existing", lambda state: state.desired.options.existing, _only_looked_up, frozenset({_A.NONE})),
    Row("to be synchronized", lambda state: state.desired.mode is Mode.SYNCHRONIZE, _synchronize,
        frozenset({_A.LOOK, _A.FAIL, _A.NONE, _A.SYNCHRONIZE})),
    Row("failed", _has_failed, _recover,
        frozenset({_A.LOOK, _A.FAIL, _A.TAG, _A.UPDATE, _A.SYNCHRONIZE, _A.REPLACE})),
    Row("at rest", _always, lambda state: settled(state.desired, state.present, state.record),
        frozenset({_A.LOOK, _A.FAIL, _A.NONE, _A.UPDATE, _A.TAG, _A.REPLACE, _A.SYNCHRONIZE})),
)  # fmt: skip
#: For a resource that shall not exist: every reason not to delete comes before the deletion.
UNDECLARED: tuple[Row, ...] = (
    Row("absent", _is_absent, _absent_and_undeclared, frozenset({_A.WAIT, _A.LOOK, _A.GONE})),
    Row("of an unknown owner", _is_in_doubt, _in_doubt, frozenset({_A.FAIL})),
    Row("of no record", lambda state: state.desired.unrecorded, _left_behind, frozenset({_A.FAIL})),
    Row("retained", lambda state: _reason_to_keep(state) is not None, _keep, frozenset({_A.KEEP})),
    Row("in transition", _is_moving, _wait, frozenset({_A.WAIT})),
    Row("awaiting consent", _asks_consent, abandoned, frozenset({_A.LOOK, _A.CONSENT, _A.DELETE, _A.UPDATE})),
    Row("with unmanaged children", lambda state: bool(state.desired.unmanaged),
        lambda state: holds_others(state.desired), frozenset({_A.FAIL})),
    Row("with no attempts left", lambda state: state.record.attempts(state.desired.retry_scope) >= TRIES, _exhausted,
        frozenset({_A.FAIL, _A.LOOK})),
    Row("at rest", _always, _delete, frozenset({_A.DELETE})),
)  # fmt: skip
#: The states that may follow an action that changes something, or waits; the other actions end the work, or read.
LEADS_TO: dict[Action, tuple[str, ...]] = {
    _A.CREATE: ("in transition", "at rest"),
    _A.UPDATE: ("in transition", "at rest", "awaiting consent"),
    _A.TAG: ("at rest",),
    _A.REPLACE: ("absent",),
    _A.SYNCHRONIZE: ("in transition",),
    _A.DELETE: ("in transition", "absent"),
    _A.WAIT: ("at rest", "failed", "awaiting consent", "absent"),
}
