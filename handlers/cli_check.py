"""The `ledger` command: checks the store and every item of a ledger, and changes nothing."""

import argparse
from typing import Any

from handlers import cli_show as show
from handlers.cli_operate import Command, with_ledger
from workflows.ledger_check import LedgerFault, faults_of


def add_checks(command: Command) -> None:
    """Add the command to a parser."""
    sub = command("ledger", _ledger, "check whether every item of a ledger can be read; changes nothing", file=False)
    sub.add_argument("work", choices=("check",), help="check: read every item")
    sub.add_argument("--ledger", default="", metavar="URL", help="sqlite:FILE or dynamodb:TABLE")


def _ledger(options: argparse.Namespace) -> int:
    sound, faults = with_ledger(options, faults_of)
    shown: dict[str, Any] = {"version": 1, "sound": sound, "faults": [fault.shown() for fault in faults]}
    show.value(options, shown, lambda: _print(sound, faults))
    return int(bool(faults))


def _print(sound: int, faults: list[LedgerFault]) -> None:
    if faults:
        rows = [(fault.partition or "-", fault.item or "the store", fault.fault) for fault in faults]
        show.table(("stack", "item", "what is wrong"), rows)
    show.say(f"{sound} items can be read, {len(faults)} faults")
