"""Learns every outbound call and ledger write of a fault-free run, then repeats the run with faults at them.

A crash is a BaseException that nothing of ours can catch, and a dead process does nothing more: every later call
and write of it raises again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import anyio
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.deadline import Deadline
from infra.ledger import Change, Item, Key, Ledger
from infra.sandbox.client import operation_of
from infra.service_model import is_mutating
from infra.tasks import first_of
from tests.clients import ClientAround
from tests.everything.states import state
from tests.worlds import SandboxWorld
from workflows.planner.outcome import Outcome, Status
from workflows.records.resource_items import read_record
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.service import handle

#: Seconds after which a request arrives that was lost on its way.
LATE_SECONDS = 40.0


class Crash(BaseException):
    """The process is dead."""


class At(StrEnum):
    """Where a fault strikes."""

    BEFORE_SENDING = "killed before sending"
    EFFECT_LOST = "request lost"
    ANSWER_LOST = "effect done, answer lost"
    NOT_REMEMBERED = "killed with the answer"
    LATE = "no answer, effect later"
    BEFORE_WRITE = "killed before a ledger write"
    AFTER_WRITE = "killed after a ledger write"
    WRITE_REFUSED = "ledger out of reach"
    WRITE_UNANSWERED = "ledger write done, answer lost"


CALLS = (At.BEFORE_SENDING, At.EFFECT_LOST, At.ANSWER_LOST, At.NOT_REMEMBERED, At.LATE)
WRITES = (At.BEFORE_WRITE, At.AFTER_WRITE, At.WRITE_REFUSED, At.WRITE_UNANSWERED)


@dataclass(frozen=True)
class Point:
    """A fault, and the call or write of a history at which it strikes."""

    at: At
    index: int

    def __str__(self) -> str:
        return f"{self.at} ({self.index})"


@dataclass
class History:
    """What all processes that work on one request do, one after the other, and the faults that they meet."""

    faults: tuple[Point, ...] = ()
    calls: list[str] = field(default_factory=list)
    writes: int = 0
    struck: list[Point] = field(default_factory=list)
    #: Requests that are still on their way.
    late: set[asyncio.Task[None]] = field(default_factory=set)

    def strikes(self, at: At, index: int) -> bool:
        point = Point(at, index)
        hit = point in self.faults and point not in self.struck
        if hit:
            self.struck.append(point)
        return hit

    def arrives_late(self, method: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        async def arrive() -> None:
            await anyio.sleep(LATE_SECONDS)
            try:
                await method()
            except ClientError:
                return  # it came too late

        task = asyncio.get_running_loop().create_task(arrive())
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    async def all_arrived(self) -> None:
        await asyncio.gather(*self.late)


@dataclass
class Process:
    """One worker process: dies or is deceived where its history says so."""

    history: History = field(default_factory=History)
    dead: bool = False

    @classmethod
    def struck(cls, at: At, index: int) -> "Process":
        """Return a process that meets one fault."""
        return cls(History((Point(at, index),)))

    def live(self) -> None:
        if self.dead:
            raise Crash

    def die(self) -> None:
        self.dead = True
        raise Crash

    async def call(self, operation: str, method: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        self.live()
        history = self.history
        index = len(history.calls)
        history.calls.append(operation)
        if history.strikes(At.BEFORE_SENDING, index):
            self.die()
        if history.strikes(At.EFFECT_LOST, index):
            raise ReadTimeoutError(endpoint_url="https://lost")
        if history.strikes(At.LATE, index):
            if is_mutating(operation_of(operation)):
                history.arrives_late(method)
            raise ReadTimeoutError(endpoint_url="https://lost")
        refusal: ClientError | None = None
        answer: dict[str, Any] = {}
        try:
            answer = await method()
        except ClientError as error:
            # A refusal is an answer too: it can be lost, or seen and not remembered.
            refusal = error
        self.live()
        if history.strikes(At.ANSWER_LOST, index):
            raise ReadTimeoutError(endpoint_url="https://lost")
        if history.strikes(At.NOT_REMEMBERED, index):
            self.die()
        if refusal is not None:
            raise refusal
        return answer

    async def write(self, write: Callable[[], Awaitable[None]]) -> None:
        self.live()
        history = self.history
        index = history.writes
        history.writes += 1
        if history.strikes(At.BEFORE_WRITE, index):
            self.die()
        if history.strikes(At.WRITE_REFUSED, index):
            raise OSError("the ledger cannot be reached")
        await write()
        if history.strikes(At.AFTER_WRITE, index):
            self.die()
        if history.strikes(At.WRITE_UNANSWERED, index):
            raise OSError("the ledger does not answer")


class FaultyClient(ClientAround):
    """A client in the hands of a process."""

    def __init__(self, process: Process, client: Any) -> None:
        super().__init__(client)
        self._process = process

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

    async def keys(self, partition: str) -> list[str]:
        return await self._ledger.keys(partition)

    async def partitions(self, prefix: str = "") -> list[str]:
        return await self._ledger.partitions(prefix)

    async def faults(self) -> list[str]:
        return await self._ledger.faults()

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
    #: How many changing calls one fault may have repeated: those that were in flight together.
    repeated: int = 2

    @property
    def after(self) -> Request:
        """What is asked for once it has ended, and changes nothing."""
        return self.then or self.request


@dataclass(frozen=True)
class Trace:
    """What a fault-free run did."""

    calls: int
    writes: int
    mutating: int
    snapshot: Mapping[str, Any]
    status: Status

    @property
    def points(self) -> list[Point]:
        """Every place for a fault."""
        calls = [Point(at, index) for at in CALLS for index in range(self.calls)]
        return calls + [Point(at, index) for at in WRITES for index in range(self.writes)]


def context_of(world: SandboxWorld, process: Process) -> Context:
    context = world.context()

    async def client(service: str) -> FaultyClient:
        return FaultyClient(process, world.client(service))

    return replace(context, aws=replace(context.aws, client=client), ledger=FaultyLedger(process, world.ledger))


async def run_once(
    world: SandboxWorld, process: Process, request: Request, *, seconds: float = 300.0
) -> Outcome | None:
    """Run in a process; None when it died, or when its ledger could not be had: the request is delivered again."""
    try:
        return await handle(context_of(world, process), request, Deadline.within(seconds))
    except BaseException as error:
        if isinstance(first_of(error), Crash | OSError):
            return None
        raise


async def run_until_settled(world: SandboxWorld, history: History, request: Request) -> Outcome:
    """Run in one process after the other, as deliveries of a queue would, until the request is settled."""
    for _ in range(20):
        outcome = await run_once(world, Process(history), request)
        if outcome is not None and outcome.status is not Status.IN_PROGRESS:
            return outcome
        await anyio.sleep(outcome.retry_after if outcome is not None and outcome.retry_after else 30)
    raise AssertionError("twenty deliveries did not settle the request")


async def learn(scenario: Scenario) -> Trace:
    """Run without a fault and note what happens."""
    world = scenario.world()
    await scenario.prepare(world)
    world.sent()
    process = Process()
    outcome = await run_once(world, process, scenario.request)
    assert outcome is not None
    calls, writes = len(process.history.calls), process.history.writes
    trace = Trace(calls, writes, len(world.sent()), snapshot(world), outcome.status)
    world.close()
    return trace


async def strike(scenario: Scenario, trace: Trace, *faults: Point) -> tuple[list[Point], list[str]]:
    """Repeat the run with faults; return those that were met, and what is wrong in the end."""
    world = scenario.world()
    await scenario.prepare(world)
    world.sent()
    history = History(faults)
    # A creation that arrives twice is one as long as its token is remembered; what follows from a service that
    # forgets tokens with what they made, nobody can mend.
    world.behaviour.tokens_outlive = any(point.at is At.LATE for point in faults)
    wrong: list[str] = []
    try:
        wrong += await _end(world, scenario, trace, history)
    except AssertionError as error:
        wrong.append(str(error))
    finally:
        for task in list(history.late):
            task.cancel()
        world.close()
    return history.struck, [f"{scenario.name}, {', '.join(map(str, faults))}: {one}" for one in wrong]


async def _end(world: SandboxWorld, scenario: Scenario, trace: Trace, history: History) -> list[str]:
    """Bring a request to its end and say what is not as it should be then."""
    outcome = await run_until_settled(world, history, scenario.request)
    mutating = len(world.sent())
    wrong = [] if history.struck else ["the fault never struck"]
    if mutating > trace.mutating + scenario.repeated * len(history.struck):
        wrong.append(f"{mutating} mutating calls where {trace.mutating} do")
    if any(point.at is At.LATE for point in history.struck):
        # What arrives after everything is done is a change by others: the next run mends it.
        await history.all_arrived()
        await run_until_settled(world, History(), scenario.after.model_copy(update={"request_id": "mend"}))
    return wrong + await wrong_in_the_end(world, scenario, trace, outcome)


async def wrong_in_the_end(world: SandboxWorld, scenario: Scenario, trace: Trace, outcome: Outcome) -> list[str]:
    """Say what is not as it should be once a request has ended; a further run is a part of that."""
    world.sent()
    wrong = []
    if outcome.status is not trace.status:
        wrong.append(f"ended {outcome.status}: {[f.message for f in outcome.failures]}")
    if snapshot(world) != trace.snapshot:
        wrong.append("the world is not as declared")
    if world.plane.world.records.doubles:
        wrong.append(f"doubled: {world.plane.world.records.doubles}")
    wrong += await unknown_to_ledger(world)
    await run_until_settled(world, History(), scenario.after.model_copy(update={"request_id": "again"}))
    if sent := world.sent():
        wrong.append(f"a further run sent {sent}")
    return wrong


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
        known |= {read_record(item).id for item in items}
    mine = {name: record for name, record in world.live.items() if record.kind != "memory"}
    return [f"{name} is unknown to the ledger" for name, record in mine.items() if record.id not in known]
