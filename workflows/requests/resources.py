"""Resource records in the ledger: reads of all records of a stack, strictly or item by item."""

from collections.abc import Awaitable
from typing import TypeVar

from infra.ledger import Item, Key, Ledger, StoreDamaged
from workflows.records.items import RESOURCE, LedgerTooNew, reading
from workflows.records.resource import ResourceRecord
from workflows.records.resource_items import read_record

T = TypeVar("T")


async def records_of(ledger: Ledger, partition: str) -> dict[str, ResourceRecord]:
    """Return the records of all resources of a stack, by address. Raises LedgerTooNew and ItemDamaged."""
    found = []
    for sort, item in (await ledger.query(partition, RESOURCE)).items():
        with reading(Key(partition, sort)):
            found.append(read_record(item))
    return {record.address: record for record in found}


async def readable_records(ledger: Ledger, partition: str) -> tuple[list[ResourceRecord], list[str]]:
    """Return the records of a stack that this version can read, and for each other record why it cannot be read."""
    items, damaged = await readable_items(ledger, partition, RESOURCE)
    found, reasons = [], list(damaged.values())
    for sort, item in items.items():
        try:
            with reading(Key(partition, sort)):
                found.append(read_record(item))
        except (StoreDamaged, LedgerTooNew) as error:
            reasons.append(str(error))
    return found, reasons


async def readable_items(ledger: Ledger, partition: str, prefix: str) -> tuple[dict[str, Item], dict[str, str]]:
    """Return by sort key the items that can be read, and for each other item the reason.

    A sound partition takes one query; only where that meets damage are the items read one by one.
    """
    try:
        return await ledger.query(partition, prefix), {}
    except StoreDamaged:
        keys, unreadable = await readable(ledger.keys(partition))
    items: dict[str, Item] = {}
    damaged = {prefix: unreadable[0]} if unreadable else {}
    for sort in [sort for sort in keys or () if sort.startswith(prefix)]:
        item, reasons = await readable(ledger.get(Key(partition, sort)))
        if item is not None:
            items[sort] = item
        if reasons:
            damaged[sort] = reasons[0]
    return items, damaged


async def readable(reads: Awaitable[T]) -> tuple[T | None, list[str]]:
    """Return what was read from a ledger; None where that part of it cannot be read, and the reason."""
    try:
        return await reads, []
    except (StoreDamaged, LedgerTooNew) as error:
        return None, [str(error)]
