"""The commands that plan, and those that work on a stack: plan, apply, destroy, sync.

A command that deletes or replaces resources shows them first. At a terminal it asks; elsewhere it needs `--yes`. The
answer, like a plan file, approves exactly the addresses that were shown. `--yes` approves none: what needs an approval
needs `--allow`.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from handlers import cli_show as show
from handlers.cli_files import read_named, read_source
from handlers.cli_operate import (
    CHANGES,
    CONSENT,
    DONE,
    EXIT,
    FAILED,
    INVALID,
    looking,
    new_id,
    settings_of,
    with_environment,
)
from handlers.cli_plan import plan as show_plan
from handlers.cli_plan import summary
from infra.deadline import Deadline
from infra.documents import Unreadable
from workflows.document.reading import read_stack
from workflows.plan_file import PlanFile, outdated, read_plan
from workflows.planner.decision import Action
from workflows.planner.outcome import Outcome, Status
from workflows.planning import Plan, plan, plan_removal
from workflows.records.request_state import Mode
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.service import handle

#: Seconds of a single run. A short run keeps the lease short, so the lease of a killed terminal expires soon.
_SLICE = 120.0
Working = Callable[..., Any]


class Refused(Exception):  # noqa: N818 - the name describes the command
    """The command is not carried out, and nothing was changed. `code` is the exit code."""

    def __init__(self, message: str, code: int = INVALID) -> None:
        super().__init__(message)
        self.code = code


def add_work(working: Working) -> None:
    """Add the commands to a parser; `working(name, function, text)` adds one that works on FILE."""
    planning = working("plan", _plan, "show what apply would do")
    planning.add_argument("--destroy", action="store_true", help="show what destroy would do")
    planning.add_argument("--out", type=Path, metavar="FILE", help="write the plan to a file, which apply takes")
    planning.add_argument("--exit-code", action="store_true", help="exit 3 when changes are pending, 4 for consent")
    applying = working("apply", _apply, "create or update the resources that a document declares, or apply a plan file")
    destroying = working("destroy", _destroy, "remove a stack, named by a document or by its name")
    for sub in (planning, applying):
        sub.add_argument(
            "--allow", action="append", default=[], metavar="ADDRESS",
            help="allow this resource to be removed, or replaced",
        )  # fmt: skip
    for sub in (planning, applying, destroying):
        sub.add_argument("--full", action="store_true", help="show long texts as a whole")
    for sub in (applying, destroying):
        sub.add_argument("--yes", action="store_true", help="do not ask before resources are deleted or replaced")
    working("sync", _sync, "synchronize the tools of a stack's targets")


def _plan(options: argparse.Namespace) -> int:
    if options.destroy:
        name, document = _stack(options)

        async def job(context: Context) -> Plan:
            return await plan_removal(context, name, document, Deadline.within(options.timeout))
    else:
        source = read_source(options.file, dict(options.parameter))
        allow, document = frozenset(options.allow) | source.allow, dict(read_stack(source.document).document)

        async def job(context: Context) -> Plan:
            return await plan(context, source.document, Deadline.within(options.timeout), allow, assume=True)

    planned: Plan = with_environment(looking(settings_of(options)), job)
    if options.out is not None:
        _write(options.out, PlanFile.of(planned, document, new_id()))
    show.value(options, planned.shown(), lambda: show_plan(planned, full=options.full))
    if planned.failing:
        return FAILED
    if not options.exit_code:
        return DONE
    awaits = any(one.action == Action.CONSENT for one in planned.resources)
    return CHANGES if planned.pending else CONSENT if awaits else DONE


def _write(path: Path, file: PlanFile) -> None:
    """Write a plan file that only its owner can read: the document may be nobody else's business."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(file.text())


def _apply(options: argparse.Namespace) -> int:
    if (file := _plan_file(options.file)) is not None:
        return _finish(options, lambda context: _by_file(options, context, file))
    source = read_source(options.file, dict(options.parameter))
    if source.dry_run:
        raise Unreadable(f"{options.file}: the event asks for a plan only (dryRun); use gatewright plan")
    stack, allow = read_stack(source.document), frozenset(options.allow) | source.allow
    request = Request(
        mode=Mode.PROVISION, request_id=new_id(), stack=stack.name, document=dict(stack.document), allow=allow
    )

    async def job(context: Context) -> Outcome:
        asked = request
        if not options.yes:
            by_person = _asks(options)
            found = await plan(context, source.document, Deadline.within(options.timeout), allow, assume=by_person)
            approved = _approved(options, found, "apply") if found.deleting else frozenset()
            asked = request.model_copy(update={"allow": allow | approved, "only_approved": True})
        return await _until_settled(options, context, asked)

    return _finish(options, job)


