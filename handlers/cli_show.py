"""Terminal output: progress while a run works, tables at the end. Plain text if rich is not installed."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TextIO

import yaml

from handlers.screen import plain
from infra.documents import to_json
from workflows.document.problems import Problem
from workflows.document.stack import Stack
from workflows.importing import Imported
from workflows.planner.outcome import Outcome
from workflows.requests.context import Progress as Line

COLORS = {
    "READY": "green", "DELETED": "green", "NONE": "dim", "FAILED": "red", "FAIL": "red", "BLOCKED": "red",
    "REJECTED": "red",
    "CREATE": "green", "UPDATE": "yellow", "TAG": "yellow", "REPLACE": "magenta", "DELETE": "red",
    "SYNCHRONIZE": "cyan", "IN_PROGRESS": "yellow", "AWAITING_CONSENT": "cyan", "RETAINED": "dim", "KEEP": "dim",
}  # fmt: skip


def say(text: str = "", *, file: TextIO | None = None) -> None:
    """Print a line for people."""
    print(plain(text), file=file or sys.stdout)


class Progress:
    """Prints a line per step on stderr, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, line: Line) -> None:
        """Print a progress line."""
        seconds = time.monotonic() - self._start
        say(f"{seconds:7.1f}s  {line.address:<44} {line.event:<16} {line.detail[:100]}", file=sys.stderr)


def value(options: argparse.Namespace, shown: Any, for_people: Callable[[], None]) -> None:
    """Print the JSON value, or call `for_people` for readable output."""
    if options.json:
        sys.stdout.write(to_json(shown) + "\n")
    else:
        for_people()


def outcome(found: Outcome) -> None:
    """Print the outcome of a run."""
    _results(found)
    failures([*found.undone, *(failure.shown() for failure in found.failures)])
    problems(found.problems)
    for warning in found.warnings:
        say(f"warning: {warning.path}: {warning.message}")
    calls = counted(sum(found.calls.values()), "call")
    say(f"{found.stack}: {found.status}{f' ({found.reason})' if found.reason else ''}, {calls}")
    if found.status == "AWAITING_CONSENT":
        say("Consent there; then the same command continues from here.")
    if found.status == "IN_PROGRESS":
        say(f"In {found.retry_after or 1:.0f} s the same command continues from here.")


def _results(found: Outcome) -> None:
    """Print the resources of a run: a table, URLs, pending consents, and why a resource is blocked or unfinished."""
    if found.results:
        rows = [(r.address, str(r.status), r.action, r.id or "", f"{r.seconds:.1f}") for r in found.results]
        table(("resource", "status", "action", "id", "seconds"), rows)
    for result in found.results:
        for name, output in result.outputs.items():
            if name.endswith("Url"):
                say(f"{result.address}.{name}: {output}")
        if result.consent is not None:
            say(_asks(result.address, result.consent))
    for result in found.results:
        if result.status in ("BLOCKED", "IN_PROGRESS") or result.reason.startswith("skipped"):
            say(f"{result.address}: {result.reason}")


def failures(found: Iterable[Mapping[str, Any]]) -> None:
    """Print each failure with the actor who must act and the advice."""
    for one in found:
        say(f"{one['resource']}: {one['code']}: {one['message']}\n  {one['actor']} must act: {one['advice']}")


