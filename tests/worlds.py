"""A world to provision into: the sandbox plane in process on virtual time, with a ledger, and workers over both."""

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Self, TypeVar

import anyio
import looptime

from infra.aws import Aws
from infra.deadline import Deadline
from infra.ledger import Ledger
from infra.ledger.sqlite import SqliteLedger
from infra.pace import Pace
from infra.redaction import Redaction
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.client import InProcessClient, operation_of
from infra.sandbox.plane import Plane
from infra.sandbox.seed import sow
from infra.service_model import CONTROL_PLANE
from infra.settings import Settings
from tests.recorder import note
from workflows.planner.outcome import Outcome, Status
from workflows.records.request_state import Mode
from workflows.requests.context import Context, Progress
from workflows.requests.request import Request
from workflows.service import handle

T = TypeVar("T")
#: What worlds put out in the current test: announcements, progress, ledgers.
OUTPUTS: list[str] = []
REGION = "us-east-1"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class SandboxWorld:
    """One account with its ledger. Every call of `run` is a new process on it."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    ledger: Ledger = field(default_factory=SqliteLedger)
    round_trip: float = 0.02
    announced: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    redaction: Callable[[], Redaction] = Redaction
    #: Operations whose calls of a worker never come back.
    hanging: set[str] = field(default_factory=set)
    #: Clients of services that the sandbox has not, by name.
    beside: dict[str, Any] = field(default_factory=dict)
    #: What is random in a worker repeats with its world.
    random: Random = field(default_factory=lambda: Random(0))
    _serial: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.plane = Plane(anyio.current_time, self.behaviour, EPOCH)
        sow(self.plane)

    def context(self) -> Context:
        return Context(
            aws=Aws(self._open, self.behaviour.region, Pace(), self.redaction(), jitter=self.random.uniform),
            ledger=self.ledger,
            now=lambda: EPOCH + timedelta(seconds=anyio.current_time()),
            new_id=lambda: f"run-{next(self._serial)}",
            settings=self.settings,
            announce=self._announce,
            progress=self.progress.append,
        )

    def client(self, service: str = CONTROL_PLANE) -> InProcessClient:
        return InProcessClient(self.plane, service, self.round_trip)

    async def _open(self, service: str) -> Any:
        return self.beside.get(service) or _Recorded(self, service)

    async def run(self, request: Request, *, seconds: float = math.inf, patience: float = math.inf) -> Outcome:
        return await handle(self.context(), request, Deadline.within(seconds, patience))

    async def settle(self, request: Request, *, seconds: float = 90.0, patience: float = 1.0) -> Outcome:
        """Run a request as a deployment does, in many short runs without patience, until it is settled."""
        for _ in range(2_000):
            outcome = await self.run(request, seconds=seconds, patience=patience)
            if outcome.status is not Status.IN_PROGRESS:
                return outcome
            await anyio.sleep(outcome.retry_after or 1.0)
        raise AssertionError(f"{request.request_id} is never settled")

    async def apply(self, document: Mapping[str, Any], request_id: str = "", **more: Any) -> Outcome:
        return await self.run(provision(document, request_id or f"request-{next(self._serial)}", **more))

    async def destroy(self, document: Mapping[str, Any]) -> Outcome:
        request_id = f"request-{next(self._serial)}"
        return await self.run(
            Request(mode=Mode.REMOVE, request_id=request_id, stack=document["stack"], document=dict(document))
        )

    async def synchronize(self, stack: str) -> Outcome:
        return await self.run(Request(mode=Mode.SYNCHRONIZE, request_id=f"request-{next(self._serial)}", stack=stack))

    async def _announce(self, detail_type: str, detail: Mapping[str, Any]) -> None:
        self.announced.append((detail_type, detail))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the world, leaving what it put out for the search for secrets."""
        OUTPUTS.extend(str(one) for one in (self.announced, self.progress, self.plane.events))
        if isinstance(self.ledger, SqliteLedger):
            OUTPUTS.append("\n".join(self.ledger.dump()))
            self.ledger.close()

    def lose_ledger(self) -> None:
        """Have the next run begin with an empty ledger."""
        self.close()
        self.ledger = SqliteLedger()

    @property
    def live(self) -> dict[str, Any]:
        """Every resource that exists, by kind and name."""
        self.plane.arrive()
        kinds = ("provider", "apiKey", "gateway", "target", "runtime", "harness", "memory", "registry", "agentRegistry")
        return {f"{kind} {r.name}": r for kind in kinds for r in self.plane.world.records.live(kind)}

    def sent(self) -> list[str]:
        """The operations of all calls so far that changed something, and forget them."""
        calls = self.plane.journal.mutating()
        self.plane.journal.calls.clear()
        return calls


class _Recorded(InProcessClient):
    """A client of the worker: what is called through it is what its roles must allow."""

    def __init__(self, world: SandboxWorld, service: str) -> None:
        super().__init__(world.plane, service, world.round_trip)
        self._hanging = world.hanging

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = operation_of(method)
        note("worker", self._service, operation)
        return _never if operation in self._hanging else super().__getattr__(method)


async def _never(**params: Any) -> None:
    del params
    await anyio.sleep_forever()


def provision(document: Mapping[str, Any], request_id: str, **more: Any) -> Request:
    return Request(
        mode=Mode.PROVISION,
        request_id=request_id,
        stack=str(document.get("stack", "")),
        document=dict(document),
        **more,
    )


def virtual_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop on virtual time that begins at zero; it moves on as soon as nothing is left to do."""
    return looptime.new_event_loop(noop_cycles=0)


def virtually(job: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a job on a loop of its own whose virtual time begins at zero, so that it repeats to the letter."""
    with asyncio.Runner(loop_factory=virtual_loop) as runner:
        return runner.run(job())
