"""The ledger in the hands of one run: it holds the stack's lease, and every write stands under it.

AWS calls cannot be fenced; marks, tokens and names keep a run that lost its lease from making a second resource.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio

from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime
from infra.ledger import Change, Check, ConditionFailed, Item, Key, Ledger, Put
from infra.tasks import together
from workflows.acting.lease import RENEW_SECONDS, Holder, Lease, LeaseHeld, LeaseLost, wait_until_free
from workflows.records.items import resource_key, stack_key
from workflows.records.resource import ResourceRecord
from workflows.records.resource_items import item_of, read_record

#: Seconds between two looks at whether this run is still the one to work.
_WATCH_SECONDS = 5.0
#: Seconds by which clocks may differ, for leases that an earlier version ended by the time of day.
_MARGIN = 15.0


async def memories_of(ledger: Ledger, partition: str) -> dict[str, ResourceRecord]:
    """Return what is remembered of every resource of a stack, by address."""
    found = [read_record(item) for item in (await ledger.query(partition, "resource#")).values()]
    return {memory.address: memory for memory in found}


@dataclass
class Book:
    """What one run remembers, with the right to write it."""

    ledger: Ledger
    partition: str
    run_id: str
    generation: int
    memories: dict[str, ResourceRecord] = field(default_factory=dict)
    #: The stack's item as it was when the lease was taken.
    item: Item = field(default_factory=dict)
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
        noting: Mapping[str, Any] | None = None,
    ) -> "Book":
        """Take the stack's lease, noting something in the stack's item with it, and read what is remembered.

        Raises LeaseHeld or LeaseLost.
        """
        key = stack_key(partition)
        _require_generation(await ledger.get(key) or {}, holder)
        free = await wait_until_free(ledger, partition, holder.generation, deadline)
        item = await ledger.get(key) or {}
        _require_generation(item, holder)
        _require_no_older_lease(item, now())
        lease = Lease(ledger, partition, holder, free, now())
        taken = {**item, **(noting or {}), "version": int(item.get("version", 0)) + 1, "leaseId": holder.run_id}
        taken.pop("lease", None)
        try:
            await ledger.write(lease.taking(), Put(key, taken, when={"version": item.get("version")}))
        except ConditionFailed:
            raise LeaseHeld(1.0) from None
        memories = await memories_of(ledger, partition)
        return cls(ledger, partition, holder.run_id, holder.generation, memories, taken, lease, now)

    def of(self, address: str, kind: str, name: str, parent: str | None) -> ResourceRecord:
        """Return what is remembered of a resource; a new memory where there is nothing."""
        return self.memories.get(address) or ResourceRecord(address, kind, name, parent)

    def in_flight_for(self, memory: ResourceRecord) -> float:
        """Return the seconds for which a dead run's last call for a resource may still be in flight."""
        if memory.log.intent is None or self.lease is None:
            return 0.0
        return self.lease.in_flight_for(memory.log.intent.at)

    async def remember(self, memory: ResourceRecord) -> None:
        """Write what is remembered of a resource. Raises LeaseLost."""
        await self._write(Put(resource_key(self.partition, memory.address), item_of(memory)))
        self.memories[memory.address] = memory

    async def note(self, members: Mapping[str, Any]) -> None:
        """Write members of the stack's item, keeping the lease. Raises LeaseLost."""
        if not await self._put(members):
            raise LeaseLost

    async def close(self, members: Mapping[str, Any], history: Item, at: str, *, expires: float) -> None:
        """Give the lease back, with what the run leaves in the stack's item and in its history. Raises LeaseLost.

        The history of the run may be forgotten after `expires`, seconds since the epoch.
        """
        run = Put(Key(self.partition, f"run#{at}#{self.run_id}"), history, expires=expires)
        if not await self._give_back(members, run):
            raise LeaseLost

    async def release(self) -> None:
        """Give the lease back and nothing else, where it is still held."""
        if not await self._give_back({}, held={"leaseId": self.run_id}) and self.lease is not None:
            # The stack is not this run's any more; whoever waits for the lease need not wait for it to expire.
            with suppress(ConditionFailed):
                await self.ledger.write(self.lease.releasing(self.now()))

    async def still_mine(self) -> bool:
        """Tell whether this run still holds the stack and no newer generation was accepted."""
        item = await self.ledger.get(stack_key(self.partition)) or {}
        return all(item.get(name) == value for name, value in self._mine().items())

    async def guard(self) -> None:
        """Renew the lease, for ever: raise LeaseLost when it was taken over or a newer generation was accepted.

        The one is not put off by the other: each is a call of the ledger, which may take its time.
        """
        if self.lease is not None:
            jobs: list[Callable[[], Awaitable[None]]] = [partial(self._renew, self.lease), self._watch]
            await together(jobs)

    async def _renew(self, lease: Lease) -> None:
        while not self._ended:
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

    async def _give_back(
        self, members: Mapping[str, Any], *more: Change, held: Mapping[str, Any] | None = None
    ) -> bool:
        self._ended = True
        return await self._put({**members, "leaseId": None}, *more, held=held, releases=True)

    async def _put(
        self,
        members: Mapping[str, Any],
        *more: Change,
        held: Mapping[str, Any] | None = None,
        releases: bool = False,
    ) -> bool:
        """Write members of the stack's item while it is ours; again when a repeated delivery wrote in between."""
        key = stack_key(self.partition)
        while True:
            item = await self.ledger.get(key) or {}
            if any(item.get(name) != value for name, value in (held or self._mine()).items()):
                return False
            version = item.get("version")
            given = {**item, **members, "version": int(version or 0) + 1}
            lease = [self.lease.releasing(self.now())] if releases and self.lease is not None else []
            try:
                await self.ledger.write(Put(key, given, when={"version": version}), *lease, *more)
            except ConditionFailed as failed:
                if failed.key != key:
                    return False
                continue
            return True

    def _mine(self) -> dict[str, Any]:
        return {"leaseId": self.run_id, "generation": self.generation}

    async def _write(self, change: Change) -> None:
        try:
            async with self._one_by_one:
                await self.ledger.write(Check(stack_key(self.partition), when=self._mine()), change)
        except ConditionFailed:
            raise LeaseLost from None


def _require_generation(item: Item, holder: Holder) -> None:
    if item.get("generation", holder.generation) != holder.generation:
        raise LeaseLost


def _require_no_older_lease(item: Item, now: float) -> None:
    """Raise LeaseHeld while a run of an earlier version holds the stack: its lease ends at a time of day."""
    left = float((item.get("lease") or {}).get("until", 0.0)) + _MARGIN - now
    if left > 0:
        raise LeaseHeld(min(60.0, max(1.0, left)))
