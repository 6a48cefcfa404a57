"""The composition root: one event loop, one set of clients and one ledger per execution environment.

This is the only module state. Nothing is made before the first request, except that malformed settings stop it.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog

from infra.bus import Bus
from infra.clients import open_clients
from infra.deadline import Deadline
from infra.ledger.sqlite import SqliteLedger
from infra.metrics import RunMetrics
from infra.redaction import Redaction
from infra.settings import Settings, ledger_path, read_settings
from infra.telemetry import set_up_logs
from workflows.context import Context, Progress

T = TypeVar("T")
#: Seconds kept back from the platform's deadline, to write down what came of the run.
MARGIN = 3.0


class Environment:
    """One execution environment: open it once, then run coroutines on its loop."""

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

    def run(self, job: Callable[[Context], Awaitable[T]]) -> T:
        """Run a job with the context, making it on first use."""
        return self._runner.run(self._job(job))

    def close(self) -> None:
        """Close clients, ledger and loop."""
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _job(self, job: Callable[[Context], Awaitable[T]]) -> T:
        if self._context is None:
            self._context = await self._make()
        return await job(self._context)

    async def _make(self) -> Context:
        aws = await open_clients(self._stack, self.redaction, workers=self.settings.workers)
        ledger = SqliteLedger(ledger_path(self.settings.ledger))
        self._stack.callback(ledger.close)
        return Context(
            aws=aws,
            ledger=ledger,
            now=lambda: datetime.now(UTC),
            new_id=lambda: secrets.token_hex(8),
            announce=Bus(aws, self.settings.bus).announce,
            measure=self._measure,
            progress=self._progress or _log_progress,
        )


def _log_progress(progress: Progress) -> None:
    structlog.get_logger().debug("progress", resource=progress.address, event_=progress.event, detail=progress.detail)


def _not_measured(outcome: Mapping[str, Any], seconds: float) -> None:
    del outcome, seconds


_environment: Environment | None = None


def environment() -> Environment:
    """Return this process's environment, made from its settings when first asked for."""
    global _environment  # noqa: PLW0603 - the one module state, see above
    if _environment is None:
        settings = read_settings()
        _environment = Environment(settings, measure=RunMetrics().emit)
        set_up_logs(_environment.redaction, level=settings.log_level)
    return _environment


def use(made: Environment | None) -> None:
    """Put another environment in place: for programs that make their own."""
    global _environment  # noqa: PLW0603 - the one module state, see above
    _environment = made


def deadline_of(lambda_context: Any, settings: Settings) -> Deadline:
    """Return the deadline of a Lambda invocation, with time kept back to write down what came of it."""
    remaining = lambda_context.get_remaining_time_in_millis() / 1000 if lambda_context is not None else 900.0
    return Deadline.within(max(0.0, remaining - MARGIN), settings.patience)
