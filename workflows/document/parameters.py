"""Parameters: `${parameters.x}` in a document stands for a value that the request supplies.

Values are substituted before any other step, so the resulting document is checked, recorded and compared. A reference
to a parameter without a value stays in the document and is reported with all other problems.
"""

import re
from collections.abc import Mapping
from typing import Any

from workflows.document.bounds import too_deep
from workflows.document.problems import Invalid, Problem
from workflows.document.references import TOKEN, literal
from workflows.kinds import Kind, children, top_level

_ONE = re.compile(r"parameters\.([A-Za-z0-9_-]+)")
#: The types of values that can be substituted inside a longer text.
_PLAIN = (str, int, float)
#: The limit on the characters that all substitutions together add to a document, and the characters that each value
#: counts for beside its text, so that many small values are bounded too.
_MOST, _VALUE = 4_000_000, 40
#: The bits of the longest number that can be substituted.
_LONGEST_NUMBER = 1024


def fill(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the values of its parameters. A reference that is a whole value takes any JSON value.

    Raises Invalid if the values are nested too deep, or make the document too large.
    """
    if not parameters or too_deep(document):
        return dict(document)  # read_stack refuses a document that is too deep
    if too_deep(parameters):
        raise Invalid([Problem("parameters", "depth", "the values of parameters are nested too deep")])
    filling = _Filling(parameters)
    return {name: filling.section(top_level(name), value) for name, value in document.items()}


def name_of(expression: str) -> str | None:
    """Return the name of the parameter that an expression refers to; None if the expression is no parameter."""
    found = _ONE.fullmatch(expression)
    return found[1] if found else None


class _Filling:
    """Substitutes parameters in one document, and counts the characters that they add."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._sizes = {name: _size(value) for name, value in parameters.items()}
        self._left = _MOST

    def section(self, kind: Kind | None, section: Any) -> Any:
        """Substitute in the resources of a section, but not in their names or in payload members of their kind."""
        if kind is None:
            return self._fill(section, frozenset())
        if not isinstance(section, Mapping):
            return section
        inner = {child.section: child for child in children(kind)}
        return {
            name: {
                member: self.section(inner[member], value)
                if member in inner
                else (value if member in kind.payloads else self._fill(value, kind.payloads))
                for member, value in body.items()
            }
            if isinstance(body, Mapping)
            else body
            for name, body in section.items()
        }

    def _fill(self, value: Any, opaque: frozenset[str]) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {n: item if n in opaque else self._fill(item, opaque) for n, item in value.items()}
        return [self._fill(item, opaque) for item in value] if isinstance(value, list) else value

    def _text(self, text: str) -> Any:
        whole = TOKEN.fullmatch(text)
        name = name_of(whole[1] or "") if whole else None
        if name is not None and name in self._parameters and not isinstance(self._parameters[name], str):
            return literal(self._take(name))
        return TOKEN.sub(self._put, text)

    def _put(self, match: re.Match[str]) -> str:
        name = name_of(match[1] or "")
        value = self._parameters.get(name) if name is not None else None
        if name is None or not isinstance(value, _PLAIN) or isinstance(value, bool):
            return match[0]
        return str(literal(str(self._take(name))))

    def _take(self, name: str) -> Any:
        """Return the value of a parameter and count its size. Raises Invalid if the document becomes too large."""
        self._left -= self._sizes[name]
        if self._left < 0:
            raise Invalid([Problem("parameters", "size", f"they make the document longer than {_MOST} characters")])
        return self._parameters[name]


def _size(value: Any) -> int:
    """Return the size of a value: all characters, and 40 per contained value; a huge number exceeds the limit."""
    size, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        size += _VALUE + (len(one) if isinstance(one, str) else 0)
        if isinstance(one, int) and one.bit_length() > _LONGEST_NUMBER:
            size += _MOST
        if isinstance(one, Mapping):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
    return size
