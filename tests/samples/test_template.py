"""What no linter finds in the template and a deployment would: limits, functions, and settings that never arrive."""

import json
import re
from pathlib import Path

import pytest

from tests.localcloud.resolve import Resolver, Resource
from tests.localcloud.translate import translate
from tests.permissions.policies import EVERYTHING

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
#: The functions that CloudFormation knows in Rules.
IN_RULES = {"And", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "Not", "Or", "RefAll", "ValueOf", "Ref"}
ROLES = ",".join(
    f"arn:aws:iam::123456789012:role/a-team-with-quite-a-long-name/gateway-{number}" for number in range(20)
)
FUNCTIONS = ("RequestsFunction", "EventsFunction", "ConvergeFunction")


def resolved(parameters: dict[str, str]) -> dict[str, dict]:
    """The resources that parameters make, with their values put in."""
    translated = translate(TEMPLATE, parameters)
    resolver = Resolver(
        translated.template,
        translated.parameters,
        "gatewright-production",
        "us-east-1",
        lambda name: Resource(name, {}),
    )
    found = translated.template["Resources"]
    return {name: resolver.resolve(one["Properties"]) for name, one in found.items() if resolver.wanted(one)}


def test_rules_use_only_the_functions_that_they_know():
    """Others fail the whole deployment before it begins."""
    rules = TEMPLATE.read_text("utf-8").partition("\nRules:\n")[2].partition("\nConditions:")[0]
    assert set(re.findall(r"!(\w+)", rules)) <= IN_RULES


@pytest.mark.parametrize("parameters", [{}, {**EVERYTHING, "PassableRoleArns": ROLES}], ids=["bare", "everything"])
def test_managed_policies_fit_into_what_iam_takes(parameters):
    """6,144 characters without white space, with every switch on and twenty roles."""
    policies = {
        name: one for name, one in resolved(parameters).items() if name.endswith("Policy") and "Description" in one
    }
    assert len(policies) >= 3
    sizes = {name: len(json.dumps(one["PolicyDocument"], separators=(",", ":"))) for name, one in policies.items()}
    assert {name: size for name, size in sizes.items() if size > 6144} == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"Mode": "OBSERVE"},
        {"LogLevel": "DEBUG"},
        {"MaxConcurrency": "50"},
        {"HistoryDays": "7"},
        {"KmsKeyArn": EVERYTHING["KmsKeyArn"]},
        {"SubnetIds": "subnet-1", "SecurityGroupIds": "sg-1"},
        {"Architecture": "x86_64"},
    ],
    ids=", ".join,
)
def test_a_parameter_that_changes_a_function_publishes_another_version(changed):
    """Everything is wired to the alias; without another version the change would never reach it."""

    def versions(parameters: dict[str, str]) -> set[tuple[str, str]]:
        found = resolved(parameters).items()
        return {(name, one["Description"]) for name, one in found if "FunctionVersion" not in one and "Version" in name}

    before, after = versions({}), versions(changed)
    assert len(before) == len(after) == len(FUNCTIONS)
    assert before.isdisjoint(after)
    assert all(len(description) <= 256 for _, description in versions({**EVERYTHING, **changed}))


def test_messages_are_hidden_for_six_times_as_long_as_a_function_may_take():
    found = resolved({})
    assert found["RequestsQueue"]["VisibilityTimeout"] >= 6 * found["RequestsFunction"]["Timeout"]
    deliveries = int(found["RequestsFunction"]["Environment"]["Variables"]["GATEWRIGHT_MAX_DELIVERIES"])
    assert found["RequestsQueue"]["RedrivePolicy"]["maxReceiveCount"] == deliveries + 1


@pytest.mark.parametrize(
    ("parameters", "queue", "direct"),
    [
        ({}, "ENABLED", "DISABLED"),
        ({"Intake": "DIRECT"}, "DISABLED", "ENABLED"),
        ({"Intake": "DIRECT", "Mode": "PAUSED"}, "ENABLED", "DISABLED"),
    ],
)
def test_requests_take_one_way_in_and_wait_while_the_deployment_is_paused(parameters, queue, direct):
    found = resolved(parameters)
    assert (found["RequestsRule"]["State"], found["DirectRule"]["State"]) == (queue, direct)
    mapping = next(one for name, one in found.items() if "BatchSize" in one)
    assert mapping["Enabled"] is (parameters.get("Mode") != "PAUSED")
