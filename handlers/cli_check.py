"""The commands that check and change nothing: `ledger check` for a ledger, `grants check` for a deployment's grants."""

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from handlers import cli_show as show
from handlers.cli_files import read_source
from handlers.cli_operate import Command, add_parameters, with_ledger
from infra.documents import Unreadable
from workflows.document.naming import Place, named_by
from workflows.document.problems import Problem
from workflows.document.reading import read_stack
from workflows.ledger_check import LedgerFault, faults_of
from workflows.requests.authority import Submitter, check
from workflows.requests.grants_source import InvalidGrants, read_grants

#: Stands for the deployment's own account where none is given.
_ANY_ACCOUNT = "000000000000"


def add_checks(command: Command) -> None:
    """Add the command to a parser."""
    sub = command("ledger", _ledger, "check whether every item of a ledger can be read; changes nothing", file=False)
    sub.add_argument("work", choices=("check",), help="check: read every item")
    sub.add_argument("--ledger", default="", metavar="URL", help="sqlite:FILE or dynamodb:TABLE")

    sub = command("grants", _grants, "check what a submitter may request, without a deployment", file=False)
    sub.add_argument("work", choices=("check",), help="check: compare a document with the grants")
    sub.add_argument("file", type=Path, metavar="FILE", help="a stack document or a sample event")
    sub.add_argument(
        "--as",
        dest="submitter",
        required=True,
        type=_submitter,
        metavar="SUBMITTER",
        help="source=TEXT[,account=ID], queue=ARN,sender=ID, or invocation=step-functions",
    )
    sub.add_argument("--grants", type=Path, default=Path("grants.yaml"), metavar="FILE", help="default: grants.yaml")
    add_parameters(sub)


def _submitter(text: str) -> Submitter:
    """Parse a submitter: NAME=VALUE pairs, separated by commas."""
    pairs = dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
    strange = set(pairs) - set(Submitter.__dataclass_fields__) or text.count(",") + 1 != len(pairs)
    transports = [name for name in ("source", "queue", "invocation") if pairs.get(name)]
    if strange or len(transports) != 1 or not all(pairs.values()) or ("queue" in pairs) != ("sender" in pairs):
        raise argparse.ArgumentTypeError(
            "a submitter is source=TEXT,account=ID or queue=ARN,sender=ID or invocation=step-functions"
        )
    return Submitter(**pairs)


def _grants(options: argparse.Namespace) -> int:
    try:
        grants = read_grants(options.grants.read_bytes())
    except InvalidGrants as invalid:
        raise Unreadable(f"{options.grants}: {invalid}") from None
    stack = read_stack(read_source(options.file, dict(options.parameter)).document)
    who: Submitter = options.submitter
    account = who.account or _ANY_ACCOUNT
    who = replace(who, account=account) if who.source else who
    place = Place(account, os.environ.get("AWS_REGION") or "us-east-1", "aws")
    allowed = grants.permitted(who, stack.name, place)
    problems = check(grants.of(who, "provision", place), stack)
    names = {named.path: named.name for named in named_by(stack, place)}
    shown: dict[str, Any] = {
        "version": 1, "submitter": who.shown(), "stack": stack.name, "requests": allowed,
        "account": account, "region": place.region,
        "problems": [{**problem.shown(), "refersTo": names.get(problem.path)} for problem in problems],
    }  # fmt: skip
    if not options.submitter.account:
        show.say(f"no account is stated; checked as account {account} (account=ID)", file=sys.stderr)
    told = [replace(one, message=_with(one.message, names.get(one.path))) for one in problems]
    show.value(options, shown, lambda: _print_grants(who, stack.name, allowed, told))
    return int(bool(problems))


def _with(message: str, name: str | None) -> str:
    """Return the message about a reference with what it refers to."""
    return f"{message}: {name}" if name else message


def _print_grants(who: Submitter, stack: str, allowed: Mapping[str, bool], problems: list[Problem]) -> None:
    rows = [(one, "allowed" if yes else "no grant") for one, yes in allowed.items()]
    show.table(("request", f"{who}, stack {stack}"), rows)
    if problems:
        show.problems(problems)
    else:
        show.say("every reference of the document is granted")


def _ledger(options: argparse.Namespace) -> int:
    sound, faults = with_ledger(options, faults_of)
    shown: dict[str, Any] = {"version": 1, "sound": sound, "faults": [fault.shown() for fault in faults]}
    show.value(options, shown, lambda: _print(sound, faults))
    # A ledger without any item is most often another file than was meant.
    return int(bool(faults) or not sound)


def _print(sound: int, faults: list[LedgerFault]) -> None:
    if faults:
        rows = [(fault.partition or "-", fault.item or "the store", fault.fault) for fault in faults]
        show.table(("stack", "item", "what is wrong"), rows)
    show.say(f"{sound} items can be read; faults: {len(faults)}")
