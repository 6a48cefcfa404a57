"""Going on with what was accepted before, by its name alone."""

import anyio
import pytest

from infra.deadline import Deadline
from infra.ledger import Put
from tests.documents import small_stack
from workflows.planner.outcome import Status
from workflows.records.items import stack_key
from workflows.records.request_state import Mode
from workflows.requests.acceptance import note_request
from workflows.requests.request import Request
from workflows.service import RequestRef, resume


async def test_a_removal_that_was_handed_over_needs_no_valid_document(world):
    """The document in force is not valid any more, as after an upgrade; its removal goes on by name."""
    await world.apply(small_stack(1), "one")
    (partition,) = await world.ledger.partitions()
    item = await world.ledger.get(stack_key(partition))
    item["document"]["gateways"]["payments"]["nonsense"] = 1
    await world.ledger.write(Put(stack_key(partition), item))
    removal = Request(mode=Mode.REMOVE, request_id="removal", stack="payments.tools")
    outcome = await world.run(removal, seconds=21.0, patience=0.1)
    for _ in range(20):
        if outcome.status is not Status.IN_PROGRESS:
            break
        await anyio.sleep(outcome.retry_after or 5.0)
        outcome = await resume(world.context(), RequestRef("payments.tools", 2, "removal"), Deadline.within(60.0))
    assert outcome.status is Status.DELETED
    assert world.live == {}


@pytest.mark.parametrize("allow", [frozenset(), frozenset({"gateways.payments"})], ids=["no leave", "leave, once"])
async def test_leave_is_given_to_one_request(world, allow):
    """A tick that comes months later makes nothing anew because of it."""
    outcome = await world.apply(small_stack(1), "one", allow=allow)
    before = world.live["gateway payments"].id
    await anyio.sleep(90 * 86_400)
    record = world.live["gateway payments"]
    record.go("FAILED", now=world.plane.world.now)
    record.reasons = ["internal error"]
    (partition,) = await world.ledger.partitions()
    await note_request(world.ledger, partition, "tick", Mode.PROVISION)
    tick = await resume(world.context(), RequestRef("payments.tools", outcome.generation, "tick"), Deadline())
    assert tick.status is Status.FAILED
    assert world.live["gateway payments"].id == before
