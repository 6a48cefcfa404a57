"""What a step would make of a resource, without taking it: so that a plan is the planner's own answers, one by one.

Pure. What only the service can tell (ids, ARNs, URLs of what is made) is left out, so that references to it stay
as they are written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra import service_model
from workflows.deciding.decision import Action, Wish
from workflows.document.compare import update_body
from workflows.document.fingerprint import fingerprint
from workflows.document.stack import OWNER_TAG
from workflows.kinds import Kind
from workflows.kinds.kind import at
from workflows.kinds.observed import ObservedState
from workflows.records.operation import Operation, Verb
from workflows.records.resource import Declaration, ResourceRecord


@dataclass(frozen=True)
class Projected:
    """What would be seen and remembered after a step, and the changing calls that it takes."""

    seen: ObservedState | None
    memory: ResourceRecord
    calls: tuple[str, ...] = ()


def project(action: Action, wish: Wish, seen: ObservedState | None, memory: ResourceRecord) -> Projected:
    """Return what a step leaves behind, as far as that is known before it is taken."""
    operations = wish.kind.operations
    match action:
        case Action.CREATE:
            return _created(wish, seen, memory)
        case Action.UPDATE if seen is not None:
            return _updated(wish, seen, memory)
        case Action.TAG if seen is not None:
            return _tagged(wish, seen, memory)
        case Action.REPLACE:
            gone = _created(wish, seen, memory.gone())
            return replace(gone, calls=(*_deletion(wish), *gone.calls))
        case Action.DELETE:
            return Projected(None, memory.gone(), _deletion(wish))
        case Action.SYNCHRONIZE:
            ready, intent = _mended(seen) if seen is not None else None, _intent(wish, Verb.SYNCHRONIZE)
            known = memory.begin(intent, _declaration(wish)).synchronization_accepted(intent, 1, attempt=False)
            return Projected(ready, known, (str(operations.synchronize),))
        case Action.WAIT if seen is not None and seen.status != "DELETING":
            return Projected(_mended(seen), memory)
        case _:
            return Projected(None, memory.gone())


def _intent(wish: Wish, verb: Verb) -> Operation:
    """Return an operation that is not sent, and so counts for no request."""
    versions = wish.secret_versions or {}
    return Operation.intended(verb, wish.now, _declaration(wish).members, secret_versions=versions)


def _declaration(wish: Wish) -> Declaration:
    return Declaration(fingerprint(wish.declared or {}))


def _deletion(wish: Wish) -> tuple[str, ...]:
    return (wish.kind.operations.delete,)


def _created(wish: Wish, before: ObservedState | None, memory: ResourceRecord) -> Projected:
    kind, declared = wish.kind, wish.declared or {}
    body = {kind.name_member: wish.name} | ({"status": "READY"} if kind.statuses else {})
    body |= {name: before.body[name] for name in kind.stable if before is not None and name in before.body}
    for name, value in kind.first(declared).items():
        if name != "tags":
            _put(body, kind.shown_as.get(name, name), value)
    tags = {**(declared.get("tags") or {}), OWNER_TAG: wish.stack}
    if kind.asks_consent(declared):
        body["status"] = "CREATE_PENDING_AUTH"
    seen = ObservedState(kind, "", body, tags=tags if kind.tagged else None)
    intent, declaration = _intent(wish, Verb.CREATE), _declaration(wish)
    begun = memory.before_creation(wish.now, again=False).begin(intent, declaration)
    made = begun.creation_accepted(intent, declaration, seen, now=wish.now, parent_id=None)
    return Projected(seen, made, (kind.operations.create,))


def _updated(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> Projected:
    after, intent, declaration = _shown_after_update(wish, seen, memory), _intent(wish, Verb.UPDATE), _declaration(wish)
    begun = memory.begin(intent, declaration)
    known = begun.update_accepted(intent, declaration, after, {}, now=wish.now, again=False)
    return Projected(after, known, (wish.kind.operations.update,))


def _shown_after_update(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> ObservedState:
    kind, declared = wish.kind, wish.declared or {}
    sent, body = update_body(kind, declared, seen.body, memory.ever_declared), dict(seen.body)
    for name in kind.updatable:
        if name in sent or not kind.patch:
            value = _unwrapped(kind, name, sent[name], body) if name in sent else None
            _put(body, kind.shown_as.get(name, name), value)
    if kind.name_member in kind.updatable:
        body[kind.name_member] = wish.name
    after = _mended(replace(seen, body=body))
    return after.showing({"status": "UPDATE_PENDING_AUTH"}) if kind.asks_consent(declared) else after


def _mended(seen: ObservedState) -> ObservedState:
    """Return it READY, without the reasons of a failure that a step mends."""
    over = {*seen.kind.reason_members, "lastSynchronizedAt"}
    body = {name: value for name, value in seen.body.items() if name not in over}
    return replace(seen, body={**body, "status": "READY"} if seen.kind.statuses else body)


def _unwrapped(kind: Kind, name: str, sent: Any, body: Mapping[str, Any]) -> Any:
    """Return what stands there after a member was sent, wrappers taken off."""
    shape = kind.updatable[name]
    if service_model.wrapped(shape) is not None:
        return sent.get("optionalValue")
    inner = {n: s for n, s in getattr(shape, "members", {}).items() if service_model.wrapped(s) is not None}
    if not inner:
        return sent
    shown = {**(at(body, kind.shown_as.get(name, name)) or {}), **sent}
    return {n: shown[n].get("optionalValue") if n in inner and n in sent else shown[n] for n in shown}


def _tagged(wish: Wish, seen: ObservedState, memory: ResourceRecord) -> Projected:
    wanted = {**((wish.declared or {}).get("tags") or {}), OWNER_TAG: wish.stack}
    stale = {*((memory.last_applied or {}).get("tags") or {}), *memory.tags_in_doubt} - set(wanted)
    calls = ("TagResource", "UntagResource") if stale else ("TagResource",)
    after, intent = replace(seen, ours=True, tags=wanted), _intent(wish, Verb.TAG)
    begun = memory.begin(intent, _declaration(wish))
    known = begun.tags_accepted(intent, after, now=wish.now, imported=memory.imported or not seen.ours)
    return Projected(after, known, calls)


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    """Set a member at a dotted path, or take it away where there is no value."""
    *outer, last = path.split(".")
    for name in outer:
        inner = body.get(name)
        body[name] = dict(inner) if isinstance(inner, Mapping) else {}
        body = body[name]
    if value is None:
        body.pop(last, None)
    else:
        body[last] = value
