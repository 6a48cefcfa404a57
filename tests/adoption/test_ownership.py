"""What bears our names: ours is adopted without a ledger, somebody else's is left alone."""

import copy
import itertools
from typing import Any

import pytest

from infra.deadline import Deadline
from infra.sandbox.behaviour import Behaviour
from tests.documents import gateway, mcp_target, provider, small_stack
from tests.worlds import SandboxWorld
from workflows.document.problems import Invalid
from workflows.document.stack import OWNER_TAG
from workflows.importing import import_resource
from workflows.operating import forget
from workflows.planner.outcome import ResourceStatus, Status

_OTHER = {"stack": "somebody.else"}


_UNKNOWNS: dict[str, list[Any]] = {
    "page_size": [10, 1000],
    "duplicate": ["ConflictException", "ValidationException"],
    "duplicate_provider": ["ValidationException", "ConflictException"],
    "busy": ["ValidationException", "ConflictException"],
    "too_many_operations": ["ServiceQuotaExceededException", "ThrottlingException"],
    "fills_defaults": [True, False],
    "hides_overrides": [True, False],
}


@pytest.mark.sweep
@pytest.mark.parametrize("position", range(2))
@pytest.mark.parametrize("unknown", _UNKNOWNS)
async def test_without_a_ledger_everything_of_ours_is_adopted(unknown, position):
    """With the ledger lost, apply finds everything by name and tag: nothing is doubled, nothing changed."""
    world = SandboxWorld(Behaviour(**{unknown: _UNKNOWNS[unknown][position]}))
    document = small_stack(12)
    document["gateways"]["payments"]["targets"]["target-0"]["metadataConfiguration"] = {
        "allowedRequestHeaders": ["X-Trace-Id"]
    }
    assert (await world.apply(document)).status is Status.READY
    before = {name: record.id for name, record in world.live.items()}
    world.lose_ledger()
    world.sent()
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    assert world.sent() == []
    assert {name: record.id for name, record in world.live.items()} == before
    assert {warning.rule for warning in outcome.warnings} == {"adopted"}
    world.close()


async def test_many_gateways_do_not_hide_ours(world):
    """A gateway on the third page of the list is found all the same."""
    world.behaviour.page_size = 10
    names = [f"other-{n}" for n in range(25)]
    crowd = {"stack": "crowd", "gateways": {name: gateway() for name in names}}
    await world.apply(crowd)
    await world.apply(small_stack(1))
    world.lose_ledger()
    world.sent()
    assert (await world.apply(small_stack(1))).status is Status.READY
    assert world.sent() == []


@pytest.mark.parametrize(
    ("section", "resource", "live"),
    [
        ("gateways", ("payments", gateway()), "gateway payments"),
        ("oauth2CredentialProviders", ("idp", provider()), "provider idp"),
    ],
    ids=["gateway", "provider"],
)
async def test_a_foreign_resource_with_our_name_is_left_alone(world, section, resource, live):
    """The resource fails, names what bears the name, says how to adopt it; the foreign one stays as it is."""
    name, body = resource
    await world.apply({**_OTHER, section: {name: body}})
    before = dict(world.live[live].request)
    world.sent()
    changed = {**body, "tags": {"team": "payments"}}
    outcome = await world.apply({"stack": "payments.tools", section: {name: changed}})
    assert outcome.status is Status.FAILED
    (failure,) = outcome.failures
    assert failure.code == "NameTaken"
    assert name in failure.message
    assert "adopt: true" in failure.advice
    assert world.sent() == []
    assert world.live[live].request == before


async def test_what_a_foreign_resource_blocks_is_said(world):
    """Targets of a gateway that is not ours are blocked, and named so."""
    await world.apply({**_OTHER, "gateways": {"payments": gateway()}})
    outcome = await world.apply(small_stack(1))
    statuses = {result.address: result.status for result in outcome.results}
    assert statuses["gateways.payments"] is ResourceStatus.FAILED
    assert statuses["gateways.payments.targets.target-0"] is ResourceStatus.BLOCKED
    assert statuses["oauth2CredentialProviders.idp"] is ResourceStatus.READY


