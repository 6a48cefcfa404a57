"""An answer that lacks required members, or shows what the model does not know, is no observation and no success."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

from infra.deadline import Deadline
from tests.documents import ROLE, changed, mcp_target, oauth, small_stack
from tests.everything.test_kinds import LEAST, document, each_kind, the
from tests.goals import tried
from tests.twists import Answer, Twist, TwistedWorld, nothing, without
from tests.worlds import provision
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.importing import import_resource
from workflows.operating import forget
from workflows.planner.outcome import ResourceStatus, Status

WHAT = "answers without required members, or with arms and statuses that no model knows"
UNKNOWN = {"SDK_UNKNOWN_MEMBER": {"name": "newest"}}


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


def consenting() -> dict:
    made = small_stack(0)
    oauth_code = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    made["gateways"]["payments"]["targets"]["mailbox"] = mcp_target(credentialProviderConfigurations=oauth_code)
    return made


async def consented(world: TwistedWorld) -> dict:
    """Return the document of a stack whose target has a person's consent, and touch the target by hand."""
    stack = consenting()
    outcome = await world.apply(stack)
    assert outcome.status is Status.AWAITING_CONSENT
    world.plane.targets.consent.give(outcome.shown()["consents"][0]["authorizationUrl"].rpartition("%3A")[2])
    await anyio.sleep(30)
    assert (await world.apply(stack)).status is Status.READY
    for name in ("target mailbox", "gateway payments"):
        world.live[name].updated += 1000
    world.sent()
    return stack


TWISTED = {
    "nothing": nothing,
    "no configuration": without("targetConfiguration", "authorizerType"),
    "no status": without("status"),
    "an unknown arm": lambda answer, _: {**answer, "targetConfiguration": copy.deepcopy(UNKNOWN)},
    "an unknown inner arm": lambda answer, _: {**answer, "targetConfiguration": {"mcp": copy.deepcopy(UNKNOWN)}},
}


@pytest.mark.parametrize("times", [1, -1], ids=["once", "always"])
@pytest.mark.parametrize("change", TWISTED.values(), ids=TWISTED)
async def test_no_read_that_says_nothing_replaces_a_consented_target(world, change, times):
    """Whatever the read of the target lacks, nothing is sent; read well again, it is as declared."""
    stack = await consented(world)
    before = world.live["target mailbox"].id
    world.twists.append(Twist("GetGatewayTarget", change, times=times))
    outcome = await world.apply(stack, "two", allow=frozenset({"gateways.payments"}))
    sent = world.sent()
    tried("R18", WHAT, violations=len(sent))
    assert (sent, world.live["target mailbox"].id) == ([], before)
    assert outcome.status is (Status.READY if times == 1 else outcome.status)
    assert outcome.status in (Status.READY, Status.IN_PROGRESS, Status.FAILED)
    world.twists.clear()
    assert (await world.apply(stack)).status is Status.READY
    assert world.sent() == []


@pytest.mark.parametrize("change", [nothing, without("authorizerType")], ids=["nothing", "no authorizerType"])
async def test_no_read_that_says_nothing_replaces_a_gateway(world, change):
    """Also where the request allows that: what is not shown is not another value."""
    stack = await consented(world)
    before = world.live["gateway payments"].id
    world.twists.append(Twist("GetGateway", change))
    outcome = await world.apply(stack, allow=frozenset({"gateways.payments"}))
    tried("R18", WHAT, violations=len(world.sent()))
    assert (outcome.status, world.sent(), world.live["gateway payments"].id) == (Status.READY, [], before)


async def test_a_form_that_no_model_knows_is_told_and_changes_nothing(world):
    stack = await consented(world)
    world.twists.append(Twist("GetGatewayTarget", TWISTED["an unknown arm"], times=-1))
    outcome = await world.apply(stack)
    (failure,) = outcome.failures
    assert (failure.code, str(failure.actor)) == ("Unrecognized", "PLATFORM")
    assert "targetConfiguration" in failure.message
    assert world.sent() == []


async def test_a_status_that_no_model_knows_is_waited_for(world):
    """It is neither READY nor FAILED: nothing is made of it, and the request stays in progress."""
    stack = await consented(world)
    world.twists.append(Twist("GetGateway", lambda answer, _: {**answer, "status": "HIBERNATING"}, times=-1))
    outcome = await world.run(provision(stack, "two"), seconds=60.0)
    tried("R18", WHAT, violations=len(world.sent()))
    assert (outcome.status, world.sent()) == (Status.IN_PROGRESS, [])


