"""The outcome of a run: one JSON document, printed, returned to Step Functions, announced and remembered."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from workflows.document.problems import Problem
from workflows.planner.failures import Failure

VERSION = 1


class Status(StrEnum):
    """How a run ended."""

    READY = "READY"
    IN_PROGRESS = "IN_PROGRESS"
    AWAITING_CONSENT = "AWAITING_CONSENT"
    FAILED = "FAILED"
    #: It failed, and the stack is as it was when it was READY last.
    ROLLED_BACK = "ROLLED_BACK"
    DELETED = "DELETED"
    #: Only planned, as asked for.
    PLANNED = "PLANNED"
    REJECTED = "REJECTED"
    SUPERSEDED = "SUPERSEDED"


#: A request with one of these is finished: delivered again, it is answered and not run.
FINAL = frozenset({
    Status.READY, Status.FAILED, Status.ROLLED_BACK, Status.DELETED, Status.REJECTED, Status.SUPERSEDED,
})  # fmt: skip


class ResourceStatus(StrEnum):
    """Where a run left one resource."""

    READY = "READY"
    IN_PROGRESS = "IN_PROGRESS"
    AWAITING_CONSENT = "AWAITING_CONSENT"
    FAILED = "FAILED"
    #: It waits for another that failed or awaits consent.
    BLOCKED = "BLOCKED"
    DELETED = "DELETED"
    #: It stays although nobody declares it any more: on purpose, or because the request did not allow its removal.
    RETAINED = "RETAINED"


@dataclass(frozen=True)
class Result:
    """What a run did with one resource. `seconds` is from its first step to its last."""

    address: str
    status: ResourceStatus
    action: str = "NONE"
    #: The service's own word for where it stands; not shown, but what moves is told by it.
    state: str | None = None
    reason: str = ""
    id: str | None = None
    arn: str | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    consent: Mapping[str, Any] | None = None
    retry_after: float | None = None
    seconds: float = 0.0

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "status": str(self.status),
            "id": self.id,
            "arn": self.arn,
            "outputs": dict(self.outputs),
            "action": self.action,
            "reason": self.reason,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Outcome:
    """How a run ended, with everything that people and programs need to go on."""

    stack: str
    status: Status
    request_id: str = ""
    generation: int | None = None
    run_id: str = ""
    account: str = ""
    region: str = ""
    digest: str = ""
    started_at: str = ""
    finished_at: str = ""
    results: tuple[Result, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    retry_after: float | None = None
    calls: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    #: The failures for which a stack was rolled back, as JSON.
    undone: tuple[Mapping[str, Any], ...] = ()
    #: The JSON of a plan, where only that was asked for.
    plan: Mapping[str, Any] | None = None
    #: The JSON of the run that finished this request before, when it was delivered again.
    earlier: Mapping[str, Any] | None = None
    #: Whether it is to be announced: what was told before and did not change is not.
    news: bool = True
    #: Seconds since its request was accepted.
    age: float = 0.0

    @property
    def failures(self) -> list[Failure]:
        """The failures of all resources."""
        return [result.failure for result in self.results if result.failure is not None]

    @property
    def asking(self) -> dict[str, Mapping[str, Any]]:
        """What people are asked to consent to, by address."""
        return {result.address: result.consent for result in self.results if result.consent is not None}

    def given_up(self, addresses: Container[str], why: Callable[[Result], Failure]) -> "Outcome":
        """Return it as it is when some resources are waited for no longer: they have failed, each for a reason."""

        def ended(result: Result) -> Result:
            if result.address not in addresses:
                return result
            failure = why(result)
            reason, status = failure.message, ResourceStatus.FAILED
            return replace(result, status=status, reason=reason, failure=failure, consent=None)

        return replace(self, status=Status.FAILED, results=tuple(map(ended, self.results)), retry_after=None)

    def shown(self) -> dict[str, Any]:
        """Return the JSON document, as `events/outcome.schema.json` says."""
        if self.earlier is not None:
            return {**self.earlier, "reason": self.reason, "calls": dict(self.calls)}
        return {
            "version": VERSION,
            "stack": self.stack,
            "requestId": self.request_id,
            "generation": self.generation,
            "runId": self.run_id,
            "account": self.account,
            "region": self.region,
            "digest": self.digest,
            "status": str(self.status),
            "reason": self.reason,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
            "resources": {result.address: result.shown() for result in self.results},
            "consents": [dict(consent) for consent in self.asking.values()],
            "failures": [*(dict(one) for one in self.undone), *(failure.shown() for failure in self.failures)],
            "problems": [problem.shown() for problem in self.problems],
            "warnings": [warning.shown() for warning in self.warnings],
            "retryAfterSeconds": self.retry_after,
            "calls": dict(self.calls),
            **({"plan": dict(self.plan)} if self.plan is not None else {}),
        }


def overall(results: Iterable[Result], *, removed: bool) -> Status:
    """Return the status of a run from those of its resources. What is unfinished outweighs what failed."""
    results = tuple(results)
    found = {result.status for result in results}
    if ResourceStatus.IN_PROGRESS in found:
        return Status.IN_PROGRESS
    if any(result.failure is not None for result in results):
        return Status.FAILED
    if found & {ResourceStatus.AWAITING_CONSENT, ResourceStatus.BLOCKED}:
        return Status.AWAITING_CONSENT
    return Status.DELETED if removed else Status.READY


def retry_after(results: Iterable[Result]) -> float | None:
    """Return the seconds until the next useful moment: the earliest that a resource named."""
    named = [result.retry_after for result in results if result.retry_after is not None]
    return round(max(1.0, min(named)), 1) if named else None
