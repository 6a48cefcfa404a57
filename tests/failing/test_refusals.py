"""Refusals: the passing ones cost no try, those that never pass end, and what was begun is never forgotten."""

from dataclasses import replace

import anyio
import pytest

from infra.sandbox.faults import Effect, Fault
from infra.sandbox.records import GONE
from infra.sandbox.world import Failure
from tests.documents import mcp_target, small_stack
from tests.worlds import provision
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode


async def until_settled(world, request, seconds=120.0, patience=float("inf")):
    """Settle a request in runs that are longer, or more patient, than those of a deployment."""
    return await world.settle(request, seconds=seconds, patience=patience)


async def test_refused_calls_are_no_tries(world):
    """A target that is busy for several runs still has its three tries when it fails for the first time."""
    fault = Fault("CreateGatewayTarget", Effect.REFUSE, 24, 0, "ConflictException", "Another operation is in progress")
    world.plane.faults.add(fault)
    world.plane.world.failing["target-0"] = Failure(2, "internal")
    outcome = await until_settled(world, provision(small_stack(1), "request-a"), seconds=100)
    assert outcome.status is Status.READY


async def test_a_change_that_is_not_sent_is_no_try(world):
    """Runs too short to send anything do not use up the tries."""
    await world.apply(small_stack(1))
    document = {**small_stack(1), "gateways": {"payments": {**small_stack(0)["gateways"]["payments"]}}}
    for _ in range(5):
        outcome = await world.run(provision(document, "request-b", generation=9), seconds=18)
        assert outcome.status is Status.IN_PROGRESS
    outcome = await world.run(provision(document, "request-b", generation=9), seconds=120)
    assert outcome.status is Status.READY
    assert "target target-0" not in world.live


@pytest.mark.parametrize("operation", ["UpdateGateway", "DeleteOauth2CredentialProvider"])
async def test_a_refusal_that_never_passes_ends(world, operation):
    """What is refused as busy for longer than ten minutes is FAILED, with the service's own words."""
    document = small_stack(0)
    await world.apply(document)
    world.plane.faults.add(
        Fault(operation, Effect.REFUSE, -1, 0, "ConflictException", "Provider is attached elsewhere")
    )
    document["gateways"]["payments"]["description"] = "new"
    del document["oauth2CredentialProviders"]
    request = provision(document, "request-b", allow=frozenset({"oauth2CredentialProviders.idp"}))
    outcome = await until_settled(world, request)
    assert outcome.status is Status.FAILED
    assert "attached elsewhere" in outcome.failures[0].message
    assert world.plane.world.now < 1200


@pytest.mark.parametrize(
    "text", ["No API with id abc123 exists in this account", "The schema holds a duplicate operationId x"]
)
async def test_words_that_only_sound_like_a_taken_name(world, text):
    """A refusal that says "exists" or "duplicate" of something else is final, with its text."""
    world.plane.faults.add(Fault("CreateGatewayTarget", Effect.REFUSE, -1, 0, "ValidationException", text))
    outcome = await world.run(provision(small_stack(1), "request-a"), seconds=120)
    assert outcome.status is Status.FAILED
    assert text in outcome.failures[0].message


async def test_a_removal_waits_for_a_creation_in_doubt(world):
    """A create whose answer was lost while reads lag is not taken for nothing: the removal finds and removes it."""
    world.behaviour.durations.visible_after = 30.0
    world.plane.faults.add(Fault("CreateGateway", Effect.LOST_ANSWER, times=1))
    world.plane.faults.add(Fault("CreateGateway", Effect.LOST, times=-1))
    document = small_stack(0)
    await world.run(provision(document, "request-a"), seconds=60)
    assert "gateway payments" in world.live
    world.plane.faults.all.clear()
    outcome = await world.destroy(document)
    assert outcome.status is Status.DELETED
    assert world.live == {}


async def test_impatient_runs_keep_to_five_operations(world):
    """Runs that leave operations to the next one count them: the service refuses none for their number."""
    world.behaviour.durations.target = 60.0
    outcome = await until_settled(world, provision(small_stack(12), "request-a"), patience=5)
    assert outcome.status is Status.READY
    refused = [call for call in world.plane.journal.calls if call.refusal == "ServiceQuotaExceededException"]
    assert refused == []


async def test_a_synchronization_longer_than_a_run_is_sent_once(world):
    """A synchronization that outlives several runs is one call, and ends READY."""
    await world.apply(small_stack(1))
    world.sent()
    world.behaviour.durations.synchronize = 200.0
    request = provision(small_stack(1), "sync").model_copy(update={"mode": Mode.SYNCHRONIZE, "document": None})
    outcome = await until_settled(world, request, patience=5)
    assert outcome.status is Status.READY
    assert world.sent() == ["SynchronizeGatewayTargets"]


async def test_a_parent_that_cannot_be_read_hides_nothing(world):
    """With GetGateway denied, a removal forgets and removes nothing: its targets are not taken for gone."""
    await world.apply(small_stack(1))
    world.plane.faults.add(Fault("GetGateway", Effect.REFUSE, -1, 0, "AccessDeniedException", "not authorized"))
    world.sent()
    outcome = await world.destroy(small_stack(1))
    assert outcome.status is Status.FAILED
    assert world.sent() == []
    world.plane.faults.all.clear()
    assert (await world.destroy(small_stack(1))).status is Status.DELETED
    assert world.live == {}


async def test_lists_with_coarser_times_are_believed(world):
    """A list that shows whole seconds is not taken for an older one."""
    world.behaviour.lists_whole_seconds = True
    await anyio.sleep(0.7)
    assert (await world.apply(small_stack(2))).status is Status.READY
    assert world.plane.world.now < 10


