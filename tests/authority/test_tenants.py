"""What tenants learn of each other, and what unattended runs may do."""

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio
import pytest

from infra.bus import SCHEDULE
from infra.deadline import Deadline
from tests.authority.desk import ACCOUNT, FILE, PAYMENTS, asked, deployed
from tests.documents import changed, mcp_target, oauth, small_stack
from tests.goals import tried
from tests.localcloud.translate import translate
from tests.permissions.policies import EVERYTHING, TEMPLATE
from tests.worlds import provision
from workflows.document.problems import Invalid
from workflows.planner.outcome import Status
from workflows.planning import plan_removal
from workflows.records.request_state import Mode
from workflows.requests.answers import answer_to
from workflows.requests.authority import Submitter
from workflows.requests.request import Request
from workflows.service import RequestRef, handle, resume
from workflows.service_events import handle_service_event
from workflows.status import stacks

STRANGER = {"source": "com.example.stranger"}
TICK = {"id": "t1", "account": ACCOUNT, "source": SCHEDULE, "detail-type": "Gateway Schedule"}


def grants(schedule: tuple[str, ...] = ("synchronize", "provision"), **more: Any) -> dict[str, Any]:
    """Return grants of everything to the payments team, and of these requests to the schedule."""
    every = {name: ["*"] for grant in FILE["grants"]["grants"] for name in grant.get("mayName", {})}
    team = {
        "submitters": [{"account": ACCOUNT, "source": PAYMENTS.source}],
        "stacks": ["payments.*"],
        "requests": ["provision", "plan", "remove", "synchronize"],
        "mayName": {**every, "adopted": ["*"]},
        **more,
    }
    timer = {"submitters": [{"source": SCHEDULE}], "stacks": ["*"], "requests": list(schedule)}
    return {"version": 1, "grants": [team, *([timer] if schedule else [])]}


async def test_announcements_say_who_asked(world):
    context = deployed(world, grants())
    await asked(context, {"detailType": "Gateway Stack Requested", "stack": small_stack(1), "requestId": "one"})
    assert {kind for kind, _ in world.announced} == {"Gateway Stack Accepted", "Gateway Stack Ready"}
    told = [detail["submitter"] for _, detail in world.announced]
    assert told == [{"account": ACCOUNT, "source": PAYMENTS.source}] * len(told)


@pytest.mark.parametrize(
    "body",
    [
        {"detailType": "Gateway Stack Requested", "stack": small_stack(1)},
        {"detailType": "Gateway Stack Removal Requested", "stack": "payments.tools"},
        {"detailType": "Gateway Stack Synchronization Requested", "stack": "payments.tools"},
        {"detailType": "Gateway Stack Requested", "stackUri": "s3://payments-stacks/tools.yaml"},
        {"detailType": "Gateway Stack Requested", "stack": {"stack": "payments.tools", "gateways": 5}},
        {"detailType": "Gateway Stack Requested", "strange": True},
        {"detailType": "Gateway Stack Requested", "stack": small_stack(1), "dryRun": True},
    ],
    ids=["provision", "remove", "synchronize", "uri", "invalid", "unread", "plan"],
)
async def test_a_stranger_publishes_nothing_under_the_names_of_others(world, body):
    """Neither the stack nor the request that it names; what is published bears the id of its own event."""
    context = deployed(world, grants())
    await handle(context, provision(small_stack(1), "build-4712", submitter=PAYMENTS), Deadline.within(600))
    world.announced.clear()
    await asked(context, {**body, "requestId": "build-4712"}, by=STRANGER)
    tried("R20", "requests of strangers under the names of others", violations=len(world.announced) != 1)
    ((kind, detail),) = world.announced
    assert kind == "Gateway Stack Rejected"
    assert (detail["stack"], detail["requestId"]) == ("", "e")
    assert detail["submitter"]["source"] == STRANGER["source"]
    assert "generation" not in detail or detail["generation"] is None
    mine = await answer_to(world.ledger, "payments.tools", "build-4712", PAYMENTS)
    assert mine["status"] == "READY"
    theirs = Submitter(account=ACCOUNT, source=STRANGER["source"])
    seen = await answer_to(world.ledger, "payments.tools", "build-4712", theirs)
    assert seen is None or seen["status"] in ("REJECTED", "READY")


async def test_the_refusal_of_one_stranger_hides_no_refusal_of_another(world):
    """Both ask under one name; each finds the answer to its own request."""
    context = deployed(world, grants())
    for source in ("com.example.one", "com.example.two"):
        body = {"detailType": "Gateway Stack Removal Requested", "stack": "payments.tools", "requestId": "same"}
        await asked(context, body, by={"source": source})
    for source in ("com.example.one", "com.example.two"):
        answer = await answer_to(world.ledger, "payments.tools", "same", Submitter(account=ACCOUNT, source=source))
        assert (answer["status"], answer["submitter"]["source"]) == ("REJECTED", source)


