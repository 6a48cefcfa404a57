"""The session of one run with the ledger: the stack's lease, and the records that only the lease holder may write.

- Opening: `open` waits until the lease is free. One transaction acquires the lease and writes the run's id
  (`lease_id`) into the stack's record. Then all resource records are read.
- Resource records: `store` writes a record under the condition that the stack's record still has this run's id and
  generation. A run that lost the lease or was superseded can therefore commit nothing, however late the run wakes up.
  These writes go one after another, since concurrent transactions on the stack's item conflict.
- The stack's record: `change` and `finish` read the record, apply an event (`StackEvent`) and write the result under
  the condition that the version is unchanged. When another delivery of the request wrote in between, the event is
  applied again to the newer record.
- Guarding: `guard` runs beside the work. `_renew` renews the lease, and `_watch` reads the stack's record. Either
  raises LeaseLost, which stops the run, when another run has the lease or a newer generation was accepted.
- Ending: `finish` writes the outcome and the history and clears `lease_id`, after which the run commits nothing more.
  The lease itself is held until `release`, so that the next run begins only after the outcome was published.

AWS calls cannot be fenced. A run that lost the lease may still send a call whose intent was recorded; intents, client
tokens and names ensure that such a call does not create a second resource. In a plan, `lease` is None.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import structlog

from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime
from infra.ledger import Change, Check, ConditionFailed, Item, Key, Ledger, Put
from infra.tasks import gather_all
from workflows.reconcile.lease import RENEW_SECONDS, Holder, Lease, LeaseHeld, LeaseLost, wait_until_free
from workflows.records.items import RUN, resource_key, stack_key
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord
from workflows.records.resource_items import item_of
from workflows.records.stack import StackRecord
from workflows.requests.resources import readable_records, records_of
from workflows.requests.stacks import put_of, stack_record

log = structlog.get_logger()

#: Seconds between two reads that check whether this run still holds the stack.
_WATCH_SECONDS = 5.0
#: Seconds by which clocks may differ, for leases of an earlier version, which end at a time of day.
_MARGIN = 15.0


#: An event of a stack: returns the stack's record as changed by the event.
StackEvent = Callable[[StackRecord], StackRecord]


async def owners_of(ledger: Ledger, prefix: str, *, but: str = "", noted: bool = False) -> dict[str, str]:
    """Return the owning stacks in the ledger by ARN, without the stack of the partition `but`.

    An imported resource may have no owner tag yet. A resource that was only noted has an owner if `noted` says so.
    """
    found = {}
    for partition in await ledger.partitions(prefix):
        for record in await _others(ledger, partition) if partition != but else ():
            if record.exists and (record.was_declared or noted) and record.arn:
                found[record.arn] = partition.removeprefix(prefix)
    return found


async def _others(ledger: Ledger, partition: str) -> list[ResourceRecord]:
    """Return the records of another stack that can be read: its damaged or newer items are no trouble of this one."""
    found, damaged = await readable_records(ledger, partition)
    for reason in damaged:
        log.warning("a record of another stack cannot be read", reason=reason)
    return found


async def known_to_others(ledger: Ledger, prefix: str, *, but: str) -> frozenset[tuple[str, str]]:
    """Return section and id of every resource that other stacks of the ledger have."""
    found: set[tuple[str, str]] = set()
    for partition in await ledger.partitions(prefix):
        records = await _others(ledger, partition) if partition != but else []
        found |= {(record.kind, str(record.id)) for record in records if record.id is not None and record.was_declared}
    return frozenset(found)


@dataclass
class StackSession:
    """The records of a stack, and the lease under which one run writes them."""

    ledger: Ledger
    partition: str
    run_id: str
    generation: int
    records: dict[str, ResourceRecord] = field(default_factory=dict)
    #: The stack's record as of the last write of this run.
    stack: StackRecord = field(default_factory=StackRecord)
    #: None in a plan, which writes nothing.
    lease: Lease | None = None
    #: Seconds since the epoch.
    now: Callable[[], float] = field(default=lambda: 0.0)
    #: Whether the run has finished, so that losing the lease no longer matters.
    _ended: bool = False
    #: Serializes writes: each checks the stack's item, and concurrent transactions on an item conflict.
    _one_by_one: anyio.Lock = field(default_factory=anyio.Lock)

    @classmethod
    async def open(
        cls,
        ledger: Ledger,
        partition: str,
        holder: Holder,
        *,
        now: Callable[[], float],
        deadline: Deadline,
        announcing: str = "",
        reads_records: bool = True,
    ) -> "StackSession":
        """Acquire the stack's lease, and read the records of the stack.

        `announcing` is the request whose acceptance the run will announce. Raises LeaseHeld or LeaseLost, and OSError
        for a ledger that cannot be read, whose lease is then released.
        """
        _require_generation(await stack_record(ledger, partition), holder)
        free = await wait_until_free(ledger, partition, holder.generation, deadline)
        before = await stack_record(ledger, partition)
        _require_generation(before, holder)
        _require_no_older_lease(before, now())
        lease = Lease(ledger, partition, holder, free, now())
        taken = (before or StackRecord()).leased(holder.run_id, announcing=announcing)
        try:
            await ledger.write(lease.taking(), put_of(partition, before, taken))
        except ConditionFailed:
            raise LeaseHeld(1.0) from None
        session = cls(ledger, partition, holder.run_id, holder.generation, {}, taken.written(), lease, now)
        try:
            session.records.update(await records_of(ledger, partition) if reads_records else {})
        except OSError:
            await session.release()
            raise
        for record in [one for one in session.records.values() if one.not_after(now()) is not one]:
            await session.store(record.not_after(now()))
        return session

    def of(self, address: str, kind: str, name: str, parent: str | None) -> ResourceRecord:
        """Return the record of a resource, or a new record if there is none."""
        return self.records.get(address) or ResourceRecord(address, kind, name, parent)

    def no_calls_until(self, request_id: str, mode: Mode) -> float:
        """Return until when no call of a request got through (seconds since the epoch); 0 if all did."""
        known = self.stack.state_of(request_id, mode)
        return known.no_calls_until if known is not None else 0.0

    def in_flight_for(self, record: ResourceRecord) -> float:
        """Return the seconds for which a dead run's last call for a resource may still be in flight."""
        if record.log.intent is None or self.lease is None:
            return 0.0
        return self.lease.in_flight_for()

    async def store(self, record: ResourceRecord) -> None:
        """Write the record of a resource. Raises LeaseLost."""
        await self._write(Put(resource_key(self.partition, record.address), item_of(record)))
        self.records[record.address] = record

    async def change(self, event: StackEvent) -> None:
        """Apply an event to the stack's record, and keep the lease. Raises LeaseLost."""
        if not await self._put(event):
            raise LeaseLost

    def require(self) -> None:
        """Raise LeaseLost if another run may hold the lease by now."""
        if self.lease is not None:
            self.lease.require()

    async def finish(self, event: StackEvent, history: Item, at: str, *, expires: float) -> None:
        """Write the run's last event and history, and nothing more. Raises LeaseLost.

        The lease is held until `release`, so that the next run begins after the outcome is published. The ledger may
        delete the history of the run after `expires`, seconds since the epoch.
        """
        run = Put(Key(self.partition, f"{RUN}{at}#{self.run_id}"), history, expires=expires)
        self._ended = True
        if not await self._put(lambda stack: event(stack).released(), run):
            raise LeaseLost

    async def release(self) -> None:
        """Release the lease if this run still holds the lease. If the ledger cannot be reached, the lease expires."""
        self._ended = True
        with suppress(OSError, CallFailed, OutOfTime):
            given = await self._put(StackRecord.released, any_generation=True, releases=True)
            if not given and self.lease is not None:
                # The stack is no longer this run's; release the lease even so, so that no run waits for the expiry.
                with suppress(ConditionFailed):
                    await self.ledger.write(self.lease.releasing(self.now()))

    async def still_mine(self) -> bool:
        """Return whether this run still holds the stack and no newer generation was accepted."""
        return self._is_mine(await stack_record(self.ledger, self.partition))

    def _is_mine(self, stack: StackRecord | None, *, any_generation: bool = False) -> bool:
        held = stack is not None and stack.lease_id == self.run_id
        return stack is not None and held and (any_generation or stack.generation == self.generation)

    async def guard(self) -> None:
        """Renew the lease until canceled. Raises LeaseLost if another run or a newer generation has the stack.

        Renewal and check run side by side, so that a slow ledger call does not delay the next renewal or check.
        """
        if self.lease is not None:
            jobs: list[Callable[[], Awaitable[None]]] = [partial(self._renew, self.lease), self._watch]
            await gather_all(jobs)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await anyio.sleep(RENEW_SECONDS)
            try:
                await lease.renew(self.now())
            except LeaseLost:
                if not self._ended:
                    raise

    async def _watch(self) -> None:
        while not self._ended:
            await anyio.sleep(_WATCH_SECONDS)
            # A ledger that cannot be reached proves nothing.
            with suppress(OSError, CallFailed, OutOfTime):
                if not await self.still_mine() and not self._ended:
                    raise LeaseLost

    async def _put(
        self, event: StackEvent, *more: Change, any_generation: bool = False, releases: bool = False
    ) -> bool:
        """Apply an event while this run holds the stack; again if a repeated delivery wrote in between. False: lost."""
        while True:
            before = await stack_record(self.ledger, self.partition)
            if before is None or not self._is_mine(before, any_generation=any_generation):
                return False
            after = event(before)
            lease = [self.lease.releasing(self.now())] if releases and self.lease is not None else []
            try:
                await self.ledger.write(put_of(self.partition, before, after), *lease, *more)
            except ConditionFailed as failed:
                if failed.key != stack_key(self.partition):
                    return False
                continue
            self.stack = after.written()
            return True

    def _mine(self) -> dict[str, Any]:
        return {"leaseId": self.run_id, "generation": self.generation}

    async def _write(self, change: Change) -> None:
        try:
            async with self._one_by_one:
                await self.ledger.write(Check(stack_key(self.partition), when=self._mine()), change)
        except ConditionFailed:
            raise LeaseLost from None


def _require_generation(stack: StackRecord | None, holder: Holder) -> None:
    if stack is not None and stack.generation != holder.generation:
        raise LeaseLost


def _require_no_older_lease(stack: StackRecord | None, now: float) -> None:
    """Raise LeaseHeld while a run of an earlier version holds a lease, which ends at a time of day."""
    left = stack.older_lease_until + _MARGIN - now if stack is not None else 0.0
    if left > 0:
        raise LeaseHeld(min(60.0, max(1.0, left)))
