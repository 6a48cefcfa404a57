"""The shared state of the sandbox: records, settings and secrets, with small helper functions."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.sandbox.behaviour import Behaviour
from infra.sandbox.records import GONE, Record, Records
from infra.sandbox.refusals import Refusal, busy
from infra.sandbox.secrets_manager import SecretsManager

Params = Mapping[str, Any]
Body = dict[str, Any]

#: Request members outside the configuration: they address the resource, protect the call, or are stored apart (tags).
NOT_KEPT = frozenset({
    "clientToken", "tags", "gatewayIdentifier", "targetId", "agentRuntimeId", "harnessId", "registryId",
})  # fmt: skip


@dataclass
class Failure:
    """The number of operations on a resource name that fail (-1: all), and the reason that the service reports."""

    times: int
    reason: str
    operations: frozenset[str] = frozenset({"CREATE", "UPDATE"})


@dataclass
class World:
    """The state of one sandbox."""

    records: Records
    behaviour: Behaviour
    secrets: SecretsManager
    api_keys: set[str] = field(default_factory=set)
    failing: dict[str, Failure] = field(default_factory=dict)
    #: The ARNs of associated web ACLs, by the id of the gateway.
    web_acls: dict[str, str] = field(default_factory=dict)
    #: Names whose status never changes again by itself.
    stuck: set[str] = field(default_factory=set)

    @property
    def now(self) -> float:
        """The seconds on the injected clock."""
        return self.records.clock()

    def arn(self, resource: str, service: str = "bedrock-agentcore") -> str:
        """Return an ARN of this account and Region."""
        place = self.behaviour
        return f"arn:{place.partition}:{service}:{place.region}:{place.account}:{resource}"

    def settle(
        self,
        record: Record,
        seconds: float,
        operation: str,
        status: str,
        failed: str,
        then: Callable[[Record], None] | None = None,
    ) -> None:
        """Plan the end of an operation: `status`, or `failed` with a reason if the name is configured to fail."""
        if record.name in self.stuck:
            return
        at, before = record.since + seconds, record.status
        failure = self.failing.get(record.name)
        if failure is not None and failure.times != 0 and operation in failure.operations:
            failure.times -= 1
            undo = _restore if operation == "UPDATE" and self.behaviour.failed_update_keeps_old else None
            record.plan(at, failed, undo, (failure.reason,))
        else:
            wavers = status == "READY" and self.behaviour.durations.flicker > 0
            record.plan(at, status, self._wavering(before, then) if wavers else then)

    def _wavering(self, before: str, then: Callable[[Record], None] | None) -> Callable[[Record], None]:
        """Return the callback for the first READY if READY flickers: the previous status shows again for a while."""
        seconds = self.behaviour.durations.flicker

        def back(record: Record) -> None:
            record.plan(record.since + seconds, "READY", then)

        def waver(record: Record) -> None:
            record.plan(record.since + seconds, before, back)

        return waver

    def shown(self, kind: str, parent: str | None = None) -> list[Record]:
        """Return the resources of a kind that reads and lists show, with the configured lag."""
        return self.records.shown(kind, parent, lag=self.behaviour.durations.reads_lag)

    def repeated(self, kind: str, params: Params, request: Body) -> Record | None:
        """Return the resource of an earlier create with this token. Raises Refusal for different parameters."""
        place = self.behaviour
        found = self.records.with_token(kind, params.get("clientToken"), gone=place.tokens_outlive)
        if found is None or self.now - found.created > place.token_seconds:
            return None
        if found.extra["created_with"] != request or found.name != params.get("name"):
            message = "The client token was used before with different parameters"
            known = place.other_parameters == "ValidationException"
            reason = {"reason": "IdempotentParameterMismatchException"} if known else {}
            raise Refusal(place.other_parameters, message, **reason)
        return found.first if place.repeat_answers_first or found.status == GONE else found

    def updatable(self, record: Record, operation: str, what: str) -> None:
        """Raise Refusal for the update of a failed resource, if the service does not accept such updates."""
        if record.status == "FAILED" and not self.behaviour.updates_failed:
            message = f"{operation}: operation can't be performed on {what} when it is in Failed state"
            raise Refusal(self.behaviour.busy, message)
        if record.status.endswith("_UNSUCCESSFUL") and not self.behaviour.updates_unsuccessful:
            raise busy(self.behaviour.busy, operation, what, record.status)

    def replace(self, record: Record, request: Body) -> None:
        """Put a new request in force, and keep the old request in case the update fails."""
        record.extra["before"] = record.request
        record.request = request if self.behaviour.put_clears else {**record.request, **request}


def _restore(record: Record) -> None:
    record.request = record.extra["before"]


def kept(params: Params) -> Body:
    """Return a copy of the configuration in a request, without address, token and tags."""
    return {name: copy.deepcopy(value) for name, value in params.items() if name not in NOT_KEPT}


def waits_for_private_endpoint(value: Any) -> bool:
    """Return whether a request asks for a private endpoint anywhere."""
    if isinstance(value, Mapping):
        return "privateEndpoint" in value or any(waits_for_private_endpoint(item) for item in value.values())
    return False
