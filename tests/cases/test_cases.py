"""Small documents that failed once, each with the end that its author wants."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.documents import parse
from infra.sandbox.faults import Effect, Fault
from tests.secrets import SENTINELS
from tests.worlds import SandboxWorld
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.planner.outcome import Status

KEY = "gateways.cross-gw.targets.key"
HERE = Path(__file__).parent


def case(name: str) -> dict[str, Any]:
    document: dict[str, Any] = parse((HERE / f"{name}.yaml").read_text("utf-8"))
    return document


def api_targets() -> dict[str, Any]:
    document = case("c04-tools")
    with pytest.raises(Invalid) as refused:
        read_stack(document)
    assert {problem.rule for problem in refused.value.problems} == {"R40"}
    for problem in refused.value.problems:
        target = document["gateways"][problem.path.split(".")[1]]["targets"][problem.path.split(".")[3]]
        del target["credentialProviderConfigurations"][0]["credentialProvider"]
    return document


async def test_a_connector_changes(world: SandboxWorld):
    """The version that is shown for the old connector is not sent with the new one (r02)."""
    assert (await world.apply(case("r02a-connector"))).status is Status.READY
    target = world.live["target knowledge"].request["targetConfiguration"]["mcp"]["connector"]
    target["source"]["version"], target["enabled"] = "1.2.3", ["WebSearch"]
    assert (await world.apply(case("r02b-connector"))).status is Status.READY
    sent = world.live["target knowledge"].request["targetConfiguration"]["mcp"]["connector"]
    assert sent["source"] == {"connectorId": "bedrock-knowledge-bases"}
    assert "enabled" not in sent


async def test_an_empty_text_that_is_shown_blocks_nothing(world: SandboxWorld):
    """The service shows description "" where nothing was set, and its own minimum length forbids that (r10)."""
    assert (await world.apply(case("r10-runtime"))).status is Status.READY
    [runtime] = [one for name, one in world.live.items() if name.startswith("runtime ")]
    runtime.request["description"] = ""
    runtime.updated += 1_000
    assert (await world.apply(case("r10b-runtime"))).status is Status.READY
    assert str(runtime.request["agentRuntimeArtifact"]).endswith(":v2'}}")


async def test_nothing_of_an_old_owner_is_sent(world: SandboxWorld):
    """Set by hand beside a bucket, a URI and a VPC that the document then changes (r11)."""
    assert (await world.apply(case("r11-siblings"))).status is Status.READY
    runtime, api, inner = (world.live[name].request for name in ("runtime code_rt", "target api", "target inner"))
    runtime["agentRuntimeArtifact"]["codeConfiguration"]["code"]["s3"]["versionId"] = "v-1"
    api["targetConfiguration"]["mcp"]["openApiSchema"]["s3"]["bucketOwnerAccountId"] = "210987654321"
    inner["privateEndpoint"]["managedVpcResource"]["securityGroupIds"] = ["sg-0a1b2c3d4e5f60718"]
    assert (await world.apply(case("r11b-siblings"))).status is Status.READY
    now = str([world.live[name].request for name in ("runtime code_rt", "target api", "target inner")])
    assert "agent/2.zip" in now
    assert "own-schemas" in now
    assert "vpc-0bbbbbbbbbbbbbbbb" in now
    assert not [old for old in ("versionId", "bucketOwnerAccountId", "securityGroupIds") if old in now]


async def test_what_was_set_by_hand_beside_an_owner_that_stays_survives(world: SandboxWorld):
    """The version of an object whose bucket and prefix stay is sent back."""
    document = case("r11-siblings")
    await world.apply(document)
    s3 = world.live["runtime code_rt"].request["agentRuntimeArtifact"]["codeConfiguration"]["code"]["s3"]
    s3["versionId"] = "v-1"
    document["agentRuntimes"]["code_rt"]["description"] = "more code"
    assert (await world.apply(document)).status is Status.READY
    now = world.live["runtime code_rt"].request
    assert now["description"] == "more code"
    assert now["agentRuntimeArtifact"]["codeConfiguration"]["code"]["s3"]["versionId"] == "v-1"


async def test_a_secret_that_is_scheduled_for_deletion_fails_at_once(world: SandboxWorld):
    """A replaced provider cannot be created for days; the advice says what to do (r12)."""
    world.plane.world.secrets.put("crm/idp", json.dumps({"clientSecret": SENTINELS[0]}))
    assert (await world.apply(case("r12-vendor"))).status is Status.READY
    message = "You can't create this secret because a secret with this name is already scheduled for deletion"
    refusal = Fault("CreateOauth2CredentialProvider", Effect.REFUSE, -1, code="ValidationException", message=message)
    world.plane.faults.add(refusal)
    began = world.plane.world.now
    outcome = await world.apply(case("r12b-vendor"), allow=frozenset({"oauth2CredentialProviders.crm"}))
    assert outcome.status is Status.FAILED
    assert world.plane.world.now - began < 120.0
    [failure] = outcome.failures
    assert "Restore the secret" in failure.advice


async def test_other_accounts_and_regions_are_warned_of(world: SandboxWorld):
    """The role, the key, the function and the provider of r14b are each in another account or Region."""
    outcome = await world.apply(case("r14b-cross"))
    assert sorted(one.path for one in outcome.warnings if one.rule == "elsewhere") == [
        "gateways.cross-gw.kmsKeyArn",
        "gateways.cross-gw.roleArn",
        "gateways.cross-gw.targets.fn.targetConfiguration.mcp.lambda.lambdaArn",
        f"{KEY}.credentialProviderConfigurations[0].credentialProvider.apiKeyCredentialProvider.providerArn",
    ]


async def test_an_api_gateway_target_names_no_service(world: SandboxWorld):
    """R40 refuses iamCredentialProvider on API Gateway targets and nothing else; the rest converges (c04)."""
    assert (await world.apply(api_targets())).status is Status.READY
