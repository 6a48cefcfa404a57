"""Projects the effect of an action without sending anything, so that a plan consists of the planner's own decisions.

Pure. Values that only the service assigns (ids, ARNs and URLs of new objects) are left out, so that references to
them stay as written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra import service_model
from workflows.document.fingerprint import fingerprint
from workflows.document.merge import update_body
from workflows.document.stack import OWNER_TAG
from workflows.kinds import Kind
from workflows.kinds.kind import at
from workflows.kinds.observed import ObservedState
from workflows.planner.decision import Action, DesiredState
from workflows.records.declaration import Declaration
from workflows.records.operation import Operation, Verb
from workflows.records.resource import ResourceRecord


@dataclass(frozen=True)
class Projected:
    """The observed state and the record after an action, and the mutating calls that the action sends."""

    observed: ObservedState | None
    record: ResourceRecord
    calls: tuple[str, ...] = ()


def project(action: Action, desired: DesiredState, observed: ObservedState | None, record: ResourceRecord) -> Projected:
    """Return the state after an action, as far as that state is known in advance."""
    match action:
        case Action.CREATE:
            return _created(desired, observed, record)
        case Action.UPDATE if observed is not None:
            return _updated(desired, observed, record)
        case Action.TAG if observed is not None:
            return _tagged(desired, observed, record)
        case Action.REPLACE:
            gone = _created(desired, observed, record.gone())
            return replace(gone, calls=(*_deletion(desired), *gone.calls))
        case Action.DELETE:
            return Projected(None, record.gone(), _deletion(desired))
        case Action.SYNCHRONIZE:
            ready, intent = _mended(observed) if observed is not None else None, _intent(desired, Verb.SYNCHRONIZE)
            known = record.begin(intent, _declaration(desired)).synchronization_accepted(intent, 1, attempt=False)
            synchronization = desired.kind.synchronization
            return Projected(ready, known, (synchronization.operation,) if synchronization is not None else ())
        case Action.WAIT if observed is not None and observed.status != "DELETING":
            return Projected(_mended(observed), record)
        case Action.WAIT if observed is None and desired.declared is not None:
            # An accepted creation that reads do not show yet: the object exists, and no call is sent.
            return replace(_created(desired, None, record), calls=())
        case _:
            return Projected(None, record.gone())


def _intent(desired: DesiredState, verb: Verb) -> Operation:
    """Return an operation that is never sent, and so belongs to no request."""
    versions = desired.secret_versions or {}
    return Operation.intended(verb, desired.now, _declaration(desired).members, secret_versions=versions)


def _declaration(desired: DesiredState) -> Declaration:
    return Declaration(fingerprint(desired.declared or {}))


def _deletion(desired: DesiredState) -> tuple[str, ...]:
    return (desired.kind.operations.delete,)


def _created(desired: DesiredState, before: ObservedState | None, record: ResourceRecord) -> Projected:
    kind, declared = desired.kind, desired.declared or {}
    body = {kind.name_member: desired.name} | ({"status": "READY"} if kind.statuses else {})
    outputs = record.object.outputs if record.object is not None else {}
    known = before.body if before is not None else outputs
    body |= {name: known[name] for name in kind.follows_name if name in known}
    for name, value in kind.create_members(declared).items():
        if name != "tags":
            _put(body, kind.shown_as.get(name, name), value)
    tags = {**(declared.get("tags") or {}), OWNER_TAG: desired.stack}
    if kind.asks_consent(declared):
        body["status"] = "CREATE_PENDING_AUTH"
    observed = ObservedState(kind, "", body, tags=tags if kind.tagged else None)
    intent, declaration = _intent(desired, Verb.CREATE), _declaration(desired)
    begun = record.before_creation(desired.now, again=False).begin(intent, declaration)
    made = begun.creation_accepted(intent, declaration, observed, now=desired.now, parent_id=None)
    return Projected(observed, made, (kind.operations.create,))


def _updated(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> Projected:
    after, intent, declaration = (
        _shown_after_update(desired, observed, record),
        _intent(desired, Verb.UPDATE),
        _declaration(desired),
    )
    begun = record.begin(intent, declaration)
    known = begun.update_accepted(intent, declaration, after, {}, now=desired.now, again=False)
    return Projected(after, known, (desired.kind.operations.update,))


def _shown_after_update(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> ObservedState:
    kind, declared = desired.kind, desired.declared or {}
    sent, body = (
        update_body(kind, declared, observed.body, record.ever_declared, record.refused_members),
        dict(observed.body),
    )
    for name in kind.updatable:
        if name in sent or not kind.patch:
            value = _unwrapped(kind, name, sent[name], body) if name in sent else None
            _put(body, kind.shown_as.get(name, name), value)
    if kind.name_member in kind.updatable:
        body[kind.name_member] = desired.name
    after = _mended(replace(observed, body=body))
    return after.showing({"status": "UPDATE_PENDING_AUTH"}) if kind.asks_consent(declared) else after


def _mended(observed: ObservedState) -> ObservedState:
    """Return the resource as READY, without the reasons of a failure that the action repairs."""
    over = {*observed.kind.reason_members, "lastSynchronizedAt"}
    body = {name: value for name, value in observed.body.items() if name not in over}
    return replace(observed, body={**body, "status": "READY"} if observed.kind.statuses else body)


def _unwrapped(kind: Kind, name: str, sent: Any, body: Mapping[str, Any]) -> Any:
    """Return the value that reads show after a member was sent, with the wrappers of the request removed."""
    shape = kind.updatable[name]
    if service_model.wrapped(shape) is not None:
        return sent.get("optionalValue")
    inner = {n: s for n, s in getattr(shape, "members", {}).items() if service_model.wrapped(s) is not None}
    if not inner:
        return sent
    shown = {**(at(body, kind.shown_as.get(name, name)) or {}), **sent}
    return {n: shown[n].get("optionalValue") if n in inner and n in sent else shown[n] for n in shown}


def _tagged(desired: DesiredState, observed: ObservedState, record: ResourceRecord) -> Projected:
    wanted = {**((desired.declared or {}).get("tags") or {}), OWNER_TAG: desired.stack}
    stale = {*((record.last_applied or {}).get("tags") or {}), *record.tags_in_doubt} - set(wanted)
    calls = ("TagResource", "UntagResource") if stale else ("TagResource",)
    after, intent = replace(observed, ours=True, tags=wanted), _intent(desired, Verb.TAG)
    begun = record.begin(intent, _declaration(desired))
    known = begun.tags_accepted(intent, after, now=desired.now, imported=record.imported or not observed.ours)
    return Projected(after, known, calls)


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set the member at a dotted path; None removes the member."""
    *outer, last = path.split(".")
    for name in outer:
        inner = body.get(name)
        body[name] = dict(inner) if isinstance(inner, Mapping) else {}
        body = body[name]
    if value is None:
        body.pop(last, None)
    else:
        body[last] = value
