"""The representation of an item in a table.

Plain members are separate attributes, so that conditions can compare them. All nested members are a single JSON text,
compressed if long.
"""

import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any

from infra.ledger.store import Item, Key

#: What a damaged item raises when it is unpacked.
BROKEN = (ValueError, TypeError, KeyError, AttributeError, EOFError, RecursionError, zlib.error, gzip.BadGzipFile)
#: An attribute in the form of the DynamoDB API: a type with a value.
Attribute = Mapping[str, Any]

PARTITION, SORT, REST, PLACE, EXPIRES = "_partition", "_sort", "_rest", "_place", "_expires"
_OURS = frozenset({PARTITION, SORT, REST, PLACE, EXPIRES})
_SMALLEST = 1e-120
_DIGITS = 38
#: Longer texts are compressed, because reads and writes are billed by the kilobyte.
_READABLE = 8_000
#: DynamoDB limits an item to 400 KB; the difference is reserved for the plain members.
LARGEST = 350_000


def attributes_of(key: Key) -> dict[str, Attribute]:
    """Return the attributes of a key."""
    return {PARTITION: {"S": key.partition}, SORT: {"S": key.sort}}


def attribute(value: str | float | bool) -> Attribute:  # noqa: FBT001 - a value to store, not a switch
    """Return the attribute of a plain value."""
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": value} if isinstance(value, str) else {"N": repr(value)}


def pack(item: Item) -> tuple[dict[str, Attribute], bytes]:
    """Return the attributes of an item's plain members, and the nested members as bytes; empty if there are none.

    A condition cannot distinguish a missing member from a null member, so null is stored with the nested members.
    """
    plain = {name: value for name, value in item.items() if name and name not in _OURS and _is_plain(value)}
    nested = {name: value for name, value in item.items() if name not in plain}
    text = json.dumps(nested, separators=(",", ":")) if nested else ""
    return {name: attribute(value) for name, value in plain.items()}, text.encode("ascii")


def rest_attribute(rest: bytes) -> Attribute | None:
    """Return the attribute for the nested members; None if they are too large for an item."""
    if len(rest) <= _READABLE:
        return {"S": rest.decode("ascii")}
    packed = gzip.compress(rest, mtime=0)
    return {"B": packed} if len(packed) <= LARGEST else None


def unpack(attributes: Mapping[str, Attribute], rest: bytes) -> Item:
    """Return the item of a table's attributes."""
    plain = {name: _value(one) for name, one in attributes.items() if name not in _OURS}
    nested = json.loads(rest) if rest else {}
    return {**nested, **plain}


def rest_of(attributes: Mapping[str, Attribute]) -> bytes:
    """Return the nested members that are stored in the item itself; empty if there are none."""
    held = attributes.get(REST, {})
    if "S" in held:
        return str(held["S"]).encode("ascii")
    return gzip.decompress(held["B"]) if "B" in held else b""


def _is_plain(value: Any) -> bool:
    """Return whether DynamoDB stores the value unchanged: valid Unicode, numbers within the range, booleans."""
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, float):
        return value == 0 or _SMALLEST < abs(value) < 1 / _SMALLEST
    return isinstance(value, int) and abs(value) < 10**_DIGITS


def _value(held: Attribute) -> Any:
    ((kind, value),) = held.items()
    if kind != "N":
        return value
    return int(value) if value.lstrip("-").isdecimal() else float(value)
