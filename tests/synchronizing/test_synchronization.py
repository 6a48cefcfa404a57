"""Tools are read again when asked for, or when they lag behind a change; what the service refuses is skipped."""

import anyio
import pytest

from infra.sandbox.world import Failure
from tests.crash.harness import At, Process, run_once
from tests.documents import ROLE, mcp_target, oauth, small_stack
from tests.goals import tried
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import ResourceStatus, Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request

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


def described(text: str) -> dict:
    document = small_stack(1)
    document["gateways"]["payments"]["targets"]["target-0"] |= {"description": text} if text else {}
    return document


@pytest.mark.parametrize("first", [None, described("")], ids=["created", "updated"])
async def test_r2_a_synchronization_leaves_in_doubt_what_is(world, first):
    """A change without an answer, a synchronization, then a document that declares less: nothing of it stays."""
    if first is not None:
        await world.apply(first, "zero")
    learnt = Process()
    with SandboxWorld() as other:
        if first is not None:
            await other.apply(first, "zero")
        await run_once(other, learnt, provision(described("old"), "one"))
    operation = "create_gateway_target" if first is None else "update_gateway_target"
    dies = Process.struck(At.NOT_REMEMBERED, learnt.history.calls.index(operation))
    assert await run_once(world, dies, provision(described("old"), "one")) is None
    await anyio.sleep(500.0)
    await world.synchronize("payments.tools")
    outcome = await world.apply(described(""))
    kept = "description" in world.live["target target-0"].request
    tried("R2", "a change in doubt, then a synchronization, then less is declared", violations=int(kept))
    assert (outcome.status, kept) == (Status.READY, False)


async def test_r14_synchronizations_do_not_put_off_that_a_request_stands_still(world):
    """Somebody synchronizes every ten minutes; what never moves has failed after an hour all the same."""
    world.behaviour.durations.harness = 1e9
    document = {**small_stack(2), "harnesses": {"h": {"executionRoleArn": ROLE}}}
    outcome, began = await world.run(provision(document, "one"), seconds=60, patience=1), anyio.current_time()
    while outcome.status is Status.IN_PROGRESS and anyio.current_time() - began < 7200:
        await world.synchronize("payments.tools")
        await anyio.sleep(600.0)
        outcome = await world.run(provision(document, "one"), seconds=60, patience=1)
    tried(
        "R14",
        "a request that stands still beside synchronizations",
        violations=int(outcome.status is not Status.FAILED),
    )
    assert [one.code for one in outcome.failures] == ["Stuck"]


async def test_r15_a_synchronization_that_fails_tells_and_forgets_nothing_of_consent(world):
    """Who is awaited is told once, and given up when the time is over, whatever is synchronized meanwhile."""
    world.behaviour.pending_takes_updates = False
    document = {**small_stack(1), "consentTimeoutSeconds": 3600}
    asks = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/back")
    document["gateways"]["payments"]["targets"]["asks"] = mcp_target(credentialProviderConfigurations=asks)
    outcome = await world.run(provision(document, "one"))
    world.plane.world.failing["target-0"] = Failure(3, "no such host", frozenset({"SYNCHRONIZE"}))
    assert (await world.synchronize("payments.tools")).status is Status.FAILED
    while outcome.status is Status.AWAITING_CONSENT and anyio.current_time() < 7200:
        await anyio.sleep(600.0)
        outcome = await world.run(provision(document, "one"))
    told = sum(kind == "Gateway Stack Awaiting Consent" and one["requestId"] == "one" for kind, one in world.announced)
    tried("R15", "consent that nobody gives, beside synchronizations that fail", violations=told - 1)
    assert (told, [one.code for one in outcome.failures]) == (1, ["ConsentTimeout"])


def synchronization(request_id: str) -> Request:
    return Request(mode=Mode.SYNCHRONIZE, request_id=request_id, stack="payments.tools")