@each_kind
async def test_a_creation_that_is_answered_with_nothing_is_a_lost_answer(world, kind):
    """Of every kind: no bare exception; what was made is found, and made once."""
    world.twists.append(Twist(kind.operations.create, nothing))
    outcome = await world.apply(document(kind, LEAST[kind.section]), "one")
    while outcome.status is Status.IN_PROGRESS:
        await anyio.sleep(outcome.retry_after or 1.0)
        outcome = await world.apply(document(kind, LEAST[kind.section]), "one")
    tried("R2", "creations of every kind, answered with nothing", violations=len(world.plane.world.records.doubles))
    assert outcome.status is Status.READY
    assert the(world, kind) is not None
    assert world.plane.world.records.doubles == []


@pytest.mark.parametrize("swallowed", [1, 3])
async def test_an_update_that_is_answered_with_nothing_and_never_arrived_is_sent_again(world, swallowed):
    await world.apply(small_stack(1))
    stack = small_stack(1)
    stack["gateways"]["payments"]["description"] = "second"
    world.twists.append(Twist("UpdateGateway", nothing, times=swallowed, instead=True))
    outcome = await world.apply(stack, "two")
    tried("R2", "updates that never arrived, answered with nothing")
    assert outcome.status is Status.READY
    assert world.live["gateway payments"].request["description"] == "second"


async def test_a_list_with_items_without_name_or_id_is_no_list(world):
    await world.apply(small_stack(2))
    world.sent()
    for member in ("name", "targetId", "status"):
        broken = Twist("ListGatewayTargets", _without_each(member))
        world.twists[:] = [broken]
        outcome = await world.apply(small_stack(2))
        tried("R18", WHAT, violations=len(world.sent()))
        assert (outcome.status, world.sent()) == (Status.READY, [])
        assert {result.status for result in outcome.results} == {ResourceStatus.READY}


def _without_each(member: str) -> Callable[[Answer, Mapping[str, Any]], Answer]:
    return lambda answer, _: {
        **answer,
        "items": [{n: v for n, v in item.items() if n != member} for item in answer["items"]],
    }


async def test_an_empty_text_where_nothing_was_set_blocks_no_update(world):
    """Some endpoints show "" for a text that was never set, and no request may hold that (awscc#3186)."""
    await world.apply(small_stack(1))
    world.twists.append(Twist("GetGateway", lambda answer, _: {**answer, "description": ""}, times=-1))
    stack = changed(small_stack(1), {"gateways.payments.exceptionLevel": "DEBUG"})
    outcome = await world.apply(stack)
    assert (outcome.status, outcome.failures) == (Status.READY, [])
    assert world.live["gateway payments"].request["exceptionLevel"] == "DEBUG"


async def test_what_is_taken_over_validates(world):
    """Also where an empty text is shown; and what no valid document can say is refused, and not noted."""
    await world.client().create_gateway(name="theirs", roleArn=ROLE, authorizerType="AWS_IAM")
    await anyio.sleep(10)
    world.twists.append(Twist("GetGateway", lambda answer, _: {**answer, "description": ""}, times=-1))
    taken = await import_resource(world.context(), "gateways", "theirs", "new", Deadline())
    read_stack(taken.document)
    assert "description" not in taken.document["gateways"]["theirs"]
    await forget(world.ledger, "new", world.context().now())
    world.twists[:] = [Twist("GetGateway", lambda answer, _: {**answer, "authorizerType": "CUSTOM_JWT"}, times=-1)]
    with pytest.raises(Invalid) as caught:
        await import_resource(world.context(), "gateways", "theirs", "other", Deadline())
    assert [problem.rule for problem in caught.value.problems] == ["R1"]
    assert [name for name in await world.ledger.partitions() if name.endswith("other")] == []


async def test_a_synchronization_that_is_answered_with_nothing_is_not_done(world):
    """The answer names no target, so that nobody knows whether its tools are read: it is asked for again."""
    await world.apply(small_stack(1))
    world.sent()
    world.twists.append(Twist("SynchronizeGatewayTargets", nothing, instead=True))
    outcome = await world.synchronize("payments.tools")
    assert (outcome.status, world.sent()) == (Status.READY, ["SynchronizeGatewayTargets"])
    assert outcome.calls["SynchronizeGatewayTargets"] == 2
