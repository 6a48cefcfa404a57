"""Decides for a declared resource at rest: NONE, UPDATE, TAG, REPLACE, SYNCHRONIZE, or FAIL with the reason.

Theory of operation. `decide` calls `settled` once no operation is in flight at the service and the status is neither
failed nor awaiting consent. The first rule that applies decides:

1. Shortcut: declaration and the service's time of the last change are those of the last comparison, and no update is
   accepted or unacknowledged since (`as_last_seen`): members need no comparison, so that an unchanged resource needs
   no whole read. Where there is a whole read, guarded members are compared. An import is always compared.
2. LOOK: members are compared on whole reads only, and on no read that is older than the last accepted update (R18).
3. FAIL where the service shows a declared member in a form that this version does not recognize: whether the member
   differs is unknown, so nothing is changed.
4. A create-only member differs: REPLACE with an approval, or without where kind and history allow replacement (`free`);
   otherwise FAIL. A resource is never replaced while children that must be retained or are unmanaged exist.
5. Import of a tagged kind: TAG first. The owner tag is set before anything else is changed.
6. Other members differ: UPDATE. Where this request already had an update with the same declaration accepted, reads may
   lag: LOOK for VISIBLE_WITHIN seconds, then FAIL for guarded members (who may call, what is called and as whom),
   which are never sent twice, and UPDATE again, TRIES times in all, for the rest. An update that would have to send
   back unrecognized members is not sent.
7. The version of a secret differs from a version that may be applied: UPDATE, as reads do not show secrets.
8. Tags differ: TAG. Updates send no tags.
9. The service synchronized last before our last change: SYNCHRONIZE. Otherwise NONE, and the run records convergence.

Until the service accepts an update with exactly this declaration, the comparison covers every declaration that may be
in force, and not only the last: an unanswered update may have set members which the document no longer declares.
"""

from workflows.document.compare import create_only_differences, value_at
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
    """Return the next action for a declared resource at rest."""
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
    elif observed.full:
        # The read is there: whoever changed a guarded member may have left the time of the last change as it was.
        differing = standing(desired.kind, declared, observed, record).differs
        paths = sorted(path_text(path) for path in differing if guarded(path, value_at(declared, path)))
    tags = ("tags",) if adopting or _tags_differ(desired, observed, record) else ()
    if adopting:
        return Decision(Action.TAG, "declared with adopt: true", (*tags, *paths))
    if paths:
        return _update(desired, observed, record, paths, tags)
    rotated = rotated_secrets(desired, record)
    if rotated:
        return Decision(Action.UPDATE, "the secret was rotated", rotated) if observed.full else _look_for_update()
    if tags:
        return Decision(Action.TAG, "tags differ", tags)
    return _synchronized(desired, observed, record)


def _lags(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> bool:
    """Return whether a read shows the state before the last accepted update."""
    update = record.log.last_update
    recent = update is not None and desired.now - update.accepted_at < VISIBLE_WITHIN
    return recent and earlier(observed.updated, record.changed)


def _compared(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> list[str] | Decision:
    """Return the paths that an update must change, or another decision where no update can help."""
    declared = desired.declared or {}
    if unknown := beyond(desired.kind, declared, observed, carried=False):
        return cannot_tell(desired, unknown)
    found = standing(desired.kind, declared, observed, record).differs
    fixed = tuple(create_only_differences(desired.kind, declared, observed.body, found))
    if fixed:
        return replaced(desired, fixed, record)
    paths = sorted(path_text(path) for path in found)
    if "name" in desired.kind.updatable and observed.body.get("name", desired.name) != desired.name:
        paths.append("name")
    return paths


def _update(
    desired: DesiredState, observed: ObservedState, record: ResourceRecord, paths: list[str], tags: tuple[str, ...]
) -> Decision:
    """Return an UPDATE, unless the same update had no effect before, or would send back unrecognized members."""
    unforced = _not_in_force(desired, record, paths)
    if unforced is not None:
        return unforced
    if unknown := beyond(desired.kind, desired.declared or {}, observed, carried=True):
        return cannot_tell(desired, unknown)
    return Decision(Action.UPDATE, "differs from what is declared", (*paths, *tags))


def _not_in_force(desired: DesiredState, record: ResourceRecord, paths: list[str]) -> Decision | None:
    """Return how to continue where reads do not show an accepted update of this request: LOOK again, then FAIL.

    Returns None where an update is to be sent, for the first time or again.
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
    """Return the failure of a resource with unrecognized members, of which nothing is changed."""
    failure = failures.unrecognized(desired.address, desired.kind.noun, unknown)
    return Decision(Action.FAIL, failure.message, unknown, failure)


def replaced(desired: DesiredState, fixed: tuple[str, ...], record: ResourceRecord) -> Decision:
    """Return a REPLACE where replacement is approved or free and no child must be retained; otherwise a failure."""
    if free(desired, record):
        if desired.unmanaged or desired.staying:
            return holds_others(desired)
        return Decision(Action.REPLACE, f"{', '.join(fixed)} cannot be changed in place", fixed)
    failure = failures.fixed(desired.address, ", ".join(fixed), desired.kind.noun)
    return Decision(Action.FAIL, failure.message, fixed, failure)


def free(desired: DesiredState, record: ResourceRecord) -> bool:
    """Return whether a resource may be replaced: by approval, or as a replaceable kind that this stack worked on."""
    ours = record.incarnation > 0 or record.ever_ready
    return desired.allowed or (desired.kind.replaceable and ours and is_covered(desired, record))


def is_covered(desired: DesiredState, record: ResourceRecord) -> bool:
    """Return whether a request may replace without an approval of its own: what it created, or if it needs none."""
    return not desired.only_approved or record.created_generation(ours=True) == desired.generation


def holds_others(desired: DesiredState) -> Decision:
    """Return the failure of a resource that has unmanaged or retained children and so is not deleted."""
    names = tuple(sorted({*desired.unmanaged, *desired.staying}))
    failure = failures.unmanaged(desired.address, names, endpoints=desired.kind.endpoints)
    return Decision(Action.FAIL, failure.message, failure=failure)


def _look_for_update() -> Decision:
    return Decision(Action.LOOK, "to read the members that an update must repeat")


def rotated_secrets(desired: DesiredState, record: ResourceRecord) -> tuple[str, ...]:
    """Return the paths of secrets whose version differs from any version that may be applied."""
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
        # An update sends no tags, so tags that a creation without an answer may have set stay unknown after the update.
        # The tags of a resource that this stack did not create count as declared.
        return bool(wanted) and record.incarnation > 0
    if observed.tags is None:
        return any(canonical(fingerprint(wanted)) != canonical(one) for one in before)
    there = dict(observed.tags)
    stale = {key for one in before for key in one if key in there} - set(wanted)
    return bool(stale) or there.get(OWNER_TAG) != desired.stack or any(there.get(k) != v for k, v in wanted.items())


def _synchronized(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> Decision:
    """Return SYNCHRONIZE if the last synchronization is older than our last change, which includes one; else NONE."""
    if desired.synchronizations or desired.kind.refuses_synchronization(desired.declared or {}) is not None:
        return Decision(Action.NONE, "as declared")
    last = observed.body.get("lastSynchronizedAt")
    if last is not None and record.changed and earlier(time_text(last), record.changed):
        return Decision(Action.SYNCHRONIZE, "not synchronized since its last change")
    return Decision(Action.NONE, "as declared")
