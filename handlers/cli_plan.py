"""Prints a plan: the resources with the values that change, the calls that this takes, and at last the counts."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from difflib import unified_diff
from typing import Any

import yaml

from handlers.cli_show import COLORS, counted, table
from handlers.screen import width, write
from workflows.planner.decision import Action
from workflows.planner.differences import Cause, Change
from workflows.planning import Plan, Planned

_SIGNS = {
    "CREATE": "+", "UPDATE": "~", "TAG": "~", "REPLACE": "-/+", "DELETE": "-", "SYNCHRONIZE": "@", "FAIL": "!",
    "BLOCKED": "!", "CONSENT": "?", "KEEP": "=", "WAIT": ".", "NONE": " ",
}  # fmt: skip
#: The categories of the last line: sign, words, and the actions in the category. The first four are always shown.
_COUNTED = (
    ("+", "to create", ("CREATE",)),
    ("~", "to change", ("UPDATE", "TAG", "SYNCHRONIZE")),
    ("-/+", "to replace", ("REPLACE",)),
    ("-", "to delete", ("DELETE",)),
    ("!", "would fail", (Action.FAIL,)),
    ("!", "blocked", ("BLOCKED",)),
    ("?", "awaiting consent", (Action.CONSENT,)),
)
_ALWAYS = 4
_CAUSES = {
    Cause.DOCUMENT: "",
    Cause.DRIFT: "changed outside, and to be set back:",
    Cause.ROTATION: "the secret has a newer version:",
}
#: Texts with more lines, or more characters, are counted in creations instead of shown, unless everything is asked for.
_MOST_LINES, _MOST_CHARACTERS = 3, 200
#: The longest change that is shown in one line, where the output is no terminal.
_ONE_LINE = 100
#: Lines around a difference of a long text.
_CONTEXT = 3
Styled = tuple[int, str, str]


def plan(found: Plan, *, full: bool = False) -> None:
    """Print the changes that a run would make; `full` prints long texts as a whole."""
    if not found.known:
        unknown = f"this ledger does not know {found.stack}: existing resources are found by name and tag"
        write(unknown, file=sys.stderr)
    shown = [one for one in found.resources if one.action not in ("NONE", "GONE")]
    addresses, pending = {one.address for one in shown}, {one.address for one in found.pending}
    for one in shown:
        inside = one.address.rpartition(".targets.")[0] in addresses
        for indent, text, style in _lines(one, pending, 4 * inside, full=full):
            write(text, indent=indent, style=style)
    if found.estimate:
        write()
        table(("operation", "calls"), [(name, str(count)) for name, count in sorted(found.estimate.items())])
    for warning in found.warnings:
        write(f"warning: {warning.path}: {warning.message}", style="yellow")
    write(f"{found.stack}: {summary(found)}", style="bold")


def summary(found: Plan) -> str:
    """Return the counts of a plan: `+ 2 to create, ~ 3 to change, -/+ 1 to replace, - 6 to delete`."""
    actions = Counter(one.action for one in found.resources)
    counts = [(sign, sum(actions[name] for name in names), words) for sign, words, names in _COUNTED]
    shown = [f"{sign} {count} {words}" for n, (sign, count, words) in enumerate(counts) if n < _ALWAYS or count]
    return ", ".join(shown) if any(count for _, count, _ in counts) else "nothing to change"


def _lines(one: Planned, pending: AbstractSet[str], indent: int, *, full: bool) -> Iterator[Styled]:
    """Yield the lines of a resource: indent, text and colour."""
    style = COLORS.get(one.action, "")
    identity = f" ({one.id})" if one.deletes and one.id else ""
    yield indent, f"{_SIGNS.get(one.action, ' '):>3} {one.address}  {one.action}: {one.reason}{identity}", style
    inner = indent + 6
    if one.needs_approval:
        yield inner, f"needs approval: asked for at a terminal, given by --allow {one.address}", style
    for cause, heading in _CAUSES.items():
        changed = [change for change in one.changes if change.cause is cause]
        if heading and changed:
            yield inner, heading, "bold"
        for change in changed:
            yield from _change(change, inner + (2 if heading else 0), full=full)
    yield from _created(one.values, inner, full=full)
    for note in _notes(one, pending):
        yield inner, note, ""


def _notes(one: Planned, pending: AbstractSet[str]) -> Iterator[str]:
    if one.carried:
        yield f"carried over as the service shows it: {', '.join(one.carried)}"
    yield from one.notes
    if one.advice:
        yield one.advice
    waits = [address for address in one.waits_on if address in pending]
    if one.pending and waits:
        yield f"waits for {', '.join(waits)}"


def _change(change: Change, indent: int, *, full: bool) -> Iterator[Styled]:
    """Yield a change: one line where it fits, else old and new value; of long texts the lines that differ."""
    if isinstance(change.old, str) and isinstance(change.new, str) and "\n" in change.old + change.new:
        yield indent, f"{change.path}:", ""
        yield from _difference(change.old, change.new, indent + 2, full=full)
        return
    old, new = _value(change.old), _value(change.new)
    line = f"{change.path}: {old} -> {new}"
    if len(line) + indent <= (width() or _ONE_LINE):
        yield indent, line, ""
        return
    yield indent, f"{change.path}:", ""
    if change.old is not None:
        yield indent + 2, f"- {old}", "red"
    if change.new is not None:
        yield indent + 2, f"+ {new}", "green"


def _difference(old: str, new: str, indent: int, *, full: bool) -> Iterator[Styled]:
    """Yield the lines of a unified diff of two texts."""
    lines = old.splitlines(), new.splitlines()
    around = max(map(len, lines)) if full else _CONTEXT
    for number, line in enumerate(unified_diff(*lines, lineterm="", n=around)):
        if number >= 2:  # after the names of the two files
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
            yield indent, line, style


def _created(values: Mapping[str, Any], indent: int, *, full: bool) -> Iterator[Styled]:
    """Yield the lines of a declaration in YAML."""
    if values:
        dumped = yaml.dump(
            _counted(values, full=full), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6
        )
        for line in dumped.splitlines():
            text = line.lstrip(" ")
            yield indent + len(line) - len(text), text, "green"


def _counted(value: Any, *, full: bool) -> Any:
    """Return a declaration in which long texts are counted, unless they are asked for."""
    if isinstance(value, Mapping):
        return {name: _counted(item, full=full) for name, item in value.items()}
    if isinstance(value, list):
        return [_counted(item, full=full) for item in value]
    lines = value.count("\n") + 1 if isinstance(value, str) else 0
    if full or not isinstance(value, str) or (lines <= _MOST_LINES and len(value) <= _MOST_CHARACTERS):
        return value
    size = counted(lines, "line") if lines > 1 else counted(len(value), "character")
    return f"(a text of {size}; --full shows it)"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _value(value: Any) -> str:
    return "(nothing)" if value is None else json.dumps(value, ensure_ascii=False, default=str)
