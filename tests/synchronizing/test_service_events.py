"""Scheduled ticks and events of registries: which stacks are synchronized or converged, and under which request."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.settings import Settings
from tests.documents import gateway, mcp_target
from tests.worlds import SandboxWorld
from workflows.service_events import handle_service_event, is_service_event

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:converge"
TICK = {"detail-type": "Gateway Schedule", "id": "tick-1", "source": "gatewright.schedule", "detail": {}}


class Executions:
    """Step Functions: executions by name, each with its input and status."""

    def __init__(self) -> None:
        self.inputs: dict[str, str] = {}
        self.statuses: dict[str, str] = {}

    async def start_execution(self, **params: Any) -> dict[str, Any]:
        if params["name"] in self.inputs:
            error = {"Error": {"Code": "ExecutionAlreadyExists", "Message": "exists"}}
            raise ClientError(error, "StartExecution")
        self.inputs[params["name"]], self.statuses[params["name"]] = params["input"], "RUNNING"
        return {"executionArn": f"{MACHINE}:{params['name']}", "startDate": 0}

    async def describe_execution(self, **params: Any) -> dict[str, Any]:
        name = params["executionArn"].rpartition(":")[2]
        return {"status": self.statuses[name], "input": self.inputs[name]}


async def handled(world: SandboxWorld, event: Mapping[str, Any]) -> tuple[list[str], list[Mapping[str, Any]]]:
    """Handle an event; return the stacks for which work was requested, and the requests on the bus."""
    requests: list[Mapping[str, Any]] = []

    async def ask(detail_type: str, detail: Mapping[str, Any]) -> None:
        requests.append({"detailType": detail_type, **detail})

    world.settings = Settings(GATEWRIGHT_STATE_MACHINE_ARN=MACHINE)
    assert is_service_event(event)
    result = await handle_service_event(replace(world.context(), ask=ask), event)
    return result["asked"], requests


async def in_force(world: SandboxWorld) -> Executions:
    """Make a stack with an MCP server target, and a stack with a registry."""
    world.beside["stepfunctions"] = executions = Executions()
    await world.apply({"stack": "tools", "gateways": {"payments": gateway({"ledger": mcp_target()})}})
    await world.apply({"stack": "records", "agentRegistries": {"agents": {"description": "d"}}})
    return executions


async def test_a_tick_requests_a_synchronization_of_each_stack_that_has_something_to_synchronize(world):
    """The stack of the registry has nothing to synchronize; the request is named after the tick."""
    await in_force(world)
    asked, requests = await handled(world, TICK)
    assert "tools" in asked
    assert {
        "detailType": "Gateway Stack Synchronization Requested",
        "stack": "tools",
        "requestId": "schedule-tick-1",
    } in requests


async def test_a_converging_tick_starts_one_execution_per_stack(world):
    """A second delivery of the same tick finds the executions; an ended one is followed by another."""
    executions = await in_force(world)
    tick = {**TICK, "detail": {"converge": True}}
    for _ in range(2):
        asked, requests = await handled(world, tick)
        assert (sorted(asked), requests) == (["records", "tools"], [])
    assert sorted(executions.inputs) == ["records-schedule-tick-1-1", "tools-schedule-tick-1-1"]
    given = json.loads(executions.inputs["tools-schedule-tick-1-1"])
    assert given == {"stack": "tools", "generation": 1, "requestId": "schedule-tick-1"}
    executions.statuses["tools-schedule-tick-1-1"] = "FAILED"
    await handled(world, tick)
    assert "tools-schedule-tick-1-2" in executions.inputs


@pytest.mark.parametrize("source", ["aws.agent-registry", "aws.bedrock-agentcore"])
async def test_a_registry_that_was_deleted_converges_the_stack_that_has_it(world, source):
    """Only the stack of that registry, and only for events that tell of a deletion or a failure."""
    executions = await in_force(world)
    arn = world.live["agentRegistry agents"].arn
    event = {"source": source, "id": "e1", "detail-type": "Registry Deleted", "detail": {"registryArn": arn}}
    assert await handled(world, event) == (["records"], [])
    assert list(executions.inputs) == ["records-schedule-e1-1"]
    assert await handled(world, {**event, "detail-type": "Registry Created"}) == ([], [])
    assert await handled(world, {**event, "detail": {"registryArn": arn[:-1] + "Z"}}) == ([], [])


async def test_a_stack_that_is_removed_or_in_progress_is_left_alone(world):
    """A removed stack has no document in force, and a stack in progress converges anyway."""
    executions = await in_force(world)
    await world.destroy({"stack": "tools"})
    asked, _ = await handled(world, {**TICK, "detail": {"converge": True}})
    assert (asked, list(executions.inputs)) == (["records"], ["records-schedule-tick-1-1"])
