"""What a step would make of a resource, without taking it: so that a plan is the planner's own answers, one by one.

Pure. What only the service can tell (ids, ARNs, URLs of what is made) is left out, so that references to it stay
as they are written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra import service_model
from workflows.deciding.decision import Action, Wish
from workflows.deciding.memory import Memory
from workflows.deciding.state import Seen
from workflows.document.compare import update_body
from workflows.document.fingerprint import fingerprint
from workflows.document.stack import OWNER_TAG
from workflows.kinds import Kind
from workflows.kinds.kind import at


@dataclass(frozen=True)
class Projected:
    """What would be seen and remembered after a step, and the changing calls that it takes."""

    seen: Seen | None
    memory: Memory
    calls: tuple[str, ...] = ()


def project(action: Action, wish: Wish, seen: Seen | None, memory: Memory) -> Projected:
    """Return what a step leaves behind, as far as that is known before it is taken."""
    operations = wish.kind.operations
    match action:
        case Action.CREATE:
            return _created(wish, seen, memory)
        case Action.UPDATE if seen is not None:
            # Tags are remembered as before: an update does not touch them.
            known = replace(_applied(wish, memory), applied=memory.applied, sent=fingerprint(wish.declared or {}))
            return Projected(_updated(wish, seen, memory), known, (operations.update,))
        case Action.TAG if seen is not None:
            return _tagged(wish, seen, memory)
        case Action.REPLACE:
            gone = _created(wish, seen, memory.gone())
            return replace(gone, calls=(*_deletion(wish), *gone.calls))
        case Action.DELETE:
            return Projected(None, memory.gone(), _deletion(wish))
        case Action.SYNCHRONIZE:
            ready = _mended(seen) if seen is not None else None
            return Projected(ready, replace(memory, changed="", synchronizations=1), (str(operations.synchronize),))
        case Action.WAIT if seen is not None and seen.status != "DELETING":
            return Projected(_mended(seen), memory)
        case _:
            return Projected(None, memory.gone())


def _deletion(wish: Wish) -> tuple[str, ...]:
    return (wish.kind.operations.delete,)


def _created(wish: Wish, before: Seen | None, memory: Memory) -> Projected:
    kind, declared = wish.kind, wish.declared or {}
    body = {kind.name_member: wish.name} | ({"status": "READY"} if kind.statuses else {})
    body |= {name: before.body[name] for name in kind.stable if before is not None and name in before.body}
    for name, value in kind.first(declared).items():
        if name != "tags":
            _put(body, kind.shown_as.get(name, name), value)
    tags = {**(declared.get("tags") or {}), OWNER_TAG: wish.stack}
    if kind.asks_consent(declared):
        body["status"] = "CREATE_PENDING_AUTH"
    seen = Seen(kind, "", body, tags=tags if kind.tagged else None)
    memory = replace(_applied(wish, memory), incarnation=memory.incarnation + 1)
    return Projected(seen, memory, (kind.operations.create,))


def _updated(wish: Wish, seen: Seen, memory: Memory) -> Seen:
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


def _mended(seen: Seen) -> Seen:
    """Return it READY, without the reasons of a failure that a step mends."""
    body = {name: value for name, value in seen.body.items() if name not in seen.kind.reason_members}
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


def _tagged(wish: Wish, seen: Seen, memory: Memory) -> Projected:
    wanted = {**((wish.declared or {}).get("tags") or {}), OWNER_TAG: wish.stack}
    stale = {*((memory.applied or {}).get("tags") or {}), *memory.doubtful_tags} - set(wanted)
    calls = ("TagResource", "UntagResource") if stale else ("TagResource",)
    applied = (
        {**memory.applied, "tags": fingerprint((wish.declared or {}).get("tags") or {})} if memory.applied else None
    )
    known = replace(memory, id=seen.id, pending=None, stale_tags=(), applied=applied)
    return Projected(replace(seen, ours=True, tags=wanted), known, calls)


def _applied(wish: Wish, memory: Memory) -> Memory:
    versions = {**memory.secret_versions, **(wish.secret_versions or {})}
    stale = tuple(sorted(memory.doubtful_tags))
    known = replace(memory, applied=fingerprint(wish.declared or {}), sent=None, pending=None, id=memory.id or "")
    return replace(known, secret_versions=versions, stale_tags=stale, ever_ready=True, changed="")


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
