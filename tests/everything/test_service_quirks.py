"""What this service does beside its model: namespaces that closed, endpoints, flaky reads, refusals that mean gone."""

import pytest

from infra.deadline import Deadline
from infra.sandbox.faults import Effect, Fault
from tests.documents import gateway, mcp_target, oauth, provider, small_stack
from tests.everything.test_kinds import AUTHORIZER, LEAST, NAME, document, the
from tests.worlds import provision
from workflows.importing import import_resource
from workflows.kinds import AGENT_RUNTIME, GATEWAY, HARNESS, KINDS, REGISTRY
from workflows.operating import forget
from workflows.planner.outcome import ResourceStatus, Status
from workflows.planning import plan
from workflows.requests.request import read_request

CODES = ["AccessDeniedException", "ValidationException", "ResourceNotFoundException"]
RCFG = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}


@pytest.mark.parametrize("code", CODES)
async def test_registries_that_moved(world, code):
    """Where the old namespace is closed, the registry fails with that and advice, and the rest goes on."""
    world.behaviour.registries_open = False
    world.behaviour.registries_closed = code
    stack = {**small_stack(1), "registries": {"old": {}}, "agentRegistries": {"new": {}}}
    outcome = await world.apply(stack)
    assert outcome.status is Status.FAILED
    (failure,) = outcome.failures
    assert failure.resource == "registries.old"
    assert "agentRegistries" in failure.advice
    assert "no longer available" in failure.message
    others = [result for result in outcome.results if result.address != "registries.old"]
    assert {result.status for result in others} == {ResourceStatus.READY}


async def test_endpoints_of_a_harness_go_first(world):
    """Endpoints that nobody declared stop a harness's removal, unless the document says that they go with it."""
    await world.apply(document(HARNESS, LEAST["harnesses"]))
    harness = the(world, HARNESS)
    await world.client().create_harness_endpoint(harnessId=harness.id, endpointName="theirs")
    refused = await world.destroy(document(HARNESS, LEAST["harnesses"]))
    assert [failure.code for failure in refused.failures] == ["UnmanagedEndpoints"]
    assert "theirs" in refused.failures[0].message
    assert "harness thing" in world.live
    declared = {**LEAST["harnesses"], "gatewright": {"deleteEndpoints": True}}
    assert (await world.apply(document(HARNESS, declared))).status is Status.READY
    # Also when it only left the document: how it ends was remembered.
    gone = await world.apply(document(HARNESS, None), allow=frozenset({"harnesses.thing"}))
    assert gone.status is Status.READY
    assert world.live == {}


async def test_managed_memory_ends_as_declared(world):
    """`deleteManagedMemory: false` leaves the memory, also when the harness left the document."""
    await world.apply(document(HARNESS, {**LEAST["harnesses"], "deleteManagedMemory": False}))
    await world.apply(document(HARNESS, None), allow=frozenset({"harnesses.thing"}))
    assert [name.split()[0] for name in world.live] == ["memory"]


async def test_a_runtime_that_is_gone_may_be_forbidden(world):
    """A deletion that is refused as forbidden, of a runtime that is not there, is done (service-notes: consistency)."""
    world.behaviour.gone_runtime_is_denied = True
    await world.apply(document(AGENT_RUNTIME, LEAST["agentRuntimes"]))
    world.behaviour.durations.delete = 0.0
    assert (await world.destroy(document(AGENT_RUNTIME, LEAST["agentRuntimes"]))).status is Status.DELETED


async def test_flaky_reads_of_private_runtimes(world):
    """A read that answers 400 now and then is asked again (TF#48413)."""
    private = {"customJWTAuthorizer": {**AUTHORIZER["customJWTAuthorizer"], "privateEndpoint": RCFG}}
    world.behaviour.flaky_private_reads = 4
    outcome = await world.apply(document(AGENT_RUNTIME, {**LEAST["agentRuntimes"], "authorizerConfiguration": private}))
    assert outcome.status is Status.READY


async def test_a_lost_registry_is_known_by_its_token(world):
    """Registries have no tags: what a lost answer left is recognised by repeating the creation."""
    world.plane.faults.add(Fault("CreateRegistry", Effect.LOST_ANSWER, times=6))
    request = provision(document(REGISTRY, {}), "one")
    outcome = await world.run(request)
    while outcome.status is Status.IN_PROGRESS:
        outcome = await world.run(request)
    assert outcome.status is Status.READY
    assert world.plane.world.records.doubles == []


