"""What fails is tried three times, names its reason, and takes nobody with it."""

import pytest

from infra.ledger.sqlite import SqliteLedger
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.world import Failure
from tests.documents import small_stack
from tests.worlds import provision
from workflows.planner.outcome import ResourceStatus, Status

REASON = "Failed to connect and fetch tools from the provided MCP target server"
TARGET = "gateways.payments.targets.target-0"


async def test_a_target_that_fails_once_is_made_again(world):
    """A failed creation is deleted and made again within the run."""
    world.plane.world.failing["target-0"] = Failure(1, REASON)
    assert (await world.apply(small_stack())).status is Status.READY
    sent = world.sent()
    assert sent.count("CreateGatewayTarget") == 4
    assert sent.count("DeleteGatewayTarget") == 1
    assert world.plane.world.records.doubles == []


async def test_a_target_that_always_fails_ends_after_three_tries(world):
    """It is FAILED with the service's reason; its neighbours are READY."""
    world.plane.world.failing["target-0"] = Failure(-1, REASON)
    outcome = await world.apply(small_stack())
    assert outcome.status is Status.FAILED
    assert world.sent().count("CreateGatewayTarget") == 2 + 3
    (failure,) = outcome.failures
    assert failure.resource == TARGET
    assert REASON in failure.message
    statuses = {result.address: result.status for result in outcome.results}
    assert statuses.pop(TARGET) is ResourceStatus.FAILED
    assert set(statuses.values()) == {ResourceStatus.READY}


async def test_a_new_request_tries_again(world):
    """Tries are counted per generation: once the cause is mended, a new request succeeds."""
    world.plane.world.failing["target-0"] = Failure(-1, REASON)
    await world.apply(small_stack())
    world.plane.world.failing.clear()
    assert (await world.apply(small_stack())).status is Status.READY


async def test_a_failed_update_is_tried_again(world):
    """An update that ends UPDATE_UNSUCCESSFUL is sent again, at most three times."""
    document = small_stack(1)
    await world.apply(document)
    world.sent()
    document["gateways"]["payments"]["targets"]["target-0"]["description"] = "new"
    world.plane.world.failing["target-0"] = Failure(2, "internal", frozenset({"UPDATE"}))
    assert (await world.apply(document)).status is Status.READY
    assert world.sent() == ["UpdateGatewayTarget"] * 3


@pytest.mark.parametrize("name", ["idp", "payments"])
async def test_failed_providers_and_gateways_are_made_again(world, name):
    """A provider or gateway whose creation failed is deleted and made again too."""
    world.plane.world.failing[name] = Failure(2, "the role cannot be assumed")
    assert (await world.apply(small_stack(1))).status is Status.READY


async def test_a_gateway_that_was_ready_is_not_deleted_by_itself(world):
    """A gateway that was READY once and is FAILED now needs a person: its URL would change."""
    await world.apply(small_stack(0))
    world.live["gateway payments"].go("FAILED", now=world.plane.world.now)
    world.sent()
    outcome = await world.apply(small_stack(0))
    assert outcome.status is Status.FAILED
    assert world.sent() == []


async def test_a_permission_that_is_not_visible_yet_is_waited_for(world):
    """The refusal by which a new role's policy shows is tried again for two minutes."""
    message = "Gateway execution role lacks permission to invoke Lambda function x. Update the permission and retry"
    fault = Fault("CreateGatewayTarget", Effect.REFUSE, times=5, code="ValidationException", message=message)
    world.plane.faults.add(fault)
    assert (await world.apply(small_stack(1))).status is Status.READY


async def test_a_permission_that_never_shows_fails_with_advice(world):
    """After two minutes the refusal is believed, and the platform is told what to grant."""
    message = "Gateway execution role lacks permission to invoke Lambda function x. Update the permission and retry"
    fault = Fault("CreateGatewayTarget", Effect.REFUSE, times=-1, code="ValidationException", message=message)
    world.plane.faults.add(fault)
    outcome = await world.apply(small_stack(1))
    assert outcome.status is Status.FAILED
    assert outcome.failures[0].actor == "PLATFORM"
    assert world.plane.world.now < 300


