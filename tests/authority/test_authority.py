"""Confused deputies: whatever a team asks for, the worker uses nothing that no grant of that team names.

The attempts are data, in attacks.yaml, each beside what the same team may do. They go in by the doors.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from handlers.step_functions import accepted_before
from infra.deadline import Deadline
from infra.sandbox.world import Failure
from tests.authority.desk import (
    ACCOUNT,
    FILE,
    PAYMENTS,
    PLACE,
    SECRET_CALLS,
    Shelf,
    asked,
    assert_refused,
    deployed,
)
from tests.documents import changed, gateway, mcp_target, provider
from tests.intake.objects import Held
from tests.worlds import REGION, SandboxWorld, provision
from workflows.planner.outcome import Status
from workflows.records.items import partition_of, stack_key
from workflows.records.request_state import Mode
from workflows.requests.answers import answer_key
from workflows.requests.authority import Grants, Submitter
from workflows.requests.request import Request
from workflows.service import handle, resume
from workflows.service_events import handle_service_event


def place_cases(side: str) -> list[Any]:
    """Return every value of one side of the places, with what the document around it needs."""
    cases = []
    for place in FILE["places"]:
        values = place.get("theirs") if side == "theirs" else [place["ours"]] if "ours" in place else []
        for number, value in enumerate(values):
            document = changed(FILE["base"], {**place.get("with", {}), place.get("put", place["at"]): value})
            cases.append(pytest.param(document, place["at"], id=f"{place['name']} {number}"))
    return cases


@pytest.mark.parametrize(("document", "at"), place_cases("theirs"))
async def test_what_no_grant_names_is_refused(world, document, at):
    """Another team's role, secret, provider, network or anything else: Rejected at its path before anything is used."""
    world.plane.world.secrets.put("billing/idp", "BillingSecret123")
    await asked(deployed(world), {"detailType": "Gateway Stack Requested", "stack": document})
    await assert_refused(world, at, "payments.tools")


@pytest.mark.sweep
@pytest.mark.parametrize(("document", "at"), place_cases("ours"))
async def test_the_same_place_holds_what_is_granted(world, document, at):
    """The honest neighbour of every attempt is accepted and worked on."""
    await asked(deployed(world), {"detailType": "Gateway Stack Requested", "stack": document})
    rejected = [detail["problems"] for kind, detail in world.announced if kind == "Gateway Stack Rejected"]
    assert rejected == []
    assert world.announced[0][0] == "Gateway Stack Accepted"
    assert world.sent()


async def test_everything_at_once_and_nothing_of_it_used(world):
    """All that is not granted is named in one answer, each at its path."""
    broken, paths = dict(FILE["base"]), set()
    for name in ("a gateway's role", "an API key", "a harness's role", "a runtime's image", "a gateway that exists"):
        place = next(place for place in FILE["places"] if place["name"] == name)
        broken = changed(broken, {**place.get("with", {}), place.get("put", place["at"]): place["theirs"][0]})
        paths.add(place["at"])
    await asked(deployed(world), {"detailType": "Gateway Stack Requested", "stack": broken})
    ((_, detail),) = world.announced
    assert {problem["path"] for problem in detail["problems"]} == paths
    await assert_refused(world, "gateways.payments.roleArn", "payments.tools")


@pytest.mark.parametrize("dry", [False, True], ids=["provision", "plan"])
async def test_a_category_that_is_granted_to_another_stack_is_not_to_this_one(world, dry):
    """What one grant names, another grant's stacks do not get: not even where one submitter has both."""
    mine, other = copy.deepcopy(FILE["grants"]["grants"][:2])
    other["submitters"] = mine["submitters"]
    document = {"stack": "payments.tools", "gateways": {"g": gateway(roleArn=f"arn:aws:iam::{ACCOUNT}:role/billing")}}
    other["stacks"] = ["billing.*"]
    request = provision(document, "r", submitter=PAYMENTS, dry_run=dry)
    outcome = await handle(deployed(world, {"version": 1, "grants": [mine, other]}), request, Deadline.within(600))
    assert outcome.status is Status.REJECTED
    await assert_refused(world, "gateways.g.roleArn", "payments.tools")