async def test_a_refused_creation_leaves_nothing_to_wait_for(world):
    """A create that was refused for good is in no doubt: the removal begins at once."""
    document = small_stack(1)
    fault = Fault(
        "CreateGatewayTarget", Effect.REFUSE, -1, 0, "ResourceNotFoundException", "Credential provider x not found"
    )
    world.plane.faults.add(fault)
    assert (await world.apply(document)).status is Status.FAILED
    began = world.plane.world.now
    assert (await world.destroy(document)).status is Status.DELETED
    assert world.plane.world.now - began < 10


async def test_an_allowed_address_that_is_not_known_is_said(world):
    """A misspelt address in `allow` is a warning, not silence."""
    outcome = await world.apply(small_stack(0), allow=frozenset({"gateways.typo"}))
    assert [(warning.path, warning.rule) for warning in outcome.warnings] == [("gateways.typo", "allow")]


async def test_how_long_one_request_was_refused_is_nothing_to_the_next(world):
    """Ten minutes of refusals end a request; days later the next is refused for a moment, and goes on."""
    busy = Fault("CreateGateway", Effect.REFUSE, -1, 0, "ConflictException", "The role is being updated: try again")
    world.plane.faults.add(busy)
    assert (await until_settled(world, provision(small_stack(0), "one"))).status is Status.FAILED
    world.plane.faults.all.clear()
    await anyio.sleep(3 * 86_400.0)
    world.plane.faults.add(replace(busy, times=8))
    assert (await until_settled(world, provision(small_stack(0), "two"), seconds=60.0)).status is Status.READY


async def test_what_others_delete_again_and_again_is_made_again_by_each_request(world):
    """Tries are counted for a request, and not for as long as a document is in force."""
    await world.apply(small_stack(1), "one", generation=1)
    for turn in range(5):
        record = world.live["target target-0"]
        record.status, record.next = GONE, None
        await anyio.sleep(200.0)
        outcome = await world.apply(small_stack(1), f"again-{turn}", generation=1)
        assert outcome.status is Status.READY, outcome.failures


@pytest.mark.parametrize("way", ["one run", "many runs"])
async def test_a_deletion_that_is_refused_is_no_try(world, way):
    """What is to be made anew waits until it may be deleted, as often as that is refused."""
    world.plane.world.failing["target-0"] = Failure(1, "no such host", frozenset({"CREATE"}))
    text = "another operation is in progress"
    world.plane.faults.add(fault := Fault("DeleteGatewayTarget", Effect.REFUSE, -1, 0, "ConflictException", text))
    began, request = anyio.current_time(), provision(small_stack(1), "one")
    outcome = None
    while outcome is None or outcome.status is Status.IN_PROGRESS:
        fault.times = -1 if anyio.current_time() - began < 300 else 0
        limits = {} if way == "one run" else {"seconds": 90.0, "patience": 1.0}
        outcome = await world.run(request, **limits)
        await anyio.sleep(outcome.retry_after or 0)
    assert outcome.status is Status.READY


@pytest.mark.parametrize("way", ["one run", "many runs"])
async def test_each_reason_of_a_refusal_has_its_own_time(world, way):
    """Busy for minutes, then for a role that is not visible yet: that has as long as IAM takes, from then on."""
    busy = Fault("CreateGatewayTarget", Effect.REFUSE, -1, 0, "ConflictException", "the gateway is in UPDATING status")
    unseen = Fault("CreateGatewayTarget", Effect.REFUSE, 0, 0, "ValidationException", "Role validation failed")
    for fault in (busy, unseen):
        world.plane.faults.add(fault)

    async def story() -> None:
        await anyio.sleep(200)
        busy.times, unseen.times = 0, -1
        await anyio.sleep(40)
        unseen.times = 0

    request, outcome = provision(small_stack(1), "one"), None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(story)
        while outcome is None or outcome.status is Status.IN_PROGRESS:
            limits = {} if way == "one run" else {"seconds": 90.0, "patience": 1.0}
            outcome = await world.run(request, **limits)
            await anyio.sleep(outcome.retry_after or 0)
    assert outcome is not None
    assert outcome.status is Status.READY


async def test_nobody_waits_for_the_room_of_who_waits_for_him(world):
    """Two targets of a full gateway would each have the room of what the other one needs gone first."""
    world.behaviour.targets_per_gateway = 4
    document = small_stack(0)
    targets, place = document["gateways"]["payments"]["targets"], "gateways.payments.targets"
    targets |= {name: mcp_target() for name in ("l1", "l2")}
    for name, other in (("a", "l2"), ("b", "l1")):
        targets[name] = mcp_target(gatewright={"dependsOn": [f"{place}.{other}"]})
    await world.apply(document)
    gateway_id = world.live["gateway payments"].id
    for name in ("a", "b"):
        await world.client().delete_gateway_target(
            gatewayIdentifier=gateway_id, targetId=world.live[f"target {name}"].id
        )
        await anyio.sleep(5)
        await world.client().create_gateway_target(gatewayIdentifier=gateway_id, name=f"by-hand-{name}", **mcp_target())
    await anyio.sleep(200)
    del targets["l1"], targets["l2"]
    targets |= {name: mcp_target() for name in ("a", "b")}
    with anyio.fail_after(3600):
        outcome = await world.run(provision(document, "two"), seconds=90.0, patience=1.0)
    assert outcome.status is Status.FAILED
    assert {failure.code for failure in outcome.failures} == {"ServiceQuotaExceededException"}
