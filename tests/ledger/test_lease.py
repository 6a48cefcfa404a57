"""The lease of a stack: when it can be taken, what it keeps others from writing and sending, that it is given back."""

from contextlib import suppress
from datetime import timedelta

import anyio
import pytest

from infra.aws import CALL_SECONDS
from infra.deadline import Deadline
from infra.ledger import Change, Put
from infra.ledger.sqlite import SqliteLedger
from tests.worlds import EPOCH
from workflows.reconcile.lease import (
    EXPIRED_SECONDS,
    IN_FLIGHT_SECONDS,
    RENEW_SECONDS,
    SILENT_SECONDS,
    Holder,
    LeaseHeld,
    LeaseLost,
    lease_key,
)
from workflows.reconcile.session import StackSession
from workflows.records.declaration import Declaration, RemoteObject
from workflows.records.items import stack_key
from workflows.records.operation import Operation, OpState, Verb
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord
from workflows.records.stack import StackRecord
from workflows.requests.acceptance import accept
from workflows.requests.request import Request

PARTITION = "123456789012/us-east-1/payments"
MEMORY = ResourceRecord("gateways.one", "gateways", "one", object=RemoteObject("id-1"))


def begun(now: float) -> ResourceRecord:
    """Return the record of a gateway whose creation was about to be sent."""
    blank = ResourceRecord("gateways.one", "gateways", "one")
    return blank.begin(Operation(Verb.CREATE, OpState.PENDING, now, declared={}), Declaration({}))


@pytest.fixture
async def ledger():
    made = SqliteLedger()
    await asked(made, "one")
    yield made
    made.close()


async def asked(ledger: SqliteLedger, request_id: str) -> int:
    """Have a request accepted; return its generation."""
    request = Request(mode=Mode.PROVISION, request_id=request_id, stack="payments", document={"stack": "payments"})
    found = await accept(ledger, PARTITION, request, request_id)
    assert found.generation is not None
    return found.generation


async def opened(
    ledger: SqliteLedger, run: str, *, off: float = 0.0, generation: int = 1, within: float = 60
) -> StackSession:
    """Take the lease, with a clock of the day that is off by some seconds."""

    def now() -> float:
        return (EPOCH + timedelta(seconds=anyio.current_time() + off)).timestamp()

    holder = Holder(run, generation, f"request of {run}", "host-1")
    return await StackSession.open(ledger, PARTITION, holder, now=now, deadline=Deadline.within(within))


async def refused(ledger: SqliteLedger, run: str) -> str:
    """Return why a lease cannot be taken; empty where it was."""
    try:
        await opened(ledger, run)
    except LeaseHeld as held:
        return str(held)
    return ""


async def kept(book: StackSession) -> None:
    """Keep a lease for as long as it can be kept."""
    with suppress(LeaseLost):
        await book.guard()


def silent(book: StackSession) -> bool:
    """Tell whether a run may send nothing now."""
    assert book.lease is not None
    try:
        book.lease.require()
    except LeaseLost:
        return True
    return False


async def test_a_holder_that_renews_keeps_its_lease_and_is_named(ledger):
    """Who waits is told within seconds who holds it, and since when."""
    first, told, waited = await opened(ledger, "first"), [], []
    async with anyio.create_task_group() as group:
        group.start_soon(kept, first)
        for number in range(20):
            began = anyio.current_time()
            told.append(await refused(ledger, f"second-{number}"))
            waited.append(anyio.current_time() - began)
        group.cancel_scope.cancel()
    assert {one[:77] for one in told} == {
        "another run works on this stack: request request of first on host-1 since 202"
    }
    assert max(waited) <= RENEW_SECONDS + 2.0
    await first.store(MEMORY)


@pytest.mark.parametrize("off", [0.0, -86_400.0, 86_400.0], ids=["same clock", "a day behind", "a day ahead"])
async def test_a_holder_that_died_is_followed_within_seconds_whatever_the_clocks_say(ledger, off):
    """What the first run remembers from then on is refused, and what the second one knows stands."""
    first = await opened(ledger, "first")
    await first.store(MEMORY)
    began = anyio.current_time()
    second = await opened(ledger, "second", off=off)
    assert EXPIRED_SECONDS <= anyio.current_time() - began <= EXPIRED_SECONDS + 1.0
    assert second.records == {MEMORY.address: MEMORY}
    for write in (first.store(MEMORY.gone()), first.change(StackRecord.rolled_back)):
        with pytest.raises(LeaseLost):
            await write
    assert not await first.still_mine()
    with pytest.raises(LeaseLost):
        await first.guard()
    await second.store(MEMORY)


async def test_a_ledger_that_answers_slowly_is_read_again_at_once(ledger):
    """A read that took longer than what was left of the wait is followed by another, without a pause."""
    await opened(ledger, "first")

    class Slow(SqliteLedger):
        async def get(self, key):
            found = await ledger.get(key)
            await anyio.sleep(EXPIRED_SECONDS - 1.0)
            return found

        async def query(self, partition, prefix=""):
            return await ledger.query(partition, prefix)

        async def write(self, *changes: Change) -> None:
            await ledger.write(*changes)

    slow = Slow()
    assert (await opened(slow, "second", within=600)).run_id == "second"
    slow.close()


async def test_a_waiter_that_was_frozen_looks_again_before_it_takes(ledger):
    """A process that stood still for a minute has seen nothing of what happened meanwhile."""
    first = await opened(ledger, "first")

    class Frozen(SqliteLedger):
        async def get(self, key):
            found = await ledger.get(key)
            if key == lease_key(PARTITION):
                await anyio.sleep(60.0)
            return found

        async def write(self, *changes: Change) -> None:
            await ledger.write(*changes)

    frozen = Frozen()
    async with anyio.create_task_group() as group:
        group.start_soon(first.guard)
        with pytest.raises(LeaseHeld):
            await opened(frozen, "second", within=600)
        group.cancel_scope.cancel()
    frozen.close()
    assert await first.still_mine()


