"""A request that deletes and replaces only what it approves: what a person was shown, and has agreed to."""

from typing import Any

import anyio
import pytest

from infra.deadline import Deadline
from infra.sandbox.world import Failure
from tests.documents import changed, small_stack
from tests.twists import Twist, TwistedWorld, raising
from tests.worlds import provision
from workflows.planner.outcome import ResourceStatus, Status
from workflows.planning import plan

TARGET = "gateways.payments.targets.target-1"


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


def asked(document: dict[str, Any], request_id: str, *allow: str) -> Any:
    return provision(document, request_id, allow=frozenset(allow), only_approved=True)


async def test_a_target_that_left_the_document_is_kept_until_it_is_approved(world):
    """It stays this stack's: a later request that approves it deletes it."""
    await world.apply(small_stack(2))
    outcome = await world.run(asked(small_stack(1), "two"))
    (kept,) = [one for one in outcome.results if one.status is ResourceStatus.RETAINED]
    assert (outcome.status, kept.address, "target target-1" in world.live) == (Status.READY, TARGET, True)
    assert (await world.run(asked(small_stack(1), "three", TARGET))).status is Status.READY
    assert "target target-1" not in world.live


async def test_what_fails_later_is_not_replaced_without_an_approval(world):
    """A target of another kind is replaced freely by a request that is not bound."""
    await world.apply(small_stack(1))
    tool = {"name": "t", "description": "t", "inputSchema": {"type": "object"}}
    function = {
        "lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "toolSchema": {"inlinePayload": [tool]},
    }
    target = "gateways.payments.targets.target-0"
    credentials = [{"credentialProviderType": "GATEWAY_IAM_ROLE"}]
    changes = {"targetConfiguration": {"mcp": {"lambda": function}}, "credentialProviderConfigurations": credentials}
    other = changed(small_stack(1), {f"{target}.{member}": value for member, value in changes.items()})
    identity = world.live["target target-0"].id
    outcome = await world.run(asked(other, "two"))
    assert ([one.code for one in outcome.failures], world.live["target target-0"].id) == (["Immutable"], identity)
    approved = await world.run(asked(other, "three", target))
    assert approved.status is Status.READY
    assert world.live["target target-0"].id != identity


async def test_what_the_request_created_itself_is_made_again(world):
    """A creation that failed in this request is nobody's loss."""
    world.plane.world.failing["target-1"] = Failure(1, "the endpoint does not answer")
    await world.apply(small_stack(1))
    outcome = await world.run(asked(small_stack(2), "two"))
    assert outcome.status is Status.READY


async def test_it_stays_bound_when_it_is_continued(world):
    """By another run, which has the request from the ledger."""
    await world.apply(small_stack(2))
    world.twists.append(Twist("*Gateway*", raising(OSError("no route")), times=-1, instead=True))
    assert (await world.run(asked(small_stack(1), "two"), seconds=30.0)).status is Status.IN_PROGRESS
    world.twists.clear()
    await anyio.sleep(60)
    outcome = await world.run(provision(small_stack(1), "two"))
    assert (outcome.status, "target target-1" in world.live) == (Status.READY, True)


async def test_a_plan_that_assumes_approvals_says_which_are_needed(world):
    """And it decides as the run does that has them."""
    await world.apply(small_stack(2))
    document = {"stack": "payments.tools"}
    planned = await plan(world.context(), document, Deadline.within(300), assume=True)
    needed = {one.address for one in planned.resources if one.needs_approval}
    assert needed == {one.address for one in planned.deleting}
    assert needed >= {"gateways.payments", TARGET}
    allowed = frozenset(needed)
    again = await plan(world.context(), document, Deadline.within(300), allowed, assume=True)
    assert not [one for one in again.resources if one.needs_approval]
    assert {one.address: one.action for one in again.resources} == {
        one.address: one.action for one in planned.resources
    }
    await world.run(asked(document, "two", *allowed))
    assert world.live == {}
