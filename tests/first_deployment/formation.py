"""The translated template in moto's CloudFormation, arranged for what that lacks.

moto's CloudFormation ignores Rules, and deletion policies when a creation fails. It keeps a null in a list where
AWS::NoValue stands, so every Fn::If is decided here. Of the types in LACKED it creates nothing and takes a Ref to them
for nothing; they are taken out, and a function stands where its alias is referred to. It mistakes a Ref to a bus, in
whose place the bus's name stands.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.first_deployment.switches import Given
from tests.localcloud.resolve import Resolver, Resource, partition_of
from tests.localcloud.translate import Translated

#: What moto 5.2 cannot create: a test says so when it learns to.
LACKED = frozenset(
    {
        "AWS::CloudWatch::Alarm",
        "AWS::Events::EventBusPolicy",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::Scheduler::Schedule",
    }
)
_NO_VALUE = {"Ref": "AWS::NoValue"}


def resolver(translated: Translated, region: str = "us-east-1") -> Resolver:
    """Return what resolves a template before anything of it exists."""
    template = translated.template["Resources"]

    def resource(name: str) -> Resource:
        kind = template[name]["Type"]
        text = f"arn:{partition_of(region)}:{kind.split('::')[1].lower()}:{region}:123456789012:{name}"
        return Resource(text, {"Arn": text, "QueueName": name})

    return Resolver(translated.template, translated.parameters, "gatewright", region, resource)


def resolved(translated: Translated, region: str = "us-east-1") -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the type and the properties of every resource that is made."""
    found, values = translated.template["Resources"], resolver(translated, region)
    return {
        name: (one["Type"], values.resolve(one.get("Properties", {})))
        for name, one in found.items()
        if values.wanted(one)
    }


def arranged(translated: Translated) -> dict[str, Any]:
    """Return a template that moto can create."""
    found, values = translated.template["Resources"], resolver(translated)
    instead = dict(_instead(found))

    def plain(value: Any) -> Any:
        while isinstance(value, dict) and "Fn::If" in value:
            condition, yes, no = value["Fn::If"]
            value = yes if values.holds(condition) else no
        if isinstance(value, dict) and value.get("Ref") in instead:
            return instead[value["Ref"]]
        if isinstance(value, dict):
            made = {name: plain(one) for name, one in value.items()}
            return {name: one for name, one in made.items() if one != _NO_VALUE} if value != _NO_VALUE else value
        if isinstance(value, list):
            return [one for one in map(plain, value) if one != _NO_VALUE]
        return value

    kept = {name: plain(one) for name, one in found.items() if one["Type"] not in LACKED}
    return {**translated.template, "Resources": kept, "Outputs": plain(translated.template["Outputs"])}


def _instead(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what stands where a resource is referred to."""
    for name, one in found.items():
        if one["Type"] == "AWS::Lambda::Alias":
            yield name, {"Fn::GetAtt": [one["Properties"]["FunctionName"]["Ref"], "Arn"]}
        elif one["Type"] == "AWS::Events::EventBus":
            yield name, one["Properties"]["Name"]


def create(client: Callable[[str], Any], translated: Translated, given: Given) -> str:
    """Have moto create a stack with the parameters that are given, and return its name."""
    name = f"gatewright-{uuid.uuid4().hex[:8]}"
    upload(client("s3"), translated)
    client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(arranged(translated)),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    return name


def upload(s3: Any, translated: Translated) -> None:
    """Put an artifact where the functions look for theirs: moto wants to find one and does not open it."""
    s3.create_bucket(Bucket="local")
    for name in translated.artifacts:
        s3.put_object(Bucket="local", Key=name, Body=b"PK\x05\x06" + bytes(18))
