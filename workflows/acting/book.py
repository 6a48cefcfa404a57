"""The ledger in the hands of one run: it holds the stack's lease, and every write stands under it.

AWS calls cannot be fenced; marks, tokens and names keep a run that lost its lease from making a second resource.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from infra.ledger import Change, Check, ConditionFailed, Item, Key, Ledger, Put
from workflows.deciding.memory import Memory, resource_key, stack_key
from workflows.requests.acceptance import LEASE_MARGIN

#: Seconds after which it is worth asking again for a lease that another run holds.
_SOON = 60.0
_VERY_SOON = 10.0
#: Seconds between two looks at whether this run is still the one to work.
_GUARD_SECONDS = 5.0
#: Seconds after which a run that still works renews its lease.
_RENEW_SECONDS = 1800.0


class LeaseLost(Exception):  # noqa: N818 - it says what happened
    """Another run holds the stack now, or a newer generation was accepted: this run must stop."""


class LeaseHeld(Exception):  # noqa: N818 - it says what is so
    """Another run holds the stack, for `ends_in` seconds at most unless it renews its lease.

    After `retry_after` seconds it is worth asking again.
    """

    def __init__(self, retry_after: float, ends_in: float | None = None) -> None:
        at_most = f", for {ends_in:.0f} s at most should it have died" if ends_in is not None else ""
        super().__init__(f"another run works on this stack{at_most}")
        self.retry_after = retry_after


async def memories_of(ledger: Ledger, partition: str) -> dict[str, Memory]:
    """Return what is remembered of every resource of a stack, by address."""
    found = [Memory.read(item) for item in (await ledger.query(partition, "resource#")).values()]
    return {memory.address: memory for memory in found}


@dataclass
class Book:
    """What one run remembers, with the right to write it."""

    ledger: Ledger
    partition: str
    run_id: str
    generation: int
    memories: dict[str, Memory] = field(default_factory=dict)
    #: The stack's item as it was when the lease was taken.
    item: Item = field(default_factory=dict)
    #: Every write checks the stack's item, and two transactions on one item at once hinder each other.
    _one_by_one: anyio.Lock = field(default_factory=anyio.Lock)

    @classmethod
    async def open(
        cls,
        ledger: Ledger,
        partition: str,
        run_id: str,
        generation: int,
        *,
        now: float,
        until: float,
        noting: Mapping[str, Any] | None = None,
    ) -> "Book":
        """Take the stack's lease, noting something in the stack's item with it, and read what is remembered.

        Raises LeaseHeld or LeaseLost.
        """
        key = stack_key(partition)
        item = await ledger.get(key) or {}
        lease = item.get("lease")
        if lease is not None and lease["until"] + LEASE_MARGIN > now:
            # A run for an older generation notices this one and stops; one for this generation may end any time.
            soon = _SOON if lease.get("generation") == generation else _VERY_SOON
            left = lease["until"] + LEASE_MARGIN - now
            raise LeaseHeld(min(soon, max(1.0, left)), left)
        if item.get("generation", generation) != generation:
            raise LeaseLost
        taken = {
            **item,
            **(noting or {}),
            "version": int(item.get("version", 0)) + 1,
            "lease": {"id": run_id, "until": until, "generation": generation},
        }
        taken["leaseId"] = run_id
        try:
            # The version decides who takes over; clocks only say when it is worth trying.
            await ledger.write(Put(key, taken, when={"version": item.get("version")}))
        except ConditionFailed:
            raise LeaseHeld(1.0) from None
        return cls(ledger, partition, run_id, generation, await memories_of(ledger, partition), taken)

    def of(self, address: str, kind: str, name: str, parent: str | None) -> Memory:
        """Return what is remembered of a resource; a new memory where there is nothing."""
        return self.memories.get(address) or Memory(address, kind, name, parent)

    async def remember(self, memory: Memory) -> None:
        """Write what is remembered of a resource. Raises LeaseLost."""
        await self._write(Put(resource_key(self.partition, memory.address), memory.item()))
        self.memories[memory.address] = memory

    async def note(self, members: Mapping[str, Any]) -> None:
        """Write members of the stack's item, keeping the lease. Raises LeaseLost."""
        if not await self._put(members):
            raise LeaseLost

    async def renew(self, until: float) -> None:
        """Hold the lease for longer. Raises LeaseLost."""
        await self.note({"lease": {"id": self.run_id, "until": until, "generation": self.generation}})

    async def close(self, members: Mapping[str, Any], history: Item, at: str, *, expires: float) -> None:
        """Give the lease back, with what the run leaves in the stack's item and in its history. Raises LeaseLost.

        The history of the run may be forgotten after `expires`, seconds since the epoch.
        """
        run = Put(Key(self.partition, f"run#{at}#{self.run_id}"), history, expires=expires)
        if not await self._give_back(members, run):
            raise LeaseLost

    async def release(self) -> None:
        """Give the lease back and nothing else, where it is still held."""
        await self._give_back({}, held={"leaseId": self.run_id})

    async def still_mine(self) -> bool:
        """Tell whether this run still holds the lease and no newer generation was accepted."""
        item = await self.ledger.get(stack_key(self.partition)) or {}
        return all(item.get(name) == value for name, value in self._mine().items())

    async def guard(self, until: Callable[[], float]) -> None:
        """Watch the lease, for ever: raise LeaseLost when it was taken over or a newer generation was accepted.

        A run that goes on for longer than a lease lasts renews it every half hour, until what `until` returns then.
        """
        renewed = anyio.current_time()
        while True:
            await anyio.sleep(_GUARD_SECONDS)
            if not await self.still_mine():
                raise LeaseLost
            if anyio.current_time() - renewed > _RENEW_SECONDS:
                await self.renew(until())
                renewed = anyio.current_time()

    async def _give_back(
        self, members: Mapping[str, Any], *more: Change, held: Mapping[str, Any] | None = None
    ) -> bool:
        return await self._put({**members, "lease": None, "leaseId": None}, *more, held=held)

    async def _put(self, members: Mapping[str, Any], *more: Change, held: Mapping[str, Any] | None = None) -> bool:
        """Write members of the stack's item while it is ours; again when a repeated delivery wrote in between."""
        key = stack_key(self.partition)
        while True:
            item = await self.ledger.get(key) or {}
            if any(item.get(name) != value for name, value in (held or self._mine()).items()):
                return False
            version = item.get("version")
            given = {**item, **members, "version": int(version or 0) + 1}
            try:
                await self.ledger.write(Put(key, given, when={"version": version}), *more)
            except ConditionFailed:
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
