"""Members of a service that the service model in force does not know: read from the raw JSON, and sent back.

botocore's parser drops unknown members, and its serializer refuses them. An update that replaces the whole resource
would therefore reset a setting that is newer than the model. `preserve` registers hooks on a client: unknown members
of a response are merged into the parsed response under their own names, and unknown members of a request are taken out
before validation and merged into the JSON body. A union with an unknown member shows that member beside botocore's
placeholder, UNKNOWN_ARM.
"""

import json
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from infra.service_model import MAX_DEPTH, Path, is_document

#: The member that botocore puts in place of an unknown arm of a union.
UNKNOWN_ARM = "SDK_UNKNOWN_MEMBER"
#: The names under which a response carries its raw JSON, and the context of a request its unknown members.
_RAW, _EXTRA = "GatewrightRaw", "gatewright_extra"
_FIRST_ERROR = 300
#: A name that some protocols add to structures, and that is no member.
_TYPE = "__type"


def preserve(client: Any) -> None:
    """Register the hooks on a client of a service with JSON bodies."""
    events, service = client.meta.events, client.meta.service_model.service_id.hyphenize()
    events.register(f"provide-client-params.{service}", _take_out)
    events.register(f"before-call.{service}", _put_in)
    events.register(f"before-parse.{service}", _keep_raw)
    events.register(f"after-call.{service}", _join)


def joined(shape: Shape | None, parsed: Any, raw: Any, depth: int = 0) -> Any:
    """Return a parsed value with the members of the raw JSON that the shape does not know."""
    if shape is None or depth > MAX_DEPTH:
        return parsed
    if isinstance(shape, StructureShape) and isinstance(parsed, Mapping) and isinstance(raw, Mapping):
        return parsed if is_document(shape) else _joined_members(shape, parsed, raw, depth)
    if isinstance(shape, ListShape) and isinstance(parsed, list) and isinstance(raw, list) and len(parsed) == len(raw):
        return [joined(shape.member, one, other, depth + 1) for one, other in zip(parsed, raw, strict=True)]
    if isinstance(shape, MapShape) and isinstance(parsed, Mapping) and isinstance(raw, Mapping):
        return {name: joined(shape.value, one, raw.get(name), depth + 1) for name, one in parsed.items()}
    return parsed


def _joined_members(shape: StructureShape, parsed: Mapping[str, Any], raw: Mapping[str, Any], depth: int) -> Any:
    wire = {name: _wire_name(name, member) for name, member in shape.members.items()}
    known = {
        name: joined(shape.members.get(name), value, raw.get(wire.get(name, name)), depth + 1)
        for name, value in parsed.items()
    }
    unknown = set(raw) - set(wire.values()) - {_TYPE}
    return {**{name: raw[name] for name in sorted(unknown) if raw[name] is not None}, **known}


def split(shape: Shape | None, value: Any, path: Path = ()) -> tuple[Any, list[tuple[Path, Any]]]:
    """Return a request without the members that the shape does not know, and those members by their path."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping) and not is_document(shape):
        known, extra = {}, []
        for name, item in value.items():
            member = shape.members.get(name)
            if member is None:
                extra.append(((*path, name), item))
            else:
                known[name], more = split(member, item, (*path, name))
                extra += more
        return known, extra
    if isinstance(shape, ListShape) and isinstance(value, list):
        pairs = [split(shape.member, item, (*path, index)) for index, item in enumerate(value)]
        return [one for one, _ in pairs], [each for _, more in pairs for each in more]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        found = {name: split(shape.value, item, (*path, name)) for name, item in value.items()}
        return {name: one for name, (one, _) in found.items()}, [each for _, more in found.values() for each in more]
    return value, []


def _wire_name(name: str, shape: Shape) -> str:
    return str(shape.serialization.get("name", name))


def _take_out(params: Mapping[str, Any], model: OperationModel, context: dict[str, Any], **_: Any) -> Any:
    known, context[_EXTRA] = split(model.input_shape, params)
    return known


def _put_in(params: dict[str, Any], model: OperationModel, context: Mapping[str, Any], **_: Any) -> None:
    extra = context.get(_EXTRA) or []
    if extra:
        body = json.loads(params["body"] or "{}")
        for path, value in extra:
            put(body, _wire_path(model.input_shape, path), value)
        params["body"] = json.dumps(body).encode()


def put(value: Any, path: Path, inner: Any) -> None:
    """Set a value at a path in maps and lists, in place; missing maps are added."""
    parts: list[Any] = list(path)
    for part in parts[:-1]:
        value = value[part] if isinstance(value, list) else value.setdefault(part, {})
    value[parts[-1]] = inner


def _wire_path(shape: Shape | None, path: Path) -> Path:
    found: list[str | int] = []
    for part in path:
        member = shape.members.get(part) if isinstance(shape, StructureShape) else None
        found.append(_wire_name(str(part), member) if member is not None else part)
        shape = member or getattr(shape, "member", None) or getattr(shape, "value", None)
    return tuple(found)


def _keep_raw(response_dict: Mapping[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] < _FIRST_ERROR and isinstance(response_dict.get("body"), bytes):
        customized_response_dict[_RAW] = response_dict["body"]


def _join(parsed: dict[str, Any], model: OperationModel, **_: Any) -> None:
    raw = parsed.pop(_RAW, None)
    if raw is None or model.output_shape is None:
        return
    try:
        found = json.loads(raw)
    except ValueError:
        return
    parsed.update(joined(model.output_shape, parsed, found))
