"""Handling a request from any entry point: accept the request, lease and converge the stack, publish the outcome.

A run assumes nothing about earlier runs: each run observes, lets the planner decide, acts and records. Running again
is always safe.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
import structlog

from infra.aws import Calls
from infra.deadline import Deadline
from infra.errors import CALLER_ERRORS, CallFailed, OutOfTime
from infra.settings import Operation
from infra.tasks import run_with_watchdog
from workflows.convergence import converge
from workflows.document.fingerprint import digest
from workflows.document.naming import Place
from workflows.document.problems import Invalid, Problem
from workflows.document.stack import Stack
from workflows.planner import failures
from workflows.planner.outcome import FINAL, Outcome, ResourceStatus, Status
from workflows.reconcile.lease import Holder, LeaseHeld, LeaseLost
from workflows.reconcile.session import StackSession
from workflows.reconcile.stages import SYNCHRONIZATION
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.records.stack import StackRecord
from workflows.requests.acceptance import (
    Accepted,
    Refused,
    accept,
    answered,
    end_refused,
    finished,
    note_request,
    synchronization_of,
    with_outcome,
)
from workflows.requests.answers import announced, kept, rejected, rejected_unread, tell
from workflows.requests.authority import AUTHORITY, Submitter
from workflows.requests.context import Context
from workflows.requests.intake import authorize_new, reauthorize
from workflows.requests.patience import Patience
from workflows.requests.request import Request
from workflows.requests.request_run import RequestRun, authorized
from workflows.requests.stacks import stack_record

#: Seconds after which a request to a paused deployment is tried again.
_PAUSED_SECONDS = 300.0
_PAUSED = "this deployment is paused"
_DAY = 86_400.0


class _UnpublishedError(Exception):
    """The outcome is written and could not be announced: the next delivery of the request announces it."""

    def __init__(self, error: CallFailed | OutOfTime) -> None:
        super().__init__(str(error))
        self.error = error


async def handle(context: Context, request: Request, deadline: Deadline, *, admitted: bool = False) -> Outcome:
    """Handle a request as far as the deadline allows, and publish the outcome.

    `admitted` says that the request was admitted before, so that only the grants of the submitter are checked again.

    Raises CallFailed when AWS cannot be called at all: nothing was decided, and the request must be delivered again.
    """
    context.aws.redaction.begin()
    if context.settings.mode is Operation.PAUSED:
        return _postponed(request, _PAUSED, _PAUSED_SECONDS)
    began, calls = anyio.current_time(), context.aws.within(deadline)
    try:
        request, allowed = await (reauthorize if admitted else authorize_new)(context, calls, request)
        stack = authorized(request, allowed, request.document) if request.document is not None else None
        run = await RequestRun.begin(context, calls, request, allowed)
        if request.dry_run or context.settings.mode is Operation.OBSERVE:
            outcome = await _planned(run, stack, deadline)
        else:
            outcome = await _accepted_and_converged(run, stack)
    except _UnpublishedError as unpublished:
        raise unpublished.error from None
    except Invalid as invalid:
        outcome = rejected(request, invalid.problems)
        if admitted or {one.rule for one in invalid.problems} == {AUTHORITY}:
            await _end_refused(context, calls, request, outcome, admitted=admitted)
    except OutOfTime as late:
        outcome = _postponed(request, str(late), late.retry_after)
    except CallFailed as failed:
        if failed.error_class not in CALLER_ERRORS:
            raise
        outcome = _refused_here(request, failed)
    seconds = anyio.current_time() - began
    named = admitted or await _is_own(context, calls, request, outcome)
    return await announced(context, outcome, seconds, request.submitter, None if named else request.transport_id)


async def _end_refused(context: Context, calls: Calls, request: Request, outcome: Outcome, *, admitted: bool) -> None:
    """End a request that was accepted before its grants were withdrawn: another delivery does not continue it.

    Raises LedgerTooNew, and OSError: nothing is announced then, and the request is delivered again.
    """
    with suppress(CallFailed, OutOfTime):
        partition = partition_of(await calls.account(), context.aws.region, request.stack)
        await end_refused(context.ledger, partition, request, outcome, admitted=admitted)


async def _is_own(context: Context, calls: Calls, request: Request, outcome: Outcome) -> bool:
    """Return whether the names in a refused request are the submitter's own.

    They are if the ledger has the request as this submitter's, since grants may have been withdrawn, and if a submitter
    with grants is refused the location of a document alone, of which no stack is known yet.
    """
    if context.grants is None or request.submitter is None:
        return True
    try:
        account = await calls.account()
        place = Place(account, context.aws.region, context.aws.partition)
        if {one.path for one in outcome.problems} == {"stackUri"} and context.grants.knows(request.submitter, place):
            return True
        partition = partition_of(account, context.aws.region, request.stack)
        record = await stack_record(context.ledger, partition) if request.known_as else None
    except (CallFailed, OutOfTime, OSError):
        return False
    known = record.state_of(request.request_id, request.mode) if record is not None else None
    return known is not None and known.submitter == request.submitter.shown()


async def _accepted_and_converged(run: RequestRun, stack: Stack | None) -> Outcome:
    accepted = await _accept(run, stack)
    if isinstance(accepted, Refused):
        return run.refused(accepted)
    structlog.contextvars.bind_contextvars(generation=accepted.generation)
    if accepted.document is not None and accepted.document != run.request.document:
        # The object at the URI and the grants may have changed since the request was accepted.
        stack = _accepted_stack(run, accepted.document)
    if accepted.new:
        await run.tell_accepted(accepted)
    try:
        return await _under_lease(run, accepted, stack)
    except (LeaseHeld, OutOfTime) as late:
        return _unfinished(run, accepted, str(late), max(1.0, late.retry_after))
    except LeaseLost:
        return await _overtaken(run, accepted)


async def _accept(run: RequestRun, stack: Stack | None) -> Accepted | Refused:
    """Accept a request, unless the request is finished or older than the request in force. Raises Invalid."""
    request, ledger = run.request, run.context.ledger
    if run.synchronizes:
        return await _accept_synchronization(run)
    if request.mode is Mode.REMOVE and stack is None and await stack_record(ledger, run.partition) is None:
        raise Invalid([Problem("stack", "unknown-stack", f"this ledger knows no stack named {request.stack}")])
    # All removals are equal, whichever document came with them.
    of = stack.digest if stack is not None and request.mode is Mode.PROVISION else digest(["remove"])
    return await accept(ledger, run.partition, request, of, run.started.timestamp(), run.context.new_id)


async def _accept_synchronization(run: RequestRun) -> Accepted | Refused:
    """Accept a synchronization, which raises no generation. Raises Invalid."""
    request, ledger = run.request, run.context.ledger
    found = synchronization_of(await stack_record(ledger, run.partition))
    if found is None:
        unknown = f"this ledger knows no provisioned stack named {request.stack}"
        raise Invalid([Problem("stack", "unknown-stack", unknown)])
    _require_last_submitter(run, found.record)
    before = found.record.state_of(request.request_id, Mode.SYNCHRONIZE)
    if before is not None and before.outcome is not None and before.outcome["status"] in FINAL:
        return answered(before.outcome, found.generation)
    if before is not None and before.status:
        return Refused(Status(before.status), "this request was finished before", found.generation)
    now = run.started.timestamp()
    await note_request(ledger, run.partition, request.request_id, Mode.SYNCHRONIZE, request.submitter, now)
    return found


def _require_last_submitter(run: RequestRun, record: StackRecord) -> None:
    """Raise Invalid for a scheduled request if the submitter of the request in force may not provision any more."""
    current, grants = record.requests.get(record.request_id), run.context.grants
    if grants is None or run.allowed is None or current is None or not run.unattended(record):
        return
    allowed = grants.of(Submitter.read(current.submitter), "provision", run.allowed.place)
    if problems := allowed.problems(run.request.stack):
        raise Invalid(problems)


def _accepted_stack(run: RequestRun, document: Mapping[str, Any]) -> Stack | None:
    """Read an accepted document; a removal needs no document that is still valid. Raises Invalid."""
    try:
        return run.authorized(document)
    except Invalid:
        if run.request.mode is Mode.REMOVE:
            return None
        raise


async def _under_lease(run: RequestRun, accepted: Accepted, stack: Stack | None) -> Outcome:
    """Converge a stack under the lease, which is held until the outcome is published.

    Raises LeaseHeld, LeaseLost and OutOfTime.
    """
    context, request = run.context, run.request
    holder = Holder(run.run_id, accepted.generation, request.request_id, context.worker)
    session = await StackSession.open(
        context.ledger,
        run.partition,
        holder,
        now=lambda: context.now().timestamp(),
        deadline=run.calls.deadline,
        # Whoever accepted a request has announced that; otherwise it is announced under the lease.
        announcing=request.request_id if accepted.new and not run.synchronizes else "",
    )
    try:
        return await run_with_watchdog(partial(_converged, run, accepted, stack, session), session.guard)
    finally:
        with anyio.CancelScope(shield=True):
            await session.release()


async def _converged(run: RequestRun, accepted: Accepted, stack: Stack | None, session: StackSession) -> Outcome:
    """Converge, record the outcome, and publish an outcome that is new."""
    run.calls.before_change = session.require
    if _is_untold(run, accepted):
        await run.tell_accepted(accepted)
        await session.change(lambda record: record.announced(run.request.request_id))
    # Another delivery may have continued the request since the request was accepted here.
    accepted = replace(accepted, record=session.stack)
    patience = Patience(run.request, session.stack, run.started.timestamp())
    outcome = await converge(run, accepted, stack, session, patience)
    outcome, consent = await patience.told(run.context, outcome)
    whole = patience.goes_back or not run.request.stage
    retained = [one.arn for one in outcome.results if one.status is ResourceStatus.RETAINED and one.arn]

    def ended(record: StackRecord) -> StackRecord:
        waiting = record.waiting(
            run.request.request_id, run.request.mode, patience.stall, consent, no_calls=patience.no_calls_until
        )
        waiting = waiting.retaining(retained, {str(one.arn) for one in session.records.values() if one.exists})
        return with_outcome(waiting, outcome, run.request) if whole else waiting

    expires = run.started.timestamp() + run.context.settings.history_days * _DAY
    await session.finish(ended, kept(outcome), outcome.finished_at, expires=expires)
    try:
        return await tell(run.context, outcome) if outcome.news else outcome
    except (CallFailed, OutOfTime) as error:
        raise _UnpublishedError(error) from error


def _is_untold(run: RequestRun, accepted: Accepted) -> bool:
    """Return whether another delivery accepted a request and may have died before announcing that; False for a tick."""
    state = accepted.record.requests.get(run.request.request_id)
    if state is None or state.generation is None or run.synchronizes:
        return False
    return not (accepted.new or state.announced)


async def _overtaken(run: RequestRun, accepted: Accepted) -> Outcome:
    """Return the outcome of a request after another run has acquired the stack."""
    record = await stack_record(run.context.ledger, run.partition) or StackRecord()
    if record.outcome is not None and finished(record, run.request.request_id) and not run.synchronizes:
        # Another delivery finished the request, or an operator canceled the request.
        return run.refused(answered(record.outcome))
    if record.generation > accepted.generation and not run.synchronizes:
        reason = "a newer generation superseded it"
        return run.outcome(accepted.record, accepted.generation, Status.SUPERSEDED, reason=reason)
    # A synchronization has no generation, so it is still pending, for the generation that is in force by then.
    return _unfinished(run, accepted, "this run has lost the lease of the stack", 5.0)


def _unfinished(run: RequestRun, accepted: Accepted, reason: str, retry: float) -> Outcome:
    return run.outcome(accepted.record, accepted.generation, Status.IN_PROGRESS, reason=reason, retry=retry)


async def _planned(run: RequestRun, stack: Stack | None, deadline: Deadline) -> Outcome:
    """Return a plan as an outcome; nothing is accepted, recorded or changed."""
    request, context = run.request, run.context
    outcome = Outcome(
        stack=request.stack,
        status=Status.PLANNED,
        request_id=request.request_id,
        account=run.account,
        region=context.aws.region,
    )
    if request.mode is Mode.SYNCHRONIZE or (request.mode is Mode.PROVISION and stack is None):
        return replace(outcome, reason="this deployment only observes; synchronizations are not planned")
    from workflows.planning import plan_of, plan_removal  # noqa: PLC0415 - off the cold path

    if request.mode is Mode.REMOVE or stack is None:
        found = await plan_removal(context, request.stack, request.document, deadline)
    else:
        by_tag = run.adopts_by_tag
        found = await plan_of(context, stack, deadline, request.allow, adopts_by_tag=by_tag, assume=True)
    return replace(outcome, warnings=found.warnings, calls=found.calls, plan=found.shown())


def _postponed(request: Request, reason: str, seconds: float) -> Outcome:
    """Return the outcome of a request that is postponed; not published, since nothing happened."""
    outcome = Outcome(request.known_as, Status.IN_PROGRESS, request.request_id, request.generation)
    return replace(outcome, reason=reason, retry_after=max(1.0, seconds), news=False)


def _refused_here(request: Request, failed: CallFailed) -> Outcome:
    """Return the outcome when no call gets through: nothing was begun, and the request is tried again."""
    warnings = (failures.caller_warning(failed),)
    return replace(_postponed(request, str(failed), _PAUSED_SECONDS), warnings=warnings)


@dataclass(frozen=True)
class RequestRef:
    """A reference to an accepted request, as used by the state machine to continue the request."""

    stack: str
    generation: int
    request_id: str
    synchronize: bool = False
    stage: str = ""

    @property
    def synchronizes(self) -> bool:
        """Whether the request is a synchronization, which raises no generation."""
        return self.synchronize or self.stage == SYNCHRONIZATION

    def request(self, record: StackRecord | None = None) -> Request:
        """Return the request, completed from the stack's record."""
        held = record or StackRecord()
        current, own = held.requests.get(held.request_id), held.requests.get(self.request_id)
        # The last stage of a request is a synchronization under its id.
        state = held.state_of(self.request_id, Mode.SYNCHRONIZE) if self.synchronizes else own
        state = state or own
        sender = state.submitter if state is not None else None
        if self.synchronizes:
            return Request(
                mode=Mode.SYNCHRONIZE,
                request_id=self.request_id,
                stack=self.stack,
                submitter=Submitter.read(sender),
            )
        return Request(
            mode=held.mode,
            request_id=self.request_id,
            stack=self.stack,
            # A removal uses no document: a document accepted long ago may be invalid by now.
            document=dict(held.document) if held.document is not None and held.mode is not Mode.REMOVE else None,
            generation=self.generation,
            allow=held.approvals_of(self.request_id),
            only_approved=held.is_bound(self.request_id),
            # A scheduled request acts for the submitter of the request in force.
            submitter=Submitter.read(sender or (current.submitter if current is not None else None)),
            stage=self.stage,
        )


async def resume(context: Context, named: RequestRef, deadline: Deadline) -> Outcome:
    """Continue an accepted request, with the document from the ledger and not from the caller.

    A deployment that is paused or only observes postpones the request.
    """
    if context.settings.mode is not Operation.ACT:
        return _postponed(named.request(), _PAUSED, _PAUSED_SECONDS)
    try:
        account = await context.aws.within(deadline).account()
    except OutOfTime as late:
        return _postponed(named.request(), str(late), late.retry_after)
    record = await stack_record(context.ledger, partition_of(account, context.aws.region, named.stack))
    if record is None or not _known(context, record, named):
        what = f"request {named.request_id}, generation {named.generation} of a stack named {named.stack},"
        problem = Problem("stack", "unknown-stack", f"{what} is not in this ledger")
        return await announced(context, rejected_unread(named.request_id, [problem]))
    return await handle(context, named.request(record), deadline, admitted=True)


def _known(context: Context, record: StackRecord, named: RequestRef) -> bool:
    """Return whether an authorized submitter made the request; a request older than the one in force does nothing."""
    current = record.generation
    if context.grants is None or named.generation > current:
        return named.generation <= current
    return (named.generation < current and not named.synchronizes) or record.knows(named.request_id)
