"""The REST-JSON protocol in both directions, driven by the service model: requests to parameters, bodies to JSON."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from infra import service_model


@dataclass(frozen=True)
class Route:
    """A method and path of the service, with the operation."""

    method: str
    pattern: re.Pattern[str]
    operation: OperationModel


@cache
def routes(service: str) -> list[Route]:
    """Return every route of a service; routes with fewer labels come first, because they are more specific."""
    model = service_model.service(service)
    operations = [model.operation_model(name) for name in model.operation_names]
    operations.sort(key=lambda operation: operation.http["requestUri"].count("{"))
    return [Route(one.http["method"], _pattern(one.http["requestUri"]), one) for one in operations]


def parse(
    service: str, method: str, raw_path: str, query: Mapping[str, list[str]], body: Any
) -> tuple[str, dict[str, Any]] | None:
    """Return the operation and the parameters of an HTTP request; None if no route matches."""
    for route in routes(service):
        found = route.pattern.fullmatch(raw_path) if route.method == method else None
        if found is not None:
            labels = {name: unquote(value) for name, value in found.groupdict().items()}
            return route.operation.name, _params(route.operation.input_shape, labels, query, body)
    return None


def serialize(service: str, operation: str, body: Mapping[str, Any]) -> Any:
    """Return a response body as JSON values: timestamps in the model's format, names as on the wire."""
    shape = service_model.operation(operation, service).output_shape
    return _json(shape, body) if shape is not None else None


def _pattern(uri: str) -> re.Pattern[str]:
    """Return the pattern of a path: labels match a segment, greedy labels the rest; a trailing slash is optional."""
    parts = re.split(r"\{(\w+\+?)\}", uri.split("?", maxsplit=1)[0].rstrip("/"))
    return re.compile("".join(_label(part) if i % 2 else re.escape(part) for i, part in enumerate(parts)) + "/?")


def _label(name: str) -> str:
    return f"(?P<{name[:-1]}>.+)" if name.endswith("+") else f"(?P<{name}>[^/]+)"


def _params(
    shape: StructureShape, labels: Mapping[str, str], query: Mapping[str, list[str]], body: Any
) -> dict[str, Any]:
    params = _members(shape, body) if isinstance(body, Mapping) else {}
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                params[name] = labels[wire]
            case "querystring" if wire in query:
                params[name] = _from_query(member, query[wire])
    return params


def _from_query(shape: Shape, values: list[str]) -> Any:
    if isinstance(shape, ListShape):
        return values
    if shape.type_name == "boolean":
        return values[0] == "true"
    is_number = shape.type_name == "integer" and values[0].isdigit()
    return int(values[0]) if is_number else values[0]


def _json(shape: Shape, value: Any) -> Any:
    if isinstance(value, datetime):
        iso = shape.serialization.get("timestampFormat") == "iso8601"
        return value.isoformat().replace("+00:00", "Z") if iso else value.timestamp()
    if isinstance(shape, ListShape):
        return [_json(shape.member, item) for item in value]
    if isinstance(shape, MapShape):
        return {key: _json(shape.value, item) for key, item in value.items()}
    if isinstance(shape, StructureShape) and not service_model.is_document(shape):
        return {_wire_name(shape, name): _inner_json(shape, name, item) for name, item in value.items()}
    return value


def _inner_json(shape: StructureShape, name: str, value: Any) -> Any:
    """Return a member of a response as JSON; a member that the model does not know is JSON already."""
    return _json(shape.members[name], value) if name in shape.members else value


def _wire_name(shape: StructureShape, name: str) -> str:
    member = shape.members.get(name)
    return str(member.serialization.get("name", name)) if member is not None else name


def _members(shape: Shape, value: Any) -> Any:
    """Return JSON values with the names of members in place of their names on the wire."""
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_members(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {key: _members(shape.value, item) for key, item in value.items()}
    if isinstance(shape, StructureShape) and isinstance(value, Mapping) and not service_model.is_document(shape):
        names = {_wire_name(shape, name): name for name in shape.members}
        found = {names.get(wire, wire): item for wire, item in value.items()}
        known = shape.members
        return {name: _members(known[name], item) if name in known else item for name, item in found.items()}
    return value


def success(service: str, operation: str) -> int:
    """Return the HTTP status of a successful response."""
    return int(service_model.operation(operation, service).http.get("responseCode", 200))