async def test_a_holder_that_cannot_renew_sends_nothing(ledger):
    """Another run may hold the lease by now; once the ledger can be reached again, it goes on."""
    first = await opened(ledger, "first")
    write, down = ledger.write, True

    async def fails(*changes: Change) -> None:
        if down:
            raise OSError("no network")
        await write(*changes)

    ledger.write = fails
    found = []
    async with anyio.create_task_group() as group:
        group.start_soon(first.guard)
        await anyio.sleep(SILENT_SECONDS - 0.1)
        found.append(silent(first))
        await anyio.sleep(0.2)
        found.append(silent(first))
        down = False
        await anyio.sleep(RENEW_SECONDS)
        found.append(silent(first))
        group.cancel_scope.cancel()
    del ledger.write
    assert found == [False, True, False]


async def test_a_renewal_whose_answer_was_lost_is_no_loss(ledger):
    """It took effect: what stands there is read before the next one."""
    first = await opened(ledger, "first")
    write, lost = ledger.write, [True]

    async def without_answer(*changes: Change) -> None:
        await write(*changes)
        if lost and lost.pop():
            raise OSError("the connection broke")

    ledger.write = without_answer
    lost_it = False
    with anyio.move_on_after(3 * RENEW_SECONDS + 1):
        try:
            await first.guard()
        except LeaseLost:
            lost_it = True
    del ledger.write
    assert not lost_it
    assert await first.still_mine()
    await first.store(MEMORY)


@pytest.mark.parametrize("off", [0.0, 3_600.0, -3_600.0], ids=["same clock", "ahead", "behind"])
@pytest.mark.parametrize("repeated", [0.0, 300.0], ids=["sent once", "repeated for minutes"])
async def test_the_call_of_a_dead_holder_is_waited_for_from_its_last_renewal_on(ledger, off, repeated):
    """A holder repeats a throttled call for minutes under one intent; the clock of the dead holder does not matter."""
    first = await opened(ledger, "first", off=off)
    marked = begun(first.now())
    await first.store(marked)
    with anyio.move_on_after(repeated + RENEW_SECONDS / 2):
        await first.guard()
    died = anyio.current_time()
    second = await opened(ledger, "second")
    left = second.in_flight_for(second.records[marked.address])
    sent = died + SILENT_SECONDS + CALL_SECONDS
    assert sent - RENEW_SECONDS <= anyio.current_time() + left <= died + IN_FLIGHT_SECONDS + 1.0
    await second.release()
    await anyio.sleep(3.0)
    third = await opened(ledger, "third")
    assert third.in_flight_for(marked) == pytest.approx(left - 3.0, abs=0.1)
    await anyio.sleep(IN_FLIGHT_SECONDS)
    assert third.in_flight_for(marked) == 0.0


async def test_nothing_is_in_flight_after_a_release_or_without_an_intent(ledger):
    first = await opened(ledger, "first")
    marked = begun(first.now())
    await first.store(marked)
    await first.release()
    assert (await opened(ledger, "second")).in_flight_for(marked) == 0.0
    third = await opened(ledger, "third")
    assert third.in_flight_for(MEMORY) == 0.0


async def test_a_run_for_an_older_generation_writes_nothing_more(ledger):
    """A newer one was accepted meanwhile: what the older run does from then on is not remembered."""
    first = await opened(ledger, "first")
    assert await asked(ledger, "two") == 2
    for write in (first.store(MEMORY), first.change(StackRecord.rolled_back)):
        with pytest.raises(LeaseLost):
            await write
    assert not await first.still_mine()
    with pytest.raises(LeaseLost):
        await first.guard()


async def test_a_run_that_has_ended_holds_nothing(ledger):
    """Given back, with its end written or not, the next run begins at once."""
    began = anyio.current_time()
    first = await opened(ledger, "first")
    await first.finish(StackRecord.rolled_back, {}, "2026-01-01T00:00:00Z", expires=1e9)
    assert (await ledger.get(lease_key(PARTITION)))["holder"] == "first", "it is held until the outcome is published"
    await first.release()
    second = await opened(ledger, "second")
    await second.release()
    assert (await ledger.get(stack_key(PARTITION)))["leaseId"] is None
    assert (await ledger.get(lease_key(PARTITION)))["holder"] is None
    await opened(ledger, "third")
    assert anyio.current_time() == began


async def test_a_run_that_lost_its_stack_makes_nobody_wait(ledger):
    """An operator took the stack away from it: its lease is given back, and not left to expire."""
    first = await opened(ledger, "first")
    await asked(ledger, "two")
    await first.release()
    began = anyio.current_time()
    await opened(ledger, "second", generation=2)
    assert anyio.current_time() == began


async def test_a_lease_of_an_earlier_version_is_left_alone_until_it_ends(ledger):
    """It is in the stack's item, which is of the form of that version, with the time of day at which it ends."""
    key = stack_key(PARTITION)
    item = {"schema": 2, "version": 1, "generation": 1, "recent": {"one": 1}, "requestId": "one"}
    now = (EPOCH + timedelta(seconds=anyio.current_time())).timestamp()
    await ledger.write(Put(key, {**item, "lease": {"id": "old", "until": now + 100.0, "generation": 1}}))
    with pytest.raises(LeaseHeld) as held:
        await opened(ledger, "second")
    assert held.value.retry_after == 60.0
    await anyio.sleep(116.0)
    await opened(ledger, "second")
    assert (await ledger.get(key))["older_lease_until"] == 0.0
