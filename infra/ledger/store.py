"""The ledger's interface: items of JSON members under a partition and a sort key, written under conditions.

It offers what DynamoDB offers and no more, so that an embedded store and a table behave alike: reads of one item
or of a partition, and all-or-nothing writes whose conditions compare members for equality.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

#: An item's members: JSON values. Members that a version of the code does not know are kept as they are.
Item = dict[str, Any]


@dataclass(frozen=True, order=True)
class Key:
    """Where an item stands."""

    partition: str
    sort: str


@dataclass(frozen=True)
class Put:
    """Write an item whole.

    `when` maps members to the plain values they must have (text, number, truth); None means that it must not be there.
    After `expires`, seconds since the epoch, a store may forget the item.
    """

    key: Key
    item: Item
    when: Mapping[str, Any] | None = None
    expires: float | None = None


@dataclass(frozen=True)
class Delete:
    """Remove an item, there or not."""

    key: Key
    when: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Check:
    """Only compare."""

    key: Key
    when: Mapping[str, Any]


Change = Put | Delete | Check


class ConditionFailed(Exception):  # noqa: N818 - the word that DynamoDB uses
    """A condition did not hold, so nothing of the write was done."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"the ledger item {key.sort} of {key.partition} is not as expected")
        self.key = key


class Ledger(Protocol):
    """What workflows need of a store. Every method may raise OSError when the store cannot be reached."""

    async def get(self, key: Key) -> Item | None:
        """Return an item as it stands now (a consistent read)."""
        ...

    async def query(self, partition: str, prefix: str = "") -> dict[str, Item]:
        """Return the items of a partition whose sort key starts with a prefix, by sort key, in order."""
        ...

    async def partitions(self, prefix: str = "") -> list[str]:
        """Return the partitions that start with a prefix."""
        ...

    async def write(self, *changes: Change) -> None:
        """Make all changes or none. Raises ConditionFailed naming the first key whose condition did not hold."""
        ...


def holds(item: Item | None, when: Mapping[str, Any] | None) -> bool:
    """Tell whether a condition holds of an item; a missing item has no members."""
    return when is None or all((item or {}).get(member) == value for member, value in when.items())