async def test_a_gateway_that_holds_others_is_not_replaced(world):
    """With leave to replace, targets that nobody declared still stop it."""
    await world.apply(small_stack(1))
    gateway_id = world.live["gateway payments"].id
    configuration = {"mcp": {"mcpServer": {"endpoint": "https://theirs.example.com/mcp"}}}
    await world.client().create_gateway_target(
        gatewayIdentifier=gateway_id, name="theirs", targetConfiguration=configuration
    )
    changed = small_stack(1)
    changed["gateways"]["payments"]["authorizerType"] = "AWS_IAM"
    del changed["gateways"]["payments"]["authorizerConfiguration"]
    outcome = await world.apply(changed, allow=frozenset({"gateways.payments"}))
    assert [failure.code for failure in outcome.failures] == ["UnmanagedTargets"]
    assert {"target theirs", "target target-0"} <= set(world.live)
    assert world.live["gateway payments"].id == gateway_id


async def test_what_depends_on_a_replaced_gateway_follows(world):
    """Its targets are made again under it, and a harness that calls it learns its new address."""
    stack = small_stack(2)
    stack["harnesses"] = {
        "assistant": {
            **LEAST["harnesses"],
            "environmentVariables": {"URL": "${gateways.payments.gatewayUrl}"},
        }
    }
    await world.apply(stack)
    old = world.live["gateway payments"].id
    stack["gateways"]["payments"]["authorizerType"] = "AWS_IAM"
    del stack["gateways"]["payments"]["authorizerConfiguration"]
    outcome = await world.apply(stack, allow=frozenset({"gateways.payments"}))
    assert outcome.status is Status.READY
    new = world.live["gateway payments"].id
    assert new != old
    assert new in world.live["harness assistant"].request["environmentVariables"]["URL"]
    actions = {result.address: result.action for result in outcome.results}
    assert actions["gateways.payments.targets.target-0"] == "REPLACE"
    assert actions["harnesses.assistant"] == "UPDATE"


async def test_a_provider_in_use_is_deleted_after_its_users(world):
    """Where the service refuses to delete a provider that is used, the order of removal avoids that."""
    world.behaviour.used_provider_deletable = False
    await world.apply(small_stack(2))
    assert (await world.destroy(small_stack(2))).status is Status.DELETED
    assert "DeleteOauth2CredentialProvider" in world.sent()


async def test_a_template_gone_wrong_removes_nothing(world):
    """`gateways: {}` keeps every gateway and target, and the outcome says what would have gone."""
    await world.apply(small_stack(2))
    was = set(world.live)
    gone_wrong = {**small_stack(2), "gateways": {}, "oauth2CredentialProviders": {}}
    outcome = await world.apply(gone_wrong)
    assert set(world.live) == was
    kept = {warning.path for warning in outcome.warnings if warning.rule == "kept"}
    targets = {f"gateways.payments.targets.target-{n}" for n in range(2)}
    assert {"gateways.payments", "oauth2CredentialProviders.idp"} | targets <= kept
    planned = await plan(world.context(), gone_wrong, Deadline(), frozenset())
    assert {one.action for one in planned.resources} == {"KEEP"}


async def test_a_dry_run_announces_its_plan(world):
    """Nothing is accepted, remembered or changed; the plan is announced with its JSON."""
    outcome = await world.run(provision(small_stack(2), "plan", dry_run=True))
    assert outcome.status is Status.PLANNED
    ((kind, detail),) = world.announced
    assert kind == "Gateway Stack Planned"
    assert detail["plan"]["estimatedCalls"] == {
        "CreateOauth2CredentialProvider": 1, "CreateGateway": 1, "CreateGatewayTarget": 2,
    }  # fmt: skip
    assert world.live == {}
    assert await world.ledger.partitions() == []


