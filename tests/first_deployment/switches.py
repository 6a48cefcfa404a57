"""The ways to deploy: the template's parameters, each with its default and what else it may be."""

from collections.abc import Mapping
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from tests.first_deployment.covering import covering
from tests.permissions.policies import TEMPLATE

PARAMETERS: Mapping[str, Any] = yaml_parse(TEMPLATE.read_text("utf-8"))["Parameters"]
_ARN = "arn:aws:{}:us-east-1:123456789012:{}"
#: Of the parameters whose values the template does not name: one that is not the default.
ALTERNATIVES: Mapping[str, str] = {
    "PassableRoleArns": "arn:aws:iam::123456789012:role/payments-gateway,arn:aws:iam::123456789012:role/tools/*",
    "SecretArns": _ARN.format("secretsmanager", "secret:payments/*"),
    "ObjectArns": "arn:aws:s3:::payments-schemas/*,arn:aws:s3:::payments-code/*",
    "RestApiArns": "arn:aws:apigateway:us-east-1::/restapis/*/stages/*/exports/*",
    "DocumentKeyArns": _ARN.format("kms", "key/00000000-0000-0000-0000-000000000001"),
    "SubmitterAccounts": "210987654321,310987654321",
    "SubmitterSources": "gatewright.terminal,pipelines",
    "OperatorRoleArns": "arn:aws:iam::123456789012:role/operators",
    "MaxConcurrency": "50",
    "SynchronizationSchedule": "rate(1 day)",
    "HistoryDays": "7",
    "KmsKeyArn": _ARN.format("kms", "key/00000000-0000-0000-0000-000000000000"),
    "SubnetIds": "subnet-0a1b2c3d4e5f60718,subnet-0a1b2c3d4e5f60719",
    "SecurityGroupIds": "sg-0a1b2c3d4e5f60718",
    "AlarmTopicArn": _ARN.format("sns", "alarms"),
}
Given = dict[str, str]


def choices() -> dict[str, list[Given]]:
    """Return what each parameter may be given as: not at all, and up to two other values."""
    found: dict[str, list[Given]] = {}
    for name, declared in PARAMETERS.items():
        allowed = [str(value) for value in declared.get("AllowedValues", ())]
        others = [value for value in allowed if value != str(declared["Default"])]
        found[name] = [{}, *({name: value} for value in others[-2:] or [ALTERNATIVES[name]])]
    return found


def together(*given: Given) -> Given:
    """Return several choices as one; the template's rule wants groups with subnets."""
    made = {name: value for one in given for name, value in one.items()}
    if "SubnetIds" in made:
        made.setdefault("SecurityGroupIds", ALTERNATIVES["SecurityGroupIds"])
    return made


def everything() -> Given:
    """Return every parameter, none as its default."""
    return together(*(found[-1] for found in choices().values()))


def ways() -> dict[str, Given]:
    """Return ways to deploy by a name each: nothing given, everything given, and every two choices together."""
    found = choices()
    rows = [together(*(found[name][index] for name, index in row.items())) for row in covering(found)]
    return {"nothing": {}, "everything": everything(), **{f"pairs {n}": row for n, row in enumerate(rows) if row}}
