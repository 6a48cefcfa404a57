"""An outcome as it fits into an event or into the result of a state machine's task, which take 256 KiB."""

import json
from collections.abc import Mapping
from typing import Any

#: Characters of JSON; what is left of 256 KiB is for the envelope.
_LARGEST = 240_000
_FEW = 50
_LISTS = ("consents", "failures", "problems", "warnings")


def fitting(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return an outcome as it fits into an event or a task's result: cut to its essentials where it is too long."""
    most = 2 * _FEW
    made = dict(detail)
    while len(json.dumps(made)) > _LARGEST and most > 0:
        most //= 2
        made = _cut(detail, most)
    return made


def _cut(detail: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Return an outcome with so many of each thing that it tells; with none, resources are left out too."""
    resources = {address: {"status": one["status"]} for address, one in detail.get("resources", {}).items()}
    few = {name: detail[name][:most] for name in _LISTS if name in detail}
    whole = {name: value for name, value in detail.items() if name != "plan"}
    return {**whole, **few, "resources": resources if most else {}, "truncated": True}
