"""What the service adds, fills in, reorders, masks or leaves out is no drift. Each row with where that was seen."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.sandbox.behaviour import Behaviour
from tests.documents import DISCOVERY, ROLE, provider
from tests.everything.test_kinds import JWT, LEAST, NAME, address, document, the
from tests.worlds import SandboxWorld
from workflows.kinds import KINDS
from workflows.planner.outcome import Status

LATTICE = {"selfManagedLatticeResource": {"resourceConfigurationIdentifier": "rcfg-0123456789abcdef0"}}
SUBNETS = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
MANAGED = {
    "managedVpcResource": {"vpcIdentifier": "vpc-01234567", "subnetIds": SUBNETS, "endpointIpAddressType": "IPV4"}
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}, "required": ["a"]}
TOOLS = [{"name": "t", "description": "d", "inputSchema": SCHEMA}]
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:f"
ROLE_CREDENTIAL = [{"credentialProviderType": "GATEWAY_IAM_ROLE"}]


def put(*path: str) -> Callable[[Any], Callable[[dict[str, Any]], None]]:
    """Return what makes a change of a member that stands at the service, from its value."""

    def with_value(value: Any) -> Callable[[dict[str, Any]], None]:
        def change(request: dict[str, Any]) -> None:
            place = request
            for name in path[:-1]:
                place = place.setdefault(name, {}) if isinstance(place, dict) else place[int(name)]
            place[path[-1]] = value

        return change

    return with_value


def nothing(request: dict[str, Any]) -> None:
    del request


HEADERS = {"metadataConfiguration": {"allowedRequestHeaders": ["X-A"]}}
OAUTH = ("credentialProviderConfigurations", "0", "credentialProvider", "oauthCredentialProvider", "scopes")
ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/apikeycredentialprovider/payments-rates-key"
CREDENTIAL = [
    {
        "credentialProviderType": "OAUTH",
        "credentialProvider": {"oauthCredentialProvider": {"providerArn": ARN, "scopes": ["a", "b"]}},
    }
]
OVERRIDES = [{"name": name, "path": path, "method": "GET"} for name, path in (("one", "/one"), ("two", "/two"))]
API = {
    "restApiId": "abcdefghij",
    "stage": "prod",
    "apiGatewayToolConfiguration": {
        "toolFilters": [{"filterPath": "/*", "methods": ["GET"]}],
        "toolOverrides": OVERRIDES,
    },
}
SEEN: list[tuple[str, str, dict[str, Any], Callable[[dict[str, Any]], None]]] = [
    ("a header of its own, TF#49374", "targets", HEADERS, nothing),
    ("that header in other letters, TF#49447", "targets", HEADERS,
     put("metadataConfiguration", "allowedRequestHeaders")(["X-Amzn-Bedrock-AgentCore-Policy-Session-Id", "X-A"])),
    ("listingMode and resourcePriority, TF targets", "targets", {}, nothing),
    ("the order of scopes, TF", "targets", {"credentialProviderConfigurations": CREDENTIAL}, put(*OAUTH)(["b", "a"])),
    ("the order of subnets, TF private endpoints", "targets", {"privateEndpoint": MANAGED},
     put("privateEndpoint", "managedVpcResource", "subnetIds")(SUBNETS[::-1])),
    ("empty security groups and tags, TF private endpoints", "targets", {"privateEndpoint": MANAGED},
     put("privateEndpoint", "managedVpcResource", "securityGroupIds")([])),
    ("recursive tool schemas, ACK targets", "targets",
     {"credentialProviderConfigurations": ROLE_CREDENTIAL,
      "targetConfiguration": {"mcp": {"lambda": {"lambdaArn": LAMBDA, "toolSchema": {"inlinePayload": TOOLS}}}}},
     put("targetConfiguration", "mcp", "lambda", "toolSchema", "inlinePayload", "0", "inputSchema")(
         {"required": ["a"], "type": "object",
          "properties": {"a": {"items": {"type": "string", "properties": {}}, "type": "array", "required": []}}})),
    ("serverProtocol and lifecycle leaves, ACK runtimes", "agentRuntimes",
     {"lifecycleConfiguration": {"maxLifetime": 3600}}, nothing),
    ("an empty map that comes back absent, TF#45885", "agentRuntimes", {"environmentVariables": {}},
     lambda request: request.pop("environmentVariables", None)),
    ("the order of security groups, TF#46569", "agentRuntimes",
     {"networkConfiguration": {"networkMode": "VPC", "networkModeConfig": {
         "subnets": ["subnet-01234567", "subnet-01234568"], "securityGroups": ["sg-01234567", "sg-01234568"]}}},
     put("networkConfiguration", "networkModeConfig", "securityGroups")(["sg-01234568", "sg-01234567"])),
    ("masked values, TF harness", "agentRuntimes", {"environmentVariables": {"KEY": "value"}},
     put("environmentVariables", "KEY")("****")),
    ("environment and managed memory, TF#48159", "harnesses", {}, nothing),
    ("an environment declared in part, TF#49404", "harnesses",
     {"environment": {"agentCoreRuntimeEnvironment": {"lifecycleConfiguration": {"maxLifetime": 3600}}}}, nothing),
    ("a memory declared in part, TF#48815", "harnesses",
     {"memory": {"managedMemoryConfiguration": {"eventExpiryDuration": 7}}}, nothing),
    ("numbers written otherwise", "harnesses",
     {"model": {"bedrockModelConfig": {"modelId": "m", "temperature": 1, "additionalParams": {"k": 2}}}},
     put("model")({"bedrockModelConfig": {"modelId": "m", "temperature": 1.0, "additionalParams": {"k": 2.0}}})),
    ("discovery shown elsewhere, service model", "agentRegistries",
     {"autoDetectionConfiguration": {"scope": "ORGANIZATION", "enabled": True}}, nothing),
    ("a WAF and a transform that nobody declared, service 1.3", "gateways", {},
     lambda request: request.update(
         wafConfiguration={"failureMode": "FAIL_OPEN"}, customTransformConfiguration={"lambda": {"arn": LAMBDA}})),
    ("a false that comes back absent", "gateways",
     {"protocolConfiguration": {"mcp": {"disableMcpListToolsPagination": False, "instructions": "x"}}},
     put("protocolConfiguration")({"mcp": {"instructions": "x"}})),
    ("numbers in single precision, reported", "harnesses",
     {"model": {"bedrockModelConfig": {"modelId": "m", "temperature": 0.7, "topP": 0.1}}},
     put("model")({"bedrockModelConfig": {"modelId": "m", "temperature": 0.699999988079071, "topP": 0.10000000149}})),
    ("tool overrides in another order, TF targets", "targets",
     {"credentialProviderConfigurations": ROLE_CREDENTIAL, "targetConfiguration": {"mcp": {"apiGateway": API}}},
     put("targetConfiguration", "mcp", "apiGateway", "apiGatewayToolConfiguration", "toolOverrides")(OVERRIDES[::-1])),
    ("overrides shown as an empty list, reported", "gateways",
     {"authorizerType": "CUSTOM_JWT", "authorizerConfiguration": {"customJWTAuthorizer": JWT}},
     put("authorizerConfiguration", "customJWTAuthorizer", "privateEndpointOverrides")([])),
    ("approval of records that comes back absent, TF registries", "registries",
     {"approvalConfiguration": {"autoApproval": False}}, lambda request: request.pop("approvalConfiguration", None)),
    ("the six characters after the name of a secret, Secrets Manager", "apiKeyCredentialProviders",
     {"apiKey": None, "apiKeySecretSource": "EXTERNAL", "apiKeySecretConfig": {"secretId": "s", "jsonKey": "k"}},
     nothing),
    ("discovery filled in for a known vendor, service 4.4", "oauth2CredentialProviders",
     {"credentialProviderVendor": "GoogleOauth2", "oauth2ProviderConfigInput": {"googleOauth2ProviderConfig": {
         "clientId": "me", "clientSecret": "{{resolve:secretsmanager:payments/idp:SecretString:clientSecret}}"}}},
     nothing),
]  # fmt: skip


@pytest.mark.parametrize(("source", "section", "declared", "otherwise"), SEEN, ids=[row[0] for row in SEEN])
async def test_the_service_s_own_form_is_no_drift(world, source, section, declared, otherwise):
    """Shown otherwise by the service, and looked at closely, nothing is sent."""
    kind = next(kind for kind in KINDS if kind.section == section)
    if "OAUTH" in str(declared):
        await world.apply({**document(kind, {**LEAST[section]}), "stack": "lives"})
    members = {**LEAST[section], **copy.deepcopy(declared)}
    whole = document(kind, {name: value for name, value in members.items() if value is not None})
    assert (await world.apply(whole)).status is Status.READY, source
    otherwise(the(world, kind).request)
    the(world, kind).updated += 1000  # somebody changed something: it must be read whole
    world.sent()
    outcome = await world.apply(whole)
    assert (outcome.status, world.sent()) == (Status.READY, [])
    assert any(name.startswith("Get") for name in outcome.calls), address(kind)


@pytest.mark.parametrize(
    ("section", "declared", "member"),
    [
        ("apiKeyCredentialProviders", {"apiKeySecretConfig": {"secretId": "s", "jsonKey": "k"}}, "apiKeySecretConfig"),
        (
            "oauth2CredentialProviders",
            {
                "credentialProviderVendor": "GoogleOauth2",
                "oauth2ProviderConfigInput": {
                    "googleOauth2ProviderConfig": {
                        "clientId": "me",
                        "clientSecretSource": "EXTERNAL",
                        "clientSecretConfig": {"secretId": "s", "jsonKey": "k"},
                    }
                },
            },
            "clientSecretConfig",
        ),
    ],
)
@pytest.mark.parametrize("otherwise", [{"secretId": "another"}, {"jsonKey": "another"}])
async def test_another_external_secret_is_drift(world, section, declared, member, otherwise):
    """A provider that somebody pointed at another secret, or another key of it, is pointed back."""
    kind = next(kind for kind in KINDS if kind.section == section)
    assert (await world.apply(document(kind, declared))).status is Status.READY
    request = the(world, kind).request
    place = request if member in request else request["oauth2ProviderConfigInput"]["googleOauth2ProviderConfig"]
    before = copy.deepcopy(place[member])
    place[member] = {**before, **otherwise}
    the(world, kind).updated += 1000
    assert (await world.apply(document(kind, declared))).status is Status.READY
    place = the(world, kind).request
    place = place if member in place else place["oauth2ProviderConfigInput"]["googleOauth2ProviderConfig"]
    assert place[member] == before


@pytest.mark.parametrize(("before", "after"), [(1700000001.5, 1700000002.5), (0.7, 0.70000001)])
async def test_numbers_in_free_form_json_are_exact(world, before, after):
    """Single precision is of the model's numbers; what a document passes on is compared as it stands."""
    kind = next(kind for kind in KINDS if kind.section == "harnesses")
    for value in (before, after):
        model = {"bedrockModelConfig": {"modelId": "m", "additionalParams": {"seed": value}}}
        assert (await world.apply(document(kind, {**LEAST["harnesses"], "model": model}))).status is Status.READY
        assert the(world, kind).request["model"] == model


