"""Truncates an outcome to the limit of events and of task results of state machines, which is 256 KiB."""

import json
from collections.abc import Mapping
from typing import Any

#: Characters of JSON; the rest of the 256 KiB is for the envelope.
_LARGEST = 240_000
_FEW = 50
_LISTS = ("consents", "failures", "problems", "warnings")


def truncate_to_event_limit(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return an outcome that fits into an event or the result of a task, truncated to the essentials if too long."""
    most = 2 * _FEW
    made = dict(detail)
    while len(json.dumps(made)) > _LARGEST and most > 0:
        most //= 2
        made = _cut(detail, most)
    return made


def _cut(detail: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return an outcome with at most `most` entries of each list, and without resources where `most` is 0."""
    resources = {address: {"status": one["status"]} for address, one in detail.get("resources", {}).items()}
    few = {name: detail[name][:most] for name in _LISTS if name in detail}
    whole = {name: value for name, value in detail.items() if name != "plan"}
    return {**whole, **few, "resources": resources if most else {}, "truncated": True}