async def test_each_synchronization_waits_for_consent_anew(world):
    """A schedule asks every day: every day it is told where to consent, and there is as much time to."""
    document = small_stack(1)
    asks = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    document["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"] = asks
    consent = world.plane.targets.consent
    outcome = await world.apply(document, "one")
    for day in range(4):
        consent.give(outcome.shown()["consents"][0]["authorizationUrl"].rpartition("%3A")[2])
        await anyio.sleep(30)
        again = await (world.run(synchronization(f"day-{day - 1}")) if day else world.apply(document, "one"))
        assert again.status is Status.READY
        await anyio.sleep(86_400)
        world.announced.clear()
        outcome = await world.run(synchronization(f"day-{day}"))
        assert outcome.status is Status.AWAITING_CONSENT
        assert [kind for kind, _ in world.announced] == ["Gateway Stack Awaiting Consent"]


async def test_r4_a_synchronization_that_comes_again_after_another_is_not_done_again(world):
    await world.apply(small_stack(1))
    world.sent()
    for request_id in ("one", "two", "one", "two", "one"):
        assert (await world.run(synchronization(request_id))).status is Status.READY
        await anyio.sleep(60)
    sent = world.sent()
    tried("R4", "synchronizations that come again after others", 5, len(sent) - 2)
    assert sent == ["SynchronizeGatewayTargets"] * 2


async def test_r4_a_synchronization_whose_outcome_is_kept_no_more_is_not_done_again(world):
    """A provision ends the outcome of the last synchronization, and not the knowledge that it was done."""
    await world.apply(small_stack(1))
    assert (await world.run(synchronization("one"))).status is Status.READY
    document = small_stack(1)
    document["gateways"]["payments"]["description"] = "other"
    assert (await world.apply(document)).status is Status.READY
    for number in range(12):
        assert (await world.run(synchronization(f"other-{number}"))).status is Status.READY
        await anyio.sleep(60)
    world.sent()
    again = await world.run(synchronization("one"))
    sent = world.sent()
    tried("R4", "synchronizations that come again after others", 1, len(sent))
    assert (again.status, sent) == (Status.READY, [])


@pytest.mark.parametrize("name", ["target target-0", "gateway payments"])
async def test_what_is_failed_is_not_synchronized_and_not_called_ready(world, name):
    await world.apply(small_stack(1))
    record = world.live[name]
    record.go("FAILED", now=world.plane.world.now)
    record.reasons = ["boom"]
    outcome = await world.synchronize("payments.tools")
    assert outcome.status is Status.FAILED
    (failure,) = outcome.failures
    assert "boom" in failure.message
    assert "Apply the stack" in failure.advice


async def test_what_is_not_there_cannot_be_synchronized(world):
    await world.apply(small_stack(1))
    record = world.live["target target-0"]
    await world.client().delete_gateway_target(gatewayIdentifier=record.parent, targetId=record.id)
    await anyio.sleep(200)
    (failure,) = (await world.synchronize("payments.tools")).failures
    assert (failure.code, "Apply the stack" in failure.advice) == ("NotFound", True)


async def test_synchronizations_wait_for_one_consent_side_by_side(world):
    """Its URL is told once, and each gives up in its own time."""
    world.behaviour.consent_expires = False
    document = {**small_stack(1), "consentTimeoutSeconds": 3600}
    asks = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    document["gateways"]["payments"]["targets"]["target-0"]["credentialProviderConfigurations"] = asks
    outcome = await world.apply(document, "one")
    world.plane.targets.consent.give(outcome.shown()["consents"][0]["authorizationUrl"].rpartition("%3A")[2])
    assert (await world.apply(document, "one")).status is Status.READY
    world.announced.clear()
    statuses: dict[str, Status] = {}
    for _ in range(200):
        for request_id in ("one", "two"):
            if statuses.get(request_id) is not Status.FAILED:
                statuses[request_id] = (await world.run(synchronization(request_id))).status
        await anyio.sleep(60)
    assert set(statuses.values()) == {Status.FAILED}
    assert [kind for kind, _ in world.announced].count("Gateway Stack Awaiting Consent") == 1
