"""A translated template's resources, created in moto; each is created when it is first referred to.

Types without a creator (roles, permissions, log groups, alarms, keys, schedules, everything of Lambda) are not created
in moto: they have a physical id and an ARN, and their resolved properties are kept. Not faithful: policies, KMS,
DependsOn, updates and deletion policies have no effect.
"""

import json
from collections.abc import Callable
from typing import Any

from tests.localcloud.distributed import adapted
from tests.localcloud.resolve import ACCOUNT, Resolver, Resource
from tests.localcloud.translate import Translated

Clients = Callable[[str], Any]
Maker = Callable[["Stack", str, dict[str, Any]], Resource]
_MACHINE_NAME_LENGTH = 80


class Stack:
    """The resources of one template."""

    def __init__(self, translated: Translated, name: str, region: str, url: str, clients: Clients) -> None:
        self.name, self.region, self.url, self.clients = name, region, url, clients
        self._template, self._resources = translated.template, dict[str, Resource]()
        self._resolver = Resolver(translated.template, translated.parameters, name, region, self.resource)

    def deploy(self) -> None:
        """Create every resource whose condition holds."""
        for logical_id, declaration in self._template["Resources"].items():
            if self._resolver.wanted(declaration):
                self.resource(logical_id)

    def resource(self, logical_id: str) -> Resource:
        """The resource of a logical id, which is created if it is not there yet."""
        if logical_id not in self._resources:
            declaration = self._template["Resources"][logical_id]
            make = _MAKERS.get(declaration["Type"], _pretend)
            # Roles and policies refer in circles, and have no effect here.
            ignored = declaration["Type"].startswith("AWS::IAM::")
            properties = {} if ignored else self._resolver.resolve(declaration.get("Properties", {}))
            made = make(self, logical_id, {**properties, "_type": declaration["Type"]})
            self._resources[logical_id] = Resource(made.physical_id, made.attributes, properties)
        return self._resources[logical_id]

    def of_type(self, kind: str) -> dict[str, Resource]:
        """The created resources of a type, by logical id."""
        types = {name: one["Type"] for name, one in self._template["Resources"].items()}
        return {name: one for name, one in self._resources.items() if types[name] == kind}

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        declared = self._template.get("Outputs", {}).items()
        return {name: self._resolver.resolve(one["Value"]) for name, one in declared if self._resolver.wanted(one)}

    def named(self, logical_id: str) -> str:
        """The name that a resource gets when the template gives none."""
        return f"{self.name}-{logical_id}"

    def arn(self, service: str, rest: str) -> str:
        """An ARN in this account and region."""
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{rest}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _queue(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    fifo = ".fifo" if properties.get("FifoQueue") else ""
    name = properties.get("QueueName", stack.named(logical_id) + fifo)
    skipped = {"QueueName", "Tags", "_type"}
    attributes = {key: _text(value) for key, value in properties.items() if key not in skipped}
    stack.clients("sqs").create_queue(QueueName=name, Attributes=attributes)
    return Resource(f"{stack.url}/{ACCOUNT}/{name}", {"Arn": stack.arn("sqs", name), "QueueName": name})


def _bus(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    name = properties.get("Name", stack.named(logical_id))
    arn = stack.clients("events").create_event_bus(Name=name)["EventBusArn"]
    return Resource(name, {"Arn": arn, "Name": name})


def _rule(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    name = properties.get("Name", stack.named(logical_id))
    bus = {"EventBusName": properties.get("EventBusName", "default")}
    settings: dict[str, Any] = {
        key: properties[key] for key in ("ScheduleExpression", "State", "Description") if key in properties
    }
    if "EventPattern" in properties:
        settings["EventPattern"] = json.dumps(properties["EventPattern"])
    events = stack.clients("events")
    arn = events.put_rule(Name=name, **bus, **settings)["RuleArn"]
    if properties.get("Targets"):
        events.put_targets(Rule=name, Targets=properties["Targets"], **bus)
    return Resource(name, {"Arn": arn})


def _table(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    name = properties.get("TableName", stack.named(logical_id))
    kept = {"KeySchema", "AttributeDefinitions", "BillingMode", "ProvisionedThroughput", "GlobalSecondaryIndexes"}
    kept |= {"LocalSecondaryIndexes", "DeletionProtectionEnabled"}
    settings = {key: value for key, value in properties.items() if key in kept}
    client = stack.clients("dynamodb")
    table = client.create_table(TableName=name, **settings)["TableDescription"]
    if "TimeToLiveSpecification" in properties:
        client.update_time_to_live(TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"])
    return Resource(name, {"Arn": table["TableArn"]})


def _bucket(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    name = properties.get("BucketName", stack.named(logical_id)).lower()
    client = stack.clients("s3")
    client.create_bucket(Bucket=name)
    if "VersioningConfiguration" in properties:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])
    return Resource(name, {"Arn": f"arn:aws:s3:::{name}", "DomainName": f"{name}.s3.amazonaws.com"})


def _secret(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    client, generated = stack.clients("secretsmanager"), properties.get("GenerateSecretString")
    value = properties.get("SecretString", "")
    if generated is not None:
        taken = ("PasswordLength", "ExcludeCharacters", "ExcludePunctuation", "IncludeSpace")
        wishes = {key: generated[key] for key in taken if key in generated}
        value = client.get_random_password(**wishes)["RandomPassword"]
    name = properties.get("Name", stack.named(logical_id))
    arn = client.create_secret(Name=name, SecretString=value)["ARN"]
    return Resource(arn, {"Id": arn, "Arn": arn})


def _machine(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    name = properties.get("StateMachineName", stack.named(logical_id))[:_MACHINE_NAME_LENGTH]
    definition = properties.get("DefinitionString") or json.dumps(properties["Definition"])
    for key, value in properties.get("DefinitionSubstitutions", {}).items():
        definition = definition.replace("${" + key + "}", _text(value))
    kind = properties.get("StateMachineType", "STANDARD")
    made = stack.clients("stepfunctions").create_state_machine(
        name=name, definition=adapted(definition), roleArn=properties["RoleArn"], type=kind
    )
    arn = made["stateMachineArn"]
    return Resource(arn, {"Arn": arn, "Name": name, "StateMachineRevisionId": "1"})


def _function(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    name = properties.get("FunctionName", stack.named(logical_id))
    return Resource(name, {"Arn": stack.arn("lambda", f"function:{name}")})


def _function_part(stack: Stack, _logical_id: str, properties: dict[str, Any]) -> Resource:
    """A version or an alias of a function; Ref gives its ARN."""
    function = properties["FunctionName"].rpartition(":function:")[2]
    arn = stack.arn("lambda", f"function:{function}:{properties.get('Name', '1')}")
    return Resource(arn, {"Version": "1", "Arn": arn, "AliasArn": arn, "FunctionArn": arn})


def _role(stack: Stack, logical_id: str, _properties: dict[str, Any]) -> Resource:
    return Resource(stack.named(logical_id), {"Arn": f"arn:aws:iam::{ACCOUNT}:role/{stack.named(logical_id)}"})


def _log_group(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    name = properties.get("LogGroupName", stack.named(logical_id))
    return Resource(name, {"Arn": stack.arn("logs", f"log-group:{name}:*")})


def _pretend(stack: Stack, logical_id: str, properties: dict[str, Any]) -> Resource:
    """A resource that is only referred to."""
    _, service, kind = properties["_type"].split("::")
    name = properties.get("Name", stack.named(logical_id))
    return Resource(name, {"Arn": stack.arn(service.lower(), f"{kind.lower()}/{name}")})


_MAKERS: dict[str, Maker] = {
    "AWS::SQS::Queue": _queue,
    "AWS::Events::EventBus": _bus,
    "AWS::Events::Rule": _rule,
    "AWS::DynamoDB::Table": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _machine,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::Version": _function_part,
    "AWS::Lambda::Alias": _function_part,
    "AWS::IAM::Role": _role,
    "AWS::Logs::LogGroup": _log_group,
}
