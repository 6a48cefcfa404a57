"""Least privilege: what the roles may do is what the suite was seen to do, both ways, over exactly those resources."""

import re

import pytest

from tests.permissions.policies import RECORDED, TABLE, TEMPLATE, Roles, asked_by, differences
from workflows.kinds import KINDS

FUNCTIONS = ("RequestsFunction", "EventsFunction", "ConvergeFunction")
MACHINES = ("ConvergeMachine", "FleetMachine")


@pytest.fixture(scope="module")
def roles() -> Roles:
    return Roles()


@pytest.mark.parametrize("who", [*FUNCTIONS, *MACHINES])
def test_a_role_may_do_what_is_done_and_nothing_else(roles, who):
    assert differences(roles, who, runs=who in FUNCTIONS) == []


@pytest.mark.parametrize("who", FUNCTIONS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.section)
def test_every_operation_of_a_kind_is_permitted(roles, who, kind):
    """A kind brings its operations, and the template must let the worker perform them."""
    prefix = TABLE["prefixes"][kind.service]
    assert {f"{prefix}:{operation}" for operation in kind.actions} <= roles.actions(who)


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("              - bedrock-agentcore:DeleteGateway\n", "", "does bedrock-agentcore:DeleteGateway and may not"),
        (
            "Action: states:StartExecution\n",
            "Action: states:StopExecution\n",
            "may states:StopExecution and never does",
        ),
        (
            "              - dynamodb:Query\n",
            "              - dynamodb:Query\n              - dynamodb:DeleteTable\n",
            "may dynamodb:DeleteTable and never does",
        ),
    ],
)
def test_an_action_taken_out_of_the_template_or_put_in_is_found(tmp_path, was, becomes, says):
    """The check itself is checked: a template with another policy turns it red."""
    text = TEMPLATE.read_text("utf-8")
    assert was in text
    changed = tmp_path / "template.yaml"
    changed.write_text(
        text.replace(was, becomes).replace("DefinitionUri: infra", f"DefinitionUri: {TEMPLATE.parent}/infra")
    )
    found = differences(Roles(changed), "RequestsFunction", runs=True)
    assert [one for one in found if says in one]


@pytest.mark.parametrize("who", [*FUNCTIONS, *MACHINES])
def test_every_resource_is_named_or_has_its_reason(roles, who):
    for statement in roles.statements(who):
        wild = [one for one in statement.resources if one == "*" or (one.endswith(":*") and ":role/" in one)]
        assert not wild or statement.sid in TABLE["wildcards"], statement


def test_roles_are_passed_to_agentcore_alone_and_only_those_of_the_parameter(roles):
    for who in FUNCTIONS:
        assert roles.passed_to(who) == {"bedrock-agentcore.amazonaws.com"}
        (statement,) = [one for one in roles.statements(who) if "iam:PassRole" in one.actions]
        assert statement.resources == ("arn:aws:iam::123456789012:role/payments-gateway",)


@pytest.mark.parametrize("operation", [one for one in RECORDED["worker"] if "agentcore-control" in one])
def test_an_operation_is_allowed_on_its_resource_and_not_in_another_account(roles, operation):
    """The statement that allows an operation covers the resources of its kind, and those of nobody else."""
    name = operation.partition(":")[2]
    resource = next(resource for pattern, resource in TABLE["resources"] if re.search(pattern, name))
    statements = roles.statements("ConvergeFunction")
    action = asked_by(operation)[0]
    assert any(one.allows(action, resource) for one in statements)
    if resource != "*":
        assert not any(one.allows(action, resource.replace("123456789012", "210987654321")) for one in statements)


def test_with_every_switch_off_what_it_switches_is_not_granted():
    """No role can be passed, no secret read, no network touched until a parameter says so."""
    actions = Roles(parameters={}).actions("ConvergeFunction")
    assert not {one for one in actions if one.startswith(("iam:", "ec2:", "vpc-lattice:", "kms:"))}
    statements = Roles(parameters={}).statements("ConvergeFunction")
    reading = [one for one in statements if "secretsmanager:GetSecretValue" in one.actions]
    assert {one.sid for one in reading} == {"ProvidersOwnSecrets"}
