"""Differences as people read them: observed and declared value of each path, with secrets masked. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.document.merge import carried_over, update_body
from workflows.document.problems import parse_path, path_text
from workflows.document.stack import OWNER_TAG
from workflows.kinds import Kind
from workflows.kinds.kind import at
from workflows.kinds.members import MASKED
from workflows.kinds.observed import ObservedState
from workflows.planner.decision import Action, Decision, DesiredState, State
from workflows.records.resource import ResourceRecord

_SECRET = "(secret)"  # noqa: S105 - a mask, no secret
_MASKED = "(masked)"


@dataclass(frozen=True)
class Change:
    """A path that differs. `old` is None where no value is observed, `new` where no value is declared."""

    path: str
    old: Any
    new: Any

    def shown(self, address: str) -> dict[str, Any]:
        """Return the change as JSON."""
        return {"path": f"{address}.{self.path}", "old": self.old, "new": self.new}


def changes(
    desired: DesiredState, observed: ObservedState | None, record: ResourceRecord, paths: Iterable[str]
) -> tuple[Change, ...]:
    """Return the changes at the paths of a decision, with maps and JSON payloads opened down to the leaves."""
    return tuple(leaf for path in paths for leaf in _leaves(_change(desired, observed, record, path)))


def carried_by(state: State, decision: Decision) -> tuple[str, ...]:
    """Return the paths of undeclared members that an update repeats as the service shows them."""
    desired, observed, declared = state.desired, state.observed, state.desired.declared or {}
    if decision.action is not Action.UPDATE or observed is None:
        return ()
    record = state.record
    body = update_body(desired.kind, declared, observed.body, record.ever_declared, record.refused_members)
    return tuple(sorted(map(path_text, carried_over(body, declared))))


def _leaves(change: Change) -> Iterator[Change]:
    """Yield the innermost paths at which two maps, two lists of one length, or two texts of JSON differ."""
    old, new = _opened(change.old), _opened(change.new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        every = {name: (old.get(name), new.get(name)) for name in (*old, *new)}
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        every = dict(enumerate(zip(old, new, strict=True)))
    else:
        yield change
        return
    differing = {name: pair for name, pair in every.items() if pair[0] != pair[1]}
    if not differing:
        yield change  # only white space, or the order of names, differs
    for name, (one, other) in differing.items():
        yield from _leaves(Change(path_text((*parse_path(change.path), name)), one, other))


def _opened(value: Any) -> Any:
    """Return the map or list that a text of JSON holds; any value that is no such text is returned unchanged."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _change(desired: DesiredState, observed: ObservedState | None, record: ResourceRecord, path: str) -> Change:
    names, declared = parse_path(path), desired.declared or {}
    if any(name in desired.kind.secrets for name in names):
        return Change(path, _SECRET, _SECRET)
    if names == ("tags",):
        known = observed is not None and observed.tags is not None
        mine = {OWNER_TAG: desired.stack} if known else {}
        return Change(path, _tags_there(observed, record), {**(declared.get("tags") or {}), **mine})
    body = observed.body if observed is not None else {}
    if names == (desired.kind.name_member,):
        return Change(path, body.get(desired.kind.name_member), desired.name)
    if any(name in MASKED for name in names):
        return Change(path, _MASKED, _MASKED)
    return Change(path, _masked(_shown(desired.kind, body, names)), _masked(_inside(declared, names)))


def _tags_there(observed: ObservedState | None, record: ResourceRecord) -> Any:
    if observed is not None and observed.tags is not None:
        return dict(observed.tags)
    return dict((record.last_applied or {}).get("tags") or {})


def _shown(kind: Kind, body: Mapping[str, Any], names: tuple[str | int, ...]) -> Any:
    top = str(names[0])
    return _inside(at(body, kind.shown_as.get(top, top)), names[1:])


def _inside(value: Any, names: Iterable[str | int]) -> Any:
    for name in names:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int) and name < len(value):
            value = value[name]
        else:
            return None
    return value


def _masked(value: Any) -> Any:
    """Return a copy of a value in which credentials are masked."""
    if isinstance(value, Mapping):
        return {name: _MASKED if name in MASKED else _masked(item) for name, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
