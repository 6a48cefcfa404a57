"""The outcome of a run: a JSON document that is printed, returned to Step Functions, published and recorded."""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from workflows.document.problems import Problem
from workflows.planner.failures import CALLER_RULES, Failure

VERSION = 1


class Status(StrEnum):
    """The status of a run."""

    READY = "READY"
    IN_PROGRESS = "IN_PROGRESS"
    AWAITING_CONSENT = "AWAITING_CONSENT"
    FAILED = "FAILED"
    #: The request failed, and the stack was restored to its last READY document.
    ROLLED_BACK = "ROLLED_BACK"
    DELETED = "DELETED"
    #: Only a plan was requested.
    PLANNED = "PLANNED"
    REJECTED = "REJECTED"
    SUPERSEDED = "SUPERSEDED"


#: A request with such a status is finished: a repeated delivery is answered and not run.
FINAL = frozenset({
    Status.READY, Status.FAILED, Status.ROLLED_BACK, Status.DELETED, Status.REJECTED, Status.SUPERSEDED,
})  # fmt: skip


class ResourceStatus(StrEnum):
    """The status in which a run left a resource."""

    READY = "READY"
    IN_PROGRESS = "IN_PROGRESS"
    AWAITING_CONSENT = "AWAITING_CONSENT"
    FAILED = "FAILED"
    #: A dependency failed or awaits consent.
    BLOCKED = "BLOCKED"
    DELETED = "DELETED"
    #: No longer declared, and kept: by choice of the document, or because the request did not approve the deletion.
    RETAINED = "RETAINED"


@dataclass(frozen=True)
class Result:
    """The result of a run for one resource. `seconds` is the time from the first action to the last."""

    address: str
    status: ResourceStatus
    action: str = "NONE"
    #: The status that the service shows; left out of the JSON, and used to detect progress.
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
        """Return the result as JSON."""
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
    """The outcome of a run, with everything that people and programs need to continue."""

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
    #: The failures that caused a rollback, as JSON.
    undone: tuple[Mapping[str, Any], ...] = ()
    #: The JSON of a plan, where only a plan was requested.
    plan: Mapping[str, Any] | None = None
    #: The JSON of the earlier run that finished this request, where the request was delivered again.
    earlier: Mapping[str, Any] | None = None
    #: Who asked, as the transport says; None at a terminal.
    submitter: Mapping[str, str] | None = None
    #: Whether the outcome is to be published: an unchanged outcome is published once.
    news: bool = True
    #: Seconds since the request was accepted.
    age: float = 0.0

    @property
    def failures(self) -> list[Failure]:
        """The failures of all resources."""
        return [result.failure for result in self.results if result.failure is not None]

    @property
    def without_calls(self) -> bool:
        """Whether calls of the worker did not get through: its credentials, clock, endpoint, Region or network."""
        return any(warning.rule in CALLER_RULES.values() for warning in self.warnings)

    @property
    def asking(self) -> dict[str, Mapping[str, Any]]:
        """The consents that people are asked for, by address."""
        return {result.address: result.consent for result in self.results if result.consent is not None}

    def given_up(self, addresses: Container[str], why: Callable[[Result], Failure]) -> "Outcome":
        """Return the outcome with some resources timed out: each has FAILED with the failure that `why` returns.

        A resource that was in progress because it waits for one of these is BLOCKED.
        """

        def ended(result: Result) -> Result:
            if result.address not in addresses:
                going_on = result.status is ResourceStatus.IN_PROGRESS
                return replace(result, status=ResourceStatus.BLOCKED, retry_after=None) if going_on else result
            failure = why(result)
            reason, status = failure.message, ResourceStatus.FAILED
            return replace(result, status=status, reason=reason, failure=failure, consent=None)

        return replace(self, status=Status.FAILED, results=tuple(map(ended, self.results)), retry_after=None)

    def shown(self) -> dict[str, Any]:
        """Return the JSON document, as specified in `events/outcome.schema.json`."""
        if self.earlier is not None:
            return {**self.earlier, "reason": self.reason, "calls": dict(self.calls), **self._asked_by}
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
            **self._asked_by,
        }

    @property
    def _asked_by(self) -> dict[str, Any]:
        return {"submitter": dict(self.submitter)} if self.submitter is not None else {}


def overall(results: Iterable[Result], *, removed: bool) -> Status:
    """Return the status of a run, computed from its resources: unfinished resources outweigh failed resources."""
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
    """Return the seconds until a retry is useful: the earliest time that a resource asks for, at least 1 s."""
    named = [result.retry_after for result in results if result.retry_after is not None]
    return round(max(1.0, min(named)), 1) if named else None
