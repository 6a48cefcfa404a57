"""Parameters: `${parameters.x}` in a document stands for a value that came with the request.

Values are put in before anything else is looked at, so that a document with parameters is checked, remembered and
compared as the document that it becomes. What has no value stays, and is named with every other mistake.
"""

import re
from collections.abc import Mapping
from typing import Any

from workflows.kinds import Kind, children, top_level
from workflows.references import TOKEN, literal

_ONE = re.compile(r"parameters\.([A-Za-z0-9_-]+)")
#: What can stand inside a longer text.
_PLAIN = (str, int, float)


def fill(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with its parameters' values. One that is a whole value may be any JSON value."""
    if not parameters:
        return dict(document)
    return {name: _section(name, value, parameters) for name, value in document.items()}


def name_of(expression: str) -> str | None:
    """Return the parameter that an expression names; None where it is none."""
    found = _ONE.fullmatch(expression)
    return found[1] if found else None


def _section(name: str, value: Any, parameters: Mapping[str, Any]) -> Any:
    kind = top_level(name)
    return _resources(kind, value, parameters) if kind is not None else _fill(value, parameters, frozenset())


def _resources(kind: Kind, section: Any, parameters: Mapping[str, Any]) -> Any:
    """Fill the resources of a section, each with what its kind keeps as payload; their names are names."""
    if not isinstance(section, Mapping):
        return section
    inner = {child.section: child for child in children(kind)}
    return {
        name: {
            member: _resources(inner[member], value, parameters)
            if member in inner
            else (value if member in kind.opaque else _fill(value, parameters, kind.opaque))
            for member, value in body.items()
        }
        if isinstance(body, Mapping)
        else body
        for name, body in section.items()
    }


def _fill(value: Any, parameters: Mapping[str, Any], opaque: frozenset[str]) -> Any:
    if isinstance(value, str):
        return _text(value, parameters)
    if isinstance(value, Mapping):
        return {n: item if n in opaque else _fill(item, parameters, opaque) for n, item in value.items()}
    return [_fill(item, parameters, opaque) for item in value] if isinstance(value, list) else value


def _text(text: str, parameters: Mapping[str, Any]) -> Any:
    def put(match: re.Match[str]) -> str:
        value = parameters.get(name_of(match[1] or "") or "")
        return str(literal(str(value))) if isinstance(value, _PLAIN) and not isinstance(value, bool) else match[0]

    whole = TOKEN.fullmatch(text)
    name = (name_of(whole[1] or "") if whole else None) or ""
    if name in parameters and not isinstance(parameters[name], str):
        return literal(parameters[name])
    return TOKEN.sub(put, text)
