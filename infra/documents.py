"""Parses YAML or JSON text into plain values, bounded and strict: no duplicate names, no tags, limited aliases."""

import json
import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

from infra.service_model import MAX_DEPTH

#: Maximum characters of a document, more than any stack document needs: larger schemas are kept in S3.
LARGEST = 8 * 1024 * 1024
#: Maximum number of values after the expansion of aliases.
_MOST_VALUES = 100_000
#: Maximum characters of a number, and of a quotation from the document in an error message.
_LONGEST_NUMBER, _LONGEST_QUOTE = 400, 200


_TOO_MANY = "the document holds too many values; are its aliases meant?"


class Unreadable(Exception):  # noqa: N818 - the name describes the text
    """The text is not a valid document; the message gives the position."""


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """A safe loader that refuses duplicate names and reads dates and the like as strings."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge mappings within a bound: nested merges grow exponentially, like nested aliases."""
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "a tag says that this is a mapping", node.start_mark)
        for key, value in node.value:
            if key.tag == _MERGE:
                for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    self._merge(one)
        super().flatten_mapping(node)

    def _merge(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            self.flatten_mapping(node)
            self._merged += len(node.value)
        if self._merged > _MOST_VALUES:
            raise Unreadable(_TOO_MANY)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        self.flatten_mapping(node)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                message = "names are strings; put this one in quotes"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            name = key.value
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate name {name!r}", key.start_mark)
            seen.add(name)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return made


def _as_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _refuse(_loader: _Loader, node: yaml.Node) -> Any:
    """Refuse a tag without a quotation: an unquoted secret that begins with an exclamation mark looks like a tag."""
    raise yaml.constructor.ConstructorError(None, None, "tags are not known here", node.start_mark)


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    """Parse a number that JSON can represent; refuse numbers that are too long or not finite."""
    if len(str(node.value)) > _LONGEST_NUMBER:
        raise yaml.constructor.ConstructorError(None, None, "this number is too long", node.start_mark)
    whole = node.tag.endswith(":int")
    value: int | float = loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)
    if not math.isfinite(value):
        raise yaml.constructor.ConstructorError(None, None, "a number must be finite", node.start_mark)
    return value


_YAML = "tag:yaml.org,2002:"
_MERGE = f"{_YAML}merge"
#: The types that JSON can represent; every other tag is refused.
_KNOWN = ("null", "bool", "str", "seq", "map")
_Loader.yaml_constructors = {
    **{f"{_YAML}{name}": yaml.SafeLoader.yaml_constructors[f"{_YAML}{name}"] for name in _KNOWN},
    # AWS members are strings where YAML 1.1 recognizes dates; numbers and booleans keep their type.
    f"{_YAML}timestamp": _as_text,
    f"{_YAML}int": _number,
    f"{_YAML}float": _number,
    None: _refuse,
}


def parse(text: str) -> Any:
    """Return the value of a YAML or JSON text. Raises Unreadable."""
    if len(text) > LARGEST:
        raise Unreadable(f"the document is larger than {LARGEST} characters")
    try:
        _shallow(text)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - the loader is a safe one
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, ArithmeticError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        if not isinstance(error, yaml.constructor.ConstructorError):
            # The scanner quotes the text, which could be an unquoted secret.
            problem = re.sub(r"'[^']{4,}'", "...", problem)
        problem = problem if len(problem) <= _LONGEST_QUOTE else f"{problem[:_LONGEST_QUOTE]}..."
        raise Unreadable(f"{problem}{where}") from None
    _bounded(value)
    return value


def _shallow(text: str) -> None:
    """Refuse deep nesting while reading the event stream: composing nodes would recurse in C, without a check.

    Too many values are refused here as well, before they use memory.
    """
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        if count > 3 * _MOST_VALUES:
            raise Unreadable(_TOO_MANY)
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1


def _bounded(value: Any) -> None:
    """Refuse a document that aliases expand beyond the limit, by counting values as a tree."""
    left, stack = _MOST_VALUES, [value]
    while stack:
        one = stack.pop()
        left -= 1
        if left < 0:
            raise Unreadable(_TOO_MANY)
        if isinstance(one, dict):
            stack += one.values()
        elif isinstance(one, list):
            stack += one


def to_json(value: Any) -> str:
    """Return indented JSON for people and programs."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
