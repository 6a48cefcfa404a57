"""What to do next with one resource: a pure function of what is wanted, what is seen and what is remembered.

It is asked again after every step, so a run holds no plan that the world could make untrue; the plan that people
see is its first answer for each resource.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workflows.deciding import failures
from workflows.deciding.comparing import accepted, as_last_seen, beyond, differences, standing
from workflows.deciding.failures import Failure
from workflows.deciding.memory import Memory
from workflows.deciding.state import Seen, earlier, time_text
from workflows.document.compare import frozen, value_at
from workflows.document.fingerprint import canonical, fingerprint
from workflows.document.problems import parse_path, path_text
from workflows.document.stack import OWNER_TAG, Deletion, Options
from workflows.kinds import Kind
from workflows.kinds.forms import guarded
from workflows.kinds.gateway_target import refuses_synchronization
from workflows.kinds.kind import Phase, Remedy

#: Creates, updates and deletes of one resource for one request.
TRIES = 3
#: After an answered create, reads may not show the resource for this many seconds (reliability R18).
VISIBLE_WITHIN = 90.0
#: A create without an answer may take effect for this many seconds, and be visible as long after it.
ARRIVES_WITHIN = 60.0


class Action(StrEnum):
    """What a decision does. The last five change nothing at the service."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    TAG = "TAG"
    REPLACE = "REPLACE"
    DELETE = "DELETE"
    SYNCHRONIZE = "SYNCHRONIZE"
    LOOK = "LOOK"
    WAIT = "WAIT"
    CONSENT = "CONSENT"
    FAIL = "FAIL"
    NONE = "NONE"
    #: Only for what is to go: it is gone, or stays on purpose.
    GONE = "GONE"
    KEEP = "KEEP"


CHANGES = frozenset({
    Action.CREATE, Action.UPDATE, Action.TAG, Action.REPLACE, Action.DELETE, Action.SYNCHRONIZE,
})  # fmt: skip


class Mode(StrEnum):
    """What a request asks for."""

    PROVISION = "PROVISION"
    REMOVE = "REMOVE"
    SYNCHRONIZE = "SYNCHRONIZE"


class Birth(StrEnum):
    """When a resource was made, as a rollback sees it."""

    #: Not by this stack, or nobody can tell.
    OTHERS = "OTHERS"
    #: No later than what is gone back to.
    BEFORE = "BEFORE"
    SINCE = "SINCE"
    #: In the very generation that is undone.
    NOW = "NOW"


#: What a rollback may undo.
UNDONE = frozenset({Birth.SINCE, Birth.NOW})


@dataclass(frozen=True)
class Wish:
    """What is wanted of one resource. `declared` is resolved but for its secrets; None: it shall not exist."""

    address: str
    kind: Kind
    name: str
    declared: Mapping[str, Any] | None
    options: Options
    mode: Mode
    #: What tries are counted for: the request, with a word of its own for its rollback.
    counted_for: str
    stack: str = ""
    #: Whether its removal, when it left the document, needs the request's leave, and whether it has it.
    needs_allow: bool = False
    allowed: bool = False
    #: In a rollback: when the resource was made.
    birth: Birth | None = None
    #: How often this resource was synchronized in this run already.
    synchronizations: int = 0
    secret_versions: Mapping[str, str] | None = None
    unmanaged: tuple[str, ...] = ()
    #: What stands inside it, is known, and would not go with it.
    staying: tuple[str, ...] = ()
    #: Whether reads by its recorded id say that it is gone: one after our deletion, otherwise two, some seconds apart.
    gone: bool = False
    #: Members of the delete request, as they are or were declared.
    ending: Mapping[str, Any] = field(default_factory=dict)
    now: float = 0.0


@dataclass(frozen=True)
class Decision:
    """What to do, why, and for an update the paths that differ."""

    action: Action
    reason: str
    paths: tuple[str, ...] = ()
    failure: Failure | None = None
    #: Seconds to wait before a look.
    pause: float = 0.0


def decide(wish: Wish, seen: Seen | None, memory: Memory) -> Decision:
    """Return the next step for a resource."""
    if wish.declared is None:
        return _leave(wish, seen, memory)
    if seen is None:
        return _absent(wish, memory)
    if not seen.ours and not wish.options.existing and not wish.options.adopt:
        if memory.in_doubt_since is not None and wish.kind.token and not wish.kind.tagged:
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
    return _settled(wish, seen, memory)


