"""What goes wrong in a simulated life: faults of calls and writes by chance, and what others do to the service."""

import asyncio
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.sandbox.client import operation_of
from infra.sandbox.records import GONE, TRANSITIONAL, Record
from infra.sandbox.refusals import Refusal
from infra.sandbox.world import Failure
from tests.crash.harness import CALLS, WRITES, At, History, Process
from tests.documents import mcp_target
from tests.soak.documents import SHARED
from tests.soak.faults import NAMES
from tests.worlds import SandboxWorld

T = TypeVar("T")
#: Faults of calls beside those of the crash harness, which take the place of an answer.
THROTTLED, SERVER_ERROR, SLOW = "throttled", "server error", "slow answer"
_CODES = {THROTTLED: ("ThrottlingException", 429), SERVER_ERROR: ("InternalServerException", 500)}
#: What others do, by name; see `Others`.
DEEDS = (
    "change by hand", "deletion by hand", "target by hand", "failing", "freezing", "consent", "lagging reads",
    "rotation",
)  # fmt: skip
#: What others name what they make under gateways of ours.
BY_HAND = "by-hand"
#: The end of a process at any moment, between its calls or during them.
SUDDEN = "killed at a random moment"
FAULTS = (*map(str, (*CALLS, *WRITES)), *_CODES, SLOW, SUDDEN, *NAMES, *DEEDS)


@dataclass
class Chance(History):
    """A history whose faults strike by chance; `met` counts them by name."""

    random: Random = field(default_factory=Random)
    rate: float = 0.0
    met: Counter[str] = field(default_factory=Counter)

    def strikes(self, at: At, index: int) -> bool:
        return self.happens(str(at))

    def happens(self, fault: str) -> bool:
        hit = self.random.random() < self.rate
        self.met[fault] += hit
        return hit


