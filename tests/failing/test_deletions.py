"""Deletions that are refused or come to nothing: what stands is known yet, and they are tried three times in all."""

import pytest

from infra.sandbox.faults import Effect, Fault
from infra.sandbox.world import Failure
from tests.documents import small_stack
from tests.worlds import provision
from workflows.planner.outcome import Status

ALLOWED = frozenset({"gateways.payments", "oauth2CredentialProviders.idp"})


def denied(operation: str) -> Fault:
    return Fault(operation, Effect.REFUSE, -1, 0, "AccessDeniedException", "not authorized")


@pytest.mark.parametrize("asked", ["a removal", "left out"])
@pytest.mark.parametrize("operation", ["DeleteGatewayTarget", "DeleteGateway", "DeleteOauth2CredentialProvider"])
async def test_what_may_not_be_deleted_is_not_taken_for_gone(world, operation, asked):
    """The platform is told which permission lacks, and once it is granted nothing is left over."""
    await world.apply(small_stack(1))
    world.plane.faults.add(denied(operation))

    async def leave():
        bare = {"stack": "payments.tools"}
        return await (world.destroy(small_stack(1)) if asked == "a removal" else world.apply(bare, allow=ALLOWED))

    outcome = await leave()
    assert outcome.status is Status.FAILED
    assert {(one.code, one.actor) for one in outcome.failures} == {("AccessDeniedException", "PLATFORM")}
    assert world.live != {}
    world.plane.faults.all.clear()
    assert (await leave()).status is (Status.DELETED if asked == "a removal" else Status.READY)
    assert world.live == {}


@pytest.mark.parametrize("seconds", [30.0, 600.0], ids=["many runs", "one run"])
async def test_a_replacement_whose_deletion_fails_is_tried_three_times(world, seconds):
    """However many runs it takes, a deletion that came to nothing was a try, and is not sent without end."""
    world.behaviour.durations.delete = 100.0
    world.plane.world.failing["target-0"] = Failure(-1, "in use", frozenset({"CREATE", "DELETE"}))
    outcome = await world.settle(provision(small_stack(1), "one"), seconds=seconds)
    assert outcome.status is Status.FAILED
    sent = world.sent()
    assert sent.count("CreateGatewayTarget") == 1
    assert sent.count("DeleteGatewayTarget") == 2


async def test_what_a_failed_update_still_uses_goes_after_it(world):
    """The update that was to drop a provider failed, so that it is in use yet: the removal deletes its user first."""
    world.behaviour.used_provider_deletable = False
    await world.apply(small_stack(1))
    without = small_stack(1)
    del without["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"]
    world.plane.world.failing["target-0"] = Failure(-1, "no endpoint", frozenset({"UPDATE"}))
    assert (await world.apply(without)).status is Status.FAILED
    world.behaviour.durations.delete = 5.0
    world.plane.journal.calls.clear()
    assert (await world.destroy(without)).status is Status.DELETED
    calls = [call for call in world.plane.journal.calls if call.operation.startswith("Delete")]
    assert [call.operation for call in calls if call.refusal] == []
    order = [call.operation for call in calls]
    assert order.index("DeleteGatewayTarget") < order.index("DeleteOauth2CredentialProvider")
