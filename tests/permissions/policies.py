"""What the template's roles may do, read from what the SAM translator makes of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.localcloud.resolve import Resolver, Resource
from tests.localcloud.translate import Translated, translate
from tests.permissions.cloudformation import PERMISSIONS

HERE = Path(__file__).parent
TEMPLATE = HERE.parents[1] / "template.yaml"
TABLE: Mapping[str, Any] = yaml.safe_load((HERE / "actions.yaml").read_text("utf-8"))
RECORDED: Mapping[str, list[str]] = yaml.safe_load((HERE / "recorded.yaml").read_text("utf-8"))
_NAMED = "arn:aws:"
#: Every switch on, so that every statement is there.
EVERYTHING = {
    "PassableRoleArns": "arn:aws:iam::123456789012:role/payments-gateway",
    "SecretArns": "arn:aws:secretsmanager:us-east-1:123456789012:secret:payments/*",
    "ManagedPrivateEndpoints": "true",
    "SelfManagedPrivateEndpoints": "true",
    "CapacityProviders": "true",
    "ObjectArns": "arn:aws:s3:::payments-schemas/*",
    "RestApiArns": "arn:aws:apigateway:us-east-1::/restapis/*/stages/*/exports/*",
    "DocumentKeyArns": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000001",
    "InferenceTargets": "true",
    "SynchronizationSchedule": "rate(1 day)",
    "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
    "SubnetIds": "subnet-1",
    "SecurityGroupIds": "sg-1",
}


@dataclass(frozen=True)
class Statement:
    """One statement that allows."""

    sid: str
    actions: frozenset[str]
    resources: tuple[str, ...]
    condition: Mapping[str, Any]

    def allows(self, action: str, resource: str) -> bool:
        fits = any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), resource) for one in self.resources)
        return action in self.actions and fits


class Roles:
    """The statements of each function and state machine, by its logical id."""

    def __init__(self, path: Path = TEMPLATE, parameters: Mapping[str, str] | None = None) -> None:
        translated: Translated = translate(path, dict(EVERYTHING if parameters is None else parameters))
        self._resources: dict[str, Any] = translated.template["Resources"]
        self._resolver = Resolver(translated.template, translated.parameters, "gatewright", "us-east-1", self._named)

    def statements(self, who: str) -> list[Statement]:
        properties = self._resources[who]["Properties"]
        role = properties.get("Role") or properties.get("RoleArn")
        return list(self._of_role(role["Fn::GetAtt"][0]))

    def actions(self, who: str) -> set[str]:
        return {action for one in self.statements(who) for action in one.actions}

    def passed_to(self, who: str) -> set[str]:
        found = [one.condition for one in self.statements(who) if "iam:PassRole" in one.actions]
        return {str(condition["StringEquals"]["iam:PassedToService"]) for condition in found}

    def _of_role(self, name: str) -> Iterator[Statement]:
        properties = self._resources[name]["Properties"]
        attached = self._resolver.resolve(properties.get("ManagedPolicyArns", []))
        managed = [self._resources[one.removeprefix(_NAMED)]["Properties"] for one in attached]
        for one in [*properties.get("Policies", []), *managed]:
            statements = self._resolver.resolve(one["PolicyDocument"])["Statement"]
            assert statements, "IAM refuses a policy without statements"
            for statement in statements:
                assert statement["Effect"] == "Allow"
                yield _statement(statement)

    def _named(self, logical_id: str) -> Resource:
        name = f"{_NAMED}{logical_id}"
        return Resource(name, {"Arn": name, "QueueName": logical_id})


def _statement(one: Mapping[str, Any]) -> Statement:
    actions, resources = frozenset(_list(one["Action"])), tuple(_list(one["Resource"]))
    return Statement(one.get("Sid", ""), actions, resources, one.get("Condition", {}))


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def needed(who: str, recorded: Mapping[str, list[str]] = RECORDED, *, runs: bool) -> set[str]:
    """The actions that somebody's recorded operations ask for; `runs` says that it runs requests too."""
    operations = [*recorded.get(who, ()), *(recorded["worker"] if runs else ())]
    found = {action for operation in operations for action in asked_by(operation)}
    exempt = [*TABLE["unrecorded"].get(who, ()), *(TABLE["unrecorded"]["worker"] if runs else ())]
    return found | set(exempt)


def asked_by(operation: str) -> list[str]:
    """Return the actions that a recorded operation asks for, sorted."""
    return sorted(sources_of(operation))


def sources_of(operation: str) -> dict[str, str]:
    """Return the actions that an operation asks for, each with the source that says so."""
    service, _, name = operation.partition(":")
    if name in TABLE["instead"]:
        return dict.fromkeys(TABLE["instead"][name], "service authorization reference")
    listed = dict.fromkeys(PERMISSIONS.get((service, name), ()), "CloudFormation schema")
    own = {f"{TABLE['prefixes'][service]}:{name}": "recorded call"}
    return {**TABLE["beside"].get(name, {}), **own, **listed}


def differences(roles: Roles, who: str, *, runs: bool) -> list[str]:
    """What somebody may do and does not, and the other way round."""
    may, does = roles.actions(who), needed(who, runs=runs)
    return [f"{who} may {one} and never does" for one in sorted(may - does)] + [
        f"{who} does {one} and may not" for one in sorted(does - may)
    ]
