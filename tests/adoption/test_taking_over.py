"""`adopt` writes a document of what was made by hand, for which there is nothing to do."""

from typing import Any

import pytest

from infra.deadline import Deadline
from tests.documents import ROLE, SECRET
from workflows.document.problems import Invalid
from workflows.importing import import_resource
from workflows.planner.outcome import Status
from workflows.planning import plan


@pytest.fixture
async def by_hand(world):
    """A gateway with two targets and their providers, none of which anybody declared."""
    client = world.client()
    made = await client.create_oauth2_credential_provider(
        name="idp",
        credentialProviderVendor="GoogleOauth2",
        oauth2ProviderConfigInput={"googleOauth2ProviderConfig": {"clientId": "me", "clientSecret": "by hand"}},
        tags={"team": "payments"},
    )
    key = await client.create_api_key_credential_provider(
        name="rates",
        apiKeySecretSource="EXTERNAL",
        apiKeySecretConfig={"secretId": "payments/rates", "jsonKey": "key"},
    )
    gateway = await client.create_gateway(
        name="payments",
        roleArn=ROLE,
        authorizerType="AWS_IAM",
        description="Costs $${5} or ${so}",
        protocolType="MCP",
        tags={"team": "payments"},
    )
    world.plane.world.records.named("gateway", "payments").status = "READY"
    oauth = {"providerArn": made["credentialProviderArn"], "scopes": ["a", "b"]}
    await client.create_gateway_target(
        gatewayIdentifier=gateway["gatewayId"],
        name="ledger",
        targetConfiguration={"mcp": {"mcpServer": {"endpoint": "https://ledger.example.com/mcp"}}},
        credentialProviderConfigurations=[
            {"credentialProviderType": "OAUTH", "credentialProvider": {"oauthCredentialProvider": oauth}}
        ],
        metadataConfiguration={"allowedRequestHeaders": ["X-Trace"]},
    )
    api_key = {"providerArn": key["credentialProviderArn"], "credentialLocation": "HEADER"}
    await client.create_gateway_target(
        gatewayIdentifier=gateway["gatewayId"],
        name="rates",
        targetConfiguration={"mcp": {"openApiSchema": {"inlinePayload": '{"x": "${literal}"}'}}},
        credentialProviderConfigurations=[
            {"credentialProviderType": "API_KEY", "credentialProvider": {"apiKeyCredentialProvider": api_key}}
        ],
    )
    for kind in ("provider", "target"):
        for record in world.plane.world.records.live(kind):
            record.go("READY", now=world.plane.world.now)
    return world


async def test_what_was_made_by_hand_needs_nothing(by_hand):
    """Filled in, the document is planned without a change, applied without a change, and managed from then on."""
    world = by_hand
    world.sent()
    taken = await import_resource(world.context(), "gateways", "payments", "payments", Deadline())
    assert world.sent() == []
    document = taken.document
    assert set(document) == {"stack", "gateways", "oauth2CredentialProviders", "apiKeyCredentialProviders"}
    config = document["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["googleOauth2ProviderConfig"]
    assert taken.fill_in == [
        "oauth2CredentialProviders.idp.oauth2ProviderConfigInput.googleOauth2ProviderConfig.clientSecret"
    ]
    assert "FILL-IN" in config["clientSecret"]
    config["clientSecret"] = SECRET
    planned = await plan(world.context(), document, Deadline(), frozenset())
    assert planned.pending == []
    outcome = await world.apply(document)
    assert (outcome.status, world.sent()) == (Status.READY, [])
    document["gateways"]["payments"]["description"] = "Ours now"
    assert (await world.apply(document)).status is Status.READY
    assert world.sent() == ["UpdateGateway"]
    target = document["gateways"]["payments"]["targets"]["ledger"]
    provider = target["credentialProviderConfigurations"][0]["credentialProvider"]["oauthCredentialProvider"]
    assert provider["providerArn"] == "${oauth2CredentialProviders.idp.credentialProviderArn}"
    external = document["apiKeyCredentialProviders"]["rates"]
    assert external["apiKeySecretSource"] == "EXTERNAL"


async def test_a_lost_ledger_takes_it_over_again(by_hand):
    """The document says `adopt: true`, so that another ledger comes to the same."""
    world = by_hand
    taken = await import_resource(world.context(), "gateways", "payments", "payments", Deadline())
    arm = taken.document["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["googleOauth2ProviderConfig"]
    arm["clientSecret"] = SECRET
    world.ledger.close()
    world.ledger = type(world.ledger)()
    world.sent()
    assert (await world.apply(taken.document)).status is Status.READY
    assert set(world.sent()) == {"TagResource"}


async def test_what_cannot_be_taken_over_is_said(by_hand):
    """Nothing of that name, a section that is none, a stack that is known, a resource of another stack."""
    world = by_hand

    async def refused(section: str, name: str, stack: str) -> str:
        with pytest.raises(Invalid) as caught:
            await import_resource(world.context(), section, name, stack, Deadline())
        return caught.value.problems[0].message

    assert "no gateway named other" in await refused("gateways", "other", "new")
    assert "is none of" in await refused("gateway", "payments", "new")
    await import_resource(world.context(), "gateways", "payments", "payments", Deadline())
    assert "knows a stack named payments already" in await refused("gateways", "payments", "payments")
    mine: dict[str, Any] = {"stack": "theirs", "agentRuntimes": {}, "gateways": {}}
    mine["gateways"]["other"] = {"roleArn": ROLE, "authorizerType": "AWS_IAM"}
    await world.apply(mine)
    assert "belongs to the stack theirs" in await refused("gateways", "other", "new")


async def test_what_a_stack_of_this_ledger_took_over_is_not_taken_over_again(by_hand):
    """It has no tag, as nothing was changed at AWS; the ledger knows whose it is, also its providers."""
    world = by_hand
    taken = await import_resource(world.context(), "gateways", "payments", "first", Deadline())
    arm = taken.document["oauth2CredentialProviders"]["idp"]["oauth2ProviderConfigInput"]["googleOauth2ProviderConfig"]
    arm["clientSecret"] = SECRET
    await world.apply(taken.document)
    for section, name in (("gateways", "payments"), ("oauth2CredentialProviders", "idp")):
        with pytest.raises(Invalid) as caught:
            await import_resource(world.context(), section, name, "second", Deadline())
        assert "belongs to the stack first" in caught.value.problems[0].message
    assert (await world.destroy({"stack": "first"})).status is Status.DELETED
    assert world.live == {}
