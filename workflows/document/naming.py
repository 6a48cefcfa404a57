"""Finds the external resources that a document refers to, so that grants can allow or deny each of them.

The worker's role may use the roles, secrets, keys, functions, buckets and networks of every team. A document must not
borrow that permission, so each external reference needs a grant for the submitter and the stack (docs/authority.md).
`named_by` yields the references; `Allowed` in workflows/requests/authority.py denies those without a grant.

- Each text member of AWS's requests is classified by name: in REFERENCE_FIELDS the text is a reference, in
  MIXED_FIELDS the text may contain references, in PLAIN_FIELDS the text contains none; secret members hold secret
  references. A test fails unless every text member of the service model is in exactly one of these tables.
- A reference has a category (a key of `mayName` in a grant) and a name. The service and resource type of an ARN decide
  the category (`_ARNS`). AgentCore URLs become the ARN of their runtime or gateway.
- Anything that cannot be classified has the category None and is denied: an unclassified member, an unknown type of
  ARN, an unusual URL. A wrong guess here would give one team the resources of another.
- A `${...}` reference to an output of a resource in the same stack needs no grant: the service assigned that value. A
  reference to any other member is denied, because the owner of that resource chose its value.
- Free-form JSON has no member names, so there a text is a reference if it looks like an ARN or an S3 URI.

Values are read after parameters are substituted and before secrets are resolved. No calls are made. Pure.
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
from workflows.document.stack import RESERVED, Resource, Stack
from workflows.document.urls import host_of, path_of

#: The categories of external references that grants can allow, each with the resources that it covers.
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
    "adopted": "resources that are imported (`adopt: true`), as section/name",
    "waivers": "rules that a document waives, by number",
    "documents": "stack documents, as s3://bucket/key",
}

#: Members whose text is a reference, each with its category. None: the text is an ARN, whose type decides the category.
REFERENCE_FIELDS: Mapping[str, str | None] = {
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

#: Members whose text refers to no resource that needs permission: words, settings, URLs that only the service calls,
#: and values that the code of a runtime reads under the role of that runtime.
PLAIN_FIELDS = frozenset({
    "actorId", "actorTokenScopes", "additionalHeaderClaims", "additionalPayloadClaims", "advertisedScopeMapping",
    "allowedAudience", "allowedClients", "allowedQueryParameters", "allowedRequestHeaders", "allowedResponseHeaders",
    "allowedScopes", "allowedTools", "alternateDomains", "apiBase", "authorizationEndpoint", "bucketOwnerAccountId",
    "clientId", "compositeIdentifier", "connectorId", "credentialParameterName", "credentialPrefix",
    "customParameters", "defaultDomain", "defaultReturnUrl", "defaultSchema", "description", "discoveryUrl", "domain",
    "enabled", "entryPoint", "environmentVariables", "filterPath", "identifier", "inboundTokenClaimName",
    "inlinePayload", "instructions", "issuer", "jsonKey", "matchValueString", "matchValueStringList", "model",
    "mountPath", "name", "path", "paths", "platformVersion", "prefix", "providerPath", "qualifier", "region",
    "requestHeaderAllowlist", "required", "responseTypes", "routingDomain", "s3BucketOwner", "s3BucketRegion",
    "schema", "scopes", "separator", "service", "stage", "staticQueryParameters", "strategyId",
    "summarizationSystemPrompt", "supportedVersions", "tags", "tenantId", "text", "tokenEndpoint",
    "tokenEndpointAuthMethods", "url", "username", "version", "versionId", "volumeName", "workloadIdentities",
})  # fmt: skip
#: Members whose text may contain references among other text, each with the method of `_Reader` that finds them.
MIXED_FIELDS: Mapping[str, str] = {
    "endpoint": "endpoint",
    "headers": "header",
    "modelId": "model",
    "parameters": "connector",
}

#: The category of an ARN by its service and resource type. The first matching row decides.
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
#: A literal `${arn:...}` in a header, for which the service substitutes the key of the credential provider.
_VAULT = re.compile(r"\$\$\{(arn:[^${}]+)\}")


@dataclass(frozen=True)
class Place:
    """The account, Region and partition of a run: short names belong to them, and `${aws.*}` stands for them."""

    account: str
    region: str
    partition: str = "aws"

    def filled(self, text: str) -> str:
        """Return a text with `${aws.accountId}`, `${aws.region}` and `${aws.partition}` substituted."""
        here = {"accountId": self.account, "region": self.region, "partition": self.partition}
        known = {f"aws.{name}": value for name, value in here.items()}
        return references.TOKEN.sub(lambda match: known.get(match[1] or "", match[0]), text)

    def secret(self, text: str) -> str:
        """Return the ARN of a secret given by ARN or by name; for a name, without the suffix that AWS adds."""
        if text.startswith("arn:"):
            return text
        return f"arn:{self.partition}:secretsmanager:{self.region}:{self.account}:secret:{text}"


@dataclass(frozen=True)
class Named:
    """A reference of a document to an external resource. `category` is None if the reference is unclassified."""

    path: str
    category: str | None
    name: str
    #: Why the reference is unclassified.
    why: str = ""


def named_by(stack: Stack, place: Place) -> Iterator[Named]:
    """Yield every external reference of a document, and every resource that is imported or only looked up. Pure."""
    for resource in stack.resources.values():
        options, name = resource.options, f"{resource.kind.section}/{resource.name}"
        for number in options.waive:
            yield Named(f"{resource.address}.{RESERVED}.waive.{number}", "waivers", number)
        if options.existing or options.adopt:
            yield Named(resource.address, "adopted" if options.adopt else "existing", name)
        for member, value in resource.declared.items():
            shape = resource.kind.declarable.members.get(member)
            if shape is not None:
                yield from _Reader(stack, resource, place).part(shape, value, (member,), member)


#: Categories whose resources AgentCore reaches in the account and Region of the gateway or runtime only.
_NEAR = frozenset({"roles", "kmsKeys", "functions", "providers"})


def elsewhere(stack: Stack, place: Place) -> Iterator[tuple[str, str]]:
    """Yield the path and the ARN of each external resource that is in another account or Region. Pure."""
    for named in named_by(stack, place):
        found = arn_of(named.name) if named.category in _NEAR else None
        # An ARN without an account or a Region, such as that of a role, belongs to every place in that respect.
        if found is not None and not (found.account in ("", place.account) and found.region in ("", place.region)):
            yield named.path, named.name


@dataclass(frozen=True)
class _Reader:
    """Finds the external references in the declaration of one resource."""

    stack: Stack
    resource: Resource
    place: Place

    def at(self, path: Path, category: str | None, name: str, why: str = "") -> Named:
        address = self.resource.address
        return Named(f"{address}.{path_text(path)}" if path else address, category, name, why)

    def part(self, shape: Shape, value: Any, path: Path, member: str) -> Iterator[Named]:
        """Yield the references in a value. `member` is the nearest structure member: keys of maps classify nothing."""
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
        """Yield the ARNs and S3 URIs in free-form JSON. In payload members, `${...}` is plain text."""
        for where, text in references.strings(value, frozenset(), path):
            payload = not self.resource.kind.payloads.isdisjoint(where)
            if "parameterValues" in path:
                yield from self.connector(where, text)
            elif _looks_like_a_name(text) or (references.TOKEN.search(self.place.filled(text)) and not payload):
                yield from self.naming(where, "arn", text)

    def text(self, path: Path, member: str, text: str) -> Iterator[Named]:
        """Yield the references in a text, by the table that classifies its member."""
        if member in self.resource.kind.secrets:
            secret = SecretReference.parse(text)
            yield self.at(path, "secrets" if secret else None, self.place.secret(secret.secret_id if secret else ""))
        elif member in REFERENCE_FIELDS:
            yield from self.naming(path, member, text)
        elif member in MIXED_FIELDS:
            yield from getattr(self, MIXED_FIELDS[member])(path, text)
        elif member not in PLAIN_FIELDS:
            yield self.at(path, None, text, "this member is not known here")

    def model(self, path: Path, text: str) -> Iterator[Named]:
        """Yield the ARN of a model, with or without a vendor prefix; plain names are AWS's models and need no grant."""
        start = text.find("arn:")
        if start >= 0 or references.TOKEN.search(self.place.filled(text)):
            yield from self.naming(path, "arn", text[max(start, 0) :])

    def connector(self, path: Path, text: str) -> Iterator[Named]:
        """Yield the value of a connector parameter: an ARN, or `parameter=value` (only the connector knows the id)."""
        if _looks_like_a_name(text) or references.TOKEN.search(self.place.filled(text)):
            yield from self.naming(path, "arn", text)
        else:
            yield self.at(path, "connectors", f"{path[-1]}={text}")

    def header(self, path: Path, text: str) -> Iterator[Named]:
        """Yield the providers whose keys the service substitutes in a header: `${arn:...}`, written `$${arn:...}`."""
        filled = self.place.filled(text)
        for match in references.TOKEN.finditer(filled):
            if match[1] is not None:
                yield from self.reference(path, match[0])
            elif found := _VAULT.match(filled, match.start()):
                yield from self.arn(path, found[1])
            else:
                yield self.at(path, None, text, "a literal ${ in a header names a provider by ARN")

    def endpoint(self, path: Path, text: str) -> Iterator[Named]:
        """Yield the runtime or gateway behind an endpoint: an ARN or an AgentCore URL. Other https URLs are skipped."""
        filled = self.place.filled(text)
        if not filled.startswith("https://"):
            yield from self.naming(path, "arn", text)
        elif _AGENTCORE in unquote(host_of(filled)) or "${" in filled.split("/")[2]:
            for match in references.TOKEN.finditer(filled):
                yield from self.reference(path, match[0])
            yield from self.behind_url(path, filled)

    def behind_url(self, path: Path, url: str) -> Iterator[Named]:
        """Yield the gateway or runtime of an AgentCore URL. Any unusual spelling of such a URL is unclassified."""
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
        """Yield the reference in a member of REFERENCE_FIELDS (or in a text that is read as an `arn` member)."""
        filled = self.place.filled(text)
        if references.TOKEN.search(filled):
            yield from self.reference(path, filled)
        elif _looks_like_a_name(filled) or REFERENCE_FIELDS[member] is None:
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
            yield self.at(path, REFERENCE_FIELDS[member], filled)

    def arn(self, path: Path, text: str) -> Iterator[Named]:
        """Yield the reference that an ARN or an S3 URI makes; AWS's own resources need no grant and are skipped."""
        filled = self.place.filled(text)
        found = arn_of(filled)
        if filled.startswith("s3://"):
            yield self.at(path, "buckets", filled)
        elif found is None:
            yield self.at(path, None, filled, "it is no ARN")
        elif found.account == "aws" and found.service in ("bedrock", "bedrock-agentcore"):
            return  # AWS's own resources are open to everybody
        else:
            rows = (row for row in _ARNS if row[0] == found.service and re.fullmatch(row[1], found.resource))
            category = next((row[2] for row in rows), None)
            name = f"s3://{found.resource}" if category == "buckets" else filled
            yield self.at(path, category, name, "" if category else "this kind of ARN is not known here")

    def reference(self, path: Path, text: str) -> Iterator[Named]:
        """Yield an unclassified reference unless `${...}` refers to an output of a resource in this stack.

        The service assigns outputs. The owner of a resource may choose the value of any other response member, so a
        reference to that member proves no permission.
        """
        whole = references.TOKEN.fullmatch(text)
        names = references.parts(whole[1]) if whole and whole[1] else None
        address, member = references.split(names) if names else ("", ())
        other = self.stack.resources.get(address)
        if other is None or len(member) != 1 or member[0] not in other.kind.outputs:
            yield self.at(path, None, text, "a reference here must be to an output, such as an ARN, and stand alone")

    def beside(self, path: Path, member: str) -> str:
        """Return the text of a sibling member; empty if there is none."""
        value: Any = self.resource.declared
        for part in path[:-1]:
            value = value[part]
        found = value.get(member, "") if isinstance(value, Mapping) else ""
        return found if isinstance(found, str) else ""


def _looks_like_a_name(text: str) -> bool:
    return text.strip().startswith(("arn:", "s3://"))
