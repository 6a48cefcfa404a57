"""Fulfilling requests: the one way in for every door, from who asks to what is answered."""

from dataclasses import dataclass, replace

import anyio

from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime, Verdict
from infra.settings import Operation
from workflows.acting.stages import SYNCHRONIZATION
from workflows.deciding.failures import CREDENTIALS, OF_VERDICTS
from workflows.deciding.outcome import Outcome, Status
from workflows.document.problems import Invalid, Problem
from workflows.document.reading import read_stack
from workflows.provision import Job
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.records.stack import StackRecord
from workflows.requests.answers import announced, rejected, rejected_unread
from workflows.requests.authority import Allowed, Submitter
from workflows.requests.context import Context
from workflows.requests.intake import admit, authorize, readmit
from workflows.requests.request import Request
from workflows.requests.stacks import stack_record

#: Seconds after which to look again whether a paused deployment goes on.
_PAUSED_SECONDS = 300.0
_PAUSED = "this deployment is paused"


async def fulfil(context: Context, request: Request, deadline: Deadline, *, admitted: bool = False) -> Outcome:
    """Do what a request asks for, as far as this run's time goes, and announce what came of it.

    `admitted` says that its submitter was found to be allowed to ask for it, when it was accepted.

    Raises CallFailed when AWS cannot be asked at all: nothing was decided then, and the request is to come again.
    """
    if context.settings.mode is Operation.PAUSED:
        return _postponed(request, _PAUSED, _PAUSED_SECONDS)
    began = anyio.current_time()
    calls = context.aws.within(deadline)
    try:
        request, allowed = await (readmit if admitted else admit)(context, calls, request)
        if request.dry_run or context.settings.mode is Operation.OBSERVE:
            outcome = await _planned(context, request, allowed, deadline)
        else:
            outcome = await Job(context, calls, request, allowed).do()
    except Invalid as invalid:
        outcome = rejected(request, invalid.problems)
    except OutOfTime as late:
        outcome = _postponed(request, str(late), late.retry_after)
    except CallFailed as failed:
        if failed.verdict is not Verdict.CREDENTIALS:
            raise
        outcome = _refused_here(request, failed)
    return await announced(context, outcome, anyio.current_time() - began, request.submitter)


async def _planned(context: Context, request: Request, allowed: Allowed | None, deadline: Deadline) -> Outcome:
    """Return a plan as an outcome: nothing is accepted, marked or changed."""
    outcome = Outcome(
        stack=request.stack,
        status=Status.PLANNED,
        request_id=request.request_id,
        account=context.aws.known.get("account", ""),
        region=context.aws.region,
    )
    if request.mode is not Mode.PROVISION:
        return replace(outcome, reason="this deployment only observes; removals and synchronizations are not planned")
    from workflows.planning import plan  # noqa: PLC0415 - off the cold path

    document = request.document or {}
    authorize(allowed, read_stack(document))
    found = await plan(context, document, deadline, request.allow)
    account = context.aws.known.get("account", "")
    return replace(outcome, account=account, warnings=found.warnings, calls=found.calls, plan=found.shown())


def _postponed(request: Request, reason: str, seconds: float) -> Outcome:
    """Return that nothing is done for now; it is no news, since nothing happened."""
    outcome = Outcome(request.known_as, Status.IN_PROGRESS, request.request_id, request.generation)
    return replace(outcome, reason=reason, retry_after=max(1.0, seconds), news=False)


def _refused_here(request: Request, failed: CallFailed) -> Outcome:
    """Return that AWS refuses the caller itself: nothing was begun, and the request comes again."""
    warning = Problem(CREDENTIALS, CREDENTIALS, f"{failed}. {OF_VERDICTS[failed.verdict][1]}")
    return replace(_postponed(request, str(failed), _PAUSED_SECONDS), warnings=(warning,))


@dataclass(frozen=True)
class Named:
    """A request that was accepted before, as who goes on with it names it."""

    stack: str
    generation: int
    request_id: str
    synchronize: bool = False
    stage: str = ""

    @property
    def synchronizes(self) -> bool:
        """Whether it is of no generation."""
        return self.synchronize or self.stage == SYNCHRONIZATION

    def request(self, record: StackRecord | None = None) -> Request:
        """Return the request, with what a stack's record has of it."""
        held = record or StackRecord()
        state, current = held.requests.get(self.request_id), held.requests.get(held.request_id)
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
            # A removal does without: what was accepted long ago need not be valid any more.
            document=dict(held.document) if held.document is not None and held.mode is not Mode.REMOVE else None,
            generation=self.generation,
            allow=held.approvals_of(self.request_id),
            # A schedule asks in the name of who sent what is in force.
            submitter=Submitter.read(sender or (current.submitter if current is not None else None)),
            stage=self.stage,
        )


async def resume(context: Context, named: Named, deadline: Deadline) -> Outcome:
    """Go on with a request that was accepted before; its document is read from the ledger, not from the caller.

    A deployment that does not act leaves it for later.
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
        problem = Problem("stack", "unknown-stack", f"{what} is not known here")
        return await announced(context, rejected_unread(named.request_id, [problem]))
    return await fulfil(context, named.request(record), deadline, admitted=True)


def _known(context: Context, record: StackRecord, named: Named) -> bool:
    """Tell whether somebody who was allowed to asked for this; what is older than what is in force does nothing."""
    current = record.generation
    if context.grants is None or named.generation > current:
        return named.generation <= current
    return (named.generation < current and not named.synchronizes) or record.knows(named.request_id)
