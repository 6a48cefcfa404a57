"""R0: the sandbox's HTTP server beside AgentCore: settings, faults, the journal, the consent page, its neighbours."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from infra.sandbox import rest_json
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.server import SandboxServer
from infra.service_model import CONTROL_PLANE
from tests.contract.places import over_http
from tests.contract.targets import consenting
from tests.documents import ROLE

GATEWAY = {"name": "g", "roleArn": ROLE, "authorizerType": "AWS_IAM"}
pytestmark = pytest.mark.real_time


class Asked(SandboxServer):
    """A server, and how it is asked."""

    ask: Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def server():
    """The server and a function that asks it: method, path, body; returns status and what came back."""
    made = Asked()
    url = await made.start()
    async with aiohttp.ClientSession(url) as session:

        async def ask(method: str, path: str, body=None, **headers):
            async with session.request(method, path, json=body, headers=headers) as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if "json" in answer.content_type else text

        made.ask = ask
        yield made
    await made.stop()


async def test_r0_settings_are_set_and_unknown_ones_refused(server):
    assert (await server.ask("POST", "/_sandbox/behaviour", {"gateways": 0, "gateway": 9.0}))[0] == 200
    assert (server.plane.behaviour.gateways, server.plane.behaviour.durations.gateway) == (0, 9.0)
    assert (await server.ask("POST", "/gateways/", GATEWAY))[0] == 402
    assert await server.ask("POST", "/_sandbox/behaviour", {"nonsense": 1}) == (
        400,
        {"error": "unknown setting nonsense; see docs/sandbox.md"},
    )
    assert (await server.ask("POST", "/_sandbox/nonsense"))[0] == 404


async def test_r0_faults_failures_and_the_journal(server):
    """Faults are met, failures end in the failed status, what is stuck stays, the journal counts and forgets."""
    await server.ask("POST", "/_sandbox/faults", {"operation": "CreateGateway", "effect": "THROTTLE"})
    await server.ask("POST", "/_sandbox/faults", {"operation": "CreateGateway", "effect": "LOST"})
    await server.ask("POST", "/_sandbox/failing", {"name": "g", "reason": "no"})
    await server.ask("POST", "/_sandbox/stuck", {"name": "s"})
    await server.ask("POST", "/_sandbox/behaviour", {"gateway": 0.0})
    assert (await server.ask("POST", "/gateways/", GATEWAY))[0] == 429
    with pytest.raises(aiohttp.ClientError):
        await server.ask("POST", "/gateways/", GATEWAY)
    _, failed = await server.ask("POST", "/gateways/", GATEWAY)
    _, stuck = await server.ask("POST", "/gateways/", {**GATEWAY, "name": "s"})
    found = [(await server.ask("GET", f"/gateways/{one['gatewayId']}/"))[1]["status"] for one in (failed, stuck)]
    assert found == ["FAILED", "CREATING"]
    _, journal = await server.ask("GET", "/_sandbox/journal")
    assert (journal["mutating"], journal["reads"], journal["calls"]["CreateGateway"]) == (3, 2, 3)
    await server.ask("DELETE", "/_sandbox/journal")
    assert (await server.ask("GET", "/_sandbox/journal"))[1]["calls"] == {}


async def test_r0_neighbours_are_answered_and_checked(server):
    """Secrets with their versions, who calls, what is announced; what is not answered says so."""
    secrets = lambda what, **body: server.ask("POST", "/", body, **{"X-Amz-Target": f"secretsmanager.{what}"})  # noqa: E731
    assert (await secrets("CreateSecret", Name="s", SecretString="one"))[0] == 200
    _, first = await secrets("GetSecretValue", SecretId="s")
    _, put = await secrets("PutSecretValue", SecretId="s", SecretString="two")
    assert (await secrets("GetSecretValue", SecretId=put["ARN"]))[1]["SecretString"] == "two"
    assert (await secrets("GetSecretValue", SecretId="s", VersionId=first["VersionId"]))[1]["SecretString"] == "one"
    _, described = await secrets("DescribeSecret", SecretId="s")
    stages = {put["VersionId"]: ["AWSCURRENT"], first["VersionId"]: ["AWSPREVIOUS"]}
    assert described["VersionIdsToStages"] == stages
    refused = [
        await secrets("GetSecretValue", SecretId="nothing"),
        await secrets("GetSecretValue", SecretId="s", VersionId="x" * 32),
        await secrets("GetSecretValue"),
        await secrets("RotateSecret", SecretId="s"),
    ]
    assert [body["__type"] for _, body in refused] == [
        "ResourceNotFoundException", "ResourceNotFoundException", "ValidationException", "UnknownOperationException",
    ]  # fmt: skip
    entry = {"Source": "x", "DetailType": "y", "Detail": "{}"}
    _, sent = await server.ask("POST", "/", {"Entries": [entry]}, **{"X-Amz-Target": "AWSEvents.PutEvents"})
    assert sent["FailedEntryCount"] == 0
    assert (await server.ask("GET", "/_sandbox/events"))[1] == [entry]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with aiohttp.ClientSession() as session:
        base = server.plane.behaviour.consent_base.removesuffix("/consent")
        async with session.post(base, data="Action=GetCallerIdentity", headers=headers) as answer:
            assert "<Account>123456789012</Account>" in await answer.text()
        async with session.post(base, data="Action=AssumeRole", headers=headers) as answer:
            assert (answer.status, answer.content_type) == (400, "text/xml")
            assert "<Error><Type>Sender</Type><Code>UnknownOperationException</Code>" in await answer.text()
    assert (await server.ask("PATCH", "/nowhere"))[1]["__type"] == "UnknownOperationException"
    assert (await server.ask("GET", "/memories/x/details"))[1]["__type"] == "UnknownOperationException"


async def test_r0_a_person_consents_or_refuses_at_the_page():
    """Opening the address is consenting; with `&deny` it is refusing; a second time there is nothing to decide."""
    async with over_http() as service, aiohttp.ClientSession() as session:
        gateway_id = await service.ready_gateway()
        grant = await consenting(service)
        for name, more, word, ends in (("a", "", "given", "READY"), ("b", "&deny", "refused", "FAILED")):
            target_id = await service.target(gateway_id, name, credentialProviderConfigurations=grant)
            shown = await service.target_at_rest(gateway_id, target_id)
            url = shown["authorizationData"]["oauth2"]["authorizationUrl"] + more
            async with session.get(url) as answer:
                assert (answer.status, word in await answer.text()) == (200, True)
            assert (await service.target_at_rest(gateway_id, target_id))["status"] == ends
            async with session.get(url) as answer:
                assert answer.status == 400


async def test_r0_the_data_plane_completes_a_session(server):
    body = {"sessionUri": "urn:ietf:params:oauth:request_uri:none", "userIdentifier": {"userId": "me"}}
    status, answer = await server.ask("POST", "/identities/CompleteResourceTokenAuth", body)
    assert (status, answer["__type"]) == (400, "ValidationException")


def test_r0_paths_queries_and_times_are_read_and_written_as_the_model_says():
    parse = lambda method, path, **query: rest_json.parse(CONTROL_PLANE, method, path, query, {})  # noqa: E731
    assert parse("GET", "/gateways/g-1/targets", maxResults=["7"], nextToken=["x"]) == (
        "ListGatewayTargets", {"gatewayIdentifier": "g-1", "maxResults": 7, "nextToken": "x"},
    )  # fmt: skip
    assert parse("GET", "/gateways/", maxResults=["many"]) == ("ListGateways", {"maxResults": "many"})
    arn = "arn:aws:bedrock-agentcore:us-east-1:1:gateway/g"
    assert parse("DELETE", f"/tags/{arn.replace('/', '%2F')}", tagKeys=["a", "b"]) == (
        "UntagResource", {"resourceArn": arn, "tagKeys": ["a", "b"]},
    )  # fmt: skip
    assert parse("GET", "/nowhere/at/all") is None
    moment = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
    items = {"items": [{"gatewayId": "g", "createdAt": moment}]}
    assert rest_json.serialize(CONTROL_PLANE, "ListGateways", items)["items"][0]["createdAt"] == "2026-01-01T12:30:00Z"
    providers = {"credentialProviders": [{"name": "p", "createdTime": moment}]}
    found = rest_json.serialize(CONTROL_PLANE, "ListOauth2CredentialProviders", providers)
    assert found["credentialProviders"][0]["createdTime"] == moment.timestamp()


@pytest.mark.parametrize(
    ("what", "body", "said"),
    [
        ("behaviour", {"gateway": "x"}, "gateway is 2.0 now"),
        ("behaviour", {"consent_expires": "yes"}, "consent_expires is false now"),
        ("behaviour", {"durations": {}}, "unknown setting"),
        ("faults", {"operation": "Create*", "effect": "NONE"}, "NONE"),
        ("faults", {"operation": "Create*"}, "effect"),
        ("failing", {"name": "x"}, "reason"),
        ("stuck", {}, "name"),
    ],
)
async def test_a_control_that_makes_no_sense_is_refused(what, body, said):
    """With what is wrong, and nothing is changed."""
    server = SandboxServer()
    url = await server.start()
    try:
        async with aiohttp.ClientSession() as session, session.post(f"{url}/_sandbox/{what}", json=body) as answer:
            assert answer.status == 400
            assert said in await answer.text()
        assert server.plane.behaviour == replace(Behaviour(), consent_base=server.plane.behaviour.consent_base)
        assert server.plane.faults.all == []
        assert server.plane.world.failing == {}
        assert server.plane.world.stuck == set()
    finally:
        await server.stop()


async def test_controls_are_shown_and_taken_back():
    server = SandboxServer()
    url = await server.start()
    try:
        async with aiohttp.ClientSession(f"{url}/_sandbox/") as session:
            await session.post("faults", json={"operation": "Create*", "effect": "LOST", "times": 2})
            await session.post("failing", json={"name": "a", "reason": "no"})
            await session.post("stuck", json={"name": "b"})
            shown = {name: await (await session.get(name)).json() for name in ("faults", "failing", "stuck")}
            assert (shown["faults"][0]["operation"], list(shown["failing"]), shown["stuck"]) == (
                "Create*",
                ["a"],
                ["b"],
            )
            assert (await (await session.get("behaviour")).json())["durations"]["gateway"] == 2.0
            for name in shown:
                await session.delete(name)
                assert not await (await session.get(name)).json()
            assert (await session.get("nothing")).status == 404
    finally:
        await server.stop()