async def test_whoever_loses_its_grants_is_told_of_its_own_request(world):
    """What was accepted bears its own names, however the grants are now, when it is gone on with or comes again."""
    world.behaviour.durations.gateway = 600.0
    request = provision(small_stack(1), "mine", submitter=PAYMENTS).model_copy(update={"transport_id": "e"})
    assert (await handle(deployed(world, grants()), request, Deadline.within(30))).status is Status.IN_PROGRESS
    none = deployed(world, {"version": 1, "grants": []})
    for again in (
        handle(none, request, Deadline.within(30)),
        resume(none, RequestRef("payments.tools", 1, "mine"), Deadline.within(30)),
        handle(none, request, Deadline.within(30)),
    ):
        world.announced.clear()
        await again
        ((kind, detail),) = world.announced
        assert (kind, detail["stack"], detail["requestId"]) == ("Gateway Stack Rejected", "payments.tools", "mine")


@pytest.mark.parametrize("again", [False, True], ids=["gone on with", "delivered again"])
async def test_a_request_whose_grants_are_withdrawn_has_ended(world, again):
    """Its execution ends, and nothing goes on with it: the status says so, and a new request goes on."""
    world.behaviour.durations.gateway = 600.0
    mine = provision(small_stack(1), "mine", submitter=PAYMENTS)
    await handle(deployed(world, grants()), mine, Deadline.within(30))
    none = deployed(world, {"version": 1, "grants": []})
    if again:
        await handle(none, mine, Deadline.within(30))
    else:
        await resume(none, RequestRef("payments.tools", 1, "mine"), Deadline.within(30))
    (shown,) = (await stacks(world.ledger)).values()
    assert shown["status"] == "REJECTED"
    # With its grants back it is answered as it was; a request of another id goes on.
    assert (await handle(deployed(world, grants()), mine, Deadline.within(3000))).status is Status.REJECTED
    new = mine.model_copy(update={"request_id": "new"})
    assert (await handle(deployed(world, grants()), new, Deadline.within(3000))).status is Status.READY
    await _refused_otherwise(world, mine)
    # What is finished keeps its outcome.
    await resume(none, RequestRef("payments.tools", 3, "pending"), Deadline.within(30))
    (shown,) = (await stacks(world.ledger)).values()
    assert shown["status"] == "READY"


async def _refused_otherwise(world: Any, mine: Request) -> None:
    """Send what is refused under the id of an accepted request: of a stranger, and with another document."""
    world.behaviour.durations.gateway = 600.0
    new = changed(small_stack(1), {"gateways.payments.description": "new"})
    pending = provision(new, "pending", submitter=PAYMENTS)
    await handle(deployed(world, grants()), pending, Deadline.within(30))
    narrow = grants()
    narrow["grants"][0]["mayName"]["roles"] = []
    stranger = pending.model_copy(update={"submitter": Submitter(account=ACCOUNT, source="com.example.evil")})
    roles = changed(new, {"gateways.payments.roleArn": "arn:aws:iam::123456789012:role/other"})
    other = pending.model_copy(update={"document": roles})
    for context, request in ((deployed(world, grants()), stranger), (deployed(world, narrow), other)):
        assert (await handle(context, request, Deadline.within(30))).status is Status.REJECTED
    (shown,) = (await stacks(world.ledger)).values()
    assert shown["status"] == "IN_PROGRESS"
    assert (await handle(deployed(world, grants()), pending, Deadline.within(3000))).status is Status.READY


def test_nobody_but_the_deployment_speaks_for_it():
    """The bus refuses its own sources to every principal but the roles that publish."""
    resources = translate(TEMPLATE, dict(EVERYTHING)).template["Resources"]
    statement = resources["BusOwnSources"]["Properties"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "events:PutEvents")
    assert set(statement["Condition"]["StringEquals"]["events:source"]) == {"gatewright", SCHEDULE}
    roles = {one["Fn::GetAtt"][0] for one in statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]}
    publishing = {
        name for name, one in resources.items() if one["Type"] == "AWS::IAM::Role" and _publishes(one, resources)
    }
    assert roles == publishing


def _publishes(role: Mapping[str, Any], resources: Mapping[str, Any]) -> bool:
    attached = [resources[one["Ref"]] for one in role["Properties"].get("ManagedPolicyArns", []) if "Ref" in one]
    documents = [one["Properties"]["PolicyDocument"] for one in attached]
    documents += [one["PolicyDocument"] for one in role["Properties"].get("Policies", [])]
    return "events:PutEvents" in str(documents)


