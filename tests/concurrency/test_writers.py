"""R6: many writers on both ledgers: conditions decide, one takes a stack, and a lost lease writes nothing."""

import time
from functools import partial

import pytest

from infra.deadline import Deadline
from infra.ledger import Key, Put
from infra.ledger.sqlite import SqliteLedger
from infra.tasks import gather_all
from tests.goals import tried
from tests.tables import table
from workflows.reconcile.lease import Free, Holder, Lease, LeaseHeld, LeaseLost, lease_key
from workflows.reconcile.session import StackSession
from workflows.records.items import stack_key
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord
from workflows.records.stack import Rollback
from workflows.requests.acceptance import Accepted, accept
from workflows.requests.request import Request
from workflows.requests.stacks import stack_record

pytestmark = pytest.mark.real_time
PARTITION = "123456789012/us-east-1/payments.tools"
WRITERS = 12


@pytest.fixture(params=["sqlite", "dynamodb"])
async def ledger(request, moto):
    if request.param == "sqlite":
        made = SqliteLedger()
        yield made
        made.close()
        return
    async with table(moto) as deployed:
        yield deployed


def asked(generation: int | None, request_id: str) -> Request:
    document = {"stack": "payments.tools", "generation": request_id}
    return Request(
        mode=Mode.PROVISION, request_id=request_id, stack="payments.tools", document=document, generation=generation
    )


async def opened(ledger, run: str) -> StackSession:
    return await StackSession.open(ledger, PARTITION, Holder(run, 1), now=time.time, deadline=Deadline.within(1))


async def expired(ledger) -> None:
    """Have the lease end, as that of a run that died does, without waiting for it."""
    item = await ledger.get(lease_key(PARTITION))
    if item is not None:
        lease = Lease(ledger, PARTITION, Holder(item["holder"], 1), Free(item), time.time())
        await ledger.write(lease.releasing(time.time()))


async def test_r6_of_many_that_take_a_stack_one_gets_it(ledger):
    """Over five rounds of leases that ended, exactly one of twelve runs takes the stack; the others write nothing."""
    await accept(ledger, PARTITION, asked(1, "a"), "digest")
    wrong, before = [], None
    for round_ in range(5):
        taken: list[StackSession] = []

        async def take(number: int, round_: int = round_, taken: list[StackSession] = taken) -> None:
            try:
                taken.append(await opened(ledger, f"run-{round_}-{number}"))
            except LeaseHeld:
                return

        await expired(ledger)

        await gather_all([partial(take, number) for number in range(WRITERS)])
        if len(taken) != 1:
            wrong.append(f"{len(taken)} took the stack")
            break
        if before is not None:
            wrong += await _writes_of(before)
        before = taken[0]
        await before.store(ResourceRecord("gateways.payments", "gateways", "payments", secrets=(f"round {round_}",)))
    tried("R6", "twelve writers on one stack, on each kind of ledger", 5 * WRITERS, wrong)
    assert wrong == []


async def _writes_of(lost: StackSession) -> list[str]:
    """Try every write of a run that lost its lease; return those that got through."""
    memory = ResourceRecord("gateways.payments", "gateways", "payments", secrets=("zombie",))
    tries = {
        "remember": lambda: lost.store(memory),
        "note": lambda: lost.change(lambda stack: stack.rolling_back(Rollback(1, "zombie"))),
        "finish": lambda: lost.finish(lambda stack: stack.ended({"status": "READY"}), {}, "2026", expires=1.0),
    }
    through = []
    for name, write in tries.items():
        try:
            await write()
        except LeaseLost:
            continue
        through.append(f"a lost lease could {name}")
    await lost.release()
    if await lost.still_mine():
        through.append("a lost lease is thought to be held")
    record = await stack_record(lost.ledger, PARTITION)
    assert record is not None
    if not record.lease_id or record.outcome or record.rollback:
        through.append("a lost lease changed the stack")
    return through


async def test_r6_of_many_that_are_accepted_the_newest_stands(ledger):
    """Twelve generations arrive at once: numbers are given once, and the highest is in force."""
    accepted = await gather_all(
        [partial(accept, ledger, PARTITION, asked(None, f"r{number}"), f"d{number}") for number in range(WRITERS)]
    )
    numbers = sorted(one.generation for one in accepted if isinstance(one, Accepted))
    item = await ledger.get(stack_key(PARTITION))
    newest = next(one for one in accepted if isinstance(one, Accepted) and one.generation == WRITERS)
    wrong = [] if numbers == list(range(1, WRITERS + 1)) else [f"generations {numbers}"]
    wrong += [] if item["document"] == newest.document and item["generation"] == WRITERS else ["not the newest"]
    tried("R6", "twelve requests accepted at once, on each kind of ledger", WRITERS, wrong)
    assert wrong == []


async def test_r6_a_write_under_a_lost_lease_takes_nothing_along(ledger):
    """A transaction whose lease condition fails leaves all of it undone."""
    await accept(ledger, PARTITION, asked(1, "a"), "digest")
    old = await opened(ledger, "old")
    await expired(ledger)
    await opened(ledger, "new")
    with pytest.raises(LeaseLost):
        await old.store(ResourceRecord("gateways.payments", "gateways", "payments"))
    assert await ledger.query(PARTITION, "resource#") == {}
    await ledger.write(Put(Key(PARTITION, "resource#x"), {}))
    assert list(await ledger.query(PARTITION, "resource#")) == ["resource#x"]
