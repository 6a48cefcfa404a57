"""Comparing what is declared with what stands there, and composing the body of an update. Pure.

The service adds members, fills defaults, reorders sets and leaves some members out when read. So only what is
declared is compared; what was declared once and then removed is seen through what was last applied.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from infra import service_model
from infra.service_model import Path
from workflows.fingerprint import canonical, fingerprint
from workflows.kinds.kind import ADDED_BY_SERVICE, SETS, Kind
from workflows.problems import path_text

#: Members of a declaration that are compared by other means.
_ELSEWHERE = frozenset({"tags"})


def differences(
    kind: Kind, declared: Mapping[str, Any], seen: Mapping[str, Any], applied: Mapping[str, Any] | None
) -> list[str]:
    """Return the paths at which a resource is not as declared.

    `declared` is resolved but for its secrets, `seen` is what Get answered, `applied` the fingerprint of the last
    applied declaration (None when nothing is remembered). Secrets and tags are compared elsewhere.
    """
    comparison = _Comparison(kind)
    found: list[Path] = []
    for name, value in declared.items():
        if name not in _ELSEWHERE:
            shown = kind.shown_as.get(name, name)
            shape = service_model.shape_at(kind.response, [shown])
            found += comparison.member((name,), value, shape, seen.get(shown), (applied or {}).get(name))
    for name in set(applied or {}) - set(declared) - _ELSEWHERE:
        shown = kind.shown_as.get(name, name)
        if comparison.lingers(service_model.shape_at(kind.response, [shown]), seen.get(shown)):
            found.append((name,))
    return sorted(path_text(path) for path in found)


def is_empty(value: Any) -> bool:
    """Tell whether a value says as little as an absent one."""
    return value is None or (isinstance(value, list | Mapping) and not value)


class _Comparison:
    """Compares member by member along the shape of the response."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind

    def member(self, path: Path, value: Any, shape: Shape | None, seen: Any, applied: Any) -> Iterator[Path]:
        """Yield where one declared member is not as it stands there."""
        name = path[-1]
        if name in self._kind.secrets or (is_empty(value) and is_empty(seen)):
            return
        unreadable = shape is None or (seen is None and name in self._kind.left_out)
        if unreadable:
            if applied is not None and canonical(fingerprint(value)) != canonical(applied):
                yield path
        elif seen is None:
            yield path
        else:
            yield from self._value(path, value, shape, seen, applied)

    def lingers(self, shape: Shape | None, seen: Any) -> bool:
        """Tell whether a member that is no longer declared still stands there, as far as one can see."""
        return shape is None or not is_empty(seen)

    def _value(self, path: Path, value: Any, shape: Shape | None, seen: Any, applied: Any) -> Iterator[Path]:
        if isinstance(shape, StructureShape) and not service_model.is_document(shape):
            yield from self._structure(path, value, shape, seen, applied)
        elif isinstance(shape, ListShape):
            yield from self._list(path, value, shape, seen)
        elif canonical(value) != canonical(seen) and not _masked(seen):
            yield path

    def _structure(self, path: Path, value: Any, shape: StructureShape, seen: Any, applied: Any) -> Iterator[Path]:
        if not isinstance(value, Mapping) or not isinstance(seen, Mapping):
            yield path
            return
        before = applied if isinstance(applied, Mapping) else {}
        for name, item in value.items():
            yield from self.member((*path, name), item, shape.members.get(name), seen.get(name), before.get(name))
        for name in set(before) - set(value) - self._kind.secrets:
            if self.lingers(shape.members.get(name), seen.get(name)):
                yield (*path, name)

    def _list(self, path: Path, value: Any, shape: ListShape, seen: Any) -> Iterator[Path]:
        if path[-1] in SETS:
            if _as_set(value) != _as_set(seen):
                yield path
        elif not isinstance(value, list) or not isinstance(seen, list) or len(value) != len(seen):
            yield path
        else:
            for index, (item, other) in enumerate(zip(value, seen, strict=True)):
                yield from self._value((*path, index), item, shape.member, other, None)


def _as_set(items: Any) -> set[str]:
    listed = items if isinstance(items, list) else []
    added = {item for item in listed if isinstance(item, str) and item.lower() in ADDED_BY_SERVICE}
    return {canonical(item) for item in listed if not isinstance(item, str) or item not in added}


def _masked(seen: Any) -> bool:
    return isinstance(seen, str) and bool(seen) and not seen.strip("*")


def update_body(
    kind: Kind, declared: Mapping[str, Any], seen: Mapping[str, Any], applied: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the members of a full replacement: what is declared, plus what was never declared and stands there.

    What was declared before and then removed is left out, which clears it. Nobody's hand-made setting is wiped.
    """
    body: dict[str, Any] = {}
    own = kind.filled_in | set(kind.address_members)
    for name, shape in kind.updatable.items():
        if name not in own:
            shown = seen.get(kind.shown_as.get(name, name))
            merged = _merge(shape, declared.get(name), shown, (applied or {}).get(name))
            if merged is not None:
                body[name] = merged
    return body


def _merge(shape: Shape, declared: Any, seen: Any, applied: Any) -> Any:
    """Return what an update sends for one member; None to leave it out."""
    if declared is None:
        return None if applied is not None else _carried(shape, seen)
    whole = service_model.is_document(shape) or not isinstance(shape, StructureShape)
    if whole or not isinstance(declared, Mapping) or not isinstance(seen, Mapping):
        return declared
    before = applied if isinstance(applied, Mapping) else {}
    names = set(declared) if service_model.is_union(shape) else set(shape.members)
    merged = {
        name: _merge(shape.members[name], declared.get(name), seen.get(name), before.get(name))
        for name in shape.members
        if name in names
    }
    return {name: value for name, value in merged.items() if value is not None}


def _carried(shape: Shape, seen: Any) -> Any:
    """Return what a read showed in the form that a write takes: known members only, nothing empty (peers B4)."""
    if is_empty(seen):
        return None
    if isinstance(shape, StructureShape) and not service_model.is_document(shape) and isinstance(seen, Mapping):
        known = {name: _carried(shape.members[name], seen[name]) for name in shape.members if name in seen}
        kept = {name: value for name, value in known.items() if value is not None}
        return kept or None
    return seen
