"""Resource records in the ledger: reads of all records of a stack, strictly or item by item."""

from infra.ledger import ItemDamaged, Key, Ledger
from workflows.records.items import RESOURCE, LedgerTooNew, reading
from workflows.records.resource import ResourceRecord
from workflows.records.resource_items import read_record


async def records_of(ledger: Ledger, partition: str) -> dict[str, ResourceRecord]:
    """Return the records of all resources of a stack, by address. Raises LedgerTooNew and ItemDamaged."""
    found = []
    for sort, item in (await ledger.query(partition, RESOURCE)).items():
        with reading(Key(partition, sort)):
            found.append(read_record(item))
    return {record.address: record for record in found}


async def readable_records(ledger: Ledger, partition: str) -> tuple[list[ResourceRecord], list[str]]:
    """Return the records of a stack that this version can read, and for each other record why it cannot be read."""
    found, damaged = [], []
    for key in [Key(partition, sort) for sort in await ledger.keys(partition) if sort.startswith(RESOURCE)]:
        try:
            item = await ledger.get(key)
            with reading(key):
                found += [read_record(item)] if item is not None else []
        except (ItemDamaged, LedgerTooNew) as error:
            damaged.append(str(error))
    return found, damaged
