"""The JSON Schema of stack documents, for editors: AWS's types from the installed SDK, and Gatewright's members.

The schema covers types, required members, formats and secrets. Rules and references are checked by validation only.
"""

import re
from html import unescape
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from infra import service_model
from infra.secrets import PATTERN
from workflows.document.reading import Head
from workflows.document.stack import OWNER_TAG, RESERVED, Options
from workflows.kinds import KINDS, Kind, children

_REFERENCE = {"type": "string", "pattern": r"\$\{"}
_PARAMETER = {"type": "string", "pattern": r"^\$\{parameters\.[A-Za-z0-9_-]+\}$"}
_SECRET = {"type": "string", "pattern": PATTERN}
#: Only a secret member may hold a reference to a secret.
_NO_SECRET = {"not": {"type": "string", "pattern": r"\{\{resolve:"}}
#: The most words in a description.
_MOST_WORDS = 60


def document_schema() -> dict[str, Any]:
    """Return the schema of a whole document."""
    definitions: dict[str, Any] = {}
    sections = {kind.section: _section(kind, definitions) for kind in KINDS if kind.parent is None}
    head = Head.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gatewright stack",
        "type": "object",
        "properties": {**head["properties"], **sections},
        "required": head["required"],
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def _section(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a section, which maps names to resources."""
    types = _Types(kind, definitions)
    options = Options.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(options.pop("$defs", {}))
    properties = {name: types.member(name, shape) for name, shape in kind.declarable.members.items()}
    if "tags" in properties:
        properties["tags"] = {"allOf": [properties["tags"], {"not": {"required": [OWNER_TAG]}}]}
    properties[RESERVED] = options
    properties |= {child.section: _section(child, definitions) for child in children(kind)}
    looked_up = {"properties": {RESERVED: {"properties": {"existing": {"const": True}}, "required": ["existing"]}}}
    needed = {"if": {**looked_up, "required": [RESERVED]}, "else": {"required": kind.declarable.required}}
    body = {"type": "object", "properties": properties, "additionalProperties": False, **needed}
    name = kind.creatable[kind.name_member]
    return {"type": "object", "propertyNames": _form(name), "additionalProperties": body, "title": f"{kind.noun}s"}


class _Types:
    """Builds the schemas of the members of one kind, with a definition for each structure."""

    def __init__(self, kind: Kind, definitions: dict[str, Any]) -> None:
        self._kind = kind
        self._definitions = definitions

    def member(self, name: str, shape: Shape, *, scanned: bool = True) -> dict[str, Any]:
        """Return the schema of a member, with AWS's description."""
        scanned = scanned and name not in self._kind.payloads
        made = dict(_SECRET) if name in self._kind.secrets else self._of(shape, scanned=scanned)
        words = _words(shape.documentation)
        return {**made, "description": words} if words else made

    def _of(self, shape: Shape, *, scanned: bool) -> dict[str, Any]:
        if service_model.is_document(shape):
            return {}
        if isinstance(shape, StructureShape):
            return self._structure(shape, scanned=scanned)
        if isinstance(shape, ListShape):
            limits = _limits(shape, "minItems", "maxItems")
            return {"type": "array", "items": self._of(shape.member, scanned=scanned), **limits}
        if isinstance(shape, MapShape):
            values = {"propertyNames": _form(shape.key), "additionalProperties": self._of(shape.value, scanned=scanned)}
            return {"type": "object", **values, **_limits(shape, "minProperties", "maxProperties")}
        if shape.type_name == "string":
            return _string(shape, scanned=scanned)
        return _scalar(shape)

    def _structure(self, shape: StructureShape, *, scanned: bool) -> dict[str, Any]:
        name = f"{self._kind.section}.{shape.name}{'' if scanned else '.payload'}"
        if name not in self._definitions:
            made: dict[str, Any] = {"type": "object", "additionalProperties": False}
            self._definitions[name] = made
            made["properties"] = {n: self.member(n, one, scanned=scanned) for n, one in shape.members.items()}
            if shape.required_members:
                made["required"] = list(shape.required_members)
            if service_model.is_union(shape):
                made |= {"minProperties": 1, "maxProperties": 1}
        return {"$ref": f"#/$defs/{name}"}


def _string(shape: Shape, *, scanned: bool) -> dict[str, Any]:
    """Return the schema of a string. A reference is accepted in any format: the resolved value is checked later."""
    form = _form(shape)
    made = form if len(form) == 1 else {"anyOf": [form, _REFERENCE]}
    return {**made, **_NO_SECRET} if scanned else made


def _form(shape: Shape) -> dict[str, Any]:
    form: dict[str, Any] = {"type": "string", **_limits(shape, "minLength", "maxLength")}
    if getattr(shape, "enum", None):
        form["enum"] = list(shape.enum)
    elif shape.metadata.get("pattern"):
        form["pattern"] = f"^(?:{shape.metadata['pattern']})$"
    return form


def _scalar(shape: Shape) -> dict[str, Any]:
    names = {"integer": "integer", "long": "integer", "float": "number", "double": "number", "boolean": "boolean"}
    if shape.type_name not in names:
        return {}
    return {"anyOf": [{"type": names[shape.type_name], **_limits(shape, "minimum", "maximum")}, _PARAMETER]}


def _limits(shape: Shape, least: str, most: str) -> dict[str, Any]:
    found = {least: shape.metadata.get("min"), most: shape.metadata.get("max")}
    return {name: limit for name, limit in found.items() if limit is not None}


def _words(documentation: str) -> str:
    """Return the beginning of AWS's documentation of a member as plain text."""
    words = unescape(re.sub(r"<[^>]+>", " ", documentation or "")).split()
    return " ".join(words[:_MOST_WORDS]) + ("…" if len(words) > _MOST_WORDS else "")
