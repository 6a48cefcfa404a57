"""What IAM demands of policies and roles before it makes them, which CloudFormation learns only from its refusal.

moto asks for less: it takes statements without a resource, and knows no sizes. The numbers are IAM's quotas.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MANAGED, INLINE, TRUST, ATTACHED = 6_144, 10_240, 2_048, 10
_SID = re.compile(r"[0-9A-Za-z]*")
_ACTION = re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*]+")
_RESOURCE = re.compile(r"\*|arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|aws)?:\S+")
#: Policies of a resource, by the type that holds one.
OF_RESOURCES = frozenset({"AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"})


def refusals(resources: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield what IAM would refuse of resolved resources: their types and properties by logical id."""
    for name, (kind, properties) in resources.items():
        if kind == "AWS::IAM::ManagedPolicy":
            yield from _policy(properties["PolicyDocument"], name)
            yield from _too_long(properties["PolicyDocument"], MANAGED, name)
        elif kind == "AWS::IAM::Role":
            yield from _role(properties, name)
        elif kind in OF_RESOURCES:
            yield from _policy(properties["PolicyDocument"], name, principal=True)
        elif kind == "AWS::Events::EventBusPolicy":
            yield from _policy({"Version": "2012-10-17", "Statement": properties["Statement"]}, name, principal=True)


def _role(properties: Mapping[str, Any], name: str) -> Iterator[str]:
    trust, inline = properties["AssumeRolePolicyDocument"], properties.get("Policies", [])
    yield from _policy(trust, f"{name}'s trust", principal=True, resource=False)
    yield from _too_long(trust, TRUST, f"{name}'s trust")
    for one in inline:
        yield from _policy(one["PolicyDocument"], f"{name}.{one['PolicyName']}")
    yield from _too_long([one["PolicyDocument"] for one in inline], INLINE, name)
    if len(properties.get("ManagedPolicyArns", [])) > ATTACHED:
        yield f"{name}: more than {ATTACHED} managed policies"


def _policy(document: Any, where: str, *, principal: bool = False, resource: bool = True) -> Iterator[str]:
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    if document.get("Version") != "2012-10-17" or not statements:
        yield f"{where}: no statements, or no version"
    sids = [one["Sid"] for one in statements if "Sid" in one]
    if len(sids) != len(set(sids)) or not all(map(_SID.fullmatch, sids)):
        yield f"{where}: Sids {sids}"
    for index, one in enumerate(statements):
        place = f"{where}[{one.get('Sid', index)}]"
        yield from (f"{place}: {problem}" for problem in _statement(one, principal=principal, resource=resource))


def _statement(one: Mapping[str, Any], *, principal: bool, resource: bool) -> Iterator[str]:
    if one.get("Effect") not in {"Allow", "Deny"}:
        yield "no effect"
    yield from _texts(one, "Action", _ACTION)
    if resource:
        yield from _texts(one, "Resource", _RESOURCE)
    if principal and not one.get("Principal"):
        yield "no principal"
    if "Condition" in one and not all(one["Condition"].values()):
        yield "an empty condition"


def _texts(one: Mapping[str, Any], member: str, form: re.Pattern[str]) -> Iterator[str]:
    given = one.get(member)
    texts = given if isinstance(given, list) else [given]
    if not texts:
        yield f"no {member}"
    yield from (f"{member} {text!r}" for text in texts if not isinstance(text, str) or not form.fullmatch(text))


def _too_long(document: Any, most: int, where: str) -> Iterator[str]:
    """IAM counts no white space."""
    size = len(re.sub(r"\s", "", json.dumps(document)))
    if size > most:
        yield f"{where}: {size} characters of {most}"
