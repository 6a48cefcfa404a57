"""Where records are kept in the ledger, and in which form."""

from infra.ledger import Item, Key

#: The form of the items. A reader takes this and those before: 1 knew no submitter but a text, and no consent; 2 kept
#: the members that are queries over the log of operations now.
SCHEMA = 3


class LedgerTooNew(OSError):  # noqa: N818 - it says what the ledger is
    """The ledger was written by a newer version, whose words this one does not know."""


def readable(item: Item) -> Item:
    """Return an item that this version can read. Raises LedgerTooNew."""
    if int(item.get("schema", 1)) > SCHEMA:
        message = f"the ledger has items of form {item['schema']}, and this version knows {SCHEMA}: upgrade it"
        raise LedgerTooNew(message)
    return item


def stack_key(partition: str) -> Key:
    """Return the key of a stack's record."""
    return Key(partition, "stack")


def resource_key(partition: str, address: str) -> Key:
    """Return the key of a resource's record."""
    return Key(partition, f"resource#{address}")


def partition_of(account: str, region: str, stack: str) -> str:
    """Return the partition of a stack: one account and Region, one name."""
    return f"{account}/{region}/{stack}"
