"""What a rule is: a small function with its number and source, and how to read declarations that may be malformed.

Numbers are those of the rule catalogue (agentcore-service 5). A rule with documented, modelled or observed support
refuses; one that rests on an assumption alone only warns.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.document.stack import Resource

Finding = tuple[str, str]  # a path below the resource, and what to do
Check = Callable[[Resource, Mapping[str, Resource]], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """One rule: its number, the sections that it is about, its source, what it says, and whether it refuses."""

    number: str
    sections: frozenset[str]
    source: str
    says: str
    check: Check
    refuses: bool = True


RULES: list[Rule] = []


def rule(number: str, sections: str, source: str, *, refuses: bool = True) -> Callable[[Check], Check]:
    """Register a rule for sections (names with spaces between); its docstring is what people read of it."""

    def register(function: Check) -> Check:
        says = (function.__doc__ or "").strip()
        RULES.append(Rule(number, frozenset(sections.split()), source, says, function, refuses))
        return function

    return register


def warning(number: str, sections: str, source: str) -> Callable[[Check], Check]:
    """Register a rule that only warns."""
    return rule(number, sections, source, refuses=False)


def part(value: Any, *path: str) -> Mapping[str, Any]:
    """Return the mapping at a path of a declaration; empty where anything on the way is missing or no mapping."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(value: Any, *path: str) -> list[Any]:
    """Return the list at a path of a declaration; empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, list) else []


def text(value: Any, *path: str) -> str:
    """Return the string at a path; empty where there is none, or a reference stands in it."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and "${" not in value else ""


def parent_of(resource: Resource, resources: Mapping[str, Resource]) -> Mapping[str, Any]:
    """Return the declaration of the gateway of a target; empty where it is only looked up."""
    parent = resources.get(resource.parent or "")
    return parent.declared if parent is not None and not parent.options.existing else {}
