"""The ledger in the hands of one run: it holds the stack's lease, and every write stands under it.

AWS calls cannot be fenced; marks, tokens and names keep a run that lost its lease from making a second resource.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime
from infra.ledger import Change, Check, ConditionFailed, Item, Key, Ledger, Put
from infra.tasks import together
from workflows.reconcile.lease import RENEW_SECONDS, Holder, Lease, LeaseHeld, LeaseLost, wait_until_free
from workflows.records.items import resource_key, stack_key
from workflows.records.resource import ResourceRecord
from workflows.records.resource_items import item_of, read_record
from workflows.records.stack import StackRecord
from workflows.requests.stacks import put_of, stack_record

#: Seconds between two looks at whether this run is still the one to work.
_WATCH_SECONDS = 5.0
#: Seconds by which clocks may differ, for leases that an earlier version ended by the time of day.
_MARGIN = 15.0


#: What happens to the record of a stack.
StackEvent = Callable[[StackRecord], StackRecord]


async def records_of(ledger: Ledger, partition: str) -> dict[str, ResourceRecord]:
    """Return what is remembered of every resource of a stack, by address."""
    found = [read_record(item) for item in (await ledger.query(partition, "resource#")).values()]
    return {record.address: record for record in found}


@dataclass
class StackSession:
    """What one run remembers, with the right to write it."""

    ledger: Ledger
    partition: str
    run_id: str
    generation: int
    records: dict[str, ResourceRecord] = field(default_factory=dict)
    #: The stack's record as of the last write of this run.
    stack: StackRecord = field(default_factory=StackRecord)
    #: None where nothing is written: in a plan.
    lease: Lease | None = None
    #: Seconds since the epoch.
    now: Callable[[], float] = field(default=lambda: 0.0)
    #: Whether the lease was given back, so that to lose it is no news.
    _ended: bool = False
    #: Every write checks the stack's item, and two transactions on one item at once hinder each other.
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
    ) -> "StackSession":
        """Take the stack's lease, and read its records.

        `announcing` is the request of which the run announces that it was accepted. Raises LeaseHeld or LeaseLost.
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
        records = await records_of(ledger, partition)
        return cls(ledger, partition, holder.run_id, holder.generation, records, taken.written(), lease, now)

    def of(self, address: str, kind: str, name: str, parent: str | None) -> ResourceRecord:
        """Return what is remembered of a resource; a new memory where there is nothing."""
        return self.records.get(address) or ResourceRecord(address, kind, name, parent)

    def in_flight_for(self, record: ResourceRecord) -> float:
        """Return the seconds for which a dead run's last call for a resource may still be in flight."""
        if record.log.intent is None or self.lease is None:
            return 0.0
        return self.lease.in_flight_for(record.log.intent.at)

    async def remember(self, record: ResourceRecord) -> None:
        """Write what is remembered of a resource. Raises LeaseLost."""
        await self._write(Put(resource_key(self.partition, record.address), item_of(record)))
        self.records[record.address] = record

    async def change(self, event: StackEvent) -> None:
        """Write an event of the stack, keeping the lease. Raises LeaseLost."""
        if not await self._put(event):
            raise LeaseLost

    def require(self) -> None:
        """Raise LeaseLost where another run may hold the stack by now."""
        if self.lease is not None:
            self.lease.require()

    async def finish(self, event: StackEvent, history: Item, at: str, *, expires: float) -> None:
        """Write the stack's last event and the run's history, and nothing more. Raises LeaseLost.

        The lease is held until `release`, so that the next run begins once the outcome is published. The history of
        the run may be forgotten after `expires`, seconds since the epoch.
        """
        run = Put(Key(self.partition, f"run#{at}#{self.run_id}"), history, expires=expires)
        self._ended = True
        if not await self._put(lambda stack: event(stack).released(), run):
            raise LeaseLost

    async def release(self) -> None:
        """Give the lease back, where it is still held. Where the ledger cannot be reached, the lease expires."""
        self._ended = True
        with suppress(OSError, CallFailed, OutOfTime):
            given = await self._put(StackRecord.released, any_generation=True, releases=True)
            if not given and self.lease is not None:
                # The stack is not this run's any more; whoever waits for the lease need not wait for it to expire.
                with suppress(ConditionFailed):
                    await self.ledger.write(self.lease.releasing(self.now()))

    async def still_mine(self) -> bool:
        """Tell whether this run still holds the stack and no newer generation was accepted."""
        return self._is_mine(await stack_record(self.ledger, self.partition))

    def _is_mine(self, stack: StackRecord | None, *, any_generation: bool = False) -> bool:
        held = stack is not None and stack.lease_id == self.run_id
        return stack is not None and held and (any_generation or stack.generation == self.generation)

    async def guard(self) -> None:
        """Renew the lease, for ever: raise LeaseLost when it was taken over or a newer generation was accepted.

        The one is not put off by the other: each is a call of the ledger, which may take its time.
        """
        if self.lease is not None:
            jobs: list[Callable[[], Awaitable[None]]] = [partial(self._renew, self.lease), self._watch]
            await together(jobs)

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
            # A ledger that cannot be reached now says nothing.
            with suppress(OSError, CallFailed, OutOfTime):
                if not await self.still_mine() and not self._ended:
                    raise LeaseLost

    async def _put(
        self, event: StackEvent, *more: Change, any_generation: bool = False, releases: bool = False
    ) -> bool:
        """Write an event of the stack while it is ours; again when a repeated delivery wrote in between."""
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
    """Raise LeaseHeld while a run of an earlier version holds the stack: its lease ends at a time of day."""
    left = stack.older_lease_until + _MARGIN - now if stack is not None else 0.0
    if left > 0:
        raise LeaseHeld(min(60.0, max(1.0, left)))