def counted(number: int, noun: str) -> str:
    """Return a count with the noun in singular or plural."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _asks(address: str, consent: Mapping[str, Any]) -> str:
    user = f" of the user {consent['userId']}" if consent.get("userId") else ""
    until = f", valid until {consent['expiresAt']}" if consent.get("expiresAt") else ""
    return f"{address} awaits the consent{user} at {consent['authorizationUrl']}{until}"


def taken_over(found: Imported) -> None:
    """Print the document of an adopted resource; the paths that the user must fill in go to stderr."""
    sys.stdout.write(yaml.safe_dump(found.document, sort_keys=False, allow_unicode=True, width=120))
    for path in found.fill_in:
        say(f"fill in the reference of this secret: {path}", file=sys.stderr)


def valid(stack: Stack) -> None:
    """Print that a document is valid."""
    for warning in stack.warnings:
        say(f"warning: {warning.path}: {warning.message}")
    say(f"{stack.name}: valid, {counted(len(stack.resources), 'resource')}")


def problems(found: Iterable[Problem]) -> None:
    """Print every problem of a document."""
    listed = list(found)
    for problem in listed:
        say(f"{problem.path or 'document'}: {problem.message} [{problem.rule}]", file=sys.stderr)
    if listed:
        say(counted(len(listed), "problem"), file=sys.stderr)


def waiting(found: Outcome, seconds: float) -> None:
    """Print that a run ended before the request was finished, and the reasons why."""
    for result in found.results:
        if result.status == "IN_PROGRESS":
            say(f"{result.address}: {result.reason}", file=sys.stderr)
        if result.consent is not None:
            say(_asks(result.address, result.consent), file=sys.stderr)
    say(f"{found.reason or 'in progress'}; going on in {seconds:.0f} s", file=sys.stderr)


def stacks(found: dict[str, Any]) -> None:
    """Print the ledger's summary of stacks; for a single stack, with its resources."""
    rows = [
        (name, *(str(one[member] or "-") for member in ("generation", "mode", "status", "finishedAt")))
        for name, one in found.items()
    ]
    if not rows:
        say("the ledger knows no such stack", file=sys.stderr)
        return
    table(("stack", "generation", "mode", "status", "finished"), rows)
    if len(found) == 1:
        for one in found.values():
            inner = [(address, r["id"] or "-", r["pending"] or "-") for address, r in one["resources"].items()]
            if inner:
                table(("resource", "id", "pending"), inner)
            _standing(one["resources"])
            for text in one["damaged"]:
                say(f"warning: {text}")
            failures(one["failures"])
            for address in one["consents"]:
                say(f"{address} awaits consent; apply shows where")
            if one["reason"]:
                say(one["reason"])


def _standing(resources: Mapping[str, Any]) -> None:
    """Print what stands until the document changes: values in another form, and what nobody has confirmed."""
    for address, r in resources.items():
        if r["shownOtherwise"]:
            paths = ", ".join(r["shownOtherwise"])
            say(f"warning: {address}: the service shows {paths} in another form of the declared value")
        if r["unconfirmed"]:
            paths = ", ".join(r["unconfirmed"])
            say(f"warning: {address}: adopted by its tag, and nobody has confirmed {paths} (adopt: true)")


def became(found: Mapping[str, str]) -> None:
    """Print the result of a command for each stack."""
    if not found:
        say("the ledger knows no such stack", file=sys.stderr)
        return
    table(("stack", "what became of it"), list(found.items()))


def history(found: dict[str, list[Any]]) -> None:
    """Print the runs of stacks."""
    if not found:
        say("the ledger knows no such stack", file=sys.stderr)
    for name, runs in found.items():
        say(name)
        heads = ("finishedAt", "generation", "requestId", "status", "reason")
        whole = [run for run in runs if "damaged" not in run]
        rows = [{**run, "reason": run["reason"] or _first(run["failures"])} for run in whole]
        table((*heads, "calls"), [(*(str(r[one]) for one in heads), str(sum(r["calls"].values()))) for r in rows])
        for run in runs:
            if "damaged" in run:
                say(f"warning: {run['damaged']}")


def _first(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the first failure in a few words."""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0]['resource']}: {found[0]['code']}{more}" if found else ""


def answer(found: dict[str, Any]) -> None:
    """Print the outcome of a request to a deployment."""
    resources = found["resources"].items()
    if resources:
        rows = [(name, one["status"], one.get("action", ""), one.get("id") or "") for name, one in resources]
        table(("resource", "status", "action", "id"), rows)
    failures(found["failures"])
    for one in found["problems"]:
        say(f"{one['path'] or 'document'}: {one['message']} [{one['rule']}]")
    if found["status"] == "AWAITING_CONSENT":
        say("the announcement on the bus says where to consent")
    reason = f" ({found['reason']})" if found["reason"] else ""
    say(f"{found['stack']}: {found['status']}{reason}")


def serving(url: str, options: argparse.Namespace) -> None:
    """Print the URL of the sandbox."""
    if options.json:
        say(to_json({"url": url}))
    else:
        say(f"AgentCore sandbox on {url}\nUse it with: export AWS_ENDPOINT_URL={url}")
    sys.stdout.flush()


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout; with rich, if rich is installed and stdout is a terminal."""
    if not sys.stdout.isatty():
        _plain_table(heads, rows)
        return
    try:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.table import Table  # noqa: PLC0415 - an extra
        from rich.text import Text  # noqa: PLC0415 - an extra
    except ImportError:
        _plain_table(heads, rows)
        return
    made = Table(box=None, pad_edge=False)
    for head in heads:
        made.add_column(head, overflow="fold")
    for row in rows:
        made.add_row(*[Text(plain(cell), style=COLORS.get(cell, "")) for cell in row])
    console = Console(soft_wrap=False)
    console.print(made)


def _plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
