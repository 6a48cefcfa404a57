"""The JSON Schema of stack documents, for editors: AWS's types as the installed SDK has them, with ours around."""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from workflows.kinds import KINDS, Kind, children
from workflows.stack import RESERVED, Options


def document_schema() -> dict[str, Any]:
    """Return the schema of a whole document."""
    definitions: dict[str, Any] = {}
    sections = {kind.section: _section(kind, definitions) for kind in KINDS if kind.parent is None}
    head = {
        "version": {"const": 1},
        "stack": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)*$"},
        "onFailure": {"enum": ["HALT"]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gatewright stack",
        "type": "object",
        "properties": {**head, **sections},
        "required": ["stack"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _section(kind: Kind, definitions: dict[str, Any]) -> dict[str, Any]:
    body = GenerateJsonSchema(ref_template="#/$defs/{model}").generate(kind.declarable.schema)
    definitions.update(body.pop("$defs", {}))
    options = Options.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(options.pop("$defs", {}))
    properties = {**body.get("properties", {}), RESERVED: options}
    properties |= {child.section: _section(child, definitions) for child in children(kind)}
    return {"type": "object", "additionalProperties": {**body, "properties": properties}}
