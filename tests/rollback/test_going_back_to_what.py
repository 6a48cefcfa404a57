"""R13: what a rollback goes back to, and what it may undo on the way: nothing that was of use to anybody before."""

import copy
from typing import Any

import anyio
import pytest

from infra.ledger import Put
from infra.sandbox.world import Failure
from tests.documents import ROLE, gateway, mcp_target, small_stack
from tests.goals import tried
from tests.intake.objects import Held
from tests.rollback.test_rollback import BAD, rolling
from tests.worlds import provision
from workflows.planner.outcome import ResourceStatus, Status
from workflows.records.items import resource_key
from workflows.records.request_state import Mode
from workflows.requests.request import Request

WHAT = "what a rollback goes back to: other requests, stages, documents and removals before it"


def judged(wrong: list[str]) -> None:
    tried("R13", WHAT, violations=wrong)
    assert wrong == []


def with_bad(document: dict, **targets: dict) -> dict:
    made = rolling(document)
    made["gateways"]["payments"]["targets"] |= {"bad": mcp_target(), **targets}
    return made


async def test_r13_what_was_worked_on_is_gone_back_to_not_what_stands_at_its_uri_later(world):
    """A document at a URI is replaced while the request that brought it is under way."""
    first, other = small_stack(1), small_stack(0)
    other["gateways"]["payments"]["targets"] = {"never-applied": mcp_target()}
    request = Request(mode=Mode.PROVISION, request_id="one", stack="", uri="s3://bucket/documents/a.json")
    world.beside["s3"] = held = Held(first)
    assert (await world.run(request, seconds=60.0, patience=0.1)).status is Status.IN_PROGRESS
    held.document = other
    await anyio.sleep(5.0)
    assert (await world.run(request)).status is Status.READY
    world.plane.world.failing["bad"] = BAD
    assert (await world.apply(with_bad(first), "two")).status is Status.ROLLED_BACK
    judged(sorted(set(world.live) ^ {"provider idp", "gateway payments", "target target-0"}))


async def test_r13_a_generation_that_is_sent_again_is_rolled_back_whole_again(world):
    """The same document and generation under another request's id: what that one made goes, too."""
    await world.apply(small_stack(1), "one", generation=1)
    before = set(world.live)
    document = with_bad(small_stack(1), extra=mcp_target())
    document["gateways"]["second"] = gateway()
    world.plane.world.failing["bad"] = BAD
    for name in ("two", "two again"):
        assert (await world.apply(document, name, generation=2)).status is Status.ROLLED_BACK
    outcome = await world.apply(small_stack(1), "three", generation=3)
    judged([*(set(world.live) ^ before), *[one.message for one in outcome.warnings if one.rule == "unmanaged"]])


async def test_r13_what_failed_to_be_rolled_back_is_tried_again_by_another_request(world):
    """Its cause is mended, and the same generation sent again: it goes forward, with tries of its own."""
    await world.apply(small_stack(1), "one", generation=1)
    document = rolling(small_stack(1))
    document["gateways"]["payments"]["targets"]["target-0"]["description"] = "new"
    world.plane.world.failing["target-0"] = BAD
    assert (await world.apply(document, "two", generation=2)).status is Status.FAILED
    world.plane.world.failing.clear()
    assert (await world.apply(document, "two again", generation=2)).status is Status.READY
    judged([] if world.live["target target-0"].request["description"] == "new" else ["not changed"])


async def test_r13_what_stages_made_ready_is_not_undone(world):
    """Every stage was READY, the whole never asked for: what the next document made goes, and nothing else."""
    for stage in ("oauth2CredentialProviders", "gateways", "targets"):
        assert (await world.run(provision(small_stack(1), "one", stage=stage))).status is Status.READY
    before = set(world.live)
    world.plane.world.failing["bad"] = BAD
    outcome = await world.apply(with_bad(small_stack(1)), "two")
    assert outcome.status is Status.ROLLED_BACK
    assert {one.status for one in outcome.results} == {ResourceStatus.DELETED, ResourceStatus.RETAINED}
    # What stayed is this stack's yet: it is changed, and removed with it.
    world.plane.world.failing.clear()
    assert (await world.apply(small_stack(1), "three")).status is Status.READY
    judged(sorted(set(world.live) ^ before))
    assert (await world.destroy(small_stack(1))).status is Status.DELETED
    assert world.live == {}


