"""Prints a plan: a tree of the changes, path by path, and a table of the calls that the changes need."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from handlers.cli_show import COLORS, counted, plain, say, table
from workflows.planner.decision import Action
from workflows.planning import Plan, Planned

_SIGNS = {
    "CREATE": "+", "UPDATE": "~", "TAG": "~", "REPLACE": "-/+", "DELETE": "-", "SYNCHRONIZE": "@", "FAIL": "!",
    "BLOCKED": "!", "CONSENT": "?", "KEEP": "=", "WAIT": ".", "NONE": " ",
}  # fmt: skip
#: The categories of the summary line, with the actions in each category.
_COUNTED = (
    ("to create", ("CREATE",)), ("to change", ("UPDATE", "TAG", "SYNCHRONIZE")), ("to replace", ("REPLACE",)),
    ("to delete", ("DELETE",)),
)  # fmt: skip
#: The categories that the summary line mentions only if their count is not zero.
_NOT_DONE = ((Action.FAIL, "would fail"), ("BLOCKED", "blocked"), (Action.CONSENT, "awaiting consent"))


def plan(found: Plan) -> None:
    """Print the changes that a run would make."""
    if not found.known:
        say(f"this ledger does not know {found.stack}: existing resources are found by name and tag", file=sys.stderr)
    shown = [one for one in found.resources if one.action != "NONE"]
    colored = sys.stdout.isatty()
    for one in shown:
        for line in _lines(one):
            print(_colored(plain(line), one.action) if colored else plain(line))
    if found.estimate:
        say()
        table(("operation", "calls"), [(name, str(count)) for name, count in sorted(found.estimate.items())])
    for warning in found.warnings:
        say(f"warning: {warning.path}: {warning.message}")
    actions = Counter(one.action for one in found.resources)
    counts = ", ".join(f"{sum(actions[name] for name in names)} {text}" for text, names in _COUNTED)
    counts += "".join(f", {actions[name]} {text}" for name, text in _NOT_DONE if actions[name])
    calls = f"{counted(found.estimate.total(), 'changing call')}, {counted(len(found.resources), 'resource')}"
    say(f"{found.stack}: {counts} ({calls})")


def _lines(one: Planned) -> Iterator[str]:
    """Yield the lines of a resource, indented by the nesting of its address."""
    indent = "    " * one.address.count(".targets.")
    yield f"{indent}{_SIGNS.get(one.action, ' '):>3} {one.address}  {one.action}: {one.reason}"
    for change in one.changes:
        yield f"{indent}      {change.path}: {_value(change.old)} -> {_value(change.new)}"
    if one.carried:
        yield f"{indent}      kept as the service shows it: {', '.join(one.carried)}"
    if one.advice:
        yield f"{indent}      {one.advice}"
    if one.pending and one.waits_on:
        yield f"{indent}      waits for {', '.join(one.waits_on)}"


def _value(value: Any) -> str:
    return "(nothing)" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _colored(line: str, action: str) -> str:
    """Color a line with rich, if rich is installed."""
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.text import Text  # noqa: PLC0415 - an extra
    except ImportError:
        return line
    console = Console(soft_wrap=True)
    with console.capture() as capture:
        console.print(Text(line, style=COLORS.get(action, "")), end="")
    return capture.get()