def _destroy(options: argparse.Namespace) -> int:
    name, document = _stack(options)
    request = Request(mode=Mode.REMOVE, request_id=new_id(), stack=name, document=document)

    async def job(context: Context) -> Outcome:
        found = await plan_removal(context, name, document, Deadline.within(options.timeout))
        if found.deleting and not options.yes:
            _approved(options, found, "destroy")
        elif not options.json:
            show_plan(found, full=options.full)
        return await _until_settled(options, context, request)

    return _finish(options, job)


def _sync(options: argparse.Namespace) -> int:
    request = Request(mode=Mode.SYNCHRONIZE, request_id=new_id(), stack=_stack(options)[0])
    return _finish(options, lambda context: _until_settled(options, context, request))


def _stack(options: argparse.Namespace) -> tuple[str, dict[str, Any] | None]:
    """Return the name of the stack that the argument names, and the document if it holds one. Raises Invalid."""
    source = read_named(options.file, dict(options.parameter))
    if source.named:
        return str(source.document["stack"]), None
    stack = read_stack(source.document)
    return stack.name, dict(stack.document)


def _plan_file(path: Path) -> PlanFile | None:
    """Return the plan that a file holds; None where it holds something else. Raises Invalid for a damaged plan.

    A pipe is never a plan: it can be read only once, by whoever reads it as a document.
    """
    return read_plan(path.read_bytes()) if path.is_file() else None


async def _by_file(options: argparse.Namespace, context: Context, file: PlanFile) -> Outcome:
    """Apply a plan file, unless it is outdated. Raises Refused."""
    if lines := await outdated(context, file, Deadline.within(options.timeout)):
        differs = "\n  ".join(lines)
        raise Refused(f"this plan is outdated; make a new one, which shows what would happen now\n  {differs}")
    return await _until_settled(options, context, file.request)


def _asks(options: argparse.Namespace) -> bool:
    """Return whether a person can be asked."""
    return not options.json and sys.stdin.isatty() and sys.stderr.isatty()


def _approved(options: argparse.Namespace, found: Plan, command: str) -> frozenset[str]:
    """Show what a plan deletes, ask for approval, and return the addresses. Raises Refused."""
    addresses = frozenset(one.address for one in found.deleting)
    if not options.json:
        show_plan(found, full=options.full)
    if not _asks(options):
        raise Refused(
            f"{command} would delete or replace {', '.join(sorted(addresses))}, and there is no terminal to ask at: "
            "add --yes, or apply a plan file (gatewright plan --out FILE)"
        )
    show.say(f"\n{summary(found)}. What is deleted cannot be restored.", file=sys.stderr)
    print(f"Type yes to {command}: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise Refused("nothing was changed", FAILED)
    return addresses


async def _until_settled(options: argparse.Namespace, context: Context, request: Request) -> Outcome:
    """Run a request repeatedly until the outcome is final or the timeout expires."""
    deadline = Deadline.within(options.timeout)
    while True:
        seconds = min(_SLICE, max(1.0, deadline.remaining()))
        outcome = await handle(context, request, Deadline.within(seconds))
        wait = outcome.retry_after or 1.0
        if outcome.status is not Status.IN_PROGRESS or outcome.without_calls or deadline.remaining() < wait:
            return outcome
        show.waiting(outcome, wait)
        await deadline.sleep(wait, "the next run")


def _finish(options: argparse.Namespace, job: Callable[[Context], Any]) -> int:
    """Run a job, print its outcome, and return the exit code."""
    outcome: Outcome = with_environment(settings_of(options), job)
    show.value(options, outcome.shown(), lambda: show.outcome(outcome))
    # The user's own credentials or network failed: the same command would not continue by itself.
    stopped = outcome.without_calls and outcome.status is Status.IN_PROGRESS
    return FAILED if stopped else EXIT.get(outcome.status, FAILED)