@pytest.mark.parametrize("before", [None, {"stack": "s", "registries": {"c": {}}}], ids=["first", "later"])
async def test_r13_what_was_made_just_now_is_not_retained(world, before):
    """RETAIN is for what people use: a gateway of the generation that is undone goes, and can be made again."""
    if before is not None:
        assert (await world.apply(before)).status is Status.READY
    kept = {**gateway({"bad": mcp_target()}), "gatewright": {"deletion": "RETAIN"}}
    document = {**(before or {"stack": "s"}), "onFailure": "ROLLBACK", "gateways": {"g": kept}}
    world.plane.world.failing["bad"] = BAD
    assert (await world.apply(document, "one")).status is Status.ROLLED_BACK
    judged([name for name in world.live if not name.startswith("registry")])
    world.plane.world.failing.clear()
    assert (await world.apply(document, "two")).status is Status.READY


async def test_r13_what_was_retained_before_stays_and_is_taken_over_again(world):
    """A gateway that an earlier generation made for keeps is left, with our tag on it."""
    kept = {**gateway(), "gatewright": {"deletion": "RETAIN"}}
    halting = {"stack": "s", "gateways": {"g": {**kept, "targets": {"bad": mcp_target()}}}}
    world.plane.world.failing["bad"] = BAD
    assert (await world.apply(halting, "one")).status is Status.FAILED
    rolls = copy.deepcopy(halting) | {"onFailure": "ROLLBACK"}
    assert (await world.apply(rolls, "two")).status is Status.ROLLED_BACK
    assert "gateway g" in world.live
    world.plane.world.failing.clear()
    outcome = await world.apply(rolls, "three")
    judged([one.message for one in outcome.failures])
    assert outcome.status is Status.READY


async def test_r13_what_was_removed_on_purpose_is_not_brought_back(world):
    """A removal that ended half-way, then another document that fails: nothing of the first is made again."""
    assert (await world.apply(small_stack(1), "one")).status is Status.READY
    gateway_id = world.live["gateway payments"].id
    by_hand = {"gatewayIdentifier": gateway_id, "name": "hand", **mcp_target()}
    world.plane.answer("CreateGatewayTarget", by_hand)
    await anyio.sleep(10.0)
    assert (await world.destroy(small_stack(1))).status is Status.FAILED
    before = set(world.live)
    world.plane.world.failing["bad"] = BAD
    another: dict[str, Any] = {"stack": "payments.tools", "onFailure": "ROLLBACK"}
    another["gateways"] = {"fresh": gateway({"bad": mcp_target()})}
    assert (await world.apply(another, "two")).status is Status.ROLLED_BACK
    judged(sorted(set(world.live) ^ before))


async def test_r13_a_stage_that_fails_undoes_nothing(world):
    """A part of a request finishes none and undoes none; the whole, asked for again, goes back."""
    await world.apply(small_stack(1), "one")
    world.plane.world.failing["bad"] = Failure(-1, "no such host")
    document = with_bad(small_stack(1))
    outcome = await world.run(provision(document, "two", stage="targets"))
    assert outcome.status is Status.FAILED
    assert "target bad" in world.live
    assert (await world.run(provision(document, "two"))).status is Status.ROLLED_BACK
    judged([name for name in world.live if name == "target bad"])


async def test_r13_what_was_retained_and_found_again_by_our_tag_keeps_it(world):
    """A stack was removed but for a gateway, which a later one found; rolled back, that is as it was: ours."""
    kept = {"stack": "s", "gateways": {"g": {**gateway(), "gatewright": {"deletion": "RETAIN"}}}}
    await world.apply(kept, "one")
    assert (await world.destroy(kept)).status is Status.DELETED
    rolls: dict[str, Any] = copy.deepcopy(kept) | {"onFailure": "ROLLBACK"}
    rolls["gateways"]["g"]["targets"] = {"bad": mcp_target()}
    world.plane.world.failing["bad"] = BAD
    assert (await world.apply(rolls, "two")).status is Status.ROLLED_BACK
    world.plane.world.failing.clear()
    outcome = await world.apply(rolls, "three")
    judged([one.message for one in outcome.failures])
    assert outcome.status is Status.READY


