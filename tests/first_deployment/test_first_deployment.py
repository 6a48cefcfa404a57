"""The first deployment comes up, whatever the parameters; one that fails leaves nothing behind."""

from collections.abc import Callable
from functools import partial
from typing import Any

import boto3
import pytest
from moto.cloudformation.parsing import get_model_map

from tests.first_deployment.covering import covering, every_pair, pairs_of
from tests.first_deployment.formation import LACKED, create, resolved, resolver
from tests.first_deployment.iam import refusals
from tests.first_deployment.switches import PARAMETERS, choices, everything, together, ways
from tests.localcloud.translate import translate
from tests.permissions.policies import TEMPLATE

WAYS = ways()
#: Whose roles may do what a run does.
RUNS = frozenset({"RequestsRole", "EventsRole", "ConvergeRole"})


@pytest.fixture(scope="module")
def client(moto) -> Callable[[str], Any]:
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    make: Callable[..., Any] = session.client
    return partial(make, endpoint_url=moto)


def test_the_ways_hold_every_two_choices_of_two_parameters():
    found = choices()
    rows = covering(found)
    assert every_pair(found) == {pair for row in rows for pair in pairs_of(row)}
    given = list(WAYS.values())
    for pair in every_pair(found):
        wanted = together(*(found[name][index] for name, index in pair)).items()
        assert any(wanted <= one.items() for one in given), pair
    assert everything().keys() == PARAMETERS.keys()


@pytest.mark.sweep
@pytest.mark.parametrize("given", WAYS.values(), ids=WAYS)
def test_iam_takes_every_policy(given):
    """At least one statement in each, with effect, actions and resources, and within IAM's sizes."""
    assert list(refusals(resolved(translate(TEMPLATE, given)))) == []


@pytest.mark.real_time
@pytest.mark.parametrize("given", WAYS.values(), ids=WAYS)
def test_the_template_is_created(client, given):
    """All of it is made but the types that moto lacks, and every output has its value."""
    translated = translate(TEMPLATE, given)
    name = create(client, translated, given)
    (stack,) = client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert {one["OutputKey"]: bool(one["OutputValue"]) for one in stack["Outputs"]} == dict.fromkeys(
        translated.template["Outputs"], True
    )
    pages = client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    made = {one["LogicalResourceId"] for page in pages for one in page["StackResourceSummaries"]}
    # What a condition leaves out is listed without a name.
    assert made - {""} == {one for one, (kind, _) in resolved(translated).items() if kind not in LACKED}


@pytest.mark.sweep
@pytest.mark.parametrize("given", [one for found in choices().values() for one in found if one], ids=str)
def test_what_one_parameter_alone_switches_on_is_granted(given):
    """The policy that parameters fill is there, and attached, as soon as one of them gives it a statement."""
    translated = translate(TEMPLATE, together(given))
    found = resolved(translated)
    document = translated.template["Resources"]["ReachPolicy"]["Properties"]["PolicyDocument"]
    statements = resolver(translated).resolve(document)["Statement"]
    functions = [properties["ManagedPolicyArns"] for name, (_, properties) in found.items() if name in RUNS]
    assert len(functions) == len(RUNS)
    attached = {any(arn.endswith(":ReachPolicy") for arn in one) for one in functions}
    assert attached == {"ReachPolicy" in found} == {bool(statements)}


def test_moto_lacks_what_is_said_that_it_lacks():
    types = {kind for kind, _ in resolved(translate(TEMPLATE, everything())).values()}
    assert types - get_model_map().keys() == LACKED


def test_what_is_retained_is_not_what_a_failed_creation_leaves():
    """A table and a bucket that hold nothing yet go with a stack that never came up; later they stay, for good."""
    resources = translate(TEMPLATE).template["Resources"]
    policies = {
        name: (one.get("DeletionPolicy"), one.get("UpdateReplacePolicy"))
        for name, one in resources.items()
        if "UpdateReplacePolicy" in one
    }
    assert policies == dict.fromkeys(("LedgerTable", "DocumentsBucket"), ("RetainExceptOnCreate", "Retain"))
    # Versions of functions are SAM's: Lambda removes them with their function.
    others = {one["Type"] for name, one in resources.items() if "DeletionPolicy" in one and name not in policies}
    assert others == {"AWS::Lambda::Version"}