async def test_a_plan_shows_old_and_new_and_no_secret(world):
    """Paths with what stands there and what is declared; secrets and environment variables masked."""
    stack = {**small_stack(1), "harnesses": {"h": {**LEAST["harnesses"], "environmentVariables": {"KEY": "hidden-1"}}}}
    await world.apply(stack)
    stack["gateways"]["payments"]["description"] = "new words"
    stack["harnesses"]["h"]["environmentVariables"] = {"KEY": "hidden-2"}
    config = stack["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["customOauth2ProviderConfig"]
    config["clientSecret"] = config["clientSecret"].replace("payments/idp", "payments/reports")
    planned = await plan(world.context(), stack, Deadline(), frozenset())
    shown = planned.shown()
    (change,) = shown["resources"]["gateways.payments"]["changes"]
    assert change == {
        "path": "gateways.payments.description", "old": None, "new": "new words", "cause": "DOCUMENT",
    }  # fmt: skip
    assert "hidden" not in str(shown)
    assert shown["resources"]["oauth2CredentialProviders.idp"]["changes"][0]["new"] == "(secret)"


async def test_references_reach_everything(world):
    """Parameters, the account and Region, a runtime's ARN as an endpoint, and encoded inside a URL."""
    url = "https://bedrock-agentcore.${aws.region}.amazonaws.com/runtimes/${agentRuntimes.tools.agentRuntimeArn}/x?a=b"
    detail = {
        "parameters": {"team": "payments", "limit": 7, "odd": "${not.a.reference}"},
        "stack": {
            "stack": "${parameters.team}.tools",
            "oauth2CredentialProviders": {"idp": provider()},
            "agentRuntimes": {"tools": {**LEAST["agentRuntimes"], "description": "${parameters.odd}"}},
            "gateways": {
                "g": gateway(
                    {
                        "bare": mcp_target(
                            "${agentRuntimes.tools.agentRuntimeArn}", credentialProviderConfigurations=oauth()
                        ),
                        "inside": mcp_target(url),
                    },
                    description="In ${aws.accountId}, ${aws.partition}, for ${parameters.team}",
                )
            },
            "harnesses": {"h": {**LEAST["harnesses"], "maxIterations": "${parameters.limit}"}},
        },
    }
    request = read_request("Gateway Stack Requested", detail, default_id="one")
    outcome = await world.run(request)
    assert outcome.status is Status.READY
    arn = world.live["runtime tools"].arn.replace(":", "%3A").replace("/", "%2F")

    def endpoint(name: str) -> str:
        return str(world.live[f"target {name}"].request["targetConfiguration"]["mcp"]["mcpServer"]["endpoint"])

    base = f"https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/{arn}"
    assert endpoint("bare") == f"{base}/invocations?qualifier=DEFAULT"
    assert endpoint("inside") == f"{base}/x?a=b"
    assert world.live["gateway g"].request["description"] == "In 123456789012, aws, for payments"
    assert world.live["runtime tools"].request["description"] == "${not.a.reference}"
    assert world.live["harness h"].request["maxIterations"] == 7
    assert outcome.stack == "payments.tools"


async def test_a_parameter_without_value_is_a_problem(world):
    """Named with its path beside every other mistake; nothing is called."""
    stack = {**small_stack(1), "nonsense": 1}
    stack["gateways"]["payments"]["description"] = "${parameters.missing} ${aws.nothing}"
    outcome = await world.apply(stack)
    assert outcome.status is Status.REJECTED
    found = {(problem.path, problem.rule) for problem in outcome.problems}
    assert {("nonsense", "unknown-section"), ("gateways.payments.description", "reference")} <= found
    assert sum("missing" in problem.message for problem in outcome.problems) == 1
    assert sum("${aws.region}" in problem.message for problem in outcome.problems) == 1


async def test_private_endpoints_are_shown(world):
    """What the service makes for a target's private endpoint is in the outcome."""
    stack = {"stack": "private", "gateways": {"g": gateway({"t": mcp_target(privateEndpoint=RCFG)})}}
    outcome = await world.apply(stack)
    (target,) = (result for result in outcome.results if result.address.endswith("targets.t"))
    assert target.outputs["privateEndpointManagedResources"][0]["domain"] == "ledger.example.com"


@pytest.mark.parametrize("section", ["agentRuntimes", "harnesses", "registries", "agentRegistries"])
async def test_other_kinds_are_taken_over_too(world, section):
    """`adopt` writes a document with nothing to do for every kind that stands alone."""
    kind = next(kind for kind in KINDS if kind.section == section)
    await world.apply({**document(kind, LEAST[section]), "stack": "first"})
    the(world, kind).tags.clear()
    await forget(world.ledger, "first", world.context().now())
    taken = await import_resource(world.context(), section, NAME, "second", Deadline())
    planned = await plan(world.context(), taken.document, Deadline(), frozenset())
    assert planned.pending == []
    assert taken.fill_in == []


async def test_protocol_versions_change_in_place(world):
    """A version taken away is an update, and so is one that is added (Terraform)."""

    def stack(*versions: str) -> dict:
        return document(
            GATEWAY, {**LEAST["gateways"], "protocolConfiguration": {"mcp": {"supportedVersions": [*versions]}}}
        )

    await world.apply(stack("2025-03-26", "2025-06-18"))
    world.sent()
    await world.apply(stack("2025-06-18"))
    assert world.sent() == ["UpdateGateway"]
    grown = await plan(world.context(), stack("2025-06-18", "2025-11-25"), Deadline(), frozenset({"gateways.thing"}))
    assert [one.action for one in grown.resources] == ["UPDATE"]
    assert grown.resources[0].calls == ("UpdateGateway",)


async def test_what_only_updates_take_is_not_sent_with_a_creation(world):
    """A create with requireServiceS3Endpoint is refused (rule R79), so it goes with the update after it."""
    network = {"subnets": ["subnet-01234567"], "securityGroups": ["sg-01234567"], "requireServiceS3Endpoint": True}
    declared = {"networkConfiguration": {"networkMode": "VPC", "networkModeConfig": network}}
    stack = document(AGENT_RUNTIME, {**LEAST["agentRuntimes"], **declared})
    planned = await plan(world.context(), stack, Deadline(), frozenset())
    assert (await world.apply(stack)).status is Status.READY
    assert list(planned.resources[0].calls) == world.sent() == ["CreateAgentRuntime", "UpdateAgentRuntime"]