@pytest.mark.parametrize("section", ["agentRuntimes", "harnesses"])
async def test_what_only_old_runtimes_take_is_not_sent_back(world, section):
    """Reads show requireServiceS3Endpoint, and updates refuse it: it is not among what an update repeats."""
    kind = next(kind for kind in KINDS if kind.section == section)
    network = {
        "networkMode": "VPC",
        "networkModeConfig": {"subnets": ["subnet-01234567"], "securityGroups": ["sg-01234567"]},
    }
    inside = {"networkConfiguration": network}
    declared = inside if section == "agentRuntimes" else {"environment": {"agentCoreRuntimeEnvironment": inside}}
    await world.apply(document(kind, {**LEAST[section], **declared}))
    request = the(world, kind).request
    place = request if section == "agentRuntimes" else request["environment"]["agentCoreRuntimeEnvironment"]
    place["networkConfiguration"]["networkModeConfig"]["requireServiceS3Endpoint"] = False
    more = {"description": "other"} if section == "agentRuntimes" else {"maxIterations": 3}
    assert (await world.apply(document(kind, {**LEAST[section], **declared, **more}))).status is Status.READY
    request = the(world, kind).request
    place = request if section == "agentRuntimes" else request["environment"]["agentCoreRuntimeEnvironment"]
    assert "requireServiceS3Endpoint" not in place["networkConfiguration"]["networkModeConfig"]