async def test_adoption_on_purpose_takes_over(world):
    """With `adopt: true` a foreign gateway becomes ours: tagged, brought to what is declared, removed with us."""
    await world.apply({**_OTHER, "gateways": {"payments": gateway(description="theirs")}})
    before = world.live["gateway payments"].id
    document = {
        "stack": "payments.tools",
        "gateways": {"payments": gateway({"a": mcp_target()}, description="ours", gatewright={"adopt": True})},
    }
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    record = world.live["gateway payments"]
    assert (record.id, record.request["description"]) == (before, "ours")
    assert record.tags[OWNER_TAG] == "payments.tools"
    await world.destroy(document)
    assert world.live == {}


async def test_other_targets_under_our_gateway_are_reported_and_kept(world):
    """A target that nobody declared is named in the outcome and never touched, and stops the gateway's removal."""
    document = small_stack(1)
    await world.apply(document)
    more = small_stack(2)["gateways"]["payments"]["targets"]["target-1"]
    del more["credentialProviderConfigurations"]
    client = world.client()
    gateway_id = world.live["gateway payments"].id
    await client.create_gateway_target(gatewayIdentifier=gateway_id, name="by-hand", **more)
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    assert [w.message for w in outcome.warnings if w.rule == "unmanaged"] == [
        "targets that this stack does not manage: by-hand"
    ]
    outcome = await world.destroy(document)
    assert outcome.status is Status.FAILED
    assert [failure.code for failure in outcome.failures] == ["UnmanagedTargets"]
    assert set(itertools.chain(world.live)) >= {"gateway payments", "target by-hand"}


async def test_our_targets_under_a_gateway_that_only_exists(world):
    """Under `existing: true`, targets are made and removed; the gateway and its other targets stay untouched."""
    theirs = {**_OTHER, "gateways": {"payments": gateway({"theirs": mcp_target()})}}
    await world.apply(theirs)
    body: dict[str, Any] = {"gatewright": {"existing": True}, "targets": {"ours": mcp_target()}}
    document = {"stack": "payments.tools", "gateways": {"payments": body}}
    outcome = await world.apply(document)
    assert outcome.status is Status.READY
    assert [warning.rule for warning in outcome.warnings] == ["unmanaged"]
    body["targets"]["theirs"] = mcp_target("https://other.example.com/mcp")
    outcome = await world.apply(document)
    assert [failure.code for failure in outcome.failures] == ["NameTaken"]
    await world.destroy(document)
    assert set(world.live) == {"gateway payments", "target theirs"}


async def test_what_another_stack_took_over_is_not_removed_by_who_had_it(world):
    """The tag says whose it is, also against what the ledger remembers; its targets go the way of their gateway."""
    first, second = small_stack(1), {**small_stack(1), "stack": "payments.others"}
    await world.apply(first)
    for resource in (*second["gateways"].values(), *second["oauth2CredentialProviders"].values()):
        resource["gatewright"] = {"adopt": True}
    assert (await world.apply(second)).status is Status.READY
    standing = set(world.live)
    outcome = await world.destroy(first)
    assert outcome.status is Status.DELETED
    assert {result.reason for result in outcome.results} == {"not owned by this stack: not changed"}
    assert set(world.live) == standing
    assert (await world.destroy(second)).status is Status.DELETED
    assert world.live == {}


async def test_a_failure_and_a_warning_say_whose_it_is(world):
    """A name that another stack has is refused with that stack's name; taking it over is told."""
    first = {"stack": "first", "gateways": small_stack(0)["gateways"]}
    second = copy.deepcopy({**first, "stack": "second"})
    assert (await world.apply(first)).status is Status.READY
    outcome = await world.apply(second)
    assert "belongs to the stack first" in outcome.failures[0].message
    second["gateways"]["payments"]["gatewright"] = {"adopt": True}
    outcome = await world.apply(second)
    assert outcome.status is Status.READY
    assert "taken over from the stack first" in str([one.message for one in outcome.warnings])


async def test_what_one_stack_has_noted_is_not_imported_into_another(world):
    """Also before it was applied."""
    body = {name: value for name, value in small_stack(0)["gateways"]["payments"].items() if name != "targets"}
    world.plane.answer("CreateGateway", {**body, "name": "payments"})
    await import_resource(world.context(), "gateways", "payments", "first", Deadline.within(600))
    with pytest.raises(Invalid) as refused:
        await import_resource(world.context(), "gateways", "payments", "second", Deadline.within(600))
    assert "belongs to the stack first" in refused.value.problems[0].message
    await forget(world.ledger, "first", world.context().now())
    await import_resource(world.context(), "gateways", "payments", "second", Deadline.within(600))
