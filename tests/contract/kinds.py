"""The contract of runtimes, harnesses, registries and API keys: one life of each, told by a table."""

from dataclasses import dataclass
from typing import Any

import pytest
from botocore import xform_name

from tests.contract.places import Service, misfits, refusal


@dataclass(frozen=True)
class Life:
    """How a kind is made, changed, found again and named in answers. `role` stands for a role's ARN."""

    noun: str
    plural: str
    name: str
    identity: str
    create: dict[str, Any]
    update: dict[str, Any]
    #: What Get shows after the update, and the member that lists hold.
    shows: tuple[str, Any]
    listed: str
    wrapper: str = ""


IMAGE = {"containerConfiguration": {"containerUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/tools:1"}}
LIVES = [
    Life(
        "AgentRuntime", "AgentRuntimes", "agentRuntimeName", "agentRuntimeId",
        {"agentRuntimeArtifact": IMAGE, "roleArn": "role", "networkConfiguration": {"networkMode": "PUBLIC"}},
        {"agentRuntimeArtifact": IMAGE, "roleArn": "role", "networkConfiguration": {"networkMode": "PUBLIC"},
         "description": "after"},
        ("description", "after"), "agentRuntimes",
    ),
    Life(
        "Harness", "Harnesses", "harnessName", "harnessId",
        {"executionRoleArn": "role"}, {"maxIterations": 9}, ("maxIterations", 9), "harnesses", "harness",
    ),
    Life(
        "ApiKeyCredentialProvider", "ApiKeyCredentialProviders", "name", "name",
        {"apiKey": "never shown"}, {"apiKey": "another"}, ("apiKeySecretSource", "MANAGED"), "credentialProviders",
    ),
    Life(
        "Registry", "Registries", "name", "registryId",
        {}, {"description": {"optionalValue": "after"}}, ("description", "after"), "registries",
    ),
]  # fmt: skip


class Kinds:
    """Kinds that stand alone."""

    @pytest.mark.parametrize("life", LIVES, ids=lambda life: life.noun)
    async def test_r0_one_life(self, service: Service, life: Life):
        name = service.name("x").replace("-", "_")
        made = shown(life, await call(service, "Create", life, {life.name: name, **filled(service, life.create)}))
        address = {life.identity: identity(life, made)}

        async def get(**params: Any) -> Any:
            return shown(life, await call(service, "Get", life, params))

        assert (await service.rest(get, **address)).get("status", "READY") == "READY"
        code, _ = await refusal(call(service, "Create", life, {life.name: name, **filled(service, life.create)}))
        assert code in ("ConflictException", "ValidationException")
        await call(service, "Update", life, {**address, **filled(service, life.update)})
        after = await service.rest(get, **address)
        assert (after.get("status", "READY"), after[life.shows[0]]) == ("READY", life.shows[1])
        listed = (await method(service, f"List{life.plural}")())[life.listed]
        assert name in [one[life.name] for one in listed]
        await call(service, "Delete", life, address)
        await service.gone(get, **address)
        assert (await refusal(get(**address)))[0] == "ResourceNotFoundException"

    @pytest.mark.parametrize("life", LIVES, ids=lambda life: life.noun)
    async def test_r0_one_short_life(self, service: Service, life: Life):
        """Made, READY, listed, removed."""
        name = service.name("x").replace("-", "_")
        made = shown(life, await call(service, "Create", life, {life.name: name, **filled(service, life.create)}))
        address = {life.identity: identity(life, made)}

        async def get(**params: Any) -> Any:
            return shown(life, await call(service, "Get", life, params))

        assert (await service.rest(get, **address)).get("status", "READY") == "READY"
        assert name in [one[life.name] for one in (await method(service, f"List{life.plural}")())[life.listed]]
        await call(service, "Delete", life, address)
        await service.gone(get, **address)

    @pytest.mark.parametrize("life", LIVES, ids=lambda life: life.noun)
    async def test_r0_it_is_shown_as_the_model_says(self, service: Service, life: Life):
        name = service.name("x").replace("-", "_")
        made = await call(service, "Create", life, {life.name: name, **filled(service, life.create)})
        assert misfits(f"Create{life.noun}", made) == []
        got = await call(service, "Get", life, {life.identity: identity(life, shown(life, made))})
        assert misfits(f"Get{life.noun}", got) == []
        assert misfits(f"List{life.plural}", await method(service, f"List{life.plural}")()) == []

    async def test_r0_a_runtime_keeps_its_artifact_and_says_its_network(self, service: Service):
        create = method(service, "CreateAgentRuntime")
        lacking = {"agentRuntimeArtifact": IMAGE, "roleArn": service.role}
        refused = create(agentRuntimeName="a", networkConfiguration={"networkMode": "VPC"}, **lacking)
        assert (await refusal(refused))[1] == "NetworkModeConfig is required for VPC mode"

    async def test_r0_a_harness_keeps_what_an_update_does_not_name(self, service: Service):
        """A wrapper sets, an empty wrapper clears; its endpoints go first."""
        name = service.name("x").replace("-", "_")
        client, variables = service.client, {"A": "1"}
        made = await client.create_harness(
            harnessName=name, executionRoleArn=service.role, environmentVariables=variables
        )
        address = {"harnessId": made["harness"]["harnessId"]}

        async def get(**params: Any) -> Any:
            return (await client.get_harness(**params))["harness"]

        await service.rest(get, **address)
        await client.update_harness(**address, memory={"optionalValue": {"disabled": {}}}, maxIterations=3)
        after = await service.rest(get, **address)
        assert (after["environmentVariables"], after["memory"]) == (variables, {"disabled": {}})
        await client.create_harness_endpoint(**address, endpointName="mine")
        listed = (await client.list_harness_endpoints(**address))["endpoints"]
        assert {one["endpointName"] for one in listed} == {"DEFAULT", "mine"}
        assert (await refusal(client.delete_harness(**address)))[0] == "ConflictException"
        await client.delete_harness_endpoint(**address, endpointName="mine")
        gone = client.delete_harness_endpoint(**address, endpointName="mine")
        assert (await refusal(gone))[0] == "ResourceNotFoundException"
        await client.delete_harness(**address, deleteManagedMemory=False)
        await service.gone(get, **address)


def method(service: Service, operation: str) -> Any:
    return getattr(service.client, xform_name(operation))


async def call(service: Service, verb: str, life: Life, params: dict[str, Any]) -> Any:
    return await method(service, f"{verb}{life.noun}")(**params)


def shown(life: Life, answer: Any) -> Any:
    return answer[life.wrapper] if life.wrapper else answer


def identity(life: Life, made: Any) -> str:
    """Return the id of what was made; a registry's creation answers with an ARN and nothing else."""
    return str(made[life.identity] if life.identity in made else made["registryArn"].rpartition("/")[2])


def filled(service: Service, request: dict[str, Any]) -> dict[str, Any]:
    return {name: service.role if value == "role" else value for name, value in request.items()}
