"""The status of stacks as recorded in the ledger; no resource is read at AWS."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

from infra.ledger import Ledger
from workflows.document.problems import Problem
from workflows.reconcile.lease import read_lease
from workflows.records.resource import ResourceRecord
from workflows.requests.resources import readable, readable_records
from workflows.requests.stacks import stack_record

_STACK = re.compile(r"\d{12}/[^/]+/.+")


async def stacks(ledger: Ledger, name: str = "") -> dict[str, Any]:
    """Return the status of the ledger's stacks, or of the stacks with a name, by `account/Region/name`."""
    found = {}
    for partition in await partitions_of(ledger, name):
        record, unreadable = await readable(stack_record(ledger, partition))
        records, damaged = await readable_records(ledger, partition)
        damaged = [*unreadable, *damaged, *(await readable(read_lease(ledger, partition)))[1]]
        outcome = (record.outcome if record is not None else None) or {}
        found[partition] = {
            "generation": record.generation if record is not None else None,
            "mode": str(record.mode) if record is not None else None,
            "status": outcome.get("status"),
            "finishedAt": outcome.get("finishedAt"),
            "reason": outcome.get("reason", ""),
            "failures": outcome.get("failures", []),
            "consents": [consent["resource"] for consent in outcome.get("consents", ())],
            "running": record is not None and record.lease_id is not None,
            "resources": _shown(records),
            "damaged": damaged,
        }
    return found


async def unknown_stack(ledger: Ledger, account: str, region: str, stack: str, bearing: Iterable[str] = ()) -> Problem:
    """Return the problem with a stack that the ledger does not know. `bearing` are resources that bear its tag.

    A missing record does not prove that the stack is gone.
    """
    known = [partition.split("/", 2) for partition in await partitions_of(ledger)]
    elsewhere = [f"account {one[0]}, Region {one[1]}" for one in known if one[2] == stack]
    here = [one[2] for one in known if (one[0], one[1]) == (account, region)]
    alike = difflib.get_close_matches(stack, here, n=3)
    text = f"this ledger knows no stack named {stack} in account {account}, Region {region}, and nothing was removed"
    if elsewhere:
        text += f". It knows that stack in {'; '.join(elsewhere)}"
    elif alike:
        text += f". Did you mean {' or '.join(alike)}?"
    if found := list(bearing):
        text += (
            f". These resources bear the tag of the stack: {', '.join(found)}. Name the ledger that knows them "
            "(--ledger); if it is lost, apply the document, which takes them over, and remove the stack then"
        )
    elif not elsewhere and not alike:
        text += ". No resource bears its tag. Was it applied with another ledger (--ledger), account or Region?"
    return Problem("stack", "unknown-stack", text)


async def partitions_of(ledger: Ledger, name: str = "") -> list[str]:
    """Return the partitions of all stacks, or of the stacks with a name: `stack`, or `account/Region/stack`."""
    stacks_only = [partition for partition in await ledger.partitions() if _STACK.fullmatch(partition)]
    return [one for one in stacks_only if not name or name in (one, one.split("/", 2)[2])]


def _shown(records: list[ResourceRecord]) -> dict[str, Any]:
    """Return the resources that exist, by address."""
    return {
        record.address: {
            "id": record.id,
            "arn": record.arn,
            "incarnation": record.incarnation,
            "pending": record.log.intent.verb if record.log.intent is not None else None,
            "outputs": dict(record.outputs),
            "shownOtherwise": list(record.normalized),
            "unconfirmed": list(record.unconfirmed),
        }
        for record in records
        if record.exists
    }
