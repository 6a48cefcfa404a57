"""Invocations of a function whose time ends: it may ask how much is left, and is killed when there is none."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from handlers.environment import MARGIN, deadline_of
from infra.aws import CALL_SECONDS
from infra.deadline import Deadline
from infra.ledger import Change
from infra.sandbox.client import operation_of
from infra.service_model import is_mutating
from infra.tasks import first_of
from tests.crash.harness import Crash, FaultyClient, FaultyLedger, Process, context_of
from tests.worlds import SandboxWorld
from workflows.planner.outcome import Outcome
from workflows.requests.request import Request
from workflows.service import handle

#: Seconds that a write to the ledger takes.
WRITE_SECONDS = 0.05
#: Less than this may be left of a function's time at no beginning of a change.
LEAST = CALL_SECONDS + MARGIN


@dataclass
class Function:
    """One invocation that is killed after some seconds. `told` is how long it believes to have."""

    world: SandboxWorld
    seconds: float
    #: Seconds from a change's effect to its answer.
    slow: float = 0.0
    told: float | None = None
    process: Process = field(default_factory=Process)
    #: For each change that was begun: what was left of the time.
    left: list[float] = field(default_factory=list)
    under_way: int = 0
    #: How many changes were under way when it was killed.
    cut_off: int = 0

    def get_remaining_time_in_millis(self) -> int:
        believed = self.seconds if self.told is None else self.told
        return int(1000 * (self.began + believed - anyio.current_time()))

    async def run(self, request: Request) -> Outcome | None:
        """Run as the platform does; None: it was killed."""
        self.began = anyio.current_time()
        context = context_of(self.world, self.process)
        ledger = _SlowLedger(self.process, self.world.ledger)
        context = replace(context, aws=replace(context.aws, client=self._client), ledger=ledger)
        with anyio.CancelScope() as scope:
            kill = asyncio.get_running_loop().call_at(self.began + self.seconds, self._kill, scope)
            try:
                return await handle(context, request, self._deadline())
            except BaseException as error:
                if isinstance(first_of(error), Crash):
                    return None
                raise
            finally:
                kill.cancel()
        return None

    def _deadline(self) -> Deadline:
        # Long waits are left to the next run by patience, which has its own tests; here the time is used up.
        return deadline_of(self, patience=float("inf"))

    def _kill(self, scope: anyio.CancelScope) -> None:
        self.process.dead, self.cut_off = True, self.under_way
        scope.cancel()

    async def _client(self, service: str) -> Any:
        return _Timed(self, self.world.client(service))


class _Timed(FaultyClient):
    """A client that notes what is left of the time when a change begins, and how it ends."""

    def __init__(self, function: Function, client: Any) -> None:
        super().__init__(function.process, client)
        self._function = function

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        send = super().__getattr__(method)
        if not is_mutating(operation_of(method)):
            return send

        async def change(**params: Any) -> dict[str, Any]:
            function = self._function
            function.left.append(function.began + function.seconds - anyio.current_time())
            function.under_way += 1
            try:
                answer = await send(**params)
                await anyio.sleep(function.slow)
            finally:
                function.under_way -= 1
            return answer

        return change


class _SlowLedger(FaultyLedger):
    """A ledger whose writes take time."""

    async def write(self, *changes: Change) -> None:
        await anyio.sleep(WRITE_SECONDS)
        await super().write(*changes)