# --- unattended runs: those of schedules and events ------------------------------------------------------------------


async def applied(world: Any, stack: dict[str, Any]) -> Any:
    """Return a deployment in which the payments team has applied a stack."""
    context = deployed(world, grants())
    outcome = await handle(context, provision(stack, "one", submitter=PAYMENTS), Deadline.within(3000))
    assert outcome.status in (Status.READY, Status.AWAITING_CONSENT)
    return context


async def ticked(world: Any, context: Any, **detail: Any) -> Any:
    """Have a schedule converge all stacks, and return the outcome of the run of `payments.tools`."""
    machine = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:converge"
    settings = context.settings.model_copy(update={"state_machine": machine})
    started: list[dict[str, Any]] = []

    class Machine:
        async def start_execution(self, **params: Any) -> dict[str, Any]:
            started.append(json.loads(params["input"]))
            return {"executionArn": "arn", "startDate": world.context().now()}

    client = context.aws.client

    async def with_machine(service: str) -> Any:
        return Machine() if service == "stepfunctions" else await client(service)

    context = replace(context, aws=replace(context.aws, client=with_machine), settings=settings)
    await handle_service_event(context, {**TICK, "detail": {"converge": True, **detail}})
    if not started:
        return None
    named = RequestRef(started[0]["stack"], started[0]["generation"], started[0]["requestId"])
    return await resume(context, named, Deadline.within(3000))


async def test_an_unattended_run_acts_for_the_last_submitter_whose_grants_are_checked_again(world):
    context = await applied(world, small_stack(1))
    world.live["target target-0"].request["description"] = "by hand"
    assert (await ticked(world, context)).status is Status.READY
    without = deployed(world, {"version": 1, "grants": grants()["grants"][1:]})
    outcome = await ticked(world, without)
    assert (outcome.status, [problem.rule for problem in outcome.problems]) == (Status.REJECTED, ["authority"])


async def test_a_tick_that_converges_needs_the_right_to_provision(world):
    """The right to synchronize alone changes nothing of a gateway."""
    await applied(world, small_stack(1))
    world.live["gateway payments"].request["description"] = "by hand"
    world.sent()
    assert await ticked(world, deployed(world, grants(("synchronize",)))) is None
    assert world.sent() == []


async def test_a_scheduled_synchronization_needs_the_grants_of_the_last_submitter(world):
    await applied(world, small_stack(1))
    request = Request(
        mode=Mode.SYNCHRONIZE,
        request_id="schedule-1",
        stack="payments.tools",
        submitter=Submitter(account=ACCOUNT, source=SCHEDULE),
    )
    only_schedule = {"version": 1, "grants": grants()["grants"][1:]}
    outcome = await handle(deployed(world, only_schedule), request, Deadline.within(600))
    assert (outcome.status, [one.rule for one in outcome.problems]) == (Status.REJECTED, ["authority"])
    assert (await handle(deployed(world, grants()), request, Deadline.within(600))).status is Status.READY


def consenting() -> dict[str, Any]:
    made = small_stack(1)
    code = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    made["gateways"]["payments"]["targets"]["mailbox"] = mcp_target(credentialProviderConfigurations=code)
    return made


async def consented(world: Any) -> Any:
    context = await applied(world, consenting())
    for record in list(world.plane.world.records.live("target")):
        if "consent" in record.extra:
            world.plane.targets.consent.give(record.extra["consent"]["session"])
    await anyio.sleep(30)
    outcome = await handle(context, provision(consenting(), "one", submitter=PAYMENTS), Deadline.within(3000))
    assert outcome.status is Status.READY
    world.sent()
    return context


async def test_an_unattended_run_ends_no_consent_and_says_so(world):
    """A consented target was changed by hand: a repair would ask for consent again, and is left to a request."""
    context = await consented(world)
    server = world.live["target mailbox"].request["targetConfiguration"]["mcp"]["mcpServer"]
    server["endpoint"] = "https://elsewhere.example.com/mcp"
    world.live["target mailbox"].updated += 500
    outcome = await ticked(world, context)
    tried("R15", "unattended runs over targets with consent", violations=len(world.sent()))
    assert [(one.resource.rpartition(".")[2], one.code) for one in outcome.failures] == [("mailbox", "NeedsRequest")]
    assert "consent" in outcome.failures[0].message
    assert world.live["target mailbox"].status == "READY"


