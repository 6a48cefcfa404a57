"""An accepted update that reads do not show is no success; listed forms of a declared value are, and are told."""

import copy
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from infra.deadline import Deadline
from infra.service_model import CONTROL_PLANE
from tests.documents import DISCOVERY, ROLE, changed, mcp_target, oauth, small_stack
from tests.everything.test_kinds import LEAST
from tests.goals import tried
from tests.twists import Answer, Twist, TwistedWorld
from tests.worlds import provision
from workflows.kinds.forms import accepts
from workflows.planner.outcome import Status
from workflows.planning import plan
from workflows.status import stacks

WHAT = "updates that the service accepted and reads do not show"
OTHER_ROLE = "arn:aws:iam::123456789012:role/another"
_JWT = "gateways.payments.authorizerConfiguration.customJWTAuthorizer"
_TARGET = "gateways.payments.targets.target-0"
#: What is declared anew, and the operation that is accepted without effect.
GUARDED = [
    ("an audience", {f"{_JWT}.allowedAudience": ["payments-v2"]}, "UpdateGateway"),
    ("a discovery URL", {f"{_JWT}.discoveryUrl": DISCOVERY.replace("login", "other")}, "UpdateGateway"),
    ("a role", {"gateways.payments.roleArn": OTHER_ROLE}, "UpdateGateway"),
    ("an endpoint", {f"{_TARGET}.targetConfiguration.mcp.mcpServer.endpoint": "https://other.example.com/mcp"},
     "UpdateGatewayTarget"),
    ("a credential", {f"{_TARGET}.credentialProviderConfigurations": oauth(scopes=["other"])}, "UpdateGatewayTarget"),
    ("scopes that are taken away", {f"{_JWT}.allowedScopes": None}, "UpdateGateway"),
]  # fmt: skip


@pytest.fixture
def world():
    with TwistedWorld() as made:
        yield made


def without_effect(world: TwistedWorld, operation: str) -> Twist:
    """Return the twist of a service that accepts an update, shows a new time of change, and changes nothing."""

    def accepted(_: Answer, params: Any) -> Answer:
        records = world.live.values()
        (record,) = [one for one in records if one.id == params.get("targetId", params["gatewayIdentifier"])]
        record.updated = world.plane.world.now
        shown = {"UpdateGateway": "GetGateway", "UpdateGatewayTarget": "GetGatewayTarget"}[operation]
        names = {"gatewayIdentifier", "targetId"} & set(params)
        return copy.deepcopy(world.plane.answer(shown, {name: params[name] for name in names}, CONTROL_PLANE))

    return Twist(operation, accepted, times=-1, instead=True)


def base() -> dict:
    return changed(small_stack(1), {f"{_JWT}.allowedScopes": ["read"]})


@pytest.mark.parametrize(("what", "changes", "operation"), GUARDED, ids=[row[0] for row in GUARDED])
async def test_what_guards_a_stack_fails_without_another_update(world, what, changes, operation):
    """90 s after the update, by name, in this request and in each further one; the plan shows it."""
    await world.apply(base())
    world.twists.append(without_effect(world, operation))
    stack = changed(base(), changes)
    for request in ("two", "three"):
        world.sent()
        began = anyio.current_time()
        outcome = await world.apply(stack, request)
        tried("R3", WHAT, violations=int(outcome.status is Status.READY))
        assert [failure.code for failure in outcome.failures] == ["NotInForce"], what
        assert next(iter(changes)).rsplit(".", maxsplit=1)[-1].split("[")[0] in outcome.failures[0].message
        assert anyio.current_time() - began >= 90.0
    assert len((await plan(world.context(), stack, Deadline(), frozenset())).pending) == 1
    world.twists.clear()
    assert (await world.apply(stack, "four")).status is Status.READY
    assert (await plan(world.context(), stack, Deadline(), frozenset())).pending == []


