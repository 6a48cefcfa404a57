"""What a row of the planner's table is made of: what is wanted, what the service shows, what the ledger remembers.

Each builder begins with the plainest case, a resource of this stack that is as declared, and a row says what differs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.documents import ROLE, SECRET
from workflows.deciding.decision import Action, Mode, Wish
from workflows.deciding.memory import Memory
from workflows.deciding.state import Seen
from workflows.document.fingerprint import digest, fingerprint
from workflows.document.stack import Options
from workflows.kinds import API_KEY_CREDENTIAL_PROVIDER, GATEWAY, GATEWAY_TARGET, HARNESS, REGISTRY, Kind

#: The moment at which the planner is asked, in seconds.
NOW = 10_000.0
REQUEST = "request-1"
STACK = "payments.tools"
BEFORE, THEN, LATER = "2026-01-01T10:00:00", "2026-01-01T11:00:00", "2026-01-01T12:00:00"

GATEWAY_BODY: dict[str, Any] = {"roleArn": ROLE, "authorizerType": "AWS_IAM"}
DESCRIBED: dict[str, Any] = {**GATEWAY_BODY, "description": "one"}
TAGGED: dict[str, Any] = {**GATEWAY_BODY, "tags": {"team": "payments"}}
MCP: dict[str, Any] = {"targetConfiguration": {"mcp": {"mcpServer": {"endpoint": "https://ledger.example.com/mcp"}}}}
DYNAMIC: dict[str, Any] = {
    "targetConfiguration": {
        "mcp": {"mcpServer": {"endpoint": "https://ledger.example.com/mcp", "listingMode": "DYNAMIC"}}
    }
}
OPEN_API: dict[str, Any] = {"targetConfiguration": {"mcp": {"openApiSchema": {"inlinePayload": "{}"}}}}
KEY: dict[str, Any] = {"apiKey": SECRET}
OTHER_KEY: dict[str, Any] = {"apiKey": "{{resolve:secretsmanager:payments/other:SecretString:clientSecret}}"}
#: The declaration of each kind that is used here, where a row names none.
PLAIN: Mapping[str, Mapping[str, Any]] = {
    "gateways": GATEWAY_BODY,
    "targets": MCP,
    "registries": {"description": "one"},
    "apiKeyCredentialProviders": KEY,
}
NONE: Mapping[str, str] = {}
__all__ = ["API_KEY_CREDENTIAL_PROVIDER", "GATEWAY", "GATEWAY_TARGET", "HARNESS", "REGISTRY"]


@dataclass(frozen=True)
class Row:
    """A state in words and as data, and what the planner answers to it."""

    state: str
    wish: Wish
    seen: Seen | None
    memory: Memory
    action: Action
    #: A part of the reason.
    reason: str
    paths: tuple[str, ...] = ()
    #: The code of the failure, where it is one.
    code: str = ""


def wants(kind: Kind = GATEWAY, declared: Mapping[str, Any] | None = None, **more: Any) -> Wish:
    """Return the wish that a resource be as declared."""
    options = more.pop("options", {})
    values: dict[str, Any] = {"mode": Mode.PROVISION, "counted_for": REQUEST, "stack": STACK, "now": NOW, **more}
    declared = PLAIN[kind.section] if declared is None else declared
    return Wish(f"{kind.section}.one", kind, "one", declared, Options(**options), **values)


def goes(kind: Kind = GATEWAY, mode: Mode = Mode.REMOVE, **more: Any) -> Wish:
    """Return the wish that a resource be gone."""
    options = more.pop("options", {})
    values: dict[str, Any] = {"counted_for": REQUEST, "stack": STACK, "now": NOW, **more}
    return Wish(f"{kind.section}.one", kind, "one", None, Options(**options), mode, **values)


def shows(
    status: str | None = "READY", kind: Kind = GATEWAY, body: Mapping[str, Any] | None = None, **more: Any
) -> Seen:
    """Return what the service shows; `at` is when it was changed last, `says` the body's members beside."""
    at, says = more.pop("at", THEN), more.pop("says", {})
    shown = {
        kind.id_member: "id-1",
        "name": "one",
        kind.updated_member: at,
        **(PLAIN[kind.section] if body is None else body),
        **says,
    }
    shown = {name: value for name, value in shown.items() if name not in ("tags", *kind.secrets)}
    if kind.arn_member:
        shown.setdefault(kind.arn_member, "arn:one")
    return Seen(kind, "id-1", {**shown, **({"status": status} if status is not None else {})}, **more)


def knows(kind: Kind = GATEWAY, applied: Mapping[str, Any] | None = None, **more: Any) -> Memory:
    """Return what is remembered of a resource that this stack made, and that was READY as applied."""
    applied = PLAIN[kind.section] if applied is None else applied
    values = {"id": "id-1", "incarnation": 1, "ever_ready": True, "applied": fingerprint(applied), **more}
    return Memory(f"{kind.section}.one", kind.section, "one", **values)


def nothing(kind: Kind = GATEWAY, **more: Any) -> Memory:
    """Return what is remembered of a resource of which nothing is known, but for what a row says."""
    return Memory(f"{kind.section}.one", kind.section, "one", **more)


def unanswered(
    action: Action = Action.CREATE, ago: float = 0.0, *declared: Mapping[str, Any], versions: Mapping[str, str] = NONE
) -> dict[str, Any]:
    """Return the mark of a call without an answer, and of the declarations that may be in force since."""
    doubtful = [{"declared": fingerprint(one), "versions": dict(versions)} for one in declared]
    return {"action": str(action), "at": NOW - ago, "doubtful": doubtful}


def tried(times: int, request: str = REQUEST) -> dict[str, Any]:
    """Return the members of a memory that count the tries of a request."""
    return {"attempts": times, "attempts_for": request}


def sent(
    declared: Mapping[str, Any], path: str, there: Any, ago: float, times: int = 1, request: str = REQUEST
) -> dict[str, Any]:
    """Return the members of a memory after an accepted update that was to change one member from what stood there."""
    stood = {path: digest([fingerprint(there)])}
    counted = {"sent_at": NOW - ago, "unforced_since": NOW - ago, "sent_for": request, "sent_times": times}
    return {"sent": fingerprint(declared), "stood": stood, "changed": THEN, **counted}
