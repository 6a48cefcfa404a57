"""What the ledger knows of stacks, for people who ask: no call to AWS is made."""

from typing import Any

from infra.ledger import Ledger
from workflows.memory import Memory, stack_key


async def stacks(ledger: Ledger, name: str = "") -> dict[str, Any]:
    """Return the stacks of the ledger (or the one of that name) by `account/Region/name`."""
    found = {}
    for partition in await ledger.partitions():
        if name and partition.split("/", 2)[2] != name:
            continue
        item = await ledger.get(stack_key(partition)) or {}
        outcome = item.get("outcome") or {}
        found[partition] = {
            "generation": item.get("generation"),
            "mode": item.get("mode"),
            "status": outcome.get("status"),
            "finishedAt": outcome.get("finishedAt"),
            "running": item.get("lease") is not None,
            "resources": await _resources(ledger, partition),
        }
    return found


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