@pytest.mark.parametrize("patience", [None, 1.0], ids=["one run", "many runs"])
async def test_other_members_are_updated_three_times(world, patience):
    """In one run or in the many short ones of a deployment; then the request fails."""
    await world.apply(base())
    stack = changed(base(), {"gateways.payments.description": "second"})
    twist = without_effect(world, "UpdateGateway")
    twist.times = 10
    world.twists.append(twist)
    request = provision(stack, "two")
    outcome = await (world.run(request) if patience is None else world.settle(request, patience=patience))
    tried("R3", WHAT, violations=int(outcome.status is Status.READY))
    assert [failure.code for failure in outcome.failures] == ["NotInForce"]
    assert twist.times == 7


async def test_what_takes_a_while_to_show_is_waited_for(world):
    """An update that reads show after a minute is in force; it is sent once."""
    await world.apply(base())
    stack = changed(base(), {f"{_JWT}.allowedAudience": ["payments-v2"]})
    was = copy.deepcopy(world.live["gateway payments"].request["authorizerConfiguration"])
    until = anyio.current_time() + 60

    def lagging(answer: Answer, _: Any) -> Answer:
        return {**answer, "authorizerConfiguration": was} if anyio.current_time() < until else answer

    world.twists.append(Twist("GetGateway", lagging, times=-1))
    world.sent()
    outcome = await world.apply(stack)
    assert (outcome.status, world.sent()) == (Status.READY, ["UpdateGateway"])


async def test_an_update_that_is_not_in_force_is_rolled_back_by_name(world):
    await world.apply(base())
    world.twists.append(without_effect(world, "UpdateGateway"))
    stack = {**changed(base(), {"gateways.payments.roleArn": OTHER_ROLE}), "onFailure": "ROLLBACK"}
    outcome = await world.apply(stack)
    assert outcome.status is Status.ROLLED_BACK
    assert outcome.shown()["failures"][0]["code"] == "NotInForce"
    assert world.live["gateway payments"].request["roleArn"] == ROLE


_RUNTIME = "agentRuntimes.r"
#: What is declared, how the service keeps it, and where that is.
FORMS: list[tuple[str, dict[str, Any], Callable[[Any], None], str, str]] = [
    ("the case of a host", {f"{_TARGET}.targetConfiguration.mcp.mcpServer.endpoint": "https://Ledger.Example.com/Mcp"},
     lambda live: live["target target-0"].request["targetConfiguration"]["mcp"]["mcpServer"].update(
         endpoint="https://ledger.example.com/Mcp"), _TARGET, "targetConfiguration.mcp.mcpServer.endpoint"),
    ("the case of headers", {f"{_TARGET}.metadataConfiguration": {"allowedRequestHeaders": ["X-Team"]}},
     lambda live: live["target target-0"].request["metadataConfiguration"].update(allowedRequestHeaders=["x-team"]),
     _TARGET, "metadataConfiguration.allowedRequestHeaders"),
    ("a mask", {"agentRuntimes": {"r": {**LEAST["agentRuntimes"], "environmentVariables": {"KEY": "value"}}}},
     lambda live: live["runtime r"].request.update(environmentVariables={"KEY": "****"}), _RUNTIME,
     "environmentVariables.KEY"),
]  # fmt: skip


def standing_warnings(outcome: Any) -> list[tuple[str, str]]:
    return [(one.path, one.message) for one in outcome.warnings if one.rule == "shown-otherwise"]


@pytest.mark.parametrize(("what", "declared", "keep", "address", "path"), FORMS, ids=[row[0] for row in FORMS])
async def test_listed_forms_are_accepted_and_told_every_time(world, what, declared, keep, address, path):
    """In every outcome, in the plan and in the status; nothing is sent, and nothing is pending."""
    stack = changed(small_stack(1), declared) if "agentRuntimes" not in declared else {**small_stack(1), **declared}
    assert (await world.apply(stack)).status is Status.READY
    keep(world.live)
    for record in world.live.values():
        record.updated += 1000
    world.sent()
    for request in ("two", "three", "four"):
        outcome = await world.apply(stack, request)
        assert (outcome.status, world.sent()) == (Status.READY, []), what
        assert [where for where, message in standing_warnings(outcome) if path in message] == [address]
    planned = await plan(world.context(), stack, Deadline(), frozenset())
    assert planned.pending == []
    assert [one.path for one in planned.warnings if one.rule == "shown-otherwise"] == [address]
    (known,) = (await stacks(world.ledger)).values()
    assert known["resources"][address]["shownOtherwise"] == [path]


