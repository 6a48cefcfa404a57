"""Stack documents made from the service model itself: any member that a kind can declare, any arm of any union.

What the model cannot say (the rules) is met by taking out what a rule refuses, until nothing is refused.
"""

import copy
import random
import re
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from infra import service_model
from tests.documents import SECRET
from workflows.document.problems import Invalid
from workflows.document.reading import read_stack
from workflows.kinds import (
    API_KEY_CREDENTIAL_PROVIDER,
    GATEWAY,
    GATEWAY_TARGET,
    KINDS,
    OAUTH2_CREDENTIAL_PROVIDER,
    Kind,
)

_ACCOUNT = "123456789012"
_CORE = f"arn:aws:bedrock-agentcore:us-east-1:{_ACCOUNT}"
#: Values for members with a form, `#` being a digit; the first that fits a member's form is taken.
_FORMS = (
    "value-#", "Value#", "value#", "us-east-#", "#.2.3", "/mnt/value#", "/v#/chat", "s3://bucket/key-#", "STRING",
    "https://login#.example.com/.well-known/openid-configuration", "https://host#.example.com/path",
    "client_secret_post", "rcfg-0123456789abcdef#", "vpc-0123456789abcdef#", "subnet-0123456789abcdef#",
    "sg-0123456789abcdef#", _ACCOUNT, f"{_ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/image:#",
    f"arn:aws:kms:us-east-1:{_ACCOUNT}:key/01234567-0123-0123-0123-01234567890#",
    f"arn:aws:iam::{_ACCOUNT}:role/role-#", f"arn:aws:lambda:us-east-1:{_ACCOUNT}:function:function-#",
    f"{_CORE}:policy-engine/engine-012345678#", f"{_CORE}:runtime/runtime-012345678#",
    f"{_CORE}:capacity-provider/provider-012345678#", f"{_CORE}:memory/memory-012345678#",
    f"{_CORE}:browser-custom/browser-012345678#", f"{_CORE}:code-interpreter-custom/code-012345678#",
    f"{_CORE}:gateway/gateway-012345678#", f"{_CORE}:token-vault/default/apikeycredentialprovider/key-#",
    f"arn:aws:secretsmanager:us-east-1:{_ACCOUNT}:secret:certificate-#",
    f"arn:aws:s3files:us-east-1:{_ACCOUNT}:file-system/fs-0123456789abcdef#/access-point/fsap-0123456789abcdef#",
    f"arn:aws:elasticfilesystem:us-east-1:{_ACCOUNT}:access-point/fsap-0123456789abcdef#",
    f"arn:aws:sns:us-east-1:{_ACCOUNT}:topic-#", f"arn:aws:events:us-east-1:{_ACCOUNT}:event-bus/bus-#",
)  # fmt: skip
#: Members of runtimes that only updates of old ones take (rule R79).
_NEVER = frozenset({"requireServiceS3Endpoint"})


