"""Requests that work on one stack at the same time, in turns of one run each: each ends, and none undoes another."""

import copy
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from infra.deadline import Deadline
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.records import GONE
from infra.sandbox.world import Failure
from tests.crash.harness import At, Process, run_once
from tests.documents import gateway, mcp_target, small_stack
from tests.worlds import EPOCH, SandboxWorld, provision
from workflows.operating import cancel, history
from workflows.planner.outcome import Outcome, Status
from workflows.planning import plan
from workflows.records.request_state import Mode
from workflows.requests.request import Request
from workflows.service import RequestRef, handle, resume


async def in_turns(world: SandboxWorld, requests: list[tuple[Request, float]]) -> dict[str, Outcome]:
    """Run requests as state machines do: short runs, each after the wait that the one before named."""
    ended: dict[str, Outcome] = {}

    async def follow(request: Request, begins: float) -> None:
        await anyio.sleep(begins)
        outcome = await world.run(request, seconds=50.0, patience=1.0)
        while outcome.status is Status.IN_PROGRESS and anyio.current_time() < 6_000:
            await anyio.sleep(outcome.retry_after or 1.0)
            outcome = await world.run(request, seconds=50.0, patience=1.0)
        ended[request.request_id] = outcome

    async with anyio.create_task_group() as tasks:
        for request, begins in requests:
            tasks.start_soon(follow, request, begins)
    return ended


async def test_a_request_approves_for_as_long_as_it_may_be_continued(world):
    """Another request for its generation takes the stack meanwhile; the approvals end with the request."""
    before = small_stack(1)
    before["gateways"]["second"] = gateway()
    await world.apply(before, "zero")
    document = copy.deepcopy(before)
    del document["gateways"]["second"]
    document["gateways"]["payments"]["description"], document["onFailure"] = "new", "ROLLBACK"
    world.behaviour.durations.gateway = world.behaviour.durations.delete = 60.0
    for name in ("one", "two"):
        asked = provision(document, name, generation=2, allow=frozenset({"gateways.second"}))
        await world.run(asked, seconds=40.0, patience=1.0)
    outcome = None
    for turn in range(20):
        ref = RequestRef("payments.tools", 2, ("one", "two")[turn % 2])
        outcome = await resume(world.context(), ref, Deadline.within(90.0, 1.0))
        await anyio.sleep(20.0)
    assert outcome is not None
    assert outcome.status is Status.READY
    assert "gateway second" not in world.live
    before["onFailure"] = "HALT"
    await world.apply(before, "three", generation=3)
    late = await resume(world.context(), RequestRef("payments.tools", 2, "one"), Deadline.within(600.0))
    assert late.status is Status.SUPERSEDED
    assert "gateway second" in world.live


async def test_requests_for_one_generation_have_their_attempts_each(world):
    """A target that always fails is created three times for each, and both requests fail."""
    world.behaviour.durations.target = world.behaviour.durations.delete = 30.0
    world.plane.world.failing["target-0"] = Failure(-1, "it cannot be reached")
    requests = [(provision(small_stack(1), f"r{i}", generation=1), 10.0 * i) for i in range(2)]
    ended = await in_turns(world, requests)
    assert {one.status for one in ended.values()} == {Status.FAILED}
    assert Counter(world.sent())["CreateGatewayTarget"] == 6


@pytest.mark.parametrize(("targets", "seconds", "offset"), [(12, 30.0, 20.0), (6, 60.0, 12.0)])
async def test_synchronizations_beside_each_other_share_their_work(world, targets, seconds, offset):
    """What one of them synchronized after the other was accepted, the other need not synchronize again."""
    await world.apply(small_stack(targets))
    world.behaviour.durations.synchronize = seconds
    world.sent()
    asked = [Request(mode=Mode.SYNCHRONIZE, request_id=f"s{i}", stack="payments.tools") for i in range(2)]
    ended = await in_turns(world, [(request, offset * i) for i, request in enumerate(asked)])
    assert {one.status for one in ended.values()} == {Status.READY}
    assert targets <= Counter(world.sent())["SynchronizeGatewayTargets"] <= 2 * targets


async def test_a_synchronization_counts_only_from_its_acceptance_on(world):
    """Tools that were read before a synchronization was asked for are read again."""
    await world.apply(small_stack(1))
    for _ in range(2):
        world.sent()
        assert (await world.synchronize("payments.tools")).status is Status.READY
        assert world.sent() == ["SynchronizeGatewayTargets"]


