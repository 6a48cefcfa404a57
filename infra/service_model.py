"""The request types of AWS, taken from the newest of botocore's service models.

Shapes become pydantic-core schemas at run time, so a document is validated against exactly the members, enums, patterns
and lengths that the model knows, without a handwritten class per structure. The stack document (members that
may be declared), the sandbox (members that a request may contain) and tests use these types.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, ClassVar, cast

from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from pydantic_core import CoreSchema, SchemaError, SchemaValidator, ValidationError, core_schema

from infra.models import loader

CONTROL_PLANE = "bedrock-agentcore-control"
#: The service that contains registries since they left the control plane (service-notes: namespaces).
AGENT_REGISTRY = "agent-registry-control"
#: Maximum nesting. No reasonable document is deeper, and the limit bounds the recursion of every walk.
MAX_DEPTH = 64

#: Spelling suggestions are slow, so they are limited to this many faults and to names of this length.
_SUGGESTED, _LONGEST_NAME = 100, 64

#: The position of a value in a document: member names, map keys and list indexes.
Path = tuple[str | int, ...]


@cache
def service(name: str = CONTROL_PLANE) -> ServiceModel:
    """Return botocore's model of a service, the newest of the copy and the installed one, loaded once per process."""
    return ServiceModel(loader().load_service_model(name, "service-2"), name)


def operation(name: str, service_name: str = CONTROL_PLANE) -> OperationModel:
    """Return the model of an operation. Raises botocore's OperationNotFoundError."""
    return service(service_name).operation_model(name)


def shape_at(shape: Shape, path: Iterable[str]) -> Shape | None:
    """Follow member names down a shape, through list items and map values. None if a member does not exist."""
    for name in path:
        while isinstance(shape, ListShape):
            shape = shape.member
        if isinstance(shape, MapShape):
            shape = shape.value
        elif isinstance(shape, StructureShape) and name in shape.members:
            shape = shape.members[name]
        else:
            return None
    return shape


def is_mutating(operation: str) -> bool:
    """Return whether an operation may change a resource: all do, except reads by their prefix, and PutEvents."""
    return not operation.startswith(("Get", "List", "Describe", "Query", "Scan", "Simulate", "PutEvents"))


def is_union(shape: Shape) -> bool:
    """Return whether a structure takes exactly one of its members."""
    return bool(getattr(shape, "is_tagged_union", False))


def is_document(shape: Shape) -> bool:
    """Return whether a structure is free-form JSON."""
    return bool(getattr(shape, "is_document_type", False))


def wrapped(shape: Shape) -> Shape | None:
    """Return the shape inside a PATCH wrapper `{optionalValue: ...}`; None for any other shape.

    A wrapper with a value sets the member, an empty wrapper clears the member, and no wrapper leaves the member
    unchanged.
    """
    members = getattr(shape, "members", {})
    found: Shape | None = members.get("optionalValue")
    return found if len(members) == 1 else None


class RequestTypes:
    """Builds a pydantic-core schema from shapes, with a shared definition per structure, so that recursion works."""

    #: Schemas that replace those of `_scalar`, by the type name of a shape.
    scalars: ClassVar[Mapping[str, CoreSchema]] = {}

    def __init__(self) -> None:
        self._definitions: dict[str, CoreSchema] = {}
        self._started: set[str] = set()

    def structure(self, members: Mapping[str, Shape], required: Iterable[str]) -> CoreSchema:
        """Return the schema of a structure; unknown members are refused."""
        needed = set(required)
        fields = {
            name: core_schema.typed_dict_field(self.of(shape), required=name in needed)
            for name, shape in members.items()
        }
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid", total=False)

    def of(self, shape: Shape) -> CoreSchema:
        """Return the schema of any shape."""
        if shape.type_name in self.scalars:
            return self.scalars[shape.type_name]
        build = {"structure": self._reference, "list": self._list, "map": self._map, "string": _string}
        return build.get(shape.type_name, _scalar)(shape)

    def finish(self, schema: CoreSchema) -> CoreSchema:
        """Add the definitions of all structures in use to a schema."""
        return core_schema.definitions_schema(schema, list(self._definitions.values()))

    def _reference(self, shape: StructureShape) -> CoreSchema:
        if is_document(shape):
            return core_schema.any_schema()
        if shape.name not in self._started:
            self._started.add(shape.name)
            built = {**self.structure(shape.members, shape.required_members), "ref": shape.name}
            if is_union(shape):
                built["metadata"] = {"pydantic_js_updates": {"minProperties": 1, "maxProperties": 1}}
            self._definitions[shape.name] = self.closed(shape, cast("CoreSchema", built))
        return core_schema.definition_reference_schema(shape.name)

    def closed(self, shape: StructureShape, built: CoreSchema) -> CoreSchema:
        """Return the definition of a structure. `RequestType` checks unions, because its messages are clearer."""
        del shape
        return built

    def _list(self, shape: ListShape) -> CoreSchema:
        return core_schema.list_schema(
            self.of(shape.member),
            min_length=shape.metadata.get("min"),
            max_length=shape.metadata.get("max"),
            strict=True,
        )

    def _map(self, shape: MapShape) -> CoreSchema:
        return core_schema.dict_schema(
            self.of(shape.key),
            self.of(shape.value),
            min_length=shape.metadata.get("min"),
            max_length=shape.metadata.get("max"),
            strict=True,
        )


