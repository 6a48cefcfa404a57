"""The ledger: the state kept between runs, behind an interface with DynamoDB's conditional writes."""

from infra.ledger.store import Change, Check, ConditionFailed, Delete, Item, ItemDamaged, Key, Ledger, Put, StoreDamaged

__all__ = [
    "Change",
    "Check",
    "ConditionFailed",
    "Delete",
    "Item",
    "ItemDamaged",
    "Key",
    "Ledger",
    "Put",
    "StoreDamaged",
]
