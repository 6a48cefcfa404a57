"""The JSON Schema of stack documents, for editors: AWS's types as the installed SDK has them, with ours around."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from workflows.kinds import KINDS, Kind, children
from workflows.reading import Head
from workflows.stack import RESERVED, Options

_REFERENCE = {"type": "string", "pattern": r"\$\{"}
_SECRET = {"type": "string", "pattern": r"^\{\{resolve:secretsmanager:.+\}\}$"}


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
        "$defs": definitions,
    }


def _section(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    body = GenerateJsonSchema(ref_template="#/$defs/{model}").generate(kind.declarable.schema)
    definitions.update({name: _open(one, kind) for name, one in body.pop("$defs", {}).items()})
    body = _open(body, kind)
    options = Options.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(options.pop("$defs", {}))
    properties = {**body.get("properties", {}), RESERVED: options}
    properties |= {child.section: _section(child, definitions) for child in children(kind)}
    required = body.pop("required", [])
    looked_up = {"properties": {RESERVED: {"properties": {"existing": {"const": True}}, "required": ["existing"]}}}
    needed = {"if": {**looked_up, "required": [RESERVED]}, "else": {"required": required}}
    return {"type": "object", "additionalProperties": {**body, "properties": properties, **needed}}


def _open(schema: Any, kind: Kind) -> Any:
    """Let a reference stand wherever a string is checked for its form, and only a reference where a secret belongs."""
    if isinstance(schema, list):
        return [_open(item, kind) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" in schema:
        members = {n: _SECRET if n in kind.secrets else _open(s, kind) for n, s in schema["properties"].items()}
        return {**schema, "properties": members}
    if schema.get("enum") or schema.get("const") or (schema.get("type") == "string" and len(schema) > 1):
        return {"anyOf": [schema, _REFERENCE]}
    return {name: _open(value, kind) for name, value in schema.items()}