async def test_a_default_that_shows_after_a_member_left_is_accepted(world):
    """The member left the document; the service fills it in as it likes."""
    stack = changed(small_stack(1), {"gateways.payments.protocolConfiguration": {"mcp": {"instructions": "one"}}})
    await world.apply(stack)
    twist = Twist(
        "GetGateway", lambda answer, _: {**answer, "protocolConfiguration": {"mcp": {"instructions": "d"}}}, -1
    )
    world.twists.append(twist)
    world.sent()
    for _ in range(3):
        outcome = await world.apply(small_stack(1))
        assert outcome.status is Status.READY
        assert standing_warnings(outcome)
    assert world.sent() == ["UpdateGateway"]


async def test_another_host_is_no_form(world):
    """Only letters' case is: a host with another name is drift, and put back."""
    await world.apply(small_stack(1))
    server = world.live["target target-0"].request["targetConfiguration"]["mcp"]["mcpServer"]
    server["endpoint"] = "https://ledger.example.org/mcp"
    world.live["target target-0"].updated += 1000
    assert (await world.apply(small_stack(1))).status is Status.READY
    server = world.live["target target-0"].request["targetConfiguration"]["mcp"]["mcpServer"]
    assert server["endpoint"] == mcp_target()["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"]


KMS = "arn:aws:kms:us-east-1:123456789012:"
KEY = f"{KMS}key/11111111-2222-3333-4444-555555555555"
#: A path, what is declared there, what is shown, and whether that is the same.
ACCEPTED: list[tuple[tuple[str, ...], Any, Any, bool]] = [
    (("kmsKeyArn",), f"{KMS}alias/payments", KEY, True),
    (("kmsKeyArn",), KEY, f"{KMS}alias/payments", False),
    (("kmsKeyArn",), f"{KMS}alias/payments", KEY.replace("123456789012", "210987654321"), False),
    (("roleArn",), ROLE, ROLE.upper(), False),
    (("description",), "Ledger", "ledger", False),
    (("description",), "Ledger", "******", False),
    (("environmentVariables",), "value", "******", True),
    (("headers",), "Bearer x", "", False),
    (("endpoint",), "https://a.example.com", "https://A.example.com/", True),
    (("endpoint",), "https://A.example.com/x", "https://a.example.com/x", True),
    (("endpoint",), "https://a.example.com/X", "https://a.example.com/x", False),
    (("endpoint",), "http://a.example.com", "https://a.example.com", False),
    (("privateEndpointOverrides",), [{"domain": "a"}, {"domain": "b"}], [{"domain": "b"}, {"domain": "a"}], True),
    (("privateEndpointOverrides",), [{"domain": "a"}, {"domain": "a"}], [{"domain": "b"}, {"domain": "a"}], False),
    (("requestHeaderAllowlist",), ["X-A"], ["x-a", "X-Amzn-Bedrock-AgentCore-Policy-Session-Id"], True),
    (("requestHeaderAllowlist",), ["X-A"], ["x-b"], False),
]


@pytest.mark.parametrize(("member", "declared", "shown", "same"), [(row[0][0], *row[1:]) for row in ACCEPTED])
def test_a_form_is_accepted_for_the_members_that_list_it(member, declared, shown, same):
    assert accepts(member, declared, shown) is same


def runtime(**variables: str) -> dict:
    return {"stack": "s", "agentRuntimes": {"r": {**LEAST["agentRuntimes"], "environmentVariables": variables}}}


async def test_a_change_behind_a_mask_is_sent(world):
    """Reads show asterisks before and after: once, and then it is as declared."""
    await world.apply(runtime(KEY="old"))
    world.twists.append(
        Twist("GetAgentRuntime", lambda answer, _: {**answer, "environmentVariables": {"KEY": "****"}}, times=-1)
    )
    for expected in (["UpdateAgentRuntime"], []):
        world.sent()
        assert (await world.apply(runtime(KEY="new"))).status is Status.READY
        assert world.sent() == expected
    assert world.live["runtime r"].request["environmentVariables"] == {"KEY": "new"}