def _look_by_id(wish: Wish, memory: Memory) -> Decision | None:
    """What has a recorded id is gone only when reads by that id say so: a list may lack what is there."""
    if memory.id is None or wish.gone or wish.options.existing:
        return None
    return Decision(Action.LOOK, "by its id: the last read did not show it")


def _absent(wish: Wish, memory: Memory) -> Decision:
    fresh = memory.id is not None and wish.now - memory.created_at < VISIBLE_WITHIN
    if not fresh and (look := _look_by_id(wish, memory)) is not None:
        return look
    if wish.options.existing or wish.mode is Mode.SYNCHRONIZE:
        said = failures.missing if wish.options.existing else failures.unapplied
        failure = said(wish.address, wish.kind.noun, wish.name)
        return Decision(Action.FAIL, failure.message, failure=failure)
    if fresh:
        return Decision(Action.WAIT, "created; reads do not show it yet")
    if memory.tries(wish.counted_for) >= TRIES and memory.pending is None:
        failure = failures.of_status(wish.address, "FAILED", memory.last_reason, TRIES)
        return Decision(Action.FAIL, failure.message, failure=failure)
    known = memory.id is not None or memory.former_ids
    return Decision(Action.CREATE, "it was deleted by others" if known else "it does not exist")


def _consent(seen: Seen) -> Decision:
    if not seen.body.get("authorizationData") and not seen.full:
        return Decision(Action.LOOK, "for the authorization URL")
    return Decision(Action.CONSENT, f"{seen.status}: a person must consent")


def _mend(wish: Wish, seen: Seen, memory: Memory) -> Decision:
    """Answer a failed status with its remedy, three times for a request."""
    if not seen.full:
        return _look_for_reason()
    tries, remedy = memory.tries(wish.counted_for), seen.meaning.remedy
    if tries >= TRIES:
        return _given_up(wish, seen, tries)
    reason = f"{seen.status}: {seen.reasons or 'no reason given'}"
    if remedy in (Remedy.UPDATE_AGAIN, Remedy.SYNCHRONIZE_AGAIN):
        return _go_on(wish, seen, memory, reason)
    if not (_free(wish, memory) or _just_made(seen, memory)):
        failure = failures.not_ours_to_delete(wish.address, wish.kind.noun, str(seen.status), seen.reasons)
        return Decision(Action.FAIL, failure.message, failure=failure)
    if wish.unmanaged or wish.staying:
        return _holds_others(wish)
    if unknown := beyond(wish.kind, wish.declared or {}, seen, carried=False):
        return _cannot_tell(wish, unknown)
    return Decision(Action.REPLACE, reason)


def _given_up(wish: Wish, seen: Seen, tries: int) -> Decision:
    """Try no more, with the service's reason."""
    if not seen.full:
        return _look_for_reason()
    failure = failures.of_status(wish.address, str(seen.status), seen.reasons, tries)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _look_for_reason() -> Decision:
    return Decision(Action.LOOK, "for the reason of the failure")


def _go_on(wish: Wish, seen: Seen, memory: Memory, reason: str) -> Decision:
    """Repeat what failed, or do what the declaration needs by now: that may be what mends it."""
    declared = wish.declared or {}
    if unknown := [name for carried in (False, True) for name in beyond(wish.kind, declared, seen, carried=carried)]:
        return _cannot_tell(wish, tuple(unknown))
    found = differences(wish.kind, declared, seen, memory)
    fixed = tuple(frozen(wish.kind, declared, seen.body, found))
    if fixed:
        return _replace(wish, fixed, memory)
    repeats = seen.meaning.remedy is Remedy.SYNCHRONIZE_AGAIN and not found
    if repeats and refuses_synchronization(declared) is None:
        return Decision(Action.SYNCHRONIZE, reason)
    return Decision(Action.UPDATE, reason, tuple(sorted(path_text(path) for path in found)))


def _free(wish: Wish, memory: Memory) -> bool:
    """Tell whether a resource may be deleted to be made anew: asked for, or of a kind and a history that allow it."""
    ours = memory.incarnation > 0 or memory.ever_ready
    return wish.allowed or (wish.kind.replaceable and ours)


