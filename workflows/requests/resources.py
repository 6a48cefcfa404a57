"""Resource records in the ledger: reads of all records of a stack, strictly or item by item."""

from collections.abc import Awaitable
from typing import TypeVar

from infra.ledger import Key, Ledger, StoreDamaged
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
    keys, damaged = await readable(ledger.keys(partition))
    found = []
    for key in [Key(partition, sort) for sort in keys or () if sort.startswith(RESOURCE)]:
        record, unreadable = await readable(_record(ledger, key))
        found += [record] if record is not None else []
        damaged += unreadable
    return found, damaged


async def readable(reads: Awaitable[T]) -> tuple[T | None, list[str]]:
    """Return what was read from a ledger; None where that part of it cannot be read, and the reason."""
    try:
        return await reads, []
    except (StoreDamaged, LedgerTooNew) as error:
        return None, [str(error)]


async def _record(ledger: Ledger, key: Key) -> ResourceRecord | None:
    item = await ledger.get(key)
    with reading(key):
        return read_record(item) if item is not None else None
