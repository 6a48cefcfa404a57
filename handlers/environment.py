"""The composition root: one event loop, one set of clients and one ledger per execution environment.

No other module has state.
"""

import asyncio
import gc
import os
import platform
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog

from infra.aws import Aws
from infra.bus import Bus
from infra.clients import open_clients
from infra.deadline import Deadline
from infra.ledger import Ledger
from infra.ledger.dynamodb import DynamoLedger
from infra.ledger.sqlite import SqliteLedger
from infra.metrics import RunMetrics
from infra.redaction import Redaction
from infra.settings import Settings, SettingsError, ledger_path, read_settings
from infra.telemetry import frames, set_up_logs, told
from workflows.requests.authority import Grants
from workflows.requests.context import Context, Progress
from workflows.requests.grants_source import GrantsSource, InvalidGrants, read_grants

T = TypeVar("T")
_TABLE = "dynamodb:"
#: Seconds reserved before the platform's deadline, for recording the outcome of the run.
MARGIN = 3.0


class Environment:
    """An execution environment: created once, with an event loop on which coroutines run."""

    def __init__(
        self,
        settings: Settings,
        *,
        progress: Callable[[Progress], None] | None = None,
        measure: Callable[[Mapping[str, Any], float], None] | None = None,
    ) -> None:
        self.settings = settings
        self._measure = measure or _not_measured
        self.redaction = Redaction()
        self._progress = progress
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._context: Context | None = None
        self._grants: GrantsSource | None = None

    def run(self, job: Callable[[Context], Awaitable[T]]) -> T:
        """Run a job with the context; the first call creates the context."""
        return self._runner.run(self._job(job))

    def close(self) -> None:
        """Close clients, ledger and event loop."""
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _job(self, job: Callable[[Context], Awaitable[T]]) -> T:
        if self._context is None:
            self._context = await self._make()
        context = self._context
        if context.grants is not None and context.settings.grants_uri:
            self._grants = self._grants or GrantsSource(
                context.aws, context.ledger, context.settings.grants_uri, context.grants, context.announce
            )
            context = replace(context, grants=await self._grants.current())
        return await job(context)

    async def _make(self) -> Context:
        settings = self.settings
        at_once = ("dynamodb",) if settings.ledger.startswith(_TABLE) else ()
        aws = await open_clients(
            self._stack, self.redaction, workers=settings.workers, account=settings.account, at_once=at_once
        )
        bus = Bus(aws, settings.bus)
        return Context(
            aws=aws,
            ledger=self._ledger(aws),
            settings=settings,
            worker=os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or platform.node(),
            grants=_grants(settings.grants),
            now=lambda: datetime.now(UTC),
            new_id=lambda: secrets.token_hex(8),
            announce=bus.announce,
            ask=bus.ask,
            measure=self._measure,
            progress=self._progress or _log_progress,
        )

    def _ledger(self, aws: Aws) -> Ledger:
        url = self.settings.ledger
        if url.startswith(_TABLE):
            return DynamoLedger(aws, url.removeprefix(_TABLE), self.settings.bucket)
        ledger = SqliteLedger(ledger_path(url))
        self._stack.callback(ledger.close)
        return ledger


def _grants(path: str) -> Grants | None:
    """Read the grants of a deployment; None without a path. Raises SettingsError."""
    if not path:
        return None
    try:
        return read_grants(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"GATEWRIGHT_GRANTS: {path} cannot be read: {error.strerror}") from None
    except InvalidGrants as invalid:
        raise SettingsError(f"GATEWRIGHT_GRANTS: {path}: {invalid}") from None


def _log_progress(progress: Progress) -> None:
    structlog.get_logger().debug("progress", resource=progress.address, event_=progress.event, detail=progress.detail)


def _not_measured(outcome: Mapping[str, Any], seconds: float) -> None:
    del outcome, seconds


_environment: Environment | None = None


def environment() -> Environment:
    """Return the environment of this process; the first call creates it from the settings."""
    global _environment  # noqa: PLW0603 - the one module state, see above
    if _environment is None:
        settings = read_settings()
        _environment = Environment(settings, measure=RunMetrics().emit)
        set_up_logs(_environment.redaction, level=settings.log_level)
    return _environment


@contextmanager
def errors_logged(*, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Log an error that a handler raises, with the location, before the error reaches the platform.

    `but` lists exceptions that are part of normal operation and are not logged.
    """
    try:
        yield
    except but:
        raise
    except Exception as error:
        structlog.get_logger().error("invocation failed", error=told(error), frames=frames(error))
        raise


def use(made: Environment | None) -> None:
    """Replace the environment of this process, for programs that create their own."""
    global _environment  # noqa: PLW0603 - the one module state, see above
    _environment = made


def at_init() -> None:
    """Create the environment during the platform's init phase, so that the first request does not bear the cost.

    Invalid settings end the function during init, with a line that names them. Outside Lambda nothing happens.
    """
    if "AWS_LAMBDA_RUNTIME_API" not in os.environ:
        return
    try:
        environment().run(_nothing)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    gc.freeze()
    gc.enable()


async def _nothing(context: Context) -> None:
    del context


def deadline_of(lambda_context: Any, patience: float) -> Deadline:
    """Return the deadline of a Lambda invocation, minus the time reserved for recording the outcome.

    The run does not itself wait for the service for more than `patience` seconds; the next run continues. Without a
    Lambda context the invocation counts as 900 seconds.
    """
    remaining = lambda_context.get_remaining_time_in_millis() / 1000 if lambda_context is not None else 900.0
    return Deadline.within(max(0.0, remaining - MARGIN), patience)
