"""What to do next with one resource: a pure function of what is wanted, what is seen and what is remembered.

It is asked again after every step, so a run holds no plan that the world could make untrue; the plan that people
see is its first answer for each resource.
"""

from workflows.deciding import failures
from workflows.deciding.comparing import beyond, differences
from workflows.deciding.decision import ARRIVES_WITHIN, TRIES, UNDONE, VISIBLE_WITHIN, Action, Birth, Decision, Wish
from workflows.deciding.settled import cannot_tell, free, holds_others, replaced, settled
from workflows.document.compare import frozen
from workflows.document.problems import path_text
from workflows.document.stack import Deletion
from workflows.kinds.gateway_target import refuses_synchronization
from workflows.kinds.kind import Phase, Remedy
from workflows.kinds.observed import ObservedState
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord


def decide(wish: Wish, seen: ObservedState | None, memory: ResourceRecord) -> Decision:
    """Return the next step for a resource."""
    if wish.declared is None:
        return _leave(wish, seen, memory)
    if seen is None:
        return _absent(wish, memory)
    if not seen.ours and not wish.options.existing and not wish.options.adopt:
        if memory.pending_creation is not None and wish.kind.token and not wish.kind.tagged:
            return Decision(Action.CREATE, "repeated, to learn whether what bears its name is ours")
        identity = seen.arn or seen.id or wish.name
        failure = failures.name_taken(wish.address, wish.kind.noun, wish.name, identity)
        return Decision(Action.FAIL, failure.message, failure=failure)
    if seen.moving:
        return Decision(Action.WAIT, f"{seen.status}")
    if seen.meaning.phase is Phase.AWAITING_CONSENT:
        return _consent(seen)
    if wish.options.existing:
        return Decision(Action.NONE, "only looked up")
    if wish.mode is Mode.SYNCHRONIZE:
        return _synchronize(wish, seen)
    if seen.meaning.phase is Phase.FAILED:
        return _mend(wish, seen, memory)
    return settled(wish, seen, memory)


def _look_by_id(wish: Wish, memory: ResourceRecord) -> Decision | None:
    """What has a recorded id is gone only when reads by that id say so: a list may lack what is there."""
    if memory.id is None or wish.gone or wish.options.existing:
        return None
    return Decision(Action.LOOK, "by its id: the last read did not show it")


def _absent(wish: Wish, memory: ResourceRecord) -> Decision:
    fresh = memory.id is not None and wish.now - memory.created_at < VISIBLE_WITHIN
    if not fresh and (look := _look_by_id(wish, memory)) is not None:
        return look
    if wish.options.existing or wish.mode is Mode.SYNCHRONIZE:
        said = failures.missing if wish.options.existing else failures.unapplied
        failure = said(wish.address, wish.kind.noun, wish.name)
        return Decision(Action.FAIL, failure.message, failure=failure)
    if fresh:
        return Decision(Action.WAIT, "created; reads do not show it yet")
    if memory.attempts(wish.counted_for) >= TRIES and memory.log.intent is None:
        failure = failures.of_status(wish.address, "FAILED", memory.log.error, TRIES)
        return Decision(Action.FAIL, failure.message, failure=failure)
    known = memory.id is not None or memory.deposed
    return Decision(Action.CREATE, "it was deleted by others" if known else "it does not exist")


def _consent(seen: ObservedState) -> Decision:
    if not seen.body.get("authorizationData") and not seen.full:
        return Decision(Action.LOOK, "for the authorization URL")
    return Decision(Action.CONSENT, f"{seen.status}: a person must consent")


