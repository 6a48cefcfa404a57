"""What operators do with a ledger: look at the history of runs, and end a request that is under way."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from infra.ledger import ConditionFailed, Item, Ledger, Put
from workflows.deciding.memory import stack_key
from workflows.deciding.outcome import Outcome, Status
from workflows.requests.acceptance import finished
from workflows.requests.answers import kept
from workflows.status import partitions_of


async def history(ledger: Ledger, name: str) -> dict[str, list[Item]]:
    """Return the outcomes of the runs of the stacks of a name, the newest first, by `account/Region/name`."""
    found = {}
    for partition in await partitions_of(ledger, name):
        runs = await ledger.query(partition, "run#")
        found[partition] = [run for _, run in sorted(runs.items(), reverse=True)]
    return found


async def cancel(ledger: Ledger, name: str, now: datetime) -> dict[str, str]:
    """End the requests under way of the stacks of a name: FAILED, as far as they came. Returns what became of each.

    A run that works on one loses its lease and stops within seconds; an execution of the state machine that goes on
    with it finds it finished. What the service was already told to do, it does.
    """
    return {partition: await _cancel(ledger, partition, now) for partition in await partitions_of(ledger, name)}


async def _cancel(ledger: Ledger, partition: str, now: datetime) -> str:
    key = stack_key(partition)
    while True:
        item = await ledger.get(key)
        if item is None or finished(item, str(item.get("requestId") or "")):
            return "nothing is under way"
        ended = {**item, "version": int(item["version"]) + 1, "lease": None, "leaseId": None}
        ended["outcome"] = kept(_cancelled(partition, item, now))
        try:
            await ledger.write(Put(key, ended, when={"version": item["version"]}))
        except ConditionFailed:
            continue
        return "cancelled"


def _cancelled(partition: str, item: Mapping[str, Any], now: datetime) -> Outcome:
    account, region, stack = partition.split("/", 2)
    return Outcome(
        stack=stack,
        status=Status.FAILED,
        request_id=str(item.get("requestId") or ""),
        generation=item.get("generation"),
        account=account,
        region=region,
        digest=str(item.get("digest") or ""),
        finished_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        reason="cancelled by an operator; send a new request to go on",
    )
