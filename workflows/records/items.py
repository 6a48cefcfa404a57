"""Keys and form of the items that store records in the ledger."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from infra.ledger import Item, ItemDamaged, Key

#: The form of the items. A reader accepts this form and both earlier forms: form 1 had the submitter as a text and no
#: consent; form 2 stored members that are queries over the log of operations now.
SCHEMA = 3


#: What the sort keys of resource records begin with.
RESOURCE = "resource#"
#: What the sort keys of the outcomes of runs begin with.
RUN = "run#"


#: Members of outcomes that are texts, and those of failures.
_TEXTS = ("finishedAt", "requestId", "status", "reason")
_FAILURE = ("resource", "code", "message", "actor", "advice")
_SHOWN = {*_TEXTS, "generation", "calls", "failures"}


class LedgerTooNew(OSError):  # noqa: N818 - the name describes the ledger
    """The ledger was written by a newer version, in a form that this version cannot read."""


@contextmanager
def reading(key: Key) -> Iterator[None]:
    """Read a record from an item. Raises ItemDamaged where the item has not the form of a record, and LedgerTooNew."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ItemDamaged(key, f"it has not the form of a record ({type(error).__name__})") from None


def outcome_of_run(key: Key, item: Item) -> Item:
    """Return the outcome of a run as it was stored. Raises ItemDamaged where a shown member is missing or wrong."""
    with reading(key):
        require_outcome(item)
        if missing := _SHOWN - set(item):
            raise LookupError(*missing)
    return item


def require_outcome(outcome: Mapping[str, Any]) -> None:
    """Raise TypeError or LookupError where a member of a stored outcome that is shown has another type."""
    failed = [one[name] for one in outcome.get("failures", ()) for name in _FAILURE]
    consents = [one["resource"] for one in outcome.get("consents", ())]
    texts = [*failed, *consents, *(outcome.get(name, "") for name in _TEXTS)]
    whole = all(isinstance(number, int) for number in outcome.get("calls", {}).values())
    whole = whole and isinstance(outcome.get("generation"), int | None)
    if not whole or not all(isinstance(text, str) for text in texts):
        raise TypeError


def typed(record: Any) -> Any:
    """Return a dataclass whose members have the annotated types. Raises TypeError."""
    for name, types in _types_of(record.__class__):
        value = getattr(record, name)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError(name)
    return record


@cache
def _types_of(cls: type) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """Return name and accepted types of the members of a dataclass; a whole number is a float, too."""
    found = []
    for name, hint in get_type_hints(cls).items():
        arms = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        types = tuple(get_origin(arm) or arm for arm in arms)
        found.append((name, (*types, int) if float in types else types))
    return tuple(found)


def readable(item: Item) -> Item:
    """Return the item if this version can read its form. Raises LedgerTooNew."""
    if int(item.get("schema", 1)) > SCHEMA:
        message = f"the ledger has items of form {item['schema']}, and this version knows {SCHEMA}: upgrade it"
        raise LedgerTooNew(message)
    return item


def stack_key(partition: str) -> Key:
    """Return the key of a stack's record."""
    return Key(partition, "stack")


def resource_key(partition: str, address: str) -> Key:
    """Return the key of a resource's record."""
    return Key(partition, f"{RESOURCE}{address}")


def partition_of(account: str, region: str, stack: str) -> str:
    """Return the partition of a stack, made of account, Region and name."""
    return f"{account}/{region}/{stack}"
