"""Composes the body of an update from the declaration, the Get response and the last-applied declaration. Pure.

A PUT replaces the whole resource, so its body repeats observed members that were never declared (settings made by hand
survive) and omits members that the document stopped declaring. A PATCH keeps each member that its body omits, so its
body names declared and removed members only, and clears the removed members explicitly.

What a body repeats:

- A member that the service model does not know (infra/unmodeled.py) is repeated as it stands, unless the service
  refused it in an earlier update (`refused`).
- A member in OWNERS belongs to the value of a sibling. Neither the member nor a member inside of it is repeated when
  the document changes that value.
- An element of a declared list is repeated with its undeclared members while it shows everything that the document
  declares of it, now and before. An element that changes is sent as declared.
- An unknown member inside a structure is not repeated when the document changes a guarded member beside it, such as an
  endpoint: it may be a credential for the earlier value.
- Members that no update takes, members that only some updates take (UPDATE_ONLY), and empty values are never
  repeated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from infra import service_model
from infra.service_model import Path
from infra.unmodeled import UNKNOWN_ARM
from workflows.document.compare import earlier_element, is_empty, patches, says_none, shows
from workflows.document.problems import path_text
from workflows.kinds.forms import GUARDED
from workflows.kinds.kind import Kind, Property, at
from workflows.kinds.members import ADDED_BY_SERVICE, OWNERS

#: Members to which siblings belong.
_OWNING = frozenset(owner.rpartition(".")[2] for owners in OWNERS.values() for owner in owners)


def update_body(
    kind: Kind,
    declared: Mapping[str, Any],
    seen: Mapping[str, Any],
    applied: Mapping[str, Any] | None,
    refused: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the body of an update: the declared members, merged with observed members that were never declared.

    `seen` is the body of a Get response, `applied` the fingerprint of the last-applied declaration. `refused` names
    the paths of members that the service refused in an earlier update.
    """
    merge = _Merge(kind, frozenset(refused))
    body: dict[str, Any] = {}
    for name, shape in kind.updatable.items():
        if name not in kind.filled_in and name not in kind.withheld({name: None}, seen):
            shown_as = kind.shown_as.get(name, name)
            shown = at(seen, shown_as) if name not in kind.having(Property.DERIVED) else None
            response = service_model.shape_at(kind.response, shown_as.split("."))
            values = _Values(declared.get(name), shown, (applied or {}).get(name), shape, response)
            merged = merge.patched((name,), values) if kind.patch else merge.put((name,), values)
            if merged is not None:
                body[name] = merged
    return body if kind.patch else {**unknown_members(kind, seen, refused), **body}


