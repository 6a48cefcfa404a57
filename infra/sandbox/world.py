"""What the rooms of the sandbox share: its records, its settings, its secrets, and small helpers over them."""

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

#: What an owner asks for, in the request; the rest of a request addresses the resource or guards the call.
NOT_KEPT = frozenset({
    "clientToken", "tags", "gatewayIdentifier", "targetId", "agentRuntimeId", "harnessId", "registryId",
})  # fmt: skip


@dataclass
class Failure:
    """How often operations on a resource name fail (-1: always), and the reason that the service then gives."""

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
    #: Names whose status never changes again by itself.
    stuck: set[str] = field(default_factory=set)

    @property
    def now(self) -> float:
        """Seconds on the injected clock."""
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
        """Plan the end of an operation: `status`, or `failed` with a reason when this name is set to fail."""
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
        """Return what happens at the first READY when it wavers: the status before it shows again for a while."""
        seconds = self.behaviour.durations.flicker

        def back(record: Record) -> None:
            record.plan(record.since + seconds, "READY", then)

        def waver(record: Record) -> None:
            record.plan(record.since + seconds, before, back)

        return waver

    def shown(self, kind: str, parent: str | None = None) -> list[Record]:
        """Return what reads and lists show of a kind, however much they lag."""
        return self.records.shown(kind, parent, lag=self.behaviour.durations.reads_lag)

    def repeated(self, kind: str, params: Params, request: Body) -> Record | None:
        """Return what an earlier create with this token made; a token with other parameters is refused."""
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
        """Refuse the update of what failed, where the service does not take it."""
        failed = record.status == "FAILED" and not self.behaviour.updates_failed
        if failed or (record.status.endswith("_UNSUCCESSFUL") and not self.behaviour.updates_unsuccessful):
            raise busy(self.behaviour.busy, operation, what, record.status)

    def replace(self, record: Record, request: Body) -> None:
        """Put a new request in force, keeping the old one for the case that the update fails."""
        record.extra["before"] = record.request
        record.request = request if self.behaviour.put_clears else {**record.request, **request}


def _restore(record: Record) -> None:
    record.request = record.extra["before"]


def kept(params: Params) -> Body:
    """Return the part of a request that the resource keeps: a copy without address, token and tags."""
    return {name: copy.deepcopy(value) for name, value in params.items() if name not in NOT_KEPT}


def waits_for_private_endpoint(value: Any) -> bool:
    """Tell whether a request asks for a private endpoint anywhere."""
    if isinstance(value, Mapping):
        return "privateEndpoint" in value or any(waits_for_private_endpoint(item) for item in value.values())
    return False