THEIRS = {"roleArn": ROLE, "authorizerType": "NONE", "description": "theirs"}
REMOVAL = Request(mode=Mode.REMOVE, request_id="removal", stack="payments.tools")


@pytest.fixture
async def theirs(world):
    """A gateway that somebody else made."""
    await world.client().create_gateway(name="theirs", **THEIRS)
    await anyio.sleep(5)
    return world


async def roll_back(world, document: dict, **gateways: dict) -> None:
    """Apply a document with other gateways, which fails and is rolled back."""
    bad = with_bad(document)
    bad["gateways"] |= gateways
    world.plane.world.failing["bad"] = BAD
    assert (await world.apply(bad, "bad")).status is Status.ROLLED_BACK


async def test_r13_what_was_taken_over_in_what_is_undone_is_given_back(theirs):
    """Our tag is off, and a later removal of the stack, whose document never named it, leaves it."""
    await theirs.apply(small_stack(1))
    await roll_back(theirs, small_stack(1), theirs={**THEIRS, "gatewright": {"adopt": True}})
    assert theirs.live["gateway theirs"].tags == {}
    assert (await theirs.run(REMOVAL)).status is Status.DELETED
    judged(sorted(set(theirs.live) ^ {"gateway theirs"}))


async def test_r13_what_was_taken_over_before_stays_the_stacks(theirs):
    """It was in what is gone back to, and left the document since without leave."""
    first = small_stack(1)
    first["gateways"]["theirs"] = {**THEIRS, "gatewright": {"adopt": True}}
    await theirs.apply(first)
    await theirs.apply(small_stack(1))
    await roll_back(theirs, small_stack(1))
    assert theirs.live["gateway theirs"].tags != {}
    await theirs.run(REMOVAL)
    judged(sorted(theirs.live))


async def test_r13_a_removal_goes_by_what_was_gone_back_to(world):
    """The document that was rolled back retains nothing, and is not in force."""
    document = small_stack(1)
    document["gateways"]["payments"]["gatewright"] = {"deletion": "RETAIN"}
    await world.apply(document)
    bad = copy.deepcopy(document["gateways"]["payments"])
    del bad["gatewright"]
    bad["targets"]["bad"] = mcp_target()
    await roll_back(world, document, payments=bad)
    assert (await world.run(REMOVAL)).status is Status.DELETED
    judged(sorted({"gateway payments"} - set(world.live)))


async def test_r13_what_is_only_looked_up_again_is_given_back(theirs):
    """Taken over and changed in what was rolled back: our tag is off, what stays changed is said."""
    document = small_stack(1)
    document["gateways"]["theirs"] = {"gatewright": {"existing": True}}
    await theirs.apply(document)
    ours = {**THEIRS, "description": "ours", "gatewright": {"adopt": True}}
    bad = with_bad(document)
    bad["gateways"]["theirs"] = ours
    theirs.plane.world.failing["bad"] = BAD
    outcome = await theirs.apply(bad)
    assert outcome.status is Status.ROLLED_BACK
    assert "gateways.theirs" in {one.path for one in outcome.warnings if one.rule == "kept"}
    assert theirs.live["gateway theirs"].tags == {}
    await theirs.run(REMOVAL)
    judged(sorted(set(theirs.live) ^ {"gateway theirs"}))


async def test_r13_what_is_ours_since_nobody_knows_when_stays_known(world):
    """A registry has no tag: known by a creation without an answer, it would not be known again."""
    await world.apply(small_stack(1))
    bad = {**with_bad(small_stack(1)), "registries": {"catalog": {"description": "one"}}}
    world.plane.world.failing["bad"] = BAD
    world.behaviour.durations.target = 100.0
    request = provision(bad, "two")
    assert (await world.run(request, seconds=60.0)).status is Status.IN_PROGRESS
    (partition,) = await world.ledger.partitions()
    key = resource_key(partition, "registries.catalog")
    item = await world.ledger.get(key)
    await world.ledger.write(Put(key, {**item, "made_in": 0}))
    assert (await world.settle(request)).status is Status.ROLLED_BACK
    world.plane.world.failing.clear()
    outcome = await world.apply({**small_stack(1), "registries": {"catalog": {"description": "two"}}})
    judged([failure.message for failure in outcome.failures])
