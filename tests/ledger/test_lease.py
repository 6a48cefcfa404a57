"""The lease of a stack: when it can be taken, what it keeps others from writing, and that it is given back."""

import pytest

from infra.ledger.sqlite import SqliteLedger
from workflows.acting.book import Book, LeaseHeld, LeaseLost
from workflows.deciding.decision import Mode
from workflows.deciding.memory import Memory, stack_key
from workflows.requests.acceptance import LEASE_MARGIN, accept
from workflows.requests.request import Request

PARTITION = "123456789012/us-east-1/payments"
MEMORY = Memory("gateways.one", "gateways", "one", id="id-1")


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


async def opened(ledger: SqliteLedger, run: str, *, now: float = 0.0, generation: int = 1) -> Book:
    return await Book.open(ledger, PARTITION, run, generation, now=now, until=100.0)


@pytest.mark.parametrize("now", [1.0, 99.0, 100.0, 100.0 + LEASE_MARGIN - 0.1])
async def test_a_lease_is_left_alone_for_as_long_as_clocks_may_differ(ledger, now):
    """Its holder's clock may be behind: it may believe that it has time yet."""
    await opened(ledger, "first")
    with pytest.raises(LeaseHeld):
        await opened(ledger, "second", now=now)


async def test_a_lease_that_has_ended_is_taken_over_and_its_holder_writes_nothing_more(ledger):
    """What the first run remembers from then on is refused, and what the second one knows stands."""
    first = await opened(ledger, "first")
    await first.remember(MEMORY)
    second = await opened(ledger, "second", now=100.0 + LEASE_MARGIN)
    assert second.memories == {MEMORY.address: MEMORY}
    for write in (first.remember(MEMORY.gone()), first.note({"x": 1}), first.renew(900.0)):
        with pytest.raises(LeaseLost):
            await write
    assert not await first.still_mine()
    await second.remember(MEMORY)


async def test_a_run_for_an_older_generation_writes_nothing_more(ledger):
    """A newer one was accepted meanwhile: what the older run does from then on is not remembered."""
    first = await opened(ledger, "first")
    assert await asked(ledger, "two") == 2
    for write in (first.remember(MEMORY), first.note({"x": 1})):
        with pytest.raises(LeaseLost):
            await write
    assert not await first.still_mine()


async def test_a_run_that_has_ended_holds_nothing(ledger):
    """Closed or given back, the next run begins at once."""
    first = await opened(ledger, "first")
    await first.close({}, {}, "2026-01-01T00:00:00Z", expires=1e9)
    second = await opened(ledger, "second", now=1.0)
    await second.release()
    assert (await ledger.get(stack_key(PARTITION)))["lease"] is None
    assert await opened(ledger, "third", now=2.0)