async def test_a_scheduled_synchronization_ends_no_consent(world):
    """Other targets are synchronized; that one is skipped with the reason."""
    context = await consented(world)
    request = Request(
        mode=Mode.SYNCHRONIZE,
        request_id="schedule-1",
        stack="payments.tools",
        submitter=Submitter(account=ACCOUNT, source=SCHEDULE),
    )
    outcome = await handle(context, request, Deadline.within(3000))
    sent = world.sent()
    assert (outcome.status, sent) == (Status.READY, ["SynchronizeGatewayTargets"])
    reasons = {result.address.rpartition(".")[2]: result.reason for result in outcome.results}
    assert "consent again" in reasons["mailbox"]


async def test_an_unattended_run_replaces_nothing_that_a_request_must_approve(world):
    """A gateway whose protocol was changed by hand stays as it is, and the stack does not roll back."""
    stack = {**small_stack(1), "onFailure": "ROLLBACK"}
    context = await applied(world, stack)
    world.live["gateway payments"].request["authorizerType"] = "AWS_IAM"
    world.live["gateway payments"].updated += 500
    world.sent()
    outcome = await ticked(world, context)
    assert (outcome.status, [one for one in world.sent() if one.startswith(("Delete", "Create"))]) == (
        Status.FAILED,
        [],
    )
    assert outcome.failures[0].resource == "gateways.payments"


async def test_one_damaged_stack_keeps_no_schedule_from_the_others(world):
    """It is logged, and every other stack is asked for."""
    context = deployed(
        world, {"version": 1, "grants": [{**grants()["grants"][0], "stacks": ["*"]}, grants()["grants"][1]]}
    )
    names = ["payments.a", "payments.b", "payments.c"]
    for name in names:
        stack = changed({"stack": name, "apiKeyCredentialProviders": {}}, {})
        outcome = await handle(context, provision(stack, name, submitter=PAYMENTS), Deadline.within(600))
        assert outcome.status is Status.READY
    world.ledger._db.execute(  # noqa: SLF001 - what no writer writes
        "UPDATE items SET item = '{' WHERE partition LIKE '%payments.b' AND sort = 'stack'"
    )
    told: list[str] = []

    async def note(detail_type: str, detail: Mapping[str, Any]) -> None:
        del detail_type
        told.append(detail["stack"])

    answer = await handle_service_event(replace(context, ask=note), {**TICK, "detail": {}})
    assert (sorted(told), answer["asked"]) == (["payments.a", "payments.c"], ["payments.a", "payments.c"])


# --- adoption by tag ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_tag", [True, False])
async def test_grants_may_forbid_adoption_by_tag(world, by_tag):
    """Without it, what bears the tag and is not in the ledger is another's until `adopt: true`."""
    body = {name: value for name, value in small_stack(1)["gateways"]["payments"].items() if name != "targets"}
    world.plane.answer("CreateGateway", {**body, "name": "payments", "tags": {"gatewright:stack": "payments.tools"}})
    await anyio.sleep(60)
    context = deployed(world, grants(adoptByTag=by_tag))
    outcome = await handle(context, provision(small_stack(1), "one", submitter=PAYMENTS), Deadline.within(3000))
    assert [one.code for one in outcome.failures] == ([] if by_tag else ["NameTaken"])
    taken = copy.deepcopy(small_stack(1))
    taken["gateways"]["payments"]["gatewright"] = {"adopt": True}
    outcome = await handle(context, provision(taken, "two", submitter=PAYMENTS), Deadline.within(3000))
    assert outcome.status is Status.READY


async def test_a_plan_to_remove_an_unknown_stack_names_no_other_team_s(world):
    """Names like it, and accounts that know it, are for people who read the ledger with their own rights."""
    await applied(world, small_stack(1))
    for stack in ("payments.tool", "payments.tools2"):
        request = Request(mode=Mode.REMOVE, request_id=stack, stack=stack, submitter=PAYMENTS, dry_run=True)
        outcome = await handle(deployed(world, grants()), request, Deadline.within(300))
        assert [one.message for one in outcome.problems] == [f"this ledger knows no stack named {stack}"]
    with pytest.raises(Invalid) as invalid:
        await plan_removal(world.context(), "payments.tool", None, Deadline.within(300))
    assert "Did you mean payments.tools?" in invalid.value.problems[0].message


async def test_a_removal_is_planned_without_removing_anything(world):
    context = await applied(world, small_stack(1))
    before = set(world.live)
    request = Request(mode=Mode.REMOVE, request_id="two", stack="payments.tools", submitter=PAYMENTS, dry_run=True)
    outcome = await handle(context, request, Deadline.within(300))
    assert outcome.plan is not None
    assert (outcome.status, outcome.plan["deleting"], set(world.live)) == (Status.PLANNED, len(before), before)