async def in_force(world: SandboxWorld) -> None:
    """Put a stack of each team in force, as if asked for by people, and forget how."""
    for team in ("payments", "billing"):
        document = {"stack": f"{team}.tools", "gateways": {team: gateway({"t": mcp_target()})}}
        assert (await world.apply(document)).status is Status.READY
    world.sent()
    world.announced.clear()


@pytest.mark.parametrize("case", FILE["requests"], ids=lambda case: case["name"])
async def test_who_may_not_ask_is_refused(world, case):
    """A stack, a request or a document that is not the submitter's: Rejected, and nothing of its owner's is touched."""
    await in_force(world)
    shelf, theirs = Shelf(), stack_key(partition_of(ACCOUNT, REGION, "billing.tools"))
    was = await world.ledger.get(theirs)
    await asked(deployed(world, shelf=shelf), case["body"], case.get("by"))
    await assert_refused(world, case["at"], "billing.new", case.get("rule", "authority"))
    assert bool(shelf.asked) == case.get("fetches", False)
    assert await world.ledger.get(theirs) == was
    assert await world.ledger.get(stack_key(partition_of(ACCOUNT, REGION, "payments.new"))) is None


@pytest.mark.parametrize("case", FILE["allowed"], ids=lambda case: case["name"])
async def test_who_may_ask_is_heard(world, case):
    """The honest neighbours of those requests come to a good end."""
    await in_force(world)
    await asked(deployed(world), case["body"], case.get("by"))
    assert world.announced[-1][0].removeprefix("Gateway Stack ") in ("Ready", "Planned", "Deleted")


async def test_nobody_in_particular_is_nobody(world):
    """A request without a submitter is refused where there are grants."""
    outcome = await handle(deployed(world), provision(FILE["base"], "r"), Deadline.within(600))
    assert outcome.status is Status.REJECTED
    await assert_refused(world, "stack", "payments.tools")


@pytest.mark.parametrize(
    "pattern",
    [{"queue": "*", "sender": "*"}, {"account": "*", "source": "*"}, {"account": "", "source": "*"}],
    ids=["any queue", "any account", "no account"],
)
def test_a_pattern_of_one_transport_means_no_other(pattern):
    """Who came by a queue, over the bus, by invocation or from nowhere is never taken for who came another way."""
    grant = {"submitters": [pattern], "stacks": ["*"], "requests": ["provision"]}
    grants = Grants.model_validate({"version": 1, "grants": [grant]})
    others = [Submitter(), Submitter(invocation="step-functions")]
    others.append(PAYMENTS if "queue" in pattern else Submitter(queue="arn:aws:sqs:x", sender="AROA:x"))
    assert [who for who in others if grants.of(who, "provision", PLACE).grants] == []


async def test_a_synchronization_works_on_what_is_in_force(world):
    """A document that comes with a synchronization is checked like any other, or not used: it reaches no other stack.

    This is how the state machine's stage `synchronization` arrives with a `stackUri`.
    """
    await in_force(world)
    request = Request(
        mode=Mode.SYNCHRONIZE,
        request_id="r",
        stack="",
        uri="s3://payments-stacks/twist.yaml",
        submitter=Submitter(invocation="step-functions"),
    )
    await handle(deployed(world), request, Deadline.within(600))
    theirs = world.live["gateway billing"].id
    calls = [call for call in world.plane.journal.calls if call.operation == "SynchronizeGatewayTargets"]
    assert [call for call in calls if theirs in str(call)] == []


