"""A stack that fails with `onFailure: ROLLBACK` returns to what it was when it was READY last, or to nothing."""

import copy

import anyio
import pytest

from infra.sandbox.world import Failure
from tests.documents import gateway, mcp_target, provider, small_stack
from tests.everything.states import state
from tests.worlds import provision
from workflows.planner.outcome import ResourceStatus, Status

BAD = Failure(-1, "The endpoint cannot be reached")


def rolling(document: dict) -> dict:
    return {**copy.deepcopy(document), "onFailure": "ROLLBACK"}


async def test_a_first_apply_that_fails_leaves_nothing(world):
    """Never READY: everything that was made goes again, and the outcome says for what."""
    world.plane.world.failing["target-1"] = BAD
    outcome = await world.apply(rolling(small_stack()))
    assert outcome.status is Status.ROLLED_BACK
    assert world.live == {}
    (failure,) = outcome.shown()["failures"]
    assert failure["resource"] == "gateways.payments.targets.target-1"
    assert "cannot be reached" in failure["message"]
    assert {result.status for result in outcome.results} == {ResourceStatus.DELETED}
    assert world.announced[-1][0] == "Gateway Stack Rolled Back"


async def test_a_change_that_fails_is_taken_back(world):
    """What was updated is as before, what was added is gone, and nothing was removed before all else was READY."""
    before = small_stack(2)
    await world.apply(before)
    was, kept = state(world), world.live["target target-0"].id
    after = rolling(before)
    after["gateways"]["payments"]["description"] = "changed"
    after["oauth2CredentialProviders"]["second"] = provider()
    after["gateways"]["other"] = gateway({"one": mcp_target()})
    targets = after["gateways"]["payments"]["targets"]
    del targets["target-0"]
    targets["bad"] = mcp_target()
    world.plane.world.failing["bad"] = BAD
    outcome = await world.apply(after)
    assert outcome.status is Status.ROLLED_BACK
    assert state(world) == was
    assert [warning for warning in outcome.warnings if warning.rule == "rollback"] == []
    assert "target-0" not in str([one for one in world.plane.journal.calls if one.operation == "DeleteGatewayTarget"])
    assert world.live["target target-0"].id == kept
    world.sent()
    again = await world.apply(before)
    assert (again.status, world.sent()) == (Status.READY, [])


async def test_a_failed_update_is_updated_back(world):
    """Three failed tries of a generation do not use up those of its rollback."""
    before = small_stack(1)
    await world.apply(before)
    was = state(world)
    after = rolling(before)
    after["gateways"]["payments"]["targets"]["target-0"]["description"] = "new"
    world.plane.world.failing["target-0"] = Failure(3, "no")
    assert (await world.apply(after)).status is Status.ROLLED_BACK
    assert state(world) == was


async def test_a_replacement_is_replaced_back(world):
    """A gateway that was made anew for the failed document is made anew for the old one."""
    before = small_stack(1)
    await world.apply(before)
    was = state(world)
    after = rolling(before)
    after["gateways"]["payments"] |= {"authorizerType": "AWS_IAM"}
    del after["gateways"]["payments"]["authorizerConfiguration"]
    after["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    world.plane.world.failing["bad"] = BAD
    outcome = await world.apply(after, allow=frozenset({"gateways.payments"}))
    assert outcome.status is Status.ROLLED_BACK
    assert state(world) == was


async def test_what_was_taken_over_is_not_deleted(world):
    """A rollback to nothing deletes what was made, not what was there before."""
    await world.client().create_gateway(
        name="payments", roleArn="arn:aws:iam::123456789012:role/by-hand", authorizerType="NONE"
    )
    document = {
        "stack": "taking",
        "onFailure": "ROLLBACK",
        "gateways": {
            "payments": {
                "gatewright": {"adopt": True},
                "roleArn": "arn:aws:iam::123456789012:role/by-hand",
                "authorizerType": "NONE",
                "targets": {"good": mcp_target(), "bad": mcp_target()},
            }
        },
    }
    world.plane.world.failing["bad"] = BAD
    outcome = await world.apply(document)
    assert outcome.status is Status.ROLLED_BACK
    assert list(world.live) == ["gateway payments"]
    assert [result.status for result in outcome.results if result.address == "gateways.payments"] == ["RETAINED"]
    assert any("did not create" in warning.message for warning in outcome.warnings)


async def test_halting_is_the_default(world):
    """Without onFailure a failed stack stays as far as it came."""
    world.plane.world.failing["target-1"] = BAD
    assert (await world.apply(small_stack())).status is Status.FAILED
    assert "target target-0" in world.live


async def test_a_rollback_that_fails_says_both(world):
    """What cannot be undone is FAILED, with the first failure and the second."""
    await world.apply(small_stack(1))
    after = rolling(small_stack(1))
    after["gateways"]["payments"]["targets"]["target-0"]["description"] = "new"
    world.plane.world.failing["target-0"] = BAD
    outcome = await world.apply(after)
    assert outcome.status is Status.FAILED
    assert len(outcome.shown()["failures"]) == 2


@pytest.mark.parametrize("seconds", [22, 24, 26, 28, 30])
async def test_an_interrupted_rollback_goes_on(world, seconds):
    """Whenever a run ends, the next deliveries of the same request finish the rollback and nothing else."""
    world.behaviour.durations.target = 3.0
    world.behaviour.durations.delete = 3.0
    before = small_stack(2)
    await world.apply(before)
    was = state(world)
    after = rolling(before)
    after["gateways"]["payments"]["description"] = "changed"
    after["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    world.plane.world.failing["bad"] = BAD

    request = provision(after, "one-request")
    for _ in range(40):
        outcome = await world.run(request, seconds=seconds)
        if outcome.status is not Status.IN_PROGRESS:
            break
    assert outcome.status is Status.ROLLED_BACK
    assert state(world) == was


@pytest.mark.parametrize("seconds", [24, 30, 40])
async def test_an_interrupted_rollback_changes_nothing_forward_again(world, seconds):
    """What it has taken back already is not changed anew by the deliveries that finish it."""
    document = small_stack(1)
    await world.apply(document)
    after = {**small_stack(1), "onFailure": "ROLLBACK"}
    after["gateways"]["payments"]["description"] = "changed"
    after["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    world.plane.world.failing["bad"] = BAD
    world.behaviour.durations.delete = 50.0
    world.sent()
    for _ in range(60):
        outcome = await world.run(provision(after, "one-request"), seconds=seconds, patience=5.0)
        if outcome.status is not Status.IN_PROGRESS:
            break
        await anyio.sleep(outcome.retry_after or 1.0)
    assert outcome.status is Status.ROLLED_BACK
    sent = world.sent()
    assert (sent.count("UpdateGateway"), sent.count("CreateGatewayTarget")) == (2, 3)