@dataclass(frozen=True)
class Fault:
    """A fault of a value: the position, the kind of mistake (pydantic's name), and the expectation."""

    path: Path
    kind: str
    message: str


class RequestType:
    """The type of a request, or of the part of a request that a document declares.

    `members` maps member names to shapes, `required` names the mandatory members.
    """

    def __init__(self, members: Mapping[str, Shape], required: Iterable[str]) -> None:
        types = RequestTypes()
        self.members = dict(members)
        self.required = list(required)
        self.schema = types.finish(types.structure(members, self.required))
        # Errors never show the input, which may be a secret.
        self._validator = SchemaValidator(self.schema, core_schema.CoreConfig(hide_input_in_errors=True))

    def faults(self, value: Any) -> list[Fault]:
        """Return every fault of a value, including unions without exactly one member."""
        return [*self._mistyped(value), *self._unions(value)]

    def walk(self, value: Any) -> Iterator[tuple[Path, Shape, Any]]:
        """Yield every part of a value that has a shape, with path and shape, parents first."""
        for name, shape in self.members.items():
            if isinstance(value, Mapping) and name in value:
                yield from walk(shape, value[name], (name,))

    def _mistyped(self, value: Any) -> list[Fault]:
        try:
            self._validator.validate_python(value)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            return [
                Fault(one["loc"], one["type"], self._message(one["loc"], one["type"], one["msg"], index))
                for index, one in enumerate(found)
            ]
        return []

    def _message(self, path: Path, kind: str, message: str, index: int) -> str:
        """Reword pydantic's message in the terms of a document; for an unknown member, suggest a similar name."""
        if kind == "missing":
            return "this member is required and missing"
        if kind == "too_long" and isinstance(message, str):
            return message.replace(" after validation", "")
        if kind != "extra_forbidden":
            return message.removeprefix("Input ").replace("String should", "should", 1)
        if index >= _SUGGESTED or len(str(path[-1])) > _LONGEST_NAME:
            return "unknown member"
        known = self._siblings(path)
        close = get_close_matches(str(path[-1]), known, n=1)
        return f"unknown member; did you mean {close[0]}?" if close else f"unknown member; known are {', '.join(known)}"

    def _siblings(self, path: Path) -> list[str]:
        """Return the member names that are valid at the last part of a path."""
        names = [part for part in path[:-1] if isinstance(part, str)]
        if not names:
            return sorted(self.members)
        parent = self.members.get(names[0])
        shape = shape_at(parent, names[1:]) if parent is not None else None
        while isinstance(shape, ListShape):
            shape = shape.member
        return sorted(getattr(shape, "members", {}))

    def _unions(self, value: Any) -> Iterator[Fault]:
        for path, shape, part in self.walk(value):
            if is_union(shape) and isinstance(part, Mapping) and len(part) != 1:
                known = ", ".join(shape.members)
                yield Fault(path, "union", f"takes exactly one of {known}; {len(part)} are given")


def walk(shape: Shape, value: Any, path: Path = ()) -> Iterator[tuple[Path, Shape, Any]]:
    """Yield every part of a value that has a shape, with path and shape, parents first. Unknown members are skipped."""
    yield path, shape, value
    if len(path) >= MAX_DEPTH:
        return
    if isinstance(shape, ListShape) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(shape.member, item, (*path, index))
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        for key, item in value.items():
            yield from walk(shape.value, item, (*path, key))
    elif isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name, member in shape.members.items():
            if name in value:
                yield from walk(member, value[name], (*path, name))


@cache
def error_codes(operation_name: str, service_name: str = CONTROL_PLANE) -> frozenset[str]:
    """Return the error codes that the model lists for an operation."""
    return frozenset(shape.name for shape in operation(operation_name, service_name).error_shapes)


@cache
def input_type(operation_name: str, service_name: str = CONTROL_PLANE) -> RequestType:
    """Return the type of an operation's whole input, for the same validation as on the server."""
    shape = operation(operation_name, service_name).input_shape
    return RequestType(shape.members, shape.required_members)


def _scalar(shape: Shape) -> CoreSchema:
    limits = {"ge": shape.metadata.get("min"), "le": shape.metadata.get("max"), "strict": True}
    match shape.type_name:
        case "integer" | "long":
            return core_schema.int_schema(**limits)
        case "float" | "double":
            return core_schema.float_schema(**limits, allow_inf_nan=False)
        case "boolean":
            return core_schema.bool_schema(strict=True)
        case _:
            return core_schema.any_schema()


def _string(shape: Shape) -> CoreSchema:
    if shape.enum:
        return core_schema.literal_schema(list(shape.enum))
    pattern = shape.metadata.get("pattern")
    limits = {
        "min_length": shape.metadata.get("min"),
        "max_length": shape.metadata.get("max"),
        "strict": True,
    }
    if not pattern:
        return core_schema.str_schema(**limits)
    return core_schema.str_schema(**limits, **_engine(pattern))


@cache
def _engine(pattern: str) -> dict[str, Any]:
    """Return the pattern for the linear-time engine if possible, because hostile values cannot make it backtrack.

    AWS patterns match whole values.
    """
    anchored: dict[str, Any] = {"pattern": rf"^(?:{pattern})$", "regex_engine": "rust-regex"}
    try:
        SchemaValidator(core_schema.str_schema(**anchored))
    except SchemaError:
        re.compile(pattern)
        return {"pattern": rf"\A(?:{pattern})\Z", "regex_engine": "python-re"}
    return anchored
