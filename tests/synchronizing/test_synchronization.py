"""Tools are read again when asked for, or when they lag behind a change; what the service refuses is skipped."""

import pytest

from infra.sandbox.world import Failure
from tests.documents import mcp_target, oauth, small_stack
from workflows.outcome import ResourceStatus, Status

TARGETS = "gateways.payments.targets"


def mixed_stack() -> dict:
    document = small_stack(2)
    targets = document["gateways"]["payments"]["targets"]
    targets["dynamic"] = mcp_target()
    targets["dynamic"]["targetConfiguration"]["mcp"]["mcpServer"]["listingMode"] = "DYNAMIC"
    targets["rates"] = {"targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": "{}"}}}}
    targets["pending"] = mcp_target(
        credentialProviderConfigurations=oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    )
    return document


async def test_one_call_per_target_that_synchronizes(world):
    """MCP servers in DEFAULT listing get a call each; the others are skipped, each with its reason."""
    await world.apply(mixed_stack())
    world.sent()
    outcome = await world.synchronize("payments.tools")
    assert outcome.status is Status.AWAITING_CONSENT
    assert world.sent() == ["SynchronizeGatewayTargets"] * 2
    reasons = {r.address.removeprefix(f"{TARGETS}."): r.reason for r in outcome.results}
    assert reasons["dynamic"] == "skipped: with DYNAMIC listing, tools are read at every request"
    assert reasons["rates"] == "skipped: only MCP server targets synchronize; this one is mcp.openApiSchema"
    assert reasons["pending"].startswith("CREATE_PENDING_AUTH")


async def test_synchronization_changes_nothing_else(world):
    """Drift is left for the next apply: a synchronization only synchronizes."""
    await world.apply(small_stack(1))
    world.live["target target-0"].request["description"] = "by hand"
    await world.synchronize("payments.tools")
    assert world.live["target target-0"].request["description"] == "by hand"


async def test_a_target_that_lags_behind_its_change_is_synchronized_once(world):
    """When the last synchronization is older than our last change, apply sends one; then it rests."""
    await world.apply(small_stack(1))
    world.live["target target-0"].extra["synchronized"] = 0.0
    world.sent()
    assert (await world.apply(small_stack(1))).status is Status.READY
    assert world.sent() == ["SynchronizeGatewayTargets"]
    world.live["target target-0"].extra["synchronized"] = 0.0
    await world.apply(small_stack(1))
    assert world.sent() == []


@pytest.mark.parametrize(("times", "status", "calls"), [(2, Status.READY, 3), (-1, Status.FAILED, 3)])
async def test_a_failing_synchronization_is_tried_three_times(world, times, status, calls):
    """What fails twice succeeds in the end; what always fails says why, and a new request tries again."""
    await world.apply(small_stack(1))
    world.sent()
    world.plane.world.failing["target-0"] = Failure(times, "tools/list answered $ref", frozenset({"SYNCHRONIZE"}))
    outcome = await world.synchronize("payments.tools")
    assert outcome.status is status
    assert world.sent() == ["SynchronizeGatewayTargets"] * calls
    assert all("$ref" in failure.message for failure in outcome.failures)
    world.plane.world.failing.clear()
    assert (await world.synchronize("payments.tools")).status is Status.READY


async def test_an_apply_mends_a_failed_synchronization(world):
    """A target left SYNCHRONIZE_UNSUCCESSFUL is synchronized again by an apply."""
    await world.apply(small_stack(1))
    world.plane.world.failing["target-0"] = Failure(-1, "unreachable", frozenset({"SYNCHRONIZE"}))
    await world.synchronize("payments.tools")
    world.plane.world.failing.clear()
    outcome = await world.apply(small_stack(1))
    assert outcome.status is Status.READY
    assert {result.status for result in outcome.results} == {ResourceStatus.READY}