@pytest.mark.parametrize("section", ["gateways", "agentRuntimes", "harnesses", "registries", "agentRegistries"])
async def test_overrides_that_reads_leave_out(world, section):
    """PrivateEndpointOverrides are taken as they were applied where reads do not show them (TF agent_runtime.go)."""
    kind = next(kind for kind in KINDS if kind.section == section)
    world.behaviour.hides_overrides = True
    overrides = [{"domain": "keys.example.com", "privateEndpoint": LATTICE}]
    jwt = {"customJWTAuthorizer": {**JWT, "privateEndpoint": LATTICE, "privateEndpointOverrides": overrides}}
    front: dict[str, Any] = {"authorizerConfiguration": jwt}
    if section in ("gateways", "registries", "agentRegistries"):
        front["authorizerType"] = "CUSTOM_JWT"
    more = {"discoveryConfiguration": front} if section == "agentRegistries" else front
    whole = document(kind, {**LEAST[section], **more})
    assert (await world.apply(whole)).status is Status.READY
    the(world, kind).updated += 1000
    world.sent()
    assert (await world.apply(whole)).status is Status.READY
    assert world.sent() == []
    changed = json.loads(json.dumps(whole).replace("keys.example.com", "tokens.example.com"))
    assert (await world.apply(changed)).status is Status.READY
    assert world.sent() == [kind.operations.update]


