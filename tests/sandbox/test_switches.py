"""R0: every setting of the sandbox's behaviour shows in what it answers."""

from dataclasses import fields

import anyio
import pytest

from infra.sandbox.answers import check_answer, check_refusal
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.refusals import Refusal
from infra.sandbox.world import Failure
from infra.service_model import AGENT_REGISTRY, CONTROL_PLANE
from tests.contract.kinds import IMAGE
from tests.contract.places import in_process, refusal
from tests.contract.targets import consenting, provider
from tests.documents import DISCOVERY, ROLE
from tests.goals import tried
from tests.unknowns.switches import OTHERS

TOKEN = "t" * 40
LATTICE = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}
JWT = {
    "customJWTAuthorizer": {
        "discoveryUrl": DISCOVERY,
        "allowedAudience": ["payments"],
        "privateEndpoint": LATTICE,
        "privateEndpointOverrides": [{"domain": "keys.example.com", "privateEndpoint": LATTICE}],
    }
}
#: Settings of the place and of sizes, which other tests show.
PLACES = frozenset({
    "account", "region", "partition", "durations", "page_size", "limit_rates", "consent_base", "gateways", "providers",
    "targets_per_gateway", "target_operations_per_gateway", "runtimes", "registries", "flaky_private_reads",
    "consent_seconds",
})  # fmt: skip


@pytest.fixture
async def service():
    async with in_process() as made:
        yield made


@pytest.fixture
def behaviour(service) -> Behaviour:
    behaviour: Behaviour = service.plane.behaviour
    return behaviour


def test_r0_every_setting_is_a_switch_or_a_place():
    missing = {field.name for field in fields(Behaviour)} - PLACES - set(OTHERS)
    tried("R0", "settings of the sandbox that a test knows", len(OTHERS) + len(PLACES), missing)
    assert missing == set()


@pytest.mark.parametrize("code", ["ValidationException", "ConflictException"])
async def test_r0_refusals_have_the_code_that_is_set(service, behaviour, code):
    behaviour.busy = behaviour.pending = behaviour.duplicate = behaviour.duplicate_provider = code
    behaviour.other_parameters = code
    gateway_id = await service.gateway(clientToken=TOKEN)
    found = [await refusal(service.target(gateway_id)), await refusal(service.gateway())]
    found.append(await refusal(service.gateway(clientToken=TOKEN, description="x")))
    await service.rest(service.client.get_gateway, gatewayIdentifier=gateway_id)
    target_id = await service.target(gateway_id, credentialProviderConfigurations=await consenting(service))
    again = provider(service.name("idp"))
    found.append(await refusal(service.client.create_oauth2_credential_provider(**again)))
    await service.target_at_rest(gateway_id, target_id)
    address = {"gatewayIdentifier": gateway_id, "targetId": target_id}
    found.append(await refusal(service.client.delete_gateway_target(**address)))
    assert {one[0] for one in found} == {code}


async def test_r0_a_runtime_in_transition_conflicts_as_its_model_says(service):
    """The model of its deletion lists no ValidationException."""
    made = await service.client.create_agent_runtime(
        agentRuntimeName="a",
        agentRuntimeArtifact=IMAGE,
        roleArn=ROLE,
        networkConfiguration={"networkMode": "PUBLIC"},
    )
    deletion = service.client.delete_agent_runtime(agentRuntimeId=made["agentRuntimeId"])
    assert (await refusal(deletion))[0] == "ConflictException"
    service.plane.behaviour.gone_runtime_is_denied = True
    gone = service.client.delete_agent_runtime(agentRuntimeId="gone-0123456789")
    assert (await refusal(gone))[0] == "AccessDeniedException"


async def test_r0_a_sixth_operation_is_refused_as_set(service, behaviour):
    behaviour.target_operations_per_gateway = 1
    behaviour.too_many_operations = "ThrottlingException"
    gateway_id = await service.ready_gateway()
    await service.target(gateway_id, "a")
    assert (await refusal(service.target(gateway_id, "b")))[0] == "ThrottlingException"


