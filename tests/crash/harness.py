"""Learns every outbound call and ledger write of a fault-free run, then repeats the run with one fault at each.

A crash is a BaseException that nothing of ours can catch, and a dead process does nothing more: every later call
and write of it raises again.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import anyio
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.deadline import Deadline
from infra.ledger import Change, Item, Key, Ledger
from infra.tasks import first_of
from tests.everything.states import state
from tests.worlds import SandboxWorld
from workflows.context import Context
from workflows.fulfil import fulfil
from workflows.memory import Memory
from workflows.outcome import Outcome, Status
from workflows.request import Request


class Crash(BaseException):
    """The process is dead."""


class At(StrEnum):
    """Where the fault strikes."""

    BEFORE_SENDING = "before sending"
    EFFECT_LOST = "effect lost"
    ANSWER_LOST = "effect done, answer lost"
    NOT_REMEMBERED = "answer seen, not remembered"
    BEFORE_WRITE = "before a ledger write"
    AFTER_WRITE = "after a ledger write"


CALLS = (At.BEFORE_SENDING, At.EFFECT_LOST, At.ANSWER_LOST, At.NOT_REMEMBERED)
WRITES = (At.BEFORE_WRITE, At.AFTER_WRITE)


@dataclass
class Process:
    """One worker process: counts what it does, and dies or is deceived where it is told to."""

    fault: At | None = None
    index: int = -1
    calls: list[str] = field(default_factory=list)
    writes: int = 0
    dead: bool = False
    struck: bool = False

    def live(self) -> None:
        if self.dead:
            raise Crash

    def die(self) -> None:
        self.dead = True
        raise Crash

    def strikes(self, at: At, index: int) -> bool:
        hit = self.fault is at and self.index == index and not self.struck
        self.struck = self.struck or hit
        return hit

    async def call(self, operation: str, method: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        self.live()
        index = len(self.calls)
        self.calls.append(operation)
        if self.strikes(At.BEFORE_SENDING, index):
            self.die()
        if self.strikes(At.EFFECT_LOST, index):
            raise ReadTimeoutError(endpoint_url="https://lost")
        refusal: ClientError | None = None
        answer: dict[str, Any] = {}
        try:
            answer = await method()
        except ClientError as error:
            # A refusal is an answer too: it can be lost, or seen and not remembered.
            refusal = error
        self.live()
        if self.strikes(At.ANSWER_LOST, index):
            raise ReadTimeoutError(endpoint_url="https://lost")
        if self.strikes(At.NOT_REMEMBERED, index):
            self.die()
        if refusal is not None:
            raise refusal
        return answer

    async def write(self, write: Callable[[], Awaitable[None]]) -> None:
        self.live()
        index = self.writes
        self.writes += 1
        if self.strikes(At.BEFORE_WRITE, index):
            self.die()
        await write()
        if self.strikes(At.AFTER_WRITE, index):
            self.die()


class FaultyClient:
    """A client in the hands of a process."""

    def __init__(self, process: Process, client: Any) -> None:
        self._process = process
        self._client = client

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        async def call(**params: Any) -> dict[str, Any]:
            return await self._process.call(method, lambda: getattr(self._client, method)(**params))

        return call


class FaultyLedger:
    """A ledger in the hands of a process."""

    def __init__(self, process: Process, ledger: Ledger) -> None:
        self._process = process
        self._ledger = ledger

    async def get(self, key: Key) -> Item | None:
        self._process.live()
        return await self._ledger.get(key)

    async def query(self, partition: str, prefix: str = "") -> dict[str, Item]:
        self._process.live()
        return await self._ledger.query(partition, prefix)

    async def partitions(self, prefix: str = "") -> list[str]:
        return await self._ledger.partitions(prefix)

    async def write(self, *changes: Change) -> None:
        await self._process.write(lambda: self._ledger.write(*changes))


@dataclass(frozen=True)
class Scenario:
    """A path to test: what is done before, without faults, and the request that meets them."""

    name: str
    prepare: Callable[[SandboxWorld], Awaitable[None]]
    request: Request
    world: Callable[[], SandboxWorld] = SandboxWorld
    #: What changes nothing afterwards; the request itself where there is nothing else.
    then: Request | None = None


@dataclass(frozen=True)
class Trace:
    """What a fault-free run did."""

    calls: int
    writes: int
    mutating: int
    snapshot: Mapping[str, Any]
    status: Status


def context_of(world: SandboxWorld, process: Process) -> Context:
    context = world.context()

    async def client(service: str) -> FaultyClient:
        return FaultyClient(process, world.client(service))

    return replace(context, aws=replace(context.aws, client=client), ledger=FaultyLedger(process, world.ledger))


async def run_once(world: SandboxWorld, process: Process, request: Request) -> Outcome | None:
    """Run in a process; None when it died."""
    try:
        return await fulfil(context_of(world, process), request, Deadline.within(300))
    except BaseException as error:
        if isinstance(first_of(error), Crash):
            return None
        raise


async def run_until_settled(world: SandboxWorld, first: Process, request: Request) -> Outcome:
    """Run in one process after the other, as deliveries of a queue would, until the request is settled."""
    process = first
    for _ in range(20):
        outcome = await run_once(world, process, request)
        if outcome is not None and outcome.status is not Status.IN_PROGRESS:
            return outcome
        await anyio.sleep(outcome.retry_after if outcome is not None and outcome.retry_after else 30)
        process = Process()
    raise AssertionError("twenty deliveries did not settle the request")


async def learn(scenario: Scenario) -> Trace:
    """Run without a fault and note what happens."""
    world = scenario.world()
    await scenario.prepare(world)
    world.sent()
    process = Process()
    outcome = await run_once(world, process, scenario.request)
    assert outcome is not None
    trace = Trace(len(process.calls), process.writes, len(world.sent()), snapshot(world), outcome.status)
    world.close()
    return trace


async def strike(scenario: Scenario, trace: Trace, at: At, index: int) -> list[str]:
    """Repeat the run with one fault and return what is wrong in the end."""
    world = scenario.world()
    await scenario.prepare(world)
    world.sent()
    process = Process(at, index)
    outcome = await run_until_settled(world, process, scenario.request)
    mutating = len(world.sent())
    wrong = []
    if not process.struck:
        wrong.append("the fault never struck")
    if outcome.status is not trace.status:
        wrong.append(f"ended {outcome.status}: {[f.message for f in outcome.failures]}")
    if snapshot(world) != trace.snapshot:
        wrong.append("the world is not as declared")
    if world.plane.world.records.doubles:
        wrong.append(f"doubled: {world.plane.world.records.doubles}")
    if mutating > trace.mutating + 2:
        wrong.append(f"{mutating} mutating calls where {trace.mutating} do")
    wrong += await unknown_to_ledger(world)
    again = (scenario.then or scenario.request).model_copy(update={"request_id": "again"})
    await run_until_settled(world, Process(), again)
    if sent := world.sent():
        wrong.append(f"a further run sent {sent}")
    world.close()
    return [f"{scenario.name}, {at} {index}: {one}" for one in wrong]


def snapshot(world: SandboxWorld) -> dict[str, Any]:
    """The state of the world without what differs from run to run."""
    shown = state(world)
    statuses = {name: record.status for name, record in world.live.items()}
    return {"shown": shown, "statuses": statuses}


async def unknown_to_ledger(world: SandboxWorld) -> list[str]:
    """Name live resources that the ledger does not know by id."""
    known = set()
    for partition in await world.ledger.partitions():
        items = (await world.ledger.query(partition, "resource#")).values()
        known |= {Memory.read(item).id for item in items}
    mine = {name: record for name, record in world.live.items() if record.kind != "memory"}
    return [f"{name} is unknown to the ledger" for name, record in mine.items() if record.id not in known]
