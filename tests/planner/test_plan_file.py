"""A plan file: what it holds, and what makes it outdated."""

import json
from typing import Any

import anyio
import pytest

from infra.deadline import Deadline
from tests.documents import changed, small_stack
from tests.worlds import SandboxWorld
from workflows.plan_file import PlanFile
from workflows.planner.outcome import Status
from workflows.planning import Plan, plan, plan_removal
from workflows.records.request_state import Mode

DOCUMENT = changed(small_stack(1), {"gateways.payments.description": "second"})


@pytest.fixture
async def ready():
    """A world with two targets, and the plan for a document with one."""
    with SandboxWorld() as world:
        await world.apply(small_stack(2))
        yield world


async def planned(world: SandboxWorld, document: dict[str, Any] = DOCUMENT) -> Plan:
    return await plan(world.context(), document, Deadline.within(300), assume=True)


async def test_the_same_plan_is_not_outdated_and_its_request_does_what_it_shows(ready):
    file = PlanFile.of(await planned(ready), DOCUMENT, "file")
    again = PlanFile.model_validate_json(file.text())
    assert again == file
    assert again.outdated(await planned(ready)) == []
    assert file.approves == ("gateways.payments.targets.target-1",)
    request = again.request
    assert (request.generation, request.only_approved, request.allow) == (2, True, frozenset(file.approves))
    assert (await ready.run(request)).status is Status.READY
    assert "target target-1" not in ready.live
    # The same request again: finished before, whatever the plan would be now.
    assert (await ready.run(request)).reason == "this request was finished before"


async def test_a_change_outside_makes_it_outdated(ready):
    file = PlanFile.of(await planned(ready), DOCUMENT, "file")
    ready.live["gateway payments"].request["description"] = "by hand"
    assert [line.partition(":")[0] for line in file.outdated(await planned(ready))] == ["gateways.payments"]


async def test_a_resource_that_went_or_came_makes_it_outdated(ready):
    file = PlanFile.of(await planned(ready), DOCUMENT, "file")
    other = changed(
        DOCUMENT, {"gateways.payments.targets.more": DOCUMENT["gateways"]["payments"]["targets"]["target-0"]}
    )
    (line,) = file.outdated(await planned(ready, other))
    assert line == "gateways.payments.targets.more: not in the plan; now CREATE"


async def test_a_resource_that_somebody_deleted_makes_it_outdated(ready):
    file = PlanFile.of(await planned(ready), DOCUMENT, "file")
    target = ready.live["target target-1"]
    gateway = ready.live["gateway payments"].id
    await ready.client().delete_gateway_target(gatewayIdentifier=gateway, targetId=target.id)
    await anyio.sleep(300)
    gone = f"gateways.payments.targets.target-1: DELETE ({target.id}); now there is nothing to do"
    assert file.outdated(await planned(ready)) == [gone]


async def test_a_rotated_secret_makes_it_outdated(ready):
    file = PlanFile.of(await planned(ready), DOCUMENT, "file")
    ready.plane.world.secrets.put("payments/idp", json.dumps({"clientSecret": "another-secret-value"}))
    found = file.outdated(await planned(ready))
    assert "oauth2CredentialProviders.idp: a secret has another version" in found


async def test_a_request_in_between_makes_it_outdated(ready):
    file = PlanFile.of(await planned(ready), DOCUMENT, "file")
    await ready.apply(small_stack(2), "between")
    found = file.outdated(await planned(ready))
    assert found == ["another request was accepted since: generation 2 is in force"]


async def test_a_plan_of_a_removal_removes(ready):
    found = await plan_removal(ready.context(), "payments.tools", None, Deadline.within(300))
    file = PlanFile.of(found, None, "file")
    assert (file.mode, file.document, len(file.approves)) == (Mode.REMOVE, None, 4)
    assert (await ready.run(file.request)).status is Status.DELETED
    assert ready.live == {}


async def test_it_holds_no_secret(ready):
    text = PlanFile.of(await planned(ready), DOCUMENT, "file").text()
    assert "sandbox-payments-idp-secret" not in text
    assert '"secretVersions"' in text
