"""Checks a response against the output shape of its operation, before anything uses the response.

A flaw is a value of another type than the shape's, or a required member that is missing. An accident on the way
(an error page, a cut body, another service behind the address) causes flaws, and a response with flaws proves nothing:
infra.aws treats it like a lost response.

Service models also mark members deep inside a structure as required that a service may leave out of its responses for
good. Such a member is missing from every response alike, so `missing` is kept apart from `wrong`, and two reads in a
row that lack the same deep members are accepted.

Statuses and arms of unions that the model does not know are no flaws (infra.unmodeled, workflows.kinds.status).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.model import ListShape, MapShape, OperationNotFoundError, Shape, StructureShape

from infra import service_model
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE, Path, is_document, is_union
from infra.unmodeled import UNKNOWN_ARM

#: Members that the project needs and that no service model marks as required.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "GetCallerIdentity": ("Account", "Arn"),
    "DescribeSecret": ("ARN",),
    "GetSecretValue": ("ARN",),
    "GetObject": ("Body",),
}
#: The Python types of scalar values, by the type of the shape. A blob may be bytes or a stream.
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "character": (str,), "boolean": (bool,), "timestamp": (datetime,),
    "integer": (int,), "long": (int,), "float": (int, float), "double": (int, float),
}  # fmt: skip
#: A required member is deep below this many structures, not counting lists.
_SHALLOW = 2


@dataclass(frozen=True)
class Flaws:
    """The paths at which a response contradicts its shape: `wrong` values, and deep required members `missing`."""

    wrong: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ", ".join((*self.wrong, *self.missing))


def output_shape(client: Any, service: str, operation: str) -> Shape | None:
    """Return the output shape of an operation; None if it has none or no model of the service is at hand."""
    try:
        if service in (CONTROL_PLANE, AGENT_REGISTRY):
            return service_model.operation(operation, service).output_shape
        meta = getattr(client, "meta", None)
        model = getattr(meta, "service_model", None)
        return model.operation_model(operation).output_shape if model is not None else None
    except (OperationNotFoundError, UnknownServiceError):
        return None


def flaws(operation: str, shape: Shape | None, response: Any) -> Flaws:
    """Return the flaws of a response."""
    if not isinstance(response, Mapping):
        return Flaws(("the whole response",))
    wrong = [f"{name} is missing" for name in NEEDED.get(operation, ()) if response.get(name) is None]
    missing: list[str] = []
    for path, what, deep in _flaws(shape, response, (), 0) if shape is not None else ():
        text = f"{_text(path)} {what}"
        (missing if deep else wrong).append(text)
    return Flaws(tuple(wrong), tuple(missing))


def _flaws(shape: Shape, value: Any, path: Path, depth: int) -> Iterator[tuple[Path, str, bool]]:
    """Yield path, description and depth (deep or not) of every flaw."""
    if is_document(shape):
        return
    if isinstance(shape, StructureShape):
        yield from _in_structure(shape, value, path, depth)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            yield path, "is no list", False
            return
        for index, item in enumerate(value):
            yield from _flaws(shape.member, item, (*path, index), depth)
    elif isinstance(shape, MapShape):
        if not isinstance(value, Mapping):
            yield path, "is no map", False
            return
        for name, item in value.items():
            yield from _flaws(shape.value, item, (*path, str(name)), depth)
    elif not _is_a(shape.type_name, value):
        yield path, f"is no {shape.type_name}", False


def _in_structure(shape: StructureShape, value: Any, path: Path, depth: int) -> Iterator[tuple[Path, str, bool]]:
    if not isinstance(value, Mapping):
        yield path, "is no structure", False
        return
    if not (is_union(shape) and UNKNOWN_ARM in value):
        for name in shape.required_members:
            if value.get(name) is None:
                yield (*path, name), "is missing", depth >= _SHALLOW
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _flaws(member, value[name], (*path, name), depth + 1)


def _is_a(type_name: str, value: Any) -> bool:
    known = _TYPES.get(type_name)
    if known is None:
        return True
    return isinstance(value, known) and not (isinstance(value, bool) and bool not in known)


def _text(path: Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