class Maker:
    """Makes declarations. `full` is how likely an optional member is declared."""

    def __init__(self, seed: int, full: float = 0.4) -> None:
        self.random = random.Random(seed)
        self.full = full

    def document(self, stack: str = "generated") -> dict[str, Any]:
        """Return a valid document with some resources of every kind."""
        made: dict[str, Any] = {"stack": stack}
        for kind in KINDS:
            if kind.parent is None:
                names = [f"{kind.section[:3]}{n}" for n in range(self.random.randint(0, 2))]
                made[kind.section] = {name: self.declaration(kind) for name in names}
        for gateway in made[GATEWAY.section].values():
            names = [f"t{n}" for n in range(self.random.randint(0, 3))]
            gateway["targets"] = {name: self.target(made) for name in names}
        return valid(made)

    def declaration(self, kind: Kind) -> dict[str, Any]:
        """Return a declaration of a kind."""
        required = set(kind.declarable.schema["schema"]["fields"])
        fields = kind.declarable.schema["schema"]["fields"]
        made = {}
        for name in sorted(required):
            if fields[name]["required"] or self.random.random() < self.full:
                made[name] = self.member(kind, name)
        return self._sensible(kind, made)

    def _sensible(self, kind: Kind, made: dict[str, Any]) -> dict[str, Any]:
        """Bring members together that hardly ever meet by chance."""
        if kind is OAUTH2_CREDENTIAL_PROVIDER:
            arm, config = next(iter(made["oauth2ProviderConfigInput"].items()))
            vendor = arm[0].upper() + arm.removesuffix("ProviderConfig")[1:]
            made["credentialProviderVendor"] = {"IncludedOauth2": "OktaOauth2"}.get(vendor, vendor)
            if arm == "customOauth2ProviderConfig":
                for name in ("clientAuthenticationMethod", "privateKeyJwtConfig", "clientSecretConfig"):
                    config.pop(name, None)
                config |= {"clientId": "client", "clientSecret": SECRET}
            elif "clientSecretConfig" not in config:
                config["clientSecret"] = SECRET
        if kind is API_KEY_CREDENTIAL_PROVIDER and "apiKeySecretConfig" not in made:
            made["apiKey"] = SECRET
        if made.get("authorizerType") == "CUSTOM_JWT" and "authorizerConfiguration" not in made:
            made["authorizerType"] = "AWS_IAM"
        return made

    def member(self, kind: Kind, name: str) -> Any:
        """Return a value for one member of a kind."""
        return self._value(kind.declarable.members[name], name)

    def target(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return a target that may use the providers of a document."""
        made = self.declaration(GATEWAY_TARGET)
        made.pop("credentialProviderConfigurations", None)
        providers = sorted(document.get(OAUTH2_CREDENTIAL_PROVIDER.section, {}))
        if providers and self.random.random() < 0.5:
            arn = f"${{oauth2CredentialProviders.{self.random.choice(providers)}.credentialProviderArn}}"
            credential = {"providerArn": arn, "scopes": self.random.sample(["read", "write", "list"], 2)}
            config = {"oauthCredentialProvider": credential}
            made["credentialProviderConfigurations"] = [
                {"credentialProviderType": "OAUTH", "credentialProvider": config}
            ]
        elif self.random.random() < 0.3:
            made["credentialProviderConfigurations"] = [{"credentialProviderType": "GATEWAY_IAM_ROLE"}]
        return made

    def _value(self, shape: Shape, name: str, depth: int = 0) -> Any:
        if name in ("clientSecret", "apiKey"):
            return SECRET
        if service_model.is_document(shape):
            return {"type": "object", "note": self.random.randint(0, 9)}
        if isinstance(shape, StructureShape):
            return self._structure(shape, depth)
        if isinstance(shape, ListShape):
            count = max(shape.metadata.get("min") or 0, 1 if depth > 6 else self.random.randint(1, 2))
            return _unique([self._value(shape.member, name, depth + 1) for _ in range(count)])
        if isinstance(shape, MapShape):
            keys = {self._value(shape.key, "key", depth + 1) for _ in range(self.random.randint(1, 2))}
            return {key: self._value(shape.value, name, depth + 1) for key in sorted(keys)}
        return self._scalar(shape)

    def _structure(self, shape: StructureShape, depth: int) -> dict[str, Any]:
        names = [name for name in shape.members if name not in _NEVER]
        if service_model.is_union(shape):
            arm = self.random.choice(names)
            return {arm: self._value(shape.members[arm], arm, depth + 1)}
        chance = self.full if depth < 5 else 0.0
        chosen = [n for n in names if n in shape.required_members or self.random.random() < chance]
        return {name: self._value(shape.members[name], name, depth + 1) for name in chosen}

    def _scalar(self, shape: Shape) -> Any:
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        match shape.type_name:
            case "string":
                return self._string(shape)
            case "boolean":
                return self.random.random() < 0.5
            case "integer" | "long":
                low = 1 if low is None else int(low)
                return self.random.randint(low, min(low + 5, int(high)) if high is not None else low + 5)
            case _:
                return round(self.random.uniform(float(low or 0), float(1 if high is None else high)), 2)

    def _string(self, shape: Shape) -> str:
        if shape.enum:
            return str(self.random.choice(list(shape.enum)))
        digit, pattern = str(self.random.randint(1, 4)), shape.metadata.get("pattern") or ".*"
        for form in _FORMS:
            text = form.replace("#", digit)
            long = len(text) < (shape.metadata.get("min") or 0)
            if re.fullmatch(pattern, text) and not long and len(text) <= (shape.metadata.get("max") or 10_000):
                return text
        text = digit * (shape.metadata.get("min") or 1)
        assert re.fullmatch(pattern, text), f"no form of the table fits {shape.name}: {pattern}"
        return text[: shape.metadata.get("max")]


def _unique(values: list[Any]) -> list[Any]:
    return [value for index, value in enumerate(values) if value not in values[:index]]


def valid(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without what is refused in it: the member, or what cannot be without it."""
    document = copy.deepcopy(document)
    for _ in range(200):
        try:
            read_stack(document)
        except Invalid as invalid:
            for problem in invalid.problems:
                _take_out(document, problem.path)
        else:
            return document
    raise AssertionError(f"nothing valid is left of {document}")


def _take_out(document: dict[str, Any], path: str) -> None:
    """Remove what a path names; what is not there is removed with what it is missing in."""
    names: list[Any] = [int(n) if n else text for n, text in re.findall(r"\[(\d+)\]|([^.\[\]\"]+)", path)]
    holders: list[Any] = [document]
    for name in names[:-1]:
        inside = (isinstance(holders[-1], Mapping) and name in holders[-1]) or isinstance(holders[-1], list)
        if not inside or (isinstance(name, int) and name >= len(holders[-1])):
            return
        holders.append(holders[-1][name])
    last, name = holders[-1], names[-1]
    if isinstance(last, list) or name in last:
        if isinstance(last, list) and len(last) == 1 and len(names) > 2:
            holders[-2].pop(names[-2], None)
        elif not isinstance(last, list) or name < len(last):
            last.pop(name)
    elif len(names) > 2:
        holder = holders[-2]
        if isinstance(holder, list):
            del holder[names[-2]]
        else:
            holder.pop(names[-2], None)
