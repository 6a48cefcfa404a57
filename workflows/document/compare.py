"""Compares a declaration with a Get response. Pure.

Plain equality would report drift in nearly every response: the service adds members, fills in defaults, reorders
sets, and omits write-only members. A comparison therefore has three inputs: `declared` (the resolved declaration, in
which secrets are still references), `seen` (the Get response), and `applied` (the fingerprint of the last-applied
declaration, in which long strings are digests; None without a record).

`differing` walks the declaration along the shape of the response and yields the path of each difference:

- A declared member must be shown with an equal value. A declared empty or false value equals an absent one.
- An undeclared member is ignored, unless `applied` has the member: then the document stopped declaring the member,
  and an update must clear it.
- A member that the response cannot show (a secret, an omitted write-only member, a member outside the response shape)
  is compared with `applied` alone, and counts as equal without a record.
- The lists in SETS are compared as sets, other lists element by element, maps whole, unions first by their arm.
- A value in another accepted form (workflows/kinds/forms.py) is equal while the declared value is the last-applied
  value. A changed value is always sent: a masked credential or the key behind an alias would not show the change.

`create_only_differences` returns the create-only members among the differences; such a change needs a replacement.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import reduce
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from infra import service_model
from infra.service_model import Path
from infra.unmodeled import UNKNOWN_ARM
from workflows.document.fingerprint import canonical, fingerprint
from workflows.document.problems import path_text
from workflows.kinds.forms import accepts
from workflows.kinds.kind import Kind, Property, at
from workflows.kinds.members import ADDED_BY_SERVICE, SETS, UNORDERED


class _Before(Enum):
    """Why a member has no last-applied value: there is no record, or the member was not declared."""

    UNKNOWN = "nothing is remembered"
    ABSENT = "it was not declared"


def differing(
    kind: Kind, declared: Mapping[str, Any], seen: Mapping[str, Any], applied: Mapping[str, Any] | None
) -> Iterator[Path]:
    """Yield the paths at which a resource differs from its declaration, tags and delete parameters excepted.

    References in `declared` are resolved, except those to secrets; `seen` is the body of a Get response; `applied` is
    the fingerprint of the last-applied declaration (None without a record).
    """
    return _compared(_Comparison(kind), declared, seen, applied)


def in_other_forms(kind: Kind, declared: Mapping[str, Any], seen: Mapping[str, Any]) -> set[Path]:
    """Return the paths at which the response shows a declared value in another accepted form (kinds/forms.py)."""
    comparison = _Comparison(kind)
    for _ in _compared(comparison, declared, seen, fingerprint(declared)):
        pass
    return comparison.forms


def shows(kind: Kind, path: Path, declared: Any, shape: Shape | None, seen: Any) -> bool:
    """Return whether a response shows everything that is declared at a path; `shape` is that of the response."""
    return not any(True for _ in _Comparison(kind).member(path, declared, shape, seen, _Before.UNKNOWN))


def unrecognized(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths at which a response shows an arm of a union that the service model does not know."""
    if isinstance(value, Mapping):
        if UNKNOWN_ARM in value:
            yield path
        for name, item in value.items():
            yield from unrecognized(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unrecognized(item, (*path, index))


def _compared(
    comparison: "_Comparison",
    declared: Mapping[str, Any],
    seen: Mapping[str, Any],
    applied: Mapping[str, Any] | None,
) -> Iterator[Path]:
    kind = comparison.kind
    elsewhere = {"tags", *kind.delete_parameters}
    shown_as = {n: kind.shown_as.get(n, n) for n in {*declared, *(applied or {})} - elsewhere}
    shapes = {name: service_model.shape_at(kind.response, other.split(".")) for name, other in shown_as.items()}
    shown = {name: at(seen, other) for name, other in shown_as.items()}
    wanted = {name: value for name, value in declared.items() if name not in elsewhere}
    before = _Before.UNKNOWN if applied is None else {n: v for n, v in applied.items() if n not in elsewhere}
    found = comparison.members((), wanted, shapes, shown, before)
    # A change of the declaration is found twice: once by its last-applied value.
    every = dict.fromkeys([*found, *kind.differs_elsewhere(wanted, seen)])
    return (path for path in every if path_text(path) not in kind.having(Property.WITHOUT_EFFECT))


def value_at(value: Any, path: Path) -> Any:
    """Return the value at a path; None if any part of the path is missing."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def shown_at(kind: Kind, seen: Mapping[str, Any], path: Path) -> Any:
    """Return the value that a response shows at a path of the declaration; None if the response shows no value."""
    return value_at(at(seen, kind.shown_as.get(str(path[0]), str(path[0]))), path[1:])


def create_only_differences(
    kind: Kind, declared: Mapping[str, Any], seen: Mapping[str, Any], paths: Iterable[Path]
) -> list[str]:
    """Return the create-only members among the differences: a change of such a member needs a replacement.

    These are the members in `Kind.create_only` that changed, members that no update takes, and members that a PATCH
    cannot clear.
    """
    named = {member for member, changed in kind.create_only.items() if changed(declared, seen)}
    return sorted(named | {path_text(path) for path in paths if not _is_updatable(kind, declared, path)})


def _is_updatable(kind: Kind, declared: Any, path: Path) -> bool:
    """Return whether an update can set a member to its declared value, or clear the member."""
    shape: Shape | None = kind.updatable.get(str(path[0]))
    clears, value = not kind.patch, declared.get(path[0])
    for name in path[1:]:
        clears = clears or (shape is not None and service_model.wrapped(shape) is not None) or not patches(shape)
        shape = _inside(shape, name)
        value = value.get(name) if isinstance(value, Mapping) else value
    if shape is None:
        return False
    can_be_emptied = isinstance(shape, ListShape | MapShape) and not shape.metadata.get("min")
    can_be_emptied = can_be_emptied and path[-1] not in kind.having(Property.NOT_CLEARABLE)
    return value is not None or clears or can_be_emptied or service_model.wrapped(shape) is not None


def patches(shape: Shape | None) -> bool:
    """Return whether a structure in a PATCH is merged member by member: an omitted member keeps its value."""
    return any(service_model.wrapped(member) is not None for member in getattr(shape, "members", {}).values())


def _inside(shape: Shape | None, name: str | int) -> Shape | None:
    if shape is None or service_model.is_document(shape):
        return shape
    shape = service_model.wrapped(shape) or shape
    if isinstance(name, int):
        return shape.member if isinstance(shape, ListShape) else None
    return service_model.shape_at(shape, [name])


def earlier_element(before: Any, seen: Any) -> Any:
    """Return what was ever declared of an element of a list that a response shows; None where nothing was.

    Elements may have moved, so they are found by content: those of which everything is shown.
    """
    shown = fingerprint(seen)
    covered = [one for one in before if _is_within(one, shown)] if isinstance(before, list) else []
    return reduce(either, covered) if covered else None


def _is_within(declared: Any, shown: Any) -> bool:
    if isinstance(declared, Mapping) and isinstance(shown, Mapping):
        return all(_is_within(value, shown.get(name)) for name, value in declared.items())
    return bool(canonical(_plain(declared)) == canonical(_plain(shown)))


def either(one: Any, other: Any) -> Any:
    """Return the recursive union of two fingerprints; where both have a value, the first fingerprint wins.

    Of two lists of structures, the elements of both are kept.
    """
    if isinstance(one, list) and isinstance(other, list) and any(isinstance(item, Mapping) for item in (*one, *other)):
        return [*one, *(item for item in other if item not in one)]
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return other if one is None else one
    return {name: either(one.get(name), other.get(name)) for name in {**one, **other}}


def is_empty(value: Any) -> bool:
    """Return whether a value is equivalent to an absent member: None, an empty list or an empty map."""
    return value is None or (isinstance(value, list | Mapping) and not value)


def says_none(shape: Shape, seen: Any) -> bool:
    """Return whether a response shows "" for a member whose minimum length forbids it: some services mean "absent"."""
    return seen == "" and (shape.metadata.get("min") or 0) > 0


class _Comparison:
    """Compares a declaration with a response, member by member along the shape of the response."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._omitted = kind.having(Property.NOT_RETURNED)
        #: The paths at which the response shows a declared value in another accepted form.
        self.forms: set[Path] = set()
        #: The paths of maps: the parts that follow them are map keys, not member names.
        self._maps: set[Path] = set()

    def members(
        self,
        path: Path,
        value: Mapping[str, Any],
        shapes: Mapping[str, Shape | None],
        seen: Mapping[str, Any],
        before: Any,
    ) -> Iterator[Path]:
        """Yield the paths of declared members that differ, and of removed members that may still be in force."""
        known = before if isinstance(before, Mapping) else {}
        otherwise = _Before.UNKNOWN if before is _Before.UNKNOWN else _Before.ABSENT
        for name, item in value.items():
            yield from self.member((*path, name), item, shapes.get(name), seen.get(name), known.get(name, otherwise))
        for name in set(known) - set(value) - self.kind.secrets:
            # A removed member that the response cannot show, or may leave out, may still be in force.
            if shapes.get(name) is None or name in self._omitted or not is_empty(seen.get(name)):
                yield (*path, name)

    def member(self, path: Path, value: Any, shape: Shape | None, seen: Any, before: Any) -> Iterator[Path]:
        """Yield the paths at which one declared member differs."""
        name = path[-1]
        unreadable = shape is None or name in self.kind.secrets or (seen is None and name in self._omitted)
        if unreadable:
            if before is not _Before.UNKNOWN and canonical(fingerprint(value)) != canonical(before):
                yield path
        elif is_empty(seen):
            same = before is not _Before.UNKNOWN and canonical(fingerprint(value)) == canonical(before)
            if not (is_empty(value) or value is False or (same and _says_nothing(shape, value))):
                yield path
        else:
            yield from self._value(path, value, shape, seen, before)

    def _value(self, path: Path, value: Any, shape: Shape | None, seen: Any, before: Any) -> Iterator[Path]:
        if isinstance(shape, StructureShape) and not service_model.is_document(shape):
            if another_arm(shape, value, seen):
                yield path
            elif isinstance(value, Mapping) and isinstance(seen, Mapping):
                yield from self.members(path, value, shape.members, seen, before)
            else:
                yield path
        elif isinstance(shape, ListShape):
            yield from self._list(path, value, shape, seen, before)
        elif isinstance(shape, MapShape) and isinstance(value, Mapping) and isinstance(seen, Mapping):
            yield from self._map(path, value, shape, seen, before)
        elif canonical(_stored(shape, value)) != canonical(_stored(shape, seen)):
            yield from self._unless_a_form(path, value, seen, before)

    def _unless_a_form(self, path: Path, value: Any, seen: Any, before: Any) -> Iterator[Path]:
        """Yield a path unless the response shows the declared value there in another accepted form.

        A value that changed since the last-applied declaration is sent first: a mask, or the key behind an alias,
        does not show the change.
        """
        unchanged = before is _Before.UNKNOWN or canonical(fingerprint(value)) == canonical(before)
        if unchanged and accepts(self._member_of(path), value, seen):
            self.forms.add(path)
        else:
            yield path

    def _member_of(self, path: Path) -> str:
        """Return the member at the end of a path, or the member whose map or list contains the end of the path."""
        while isinstance(path[-1], int) or path[:-1] in self._maps:
            path = path[:-1]
        return str(path[-1])

    def _map(
        self, path: Path, value: Mapping[str, Any], shape: MapShape, seen: Mapping[str, Any], before: Any
    ) -> Iterator[Path]:
        """Yield the path of a map if any key or value differs: a map is declared whole, so extra keys are drift."""
        self._maps.add(path)
        if set(value) != set(seen):
            yield path
            return
        known = before if isinstance(before, Mapping) else {}
        for name, item in value.items():
            was = known.get(name, _Before.UNKNOWN)
            if any(self._value((*path, name), item, shape.value, seen[name], was)):
                yield path
                return

    def _list(self, path: Path, value: Any, shape: ListShape, seen: Any, before: Any) -> Iterator[Path]:
        if path[-1] in SETS and not isinstance(shape.member, StructureShape):
            if _as_set(value) != _as_set(seen):
                yield from self._unless_a_form(path, value, seen, before)
        elif value != seen and not [*self._unless_a_form(path, value, seen, before)]:
            return
        elif not isinstance(value, list) or not isinstance(seen, list) or len(value) != len(seen):
            yield path
        else:
            structures = path[-1] in SETS and isinstance(shape.member, StructureShape)
            seen = self._aligned(path, value, shape, seen) if structures or path[-1] in UNORDERED else seen
            aligned = isinstance(before, list) and len(before) == len(value)
            for index, (item, other) in enumerate(zip(value, seen, strict=True)):
                was = earlier_element(before, other)
                if was is None:
                    was = before[index] if aligned else _Before.UNKNOWN
                # An element that moved, or changed, shows nothing of what left the one that is declared here.
                found = [*self._value((*path, index), item, shape.member, other, _Before.UNKNOWN)]
                yield from found or self._value((*path, index), item, shape.member, other, was)

    def _aligned(self, path: Path, value: list[Any], shape: ListShape, seen: list[Any]) -> list[Any]:
        """Return the shown elements in the order of the declared ones that they equal; the others in their order."""
        rest, found = list(seen), list[Any]()
        for item in value:
            same = (
                one
                for one in rest
                if not any(True for _ in self._value(path, item, shape.member, one, _Before.UNKNOWN))
            )
            found.append(next(same, None))
            if found[-1] is not None:
                rest.remove(found[-1])
        return [one if one is not None else rest.pop(0) for one in found]


def _says_nothing(shape: Shape | None, value: Any) -> bool:
    """Return whether the service may show a value that it accepted as absent: it is empty or false, in all members."""
    if isinstance(value, Mapping) and isinstance(shape, StructureShape) and not service_model.is_union(shape):
        return all(_says_nothing(shape.members.get(name), one) for name, one in value.items())
    return is_empty(value) or value is False


def another_arm(shape: Shape, value: Any, seen: Any) -> bool:
    """Return whether the response shows another arm of a union; an arm is a choice even if its value is empty."""
    both = isinstance(value, Mapping) and isinstance(seen, Mapping) and bool(value) and bool(seen)
    return both and service_model.is_union(shape) and not set(value) & set(seen)


def _as_set(items: Any) -> set[str]:
    listed = items if isinstance(items, list) else []
    added = {item for item in listed if isinstance(item, str) and item.lower() in ADDED_BY_SERVICE}
    return {canonical(item) for item in listed if not isinstance(item, str) or item not in added}


def _stored(shape: Shape | None, value: Any) -> Any:
    """Return a value as the service stores it: a number of the model in single precision, anything else as it is."""
    if isinstance(value, float) and shape is not None and shape.type_name in ("float", "double"):
        with suppress(OverflowError):
            value = struct.unpack("f", struct.pack("f", value))[0]
    return _plain(value)


def _plain(value: Any) -> Any:
    """Return a value with whole floats as integers, so that 1.0 equals 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