async def test_a_declared_empty_block_is_kept(world):
    """A user's empty metadataConfiguration stands beside what the service puts into it (TF#49447)."""
    kind = next(kind for kind in KINDS if kind.section == "targets")
    whole = document(kind, {**LEAST["targets"], "metadataConfiguration": {}})
    assert (await world.apply(whole)).status is Status.READY
    world.sent()
    await world.apply(whole)
    assert world.sent() == []


async def test_another_members_of_a_set_is_drift(world):
    """Sets are compared as sets, and a missing member is seen."""
    kind = next(kind for kind in KINDS if kind.section == "gateways")
    authorizer = {"authorizerType": "CUSTOM_JWT", "authorizerConfiguration": {"customJWTAuthorizer": JWT}}
    whole = document(kind, {**LEAST["gateways"], **authorizer})
    await world.apply(whole)
    the(world, kind).request["authorizerConfiguration"]["customJWTAuthorizer"]["allowedAudience"] = ["somebody else"]
    the(world, kind).updated += 1000
    world.sent()
    await world.apply(whole)
    assert world.sent() == ["UpdateGateway"]
    assert the(world, kind).request["authorizerConfiguration"]["customJWTAuthorizer"]["allowedAudience"] == ["a"]
    assert the(world, kind).name == NAME


async def test_an_empty_arm_of_a_union_is_another_arm(world):
    """A harness has memory unless it is declared disabled, which says so by an arm that holds nothing."""
    harness: dict[str, Any] = {"executionRoleArn": "arn:aws:iam::123456789012:role/harness"}
    document = {"stack": "s", "harnesses": {"h": harness}}
    assert (await world.apply(document)).status is Status.READY
    harness["memory"] = {"disabled": {}}
    outcome = await world.apply(document, allow=frozenset({"harnesses.h"}))
    assert outcome.status is Status.READY, [failure.message for failure in outcome.failures]
    assert world.live["harness h"].request["memory"] == {"disabled": {}}
    world.sent()
    assert (await world.apply(document)).status is Status.READY
    assert world.sent() == []


@pytest.mark.parametrize("hides", [False, True])
async def test_overrides_that_leave_the_document_leave_the_service(hides):
    """Also where reads leave them out, so that nobody sees them there."""
    overrides = {"privateEndpointOverrides": [{"domain": "keys.example.com", "privateEndpoint": LATTICE}]}

    def document(more: dict) -> dict:
        jwt = {"discoveryUrl": DISCOVERY, "allowedAudience": ["a"], "privateEndpoint": LATTICE, **more}
        authorizer = {"authorizerType": "CUSTOM_JWT", "authorizerConfiguration": {"customJWTAuthorizer": jwt}}
        runtime = {**LEAST["agentRuntimes"], "authorizerConfiguration": authorizer["authorizerConfiguration"]}
        return {
            "stack": "s",
            "oauth2CredentialProviders": {"idp": provider(privateEndpoint=LATTICE, **more)},
            "gateways": {"g": {"roleArn": ROLE, **authorizer}},
            "agentRuntimes": {"r": runtime},
        }

    with SandboxWorld(Behaviour(hides_overrides=hides)) as world:
        await world.apply(document(overrides))
        world.sent()
        assert (await world.apply(document({}))).status is Status.READY
        assert sorted(world.sent()) == ["UpdateAgentRuntime", "UpdateGateway", "UpdateOauth2CredentialProvider"]
        assert [name for name, one in world.live.items() if "privateEndpointOverrides" in str(one.request)] == []
        assert (await world.apply(document({}))).status is Status.READY
        assert world.sent() == []
