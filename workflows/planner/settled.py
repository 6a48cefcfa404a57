"""What to do with a resource at rest that is declared: nothing, update, tag, replace, synchronize, or say why not."""

from workflows.document.compare import frozen, value_at
from workflows.document.fingerprint import canonical, fingerprint
from workflows.document.problems import parse_path, path_text
from workflows.document.stack import OWNER_TAG
from workflows.kinds.forms import guarded
from workflows.kinds.observed import ObservedState, earlier, time_text
from workflows.planner import failures
from workflows.planner.comparing import accepted, as_last_seen, beyond, standing
from workflows.planner.decision import TRIES, VISIBLE_WITHIN, Action, Decision, DesiredState
from workflows.records.operation import OpState
from workflows.records.resource import ResourceRecord


def settled(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> Decision:
    """Compare a settled resource with its declaration."""
    declared = desired.declared or {}
    adopting = not observed.ours and desired.kind.tagged
    paths: list[str] = []
    if adopting or not as_last_seen(declared, observed, record):
        if not observed.full:
            return Decision(Action.LOOK, "changed since it was last seen")
        if _lags(desired, observed, record):
            return Decision(Action.LOOK, "the read is older than the last update", pause=2.0)
        found = _compared(desired, observed, record)
        if isinstance(found, Decision):
            return found
        paths = found
    tags = ("tags",) if adopting or _tags_differ(desired, observed, record) else ()
    if adopting:
        return Decision(Action.TAG, "adopted on purpose", (*tags, *paths))
    if paths:
        return _update(desired, observed, record, paths, tags)
    rotated = rotated_secrets(desired, record)
    if rotated:
        return Decision(Action.UPDATE, "the secret was rotated", rotated) if observed.full else _look_for_update()
    if tags:
        return Decision(Action.TAG, "tags differ", tags)
    return _synchronized(desired, observed, record)


def _lags(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> bool:
    """Tell whether a read shows what was before the last accepted update."""
    update = record.log.last_update
    recent = update is not None and desired.now - update.accepted_at < VISIBLE_WITHIN
    return recent and earlier(observed.updated, record.changed)


def _compared(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> list[str] | Decision:
    """Return the paths at which an update is needed, or what is to be done because none would do."""
    declared = desired.declared or {}
    if unknown := beyond(desired.kind, declared, observed, carried=False):
        return cannot_tell(desired, unknown)
    found = standing(desired.kind, declared, observed, record).differs
    fixed = tuple(frozen(desired.kind, declared, observed.body, found))
    if fixed:
        return replaced(desired, fixed, record)
    paths = sorted(path_text(path) for path in found)
    if "name" in desired.kind.updatable and observed.body.get("name", desired.name) != desired.name:
        paths.append("name")
    return paths


def _update(
    desired: DesiredState, observed: ObservedState, record: ResourceRecord, paths: list[str], tags: tuple[str, ...]
) -> Decision:
    """Update a resource, unless that was accepted before and had no effect, or would send back what is not known."""
    unforced = _not_in_force(desired, record, paths)
    if unforced is not None:
        return unforced
    if unknown := beyond(desired.kind, desired.declared or {}, observed, carried=True):
        return cannot_tell(desired, unknown)
    return Decision(Action.UPDATE, "differs from what is declared", (*paths, *tags))


def _not_in_force(desired: DesiredState, record: ResourceRecord, paths: list[str]) -> Decision | None:
    """What reads show otherwise after an accepted update of this request: wait, then fail or update again.

    None: an update is to be sent.
    """
    declared, update = desired.declared or {}, record.log.last_update
    waits = update is not None and update.state is OpState.ACCEPTED and update.scope == desired.retry_scope
    if update is None or not waits or not accepted(declared, record):
        return None
    since = desired.now - update.unapplied_since if update.unapplied_since else 0.0
    if since < VISIBLE_WITHIN:
        pause = min(max(2.0, since / 2), VISIBLE_WITHIN - since + 0.01)
        return Decision(Action.LOOK, f"updated; reads do not show {', '.join(paths)} yet", pause=pause)
    parsed = [parse_path(path) for path in paths]
    if update.repeats < TRIES and not any(guarded(path, value_at(declared, path)) for path in parsed):
        return None
    failure = failures.not_in_force(desired.address, desired.kind.noun, paths, since)
    return Decision(Action.FAIL, failure.message, tuple(paths), failure)


def cannot_tell(desired: DesiredState, unknown: tuple[str, ...]) -> Decision:
    """Change nothing where the service shows what this version does not know."""
    failure = failures.unrecognized(desired.address, desired.kind.noun, unknown)
    return Decision(Action.FAIL, failure.message, unknown, failure)


def replaced(desired: DesiredState, fixed: tuple[str, ...], record: ResourceRecord) -> Decision:
    """Make a resource anew, where that is free or was allowed, and nothing inside it stays."""
    if free(desired, record):
        if desired.unmanaged or desired.staying:
            return holds_others(desired)
        return Decision(Action.REPLACE, f"{', '.join(fixed)} cannot be changed in place", fixed)
    failure = failures.fixed(desired.address, ", ".join(fixed), desired.kind.noun)
    return Decision(Action.FAIL, failure.message, fixed, failure)


def free(desired: DesiredState, record: ResourceRecord) -> bool:
    """Tell whether a resource may be deleted to be made anew: asked for, or of a kind and a history that allow it."""
    ours = record.incarnation > 0 or record.ever_ready
    return desired.allowed or (desired.kind.replaceable and ours)


def holds_others(desired: DesiredState) -> Decision:
    """Leave a resource alone that holds what this stack does not manage."""
    names = tuple(sorted({*desired.unmanaged, *desired.staying}))
    failure = failures.unmanaged(desired.address, names, endpoints=desired.kind.endpoints)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _look_for_update() -> Decision:
    return Decision(Action.LOOK, "for what an update must carry over")


def rotated_secrets(desired: DesiredState, record: ResourceRecord) -> tuple[str, ...]:
    """Return the paths of secrets whose version is another than the one last applied."""
    known = [record.log.secret_versions, *(op.secret_versions for op in record.unacknowledged)]
    now = {path: version for path, version in (desired.secret_versions or {}).items() if version}
    return tuple(path for path, version in now.items() if any(one.get(path, version) != version for one in known))


def _tags_differ(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> bool:
    if not desired.kind.tagged:
        return False
    wanted = dict((desired.declared or {}).get("tags") or {})
    certain = [record.log.base] if record.log.base is not None else []
    before = [op.tags for op in (*certain, *record.unacknowledged)]
    if set(record.log.tags_in_doubt) - set(wanted):
        return True
    if observed.tags is None and not before:
        # An update sends no tags, so that what a creation without an answer set, or did not, is as unknown after it.
        # What was only taken note of is as it stands.
        return bool(wanted) and record.incarnation > 0
    if observed.tags is None:
        return any(canonical(fingerprint(wanted)) != canonical(one) for one in before)
    there = dict(observed.tags)
    stale = {key for one in before for key in one if key in there} - set(wanted)
    return bool(stale) or there.get(OWNER_TAG) != desired.stack or any(there.get(k) != v for k, v in wanted.items())


def _synchronized(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> Decision:
    """Create and update synchronize by themselves; a time that lags behind our last change says that they did not."""
    if desired.synchronizations or desired.kind.refuses_synchronization(desired.declared or {}) is not None:
        return Decision(Action.NONE, "as declared")
    last = observed.body.get("lastSynchronizedAt")
    if last is not None and record.changed and earlier(time_text(last), record.changed):
        return Decision(Action.SYNCHRONIZE, "not synchronized since its last change")
    return Decision(Action.NONE, "as declared")