def _just_made(seen: Seen, memory: Memory) -> bool:
    """Tell whether what failed is a creation of ours that never was READY, so that nobody can depend on it."""
    mine = memory.id == seen.id or memory.in_doubt_since is not None
    return mine and memory.incarnation > 0 and not memory.ever_ready and seen.meaning.remedy is Remedy.CREATE_AGAIN


def _settled(wish: Wish, seen: Seen, memory: Memory) -> Decision:
    """Compare a settled resource with its declaration."""
    declared = wish.declared or {}
    adopting = not seen.ours and wish.kind.tagged
    paths: list[str] = []
    if adopting or not as_last_seen(declared, seen, memory):
        if not seen.full:
            return Decision(Action.LOOK, "changed since it was last seen")
        if _lags(wish, seen, memory):
            return Decision(Action.LOOK, "the read is older than the last update", pause=2.0)
        found = _compared(wish, seen, memory)
        if isinstance(found, Decision):
            return found
        paths = found
    tags = ("tags",) if adopting or _tags_differ(wish, seen, memory) else ()
    if adopting:
        return Decision(Action.TAG, "adopted on purpose", (*tags, *paths))
    if paths:
        return _update(wish, seen, memory, paths, tags)
    rotated = rotated_secrets(wish, memory)
    if rotated:
        return Decision(Action.UPDATE, "the secret was rotated", rotated) if seen.full else _look_for_update()
    if tags:
        return Decision(Action.TAG, "tags differ", tags)
    return _synchronized(wish, seen, memory)


def _lags(wish: Wish, seen: Seen, memory: Memory) -> bool:
    """Tell whether a read shows what was before the last accepted update."""
    recent = memory.sent is not None and wish.now - memory.sent_at < VISIBLE_WITHIN
    return recent and earlier(seen.updated, memory.changed)


def _compared(wish: Wish, seen: Seen, memory: Memory) -> list[str] | Decision:
    """Return the paths at which an update is needed, or what is to be done because none would do."""
    declared = wish.declared or {}
    if unknown := beyond(wish.kind, declared, seen, carried=False):
        return _cannot_tell(wish, unknown)
    found = standing(wish.kind, declared, seen, memory).differs
    fixed = tuple(frozen(wish.kind, declared, seen.body, found))
    if fixed:
        return _replace(wish, fixed, memory)
    paths = sorted(path_text(path) for path in found)
    if "name" in wish.kind.updatable and seen.body.get("name", wish.name) != wish.name:
        paths.append("name")
    return paths


def _update(wish: Wish, seen: Seen, memory: Memory, paths: list[str], tags: tuple[str, ...]) -> Decision:
    """Update a resource, unless that was accepted before and had no effect, or would send back what is not known."""
    unforced = _not_in_force(wish, memory, paths)
    if unforced is not None:
        return unforced
    if unknown := beyond(wish.kind, wish.declared or {}, seen, carried=True):
        return _cannot_tell(wish, unknown)
    return Decision(Action.UPDATE, "differs from what is declared", (*paths, *tags))


def _not_in_force(wish: Wish, memory: Memory, paths: list[str]) -> Decision | None:
    """What reads show otherwise after an accepted update of this request: wait, then fail or update again.

    None: an update is to be sent.
    """
    declared = wish.declared or {}
    if memory.sent_for != wish.counted_for or not accepted(declared, memory):
        return None
    since = wish.now - memory.unforced_since if memory.unforced_since else 0.0
    if since < VISIBLE_WITHIN:
        pause = min(max(2.0, since / 2), VISIBLE_WITHIN - since + 0.01)
        return Decision(Action.LOOK, f"updated; reads do not show {', '.join(paths)} yet", pause=pause)
    parsed = [parse_path(path) for path in paths]
    if memory.sent_times < TRIES and not any(guarded(path, value_at(declared, path)) for path in parsed):
        return None
    failure = failures.not_in_force(wish.address, wish.kind.noun, paths, since)
    return Decision(Action.FAIL, failure.message, tuple(paths), failure)


