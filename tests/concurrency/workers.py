"""Workers on one stack under a seeded scheduler on virtual time, and a history of what they did that judges it.

Every call and every ledger operation of a worker takes a random while before and after its effect. A worker may be
killed at one of them, or frozen as a whole for so long that another takes the stack: it is a zombie when it wakes up.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import anyio

from infra.deadline import Deadline
from infra.errors import OutOfTime
from infra.ledger import Change, Item, Key, Ledger, Put
from infra.sandbox.client import operation_of
from infra.service_model import is_mutating
from infra.tasks import first_of
from tests.crash.harness import Crash
from tests.worlds import EPOCH, SandboxWorld
from workflows.kinds import KINDS
from workflows.planner.decision import Action
from workflows.planner.outcome import Outcome, Status
from workflows.records.resource_items import read_record
from workflows.requests.context import Context
from workflows.requests.request import Request
from workflows.service import handle

T = TypeVar("T")
#: Seconds that a worker has for one delivery.
SECONDS = 120.0
#: Seconds between two looks of a frozen worker at whether it may go on.
_NAP = 5.0
#: Seconds that are none to the virtual clock.
_INSTANT = 1e-3
_OPERATIONS = {
    (kind.service, getattr(kind.operations, verb)): (kind, action)
    for kind in KINDS
    for verb, action in (
        ("create", Action.CREATE), ("update", Action.UPDATE), ("delete", Action.DELETE),
    )
} | {
    (kind.service, kind.synchronization.operation): (kind, Action.SYNCHRONIZE)
    for kind in KINDS if kind.synchronization is not None
}  # fmt: skip
_TAGGING = ("TagResource", "UntagResource")


@dataclass
class History:
    """What the workers of one stack did: who took the lease when, what was marked, what was sent by whom."""

    takers: list[str] = field(default_factory=list)
    #: (run, section, name, action) of every mark that stands in the ledger.
    marks: set[tuple[str, str, str, str]] = field(default_factory=set)
    #: Mutating calls that a run sent after another had taken the lease; and those that it had not marked by then, or
    #: before a newer generation was accepted.
    late: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    #: Writes that a run without the lease got through.
    broken: list[str] = field(default_factory=list)
    _named: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: For which generation each run holds, or held, the lease; and the newest that was accepted.
    _generations: dict[str, int] = field(default_factory=dict)
    _accepted: int = 0

    @property
    def created_late(self) -> bool:
        """Whether a run sent a creation after another had taken its stack."""
        return any(" sent Create" in one for one in self.late)

    def sent(self, run: str, service: str, operation: str, params: Mapping[str, Any]) -> None:
        """Judge a call at the moment of its effect."""
        mine, older = self.takers[-1:] == [run], self._generations.get(run, 0) < self._accepted
        if not is_mutating(operation) or (mine and not older):
            return
        if not mine:
            self.late.append(f"{run} sent {operation} though {self.takers[-1:]} holds the stack")
        if (run, *self._about(service, operation, params)) not in self.marks:
            self.unmarked.append(f"{run} sent {operation} unmarked")

    def wrote(self, run: str, changes: tuple[Change, ...], before: Item) -> None:
        """Judge a write that succeeded, by the stack's item as it was before."""
        mine = before.get("leaseId") == run
        for change in changes:
            if not isinstance(change, Put):
                continue
            if change.key.sort == "stack":
                self._wrote_stack(run, change.item, before, mine=mine)
                continue
            if change.key.sort == "lease":
                continue  # taken with the stack's item, and otherwise under conditions of its own
            if not mine:
                self.broken.append(f"{run} wrote {change.key.sort} while {before.get('leaseId')} held the stack")
            elif self._generations[run] < before["generation"]:
                self.broken.append(f"{run} wrote {change.key.sort} after generation {before['generation']} came")
            if change.key.sort.startswith("resource#"):
                self._learn(run, change.item)

    def _wrote_stack(self, run: str, item: Item, before: Item, *, mine: bool) -> None:
        taken = item.get("leaseId") == run and not mine
        self._accepted = int(item["generation"])
        if taken:
            self.takers.append(run)
            self._generations[run] = self._accepted
        if not (mine or taken or item.get("leaseId") == before.get("leaseId")):
            self.broken.append(f"{run} gave away the lease of {before.get('leaseId')}")
        if not mine and item.get("outcome") not in (None, before.get("outcome")):
            self.broken.append(f"{run} wrote an outcome without the lease")

    def _learn(self, run: str, item: Item) -> None:
        record = read_record(item)
        about = (record.kind, record.name)
        self._named |= {str(one): about for one in (record.id, record.arn) if one}
        if record.log.intent is not None:
            self.marks.add((run, *about, str(record.log.intent.verb)))

    def _about(self, service: str, operation: str, params: Mapping[str, Any]) -> tuple[str, str, str]:
        if operation in _TAGGING:
            return (*self._named.get(params["resourceArn"], ("", "")), Action.TAG)
        if (service, operation) not in _OPERATIONS:
            return "", "", operation
        kind, action = _OPERATIONS[service, operation]
        if action is Action.CREATE:
            return kind.section, str(params[kind.name_member]), action
        if action is Action.SYNCHRONIZE:
            return (*self._named.get(params["targetIdList"][0], ("", "")), action)
        member = next(name for name, source in kind.address_members.items() if source != "parent")
        return (*self._named.get(params[member], ("", "")), action)


