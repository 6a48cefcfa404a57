"""Checks whether a ledger is sound and every item of it can be read. Changes nothing and calls no AgentCore API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from infra.ledger import Item, ItemDamaged, Key, Ledger
from workflows.reconcile.lease import check_lease, lease_key
from workflows.records.items import RESOURCE, RUN, outcome_of_run, readable, reading, resource_key, stack_key
from workflows.records.resource_items import read_record
from workflows.records.stack_items import read_stack_record
from workflows.requests.request import GREATEST


@dataclass(frozen=True)
class LedgerFault:
    """A fault of a ledger: partition and sort key of the item, both empty for the store itself, and what is wrong."""

    partition: str
    item: str
    fault: str

    def shown(self) -> dict[str, Any]:
        """Return the fault as JSON."""
        return {"partition": self.partition, "item": self.item, "fault": self.fault}


async def faults_of(ledger: Ledger) -> tuple[int, list[LedgerFault]]:
    """Return the number of items that can be read, and all faults."""
    sound = 0
    try:
        found = [LedgerFault("", "", text) for text in await ledger.faults()]
        partitions = await ledger.partitions()
    except OSError as error:
        return 0, [LedgerFault("", "", str(error))]
    for partition in partitions:
        async for key, fault in _items(ledger, partition):
            sound += not fault
            found += [LedgerFault(key.partition, key.sort, fault)] if fault else []
    return sound, found


async def _items(ledger: Ledger, partition: str) -> AsyncIterator[tuple[Key, str]]:
    """Yield every item of a partition with its fault; an empty text for an item that can be read."""
    try:
        keys = await ledger.keys(partition)
    except OSError as error:
        yield Key(partition, ""), str(error)
        return
    for sort in keys:
        key = Key(partition, sort)
        try:
            item = await ledger.get(key)
            yield key, _fault(key, item) if item is not None else ""
        except ItemDamaged as damaged:
            yield key, damaged.reason
        except OSError as error:
            yield key, str(error)


def _fault(key: Key, item: Item) -> str:
    """Return what is wrong with an item. Raises ItemDamaged and LedgerTooNew, which say it themselves."""
    with reading(key):
        readable(item)
        if key == stack_key(key.partition):
            generation = read_stack_record(item).generation
            over = f"generation {generation} is above {GREATEST}, which no entry point takes: forget the stack"
            return over if generation > GREATEST else ""
        if key.sort == lease_key(key.partition).sort:
            check_lease(item)
        if key.sort.startswith(RUN):
            outcome_of_run(key, item)
        if key.sort.startswith(RESOURCE):
            address = read_record(item).address
            return "" if key == resource_key(key.partition, address) else f"it is the record of {address}"
    return ""
