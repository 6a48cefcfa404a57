"""The sandbox behaves as the service is documented and was observed to."""

import anyio
import pytest
from botocore.exceptions import ClientError

from tests.documents import DISCOVERY, ROLE
from workflows.kinds import KINDS
from workflows.kinds.gateway_target import GATEWAY_TARGET

MCP = {"mcp": {"mcpServer": {"endpoint": "https://ledger.example.com/mcp"}}}
TOKEN = "t" * 40


@pytest.fixture
def client(world):
    return world.client()


async def make_gateway(client, name="payments", **more):
    made = await client.create_gateway(name=name, roleArn=ROLE, authorizerType="AWS_IAM", **more)
    return made["gatewayId"]


async def ready_gateway(client, world, **more):
    gateway_id = await make_gateway(client, **more)
    await anyio.sleep(world.behaviour.durations.gateway + 0.1)
    return gateway_id


async def refusal(awaitable) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        await awaitable
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


async def test_a_gateway_goes_from_creating_to_ready(client, world):
    gateway_id = await make_gateway(client)
    assert (await client.get_gateway(gatewayIdentifier=gateway_id))["status"] == "CREATING"
    await anyio.sleep(world.behaviour.durations.gateway + 0.1)
    assert (await client.get_gateway(gatewayIdentifier=gateway_id))["status"] == "READY"


async def test_a_target_needs_a_ready_gateway(client):
    gateway_id = await make_gateway(client)
    code, message = await refusal(
        client.create_gateway_target(gatewayIdentifier=gateway_id, name="a", targetConfiguration=MCP)
    )
    assert code == "ValidationException"
    assert message == "Cannot perform operation CreateGatewayTarget when gateway is in CREATING status"


async def test_a_name_is_taken_once(client):
    await make_gateway(client)
    assert (await refusal(make_gateway(client)))[0] == "ConflictException"


async def test_a_token_answers_the_repeat_and_refuses_another_request(client):
    first = await make_gateway(client, clientToken=TOKEN)
    assert await make_gateway(client, clientToken=TOKEN) == first
    assert (await refusal(make_gateway(client, clientToken=TOKEN, description="x")))[0] == "ValidationException"


async def test_a_gateway_with_targets_is_not_deleted(client, world):
    gateway_id = await ready_gateway(client, world)
    await client.create_gateway_target(gatewayIdentifier=gateway_id, name="a", targetConfiguration=MCP)
    code, message = await refusal(client.delete_gateway(gatewayIdentifier=gateway_id))
    assert code == "ValidationException"
    assert "has targets associated with it" in message


async def test_five_target_operations_at_a_time(client, world):
    gateway_id = await ready_gateway(client, world)
    for n in range(5):
        await client.create_gateway_target(gatewayIdentifier=gateway_id, name=f"t{n}", targetConfiguration=MCP)
    sixth = client.create_gateway_target(gatewayIdentifier=gateway_id, name="t5", targetConfiguration=MCP)
    assert (await refusal(sixth))[0] == "ServiceQuotaExceededException"


async def test_rates_are_limited(client, world):
    """Beyond a burst of two seconds' worth, calls are refused; the next second brings the next ten."""
    world.round_trip = 0.0
    quick = world.client()
    codes = []
    for _ in range(25):
        codes.append((await refusal(quick.get_gateway(gatewayIdentifier="nothing-0123456789")))[0])
    assert codes == ["ResourceNotFoundException"] * 20 + ["ThrottlingException"] * 5
    await anyio.sleep(1)
    code, _ = await refusal(quick.get_gateway(gatewayIdentifier="nothing-0123456789"))
    assert code == "ResourceNotFoundException"


async def test_requests_are_checked_against_the_model(client):
    code, message = await refusal(client.create_gateway(name="a--b", roleArn="x", authorizerType="SOME"))
    assert code == "ValidationException"
    assert all(member in message for member in ("name", "roleArn", "authorizerType"))


async def test_synchronization_is_refused_where_documented(client, world):
    gateway_id = await ready_gateway(client, world)
    kinds = {
        "lambda": {
            "mcp": {
                "lambda": {
                    "lambdaArn": "arn:aws:lambda:us-east-1:123456789012:function:x",
                    "toolSchema": {"inlinePayload": []},
                }
            }
        },
        "dynamic": {"mcp": {"mcpServer": {"endpoint": "https://x", "listingMode": "DYNAMIC"}}},
    }
    for name, configuration in kinds.items():
        made = await client.create_gateway_target(
            gatewayIdentifier=gateway_id, name=name, targetConfiguration=configuration
        )
        await anyio.sleep(2)
        sync = client.synchronize_gateway_targets(gatewayIdentifier=gateway_id, targetIdList=[made["targetId"]])
        assert (await refusal(sync))[0] == "ValidationException"


async def test_private_endpoints_share_their_resource_gateway(client, world):
    gateway_id = await ready_gateway(client, world)
    network = {
        "vpcIdentifier": "vpc-0a1b2c3d4e5f60718",
        "subnetIds": ["subnet-0a1b2c3d4e5f60718"],
        "endpointIpAddressType": "IPV4",
    }
    seen = []
    for name in ("a", "b"):
        made = await client.create_gateway_target(
            gatewayIdentifier=gateway_id,
            name=name,
            targetConfiguration=MCP,
            privateEndpoint={"managedVpcResource": network},
        )
        await anyio.sleep(2)
        body = await client.get_gateway_target(gatewayIdentifier=gateway_id, targetId=made["targetId"])
        seen += body["privateEndpointManagedResources"]
    assert {one["domain"] for one in seen} == {"ledger.example.com"}
    assert len({one["resourceGatewayArn"] for one in seen}) == 1


async def test_a_provider_shows_no_secret(client):
    config = {"oauthDiscovery": {"discoveryUrl": DISCOVERY}, "clientId": "x", "clientSecret": "never shown"}
    await client.create_oauth2_credential_provider(
        name="idp",
        credentialProviderVendor="CustomOauth2",
        oauth2ProviderConfigInput={"customOauth2ProviderConfig": config},
    )
    shown = await client.get_oauth2_credential_provider(name="idp")
    assert "never shown" not in str(shown)
    assert shown["clientSecretArn"]["secretArn"].startswith("arn:aws:secretsmanager:")


def test_every_status_of_the_model_has_a_meaning():
    """A status that the service model gains must be given a meaning before it is met."""
    for kind in KINDS:
        status = kind.response.members.get("status")
        assert set(kind.statuses) == set(status.enum if status is not None else ()), kind.noun


def test_every_declarable_member_is_one_of_the_model():
    """What can be declared is exactly what create and update take, less what is filled in."""
    assert "targetConfiguration" in GATEWAY_TARGET.declarable.members
    assert not set(GATEWAY_TARGET.declarable.members) & {"name", "clientToken", "gatewayIdentifier", "targetId"}
