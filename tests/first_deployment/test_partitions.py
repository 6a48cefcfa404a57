"""AgentCore exists in other partitions: nothing that is deployed there names an ARN of this one."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.first_deployment.formation import resolved
from tests.first_deployment.switches import everything
from tests.localcloud.translate import translate
from tests.permissions.policies import TEMPLATE

REGIONS = {"us-east-1": "aws", "us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}
_PLACE = re.compile(r"\$\{(\w+)\}")


def deployed(region: str) -> dict[str, tuple[str, Any]]:
    """Return the resources that a Region gets with every parameter set, each ARN of the Region's partition."""
    partition = REGIONS[region]
    given = {name: value.replace("arn:aws:", f"arn:{partition}:") for name, value in everything().items()}
    return resolved(translate(TEMPLATE, given, region), region)


def definitions(resources: dict[str, tuple[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, (kind, properties) in resources.items():
        if kind == "AWS::StepFunctions::StateMachine":
            values = properties["DefinitionSubstitutions"]
            text = _PLACE.sub(lambda match: str(values[match[1]]), properties["DefinitionString"])  # noqa: B023 - used at once
            yield name, json.loads(text)


def tasks(value: Any) -> Iterator[str]:
    """Yield what states, readers and writers call."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        if isinstance(value.get("Resource"), str):
            yield value["Resource"]
        for one in value.values():
            yield from tasks(one)


@pytest.mark.parametrize(("region", "partition"), REGIONS.items())
def test_state_machines_call_the_services_of_their_partition(region, partition):
    found = dict(definitions(deployed(region)))
    assert found.keys() == {"ConvergeMachine", "FleetMachine"}
    called = [task for definition in found.values() for task in tasks(definition)]
    assert len(called) == 7
    assert [task for task in called if not task.startswith(f"arn:{partition}:states:::")] == []


@pytest.mark.parametrize("region", [region for region, partition in REGIONS.items() if partition != "aws"])
def test_nothing_names_an_arn_of_another_partition(region):
    resources = deployed(region)
    assert [name for name, one in resources.items() if "arn:aws:" in json.dumps(one)] == []
    assert "arn:aws:" not in json.dumps(dict(definitions(resources)))


def test_every_value_that_a_state_machine_takes_is_passed_in_and_used():
    for name, (kind, properties) in deployed("us-east-1").items():
        if kind == "AWS::StepFunctions::StateMachine":
            assert set(_PLACE.findall(properties["DefinitionString"])) == set(properties["DefinitionSubstitutions"]), (
                name
            )
