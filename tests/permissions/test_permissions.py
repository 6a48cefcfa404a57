"""Least privilege: what the roles may do is what the suite was seen to do, both ways, over exactly those resources."""

import pytest

from tests.permissions.cloudformation import permissions_of
from tests.permissions.policies import TABLE, TEMPLATE, Roles, differences
from tests.permissions.reference import exists, resources_of
from workflows.kinds import KINDS

FUNCTIONS = ("RequestsFunction", "EventsFunction", "ConvergeFunction")
MACHINES = ("ConvergeMachine", "FleetMachine")
#: The services whose ARNs have the form of the reference.
OURS = ("bedrock-agentcore:", "agent-registry:", "bedrock-mantle:")


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


@pytest.mark.parametrize("who", [*FUNCTIONS, *MACHINES])
def test_every_action_is_in_the_service_authorization_reference(roles, who):
    """A misspelled action grants nothing."""
    assert {one for one in roles.actions(who) if not exists(one)} <= set(TABLE["unlisted"])


@pytest.mark.parametrize("who", [*FUNCTIONS, *MACHINES])
def test_every_action_is_granted_over_the_resources_that_it_knows(roles, who):
    """Over "*" if the reference has no resource type for the action; the service's own, over each required type."""
    assert uncovered(roles, who) == []


def uncovered(roles: Roles, who: str) -> list[str]:
    """Return the actions of AWS that are granted over resources which the action does not know."""
    statements, found = roles.statements(who), []
    for action in sorted(roles.actions(who) - set(TABLE["unlisted"])):
        known = resources_of(action)
        if known and not action.startswith(OURS):
            continue  # The ARNs of the deployment's own resources are not known here.
        found += [
            f"{action} on {one}"
            for one in known or ["*"]
            if not any(statement.allows(action, one) for statement in statements)
        ]
    return found


def test_an_action_over_resources_that_it_does_not_know_is_found(tmp_path):
    """CreateGateway has no resource type: over the ARN of gateways the grant would match nothing."""
    moved = "              - bedrock-agentcore:CreateGateway\n"
    target = "              - bedrock-agentcore:GetGateway\n"
    text = TEMPLATE.read_text("utf-8").replace(moved, "", 1).replace(target, moved + target, 1)
    changed = tmp_path / "template.yaml"
    changed.write_text(text.replace("DefinitionUri: infra", f"DefinitionUri: {TEMPLATE.parent}/infra"))
    assert uncovered(Roles(changed), "ConvergeFunction") == ["bedrock-agentcore:CreateGateway on *"]


def test_nothing_is_granted_in_another_account(roles):
    """Of AgentCore and of registries, where the action knows resources."""
    statements = roles.statements("ConvergeFunction")
    wide = [
        (action, one)
        for action in sorted(roles.actions("ConvergeFunction") - set(TABLE["unlisted"]))
        if action.startswith(OURS)
        for one in resources_of(action)
        if any(each.allows(action, one.replace("123456789012", "210987654321")) for each in statements)
    ]
    assert wide == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.cloudformation], ids=lambda kind: kind.section)
@pytest.mark.parametrize("who", FUNCTIONS)
def test_what_cloudformation_lists_is_granted(roles, who, kind):
    """AgentCore checks rights of the caller that no call shows; with every parameter given, the worker has them."""
    for operation, permissions in permissions_of(kind).items():
        assert permissions - roles.actions(who) == set(), operation


def test_with_every_switch_off_what_it_switches_is_not_granted():
    """No role can be passed, no secret read, no network touched until a parameter says so."""
    actions = Roles(parameters={}).actions("ConvergeFunction")
    switched = ("iam:", "ec2:", "vpc-lattice:", "kms:", "apigateway:", "bedrock-mantle:")
    assert {one for one in actions if one.startswith(switched)} == {"iam:CreateServiceLinkedRole"}
    statements = Roles(parameters={}).statements("ConvergeFunction")
    (linked,) = [one for one in statements if "iam:CreateServiceLinkedRole" in one.actions]
    names = linked.condition["StringEquals"]["iam:AWSServiceName"]
    assert {name.partition(".")[2] for name in names} <= {"amazonaws.com", "bedrock-agentcore.amazonaws.com"}
    objects = [one.resources for one in statements if "s3:GetObject" in one.actions]
    assert all(name.startswith("arn:aws:DocumentsBucket/") for names in objects for name in names)
    reading = [one for one in statements if "secretsmanager:GetSecretValue" in one.actions]
    assert {one.sid for one in reading} == {"ProvidersOwnSecrets"}