@pytest.mark.parametrize("more", [{}, {"synchronize": True}], ids=["the document", "a synchronization"])
async def test_only_what_was_accepted_goes_on_by_name(world, more):
    """Whoever may start a run names what was accepted: nothing that nobody asked for is done to another's stack.

    Also not where its submitter might ask for it.
    """
    document = {"stack": "payments.tools", "gateways": {"payments": gateway({"t": mcp_target()})}}
    asked = provision(document, "asked", submitter=PAYMENTS)
    assert (await handle(deployed(world), asked, Deadline.within(600))).status is Status.READY
    world.plane.journal.calls.clear()
    named = {"stack": "payments.tools", "generation": 1, "requestId": "never-asked", **more}
    outcome = await resume(deployed(world), accepted_before(named), Deadline.within(600))
    assert outcome.status is Status.REJECTED
    assert [problem.rule for problem in outcome.problems] == ["unknown-stack"]
    assert set(world.plane.journal.count()) <= {"GetCallerIdentity"}


async def test_a_forged_tick_asks_for_nothing(world):
    """A schedule's tick that a stranger puts on the bus has no stack synchronized or converged."""
    await in_force(world)
    asks: list[Any] = []

    async def ask(detail_type: str, detail: Mapping[str, Any]) -> None:
        asks.append((detail_type, detail))

    tick = {"detail-type": "Gateway Schedule", "id": "t", "account": "999999999999", "source": "com.example.stranger"}
    await handle_service_event(replace(deployed(world), ask=ask), {**tick, "detail": {}})
    assert asks == []


async def test_a_rollback_names_what_is_granted_now(world):
    """Going back to a document whose grants were taken away since reads no secret and passes no role of it."""
    first = {
        "stack": "payments.tools",
        "oauth2CredentialProviders": {"idp": provider()},
        "gateways": {"payments": gateway({"t": mcp_target()})},
    }
    full = deployed(world)
    assert (await handle(full, provision(first, "1", submitter=PAYMENTS), Deadline.within(600))).status is Status.READY
    await world.client().delete_oauth2_credential_provider(name="idp")
    world.sent()
    narrow = copy.deepcopy(FILE["grants"])
    del narrow["grants"][0]["mayName"]["secrets"]
    world.plane.world.failing["bad"] = Failure(-1, "it cannot be reached")
    second = {**first, "onFailure": "ROLLBACK", "gateways": {"payments": gateway({"bad": mcp_target()})}}
    del second["oauth2CredentialProviders"]
    await handle(deployed(world, narrow), provision(second, "2", submitter=PAYMENTS), Deadline.within(3600))
    assert not {call.operation for call in world.plane.journal.calls} & SECRET_CALLS
    assert "CreateOauth2CredentialProvider" not in world.sent()


async def test_a_refused_stranger_takes_nobody_s_answer(world):
    """The answer to a request is kept for its submitter, also where a stranger used the same id before."""
    context, document = deployed(world), {"stack": "payments.new"}
    stranger = Submitter(account="999999999999", source="com.example.stranger")
    for who in (stranger, PAYMENTS):
        await handle(context, provision(document, "release-42", submitter=who), Deadline.within(600))
    held = await world.ledger.get(answer_key("payments.new", "release-42"))
    assert held is not None
    assert (held["submitter"], held["outcome"]["status"]) == (PAYMENTS.shown(), "READY")


# What documents may hold: every member has its place in the tables.


async def test_what_was_accepted_from_a_uri_is_authorized_again_whatever_stands_there_now(world):
    """The grant is gone, the object is innocent by now: what the ledger holds of the request is refused as it was."""
    role = f"arn:aws:iam::{ACCOUNT}:role/payments-gateway"
    shelf = Held({"stack": "payments.new", "gateways": {"g": gateway(roleArn=role)}})
    uri = "s3://payments-stacks/tools.yaml"
    request = Request(mode=Mode.PROVISION, request_id="r", stack="", uri=uri, submitter=PAYMENTS)
    first = await handle(deployed(world, shelf=shelf), request, Deadline.within(15))
    assert first.status is Status.IN_PROGRESS
    grants = copy.deepcopy(FILE["grants"])
    for grant in grants["grants"]:
        grant.get("mayName", {}).pop("roles", None)
    shelf.document = {"stack": "payments.new"}
    outcome = await handle(deployed(world, grants, shelf), request, Deadline.within(600))
    assert (outcome.status, [one.path for one in outcome.problems]) == (Status.REJECTED, ["gateways.g.roleArn"])
    assert world.live == {}
