"""The lease of a stack: which run may change the stack.

The lease is a small ledger item beside the stack's record. The holder raises a counter in the item every
`RENEW_SECONDS`. No clock of one machine is compared with that of another in order to acquire or keep the lease:

- Acquisition: a run that finds a holder polls the counter. If the counter moves, the holder is alive, and LeaseHeld
  says when to ask again. If the counter stays the same for `EXPIRED_SECONDS` on the waiting run's own clock, the lease
  has expired, so that a killed holder does not block the stack for long. The acquiring write is conditional on the
  counter: of several waiting runs, exactly one acquires the lease.
- Renewal: a holder that could not raise the counter for `SILENT_SECONDS` sends no more calls (`Lease.require`), since
  another run may hold the lease by now. After a renewal without an answer, the holder reads the counter first.
- Release: the holder is removed from the item, so that the next run need not wait for the lease to expire.

A holder that died may have sent or repeated a call up to `SILENT_SECONDS` after its last renewal, and the call may
still be in flight. The run that acquires the expired lease only reads the resource of an unanswered call until
`IN_FLIGHT_SECONDS` after the last renewal (`Lease.in_flight_for`), measured by the clock of the acquiring run alone.
The item keeps the death of a holder for that long, for the runs that follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio

from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime
from infra.ledger import ConditionFailed, Item, Key, Ledger, Put
from workflows.records.items import SCHEMA, readable, reading

RENEW_SECONDS = 4.0
EXPIRED_SECONDS = 12.0
SILENT_SECONDS = 8.0
#: Seconds after the last renewal of a dead holder for which its calls may be in flight: `SILENT_SECONDS` in which a
#: call may be sent, the longest call (`infra.aws.CALL_SECONDS`), and 2 s for the network.
IN_FLIGHT_SECONDS = 30.0
#: Seconds lost to rounding in the arithmetic of clocks: a shorter wait might never end.
_ROUNDING = 0.001
#: Seconds between two reads of the counter while a run waits for the lease.
_POLL_SECONDS = 2.0
#: Seconds after which to ask again for the lease: its holder works on the same generation, or on an older generation
#: and therefore stops soon.
_SAME_GENERATION, _OLDER_GENERATION = 60.0, 10.0


class LeaseLost(Exception):  # noqa: N818 - named after the event
    """Another run holds the lease now, or a newer generation was accepted: this run must stop."""


class LeaseHeld(Exception):  # noqa: N818 - named after the state
    """Another run holds the lease; ask again after `retry_after` seconds."""

    def __init__(self, retry_after: float, holder: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"another run works on this stack{_named(holder or {})}")
        self.retry_after = retry_after


def _named(holder: Mapping[str, Any]) -> str:
    """Return a description of the holder of a lease, as far as the item has details."""
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
    """The holder of a lease: the run, the generation and request of the run, and the worker."""

    run_id: str
    generation: int
    request: str = ""
    worker: str = ""


@dataclass(frozen=True)
class Free:
    """A lease that may be acquired: the item as last read, and the seconds for which the counter did not move.

    `expired` is None if the lease had no holder.
    """

    item: Item | None
    expired: float | None = None


async def wait_until_free(ledger: Ledger, partition: str, generation: int, deadline: Deadline) -> Free:
    """Return the lease when there is no holder, or when the lease has expired. Raises LeaseHeld."""
    first = await read_lease(ledger, partition)
    if first is None or not first.get("holder"):
        return Free(first)
    began = anyio.current_time()
    while True:
        if deadline.remaining() < _POLL_SECONDS:
            raise LeaseHeld(1.0, first)
        stood = anyio.current_time() - began
        # The last read may have taken longer than the time that was left.
        await anyio.sleep(max(0.0, min(_POLL_SECONDS, EXPIRED_SECONDS - stood + _ROUNDING)))
        stood = anyio.current_time() - began
        now = await read_lease(ledger, partition)
        if now is None or not now.get("holder"):
            return Free(now)
        if now["counter"] != first["counter"]:
            # A run for an older generation notices the newer generation and stops; a run for this generation may go on.
            raise LeaseHeld(_SAME_GENERATION if now.get("generation") == generation else _OLDER_GENERATION, now)
        if stood >= EXPIRED_SECONDS:
            return Free(first, stood)


async def read_lease(ledger: Ledger, partition: str) -> Item | None:
    """Return the lease item of a stack. Raises ItemDamaged."""
    key = lease_key(partition)
    item = await ledger.get(key)
    if item is None:
        return None
    with reading(key):
        check_lease(readable(item))
    return item


def check_lease(item: Item) -> None:
    """Raise TypeError or ValueError for an item that has not the form of a lease."""
    int(item["counter"])
    death = item.get("death") or {}
    for name in ("found", "stood"):
        float(death.get(name, 0.0))


@dataclass
class Lease:
    """The lease as the holder uses it. `since`, and `now` in every method, are seconds since the epoch."""

    ledger: Ledger
    partition: str
    holder: Holder
    free: Free
    since: float
    counter: int = 0
    #: When the last successful renewal began, on the event loop's clock.
    renewed: float = field(default_factory=anyio.current_time)
    #: Whether the last renewal had no answer.
    _uncertain: bool = False

    def __post_init__(self) -> None:
        self.counter = int((self.free.item or {}).get("counter", 0)) + 1
        self._taken = anyio.current_time()
        self._death = _death(self.free, self.since)

    def taking(self) -> Put:
        """Return the write that acquires the lease: of several competing runs, exactly one succeeds."""
        before = self.free.item
        item = self._item(self.since, self.counter)
        return Put(lease_key(self.partition), item, when={"counter": (before or {}).get("counter")})

    def releasing(self, now: float) -> Put:
        """Return the write that releases the lease."""
        item = {**self._item(now, self.counter + 1), "holder": None}
        return Put(lease_key(self.partition), item, when={"holder": self.holder.run_id})

    async def renew(self, now: float) -> None:
        """Renew the lease by raising the counter. Raises LeaseLost when another run holds the lease."""
        began = anyio.current_time()
        try:
            if self._uncertain:
                await self._read_counter()
            when = {"holder": self.holder.run_id, "counter": self.counter}
            await self.ledger.write(Put(lease_key(self.partition), self._item(now, self.counter + 1), when=when))
        except ConditionFailed:
            raise LeaseLost from None
        except (OSError, CallFailed, OutOfTime):
            # The ledger cannot be reached; whether the write took effect is unknown.
            self._uncertain = True
            return
        self.counter, self.renewed, self._uncertain = self.counter + 1, began, False

    async def _read_counter(self) -> None:
        item = await read_lease(self.ledger, self.partition)
        if item is None or item.get("holder") != self.holder.run_id:
            raise LeaseLost
        self.counter = int(item["counter"])

    def require(self) -> None:
        """Raise LeaseLost if no renewal succeeded for `SILENT_SECONDS`: another run may hold the lease."""
        if anyio.current_time() - self.renewed > SILENT_SECONDS:
            raise LeaseLost

    def in_flight_for(self) -> float:
        """Return the seconds for which calls of a dead holder may still be in flight."""
        if self._death is None:
            return 0.0
        left = IN_FLIGHT_SECONDS - float(self._death["stood"]) - (anyio.current_time() - self._taken)
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
    """Return the last death of a holder, as stored in the lease for the runs that follow; None: too long ago to matter.

    `stood` is the seconds for which the counter had not moved when the death was `found`, both by the clock of the run
    that found the death.
    """
    before = free.item or {}
    if free.expired is not None:
        return {"stood": free.expired, "found": now}
    death: Mapping[str, Any] | None = before.get("death")
    passed = max(0.0, now - float(death["found"])) if death else IN_FLIGHT_SECONDS
    return {**death, "stood": death["stood"] + passed, "found": now} if death and passed < IN_FLIGHT_SECONDS else None
