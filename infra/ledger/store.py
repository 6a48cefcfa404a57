"""The interface of the ledger: JSON items under a partition and a sort key, written conditionally.

The interface offers the semantics of DynamoDB and no more, so that the embedded store (infra.ledger.sqlite) and the
table (infra.ledger.dynamodb) behave alike:

- Reads are consistent and return an item, or the items of a partition in the order of their sort keys.
- `write` is a transaction: all changes take effect, or none does. `Put` replaces a whole item, `Delete` removes an
  item, and `Check` only compares. There are no updates of single members.
- Every change can carry conditions, which compare plain members for equality; None requires that the member is
  absent. A missing item has no members. If a condition fails, ConditionFailed names the key, and nothing is written.

There are no locks. A writer reads an item and makes the write conditional on the members that must not have changed in
the meantime; a second writer then gets ConditionFailed and must read again. The lease on a stack is built on this.
A write that fails with OSError may have taken effect, because the response may have been lost. A later version may add
members to an item: readers keep members that they do not know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

#: The members of an item: JSON values. Members that this version of the code does not know are kept unchanged.
Item = dict[str, Any]


@dataclass(frozen=True, order=True)
class Key:
    """The address of an item."""

    partition: str
    sort: str


@dataclass(frozen=True)
class Put:
    """Write a whole item.

    `when` maps members to the plain values that they must have (string, number, boolean); None means that the member
    must be absent. After `expires`, in seconds since the epoch, a store may delete the item.
    """

    key: Key
    item: Item
    when: Mapping[str, Any] | None = None
    expires: float | None = None


@dataclass(frozen=True)
class Delete:
    """Remove an item; removing a missing item is no error."""

    key: Key
    when: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Check:
    """Check a condition and change nothing."""

    key: Key
    when: Mapping[str, Any]


Change = Put | Delete | Check


class ConditionFailed(Exception):  # noqa: N818 - the word that DynamoDB uses
    """A condition failed, so nothing was written."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"the ledger item {key.sort} of {key.partition} is not as expected")
        self.key = key


class StoreDamaged(OSError):  # noqa: N818 - the name describes the store
    """A part of the ledger's store cannot be read; what lies elsewhere in it can."""


class ItemDamaged(StoreDamaged):
    """An item of the ledger cannot be read; all other items can."""

    def __init__(self, key: Key, reason: str) -> None:
        super().__init__(f"the ledger item {key.sort} of {key.partition} cannot be read: {reason}")
        self.key = key
        self.reason = reason


class Ledger(Protocol):
    """The store that workflows use.

    Every method may raise OSError if the store is unreachable or damaged; a read raises ItemDamaged for one item.
    """

    async def get(self, key: Key) -> Item | None:
        """Return an item, with a consistent read; None if there is no such item."""
        ...

    async def query(self, partition: str, prefix: str = "") -> dict[str, Item]:
        """Return the items of a partition whose sort key starts with a prefix, in the order of their sort keys."""
        ...

    async def keys(self, partition: str) -> list[str]:
        """Return the sort keys of the items of a partition, also of items that cannot be read."""
        ...

    async def partitions(self, prefix: str = "") -> list[str]:
        """Return the partitions that start with a prefix."""
        ...

    async def faults(self) -> list[str]:
        """Return the faults that the store finds in itself, each as one line."""
        ...

    async def write(self, *changes: Change) -> None:
        """Make all changes or none. Raises ConditionFailed with the first key whose condition failed."""
        ...


def holds(item: Item | None, when: Mapping[str, Any] | None) -> bool:
    """Return whether an item satisfies a condition; a missing item has no members."""
    return when is None or all((item or {}).get(member) == value for member, value in when.items())
