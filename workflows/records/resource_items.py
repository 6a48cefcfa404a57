"""The record of a resource as an item of the ledger: unknown members are kept, and writes store the whole record."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from infra.ledger import Item
from workflows.document.fingerprint import digest
from workflows.records.declaration import OnRemoval, RemoteObject
from workflows.records.form2 import upgraded
from workflows.records.items import SCHEMA, readable, typed
from workflows.records.log import OperationLog
from workflows.records.operation import Operation
from workflows.records.resource import ResourceRecord

#: How many characters of its digest identify a declaration within a record.
_DIGEST = 16
_PLAIN = ("address", "kind", "name", "parent", "incarnation", "imported", "first_ready_generation")
_LISTS = ("deposed", "depends_on", "secrets", "refused_members")
_NESTED = ("object", "on_removal", "operations", "declarations", "schema")


def read_record(item: Item) -> ResourceRecord:
    """Read an item of this form or an earlier form. Raises LedgerTooNew."""
    held = readable(item)
    held = held if int(held.get("schema", 1)) == SCHEMA else upgraded(held)
    declarations = held.get("declarations", {})
    mine: dict[str, Any] = {name: held[name] for name in _PLAIN if name in held}
    lists: dict[str, Any] = {name: tuple(held.get(name, ())) for name in _LISTS}
    known = {*_PLAIN, *_LISTS, *_NESTED}
    record = ResourceRecord(
        **mine,
        **lists,
        object=_object(held["object"]) if held.get("object") else None,
        on_removal=OnRemoval(**_known(OnRemoval, held.get("on_removal", {}))),
        log=OperationLog(tuple(Operation.read(one, declarations) for one in held.get("operations", ()))),
        unknown={name: value for name, value in held.items() if name not in known},
    )
    for part in (record.object, record.on_removal, *record.log.operations):
        if part is not None:
            typed(part)
    return cast("ResourceRecord", typed(record))


def _object(held: Mapping[str, Any]) -> RemoteObject:
    return RemoteObject(**{**_known(RemoteObject, held), "unconfirmed": tuple(held.get("unconfirmed", ()))})


def _known(record: Any, members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that this version knows."""
    return {one.name: members[one.name] for one in fields(record) if one.name in members}


def item_of(record: ResourceRecord) -> Item:
    """Return the item to store, with each distinct declaration stored once under its digest."""
    declarations: dict[str, Any] = {}

    def digest_of(declared: Mapping[str, Any]) -> str:
        name = digest(declared)[:_DIGEST]
        declarations[name] = declared
        return name

    return {
        **record.unknown,
        **{name: getattr(record, name) for name in _PLAIN},
        **{name: list(getattr(record, name)) for name in _LISTS},
        "object": {n: v for n, v in vars(record.object).items() if v != ()} if record.object is not None else None,
        "on_removal": vars(record.on_removal).copy(),
        "operations": [op.item(digest_of) for op in record.log.operations],
        "declarations": declarations,
        "schema": SCHEMA,
    }
