"""The part of Secrets Manager that a run needs, plus the creation of secrets: versions and JSON keys included."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.sandbox.refusals import Refusal


@dataclass(repr=False)
class Secret:
    """A secret: the values by version id, the newest last. The representation contains no values."""

    name: str
    arn: str
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def stages(self) -> dict[str, list[str]]:
        """The staging labels by version id, for the versions that have any."""
        newest = list(self.versions)[:-3:-1]
        return {version: [stage] for version, stage in zip(newest, ("AWSCURRENT", "AWSPREVIOUS"), strict=False)}

    @property
    def current(self) -> str:
        """The version id with the label AWSCURRENT."""
        return list(self.versions)[-1]


class SecretsManager:
    """Secrets by name, in memory."""

    def __init__(self, account: str, region: str) -> None:
        self._place = f"{region}:{account}"
        self._secrets: dict[str, Secret] = {}

    def put(self, name: str, value: str) -> Secret:
        """Create a secret, or add a version to an existing secret."""
        secret = self._secrets.setdefault(name, Secret(name, self.arn(name)))
        serial = f"{name}:{len(secret.versions)}".encode()
        secret.versions[hashlib.sha256(serial).hexdigest()[:32]] = value
        return secret

    def arn(self, secret_id: str) -> str:
        """Return the ARN of a secret, given as ARN or name, whether or not the secret exists."""
        if secret_id.startswith("arn:"):
            return secret_id
        suffix = hashlib.sha256(secret_id.encode()).hexdigest()[:6]
        return f"arn:aws:secretsmanager:{self._place}:secret:{secret_id}-{suffix}"

    def drop(self, name: str) -> None:
        """Delete a secret if it exists."""
        self._secrets.pop(name, None)

    def find(self, secret_id: str) -> Secret | None:
        """Return the secret with this name or ARN, if there is such a secret."""
        found = (s for s in self._secrets.values() if secret_id in (s.name, s.arn))
        return next(found, None)

    def call(self, operation: str, params: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """Execute CreateSecret, PutSecretValue, GetSecretValue or DescribeSecret. Raises Refusal."""
        match operation:
            case "CreateSecret":
                secret = self.put(params["Name"], params["SecretString"])
                return {"ARN": secret.arn, "Name": secret.name, "VersionId": secret.current}
            case "PutSecretValue":
                secret = self.put(self._get(params).name, params["SecretString"])
                return {"ARN": secret.arn, "Name": secret.name, "VersionId": secret.current}
            case "GetSecretValue":
                return self._value(params, now)
            case _:
                secret = self._get(params)
                return {"ARN": secret.arn, "Name": secret.name, "VersionIdsToStages": secret.stages}

    def _get(self, params: Mapping[str, Any]) -> Secret:
        secret = self.find(params["SecretId"])
        if secret is None:
            raise Refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return secret

    def _value(self, params: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        secret = self._get(params)
        version = params.get("VersionId") or secret.current
        if version not in secret.versions:
            message = "Secrets Manager can't find the specified secret value for that version."
            raise Refusal("ResourceNotFoundException", message)
        stages = secret.stages.get(version)
        return {
            **({"VersionStages": stages} if stages else {}),
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version,
            "SecretString": secret.versions[version],
            "CreatedDate": now,
        }