async def test_keys_of_maps_are_no_members(world):
    """A variable that is named like a member which lists a form has none."""
    await world.apply(runtime(domain="PROD-Tenant"))
    assert (await world.apply(runtime(domain="prod-tenant"))).status is Status.READY
    assert world.live["runtime r"].request["environmentVariables"] == {"domain": "prod-tenant"}


async def test_what_would_not_go_is_not_forgotten_beside_another_change(world):
    """An audience that was taken away and still shows: a later document with another change takes it away, too."""
    await world.apply(changed(base(), {f"{_JWT}.allowedClients": ["intruder"]}))
    world.twists.append(without_effect(world, "UpdateGateway"))
    assert [one.code for one in (await world.apply(base())).failures] == ["NotInForce"]
    world.twists.clear()
    outcome = await world.apply(changed(base(), {"gateways.payments.description": "more"}))
    assert outcome.status is Status.READY
    assert "intruder" not in str(world.live["gateway payments"].request)


async def test_going_back_while_reads_lag_waits_for_them(world):
    """B was accepted, reads still show A, and A is declared again: A is in force in the end."""
    a, b = base(), changed(base(), {f"{_JWT}.allowedClients": ["intruder"]})
    await world.apply(a)
    world.behaviour.durations.reads_lag = 10.0
    await world.run(provision(b, "two"), seconds=20.5)
    assert (await world.apply(a, "three")).status is Status.READY
    await anyio.sleep(300)
    assert "intruder" not in str(world.live["gateway payments"].request)


async def test_consent_that_comes_late_leaves_reads_their_time(world):
    """Reads show an update some seconds after a person consented to it, minutes after it was accepted."""
    grant = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://app.example.com/return")
    stack = small_stack(0)
    stack["gateways"]["payments"]["targets"]["t"] = mcp_target(credentialProviderConfigurations=grant)
    await consented(world, stack, "one")
    other = changed(
        stack, {"gateways.payments.targets.t.targetConfiguration.mcp.mcpServer.endpoint": "https://n.example.com/m"}
    )
    outcome = await world.apply(other, "two")
    assert outcome.status is Status.AWAITING_CONSENT
    await anyio.sleep(400)
    was = mcp_target()["targetConfiguration"]
    until = anyio.current_time() + 10

    def lagging(answer: Answer, _: Any) -> Answer:
        return {**answer, "targetConfiguration": was} if anyio.current_time() < until else answer

    world.twists.append(Twist("GetGatewayTarget", lagging, times=-1))
    world.plane.targets.consent.give(outcome.shown()["consents"][0]["authorizationUrl"].rpartition("%3A")[2])
    await anyio.sleep(1)
    outcome = await world.apply(other, "two")
    assert (outcome.status, [one.code for one in outcome.failures]) == (Status.READY, [])


async def consented(world: TwistedWorld, stack: dict, request: str) -> None:
    outcome = await world.apply(stack, request)
    world.plane.targets.consent.give(outcome.shown()["consents"][0]["authorizationUrl"].rpartition("%3A")[2])
    await anyio.sleep(30)
    assert (await world.apply(stack, request)).status is Status.READY


async def test_a_member_that_left_is_cleared_again_where_the_update_was_undone(world):
    """The service accepts the update, and goes back to the configuration before, with the time of its last change."""
    stack = changed(small_stack(1), {"gateways.payments.description": "first"})
    await world.apply(stack)
    without = without_effect(world, "UpdateGateway")
    before = world.live["gateway payments"].updated

    def undone(answer: Answer, params: Any) -> Answer:
        found = without.change(answer, params)
        world.live["gateway payments"].updated = before
        return {name: value for name, value in found.items() if name != "description"}

    world.twists.append(Twist("UpdateGateway", undone, times=1, instead=True))
    await anyio.sleep(120)
    world.sent()
    outcome = await world.apply(small_stack(1), "two")
    assert (outcome.status, world.sent()) == (Status.READY, ["UpdateGateway"])
    assert "description" not in world.live["gateway payments"].request