async def test_r0_tokens_are_remembered_as_set(service, behaviour):
    """The repeat shows now or the beginning; after its time the name is taken; it may outlive its resource."""
    gateway_id = await service.ready_gateway(clientToken=TOKEN)
    shape = {"name": service.name("g"), "roleArn": ROLE, "authorizerType": "AWS_IAM", "clientToken": TOKEN}
    repeat = lambda: service.client.create_gateway(**shape)  # noqa: E731
    assert (await repeat())["status"] == "READY"
    behaviour.repeat_answers_first = True
    assert (await repeat())["status"] == "CREATING"
    behaviour.token_seconds = 1.0
    await anyio.sleep(2)
    assert (await refusal(repeat()))[0] == "ConflictException"
    behaviour.token_seconds, behaviour.tokens_outlive = 1e9, True
    await service.client.delete_gateway(gatewayIdentifier=gateway_id)
    await service.gone(service.client.get_gateway, gatewayIdentifier=gateway_id)
    assert (await repeat())["gatewayId"] == gateway_id
    behaviour.tokens_outlive = False
    assert (await repeat())["gatewayId"] != gateway_id


async def test_r0_what_failed_is_updated_where_that_is_taken(service, behaviour):
    service.plane.world.failing[service.name("g")] = Failure(1, "no", frozenset({"UPDATE"}))
    gateway_id = await service.ready_gateway()
    update = {"gatewayIdentifier": gateway_id, "name": service.name("g"), "roleArn": ROLE, "authorizerType": "AWS_IAM"}
    await service.client.update_gateway(**update)
    await service.rest(service.client.get_gateway, gatewayIdentifier=gateway_id)
    target_id = await _failed_target(service, await service.ready_gateway("h"))
    behaviour.updates_unsuccessful = behaviour.updates_failed = False
    code, message = await refusal(service.client.update_gateway(**update))
    assert (code, "UPDATE_UNSUCCESSFUL" in message) == ("ValidationException", True)
    change = {**target_id, "name": "bad", "targetConfiguration": service.mcp()}
    assert "in Failed state" in (await refusal(service.client.update_gateway_target(**change)))[1]
    behaviour.updates_unsuccessful = behaviour.updates_failed = True
    assert (await service.client.update_gateway(**update))["status"] == "UPDATING"
    assert (await service.client.update_gateway_target(**change))["status"] == "UPDATING"


async def _failed_target(service, gateway_id) -> dict:
    target_id = await service.target(gateway_id, "bad", targetConfiguration=service.fails("bad"))
    await service.target_at_rest(gateway_id, target_id)
    return {"gatewayIdentifier": gateway_id, "targetId": target_id}


@pytest.mark.parametrize(("clears", "shown"), [(True, None), (False, "before")])
async def test_r0_leaving_out_clears_or_keeps(service, behaviour, clears, shown):
    behaviour.put_clears = clears
    gateway_id = await service.ready_gateway(description="before")
    update = {"gatewayIdentifier": gateway_id, "name": service.name("g"), "roleArn": ROLE, "authorizerType": "AWS_IAM"}
    assert (await service.client.update_gateway(**update)).get("description") == shown


@pytest.mark.parametrize("shows", [True, False])
async def test_r0_an_implicit_synchronization_shows_where_set(service, behaviour, shows):
    behaviour.shows_implicit_sync = shows
    gateway_id = await service.ready_gateway()
    target_id, seen = await service.target(gateway_id), set()
    for _ in range(30):
        seen.add((await service.client.get_gateway_target(gatewayIdentifier=gateway_id, targetId=target_id))["status"])
        await anyio.sleep(0.1)
    assert seen == {"CREATING", "READY", *(["SYNCHRONIZING"] if shows else [])}


