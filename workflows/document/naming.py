"""What a document names outside itself: roles, secrets, keys, functions, buckets, networks, other teams' resources.

One table says of every member of AWS's requests that holds text whether it names something, and what. What stands
in neither table is named by nobody and refused by whoever must decide about it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from botocore.model import ListShape, MapShape, Shape, StructureShape

from infra.arns import arn_of
from infra.secrets import SecretReference
from infra.service_model import Path, is_document
from workflows.document import references
from workflows.document.problems import path_text
from workflows.document.stack import Resource, Stack
from workflows.document.urls import host_of, path_of

#: What can be granted, and what it is of.
CATEGORIES: Mapping[str, str] = {
    "roles": "IAM roles that the service is to assume",
    "secrets": "Secrets Manager secrets, by ARN or by name",
    "providers": "credential providers of others",
    "kmsKeys": "KMS keys",
    "functions": "Lambda functions",
    "buckets": "S3 objects, as s3://bucket/key",
    "vpcs": "VPCs, subnets and security groups, by id",
    "resourceConfigurations": "VPC Lattice resource configurations, by id or ARN",
    "apis": "API Gateway REST APIs, by id",
    "images": "container images, as registry/repository:tag",
    "agentCore": "gateways, runtimes, memories and other AgentCore resources of others, by ARN, endpoints too",
    "fileSystems": "EFS and S3 Files access points",
    "topics": "event buses and SNS topics",
    "connectors": "what connectors are given, as parameter=value",
    "models": "Bedrock models, inference profiles and guardrails, by ARN",
    "existing": "resources that are only looked up (`existing: true`), as section/name",
    "adopted": "resources that are taken over (`adopt: true`), as section/name",
    "documents": "stack documents, as s3://bucket/key",
}

#: Members whose text names something, and how it is written there; None: it is an ARN, whose service says what of.
NAMING: Mapping[str, str | None] = {
    **dict.fromkeys(("accessPointArn", "apiKeyArn", "arn", "browserArn", "capacityProviderArn", "codeInterpreterArn",
                     "credentialArn", "encryptionKeyArn", "executionRoleArn", "gatewayArn", "kmsKeyArn", "lambdaArn",
                     "providerArn", "roleArn", "secretArn", "uri")),
    **dict.fromkeys(("securityGroupIds", "securityGroups", "subnetIds", "subnets", "vpcIdentifier"), "vpcs"),
    "secretId": "secrets",
    "resourceConfigurationIdentifier": "resourceConfigurations",
    "restApiId": "apis",
    "bucket": "buckets",
    "containerUri": "images",
}  # fmt: skip

#: Members whose text names nothing that anybody's permission stands behind: words, settings, URLs that only the
#: service calls, what the owner's own code reads with its own role.
HARMLESS = frozenset({
    "actorId", "actorTokenScopes", "additionalHeaderClaims", "additionalPayloadClaims", "advertisedScopeMapping",
    "allowedAudience", "allowedClients", "allowedQueryParameters", "allowedRequestHeaders", "allowedResponseHeaders",
    "allowedScopes", "allowedTools", "apiBase", "authorizationEndpoint", "bucketOwnerAccountId", "clientId",
    "compositeIdentifier", "connectorId", "credentialParameterName", "credentialPrefix", "customParameters",
    "defaultReturnUrl", "defaultSchema", "description", "discoveryUrl", "domain", "enabled", "entryPoint",
    "environmentVariables", "filterPath", "identifier", "inboundTokenClaimName", "inlinePayload",
    "instructions", "issuer", "jsonKey", "matchValueString", "matchValueStringList", "model", "mountPath", "name",
    "path", "paths", "platformVersion", "prefix", "providerPath", "qualifier", "region", "requestHeaderAllowlist",
    "required", "responseTypes", "routingDomain", "schema", "scopes", "separator", "service", "stage",
    "staticQueryParameters", "strategyId", "summarizationSystemPrompt", "supportedVersions", "tags", "tenantId",
    "text", "tokenEndpoint", "tokenEndpointAuthMethods", "url", "username", "version", "versionId", "volumeName",
    "workloadIdentities",
})  # fmt: skip
#: Members in whose text a name may stand among other things, and the method that reads each.
SOMETIMES: Mapping[str, str] = {
    "endpoint": "endpoint",
    "headers": "header",
    "modelId": "model",
    "parameters": "connector",
}

#: By service and resource type of an ARN: what it names. The first row that fits decides.
_ARNS: tuple[tuple[str, str, str], ...] = (
    ("iam", r"role/.+", "roles"),
    ("secretsmanager", r"secret:.+", "secrets"),
    ("kms", r"key/.+", "kmsKeys"),
    ("lambda", r"function:.+", "functions"),
    ("s3", r".+", "buckets"),
    ("bedrock-agentcore", r"token-vault/[^/]+/(oauth2|apikey)credentialprovider/.+", "providers"),
    ("bedrock-agentcore", r"[a-z-]+/.+", "agentCore"),
    ("vpc-lattice", r"resourceconfiguration/.+", "resourceConfigurations"),
    ("elasticfilesystem", r"access-point/.+", "fileSystems"),
    ("s3files", r"file-system/.+", "fileSystems"),
    ("events", r"event-bus/.+", "topics"),
    ("sns", r".+", "topics"),
    ("bedrock", r".+", "models"),
)  # fmt: skip
_AGENTCORE = "bedrock-agentcore"
_HOST = re.compile(
    r"((?P<gateway>[a-z0-9-]+)\.gateway\.)?bedrock-agentcore\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?"
)
#: A provider in a header, as the service puts its key in.
_VAULT = re.compile(r"\$\$\{(arn:[^${}]+)\}")


@dataclass(frozen=True)
class Place:
    """Where a run works: what short names are of, and what `${aws.*}` stands for."""

    account: str
    region: str
    partition: str = "aws"

    def filled(self, text: str) -> str:
        """Return a text with `${aws.accountId}`, `${aws.region}` and `${aws.partition}` put in."""
        here = {"accountId": self.account, "region": self.region, "partition": self.partition}
        known = {f"aws.{name}": value for name, value in here.items()}
        return references.TOKEN.sub(lambda match: known.get(match[1] or "", match[0]), text)

    def secret(self, text: str) -> str:
        """Return the ARN, or the beginning of it, of a secret that is named by ARN or by name."""
        if text.startswith("arn:"):
            return text
        return f"arn:{self.partition}:secretsmanager:{self.region}:{self.account}:secret:{text}"


@dataclass(frozen=True)
class Named:
    """One thing that a document names. `category` is None where nobody can tell what it is."""

    path: str
    category: str | None
    name: str
    #: Why nobody can tell.
    why: str = ""


def named_by(stack: Stack, place: Place) -> Iterator[Named]:
    """Yield everything that a document names outside itself. Pure."""
    for resource in stack.resources.values():
        options, name = resource.options, f"{resource.kind.section}/{resource.name}"
        if options.existing or options.adopt:
            yield Named(resource.address, "adopted" if options.adopt else "existing", name)
        for member, value in resource.declared.items():
            shape = resource.kind.declarable.members.get(member)
            if shape is not None:
                yield from _Reader(stack, resource, place).part(shape, value, (member,), member)


@dataclass(frozen=True)
class _Reader:
    """Reads the values of one resource."""

    stack: Stack
    resource: Resource
    place: Place

    def at(self, path: Path, category: str | None, name: str, why: str = "") -> Named:
        address = self.resource.address
        return Named(f"{address}.{path_text(path)}" if path else address, category, name, why)

    def part(self, shape: Shape, value: Any, path: Path, member: str) -> Iterator[Named]:
        """Yield what a value names. `member` is the structure's member that it stands in: a map's names are free."""
        if is_document(shape):
            yield from self.free(value, path)
        elif isinstance(shape, StructureShape) and isinstance(value, Mapping):
            for name, inner in shape.members.items():
                if name in value:
                    yield from self.part(inner, value[name], (*path, name), name)
        elif isinstance(shape, MapShape) and isinstance(value, Mapping):
            for key, item in value.items():
                yield from self.part(shape.value, item, (*path, str(key)), member)
        elif isinstance(shape, ListShape) and isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.part(shape.member, item, (*path, index), member)
        elif isinstance(value, str) and not getattr(shape, "enum", None):
            yield from self.text(path, member, value)

    def free(self, value: Any, path: Path) -> Iterator[Named]:
        """Yield the ARNs and S3 URIs in free-form JSON. In payloads, references are text like any other."""
        for where, text in references.strings(value, frozenset(), path):
            payload = not self.resource.kind.opaque.isdisjoint(where)
            if "parameterValues" in path:
                yield from self.connector(where, text)
            elif _looks_like_a_name(text) or (references.TOKEN.search(self.place.filled(text)) and not payload):
                yield from self.naming(where, "arn", text)

    def text(self, path: Path, member: str, text: str) -> Iterator[Named]:
        """Yield what a text names, by the member that it stands in."""
        if member in self.resource.kind.secrets:
            secret = SecretReference.parse(text)
            yield self.at(path, "secrets" if secret else None, self.place.secret(secret.secret_id if secret else ""))
        elif member in NAMING:
            yield from self.naming(path, member, text)
        elif member in SOMETIMES:
            yield from getattr(self, SOMETIMES[member])(path, text)
        elif member not in HARMLESS:
            yield self.at(path, None, text, "this member is not known here")

    def model(self, path: Path, text: str) -> Iterator[Named]:
        """Yield the ARN of a model, which may stand behind a vendor's name; plain names are AWS's, for everybody."""
        start = text.find("arn:")
        if start >= 0 or references.TOKEN.search(self.place.filled(text)):
            yield from self.naming(path, "arn", text[max(start, 0) :])

    def connector(self, path: Path, text: str) -> Iterator[Named]:
        """Yield what a connector is given: an ARN, or an id whose meaning only the connector knows."""
        if _looks_like_a_name(text) or references.TOKEN.search(self.place.filled(text)):
            yield from self.naming(path, "arn", text)
        else:
            yield self.at(path, "connectors", f"{path[-1]}={text}")

    def header(self, path: Path, text: str) -> Iterator[Named]:
        """Yield the providers whose keys the service puts into a header, for `${arn:...}` (written `$${arn:...}`)."""
        filled = self.place.filled(text)
        for match in references.TOKEN.finditer(filled):
            if match[1] is not None:
                yield from self.reference(path, match[0])
            elif found := _VAULT.match(filled, match.start()):
                yield from self.arn(path, found[1])
            else:
                yield self.at(path, None, text, "a literal ${ in a header names a provider by ARN")

    def endpoint(self, path: Path, text: str) -> Iterator[Named]:
        """Yield the runtime or gateway that an endpoint is: as an ARN, or in a URL of AgentCore."""
        filled = self.place.filled(text)
        if not filled.startswith("https://"):
            yield from self.naming(path, "arn", text)
        elif _AGENTCORE in unquote(host_of(filled)) or "${" in filled.split("/")[2]:
            for match in references.TOKEN.finditer(filled):
                yield from self.reference(path, match[0])
            yield from self.behind_url(path, filled)

    def behind_url(self, path: Path, url: str) -> Iterator[Named]:
        """Yield the one thing that a URL of AgentCore is of. What is spelled in any other way nobody can tell."""
        host = _HOST.fullmatch(host_of(url))
        segments = path_of(url).strip("/").split("/")
        name = unquote(segments[1]) if len(segments) > 1 else ""
        where = f"arn:{self.place.partition}:bedrock-agentcore:{host['region'] if host else ''}:{self.place.account}"
        plain = not {"", ".", ".."} & set(segments) and not path_of(url).startswith("//")
        if host is not None and host["gateway"]:
            yield from self.arn(path, f"{where}:gateway/{host['gateway']}")
        elif host is None or not plain or segments[0] != "runtimes":
            yield self.at(path, None, url, "this is no plain URL of a runtime or a gateway")
        elif name.startswith("arn:") or re.fullmatch(r"[A-Za-z0-9_-]+", name):
            yield from self.arn(path, name if name.startswith("arn:") else f"{where}:runtime/{name}")
        elif not references.TOKEN.fullmatch(name):
            yield self.at(path, None, url, "this is no name of a runtime")

    def naming(self, path: Path, member: str, text: str) -> Iterator[Named]:
        """Yield what a member that names something names."""
        filled = self.place.filled(text)
        if references.TOKEN.search(filled):
            yield from self.reference(path, filled)
        elif _looks_like_a_name(filled) or NAMING[member] is None:
            yield from self.arn(path, filled)
        elif member == "secretId":
            yield self.at(path, "secrets", self.place.secret(filled))
        elif member == "bucket":
            prefix = self.place.filled(self.beside(path, "prefix"))
            if references.TOKEN.search(prefix):
                yield self.at(path, None, prefix, "a prefix beside a bucket holds no reference")
            else:
                yield self.at(path, "buckets", f"s3://{filled}/{prefix}")
        else:
            yield self.at(path, NAMING[member], filled)

    def arn(self, path: Path, text: str) -> Iterator[Named]:
        """Yield what an ARN or an S3 URI names."""
        filled = self.place.filled(text)
        found = arn_of(filled)
        if filled.startswith("s3://"):
            yield self.at(path, "buckets", filled)
        elif found is None:
            yield self.at(path, None, filled, "it is no ARN")
        elif found.account == "aws" and found.service in ("bedrock", "bedrock-agentcore"):
            return  # AWS's own, there for everybody
        else:
            rows = (row for row in _ARNS if row[0] == found.service and re.fullmatch(row[1], found.resource))
            category = next((row[2] for row in rows), None)
            name = f"s3://{found.resource}" if category == "buckets" else filled
            yield self.at(path, category, name, "" if category else "this kind of ARN is not known here")

    def reference(self, path: Path, text: str) -> Iterator[Named]:
        """Yield nothing where a reference is to what the service gave to a resource of this stack.

        Any other member of a response may hold what its owner wrote there, so that it says nothing of permission.
        """
        whole = references.TOKEN.fullmatch(text)
        names = references.parts(whole[1]) if whole and whole[1] else None
        address, member = references.split(names) if names else ("", ())
        other = self.stack.resources.get(address)
        if other is None or len(member) != 1 or member[0] not in other.kind.outputs:
            yield self.at(path, None, text, "a reference here must be to an output, such as an ARN, and stand alone")

    def beside(self, path: Path, member: str) -> str:
        """Return a text member that stands beside another."""
        value: Any = self.resource.declared
        for part in path[:-1]:
            value = value[part]
        found = value.get(member, "") if isinstance(value, Mapping) else ""
        return found if isinstance(found, str) else ""


def _looks_like_a_name(text: str) -> bool:
    return text.strip().startswith(("arn:", "s3://"))