@dataclass(frozen=True)
class Trouble:
    """What befalls a worker at one of its operations, before or after that takes effect: frozen, or killed."""

    at: int
    after: bool = False
    #: How long it is frozen; None: it is killed.
    seconds: float | None = None


@dataclass
class Worker:
    """One process with one delivery. Its name is the id of its run."""

    world: SandboxWorld
    history: History
    name: str
    seed: int = 0
    #: The longest while, in seconds, before an effect and after it.
    slow: float = 0.5
    trouble: Trouble | None = None
    #: What its clock shows, from the true seconds.
    clock: Callable[[float], float] = float
    operations: int = 0
    struck: anyio.Event = field(default_factory=anyio.Event)
    frozen_until: float = 0.0
    _dead: bool = False

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} {self.name}")

    def context(self) -> Context:
        made = self.world.context()

        async def client(service: str) -> "_Client":
            return _Client(self, service)

        return replace(
            made,
            aws=replace(made.aws, client=client),
            ledger=_Ledger(self, self.world.ledger),
            now=lambda: EPOCH + timedelta(seconds=self.clock(anyio.current_time())),
            new_id=lambda: self.name,
        )

    async def deliver(self, request: Request, seconds: float = SECONDS) -> Outcome | None:
        """Fulfil a request; None when the process died, or had no time left before anything was decided."""
        try:
            return await handle(self.context(), request, Deadline.within(seconds))
        except OutOfTime:
            return None
        except BaseException as error:
            if isinstance(first_of(error), Crash):
                return None
            raise

    async def step(self, effect: Callable[[], Awaitable[T]]) -> T:
        """Do one operation."""
        index = self.operations
        self.operations += 1
        await self._pause(index, after=False)
        try:
            return await effect()
        finally:
            await self._pause(index, after=True)

    async def _pause(self, index: int, *, after: bool) -> None:
        self._live()
        trouble = self.trouble
        if trouble is not None and not self.struck.is_set() and (index, after) == (trouble.at, trouble.after):
            self.struck.set()
            self._dead = trouble.seconds is None
            self.frozen_until = anyio.current_time() + (trouble.seconds or 0.0)
        self._live()
        await anyio.sleep(self._random.uniform(0, self.slow))
        while (left := self.frozen_until - anyio.current_time()) > _INSTANT:  # noqa: ASYNC110 - it may be let go earlier
            await anyio.sleep(min(left, _NAP))
        self._live()

    def _live(self) -> None:
        if self._dead:
            raise Crash


class _Client:
    """A client in the hands of a worker."""

    def __init__(self, worker: Worker, service: str) -> None:
        self._worker = worker
        self._service = service
        self._client = worker.world.client(service)

    def __getattr__(self, method: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        operation = operation_of(method)

        async def send(params: Mapping[str, Any]) -> dict[str, Any]:
            try:
                answer: dict[str, Any] = await getattr(self._client, method)(**params)
                return answer
            finally:
                self._worker.history.sent(self._worker.name, self._service, operation, params)

        async def call(**params: Any) -> dict[str, Any]:
            return await self._worker.step(partial(send, params))

        return call


class _Ledger:
    """A ledger in the hands of a worker."""

    def __init__(self, worker: Worker, ledger: Ledger) -> None:
        self._worker = worker
        self._ledger = ledger

    async def get(self, key: Key) -> Item | None:
        return await self._worker.step(partial(self._ledger.get, key))

    async def query(self, partition: str, prefix: str = "") -> dict[str, Item]:
        return await self._worker.step(partial(self._ledger.query, partition, prefix))

    async def keys(self, partition: str) -> list[str]:
        return await self._ledger.keys(partition)

    async def partitions(self, prefix: str = "") -> list[str]:
        return await self._ledger.partitions(prefix)

    async def faults(self) -> list[str]:
        return await self._ledger.faults()

    async def write(self, *changes: Change) -> None:
        await self._worker.step(partial(self._write, changes))

    async def _write(self, changes: tuple[Change, ...]) -> None:
        # The embedded ledger never yields, so nobody comes between these.
        before = await self._ledger.get(Key(changes[0].key.partition, "stack")) or {}
        await self._ledger.write(*changes)
        self._worker.history.wrote(self._worker.name, changes, before)


async def consume(make: Callable[[int], Worker], request: Request, *, most: int = 40) -> Outcome:
    """Deliver a request to one worker after the other, as a queue does, until it is settled."""
    for number in range(most):
        outcome = await make(number).deliver(request)
        if outcome is not None and outcome.status is not Status.IN_PROGRESS:
            return outcome
        await anyio.sleep(outcome.retry_after if outcome is not None and outcome.retry_after else 30)
    raise AssertionError(f"{most} deliveries did not settle {request.request_id}")