@pytest.mark.parametrize("fills", [True, False])
async def test_r0_defaults_and_headers_show_where_set(service, behaviour, fills):
    behaviour.fills_defaults, behaviour.adds_policy_header = fills, fills
    gateway_id = await service.ready_gateway()
    metadata = {"allowedRequestHeaders": ["X-Trace"]}
    target_id = await service.target(gateway_id, metadataConfiguration=metadata)
    shown = await service.target_at_rest(gateway_id, target_id)
    assert ("listingMode" in shown["targetConfiguration"]["mcp"]["mcpServer"]) == fills
    assert (len(shown["metadataConfiguration"]["allowedRequestHeaders"]) == 2) == fills
    harness = (await service.client.create_harness(harnessName="h", executionRoleArn=ROLE))["harness"]
    assert ("memory" in harness) == fills
    made = await service.client.create_registry(name="r")
    registry = await service.client.get_registry(registryId=made["registryArn"])
    assert registry.get("authorizerType") == ("AWS_IAM" if fills else None)


async def test_r0_lists_show_whole_seconds_where_set(service, behaviour):
    behaviour.lists_whole_seconds = True
    gateway_id = await service.ready_gateway()
    await anyio.sleep(0.3)
    await service.target(gateway_id)
    (item,) = (await service.client.list_gateway_targets(gatewayIdentifier=gateway_id))["items"]
    assert item["updatedAt"].microsecond == 0
    assert item["createdAt"].microsecond != 0


@pytest.mark.parametrize("hides", [True, False])
async def test_r0_overrides_hide_where_set(service, behaviour, hides):
    behaviour.hides_overrides = hides
    jwt = {"authorizerType": "CUSTOM_JWT", "authorizerConfiguration": JWT}
    gateway_id = await service.gateway(**jwt)
    config = {
        "oauthDiscovery": {"discoveryUrl": DISCOVERY}, "clientId": "me", "clientSecret": "never shown",
        **{name: JWT["customJWTAuthorizer"][name] for name in ("privateEndpoint", "privateEndpointOverrides")},
    }  # fmt: skip
    made = await service.client.create_oauth2_credential_provider(
        name="p",
        credentialProviderVendor="CustomOauth2",
        oauth2ProviderConfigInput={"customOauth2ProviderConfig": config},
    )
    await service.client.create_registry(name="r", **jwt)
    (registry,) = (await service.client.list_registries())["registries"]
    shown = [
        await service.client.get_gateway(gatewayIdentifier=gateway_id),
        await service.client.get_registry(registryId=registry["registryId"]),
        made,
    ]
    assert ["privateEndpointOverrides" in str(one) for one in shown] == [not hides] * 3


async def test_r0_reads_of_private_runtimes_fail_so_often(service, behaviour):
    behaviour.flaky_private_reads = 2
    made = await service.client.create_agent_runtime(
        agentRuntimeName="a",
        agentRuntimeArtifact=IMAGE,
        roleArn=ROLE,
        networkConfiguration={"networkMode": "PUBLIC"},
        authorizerConfiguration=JWT,
    )
    address = {"agentRuntimeId": made["agentRuntimeId"]}
    for _ in range(2):
        assert (await refusal(service.client.get_agent_runtime(**address)))[0] == "ValidationException"
    assert (await service.client.get_agent_runtime(**address))["agentRuntimeName"] == "a"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ResourceNotFoundException"])
async def test_r0_old_registries_are_closed_where_set(service, behaviour, code):
    behaviour.registries_open, behaviour.registries_closed = False, code
    assert (await refusal(service.client.create_registry(name="r")))[0] == code
    assert (await refusal(service.client.list_registries()))[0] == code
    assert "registryArn" in service.plane.answer("CreateRegistry", {"name": "r"}, AGENT_REGISTRY)


