"""Nothing is deleted without leave: not for a replacement, not by a rollback, not by taking over, not in doubt."""

import copy
from typing import Any

import anyio
import pytest

from infra.deadline import Deadline
from infra.ledger import Key, Put
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.world import Failure
from tests.crash.harness import At, Process, run_once
from tests.documents import ROLE, SECRET, gateway, mcp_target, oauth, small_stack
from tests.everything.test_kinds import LEAST
from tests.worlds import provision
from workflows.document.stack import OWNER_TAG
from workflows.importing import import_resource
from workflows.operating import forget
from workflows.planner.outcome import ResourceStatus, Status
from workflows.planning import plan
from workflows.service import RequestRef, resume

BAD = Failure(-1, "The endpoint cannot be reached")
ALLOWED = frozenset({"gateways.payments"})
OPEN_API = {"targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": "{}"}}}}


def other_type(document: dict) -> dict:
    """The document with a gateway that only a new one can be."""
    changed = copy.deepcopy(document)
    changed["gateways"]["payments"]["authorizerType"] = "AWS_IAM"
    del changed["gateways"]["payments"]["authorizerConfiguration"]
    return changed


async def by_hand(world, name: str = "hand") -> str:
    """Make a target under our gateway that no document declares."""
    gateway_id = world.live["gateway payments"].id
    configuration = {"mcp": {"mcpServer": {"endpoint": "https://theirs.example.com/mcp"}}}
    made = await world.client().create_gateway_target(
        gatewayIdentifier=gateway_id, name=name, targetConfiguration=configuration
    )
    await anyio.sleep(5)
    return str(made["targetId"])


async def test_a_rollback_leaves_what_only_bore_the_name(world):
    """A creation that was refused because somebody's registry bears the name made nothing."""
    world.behaviour.durations.visible_after = 3.0
    await world.client().create_registry(name="r")
    document = {
        "stack": "s",
        "onFailure": "ROLLBACK",
        "registries": {"r": {"gatewright": {"adopt": True}}},
        "gateways": {"g": gateway({"bad": mcp_target()})},
    }
    world.plane.world.failing["bad"] = BAD
    request = provision(document, "one")
    outcome = await world.run(request)
    while outcome.status is Status.IN_PROGRESS:
        await anyio.sleep(outcome.retry_after or 5)
        outcome = await world.run(request)
    assert outcome.status is Status.ROLLED_BACK
    assert list(world.live) == ["registry r"]


async def test_a_target_of_somebody_elses_making_needs_leave(world):
    """Taking over and replacing in one step takes leave, also for a target."""
    await world.apply(small_stack(0))
    target_id = await by_hand(world, "a")
    document = small_stack(0)
    document["gateways"]["payments"]["targets"]["a"] = OPEN_API
    refused = await world.apply(document)
    assert [failure.code for failure in refused.failures] == ["Immutable"]
    assert world.live["target a"].id == target_id
    assert (await world.apply(document, allow=ALLOWED)).status is Status.READY
    assert world.live["target a"].id != target_id


@pytest.mark.parametrize("options", [{"existing": True}, {"deletion": "RETAIN"}], ids=["existing", "retained"])
async def test_what_stays_inside_stops_a_replacement(world, options):
    """Looked up only, or retained after it left the document: nothing under the gateway is touched then."""
    await world.apply(small_stack(1))
    target_id = await by_hand(world)
    document = small_stack(1)
    declared = {"gatewright": options} if "existing" in options else {**mcp_target(), "gatewright": options}
    document["gateways"]["payments"]["targets"]["hand"] = declared
    await world.apply(document)
    changed = other_type(document)
    if "existing" not in options:
        del changed["gateways"]["payments"]["targets"]["hand"]
    was = {name: record.id for name, record in world.live.items()}
    planned = await plan(world.context(), changed, Deadline(), ALLOWED)
    world.sent()
    outcome = await world.apply(changed, allow=ALLOWED)
    assert [failure.code for failure in outcome.failures] == ["UnmanagedTargets"]
    assert world.sent() == []
    assert {name: record.id for name, record in world.live.items()} == was
    assert world.live["target hand"].id == target_id
    assert next(one.action for one in planned.resources if one.address == "gateways.payments") == "FAIL"
    # The kept target is given up by then, and still stops it.
    assert (await world.apply(changed, allow=ALLOWED)).status is Status.FAILED
    assert world.sent() == []


