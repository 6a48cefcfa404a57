"""The lease of a stack: which run may change it.

A lease is a small item beside the stack's own: its holder raises a counter every few seconds. No clock of one machine
is compared with that of another: a run that waits takes the lease once the counter stood still for `EXPIRED_SECONDS`
on its own clock, so that a holder that was killed hinders nobody for long. A holder that could not raise the counter
for `SILENT_SECONDS` sends no more calls, since another run may hold the lease by now.

A holder that died may have sent a call just before, which is still on its way. The taker of an expired lease only reads
the resource of that call until `IN_FLIGHT_SECONDS` after the intent was recorded; both moments are told by the clock of
the holder that died, and the time since then by that of the taker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio

from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime
from infra.ledger import ConditionFailed, Item, Key, Ledger, Put
from workflows.records.items import SCHEMA, readable

RENEW_SECONDS = 4.0
EXPIRED_SECONDS = 12.0
SILENT_SECONDS = 8.0
IN_FLIGHT_SECONDS = 30.0
#: Seconds that are lost in the arithmetic of clocks: no wait of so little would end.
_ROUNDING = 0.001
#: Seconds between two reads of one who waits for a counter to move.
_POLL_SECONDS = 2.0
#: Seconds after which it is worth asking again for a lease whose holder works on the same generation, or on an older
#: one and stops soon.
_SAME_GENERATION, _OLDER_GENERATION = 60.0, 10.0


class LeaseLost(Exception):  # noqa: N818 - it says what happened
    """Another run holds the stack now, or a newer generation was accepted: this run must stop."""


class LeaseHeld(Exception):  # noqa: N818 - it says what is so
    """Another run holds the stack; after `retry_after` seconds it is worth asking again."""

    def __init__(self, retry_after: float, holder: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"another run works on this stack{_named(holder or {})}")
        self.retry_after = retry_after


def _named(holder: Mapping[str, Any]) -> str:
    """Say who holds a lease, as far as the lease says it."""
    since = datetime.fromtimestamp(float(holder["since"]), UTC) if holder.get("since") else None
    parts = (
        f"request {holder['request']}" if holder.get("request") else "",
        f"on {holder['worker']}" if holder.get("worker") else "",
        f"since {since:%Y-%m-%dT%H:%M:%SZ}" if since else "",
    )
    text = " ".join(part for part in parts if part)
    return f": {text}" if text else ""


def lease_key(partition: str) -> Key:
    """Return the key of a stack's lease."""
    return Key(partition, "lease")


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: a run, the request that it works on, and where it runs."""

    run_id: str
    generation: int
    request: str = ""
    worker: str = ""


@dataclass(frozen=True)
class Free:
    """A lease that may be taken: its item as it was read last, and for how many seconds its counter stood still.

    `expired` is None where nobody held it.
    """

    item: Item | None
    expired: float | None = None


async def wait_until_free(ledger: Ledger, partition: str, generation: int, deadline: Deadline) -> Free:
    """Return the lease once nobody holds it, or once its counter stood still for long enough. Raises LeaseHeld."""
    first = await _read(ledger, partition)
    if first is None or not first.get("holder"):
        return Free(first)
    began = anyio.current_time()
    while True:
        if deadline.remaining() < _POLL_SECONDS:
            raise LeaseHeld(1.0, first)
        stood = anyio.current_time() - began
        # The last read may have taken longer than what was left.
        await anyio.sleep(max(0.0, min(_POLL_SECONDS, EXPIRED_SECONDS - stood + _ROUNDING)))
        stood = anyio.current_time() - began
        now = await _read(ledger, partition)
        if now is None or not now.get("holder"):
            return Free(now)
        if now["counter"] != first["counter"]:
            # A run for an older generation notices the newer one and stops; one for this generation may take its time.
            raise LeaseHeld(_SAME_GENERATION if now.get("generation") == generation else _OLDER_GENERATION, now)
        if stood >= EXPIRED_SECONDS:
            return Free(first, stood)


async def _read(ledger: Ledger, partition: str) -> Item | None:
    item = await ledger.get(lease_key(partition))
    return readable(item) if item is not None else None


@dataclass
class Lease:
    """The lease in the hands of its holder. `now` is in seconds since the epoch."""

    ledger: Ledger
    partition: str
    holder: Holder
    free: Free
    since: float
    counter: int = 0
    #: When the last renewal that was taken began, on the loop's clock.
    renewed: float = field(default_factory=anyio.current_time)
    #: Whether the last renewal had no answer.
    _uncertain: bool = False

    def __post_init__(self) -> None:
        self.counter = int((self.free.item or {}).get("counter", 0)) + 1
        self._taken = anyio.current_time()
        self._death = _death(self.free, self.since)

    def taking(self) -> Put:
        """Return the write that takes the lease: of those who try, one succeeds."""
        before = self.free.item
        item = self._item(self.since, self.counter)
        return Put(lease_key(self.partition), item, when={"counter": (before or {}).get("counter")})

    def releasing(self, now: float) -> Put:
        """Return the write that gives the lease back."""
        item = {**self._item(now, self.counter + 1), "holder": None}
        return Put(lease_key(self.partition), item, when={"holder": self.holder.run_id})

    async def renew(self, now: float) -> None:
        """Raise the counter. Raises LeaseLost when another run holds the lease."""
        began = anyio.current_time()
        try:
            if self._uncertain:
                await self._read_counter()
            when = {"holder": self.holder.run_id, "counter": self.counter}
            await self.ledger.write(Put(lease_key(self.partition), self._item(now, self.counter + 1), when=when))
        except ConditionFailed:
            raise LeaseLost from None
        except (OSError, CallFailed, OutOfTime):
            # The ledger cannot be reached, and whether it took this is not known.
            self._uncertain = True
            return
        self.counter, self.renewed, self._uncertain = self.counter + 1, began, False

    async def _read_counter(self) -> None:
        item = await _read(self.ledger, self.partition)
        if item is None or item.get("holder") != self.holder.run_id:
            raise LeaseLost
        self.counter = int(item["counter"])

    def require(self) -> None:
        """Raise LeaseLost where the counter could not be raised for so long that another run may hold the lease."""
        if anyio.current_time() - self.renewed > SILENT_SECONDS:
            raise LeaseLost

    def in_flight_for(self, intent_at: float) -> float:
        """Return the seconds for which the call of an intent, recorded by a dead holder, may still be in flight."""
        death = self._death
        if death is None:
            return 0.0
        age = max(float(death["at"]) - intent_at, -SILENT_SECONDS) + float(death["stood"])
        left = IN_FLIGHT_SECONDS - age - (anyio.current_time() - self._taken)
        return left if left > _ROUNDING else 0.0

    def _item(self, now: float, counter: int) -> Item:
        holder = self.holder
        return {
            "schema": SCHEMA,
            "holder": holder.run_id,
            "counter": counter,
            "at": now,
            "since": self.since,
            "generation": holder.generation,
            "request": holder.request,
            "worker": holder.worker,
            "death": self._death,
        }


def _death(free: Free, now: float) -> Mapping[str, Any] | None:
    """Return the last death of a holder, as the lease keeps it for the runs that follow; None where none matters now.

    `at` is its last renewal, by its own clock; `stood` for how many seconds the counter had stood still when that was
    `found`, by the clock of the run that found it.
    """
    before = free.item or {}
    if free.expired is not None:
        return {"at": before.get("at", 0.0), "stood": free.expired, "found": now}
    death: Mapping[str, Any] | None = before.get("death")
    passed = max(0.0, now - float(death["found"])) if death else IN_FLIGHT_SECONDS
    return {**death, "stood": death["stood"] + passed, "found": now} if death and passed < IN_FLIGHT_SECONDS else None
