"""A run of a request: its context, calls, grants and account, and the outcomes that the run can have."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import structlog

from infra.aws import Calls
from infra.bus import SCHEDULE
from workflows.document.reading import read_stack
from workflows.document.stack import Stack
from workflows.planner.outcome import VERSION, Outcome, Status
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.records.stack import StackRecord
from workflows.requests.acceptance import Accepted, Refused
from workflows.requests.authority import Allowed
from workflows.requests.context import Context
from workflows.requests.intake import authorize
from workflows.requests.request import Request


@dataclass(frozen=True)
class RequestRun:
    """A run for a request; `allowed` are the grants of the submitter, or None where nothing is checked."""

    context: Context
    calls: Calls
    request: Request
    allowed: Allowed | None
    run_id: str
    started: datetime
    account: str

    @classmethod
    async def begin(cls, context: Context, calls: Calls, request: Request, allowed: Allowed | None) -> Self:
        """Return a new run. Raises CallFailed and OutOfTime."""
        run_id, started = context.new_id(), context.now()
        structlog.contextvars.bind_contextvars(stack=request.stack, request=request.request_id, run=run_id)
        return cls(context, calls, request, allowed, run_id, started, await calls.account())

    @property
    def partition(self) -> str:
        """The partition of the stack in the ledger."""
        return partition_of(self.account, self.context.aws.region, self.request.stack)

    @property
    def synchronizes(self) -> bool:
        """Whether the request raises no generation."""
        return self.request.mode is Mode.SYNCHRONIZE

    @property
    def adopts_by_tag(self) -> bool:
        """Whether the grants let this request adopt a resource because of its owner tag alone."""
        return self.allowed is None or self.allowed.adopts_by_tag(self.request.stack)

    def unattended(self, record: StackRecord) -> bool:
        """Return whether a schedule or an event made the request."""
        state, sender = record.state_of(self.request.request_id, self.request.mode), self.request.submitter
        return (state is not None and state.unattended) or (sender is not None and sender.source == SCHEDULE)

    def authorized(self, document: Mapping[str, Any]) -> Stack:
        """Read a document on behalf of the request. Raises Invalid."""
        return authorized(self.request, self.allowed, document)

    def outcome(
        self, record: StackRecord, generation: int, status: Status, *, reason: str = "", retry: float | None = None
    ) -> Outcome:
        """Return an outcome of this run, without results."""
        return Outcome(
            stack=self.request.stack,
            status=status,
            request_id=self.request.request_id,
            generation=generation,
            run_id=self.run_id,
            account=self.account,
            region=self.context.aws.region,
            digest=record.digest,
            started_at=_iso(self.started),
            finished_at=_iso(self.context.now()),
            retry_after=retry,
            calls=dict(self.calls.count),
            reason=reason,
            age=self._age(record),
            submitter=self._submitter,
        )

    def refused(self, refused: Refused) -> Outcome:
        """Return the outcome of a request that is not run."""
        outcome = self.outcome(StackRecord(), refused.generation or 0, refused.status, reason=refused.reason)
        return replace(outcome, earlier=refused.outcome)

    async def tell_accepted(self, accepted: Accepted) -> None:
        """Publish that the request was accepted. Raises CallFailed."""
        detail = {
            "version": VERSION,
            "stack": self.request.stack,
            "requestId": self.request.request_id,
            "generation": accepted.generation,
            "account": self.account,
            "region": self.context.aws.region,
            "digest": accepted.record.digest,
            **({"submitter": self._submitter} if self._submitter is not None else {}),
        }
        await self.context.announce("Gateway Stack Accepted", detail)

    @property
    def _submitter(self) -> dict[str, str] | None:
        return self.request.submitter.shown() if self.request.submitter is not None else None

    def _age(self, record: StackRecord) -> float:
        """Return the seconds since the request in force was accepted; 0 where unknown."""
        current = record.requests.get(record.request_id)
        now = self.started.timestamp()
        return now - current.accepted_at if current is not None and current.accepted_at else 0.0


def authorized(request: Request, allowed: Allowed | None, document: Mapping[str, Any]) -> Stack:
    """Read a document, and check every reference against the grants if the request is a provision.

    Raises Invalid with all problems of the document, or with all references that are not granted.
    """
    stack = read_stack(document)
    if request.mode is Mode.PROVISION:
        authorize(allowed, stack)
    return stack


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
