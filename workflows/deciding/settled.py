"""What to do with a resource at rest that is declared: nothing, update, tag, replace, synchronize, or say why not."""

from workflows.deciding import failures
from workflows.deciding.comparing import accepted, as_last_seen, beyond, standing
from workflows.deciding.decision import TRIES, VISIBLE_WITHIN, Action, Decision, Wish
from workflows.document.compare import frozen, value_at
from workflows.document.fingerprint import canonical, fingerprint
from workflows.document.problems import parse_path, path_text
from workflows.document.stack import OWNER_TAG
from workflows.kinds.forms import guarded
from workflows.kinds.gateway_target import refuses_synchronization
from workflows.kinds.observed import ObservedState, earlier, time_text
from workflows.records.operation import OpState
from workflows.records.resource import ResourceRecord


def settled(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> Decision:
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


def _lags(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> bool:
    """Tell whether a read shows what was before the last accepted update."""
    update = memory.log.last_update
    recent = update is not None and wish.now - update.accepted_at < VISIBLE_WITHIN
    return recent and earlier(seen.updated, memory.changed)


def _compared(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> list[str] | Decision:
    """Return the paths at which an update is needed, or what is to be done because none would do."""
    declared = wish.declared or {}
    if unknown := beyond(wish.kind, declared, seen, carried=False):
        return cannot_tell(wish, unknown)
    found = standing(wish.kind, declared, seen, memory).differs
    fixed = tuple(frozen(wish.kind, declared, seen.body, found))
    if fixed:
        return replaced(wish, fixed, memory)
    paths = sorted(path_text(path) for path in found)
    if "name" in wish.kind.updatable and seen.body.get("name", wish.name) != wish.name:
        paths.append("name")
    return paths


def _update(
    wish: Wish, seen: ObservedState, memory: ResourceRecord, paths: list[str], tags: tuple[str, ...]
) -> Decision:
    """Update a resource, unless that was accepted before and had no effect, or would send back what is not known."""
    unforced = _not_in_force(wish, memory, paths)
    if unforced is not None:
        return unforced
    if unknown := beyond(wish.kind, wish.declared or {}, seen, carried=True):
        return cannot_tell(wish, unknown)
    return Decision(Action.UPDATE, "differs from what is declared", (*paths, *tags))


def _not_in_force(wish: Wish, memory: ResourceRecord, paths: list[str]) -> Decision | None:
    """What reads show otherwise after an accepted update of this request: wait, then fail or update again.

    None: an update is to be sent.
    """
    declared, update = wish.declared or {}, memory.log.last_update
    waits = update is not None and update.state is OpState.ACCEPTED and update.scope == wish.counted_for
    if update is None or not waits or not accepted(declared, memory):
        return None
    since = wish.now - update.unapplied_since if update.unapplied_since else 0.0
    if since < VISIBLE_WITHIN:
        pause = min(max(2.0, since / 2), VISIBLE_WITHIN - since + 0.01)
        return Decision(Action.LOOK, f"updated; reads do not show {', '.join(paths)} yet", pause=pause)
    parsed = [parse_path(path) for path in paths]
    if update.repeats < TRIES and not any(guarded(path, value_at(declared, path)) for path in parsed):
        return None
    failure = failures.not_in_force(wish.address, wish.kind.noun, paths, since)
    return Decision(Action.FAIL, failure.message, tuple(paths), failure)


def cannot_tell(wish: Wish, unknown: tuple[str, ...]) -> Decision:
    """Change nothing where the service shows what this version does not know."""
    failure = failures.unrecognized(wish.address, wish.kind.noun, unknown)
    return Decision(Action.FAIL, failure.message, unknown, failure)


def replaced(wish: Wish, fixed: tuple[str, ...], memory: ResourceRecord) -> Decision:
    """Make a resource anew, where that is free or was allowed, and nothing inside it stays."""
    if free(wish, memory):
        if wish.unmanaged or wish.staying:
            return holds_others(wish)
        return Decision(Action.REPLACE, f"{', '.join(fixed)} cannot be changed in place", fixed)
    failure = failures.fixed(wish.address, ", ".join(fixed), wish.kind.noun)
    return Decision(Action.FAIL, failure.message, fixed, failure)


def free(wish: Wish, memory: ResourceRecord) -> bool:
    """Tell whether a resource may be deleted to be made anew: asked for, or of a kind and a history that allow it."""
    ours = memory.incarnation > 0 or memory.ever_ready
    return wish.allowed or (wish.kind.replaceable and ours)


def holds_others(wish: Wish) -> Decision:
    """Leave a resource alone that holds what this stack does not manage."""
    names = tuple(sorted({*wish.unmanaged, *wish.staying}))
    failure = failures.unmanaged(wish.address, names, endpoints=wish.kind.endpoints)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _look_for_update() -> Decision:
    return Decision(Action.LOOK, "for what an update must carry over")


def rotated_secrets(wish: Wish, memory: ResourceRecord) -> tuple[str, ...]:
    """Return the paths of secrets whose version is another than the one last applied."""
    known = [memory.log.secret_versions, *(op.secret_versions for op in memory.unacknowledged)]
    now = {path: version for path, version in (wish.secret_versions or {}).items() if version}
    return tuple(path for path, version in now.items() if any(one.get(path, version) != version for one in known))


def _tags_differ(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> bool:
    if not wish.kind.tagged:
        return False
    wanted = dict((wish.declared or {}).get("tags") or {})
    certain = [memory.log.base] if memory.log.base is not None else []
    before = [op.tags for op in (*certain, *memory.unacknowledged)]
    if set(memory.log.tags_in_doubt) - set(wanted):
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


def _synchronized(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> Decision:
    """Create and update synchronize by themselves; a time that lags behind our last change says that they did not."""
    operation = wish.kind.operations.synchronize
    if operation is None or wish.synchronizations or refuses_synchronization(wish.declared or {}) is not None:
        return Decision(Action.NONE, "as declared")
    last = seen.body.get("lastSynchronizedAt")
    if last is not None and memory.changed and earlier(time_text(last), memory.changed):
        return Decision(Action.SYNCHRONIZE, "not synchronized since its last change")
    return Decision(Action.NONE, "as declared")
