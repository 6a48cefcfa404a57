"""What an adoption takes as current: members that no declaration compares and that decide about security. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from infra import service_model
from infra.service_model import Path
from workflows.document.compare import is_empty
from workflows.document.problems import path_text
from workflows.kinds.forms import ALSO_ASSUMED, DEFAULTS, GUARDED
from workflows.kinds.kind import Kind, at


def assumed(kind: Kind, declared: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the paths of declared secrets, which reads do not show, and of undeclared guarded members that are shown.

    `body` is a whole Get response. A guarded member at a default of the service is left out.
    """
    secrets = map(path_text, kind.secret_texts(declared))
    return tuple(sorted({*secrets, *map(path_text, _undeclared(kind, declared, body))}))


def _undeclared(kind: Kind, declared: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Path]:
    for name, shape in kind.updatable.items():
        if name not in kind.filled_in:
            shown = at(body, kind.shown_as.get(name, name))
            yield from _guarded((name,), shape, declared.get(name), shown)


def _guarded(path: Path, shape: Shape, declared: Any, shown: Any) -> Iterator[Path]:
    """Yield the paths of guarded members that are shown and not declared, the outermost of each."""
    if is_empty(shown) or shown == DEFAULTS.get(str(path[-1])):
        return
    if is_empty(declared) and path[-1] in GUARDED | ALSO_ASSUMED:
        yield path
        return
    shape = service_model.wrapped(shape) or shape
    if isinstance(shape, ListShape) and isinstance(shown, list):
        items = declared if isinstance(declared, list) else []
        for index, item in enumerate(shown):
            yield from _guarded((*path, index), shape.member, items[index] if index < len(items) else None, item)
    if isinstance(shape, StructureShape) and not service_model.is_document(shape) and isinstance(shown, Mapping):
        inner = declared if isinstance(declared, Mapping) else {}
        for name, member in shape.members.items():
            yield from _guarded((*path, name), member, inner.get(name), shown.get(name))
