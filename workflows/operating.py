"""Operators' work on a ledger: show the history of runs, cancel a request under way, forget a stack."""

from datetime import datetime
from secrets import token_hex

from infra.deadline import Deadline
from infra.ledger import Check, ConditionFailed, Delete, Item, ItemDamaged, Key, Ledger, Put
from workflows.planner.outcome import Outcome, Status
from workflows.reconcile.lease import EXPIRED_SECONDS, Holder, LeaseHeld, LeaseLost, lease_key
from workflows.reconcile.session import StackSession
from workflows.records.items import RUN, outcome_of_run, stack_key
from workflows.records.resource import ResourceRecord
from workflows.records.stack import StackRecord
from workflows.requests.acceptance import finished
from workflows.requests.answers import kept
from workflows.requests.resources import readable_items, readable_records
from workflows.requests.stacks import put_of, stack_record
from workflows.status import partitions_of

#: What the message of `forget` begins with for a stack that was forgotten.
FORGOTTEN = "forgotten"
_DAY = 86_400.0
#: Seconds to wait for the lease of a stack to forget: long enough for the lease of a dead run to expire.
_PATIENCE = EXPIRED_SECONDS + 5.0


async def history(ledger: Ledger, name: str) -> dict[str, list[Item]]:
    """Return the outcomes of runs of the stacks with a name, newest first, by `account/Region/name`.

    In place of an outcome that cannot be read stands an item with the single member `damaged`, which says why.
    """
    found = {}
    for partition in await partitions_of(ledger, name):
        items, damaged = await readable_items(ledger, partition, RUN)
        runs = {sort: _run(Key(partition, sort), item) for sort, item in items.items()}
        runs |= {sort: {"damaged": reason} for sort, reason in damaged.items()}
        found[partition] = [run for _, run in sorted(runs.items(), reverse=True)]
    return found


def _run(key: Key, item: Item) -> Item:
    try:
        return outcome_of_run(key, item)
    except ItemDamaged as damaged:
        return {"damaged": str(damaged)}


async def cancel(ledger: Ledger, name: str, now: datetime, days: int) -> dict[str, str]:
    """Cancel the requests under way of the stacks with a name: each ends FAILED. Returns a message for each stack.

    The history keeps the cancellation for `days` days. A run that works on such a stack loses the lease and stops
    within seconds; an execution of the state machine finds the request finished. Operations that the service has
    already accepted are not stopped.
    """
    return {one: await _cancel(ledger, one, now, days) for one in await partitions_of(ledger, name)}


async def forget(ledger: Ledger, name: str, now: datetime) -> dict[str, str]:
    """Delete all ledger items of the stacks with a name; change nothing at AWS. Returns a message for each stack.

    Resources with the stack's owner tag are found again when the document is applied; no stack manages the rest.
    """
    return {one: await _forget(ledger, one, now.timestamp()) for one in await partitions_of(ledger, name)}


async def _forget(ledger: Ledger, partition: str, now: float) -> str:
    key, lease = stack_key(partition), lease_key(partition)
    alive = await readable_records(ledger, partition)
    try:
        known = await stack_record(ledger, partition)
    except ItemDamaged:
        return await _erased(ledger, partition, *alive)
    holder = Holder(f"forget-{token_hex(8)}", known.generation if known is not None else 0)
    try:
        deadline = Deadline.within(_PATIENCE)
        session = await StackSession.open(
            ledger, partition, holder, now=lambda: now, deadline=deadline, reads_records=False
        )
    except (LeaseHeld, LeaseLost):
        return "a run works on it; cancel its request first"
    except ItemDamaged:
        return await _erased(ledger, partition, *alive)
    held = Check(key, when={"leaseId": session.run_id})
    try:
        for sort in await ledger.keys(partition):
            if sort not in (key.sort, lease.sort):
                await ledger.write(held, Delete(Key(partition, sort)))
        await ledger.write(Delete(key, when={"version": session.stack.version}), Delete(lease))
    except ConditionFailed:
        await session.release()
        return (
            "another request for the stack arrived meanwhile; the records of its resources were deleted, and the next "
            "run finds the resources by their tags"
        )
    return _forgotten(*alive)


def _forgotten(records: list[ResourceRecord], damaged: list[str]) -> str:
    """Return the message for a stack that was forgotten, with what goes on to exist at AWS."""
    alive = [record for record in records if record.exists]
    names = ", ".join(f"{record.address} ({record.id})" if record.id else record.address for record in alive)
    said = f"; these go on to exist, and no stack manages them: {names}" if alive else ""
    unread = f"; there may be more: {'; '.join(damaged)}" if damaged else ""
    return f"{FORGOTTEN}{said}{unread}"


async def _erased(ledger: Ledger, partition: str, records: list[ResourceRecord], damaged: list[str]) -> str:
    """Delete every item of a stack of which no run can take the lease, since record or lease cannot be read."""
    for sort in await ledger.keys(partition):
        await ledger.write(Delete(Key(partition, sort)))
    return _forgotten(records, damaged)


async def _cancel(ledger: Ledger, partition: str, now: datetime, days: int) -> str:
    while True:
        stack = await stack_record(ledger, partition)
        synchronizations = stack.open_synchronizations if stack is not None else []
        provisioning = stack is not None and not finished(stack, stack.request_id)
        if stack is None or not (provisioning or synchronizations):
            return "no request is in progress"
        request_id = stack.request_id if provisioning else synchronizations[-1].id
        told = kept(_cancelled(partition, stack, request_id, now))
        run = Key(partition, f"{RUN}{told['finishedAt']}#cancelled")
        ended = stack.released()
        if provisioning:
            ended = ended.ended(told, final=True).waiting(stack.request_id, stack.mode, None, None)
        for one in synchronizations:
            ended = ended.synchronized(one.id, {**told, "requestId": one.id}, final=True)
        try:
            await ledger.write(put_of(partition, stack, ended), Put(run, told, expires=now.timestamp() + days * _DAY))
        except ConditionFailed:
            continue
        return "cancelled"


def _cancelled(partition: str, record: StackRecord, request_id: str, now: datetime) -> Outcome:
    account, region, stack = partition.split("/", 2)
    return Outcome(
        stack=stack,
        status=Status.FAILED,
        request_id=request_id,
        generation=record.generation,
        account=account,
        region=region,
        digest=record.digest,
        finished_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        reason="cancelled by an operator; send a new request to go on",
    )