@dataclass
class Victim(Process):
    """A process whose calls are also throttled, failed and slow."""

    async def call(self, operation: str, method: Any) -> dict[str, Any]:
        self.live()
        assert isinstance(self.history, Chance)
        for fault, (code, status) in _CODES.items():
            if self.history.happens(fault):
                error = {"Code": code, "Message": "by chance"}
                raise ClientError(
                    {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, operation_of(operation)
                )
        if self.history.happens(SLOW):
            await anyio.sleep(self.history.random.uniform(1.0, 30.0))
            if self.history.random.random() < 0.5:
                raise ReadTimeoutError(endpoint_url="https://slow")
        return await super().call(operation, method)

    async def call_on_wire(self, method: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Call where the faults are those of the wire; the process may be killed before and after."""
        self.live()
        assert isinstance(self.history, Chance)
        if self.history.happens(str(At.BEFORE_SENDING)):
            self.die()
        try:
            answer = await method()
        finally:
            self.live()
            if self.history.happens(str(At.NOT_REMEMBERED)):
                self.die()
        return answer


class Others:
    """People and programs that work on the same account, for as long as they are let."""

    def __init__(self, world: SandboxWorld, random: Random, met: Counter[str]) -> None:
        self._world = world
        self._random = random
        self._met = met
        self._frozen: list[Record] = []

    async def work(self) -> None:
        """Do something every now and then."""
        while True:
            await anyio.sleep(self._random.expovariate(1 / 20.0))
            deed = self._random.choice(DEEDS)
            if getattr(self, "_" + deed.replace(" ", "_"))():
                self._met[deed] += 1

    def rest(self) -> None:
        """Stop, and let everything go on that was frozen or failing."""
        world = self._world.plane.world
        world.failing.clear()
        world.behaviour.durations.visible_after = 0.0
        world.behaviour.consent_seconds = 600.0
        self._let_go()
        for record in list(world.records.live("target")):
            if record.name == BY_HAND:
                record.status, record.next = GONE, None

    def consent_to_all(self) -> int:
        """Open every authorization URL; return how many of them had not expired."""
        given = 0
        for record in list(self._world.plane.world.records.live("target")):
            session = record.extra.get("consent", {}).get("session")
            if session is not None:
                with suppress(Refusal):
                    self._world.plane.targets.consent.give(session)
                    given += 1
        return given

    def _any(self) -> Record | None:
        records = [one for one in self._world.live.values() if one.kind != "memory" and one.name != SHARED]
        return self._random.choice(records) if records else None

    def _change_by_hand(self) -> bool:
        record = self._any()
        if record is None or record.status != "READY" or "description" not in record.request:
            return False
        record.request = {**record.request, "description": f"changed by hand {self._random.random():.3f}"}
        record.updated = self._world.plane.world.now
        return True

    def _deletion_by_hand(self) -> bool:
        record = self._any()
        inside = record is not None and any(self._world.plane.world.records.live("target", record.id))
        if record is None or inside or record.status != "READY":
            return False
        record.status, record.next = GONE, None
        return True

    def _target_by_hand(self) -> bool:
        """Make a target under a gateway, for as long as others work."""
        found = self._any()
        if found is None or found.kind != "gateway" or found.name == SHARED:
            return False
        try:
            self._world.plane.answer(
                "CreateGatewayTarget", {"gatewayIdentifier": found.id, "name": BY_HAND, **mcp_target()}
            )
        except Refusal:
            return False
        return True

    def _failing(self) -> bool:
        record = self._any()
        failing = self._world.plane.world.failing
        if failing or record is None:
            failing.clear()
            return False
        what = self._random.choice((("CREATE", "UPDATE"), ("CREATE", "UPDATE"), ("DELETE",), ("SYNCHRONIZE",)))
        failing[record.name] = Failure(self._random.choice((1, 2, -1)), "by chance", frozenset(what))
        return True

    def _freezing(self) -> bool:
        """Have one name move no more, or let go what does not."""
        frozen, record = self._world.plane.world.stuck, self._any()
        if frozen or record is None:
            self._let_go()
            return False
        frozen.add(record.name)
        return True

    def _let_go(self) -> None:
        world = self._world.plane.world
        world.stuck.clear()
        for record in self._world.live.values():
            if record.status in TRANSITIONAL and record.next is None:
                record.plan(world.now + 1.0, GONE if record.status == "DELETING" else "READY")

    def _rotation(self) -> bool:
        """Give a secret another version."""
        secrets = self._world.plane.world.secrets
        found = secrets.find("payments/idp")
        assert found is not None
        secrets.put("payments/idp", next(iter(found.versions.values())))
        return True

    def _consent(self) -> bool:
        return bool(self.consent_to_all())

    def _lagging_reads(self) -> bool:
        self._world.plane.behaviour.durations.visible_after = self._random.choice((0.0, 5.0, 60.0))
        return True


class Sudden:
    """Kills processes at moments that have nothing to do with what they are doing."""

    def __init__(self, random: Random, met: Counter[str]) -> None:
        self._random = random
        self._met = met

    async def outlives(self, process: Process, job: Callable[[], Awaitable[T]]) -> T | None:
        """Do the job of a process, or a part of it; None where the process was killed meanwhile."""
        if self._random.random() > 0.15:
            return await job()
        with anyio.CancelScope() as scope:

            def kill() -> None:
                self._met[SUDDEN] += 1
                process.dead = True
                scope.cancel()

            seconds = self._random.choice((0.1, 1.0, 10.0, 60.0)) * self._random.random()
            timer = asyncio.get_running_loop().call_later(seconds, kill)
            try:
                made = await job()
            finally:
                timer.cancel()
            return None if process.dead else made
        return None


def of_ledger(error: BaseException) -> bool:
    """Tell whether an exception says that the ledger cannot be used: after that a request is delivered again."""
    return isinstance(error, OSError) and not isinstance(error, TimeoutError) and "the ledger" in str(error)


def bare(error: BaseException) -> str:
    """Name an exception, the innermost place at which it was raised, and the innermost one in the code of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/workflows/" in frame.filename or "/infra/" in frame.filename]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in (frames[-1:] + ours[-1:])]
    return f"{type(error).__name__}: {error} at {', within '.join(dict.fromkeys(places))}"
