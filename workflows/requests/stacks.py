"""The record of a stack in the ledger: read whole, written under the condition that nobody wrote in between."""

from collections.abc import Callable

from infra.ledger import ConditionFailed, Ledger, Put
from workflows.records.items import stack_key
from workflows.records.stack import StackRecord
from workflows.records.stack_items import read_stack_record, stack_item_of


async def stack_record(ledger: Ledger, partition: str) -> StackRecord | None:
    """Return the record of a stack; None where the ledger does not know it. Raises LedgerTooNew."""
    item = await ledger.get(stack_key(partition))
    return read_stack_record(item) if item is not None else None


def put_of(partition: str, before: StackRecord | None, after: StackRecord) -> Put:
    """Return the write that makes one record of a stack another."""
    version = before.version if before is not None and before.version else None
    return Put(stack_key(partition), stack_item_of(after.written()), when={"version": version})


async def change(
    ledger: Ledger, partition: str, event: Callable[[StackRecord], StackRecord | None]
) -> StackRecord | None:
    """Write an event of a stack, again from the start when another writer came first.

    Returns the record with it; None where there is no such stack, or where the event changes nothing.
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
