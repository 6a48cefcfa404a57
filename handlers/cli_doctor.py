"""The `doctor` command: checks an account, and what a document needs of it, before anything is changed."""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from handlers import cli_show as show
from handlers.cli_files import read_source
from handlers.cli_operate import Command, add_parameters, settings_of, with_environment
from infra.deadline import Deadline
from workflows.doctor import Check, Verdict, examine
from workflows.document.reading import read_stack
from workflows.requests.context import Context

#: Seconds for all checks together.
_SECONDS = 120.0


def add_doctor(command: Command) -> None:
    """Add the command to a parser."""
    sub = command("doctor", _doctor, "check the account, and what a document needs of it; changes nothing", file=False)
    sub.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a stack document or a sample event")
    add_parameters(sub)


def _doctor(options: argparse.Namespace) -> int:
    stack = None
    if options.file is not None:
        stack = read_stack(read_source(options.file, dict(options.parameter)).document)

    async def job(context: Context) -> list[Check]:
        return await examine(context, stack, Deadline.within(_SECONDS))

    options.ledger = ":memory:"
    found: list[Check] = with_environment(settings_of(options), job)
    shown: dict[str, Any] = {"version": 1, "checks": [check.shown() for check in found]}
    show.value(options, shown, lambda: _print(found))
    return int(any(check.verdict is Verdict.FAIL for check in found))


def _print(found: list[Check]) -> None:
    rows = [(check.name, str(check.verdict), check.message) for check in found]
    show.table(("check", "result", "what was found"), rows)
    counts = Counter(check.verdict for check in found)
    show.say(", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict))