async def test_r0_a_provider_in_use_is_deleted_where_set(service, behaviour):
    behaviour.used_provider_deletable = False
    gateway_id = await service.ready_gateway()
    await service.target(gateway_id, credentialProviderConfigurations=await consenting(service))
    deletion = {"name": service.name("idp")}
    assert (await refusal(service.client.delete_oauth2_credential_provider(**deletion)))[0] == "ConflictException"
    behaviour.used_provider_deletable = True
    assert await service.client.delete_oauth2_credential_provider(**deletion)


async def test_r0_quotas_of_the_other_kinds(service, behaviour):
    behaviour.registries = behaviour.providers = 0
    key = service.client.create_api_key_credential_provider(name="k", apiKey="never shown")
    for beyond in (service.client.create_registry(name="r"), key):
        assert (await refusal(beyond))[0] == "ServiceQuotaExceededException"


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("GetGateway", {}),
        ("DeleteGateway", {"gatewayId": "g-0123456789", "status": "NOVEL"}),
        ("DeleteGateway", {"gatewayId": "G", "status": "READY"}),
        ("DeleteGateway", {"gatewayId": "g-0123456789", "status": "READY", "novel": 1}),
        ("ListTagsForResource", {"tags": {"a": 1}}),
        ("ListGateways", {"items": [{"gatewayId": "g-0123456789", "createdAt": "2026-01-01"}]}),
    ],
)
def test_r0_an_answer_that_the_model_does_not_know_is_a_mistake(operation, answer):
    with pytest.raises(AssertionError, match=operation):
        check_answer(CONTROL_PLANE, operation, answer)


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        ("GetGateway", Refusal("ServiceQuotaExceededException", "no")),
        ("GetGateway", Refusal("NovelException", "no")),
        ("GetGateway", Refusal("ValidationException", "no", reason="Novel")),
    ],
)
def test_r0_a_refusal_that_the_model_does_not_know_is_a_mistake(operation, refused):
    with pytest.raises(AssertionError, match=operation):
        check_refusal(CONTROL_PLANE, operation, refused)


@pytest.mark.parametrize("exists", [False, True])
async def test_r0_a_provider_is_looked_up_as_set(service, behaviour, exists):
    behaviour.looks_up_providers = exists
    gateway_id = await service.ready_gateway()
    grant = {"providerArn": "arn:aws:iam::123456789012:oidc-provider/login.example.com", "scopes": []}
    credential = {"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": grant}}
    made = service.target(gateway_id, credentialProviderConfigurations=[credential])
    if exists:
        assert (await refusal(made))[0] == "ResourceNotFoundException"
    else:
        assert await made


@pytest.mark.parametrize("consents", [False, True])
async def test_r0_an_openapi_target_waits_for_consent_as_set(service, behaviour, consents):
    behaviour.openapi_consents = consents
    gateway_id = await service.ready_gateway()
    shape = {"targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": "{}"}}}}
    target_id = await service.target(gateway_id, **shape, credentialProviderConfigurations=await consenting(service))
    shown = await service.target_at_rest(gateway_id, target_id)
    assert shown["status"] == ("CREATE_PENDING_AUTH" if consents else "READY")


async def test_r0_a_sixth_deletion_is_refused_as_the_model_lists(service, behaviour):
    """The model lists no quota for deletions, so the excess is throttled whatever creations are told."""
    gateway_id = await service.ready_gateway()
    made = [await service.target(gateway_id, f"t{number}") for number in range(5)]
    for target_id in made:
        await service.target_at_rest(gateway_id, target_id)
    extra = await service.target(gateway_id, "t5")
    await service.target_at_rest(gateway_id, extra)
    for target_id in made:
        await service.client.delete_gateway_target(gatewayIdentifier=gateway_id, targetId=target_id)
    found = await refusal(service.client.delete_gateway_target(gatewayIdentifier=gateway_id, targetId=extra))
    assert found[0] == "ThrottlingException"