async def test_a_failed_gateway_that_holds_others_is_left(world):
    """With leave to make it anew, its own targets are not deleted for what cannot be done."""
    await world.apply(small_stack(1))
    await by_hand(world)
    world.live["gateway payments"].go("FAILED", now=world.plane.world.now)
    world.sent()
    outcome = await world.apply(small_stack(1), allow=ALLOWED)
    assert "UnmanagedTargets" in [failure.code for failure in outcome.failures]
    assert world.sent() == []


async def test_endpoints_stay_with_a_failed_harness(world):
    """To make a harness anew, its endpoints must be the document's to delete."""
    document = {"stack": "s", "harnesses": {"h": {"executionRoleArn": ROLE}}}
    await world.apply(document)
    harness = world.live["harness h"]
    await world.client().create_harness_endpoint(harnessId=harness.id, endpointName="theirs")
    harness.go("DELETE_FAILED", now=world.plane.world.now)
    outcome = await world.apply(document, allow=frozenset({"harnesses.h"}))
    assert [failure.code for failure in outcome.failures] == ["UnmanagedEndpoints"]
    assert harness.extra["endpoints"] == ["theirs"]


async def test_a_later_rollback_has_no_leave_of_an_earlier_one(world):
    """What a rollback made anew belongs to the READY stack from then on."""
    before = small_stack(1)
    await world.apply(before)
    failing = {**other_type(before), "onFailure": "ROLLBACK"}
    failing["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    world.plane.world.failing["bad"] = BAD
    assert (await world.apply(failing, allow=ALLOWED)).status is Status.ROLLED_BACK
    made = world.live["gateway payments"]
    made.request["authorizerType"] = "AWS_IAM"  # somebody's doing
    made.updated += 1000
    only_bad = {**copy.deepcopy(before), "onFailure": "ROLLBACK"}
    only_bad["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    assert (await world.apply(only_bad)).status is Status.FAILED
    assert world.live["gateway payments"] is made


@pytest.mark.parametrize("way", ["removal", "left the document"])
async def test_a_registry_in_doubt_is_not_given_up(world, way):
    """A crash after the creation: a removal says that it cannot know, and the next apply finds out."""
    document = {"stack": "s", "registries": {"r": {}}}
    for index in range(40):
        process = Process.struck(At.NOT_REMEMBERED, index)
        await run_once(world, process, provision(document, "a"))
        if process.history.struck and process.history.calls[-1] == "create_registry":
            break
        await anyio.sleep(400)
    await anyio.sleep(400)
    if way == "removal":
        outcome = await world.destroy(document)
    else:
        outcome = await world.apply({"stack": "s"}, allow=frozenset({"registries.r"}))
    assert [failure.code for failure in outcome.failures] == ["CreationInDoubt"]
    assert (await world.apply(document)).status is Status.READY
    assert (await world.destroy(document)).status is Status.DELETED
    assert world.live == {}


async def test_taking_over_and_leaving_out_deletes_nothing(world):
    """What was only taken note of is nobody's to remove: it is not managed then."""
    await world.apply(small_stack(2))
    world.live["gateway payments"].tags.clear()
    world.live["provider idp"].tags.clear()
    await forget(world.ledger, "payments.tools", world.context().now())
    taken = await import_resource(world.context(), "gateways", "payments", "taken", Deadline())
    document = taken.document
    config = document["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]
    config["clientSecret"] = SECRET
    del document["gateways"]["payments"]["targets"]["target-1"]
    world.sent()
    outcome = await world.apply(document)
    assert (outcome.status, world.sent()) == (Status.READY, [])
    assert any("target-1" in warning.message for warning in outcome.warnings if warning.rule == "unmanaged")


async def test_taking_over_keeps_text_as_text(world):
    """What looks like a reference in a map or in a tag is none."""
    made = await world.client().create_agent_runtime(
        agentRuntimeName="r",
        agentRuntimeArtifact={"containerConfiguration": {"containerUri": "public.ecr.aws/team/image:1"}},
        roleArn=ROLE,
        environmentVariables={"A": "${HOME}/x"},
        tags={"k": "v"},
    )
    assert made["status"] == "CREATING"
    await anyio.sleep(10)
    taken = await import_resource(world.context(), "agentRuntimes", "r", "taken", Deadline())
    planned = await plan(world.context(), taken.document, Deadline(), frozenset())
    assert planned.pending == []
    assert (await world.apply(taken.document)).status is Status.READY
    assert world.live["runtime r"].request["environmentVariables"] == {"A": "${HOME}/x"}


async def test_a_rollback_disowns_what_it_leaves(world):
    """What was taken over for a document that failed is not the next document's for that."""
    await world.client().create_gateway(name="g", roleArn=ROLE, authorizerType="NONE")
    await anyio.sleep(5)
    declared = {"roleArn": ROLE, "authorizerType": "NONE"}
    failing = {
        "stack": "s",
        "onFailure": "ROLLBACK",
        "gateways": {"g": {**declared, "gatewright": {"adopt": True}, "targets": {"bad": mcp_target()}}},
    }
    world.plane.world.failing["bad"] = BAD
    assert (await world.apply(failing)).status is Status.ROLLED_BACK
    assert OWNER_TAG not in world.live["gateway g"].tags
    again = await world.apply({"stack": "s", "gateways": {"g": declared}})
    assert [failure.code for failure in again.failures] == ["NameTaken"]


@pytest.mark.parametrize("before", [True, False], ids=["to a document", "to nothing"])
async def test_a_rolled_back_request_is_answered_by_name_too(world, before):
    """Asked again by its generation it says how it ended; a synchronization works on what is in force."""
    if before:
        await world.apply(small_stack(1))
    failing = {**small_stack(1), "onFailure": "ROLLBACK"}
    failing["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    world.plane.world.failing["bad"] = BAD
    outcome = await world.run(provision(failing, "one"))
    assert outcome.status is Status.ROLLED_BACK
    again = await resume(world.context(), RequestRef("payments.tools", outcome.generation, "one"), Deadline())
    assert again.status is Status.ROLLED_BACK
    synchronized = await world.synchronize("payments.tools")
    assert synchronized.status is (Status.READY if before else Status.REJECTED)


async def test_a_document_that_is_not_valid_any_more(world):
    """Rules change: a rollback to such a document says so, and a removal does without it."""
    await world.apply(small_stack(1))
    ((partition),) = await world.ledger.partitions()

    key = Key(partition, "stack")
    item = await world.ledger.get(key)
    item["ready"]["document"]["gateways"]["payments"]["nonsense"] = 1
    await world.ledger.write(Put(key, item))
    failing = {**small_stack(1), "onFailure": "ROLLBACK"}
    failing["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    world.plane.world.failing["bad"] = BAD
    outcome = await world.apply(failing)
    assert outcome.status is Status.FAILED
    assert "cannot be restored" in outcome.reason
    assert "cannot be reached" in outcome.shown()["failures"][0]["message"]


async def test_a_stack_that_may_go_back_removes_last(world):
    """What left the document with leave goes when all else is READY, so that a failure finds it in its place."""
    declared = {"roleArn": ROLE, "authorizerType": "AWS_IAM"}
    await world.apply({"stack": "s", "gateways": {"old": declared}})
    old = world.live["gateway old"]
    await world.apply({"stack": "s", "gateways": {"new": declared}})
    world.plane.world.failing["bad"] = BAD
    failing: dict[str, Any] = {"stack": "s", "onFailure": "ROLLBACK", "gateways": {"new": declared, "bad": declared}}
    outcome = await world.apply(failing, allow=frozenset({"gateways.old"}))
    assert outcome.status is Status.ROLLED_BACK
    assert set(world.live) == {"gateway old", "gateway new"}
    assert world.live["gateway old"] is old
    del failing["gateways"]["bad"]
    assert (await world.apply(failing, allow=frozenset({"gateways.old"}))).status is Status.READY
    assert set(world.live) == {"gateway new"}


@pytest.mark.parametrize("seconds", [22, 30, 60])
async def test_a_refusal_that_never_passes_fails(world, seconds):
    """However short the runs: ten minutes of being refused is FAILED, with the service's words."""
    world.behaviour.used_provider_deletable = False
    document = small_stack(1)
    await world.apply(document)
    provider = document["oauth2CredentialProviders"]["idp"]
    provider["credentialProviderVendor"] = "GoogleOauth2"
    provider["oauth2ProviderConfigInput"] = {"googleOauth2ProviderConfig": {"clientId": "c", "clientSecret": SECRET}}
    request = provision(document, "one", allow=frozenset({"oauth2CredentialProviders.idp"}))
    world.sent()
    for _ in range(60):
        outcome = await world.run(request, seconds=seconds)
        if outcome.status is not Status.IN_PROGRESS:
            break
        await anyio.sleep(outcome.retry_after or 1)
    assert outcome.status is Status.FAILED
    assert "is used by" in outcome.failures[0].message
    assert len(world.sent()) < 250


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("gateway payments", "UPDATE_UNSUCCESSFUL"),
        ("target target-0", "UPDATE_UNSUCCESSFUL"),
        ("target target-0", "SYNCHRONIZE_UNSUCCESSFUL"),
        ("provider idp", "UPDATE_FAILED"),
    ],
)
async def test_a_repair_is_planned_once(world, key, status):
    """A failed status is mended by one call, and the plan says one."""
    await world.apply(small_stack(1))
    await anyio.sleep(100)
    world.live[key].go(status, now=world.plane.world.now)
    planned = await plan(world.context(), small_stack(1), Deadline(), frozenset())
    world.sent()
    assert (await world.apply(small_stack(1))).status is Status.READY
    assert list(planned.estimate.elements()) == world.sent()


async def test_what_the_service_added_is_not_sent_back(world):
    """An update carries over what somebody set, not the header that the service adds by itself."""
    document = small_stack(1)
    target = document["gateways"]["payments"]["targets"]["target-0"]
    target["metadataConfiguration"] = {"allowedQueryParameters": ["q"]}
    for words in "abc":
        target["description"] = words
        await world.apply(document)
    assert world.live["target target-0"].request["metadataConfiguration"] == {"allowedQueryParameters": ["q"]}


async def test_a_lost_answer_in_a_rollback_leaves_nothing(world):
    """A target whose creation was never answered is found and removed by the rollback."""
    document = {**small_stack(2), "onFailure": "ROLLBACK"}
    world.plane.world.failing["target-1"] = BAD
    world.plane.faults.add(Fault("CreateGatewayTarget", Effect.LOST_ANSWER, times=7))
    request = provision(document, "one")
    for _ in range(40):
        outcome = await world.run(request, seconds=60)
        if outcome.status is not Status.IN_PROGRESS:
            break
        await anyio.sleep(outcome.retry_after or 5)
    assert outcome.status is Status.ROLLED_BACK
    assert world.live == {}
    assert {result.status for result in outcome.results} == {ResourceStatus.DELETED}


async def test_what_an_interrupted_update_set_does_not_linger(world):
    """A member that a run set before it ended, and that the next document does not declare, is cleared at last.

    Also where the update that clears it fails first, which puts what was before in force again.
    """
    runtime = {**copy.deepcopy(LEAST["agentRuntimes"]), "tags": {"a": "b"}}
    document: dict[str, Any] = {"stack": "s", "agentRuntimes": {"r": runtime}}
    await world.apply(document)
    more = copy.deepcopy(document)
    more["agentRuntimes"]["r"] |= {"protocolConfiguration": {"serverProtocol": "MCP"}, "tags": {}}
    unfinished = await world.run(provision(more, "more"), seconds=23)
    assert unfinished.status is Status.IN_PROGRESS
    world.plane.world.failing["r"] = Failure(2, "not now")
    del more["agentRuntimes"]["r"]["protocolConfiguration"]
    assert (await world.apply(more)).status is Status.READY
    assert "protocolConfiguration" not in world.live["runtime r"].request


async def test_a_creation_in_doubt_is_a_rollbacks_to_remove(world):
    """What a crashed run made is found, changed, and still known as made by us when it is rolled back."""
    first = {"stack": "s", "gateways": {"g": {"roleArn": ROLE, "authorizerType": "AWS_IAM"}}}
    for index in range(40):
        process = Process.struck(At.NOT_REMEMBERED, index)
        await run_once(world, process, provision(first, "a"))
        if process.history.struck and process.history.calls[-1] == "create_gateway":
            break
        await anyio.sleep(400)
    await anyio.sleep(400)
    world.plane.world.failing["bad"] = BAD
    second: dict[str, Any] = {"stack": "s", "onFailure": "ROLLBACK", "gateways": copy.deepcopy(first["gateways"])}
    second["gateways"]["g"] |= {"description": "changed", "targets": {"bad": mcp_target()}}
    assert (await world.apply(second)).status is Status.ROLLED_BACK
    assert world.live == {}


async def test_a_plan_foresees_consent(world):
    """A target that will wait for a person holds back what waits for it, and the plan says so."""
    document = {**small_stack(1), "onFailure": "ROLLBACK", "gateways": small_stack(1)["gateways"]}
    await world.apply(document)
    target = document["gateways"]["payments"]["targets"]["target-0"]
    target["credentialProviderConfigurations"] = oauth("AUTHORIZATION_CODE", defaultReturnUrl="https://x/back")
    document["gateways"]["payments"]["targets"] = {"asks": target}
    planned = await plan(world.context(), document, Deadline(), frozenset())
    outcome = await world.apply(document)
    assert outcome.status is Status.AWAITING_CONSENT
    told = {one.address: one.action for one in planned.resources}
    assert told["gateways.payments.targets.asks"] == "CREATE"
    assert told["gateways.payments.targets.target-0"] == "BLOCKED"
    assert {r.address: r.status for r in outcome.results}["gateways.payments.targets.target-0"] == "BLOCKED"
