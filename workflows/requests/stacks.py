"""Stack records in the ledger: whole reads, and optimistic writes that are conditional on the version."""

from collections.abc import Callable

from infra.ledger import ConditionFailed, Ledger, Put
from workflows.records.items import reading, stack_key
from workflows.records.stack import StackRecord
from workflows.records.stack_items import read_stack_record, stack_item_of


async def stack_record(ledger: Ledger, partition: str) -> StackRecord | None:
    """Return the record of a stack; None where the ledger has no record. Raises LedgerTooNew and ItemDamaged."""
    key = stack_key(partition)
    item = await ledger.get(key)
    if item is None:
        return None
    with reading(key):
        return read_stack_record(item)


def put_of(partition: str, before: StackRecord | None, after: StackRecord) -> Put:
    """Return the conditional write that replaces the record `before` by `after`."""
    version = before.version if before is not None and before.version else None
    return Put(stack_key(partition), stack_item_of(after.written()), when={"version": version})


async def change(
    ledger: Ledger, partition: str, event: Callable[[StackRecord], StackRecord | None]
) -> StackRecord | None:
    """Apply an event to a stack record and write the result; start over after a concurrent write.

    Returns the written record; None where the stack has no record, or where the event changes nothing.
    Raises LedgerTooNew.
    """
    while True:
        before = await stack_record(ledger, partition)
        after = event(before) if before is not None else None
        if before is None or after is None:
            return None
        try:
            await ledger.write(put_of(partition, before, after))
        except ConditionFailed:
            continue
        return after.written()
