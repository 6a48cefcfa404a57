"""The source of a provider's secret: the service (MANAGED), or a secret that the document names (EXTERNAL)."""

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.kinds.kind import Changed, at

#: The hyphen and the six characters with which Secrets Manager ends the ARN of a secret.
_SECRET_SUFFIX = 7


def source_changes(referred: str, source: str) -> Changed:
    """Return a test of the source of a secret, which no update changes between MANAGED and EXTERNAL.

    `referred` is the member of a secret that its owner keeps, and `source` that of the declared and the shown source.
    """

    def changed(declared: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
        default = "EXTERNAL" if declared.get(referred) is not None else "MANAGED"
        wanted, shown = declared.get(source) or default, seen.get(source)
        return shown is not None and wanted != shown and "${" not in str(wanted)

    return changed


def secret_differs(declared: Mapping[str, Any] | None, seen: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield the members of a declared reference to a secret, `{secretId, jsonKey}`, that a response shows otherwise.

    The response shows `PREFIXSecretArn` and `PREFIXSecretJsonKey` at the top. Secrets Manager ends the ARN of a secret
    with six characters of its own, so a name or an ARN without them is equal too.
    """
    if seen.get(f"{prefix}SecretSource") != "EXTERNAL":
        return
    arn, key = at(seen, f"{prefix}SecretArn.secretArn"), seen.get(f"{prefix}SecretJsonKey")
    wanted = (declared or {}).get("secretId")
    if isinstance(wanted, str) and isinstance(arn, str) and not _is_of_secret(arn, wanted):
        yield "secretId"
    if isinstance((declared or {}).get("jsonKey"), str) and key is not None and key != (declared or {})["jsonKey"]:
        yield "jsonKey"


def _is_of_secret(arn: str, wanted: str) -> bool:
    whole = arn if wanted.startswith("arn:") else arn.partition(":secret:")[2]
    return whole == wanted or (whole.startswith(f"{wanted}-") and len(whole) == len(wanted) + _SECRET_SUFFIX)