def _cannot_tell(wish: Wish, unknown: tuple[str, ...]) -> Decision:
    """Change nothing where the service shows what this version does not know."""
    failure = failures.unrecognized(wish.address, wish.kind.noun, unknown)
    return Decision(Action.FAIL, failure.message, unknown, failure)


def _replace(wish: Wish, fixed: tuple[str, ...], memory: Memory) -> Decision:
    """Make a resource anew, where that is free or was allowed, and nothing inside it stays."""
    if _free(wish, memory):
        if wish.unmanaged or wish.staying:
            return _holds_others(wish)
        return Decision(Action.REPLACE, f"{', '.join(fixed)} cannot be changed in place", fixed)
    failure = failures.fixed(wish.address, ", ".join(fixed), wish.kind.noun)
    return Decision(Action.FAIL, failure.message, fixed, failure)


def _holds_others(wish: Wish) -> Decision:
    """Leave a resource alone that holds what this stack does not manage."""
    names = tuple(sorted({*wish.unmanaged, *wish.staying}))
    failure = failures.unmanaged(wish.address, names, endpoints=wish.kind.endpoints)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _look_for_update() -> Decision:
    return Decision(Action.LOOK, "for what an update must carry over")


def rotated_secrets(wish: Wish, memory: Memory) -> tuple[str, ...]:
    """Return the paths of secrets whose version is another than the one last applied."""
    known = [memory.secret_versions, *(one["versions"] for one in memory.doubtful)]
    now = {path: version for path, version in (wish.secret_versions or {}).items() if version}
    return tuple(path for path, version in now.items() if any(one.get(path, version) != version for one in known))


def _tags_differ(wish: Wish, seen: Seen, memory: Memory) -> bool:
    if not wish.kind.tagged:
        return False
    wanted = dict((wish.declared or {}).get("tags") or {})
    certain = [memory.applied] if memory.applied is not None else []
    before = [one.get("tags") or {} for one in (*certain, *(doubt["declared"] for doubt in memory.doubtful))]
    if set(memory.stale_tags) - set(wanted):
        return True
    if seen.tags is None and not before:
        # An update sends no tags, so that what a creation without an answer set, or did not, is as unknown after it.
        # What was only taken note of is as it stands.
        return bool(wanted) and memory.incarnation > 0
    if seen.tags is None:
        return any(canonical(fingerprint(wanted)) != canonical(one) for one in before)
    there = dict(seen.tags)
    stale = {key for one in before for key in one if key in there} - set(wanted)
    return bool(stale) or there.get(OWNER_TAG) != wish.stack or any(there.get(k) != v for k, v in wanted.items())


def _synchronized(wish: Wish, seen: Seen, memory: Memory) -> Decision:
    """Create and update synchronize by themselves; a time that lags behind our last change says that they did not."""
    operation = wish.kind.operations.synchronize
    if operation is None or wish.synchronizations or refuses_synchronization(wish.declared or {}) is not None:
        return Decision(Action.NONE, "as declared")
    last = seen.body.get("lastSynchronizedAt")
    if last is not None and memory.changed and earlier(time_text(last), memory.changed):
        return Decision(Action.SYNCHRONIZE, "not synchronized since its last change")
    return Decision(Action.NONE, "as declared")


def _synchronize(wish: Wish, seen: Seen) -> Decision:
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


def _leave(wish: Wish, seen: Seen | None, memory: Memory) -> Decision:
    """Decide about what is not, or no longer, declared."""
    if seen is None:
        since = memory.created_at if memory.id is not None else memory.in_doubt_since
        within = VISIBLE_WITHIN if memory.id is not None else ARRIVES_WITHIN + VISIBLE_WITHIN
        if since is not None and wish.now - since < within:
            return Decision(Action.WAIT, "created; reads do not show it yet")
        return _look_by_id(wish, memory) or Decision(Action.GONE, "it does not exist")
    if not seen.ours and memory.in_doubt_since is not None and wish.kind.token and not wish.options.existing:
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
        return _holds_others(wish)
    if memory.tries(wish.counted_for) >= TRIES:
        return _given_up(wish, seen, TRIES)
    return Decision(Action.DELETE, "not declared any more" if wish.mode is Mode.PROVISION else "asked for")


def _stays(wish: Wish, seen: Seen) -> Decision | None:
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
