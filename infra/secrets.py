"""References to secrets: CloudFormation's `{{resolve:secretsmanager:...}}`, resolved immediately before use."""

import json
import re
from dataclasses import dataclass
from typing import Any

from infra.aws import Calls
from infra.errors import CallFailed, ErrorClass

_FORM = re.compile(
    r"\{\{resolve:secretsmanager:"
    r"(?P<id>arn:[^:{}]*:secretsmanager:[^:{}]*:[^:{}]*:secret:[^:{}]+|[^:{}]+)"
    r"(?::SecretString(?::(?P<key>[^:{}]*))?(?::(?P<stage>[^:{}]*))?(?::(?P<version>[^:{}]*))?)?\}\}"
)

#: The pattern for a whole string, in the regular expression dialect of JSON Schema.
PATTERN = "^" + re.sub(r"\?P<\w+>", "", _FORM.pattern) + "$"


@dataclass(frozen=True)
class SecretReference:
    """A reference to a secret: id or ARN, a JSON key of the secret's text, and a staging label or a version id."""

    secret_id: str
    key: str = ""
    stage: str = ""
    version: str = ""

    @classmethod
    def parse(cls, text: str) -> "SecretReference | None":
        """Parse a reference that is the whole text; None if the text is no reference."""
        found = _FORM.fullmatch(text)
        if found is None or (found["stage"] and found["version"]):
            return None
        return cls(found["id"], found["key"] or "", found["stage"] or "", found["version"] or "")

    def __str__(self) -> str:
        more = f"{self.key}:{self.stage}:{self.version}".rstrip(":")
        return f"{{{{resolve:secretsmanager:{self.secret_id}:SecretString{':' if more else ''}{more}}}}}"


@dataclass(frozen=True, repr=False)
class Secret:
    """A resolved value with the version id. Never logged, stored or shown."""

    value: str
    version: str

    def __repr__(self) -> str:
        return f"Secret(version={self.version!r})"


async def version_of(calls: Calls, reference: SecretReference, *, required: bool = False) -> str:
    """Return the current version id of a referenced secret, without reading the value; empty if there is none.

    Raises CallFailed, also for no such version if one is `required`.
    """
    if reference.version:
        return reference.version
    answer = await _ask(calls, "DescribeSecret", {"SecretId": reference.secret_id})
    stage = reference.stage or "AWSCURRENT"
    stages: dict[str, list[str]] = answer.get("VersionIdsToStages", {})
    found = next((version for version, labels in stages.items() if stage in labels), "")
    if required and not found:
        message = f"secret {reference.secret_id}: no version has the label {stage}"
        raise CallFailed("DescribeSecret", ErrorClass.GONE, "ResourceNotFoundException", message)
    return found


async def resolve(calls: Calls, reference: SecretReference) -> Secret:
    """Read the value of a secret. Raises CallFailed, also if the secret's text does not match the reference."""
    wanted = {
        "SecretId": reference.secret_id,
        "VersionStage": reference.stage,
        "VersionId": reference.version,
    }
    params = {name: value for name, value in wanted.items() if value}
    answer = await _ask(calls, "GetSecretValue", params)
    text = answer.get("SecretString", "")
    calls.aws.redaction.add(text)
    value = _unless_odd(reference, _member(reference, text) if reference.key else text)
    calls.aws.redaction.add(value)
    return Secret(value, answer.get("VersionId", ""))


async def _ask(calls: Calls, operation: str, params: dict[str, str]) -> dict[str, Any]:
    """Call Secrets Manager, and add the name of the secret to its error messages, which lack the name."""
    try:
        return await calls(operation, params, service="secretsmanager")
    except CallFailed as failed:
        message = f"secret {params['SecretId']}: {failed.message}"
        raise CallFailed(operation, failed.error_class, failed.code, message) from None


def _member(reference: SecretReference, text: str) -> str:
    try:
        members: Any = json.loads(text)
        value = members[reference.key]
    except (ValueError, KeyError, TypeError, RecursionError):
        # The exception chain is cut, because the original error would quote the secret's text.
        message = f"the secret {reference.secret_id} is no JSON object with a member {reference.key!r}"
        raise CallFailed("GetSecretValue", ErrorClass.INVALID, "SecretMember", message) from None
    if not isinstance(value, str):
        message = f"the member {reference.key!r} of the secret {reference.secret_id} is no string"
        raise CallFailed("GetSecretValue", ErrorClass.INVALID, "SecretMember", message)
    return value


def _unless_odd(reference: SecretReference, value: str) -> str:
    """Return a value that is valid Unicode; unpaired surrogates cannot be encoded. Raises CallFailed."""
    try:
        value.encode()
    except UnicodeEncodeError:
        message = f"the secret {reference.secret_id} is no Unicode text"
        raise CallFailed("GetSecretValue", ErrorClass.INVALID, "SecretMember", message) from None
    return value
