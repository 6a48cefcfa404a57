"""What has a recorded id is gone only when reads by that id say so: lists and single reads may lack what is there."""

from typing import Any

import anyio
import pytest

from infra.sandbox.records import GONE
from tests.documents import gateway, mcp_target, small_stack
from tests.everything.test_kinds import LEAST, address, document, each_kind, the
from tests.goals import tried
from tests.twists import Twist, TwistedWorld, lacks, refused
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request

MISSING = refused("ResourceNotFoundException", "not found")
WHAT = "resources that one read, or one list, does not show"


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


async def test_a_target_that_one_list_lacks_is_not_forgotten(world):
    """It left the document, and the list lacks it once: it is found by its id, and deleted."""
    await world.apply(small_stack(3))
    await anyio.sleep(200)
    world.twists.append(Twist("ListGatewayTargets", lacks("items", "target-2")))
    outcome = await world.apply(small_stack(1))
    tried("R18", WHAT, violations=int("target target-2" in world.live))
    assert (outcome.status, outcome.warnings) == (Status.READY, ())
    assert {name for name in world.live if name.startswith("target")} == {"target target-0"}
    assert (await world.destroy(small_stack(1))).status is Status.DELETED
    assert world.live == {}


async def test_a_removal_does_not_forget_what_one_list_lacks(world):
    await world.apply(small_stack(2))
    await anyio.sleep(200)
    world.twists.append(Twist("ListGatewayTargets", lacks("items", "target-1")))
    outcome = await world.destroy(small_stack(2))
    tried("R18", WHAT, violations=len(world.live))
    assert (outcome.status, world.live) == (Status.DELETED, {})


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("operation", "left"),
    [("GetOauth2CredentialProvider", "provider idp"), ("GetGateway", "gateway payments")],
    ids=["provider", "gateway"],
)
async def test_a_removal_asks_again_before_it_believes_that_something_is_gone(world, operation, left, times):
    """Reads in a row that do not find it: it exists, so it is deleted, and only then forgotten."""
    await world.apply(small_stack(1))
    await anyio.sleep(200)
    world.twists.append(Twist(operation, MISSING, times=times))
    outcome = await world.destroy(small_stack(1))
    tried("R18", WHAT, violations=int(left in world.live))
    assert (outcome.status, world.live) == (Status.DELETED, {})


async def test_a_declared_target_that_one_list_lacks_keeps_its_id_and_its_consent(world):
    await world.apply(small_stack(2))
    await anyio.sleep(200)
    before = world.live["target target-1"].id
    world.sent()
    world.twists.append(Twist("ListGatewayTargets", lacks("items", "target-1")))
    outcome = await world.apply(small_stack(2))
    tried("R18", WHAT, violations=len(world.sent()))
    assert outcome.status is Status.READY
    assert world.live["target target-1"].id == before
    assert world.sent() == []


@each_kind
async def test_what_one_read_does_not_find_is_not_made_again(world, kind):
    """Of every kind: one answer that it does not exist is no reason to create another."""
    await world.apply(document(kind, LEAST[kind.section]))
    await anyio.sleep(200)
    before = the(world, kind).id
    world.sent()
    world.twists.append(Twist(kind.operations.get, MISSING))
    world.twists.append(Twist(kind.operations.list, lambda answer, _: {**answer, kind.list_items: []}))
    outcome = await world.apply(document(kind, LEAST[kind.section]), allow=frozenset({address(kind)}))
    tried("R18", WHAT, violations=len(world.sent()))
    assert (outcome.status, world.sent(), the(world, kind).id) == (Status.READY, [], before)


async def test_what_was_deleted_by_hand_takes_two_reads_and_some_seconds(world):
    """Both by its id; then it is made again."""
    await world.apply(small_stack(1))
    await anyio.sleep(200)
    world.live["target target-0"].status = GONE
    world.sent()
    began = anyio.current_time()
    outcome = await world.apply(small_stack(1))
    assert (outcome.status, world.sent()) == (Status.READY, ["CreateGatewayTarget"])
    assert outcome.calls["GetGatewayTarget"] >= 2
    assert anyio.current_time() - began >= 5.0


async def test_after_our_own_deletion_one_read_by_the_id_is_enough(world):
    await world.apply(small_stack(1))
    await anyio.sleep(200)
    outcome = await world.apply(small_stack(0))
    assert (outcome.status, outcome.calls.get("GetGatewayTarget")) == (Status.READY, 1)


async def test_what_turns_up_again_after_all_is_known_by_its_former_id(world):
    """Reads hid it for longer than anybody waits; once it shows, it is this stack's, and goes."""
    await world.apply(small_stack(2))
    await anyio.sleep(200)
    world.twists.append(Twist("ListGatewayTargets", lacks("items", "target-1")))
    world.twists.append(Twist("GetGatewayTarget", MISSING, times=2))
    assert (await world.apply(small_stack(1))).status is Status.READY
    assert "target target-1" in world.live
    outcome = await world.apply(small_stack(1))
    tried("R18", WHAT, violations=int("target target-1" in world.live))
    assert outcome.status is Status.READY
    assert "target target-1" not in world.live


async def test_targets_of_others_are_still_left_alone(world):
    """Only what this ledger knew by its id is its own when it shows."""
    stack: dict[str, Any] = {"stack": "s", "gateways": {"g": gateway({"t": mcp_target()})}}
    await world.apply(stack)
    client = world.client()
    await client.create_gateway_target(gatewayIdentifier=world.live["gateway g"].id, name="theirs", **mcp_target())
    await anyio.sleep(100)
    stack["gateways"]["g"]["targets"] = {}
    await world.apply(stack)
    assert {name for name in world.live if name.startswith("target")} == {"target theirs"}


async def test_a_stage_deletes_nothing_that_another_stage_uses(world):
    """The list lacks the target once, and the stage of the providers comes first: it has to wait."""
    await world.apply(small_stack(1))
    await anyio.sleep(200)
    world.sent()
    world.twists.append(Twist("ListGatewayTargets", lacks("items", "target-0")))
    request = Request(mode=Mode.REMOVE, request_id="two", stack="payments.tools", stage="oauth2CredentialProviders")
    outcome = await world.run(request)
    tried("R18", WHAT, violations=len(world.sent()))
    assert (outcome.status, world.sent()) == (Status.FAILED, [])
    assert "provider idp" in world.live


async def test_a_replaced_gateway_takes_a_target_with_it_that_one_list_lacks(world):
    await world.apply(small_stack(2))
    await anyio.sleep(200)
    world.twists.append(Twist("ListGatewayTargets", lacks("items", "target-1")))
    stack = small_stack(2)
    stack["gateways"]["payments"] |= {"authorizerType": "AWS_IAM"}
    del stack["gateways"]["payments"]["authorizerConfiguration"]
    world.sent()
    outcome = await world.apply(stack, allow=frozenset({"gateways.payments"}))
    tried("R18", WHAT, violations=len(world.plane.world.records.doubles))
    assert (outcome.status, world.sent().count("DeleteGateway")) == (Status.READY, 1)
