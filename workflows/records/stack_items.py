"""The record of a stack as an item of the ledger: unknown members are kept, and writes store the whole record."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from infra.ledger import Item
from workflows.records.form2 import folded, upgraded_stack
from workflows.records.items import SCHEMA, readable, require_outcome, typed
from workflows.records.request_state import Mode, RequestState
from workflows.records.stack import ReadyDocument, Rollback, StackRecord

_PLAIN = ("id", "version", "generation", "request_id", "digest", "document", "outcome", "older_lease_until")
#: Names in the item of members that conditions of writes refer to, in earlier versions too.
_NAMED = {"lease_id": "leaseId"}
_NESTED = ("mode", "ready", "rollback", "requests", "retained", "looked_up_to", "schema")


def read_stack_record(item: Item) -> StackRecord:
    """Read an item of this form or an earlier form. Raises LedgerTooNew."""
    held = readable(item)
    held = folded(held) if int(held.get("schema", 1)) == SCHEMA else upgraded_stack(held)
    mine: dict[str, Any] = {name: held[name] for name in _PLAIN if name in held}
    ready, rollback, requests = held.get("ready"), held.get("rollback"), held.get("requests", {})
    record = StackRecord(
        **mine,
        lease_id=held.get(_NAMED["lease_id"]),
        mode=Mode(held.get("mode", Mode.PROVISION)),
        ready=ReadyDocument(ready["document"], int(ready["generation"])) if ready else None,
        rollback=Rollback(**_known(Rollback, rollback)) if rollback else None,
        retained=tuple(held.get("retained", ())),
        looked_up_to=dict(held.get("looked_up_to", {})),
        requests={one: RequestState.read(one, state) for one, state in requests.items()},
        unknown={name: v for name, v in held.items() if name not in {*_PLAIN, *_NAMED.values(), *_NESTED}},
    )
    if record.outcome is not None:
        require_outcome(record.outcome)
    return cast("StackRecord", typed(record))


def _known(record: Any, members: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: members[one.name] for one in fields(record) if one.name in members}


def stack_item_of(record: StackRecord) -> Item:
    """Return the item to store."""
    ready, rollback = record.ready, record.rollback
    return {
        **record.unknown,
        **{name: getattr(record, name) for name in _PLAIN},
        _NAMED["lease_id"]: record.lease_id,
        "mode": str(record.mode),
        "ready": vars(ready).copy() if ready is not None else None,
        "rollback": {name: _plain(value) for name, value in vars(rollback).items()} if rollback is not None else None,
        "requests": {key: one.item() for key, one in record.requests.items()},
        **({"retained": list(record.retained)} if record.retained else {}),
        **({"looked_up_to": dict(record.looked_up_to)} if record.looked_up_to else {}),
        "schema": SCHEMA,
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
