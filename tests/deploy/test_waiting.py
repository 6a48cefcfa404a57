"""What takes its time in a deployment: functions that end before it, lagging reads, what fails and is sent again."""

import json

import pytest

from infra.sandbox.world import Failure
from infra.service_model import CONTROL_PLANE
from tests.deploy.desk import HANDED_OVER, LONG, stack

pytestmark = [pytest.mark.real_time, pytest.mark.xdist_group("deployed, waiting")]


def test_a_registry_that_was_deleted_by_hand_is_made_again(desk):
    """The service's own event leads to the stack that declares it."""
    document = {"stack": "payments.registry", "registries": {"tools": {"authorizerType": "AWS_IAM"}}}
    desk.ask(document, "registry-1")
    ready = desk.outcome("registry-1", "Ready")
    # For a minute and a half after a creation, that it cannot be read may be the service's lag.
    desk.made_earlier("payments.registry", "registries.tools", 120.0)
    (record,) = desk.named("registry", "tools")
    desk.plane.answer("DeleteRegistry", {"registryId": record.id}, CONTROL_PLANE)
    desk.cloud.wait_until(lambda: not desk.named("registry", "tools"), LONG)
    event = {"id": "gone-1", "detail-type": "Registry Deleting", "source": "aws.agent-registry", "account": "1"}
    arn = ready["resources"]["registries.tools"]["arn"]
    answer = desk.cloud.invoke("EventsFunction", {**event, "detail": {"registryArn": arn}})
    assert json.loads(answer.body)["asked"] == ["payments.registry"]
    desk.outcome("schedule-gone-1", "Ready")
    assert len(desk.named("registry", "tools")) == 1


def test_a_function_killed_in_the_middle_loses_nothing(desk, slow):
    slow(gateway=4.0, target=4.0)
    desk.ask(stack("killed", 3), "killed-1")
    desk.cloud.wait_until(lambda: desk.named("gateway", "killed"), LONG)
    desk.cloud.kill("RequestsFunction")
    desk.outcome("killed-1", "Ready")
    assert len(desk.named("gateway", "killed")) == 1
    assert desk.plane.world.records.doubles == []


def test_what_takes_longer_than_the_function_is_finished_by_the_state_machine(desk, slow):
    """The service takes longer than a function waits for it; the message is gone, an execution goes on."""
    slow(gateway=HANDED_OVER)
    desk.ask(stack("long"), "long-1")
    desk.outcome("long-1", "Ready")
    assert set(desk.ended("long-1")) == {"SUCCEEDED"}
    assert desk.cloud.messages("RequestsQueue") == []
    assert len(desk.named("gateway", "long")) == 1


def test_a_failing_target_takes_the_failure_path_and_resent_starts_a_new_attempt(desk, sandbox, slow):
    slow(gateway=HANDED_OVER)
    sandbox.plane.world.failing["tools-0"] = Failure(-1, "the server does not speak MCP")
    try:
        desk.ask(stack("failing"), "failing-1")
        failed = desk.outcome("failing-1", "Failed")
        assert failed["failures"][0]["resource"] == "gateways.failing.targets.tools-0"
        assert desk.ended("failing-1") == ["FAILED"]
    finally:
        del sandbox.plane.world.failing["tools-0"]
    slow(gateway=HANDED_OVER, target=HANDED_OVER)
    desk.ask(stack("failing"), "failing-2")
    desk.outcome("failing-2", "Ready")
