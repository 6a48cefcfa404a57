"""How a terminal shows a plan: a tree of what would change, path by path, and a table of the calls that it takes."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from handlers.cli_show import COLORS, counted, plain, say, table
from workflows.planning import Plan, Planned

_SIGNS = {
    "CREATE": "+", "UPDATE": "~", "TAG": "~", "REPLACE": "-/+", "DELETE": "-", "SYNCHRONIZE": "@", "FAIL": "!",
    "BLOCKED": "!", "CONSENT": "?", "KEEP": "=", "WAIT": ".", "NONE": " ",
}  # fmt: skip
#: Longer values are cut when shown; JSON has them whole.
_LONGEST = 60


def plan(found: Plan) -> None:
    """Print what a run would do."""
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
    calls = f", with {counted(found.estimate.total(), 'changing call')}" if found.estimate else ""
    changes = f"{len(found.pending)} of {counted(len(found.resources), 'resource')} would change"
    failing = f", {len(found.failing)} would fail" if found.failing else ""
    say(f"{found.stack}: {changes}{failing}{calls}")


def _lines(one: Planned) -> Iterator[str]:
    """Yield a resource's lines, indented as deep as it stands in the document."""
    indent = "    " * one.address.count(".targets.")
    yield f"{indent}{_SIGNS.get(one.action, ' '):>3} {one.address}  {one.action}: {one.reason}"
    for change in one.changes:
        yield f"{indent}      {change.path}: {_value(change.old)} -> {_value(change.new)}"
    if one.advice:
        yield f"{indent}      {one.advice}"
    if one.pending and one.waits_on:
        yield f"{indent}      waits for {', '.join(one.waits_on)}"


def _value(value: Any) -> str:
    text = "(nothing)" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _colored(line: str, action: str) -> str:
    """Color a line with rich, where it is installed."""
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.text import Text  # noqa: PLC0415 - an extra
    except ImportError:
        return line
    console = Console(soft_wrap=True)
    with console.capture() as capture:
        console.print(Text(line, style=COLORS.get(action, "")), end="")
    return capture.get()
