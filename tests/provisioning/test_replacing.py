"""`gatewright: {replaces: OLD}`: a resource is renamed without an outage; what it replaces goes once it is READY."""

from typing import Any

import pytest

from infra.deadline import Deadline
from infra.sandbox.world import Failure
from tests.documents import changed, oauth, small_stack
from tests.twists import Twist, TwistedWorld, refused
from tests.worlds import provision
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.planner.outcome import ResourceStatus, Status
from workflows.planning import plan

OLD, NEW = "gateways.payments.targets.target-0", "gateways.payments.targets.renamed"


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


def renamed(*more: str) -> dict[str, Any]:
    """Return the small stack with its first target under another name."""
    made = small_stack(2)
    targets = made["gateways"]["payments"]["targets"]
    targets["renamed"] = {**targets.pop("target-0"), "gatewright": {"replaces": "target-0"}}
    for name in more:
        del targets[name]
    return made


async def test_the_predecessor_goes_once_the_successor_is_ready(world):
    await world.apply(small_stack(2))
    outcome = await world.apply(renamed(), "two")
    sent = [one for one in world.sent() if "Target" in one]
    assert outcome.status is Status.READY
    assert sent[-2:] == ["CreateGatewayTarget", "DeleteGatewayTarget"]
    assert {"target renamed", "target target-1"} <= set(world.live)
    assert "target target-0" not in world.live
    # The document may keep the option: there is nothing to replace any more.
    assert (await world.apply(renamed(), "three")).status is Status.READY
    assert world.sent() == []


async def test_a_successor_that_fails_leaves_the_predecessor_in_service(world):
    """Other removals go at once."""
    await world.apply(small_stack(2))
    world.plane.world.failing["renamed"] = Failure(-1, "the endpoint does not answer")
    outcome = await world.apply(renamed("target-1"), "two")
    assert outcome.status is Status.FAILED
    assert "target target-0" in world.live
    assert "target target-1" not in world.live
    (waiting,) = [one for one in outcome.results if one.address == OLD]
    assert waiting.status is ResourceStatus.BLOCKED
    world.plane.world.failing.clear()
    assert (await world.apply(renamed("target-1"), "three")).status is Status.READY
    assert "target target-0" not in world.live


async def test_a_successor_that_awaits_consent_replaces_nothing_yet(world):
    await world.apply(small_stack(2))
    document = renamed()
    asks = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    document["gateways"]["payments"]["targets"]["renamed"] |= {"credentialProviderConfigurations": asks}
    outcome = await world.apply(document, "two")
    assert outcome.status is Status.AWAITING_CONSENT, outcome.shown()
    assert "target target-0" in world.live


async def test_a_replaced_gateway_goes_with_its_targets_after_the_new_one_with_its_targets(world):
    """And only with an approval."""
    await world.apply(small_stack(1))
    document = small_stack(1)
    document["gateways"]["second"] = {**document["gateways"].pop("payments"), "gatewright": {"replaces": "payments"}}
    kept = await world.apply(document, "two")
    assert kept.status is Status.READY
    assert {"gateway payments", "gateway second"} <= set(world.live)
    world.sent()
    allowed = provision(document, "three", allow=frozenset({"gateways.payments"}))
    assert (await world.run(allowed)).status is Status.READY
    assert "gateway payments" not in world.live
    assert "gateway second" in world.live


async def test_the_targets_of_a_replaced_gateway_stay_until_the_new_ones_are_ready(world):
    """What clients call by either URL is there all the time."""
    await world.apply(small_stack(1))
    document = small_stack(1)
    document["gateways"]["second"] = {**document["gateways"].pop("payments"), "gatewright": {"replaces": "payments"}}
    world.sent()
    await world.run(provision(document, "two", allow=frozenset({"gateways.payments"})))
    sent = [one for one in world.sent() if "Gateway" in one]
    assert sent == ["CreateGateway", "CreateGatewayTarget", "DeleteGatewayTarget", "DeleteGateway"]


@pytest.mark.parametrize("approved", [False, True])
async def test_where_a_quota_refuses_the_successor_the_predecessor_goes_first_if_that_is_approved(world, approved):
    """A gateway that is full: without an approval the old target stays in service."""
    await world.apply(small_stack(2))
    full = Twist(
        "CreateGatewayTarget", refused("ServiceQuotaExceededException", "too many targets"), times=1, instead=True
    )
    world.twists.append(full)
    allow = frozenset({OLD}) if approved else frozenset()
    outcome = await world.run(provision(renamed(), "two", allow=allow))
    assert outcome.status is (Status.READY if approved else Status.FAILED)
    assert ("target target-0" in world.live, "target renamed" in world.live) == (not approved, approved)


#: What names no predecessor: options of the new target, and a part of the message.
WRONG = {
    "itself": ({"replaces": "renamed"}, "is declared, too"),
    "a declared sibling": ({"replaces": "target-1"}, "is declared, too"),
    "another kind": ({"replaces": "gateways.other"}, "is not the address of a gateway target"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_predecessor_that_cannot_be_one_is_refused(case):
    options, message = WRONG[case]
    document = renamed()
    document["gateways"]["payments"]["targets"]["renamed"]["gatewright"] = options
    with pytest.raises(Invalid) as invalid:
        read_stack(document)
    assert [message in one.message for one in invalid.value.problems] == [True]


def test_two_successors_of_one_resource_are_refused():
    document = renamed()
    document["gateways"]["payments"]["targets"]["target-1"]["gatewright"] = {"replaces": "target-0"}
    with pytest.raises(Invalid) as invalid:
        read_stack(document)
    assert any("replaces gateways.payments.targets.target-0, too" in one.message for one in invalid.value.problems)


async def test_a_plan_says_what_a_rename_means(world):
    """What callers notice and what happens in which order; without the option it is suggested."""
    await world.apply(small_stack(2))
    planned = await plan(world.context(), renamed(), Deadline.within(300))
    (new,) = [one for one in planned.resources if one.address == NEW]
    assert f"{OLD} is deleted once this is READY" in new.notes[0]
    assert "the names of its tools" in new.notes[0]
    assert f"--allow {OLD}" in new.notes[1]
    document = renamed()
    del document["gateways"]["payments"]["targets"]["renamed"]["gatewright"]
    planned = await plan(world.context(), document, Deadline.within(300))
    (new,) = [one for one in planned.resources if one.address == NEW]
    assert "`gatewright: {replaces: target-0}`" in new.notes[0]
    grown = {**small_stack(2)}
    grown["gateways"]["payments"]["targets"]["more"] = grown["gateways"]["payments"]["targets"]["target-0"]
    planned = await plan(world.context(), grown, Deadline.within(300))
    assert [one.notes for one in planned.resources if one.notes] == []


async def test_a_plan_says_that_a_replaced_gateway_gets_another_url(world):
    await world.apply(small_stack(1))
    document = changed(small_stack(1), {"gateways.payments.authorizerType": "AWS_IAM"})
    del document["gateways"]["payments"]["authorizerConfiguration"]
    planned = await plan(world.context(), document, Deadline.within(300), assume=True)
    (gateway,) = [one for one in planned.resources if one.address == "gateways.payments"]
    assert (gateway.action, "another URL" in gateway.notes[0]) == ("REPLACE", True)
