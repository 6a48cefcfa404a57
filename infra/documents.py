"""Reads YAML or JSON text into plain values, bounded and strict: no duplicate names, no aliases run wild, no tags."""

import json
from collections.abc import Hashable
from typing import Any

import yaml

from infra.service_model import MAX_DEPTH

#: More text than any stack document needs: S3 holds larger schemas.
LARGEST = 8 * 1024 * 1024
#: Values that aliases may blow a document up to.
_MOST_VALUES = 500_000


class Unreadable(Exception):  # noqa: N818 - it says what the text is
    """The text is no document; says where."""


class _Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """A safe loader that refuses duplicate names and keeps dates and the like as text."""

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


# AWS's members are strings where YAML 1.1 sees dates; numbers and booleans stay what they are.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def parse(text: str) -> Any:
    """Return the value of a YAML or JSON text. Raises Unreadable."""
    if len(text) > LARGEST:
        raise Unreadable(f"the document is larger than {LARGEST} characters")
    try:
        _shallow(text)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - the loader is a safe one
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise Unreadable(f"{problem}{where}") from None
    _bounded(value)
    return value


def _shallow(text: str) -> None:
    """Refuse deep nesting from the stream of events: composing it would recurse, in C and without a check."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            depth -= 1


def _bounded(value: Any) -> None:
    """Refuse a document that aliases blow up: it is walked as a tree would be."""
    left, stack = _MOST_VALUES, [value]
    while stack:
        one = stack.pop()
        left -= 1
        if left < 0:
            raise Unreadable("the document holds too many values; are its aliases meant?")
        if isinstance(one, dict):
            stack += one.values()
        elif isinstance(one, list):
            stack += one


def to_json(value: Any) -> str:
    """Return JSON as people and programs read it."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
