"""A read that is older than our own change says nothing of it."""

import anyio
import pytest

from infra.sandbox.behaviour import Behaviour, Durations
from tests.documents import small_stack
from tests.worlds import SandboxWorld
from workflows.planner.outcome import Status


@pytest.mark.parametrize("lag", [5.0, 30.0, 80.0])
@pytest.mark.parametrize("what", ["gateway", "target"])
async def test_a_read_from_before_an_update_is_not_believed(what, lag):
    """It shows READY and the old description; the update was sent once, and is in force when the run says READY."""
    with SandboxWorld(Behaviour(durations=Durations(reads_lag=lag))) as world:
        document = small_stack(1)
        await world.apply(document)
        await anyio.sleep(200)
        world.sent()
        body = document["gateways"]["payments"]
        (body if what == "gateway" else body["targets"]["target-0"])["description"] = "new"
        assert (await world.apply(document)).status is Status.READY
        assert world.sent() == ["UpdateGateway" if what == "gateway" else "UpdateGatewayTarget"]
        await anyio.sleep(200)
        assert (await world.apply(document)).status is Status.READY
        assert world.sent() == []


async def test_a_read_from_before_a_deletion_is_not_believed():
    """It shows what was there; the deletion is sent once, and no refusal of a second one is met."""
    with SandboxWorld(Behaviour(durations=Durations(reads_lag=5.0))) as world:
        await world.apply(small_stack(1))
        await anyio.sleep(200)
        world.sent()
        assert (await world.destroy(small_stack(1))).status is Status.DELETED
        assert sorted(world.sent()) == ["DeleteGateway", "DeleteGatewayTarget", "DeleteOauth2CredentialProvider"]
        assert world.live == {}