def _mend(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> Decision:
    """Answer a failed status with its remedy, three times for a request."""
    if not seen.full:
        return _look_for_reason()
    tries, remedy = memory.attempts(wish.counted_for), seen.meaning.remedy
    if tries >= TRIES:
        return _given_up(wish, seen, tries)
    reason = f"{seen.status}: {seen.reasons or 'no reason given'}"
    if remedy in (Remedy.UPDATE_AGAIN, Remedy.SYNCHRONIZE_AGAIN):
        return _go_on(wish, seen, memory, reason)
    if not (free(wish, memory) or _just_made(seen, memory)):
        failure = failures.not_ours_to_delete(wish.address, wish.kind.noun, str(seen.status), seen.reasons)
        return Decision(Action.FAIL, failure.message, failure=failure)
    if wish.unmanaged or wish.staying:
        return holds_others(wish)
    if unknown := beyond(wish.kind, wish.declared or {}, seen, carried=False):
        return cannot_tell(wish, unknown)
    return Decision(Action.REPLACE, reason)


def _given_up(wish: Wish, seen: ObservedState, tries: int) -> Decision:
    """Try no more, with the service's reason."""
    if not seen.full:
        return _look_for_reason()
    failure = failures.of_status(wish.address, str(seen.status), seen.reasons, tries)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _look_for_reason() -> Decision:
    return Decision(Action.LOOK, "for the reason of the failure")


def _go_on(wish: Wish, seen: ObservedState, memory: ResourceRecord, reason: str) -> Decision:
    """Repeat what failed, or do what the declaration needs by now: that may be what mends it."""
    declared = wish.declared or {}
    if unknown := [name for carried in (False, True) for name in beyond(wish.kind, declared, seen, carried=carried)]:
        return cannot_tell(wish, tuple(unknown))
    found = differences(wish.kind, declared, seen, memory)
    fixed = tuple(frozen(wish.kind, declared, seen.body, found))
    if fixed:
        return replaced(wish, fixed, memory)
    repeats = seen.meaning.remedy is Remedy.SYNCHRONIZE_AGAIN and not found
    if repeats and refuses_synchronization(declared) is None:
        return Decision(Action.SYNCHRONIZE, reason)
    return Decision(Action.UPDATE, reason, tuple(sorted(path_text(path) for path in found)))


def _just_made(seen: ObservedState, memory: ResourceRecord) -> bool:
    """Tell whether what failed is a creation of ours that never was READY, so that nobody can depend on it."""
    mine = memory.id == seen.id or memory.pending_creation is not None
    return mine and memory.incarnation > 0 and not memory.ever_ready and seen.meaning.remedy is Remedy.CREATE_AGAIN


def _synchronize(wish: Wish, seen: ObservedState) -> Decision:
    """Only synchronize; what the service would refuse is skipped with its reason."""
    failing = seen.meaning.phase is Phase.FAILED
    if failing and seen.meaning.remedy is not Remedy.SYNCHRONIZE_AGAIN:
        if not seen.full:
            return _look_for_reason()
        failure = failures.unfit(wish.address, wish.kind.noun, str(seen.status), seen.reasons)
        return Decision(Action.FAIL, failure.message, failure=failure)
    if wish.kind.operations.synchronize is None:
        return Decision(Action.NONE, "nothing to synchronize")
    refused = refuses_synchronization(wish.declared or {})
    if refused is not None:
        return Decision(Action.NONE, f"skipped: {refused}")
    if failing and wish.synchronizations >= TRIES:
        return _given_up(wish, seen, wish.synchronizations)
    if wish.synchronizations and not failing:
        return Decision(Action.NONE, "synchronized")
    return Decision(Action.SYNCHRONIZE, "asked for")


def _leave(wish: Wish, seen: ObservedState | None, memory: ResourceRecord) -> Decision:
    """Decide about what is not, or no longer, declared."""
    if seen is None:
        pending = memory.pending_creation
        since = memory.created_at if memory.id is not None else (pending.at if pending is not None else None)
        within = VISIBLE_WITHIN if memory.id is not None else ARRIVES_WITHIN + VISIBLE_WITHIN
        if since is not None and wish.now - since < within:
            return Decision(Action.WAIT, "created; reads do not show it yet")
        return _look_by_id(wish, memory) or Decision(Action.GONE, "it does not exist")
    if not seen.ours and memory.pending_creation is not None and wish.kind.token and not wish.options.existing:
        failure = failures.in_doubt(wish.address, wish.kind.noun, wish.name)
        return Decision(Action.FAIL, failure.message, failure=failure)
    staying = _stays(wish, seen)
    if staying is not None:
        return staying
    if seen.moving:
        return Decision(Action.WAIT, f"{seen.status}")
    if seen.meaning.phase is Phase.AWAITING_CONSENT:
        return _consent(seen)
    if wish.unmanaged:
        return holds_others(wish)
    if memory.attempts(wish.counted_for) >= TRIES:
        return _given_up(wish, seen, TRIES)
    return Decision(Action.DELETE, "not declared any more" if wish.mode is Mode.PROVISION else "asked for")


def _stays(wish: Wish, seen: ObservedState) -> Decision | None:
    """Say why something stays that is not declared; None where it is to go."""
    if not seen.ours or wish.options.existing:
        return Decision(Action.KEEP, "not this stack's: left untouched")
    if wish.options.deletion is Deletion.RETAIN and wish.birth is not Birth.NOW:
        return Decision(Action.KEEP, "retained as declared")
    undoing, left = wish.birth is not None, wish.mode is Mode.PROVISION and wish.needs_allow
    if undoing and wish.birth not in UNDONE and not (left and wish.birth is Birth.BEFORE):
        return Decision(Action.KEEP, "not made by what is undone, and its earlier state is not known: left as it is")
    if left and not wish.allowed:
        return Decision(Action.KEEP, "left the document; it is removed only when the request allows its address")
    return None
