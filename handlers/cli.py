"""The command line: the same workflows from a terminal, acting with its user's own rights.

People see progress and tables on stderr and stdout; `--json` prints one JSON value on stdout.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError

from handlers import cli_show as show
from handlers.cli_check import add_checks
from handlers.cli_doctor import add_doctor
from handlers.cli_files import read_source
from handlers.cli_operate import (
    DONE,
    FAILED,
    INVALID,
    UNFINISHED,
    add_commands,
    add_parameters,
    settings_of,
    with_environment,
)
from handlers.cli_work import Refused, add_work
from infra import models
from infra.aws import CALL_SECONDS
from infra.deadline import Deadline
from infra.documents import Unreadable, to_json
from infra.errors import CALLER_ERRORS, CallFailed, OutOfTime
from infra.ledger import StoreDamaged
from infra.settings import SettingsError
from infra.telemetry import frames
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.document.schema import document_schema
from workflows.importing import Imported, import_resource
from workflows.planner.failures import OF_ERROR_CLASSES
from workflows.requests.context import Context
from workflows.requests.request import NotARequest

_LEAST_SECONDS = CALL_SECONDS + 10.0
_HIGHEST_PORT = 65535
_DAMAGED = (
    "`gatewright ledger check` names everything that cannot be read. Restore the ledger from a backup; or have it "
    "forget the stack (`gatewright forget STACK`), or begin another one, and apply again, which adopts what bears the "
    "stack's tag."
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    # Schedulers and supervisors stop a process with SIGTERM. Handle SIGTERM like Ctrl-C: the run releases the lease.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell ignores SIGINT on behalf of commands that are started with `&`.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return int(options.command(options))
    except Invalid as invalid:
        return _invalid(options, invalid)
    except StoreDamaged as damaged:
        return _failed(options, FAILED, f"{damaged}\n{_DAMAGED}")
    except Refused as refused:
        return _failed(options, refused.code, str(refused))
    except (Unreadable, NotARequest, SettingsError, OSError) as error:
        return _failed(options, INVALID if isinstance(error, Unreadable | NotARequest) else FAILED, str(error))
    except (CallFailed, BotoCoreError) as failed:
        own = failed.error_class if isinstance(failed, CallFailed) and failed.error_class in CALLER_ERRORS else None
        advice = f"\n{OF_ERROR_CLASSES[own][1]}" if own is not None else ""
        return _failed(options, FAILED, f"AWS cannot be called: {failed}{advice}")
    except OutOfTime as late:
        return _failed(options, UNFINISHED, f"{late}; the same command continues from here")
    except KeyboardInterrupt:
        return _failed(options, UNFINISHED, "interrupted; the same command continues from here")
    except Exception as error:  # noqa: BLE001 - a person needs the location of any error, and no value of a document
        where = "\n  ".join(frames(error))
        return _failed(options, FAILED, f"this is a defect of Gatewright: {type(error).__name__}, raised at\n  {where}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gatewright", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int], text: str, *, file: bool = True) -> Any:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=function)
        sub.add_argument("--json", action="store_true", help="print one JSON value on stdout")
        if file:
            sub.add_argument("file", type=Path, metavar="FILE", help="a stack document or a sample event")
            add_parameters(sub)
        return sub

    def working(name: str, function: Callable[[argparse.Namespace], int], text: str, *, file: bool = True) -> Any:
        sub = command(name, function, text, file=file)
        sub.add_argument(
            "--ledger",
            default="",
            metavar="URL",
            help="sqlite:FILE, :memory: or dynamodb:TABLE (default: a file in the user's state folder)",
        )
        sub.add_argument(
            "--timeout", type=_seconds, default=3600.0, metavar="S", help="seconds to go on for (default 3600)"
        )
        return sub

    command("validate", _validate, "check a document; needs no network and no credentials")
    add_work(working)
    add_commands(command)
    add_doctor(command)
    add_checks(command)
    adopting = working("adopt", _adopt, "write a stack document for an existing resource", file=False)
    adopting.add_argument("section", metavar="SECTION", help="such as gateways")
    adopting.add_argument("name", metavar="NAME", help="the resource's name")
    adopting.add_argument("--stack", default="", metavar="STACK", help="the new stack's name (default: NAME)")
    command("schema", _schema, "print the JSON Schema of stack documents", file=False)
    sandbox = command("sandbox", _sandbox, "serve a local AgentCore control plane on loopback", file=False)
    sandbox.add_argument("--port", type=_port, default=0, metavar="N", help="default: any free one")
    sandbox.add_argument("--page-size", type=int, default=1000, metavar="N")
    sandbox.add_argument("--like-aws", action="store_true", help="operations take as long as at AWS, up to minutes")
    sandbox.add_argument("--old-registries", action="store_true", help="serve the registries that AWS switched off")
    sandbox.add_argument("--round-trip", type=float, default=0.0, metavar="S", help="seconds added to every answer")
    return parser


def _version() -> str:
    return f"gatewright {version('gatewright')} (service models of botocore {models.version_in_force()})"


def _seconds(text: str) -> float:
    """Parse a timeout in seconds. A timeout shorter than a call leaves no time for any change."""
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError("a time-out is a number of seconds") from None
    if not seconds >= _LEAST_SECONDS:  # nan fails the comparison too
        raise argparse.ArgumentTypeError(f"at least {_LEAST_SECONDS:.0f} seconds; one call may take {CALL_SECONDS:.0f}")
    return seconds


def _port(text: str) -> int:
    """Parse a port number."""
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_HIGHEST_PORT}")
    return int(text)


def _validate(options: argparse.Namespace) -> int:
    source = read_source(options.file, dict(options.parameter))
    stack = read_stack(source.document)
    shown = {"version": 1, "stack": stack.name, "resources": list(stack.resources), "problems": []}
    warnings = [warning.shown() for warning in stack.warnings]
    show.value(options, {**shown, "warnings": warnings}, lambda: show.valid(stack))
    return DONE


def _adopt(options: argparse.Namespace) -> int:
    stack = options.stack or options.name

    async def job(context: Context) -> Imported:
        return await import_resource(context, options.section, options.name, stack, Deadline.within(options.timeout))

    taken = _with_environment(options, job)
    shown = {"version": 1, "document": taken.document, "fillIn": taken.fill_in}
    show.value(options, shown, lambda: show.taken_over(taken))
    return DONE


def _schema(options: argparse.Namespace) -> int:
    del options
    sys.stdout.write(to_json(document_schema()) + "\n")
    return DONE


def _sandbox(options: argparse.Namespace) -> int:
    from infra.sandbox.behaviour import Behaviour, Durations  # noqa: PLC0415 - a development tool: the worker ships without it
    from infra.sandbox.server import SandboxServer  # noqa: PLC0415 - as above

    async def serve() -> None:
        durations = Durations.like_aws() if options.like_aws else Durations()
        behaviour = Behaviour(page_size=options.page_size, durations=durations, registries_open=options.old_registries)
        server = SandboxServer(behaviour, options.round_trip)
        show.serving(await server.start(options.port), options)
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        return DONE
    return DONE


def _with_environment(options: argparse.Namespace, job: Callable[[Context], Awaitable[Any]]) -> Any:
    return with_environment(settings_of(options), job)


def _invalid(options: argparse.Namespace, invalid: Invalid) -> int:
    shown: Mapping[str, Any] = {"version": 1, "problems": [problem.shown() for problem in invalid.problems]}
    show.value(options, shown, lambda: show.problems(invalid.problems))
    return INVALID


def _failed(options: argparse.Namespace, code: int, message: str) -> int:
    if getattr(options, "json", False):
        sys.stdout.write(to_json({"version": 1, "error": message}) + "\n")
    show.say(f"gatewright: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
