"""Differences as people read them: observed and declared value of each leaf, and the cause; secrets are masked."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workflows.document.compare import shown_at, value_at
from workflows.document.fingerprint import fingerprint
from workflows.document.merge import carried_over, update_body
from workflows.document.problems import parse_path, path_text
from workflows.document.stack import OWNER_TAG
from workflows.kinds.members import MASKED
from workflows.kinds.observed import ObservedState
from workflows.planner.decision import Action, Decision, DesiredState, State
from workflows.planner.leaves import Path, leaves
from workflows.records.resource import ResourceRecord

_SECRET = "(secret)"  # noqa: S105 - a mask, no secret
_MASKED = "(masked)"


class Cause(StrEnum):
    """Why a value differs from the declaration."""

    #: The document declares another value than the one that was applied last, or it was never applied.
    DOCUMENT = "DOCUMENT"
    #: The document declares what was applied last, so somebody changed the value outside.
    DRIFT = "DRIFT"
    #: The document refers to the same secret, which has another version.
    ROTATION = "ROTATION"


@dataclass(frozen=True)
class Change:
    """A path that differs. `old` is None where no value is observed, `new` where no value is declared."""

    path: str
    old: Any
    new: Any
    cause: Cause = Cause.DOCUMENT

    def shown(self, address: str) -> dict[str, Any]:
        """Return the change as JSON."""
        return {"path": f"{address}.{self.path}", "old": self.old, "new": self.new, "cause": str(self.cause)}


def changes(
    desired: DesiredState, observed: ObservedState | None, record: ResourceRecord, paths: Iterable[str]
) -> tuple[Change, ...]:
    """Return the changes at the paths of a decision, opened down to the leaves."""
    return tuple(change for path in paths for change in _at(desired, observed, record, parse_path(path)))


def carried_by(state: State, decision: Decision) -> tuple[str, ...]:
    """Return the paths of undeclared members that an update repeats as the service shows them."""
    desired, observed, declared = state.desired, state.observed, state.desired.declared or {}
    if decision.action is not Action.UPDATE or observed is None:
        return ()
    record = state.record
    body = update_body(desired.kind, declared, observed.body, record.ever_declared, record.refused_members)
    return tuple(sorted(map(path_text, carried_over(body, declared))))


def created_by(state: State, decision: Decision) -> Mapping[str, Any]:
    """Return the declaration that a creation sends, with its secrets masked; empty for any other action."""
    if decision.action not in (Action.CREATE, Action.REPLACE):
        return {}
    shown: Mapping[str, Any] = _without_secrets(state.desired.declared or {}, frozenset(state.desired.kind.secrets))
    return shown


def _at(desired: DesiredState, observed: ObservedState | None, record: ResourceRecord, names: Path) -> Iterator[Change]:
    """Yield the changes at one path of a decision."""
    declared = desired.declared or {}
    if any(name in desired.kind.secrets for name in names):
        yield Change(path_text(names), _SECRET, _SECRET, _cause(declared, record, names, unchanged=Cause.ROTATION))
        return
    if any(name in MASKED for name in names):
        yield Change(path_text(names), _MASKED, _MASKED, _cause(declared, record, names))
        return
    for path, old, new in leaves(*_both(desired, observed, record, names), names):
        yield Change(path_text(path), old, new, _cause(declared, record, path))


def _both(
    desired: DesiredState, observed: ObservedState | None, record: ResourceRecord, names: Path
) -> tuple[Any, Any]:
    """Return the observed and the declared value at a path, with credentials masked."""
    declared, body = desired.declared or {}, observed.body if observed is not None else {}
    if names == ("tags",):
        known = observed is not None and observed.tags is not None
        mine = {OWNER_TAG: desired.stack} if known else {}
        return _tags_there(observed, record), {**(declared.get("tags") or {}), **mine}
    if names == (desired.kind.name_member,):
        return body.get(desired.kind.name_member), desired.name
    return _masked(shown_at(desired.kind, body, names)), _masked(value_at(declared, names))


def _cause(declared: Mapping[str, Any], record: ResourceRecord, path: Path, *, unchanged: Cause = Cause.DRIFT) -> Cause:
    """Return the cause of a difference: the document's, if it declares another value at the path than was applied.

    What was applied is recorded with the digests of long texts, so a text that holds a structure counts as a whole.
    """
    last: Any = record.last_applied
    if last is None:
        return Cause.DOCUMENT
    now: Any = declared
    for name in path:
        if fingerprint(now) == last:
            return unchanged
        if not isinstance(now, Mapping | list) or not isinstance(last, Mapping | list):
            return Cause.DOCUMENT
        now, last = value_at(now, (name,)), value_at(last, (name,))
    return unchanged if fingerprint(now) == last else Cause.DOCUMENT


def _tags_there(observed: ObservedState | None, record: ResourceRecord) -> Any:
    if observed is not None and observed.tags is not None:
        return dict(observed.tags)
    return dict((record.last_applied or {}).get("tags") or {})


def _masked(value: Any) -> Any:
    """Return a copy of a value in which credentials are masked."""
    return _without_secrets(value, frozenset())


def _without_secrets(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _SECRET if name in secrets else _MASKED if name in MASKED else _without_secrets(item, secrets)
            for name, item in value.items()
        }
    return [_without_secrets(item, secrets) for item in value] if isinstance(value, list) else value
