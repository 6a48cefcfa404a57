"""What the ledger knows of stacks, for people who ask: no call to AWS is made."""

import re
from typing import Any

from infra.ledger import Ledger
from workflows.deciding.memory import Memory, stack_key

_STACK = re.compile(r"\d{12}/[^/]+/.+")


async def stacks(ledger: Ledger, name: str = "") -> dict[str, Any]:
    """Return the stacks of the ledger (or the one of that name) by `account/Region/name`."""
    found = {}
    for partition in await partitions_of(ledger, name):
        item = await ledger.get(stack_key(partition)) or {}
        outcome = item.get("outcome") or {}
        found[partition] = {
            "generation": item.get("generation"),
            "mode": item.get("mode"),
            "status": outcome.get("status"),
            "finishedAt": outcome.get("finishedAt"),
            "reason": outcome.get("reason", ""),
            "failures": outcome.get("failures", []),
            "consents": [consent["resource"] for consent in outcome.get("consents", ())],
            "running": item.get("lease") is not None,
            "resources": await _resources(ledger, partition),
        }
    return found


async def partitions_of(ledger: Ledger, name: str = "") -> list[str]:
    """Return the partitions of stacks, of those of a name where one is given."""
    stacks_only = [partition for partition in await ledger.partitions() if _STACK.fullmatch(partition)]
    return [partition for partition in stacks_only if not name or partition.split("/", 2)[2] == name]


async def _resources(ledger: Ledger, partition: str) -> dict[str, Any]:
    memories = [Memory.read(item) for item in (await ledger.query(partition, "resource#")).values()]
    return {
        memory.address: {
            "id": memory.id,
            "arn": memory.arn,
            "incarnation": memory.incarnation,
            "pending": (memory.pending or {}).get("action"),
            "outputs": dict(memory.outputs),
        }
        for memory in memories
        if memory.exists
    }