def unknown_members(kind: Kind, seen: Mapping[str, Any], refused: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the members of a response that no service model in force knows, without those in `refused`."""
    known = {*getattr(kind.response, "members", {}), *kind.declarable.members, *kind.filled_in, kind.id_member}
    known |= {"ResponseMetadata", UNKNOWN_ARM, "status", *refused}
    return {name: value for name, value in seen.items() if name not in known and not is_empty(value)}


def carried_over(body: Any, declared: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of the members of an update that the document does not declare."""
    if isinstance(body, Mapping) and set(body) == {"optionalValue"}:
        body = body["optionalValue"]
    if isinstance(body, Mapping) and isinstance(declared, Mapping):
        for name, value in body.items():
            if name in declared:
                yield from carried_over(value, declared[name], (*path, name))
            else:
                yield (*path, name)
    elif isinstance(body, list) and isinstance(declared, list) and len(body) == len(declared):
        for index, (one, other) in enumerate(zip(body, declared, strict=True)):
            yield from carried_over(one, other, (*path, index))


@dataclass(frozen=True)
class _Values:
    """What is known of a member: declared, observed and last-applied value, and its shapes in request and response."""

    declared: Any
    seen: Any
    applied: Any
    shape: Shape
    response: Shape | None

    def member(self, name: str, shape: Shape) -> "_Values":
        """Return the values of a member of this structure."""
        declared, seen, applied = (part.get(name) if isinstance(part, Mapping) else None for part in self.values)
        return _Values(declared, seen, applied, shape, _member_of(self.response, name))

    @property
    def values(self) -> tuple[Any, Any, Any]:
        """The declared, the observed and the last-applied value."""
        return self.declared, self.seen, self.applied


def _member_of(shape: Shape | None, name: str) -> Shape | None:
    return service_model.shape_at(shape, [name]) if shape is not None else None


@dataclass(frozen=True)
class _Merge:
    kind: Kind
    refused: frozenset[str]

    def patched(self, path: Path, values: _Values) -> Any:
        """Return the value that a PATCH sends for a member; None to omit the member, which keeps its value."""
        declared, _, applied = values.values
        shape, inner = values.shape, service_model.wrapped(values.shape)
        if declared is None and applied is None:
            return None
        if inner is not None:
            whole = _Values(*values.values, inner, values.response)
            return {} if declared is None else {"optionalValue": self.put(path, whole)}
        if patches(shape) and isinstance(shape, StructureShape):
            found = {name: self.patched((*path, name), values.member(name, s)) for name, s in shape.members.items()}
            return {name: value for name, value in found.items() if value is not None} or None
        if declared is None:
            return [] if isinstance(shape, ListShape) else {} if isinstance(shape, MapShape) else None
        return self.put(path, values)

    def put(self, path: Path, values: _Values) -> Any:
        """Return the value that a PUT sends for a member; None to omit the member."""
        declared, seen, applied = values.values
        if declared is None:
            over = applied is not None or path[-1] in self.kind.having(Property.UPDATE_ONLY)
            return None if over else self.carried(path, values.shape, values.response, seen)
        if isinstance(declared, list) and isinstance(seen, list):
            return self._list(path, values)
        whole = service_model.is_document(values.shape) or not isinstance(values.shape, StructureShape)
        if whole or not isinstance(declared, Mapping) or not isinstance(seen, Mapping):
            return declared
        return self._structure(path, values)

    def _structure(self, path: Path, values: _Values) -> dict[str, Any]:
        declared, seen, members = values.declared, values.seen, getattr(values.shape, "members", {})
        loose = {name for name, owners in OWNERS.items() if any(_is_another(declared, seen, one) for one in owners)}
        union = service_model.is_union(values.shape)
        names = set(declared) if union else set(members) - (loose - set(declared))
        merged = {
            # What the service shows inside of such a member belonged to the earlier value of its owner.
            n: declared.get(n) if n in loose else self.put((*path, n), values.member(n, members[n]))
            for n in members
            if n in names
        }
        moved = any(_is_another(declared, seen, name) for name in declared if name in GUARDED | _OWNING)
        unknown = {} if union or moved else self._unknown(path, members, values.response, seen)
        return {**unknown, **{name: value for name, value in merged.items() if value is not None}}

    def _list(self, path: Path, values: _Values) -> list[Any]:
        """Return the declared elements; those that are shown as declared keep their undeclared members."""
        declared, seen, applied = values.values
        element = values.shape.member if isinstance(values.shape, ListShape) else None
        response = values.response.member if isinstance(values.response, ListShape) else None
        structured = isinstance(element, StructureShape) and not service_model.is_document(element)
        if not structured or element is None:
            return list(declared)
        rest, found = list(seen), []
        for index, item in enumerate(declared):
            where = (*path, index)
            other = next((one for one in rest if shows(self.kind, where, item, response, one)), None)
            before = earlier_element(applied, other)
            if other is not None and (applied is None or before is not None):
                rest.remove(other)
                item = self.put(where, _Values(item, other, before, element, response))  # noqa: PLW2901 - the merged element
            found.append(item)
        return found

    def carried(self, path: Path, shape: Shape, response: Shape | None, seen: Any) -> Any:
        """Return an observed value as a request takes it: without members that no request takes and empty values."""
        if isinstance(seen, list):
            seen = [item for item in seen if not (isinstance(item, str) and item.lower() in ADDED_BY_SERVICE)]
        if is_empty(seen) or says_none(shape, seen):
            return None
        if isinstance(shape, ListShape) and isinstance(seen, list):
            inner = response.member if isinstance(response, ListShape) else None
            items = (self.carried((*path, index), shape.member, inner, item) for index, item in enumerate(seen))
            return [item for item in items if item is not None]
        if isinstance(shape, StructureShape) and not service_model.is_document(shape) and isinstance(seen, Mapping):
            kept = {
                name: self.carried((*path, name), member, _member_of(response, name), seen[name])
                for name, member in shape.members.items()
                if name in seen and name not in self.kind.having(Property.UPDATE_ONLY)
            }
            if service_model.is_union(shape):
                # An arm is a choice, even if its value is empty.
                kept |= {name: seen[name] for name in kept if kept[name] is None and seen[name] == {}}
            unknown = self._unknown(path, shape.members, response, seen)
            return {**unknown, **{name: value for name, value in kept.items() if value is not None}} or None
        return seen

    def _unknown(
        self, path: Path, members: Mapping[str, Shape], response: Shape | None, seen: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the members of an observed structure that no service model in force knows."""
        known = {*members, *getattr(response, "members", {}), UNKNOWN_ARM}
        unknown = {name: value for name, value in seen.items() if name not in known and not is_empty(value)}
        return {name: value for name, value in unknown.items() if path_text((*path, name)) not in self.refused}


def _is_another(declared: Mapping[str, Any], seen: Mapping[str, Any], owner: str) -> bool:
    """Return whether a declared value, to which other members belong, differs from the observed value."""
    wanted = at(declared, owner)
    return wanted is not None and wanted != at(seen, owner)