async def test_a_synchronization_is_cancelled(world):
    """It is in progress although the request that provisioned the stack has ended, and calls nothing afterwards."""
    await world.apply(small_stack(2))
    world.behaviour.durations.synchronize = 600.0
    asked = Request(mode=Mode.SYNCHRONIZE, request_id="s", stack="payments.tools")
    assert (await world.run(asked, seconds=30.0, patience=1.0)).status is Status.IN_PROGRESS
    cancelled = await cancel(world.ledger, "payments.tools", world.context().now(), 1)
    assert list(cancelled.values()) == ["cancelled"]
    [runs] = (await history(world.ledger, "payments.tools")).values()
    ended = [run for run in runs if "cancelled" in run.get("reason", "")]
    assert [(run["requestId"], run["status"]) for run in ended] == [("s", "FAILED")]
    world.sent()
    assert (await world.run(asked, seconds=900.0)).status is Status.FAILED
    assert world.sent() == []
    assert list((await cancel(world.ledger, "payments.tools", world.context().now(), 1)).values()) == [
        "no request is in progress"
    ]


@pytest.mark.parametrize("skew", [0.0, 60.0, 300.0, 3_600.0])
async def test_a_time_in_the_future_is_waited_for_as_if_it_were_now(world, skew):
    """A worker with a wrong clock lost the answer of a creation; the removal waits as long as for a right clock."""
    await world.apply(small_stack(1))
    world.plane.faults.add(Fault("CreateGatewayTarget", Effect.LOST, -1))
    wrong = replace(world.context(), now=lambda: EPOCH + timedelta(seconds=anyio.current_time() + skew))
    await handle(wrong, provision(small_stack(2), "two"), Deadline.within(90.0, 5.0))
    world.plane.faults.all.clear()
    began = anyio.current_time()
    assert (await world.destroy(small_stack(1))).status is Status.DELETED
    assert anyio.current_time() - began <= 150.0 + min(skew, 60.0) + 30.0
    assert world.live == {}


async def test_a_plan_counts_what_follows_a_wait(world):
    """Somebody deletes a target: the plan waits for the end of the deletion, and creates the target again."""
    document = small_stack(1)
    await world.apply(document)
    await anyio.sleep(4_000.0)
    world.behaviour.durations.delete = 120.0
    target = world.live["target target-0"]
    world.plane.answer("DeleteGatewayTarget", {"gatewayIdentifier": target.parent, "targetId": target.id})
    planned = await plan(world.context(), document, Deadline(), frozenset())
    assert [(one.address, str(one.action)) for one in planned.pending] == [
        ("gateways.payments.targets.target-0", "CREATE")
    ]


async def test_a_plan_knows_the_arn_of_a_provider_that_is_created_again(world):
    """Its ARN follows from its name, so that targets which refer to the ARN do not change."""
    await world.apply(small_stack(2))
    await anyio.sleep(4_000.0)
    provider = world.live["provider idp"]
    provider.status, provider.next = GONE, None
    planned = await plan(world.context(), small_stack(2), Deadline(), frozenset())
    world.sent()
    await world.apply(small_stack(2))
    assert sorted(planned.estimate.elements()) == sorted(world.sent()) == ["CreateOauth2CredentialProvider"]


def failing_replacement() -> dict[str, Any]:
    document = small_stack(1)
    payments = document["gateways"]["payments"]
    payments["authorizerType"] = "AWS_IAM"
    del payments["authorizerConfiguration"]
    payments["targets"]["bad"], document["onFailure"] = mcp_target(), "ROLLBACK"
    return document


@pytest.mark.parametrize("killed", [None, 69, 71, 74])
async def test_an_interrupted_rollback_says_what_was_created_again(world, killed):
    """The gateway and its target have new ids after the rollback, whichever run created them."""
    await world.apply(small_stack(1))
    world.plane.world.failing["bad"] = Failure(-1, "it cannot be reached")
    request = provision(failing_replacement(), "two", allow=frozenset({"gateways.payments"}))
    process = Process.struck(At.NOT_REMEMBERED, killed) if killed is not None else Process()
    outcome = await run_once(world, process, request) or await world.run(request, seconds=900.0)
    assert outcome.status is Status.ROLLED_BACK
    assert sorted(one.path for one in outcome.warnings if one.rule == "rollback") == [
        "gateways.payments", "gateways.payments.targets.target-0"
    ]  # fmt: skip
