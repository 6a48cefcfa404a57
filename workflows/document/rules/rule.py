"""The registry of rules, and helpers that read declarations which may be malformed.

A rule is a small function with a number and a source. The numbers are those of docs/rules.md.
A rule with documented, modeled or observed support refuses a document; a rule that is only assumed warns.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.document.stack import Resource

Finding = tuple[str, str]  # the path below the resource, and a message that says how to fix the problem
Check = Callable[[Resource, Mapping[str, Resource]], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A rule: `says` is its text for users, `refuses` tells whether a document that breaks the rule is invalid."""

    number: str
    sections: frozenset[str]
    source: str
    says: str
    check: Check
    refuses: bool = True


RULES: list[Rule] = []


def rule(number: str, sections: str, source: str, *, refuses: bool = True) -> Callable[[Check], Check]:
    """Register a rule for sections (names separated by spaces); its docstring becomes the text in docs/rules.md."""

    def register(function: Check) -> Check:
        says = (function.__doc__ or "").strip()
        RULES.append(Rule(number, frozenset(sections.split()), source, says, function, refuses))
        return function

    return register


def warning(number: str, sections: str, source: str) -> Callable[[Check], Check]:
    """Register a rule that warns and does not refuse."""
    return rule(number, sections, source, refuses=False)


def part(value: Any, *path: str) -> Mapping[str, Any]:
    """Return the mapping at a path of a declaration; empty if any part of the path is missing or no mapping."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(value: Any, *path: str) -> list[Any]:
    """Return the list at a path of a declaration; empty if there is no list."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []


def text(value: Any, *path: str) -> str:
    """Return the string at a path of a declaration; empty if there is no string, or the string has a reference."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and "${" not in value else ""


def parent_of(resource: Resource, resources: Mapping[str, Resource]) -> Mapping[str, Any]:
    """Return the declaration of a target's gateway; empty if the gateway is only looked up (`existing`)."""
    parent = resources.get(resource.parent or "")
    return parent.declared if parent is not None and not parent.options.existing else {}
