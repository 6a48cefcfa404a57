"""What leaves a document and stays all the same: what was retained, and what was only looked up."""

import anyio
import pytest

from infra.sandbox.world import Failure
from tests.documents import small_stack
from workflows.planner.outcome import ResourceStatus, Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request


async def test_what_is_retained_is_so_from_when_it_was_declared(world):
    """The run that was to retain a target came no further than its gateway; left out then, the target stays."""
    await world.apply(small_stack(1))
    document = small_stack(1)
    document["gateways"]["payments"]["description"] = "new"
    document["gateways"]["payments"]["targets"]["target-0"]["gatewright"] = {"deletion": "RETAIN"}
    world.plane.world.failing["payments"] = Failure(3, "internal", frozenset({"UPDATE"}))
    assert (await world.apply(document)).status is Status.FAILED
    assert (await world.apply(small_stack(0))).status is Status.READY
    assert "target target-0" in world.live


async def test_what_is_only_looked_up_from_now_on_is_nobodys_to_remove(world):
    """A target of ours is marked as existing, then left out: it stays, whoever made it."""
    await world.apply(small_stack(2))
    document = small_stack(2)
    document["gateways"]["payments"]["targets"]["target-0"] = {"gatewright": {"existing": True}}
    assert (await world.apply(document)).status is Status.READY
    del document["gateways"]["payments"]["targets"]["target-0"]
    assert (await world.apply(document)).status is Status.READY
    assert {"target target-0", "target target-1"} <= set(world.live)


async def test_what_is_retained_is_named(world):
    """Whoever has it by hand from now on learns its id."""
    document = small_stack(1)
    document["gateways"]["payments"]["gatewright"] = {"deletion": "RETAIN"}
    await world.apply(document)
    kept = {result.address: result for result in (await world.destroy(document)).results}["gateways.payments"]
    assert (kept.status, kept.id) == (ResourceStatus.RETAINED, world.live["gateway payments"].id)


@pytest.mark.parametrize("milliseconds", range(0, 120, 20))
async def test_what_goes_while_it_is_looked_at_is_gone(world, milliseconds):
    """A removal in short runs meets its gateway's end between two reads: that is no failure."""
    world.behaviour.durations.delete = 20.0
    await world.apply(small_stack(0))
    await anyio.sleep(60)
    request, began = Request(mode=Mode.REMOVE, request_id="r", stack="payments.tools"), anyio.current_time()
    outcome = await world.run(request, seconds=90.0, patience=1.0)
    await anyio.sleep(began + 20.0 + milliseconds / 1000 - anyio.current_time())
    assert outcome.status is Status.IN_PROGRESS
    assert (await world.settle(request)).status is Status.DELETED
