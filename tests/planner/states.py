"""What a row of the planner's table is made of: what is wanted, what the service shows, what the ledger remembers.

Each builder begins with the plainest case, a resource of this stack that is as declared, and a row says what differs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.errors import ErrorClass
from tests.documents import ROLE, SECRET
from workflows.document.fingerprint import digest, fingerprint
from workflows.document.stack import Options
from workflows.kinds import API_KEY_CREDENTIAL_PROVIDER, GATEWAY, GATEWAY_TARGET, HARNESS, REGISTRY, Kind
from workflows.kinds.observed import ObservedState
from workflows.planner.decision import Action, DesiredState
from workflows.records.declaration import RemoteObject
from workflows.records.log import OperationLog
from workflows.records.operation import Operation, OpState, Verb
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord

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
    desired: DesiredState
    observed: ObservedState | None
    record: ResourceRecord
    action: Action
    #: A part of the reason.
    reason: str
    paths: tuple[str, ...] = ()
    #: The code of the failure, where it is one.
    code: str = ""


def wants(kind: Kind = GATEWAY, declared: Mapping[str, Any] | None = None, **more: Any) -> DesiredState:
    """Return the wish that a resource be as declared."""
    options = more.pop("options", {})
    values: dict[str, Any] = {"mode": Mode.PROVISION, "retry_scope": REQUEST, "stack": STACK, "now": NOW, **more}
    declared = PLAIN[kind.section] if declared is None else declared
    return DesiredState(f"{kind.section}.one", kind, "one", declared, Options(**options), **values)


def goes(kind: Kind = GATEWAY, mode: Mode = Mode.REMOVE, **more: Any) -> DesiredState:
    """Return the wish that a resource be gone."""
    options = more.pop("options", {})
    values: dict[str, Any] = {"retry_scope": REQUEST, "stack": STACK, "now": NOW, **more}
    return DesiredState(f"{kind.section}.one", kind, "one", None, Options(**options), mode, **values)


def shows(
    status: str | None = "READY", kind: Kind = GATEWAY, body: Mapping[str, Any] | None = None, **more: Any
) -> ObservedState:
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
    return ObservedState(kind, "id-1", {**shown, **({"status": status} if status is not None else {})}, **more)


def knows(kind: Kind = GATEWAY, applied: Mapping[str, Any] | None = None, **more: Any) -> ResourceRecord:
    """Return the record of a resource that this stack made, and that was READY as applied."""
    applied = PLAIN[kind.section] if applied is None else applied
    return nothing(kind, **{"id": "id-1", "incarnation": 1, "ready": 1, "applied": applied, **more})


def nothing(kind: Kind = GATEWAY, **more: Any) -> ResourceRecord:
    """Return the record of a resource of which nothing is known, but for what a row says.

    `id`, `compared` (when it was compared last), `incarnation`, `ready` (the first generation that was), `applied` and
    `versions` (of its base), `asked_since`, `created_at`, `changed`, and the operations `ops` after that.
    """
    base = _base(more)
    asked = more.get("asked_since", 0.0)
    known = RemoteObject(more["id"], compared=more.get("compared", ""), asked_since=asked) if more.get("id") else None
    return ResourceRecord(
        f"{kind.section}.one",
        kind.section,
        "one",
        object=known,
        incarnation=more.get("incarnation", 0),
        first_ready_generation=more.get("ready"),
        log=OperationLog((*base, *more.get("ops", ()))),
    )


def _base(more: Mapping[str, Any]) -> list[Operation]:
    applied, made = more.get("applied"), more.get("created_at", 0.0)
    if applied is None and not made:
        return []
    verb = Verb.CREATE if made else Verb.IMPORT
    declared = fingerprint(applied) if applied is not None else None
    done = Operation(verb, OpState.SUCCEEDED, declared=declared, updated=more.get("changed", ""), accepted_at=made)
    return [replace(done, object_id=more.get("id"), secret_versions=more.get("versions", NONE))]


def unanswered(
    verb: Verb = Verb.CREATE, ago: float = 0.0, declared: Mapping[str, Any] | None = None, versions: Mapping = NONE
) -> tuple[Operation, ...]:
    """Return a call without an answer, and the declaration that may be in force since."""
    members = fingerprint(declared) if declared is not None else None
    return (Operation(verb, OpState.PENDING, NOW - ago, declared=members, secret_versions=versions),)


def lingering(declared: Mapping[str, Any] | None, tags: tuple[str, ...] = ()) -> tuple[Operation, ...]:
    """Return the declaration that earlier operations may have left in force."""
    members = fingerprint(declared) if declared is not None else None
    return (Operation(Verb.UPDATE, OpState.UNANSWERED, NOW, declared=members, tags_in_doubt=tags),)


def tried(times: int, request: str = REQUEST, error: str = "") -> tuple[Operation, ...]:
    """Return the attempts of a request."""
    return (Operation(Verb.UPDATE, OpState.FAILED, scope=request, attempts=times, error=error),)


def pending(*verbs: Verb, scope: str = REQUEST) -> tuple[Operation, ...]:
    """Return the refusals of calls because the target waits for consent."""
    why = ErrorClass.AWAITING_CONSENT
    return tuple(Operation(verb, OpState.REFUSED, NOW, scope, error_class=why) for verb in verbs)


def updated(ago: float, repeats: int = 1) -> tuple[Operation, ...]:
    """Return an accepted update that was sent a number of times in succession."""
    done = Operation(Verb.UPDATE, OpState.ACCEPTED, NOW - ago, REQUEST, accepted_at=NOW - ago, repeats=repeats)
    return (replace(done, declared={}),)


def sent(
    declared: Mapping[str, Any], path: str, there: Any, ago: float, times: int = 1, request: str = REQUEST,
    *, shown_otherwise: bool = True,
) -> tuple[Operation, ...]:  # fmt: skip
    """Return an accepted update that was to change one member from what was shown there."""
    update = Operation(Verb.UPDATE, OpState.ACCEPTED, scope=request, declared=fingerprint(declared), updated=THEN)
    shown = {path: digest([fingerprint(there)])}
    since = NOW - ago if shown_otherwise else 0.0
    return (replace(update, shown_before=shown, accepted_at=NOW - ago, unapplied_since=since, repeats=times),)