async def test_a_throttle_storm_is_ridden_out(world):
    """Forty refusals for the rate delay a stack and do not fail it."""
    world.plane.faults.add(Fault("*Gateway*", Effect.THROTTLE, times=40))
    assert (await world.apply(small_stack(5))).status is Status.READY


@pytest.mark.parametrize("effect", [Effect.LOST, Effect.LOST_ANSWER, Effect.ERROR])
@pytest.mark.parametrize("operation", ["CreateOauth2CredentialProvider", "CreateGateway", "CreateGatewayTarget"])
async def test_a_lost_answer_makes_nothing_twice(world, effect, operation):
    """A create whose answer is lost is settled by its token or its name."""
    world.plane.faults.add(Fault(operation, effect))
    assert (await world.apply(small_stack(2))).status is Status.READY
    assert world.plane.world.records.doubles == []
    assert len(world.live) == 4


async def test_the_service_s_words_never_carry_the_secret(world, logs):
    """An error text that quotes the secret reaches neither outcome nor log with it."""
    secret = "sandbox-payments-idp-secret"
    fault = Fault("CreateOauth2CredentialProvider", Effect.REFUSE, -1, 0, "ValidationException", f"bad value {secret}")
    world.plane.faults.add(fault)
    outcome = await world.apply(small_stack(1))
    assert outcome.status is Status.FAILED
    assert "bad value ***" in outcome.failures[0].message
    assert secret not in str(outcome.shown()) + logs.getvalue()


@pytest.mark.parametrize(
    ("operation", "failing"),
    [("ListTagsForResource", "gateways.payments"), ("DescribeSecret", "oauth2CredentialProviders.idp")],
)
async def test_a_read_that_is_denied_stops_its_resource_alone(world, operation, failing):
    """A permission that is missing for a read fails what needs it, and tells the platform; the rest goes on."""
    document = small_stack(1)
    await world.apply(document)
    world.close()
    world.ledger = SqliteLedger()
    world.plane.faults.add(Fault(operation, Effect.REFUSE, -1, 0, "AccessDeniedException", "not authorized"))
    outcome = await world.apply(document)
    assert outcome.status is Status.FAILED
    failure = next(failure for failure in outcome.failures if failure.resource == failing)
    assert (failure.code, failure.actor) == ("AccessDeniedException", "PLATFORM")


async def test_an_endless_read_does_not_outlive_the_run(world):
    """A read that hangs ends with the run's time, and the request comes again."""
    world.round_trip = 500.0
    outcome = await world.run(provision(small_stack(1), "request-a"), seconds=60)
    assert (outcome.status, outcome.news) == (Status.IN_PROGRESS, False)
    assert world.plane.world.now < 61


async def test_a_target_that_cannot_be_deleted_says_why(world):
    """A list says only that it failed; the reason is looked up."""
    await world.apply(small_stack(1))
    reason = "The network interface is in use by vpce-1"
    world.plane.world.failing["target-0"] = Failure(-1, reason, frozenset({"DELETE"}))
    failure = next(one for one in (await world.destroy(small_stack(1))).failures if one.resource == TARGET)
    assert reason in failure.message


@pytest.mark.parametrize("way", ["one run", "many runs"])
async def test_what_leaves_makes_room_for_what_comes(world, way):
    """A target is renamed under a gateway that is full."""
    world.behaviour.targets_per_gateway = 6
    document = small_stack(6)
    await world.apply(document)
    targets = document["gateways"]["payments"]["targets"]
    targets["renamed"] = targets.pop("target-0")
    world.behaviour.durations.delete = 30.0
    request = provision(document, "two")
    outcome = await (world.run(request) if way == "one run" else world.settle(request))
    assert outcome.status is Status.READY
    assert "target renamed" in world.live


async def test_without_room_it_fails_by_name(world):
    """Nothing leaves, so nothing is waited for."""
    world.behaviour.targets_per_gateway = 1
    outcome = await world.apply(small_stack(2))
    assert (outcome.status, len(outcome.failures)) == (Status.FAILED, 1)
    assert outcome.failures[0].code == "ServiceQuotaExceededException"
