"""The ledger: what is remembered between runs, behind one interface with DynamoDB's conditional semantics."""

from infra.ledger.store import Change, Check, ConditionFailed, Delete, Item, Key, Ledger, Put

__all__ = ["Change", "Check", "ConditionFailed", "Delete", "Item", "Key", "Ledger", "Put"]
