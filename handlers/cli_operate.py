"""The operator commands: query a shared ledger, submit requests to a bus, list and redrive dead letters."""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handlers import cli_show as show
from handlers.cli_files import read_request_file
from handlers.environment import Environment
from infra.bus import Bus
from infra.deadline import Deadline
from infra.documents import Unreadable
from infra.errors import CallFailed
from infra.ledger import Ledger
from infra.ledger.sqlite import SqliteLedger
from infra.service_model import CONTROL_PLANE
from infra.settings import Settings, ledger_path, read_settings
from infra.telemetry import set_up_logs
from workflows.dead_letters import letters, redrive
from workflows.document.parameters import fill
from workflows.document.reading import read_stack
from workflows.operating import FORGOTTEN, cancel, forget, history
from workflows.records.request_state import Mode
from workflows.requests.answers import answer_to
from workflows.requests.authority import Submitter
from workflows.requests.context import Context
from workflows.requests.request import DETAIL_TYPES
from workflows.status import stacks

#: Exit codes; see the README.
DONE, FAILED, INVALID, CHANGES, CONSENT, UNFINISHED = range(6)
#: The event source of requests that are submitted from a terminal.
TERMINAL = "gatewright.terminal"
_POLL_SECONDS = 2.0
#: The exit code of each status; any other status is FAILED.
EXIT = {
    "READY": DONE, "DELETED": DONE, "PLANNED": DONE, "AWAITING_CONSENT": CONSENT, "IN_PROGRESS": UNFINISHED,
    "REJECTED": INVALID,
}  # fmt: skip
Command = Callable[..., Any]


def add_commands(command: Command) -> None:
    """Add the commands to a parser; `command(name, function, text, file=...)` adds a command and returns its parser."""
    for name, function, text in (
        ("status", _status, "show what the ledger knows"),
        ("history", _history, "show the runs of a stack, the newest first"),
        ("cancel", _cancel, "end the request of a stack that is under way"),
        ("forget", _forget, "delete a stack from the ledger, such as one that was imported by mistake"),
    ):
        sub = command(name, function, text, file=False)
        sub.add_argument("stack", metavar="STACK", **({"nargs": "?", "default": ""} if name == "status" else {}))
        sub.add_argument("--ledger", default="", metavar="URL")
    submit = command("submit", _submit, "send a request to a deployment, on its event bus", file=False)
    submit.add_argument("file", type=Path, metavar="FILE", help="a stack document or a sample event")
    add_parameters(submit)
    submit.add_argument("--bus", required=True, metavar="NAME", help="the deployment's bus")
    submit.add_argument("--ask", choices=("provision", "plan", "remove", "synchronize"), default="")
    submit.add_argument("--source", default=TERMINAL, metavar="TEXT", help="the event source that grants name")
    submit.add_argument("--allow", action="append", default=[], metavar="ADDRESS")
    submit.add_argument("--wait", action="store_true", help="wait for the outcome, which the ledger keeps")
    submit.add_argument("--ledger", default="", metavar="URL", help="dynamodb:TABLE")
    submit.add_argument("--timeout", type=float, default=3600.0, metavar="S")
    dead = command("dead-letters", _dead_letters, "show dead letters by reason, or send them again", file=False)
    dead.add_argument("--queue", required=True, metavar="URL", help="the dead-letter queue")
    dead.add_argument("--reason", default="", metavar="TEXT", help="only those whose reason holds this text")
    dead.add_argument("--redrive-to", default="", metavar="URL", help="the queue to send them to again")


def add_parameters(sub: Any) -> None:
    """Add `--parameter` to the parser of a command."""
    sub.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=_parameter,
        metavar="NAME=VALUE",
        help="the value of ${parameters.NAME} in the document",
    )


def new_id() -> str:
    """Return the id of a request of a terminal: always new."""
    return f"terminal-{secrets.token_hex(6)}"


def _parameter(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE; the value is always a string."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("a parameter is NAME=VALUE")
    return name, value


def settings_of(options: argparse.Namespace, **more: str) -> Settings:
    """Return the settings from the environment, with the ledger of the command line."""
    named = {"GATEWRIGHT_LEDGER": options.ledger} if getattr(options, "ledger", "") else {}
    return read_settings({**os.environ, **named, **more})


def looking(settings: Settings) -> Settings:
    """Return the settings of a read-only command, which must not create a missing ledger file."""
    path = None if settings.ledger.startswith("dynamodb:") else ledger_path(settings.ledger)
    if path is None or path.exists():
        return settings
    show.say(f"there is no ledger at {path} yet", file=sys.stderr)
    return settings.model_copy(update={"ledger": ":memory:"})


def with_environment(settings: Settings, job: Callable[[Context], Awaitable[Any]], service: str = CONTROL_PLANE) -> Any:
    """Run a job with clients and a ledger, showing progress. First print the account, Region and endpoint in use."""
    env = Environment(settings, progress=show.Progress())

    async def told(context: Context) -> Any:
        endpoint = (await context.aws.client(service)).meta.endpoint_url
        place = f"Region {context.aws.region}, endpoint {endpoint}"
        try:
            account = await context.aws.within(Deadline.within(60)).account()
        except CallFailed:
            show.say(f"account unknown, {place}", file=sys.stderr)
            raise
        show.say(f"account {account}, {place}", file=sys.stderr)
        return await job(context)

    # The terminal shows progress by itself; the log is for troubleshooting and contains errors only.
    set_up_logs(env.redaction, level="ERROR", stream=sys.stderr)
    try:
        return env.run(told)
    finally:
        env.close()


def with_ledger(options: argparse.Namespace, job: Callable[[Ledger], Awaitable[Any]]) -> Any:
    """Run a job on a ledger. A ledger in a file needs no Region and no credentials."""
    settings = looking(settings_of(options))
    if settings.ledger.startswith("dynamodb:"):
        return with_environment(settings, lambda context: job(context.ledger), "dynamodb")
    path = ledger_path(settings.ledger)
    show.say(f"ledger {path or 'in memory'}; AWS is not called", file=sys.stderr)
    ledger = SqliteLedger(path)

    async def run() -> Any:
        return await job(ledger)

    try:
        return asyncio.run(run())
    finally:
        ledger.close()


def _status(options: argparse.Namespace) -> int:
    found = with_ledger(options, lambda ledger: stacks(ledger, options.stack))
    show.value(options, found, lambda: show.stacks(found))
    return DONE if found else FAILED


def _history(options: argparse.Namespace) -> int:
    found = with_ledger(options, lambda ledger: history(ledger, options.stack))
    show.value(options, found, lambda: show.history(found))
    return DONE if found else FAILED


def _cancel(options: argparse.Namespace) -> int:
    days = settings_of(options).history_days
    found = with_ledger(options, lambda ledger: cancel(ledger, options.stack, datetime.now(UTC), days))
    show.value(options, found, lambda: show.became(found))
    return DONE if found else FAILED


def _forget(options: argparse.Namespace) -> int:
    found = with_ledger(options, lambda ledger: forget(ledger, options.stack, datetime.now(UTC)))
    show.value(options, found, lambda: show.became(found))
    return DONE if any(text.startswith(FORGOTTEN) for text in found.values()) else FAILED


def _submit(options: argparse.Namespace) -> int:
    detail_type, detail = read_request_file(options.file, options.ask)
    detail["requestId"] = detail.get("requestId") or new_id()
    if options.allow:
        allowed = detail.get("allow") or []
        if not isinstance(allowed, list) or not all(isinstance(one, str) for one in allowed):
            raise Unreadable("allow is a list of addresses")
        detail["allow"] = sorted({*allowed, *options.allow})
    _check(detail_type, detail, dict(options.parameter))
    settings = settings_of(options)
    if options.wait and not settings.ledger.startswith("dynamodb:"):
        raise Unreadable("--wait needs --ledger dynamodb:TABLE, where the answer is kept")

    async def job(context: Context) -> Any:
        calls = context.aws.within(Deadline.within(60))
        await Bus(context.aws, options.bus).put(options.source, detail_type, detail)
        if not options.wait:
            return None
        submitter = Submitter(account=await calls.account(), source=options.source)
        return await _answer(context, detail, submitter, options.timeout)

    answer = with_environment(settings, job, "events")
    if answer is None:
        shown = {
            "version": 1,
            "requestId": detail["requestId"],
            "status": "IN_PROGRESS" if options.wait else "SUBMITTED",
        }
        show.value(options, shown, lambda: show.say(f"{shown['requestId']}: {shown['status']}"))
        return UNFINISHED if options.wait else DONE
    show.value(options, answer, lambda: show.answer(answer))
    return EXIT.get(answer["status"], FAILED)


def _check(detail_type: str, detail: dict[str, Any], parameters: dict[str, str]) -> None:
    """Add parameters to a request and validate its document before the deployment does. Raises Invalid."""
    given = detail.get("parameters", {})
    if not isinstance(given, dict):
        raise Unreadable("parameters map names to values")
    if parameters:
        detail["parameters"] = {**given, **parameters}
    if DETAIL_TYPES.get(detail_type) is Mode.PROVISION and isinstance(detail.get("stack"), dict):
        read_stack(fill(detail["stack"], detail.get("parameters", {})))


async def _answer(context: Context, detail: dict[str, Any], submitter: Submitter, seconds: float) -> Any:
    """Wait for the outcome of a request. If consent is still pending at the timeout, return that interim outcome."""
    stack = detail.get("stack")
    name = str(stack.get("stack", "")) if isinstance(stack, dict) else str(stack or "")
    deadline = Deadline.within(seconds)
    answer: Any = None
    while deadline.remaining() > 0:
        answer = await answer_to(context.ledger, name, detail["requestId"], submitter)
        if answer is not None and answer["status"] != "AWAITING_CONSENT":
            return answer
        await deadline.sleep(min(_POLL_SECONDS, max(0.0, deadline.remaining())), "the answer")
    return answer


def _dead_letters(options: argparse.Namespace) -> int:
    async def job(context: Context) -> list[dict[str, str]]:
        calls = context.aws.within(Deadline.within(600))
        found = []
        async for letter in letters(calls, options.queue):
            if options.reason not in letter.reason:
                continue
            if options.redrive_to:
                await redrive(calls, letter, dead=options.queue, queue=options.redrive_to)
            found.append({"id": letter.id, "reason": letter.reason, "sent": "again" if options.redrive_to else ""})
        return found

    found = with_environment(settings_of(options, GATEWRIGHT_LEDGER=":memory:"), job, "sqs")
    rows = [(one["id"], one["reason"], one["sent"]) for one in found]
    show.value(options, {"version": 1, "deadLetters": found}, lambda: show.table(("message", "reason", "sent"), rows))
    return DONE
