"""The main job: bring a stack to what its document declares, remove it, or have its tools read again.

A run accepts the request, observes, lets the planner decide, acts, and remembers what came of it. It assumes
nothing about earlier runs, so running again is always safe.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
import structlog

from infra.aws import Calls
from infra.errors import OutOfTime
from infra.tasks import guarded
from workflows.acting import rollback
from workflows.acting.act import act
from workflows.acting.book import Book
from workflows.acting.lease import Holder, LeaseHeld, LeaseLost
from workflows.acting.live import LiveExecutor
from workflows.acting.remembering import note_options
from workflows.acting.run import Run, items_of
from workflows.acting.survey import survey, warn_of_strangers
from workflows.deciding.outcome import FINAL, VERSION, Outcome, Result, Status, overall, retry_after
from workflows.document.fingerprint import digest
from workflows.document.problems import Invalid, Problem, told
from workflows.document.reading import read_stack
from workflows.document.stack import Stack
from workflows.records.items import partition_of
from workflows.records.request_state import Mode
from workflows.records.stack import StackRecord
from workflows.requests.acceptance import (
    Accepted,
    Refused,
    accept,
    answered,
    finished,
    note_request,
    synchronization_of,
    with_outcome,
)
from workflows.requests.answers import kept
from workflows.requests.authority import Allowed
from workflows.requests.context import Context
from workflows.requests.intake import authorize
from workflows.requests.patience import Patience
from workflows.requests.request import Request
from workflows.requests.stacks import stack_record

log = structlog.get_logger()


@dataclass
class Job:
    """One request on its way through a run; `allowed` is what its submitter may do, where that is to be checked."""

    context: Context
    calls: Calls
    request: Request
    allowed: Allowed | None = None
    stack: Stack | None = None

    async def do(self) -> Outcome:
        """Do it, and return what came of it. Raises Invalid, or CallFailed when AWS cannot be asked at all."""
        request, context = self.request, self.context
        self.stack = read_stack(request.document) if request.document is not None else None
        if self.stack is not None and request.mode is not Mode.REMOVE:
            authorize(self.allowed, self.stack)
        self.run_id = context.new_id()
        self.started = context.now()
        structlog.contextvars.bind_contextvars(stack=request.stack, request=request.request_id, run=self.run_id)
        self.account = await self.calls.account()
        self.partition = partition_of(self.account, context.aws.region, request.stack)
        accepted = await self._accept()
        if isinstance(accepted, Refused):
            return self._refused(accepted)
        structlog.contextvars.bind_contextvars(generation=accepted.generation)
        if request.uri and accepted.document is not None:
            # The object may have been replaced since the request was accepted, and so may the grants.
            self.stack = read_stack(accepted.document)
            authorize(self.allowed, self.stack)
        if accepted.new:
            await self._tell_accepted(accepted)
        try:
            return await self._run(accepted)
        except LeaseHeld as held:
            return self._outcome(accepted, Status.IN_PROGRESS, reason=str(held), retry=held.retry_after)
        except OutOfTime as late:
            retry = max(1.0, late.retry_after)
            return self._outcome(accepted, Status.IN_PROGRESS, reason=str(late), retry=retry)
        except LeaseLost:
            return await self._overtaken(accepted)

    async def _overtaken(self, accepted: Accepted) -> Outcome:
        """Say what became of a request whose stack is another run's now."""
        record = await stack_record(self.context.ledger, self.partition) or StackRecord()
        if record.outcome is not None and finished(record, self.request.request_id):
            # Another delivery of it did, or an operator ended it.
            return self._refused(answered(record.outcome))
        # A synchronization is of no generation: it is still to be done, on what is in force then.
        newer = record.generation > accepted.generation
        if newer and self.request.mode is not Mode.SYNCHRONIZE:
            return self._outcome(accepted, Status.SUPERSEDED, reason="a newer generation took over")
        return self._outcome(
            accepted, Status.IN_PROGRESS, reason="this run does not hold the stack any more", retry=5.0
        )

    async def _accept(self) -> Accepted | Refused:
        ledger, mode = self.context.ledger, self.request.mode
        if mode is Mode.SYNCHRONIZE:
            return await self._accept_synchronization(await stack_record(ledger, self.partition))
        if mode is Mode.REMOVE and self.stack is None and await stack_record(ledger, self.partition) is None:
            problem = Problem("stack", "unknown-stack", f"no stack named {self.request.stack} is known here")
            raise Invalid([problem])
        # A removal is the same one whatever document came with it.
        what = self.stack.digest if self.stack is not None and mode is Mode.PROVISION else digest(["remove"])
        return await accept(ledger, self.partition, self.request, what, self.started.timestamp(), self.context.new_id)

    async def _accept_synchronization(self, record: StackRecord | None) -> Accepted | Refused:
        found = synchronization_of(record)
        if found is None:
            problem = Problem("stack", "unknown-stack", f"no stack named {self.request.stack} is in force here")
            raise Invalid([problem])
        before = found.record.requests.get(self.request.request_id)
        if before is not None and before.outcome is not None and before.outcome["status"] in FINAL:
            return answered(before.outcome, found.generation)
        if before is not None and before.status:
            return Refused(Status(before.status), "this request was finished before", found.generation)
        await note_request(self.context.ledger, self.partition, self.request.request_id, self.request.submitter)
        return found

    async def _run(self, accepted: Accepted) -> Outcome:
        holder = Holder(self.run_id, accepted.generation, self.request.request_id, self.context.worker)
        asked = self.request.mode is not Mode.SYNCHRONIZE
        announcing = self.request.request_id if asked else ""
        clock, deadline = lambda: self.context.now().timestamp(), self.calls.deadline
        ledger = self.context.ledger
        book = await Book.open(ledger, self.partition, holder, now=clock, deadline=deadline, announcing=announcing)
        try:
            return await guarded(partial(self._under_lease, accepted, book), book.guard)
        except (Exception, anyio.get_cancelled_exc_class()):
            with anyio.CancelScope(shield=True):
                await book.release()
            raise

    async def _under_lease(self, accepted: Accepted, book: Book) -> Outcome:
        """Work for as long as the stack is this run's; nothing is sent once that is in doubt."""
        now = self.started.timestamp()
        if book.lease is not None:
            self.calls.before_change = book.lease.require
        if self.request.mode is not Mode.SYNCHRONIZE and self._untold(accepted):
            await self._tell_accepted(accepted)
        # Another delivery may have gone on with the request since it was accepted here.
        accepted = replace(accepted, record=book.stack)
        self.patience = Patience(self.request, book.stack, now)
        outcome = await self._forward(accepted, book)
        if outcome is None or (outcome.status is Status.FAILED and self._rolls_back()):
            outcome = await self._back(accepted, book, outcome)
        outcome, consent = await self.patience.told(self.context, outcome)
        whole = self.patience.goes_back or not self.request.stage
        days, stall = self.context.settings.history_days, self.patience.stall

        def ended(record: StackRecord) -> StackRecord:
            waiting = record.waiting(self.request.request_id, stall, consent)
            return with_outcome(waiting, outcome, self.request) if whole else waiting

        await book.close(ended, kept(outcome), outcome.finished_at, expires=now + days * 86_400)
        return outcome

    async def _forward(self, accepted: Accepted, book: Book) -> Outcome | None:
        """Do what is asked for; None where that was given up before, and a rollback is under way.

        Raises LeaseLost, also where another delivery of the request has finished it.
        """
        if self.request.mode is not Mode.SYNCHRONIZE and finished(accepted.record, self.request.request_id):
            raise LeaseLost
        run = self._prepare(accepted, book)
        if run.mode is Mode.PROVISION and self._goes_on_back(accepted):
            return None
        return self._judged(self._of_results(accepted, run, await _work(run)))

    def _goes_on_back(self, accepted: Accepted) -> bool:
        return accepted.record.rolls_back(accepted.generation, self.request.request_id)

    def _rolls_back(self) -> bool:
        whole = self.stack is not None and self.stack.goes_back and self.request.mode is Mode.PROVISION
        return whole and not self.request.stage

    async def _back(self, accepted: Accepted, book: Book, failed: Outcome | None) -> Outcome:
        """Return to the last READY document, or go on with doing so."""
        self.patience.goes_back = True
        under_way = accepted.record.rollback if failed is None else rollback.begun(failed)
        if under_way is None:
            raise AssertionError("a rollback goes on that was never begun")
        ready = accepted.record.ready
        back_to = ready.generation if ready is not None else None
        if failed is not None:
            begun = under_way
            await book.change(lambda record: record.rolling_back(begun))
            log.info("rollback", to=back_to, failures=len(failed.failures))
        names = (self.request.stack, self.account, self.request.request_id)
        run = Run(self.context, self.calls, book, Mode.PROVISION, *names)
        undone = tuple(under_way.failures)
        try:
            if ready is not None:
                authorize(self.allowed, read_stack(ready.document))
            rollback.prepare(run, ready)
        except Invalid as invalid:
            reason = f"generation {back_to} cannot be gone back to: {invalid}"
            return replace(self._outcome(accepted, Status.FAILED, reason=reason), undone=undone)
        results = await _work(run)
        run.warnings += rollback.not_undone(run, results, under_way)
        outcome = self._judged(self._of_results(accepted, run, results))
        anew = under_way.also_recreated(sorted(rollback.made_anew(results)))
        if rollback.ended(outcome.status) is not Status.ROLLED_BACK and set(anew.recreated) != set(under_way.recreated):
            await book.change(lambda record: record.rolling_back(anew))
        return replace(outcome, status=rollback.ended(outcome.status), undone=undone)

    def _judged(self, outcome: Outcome) -> Outcome:
        return self.patience.judge(outcome, self.stack, self.context.settings.stuck)

    def _prepare(self, accepted: Accepted, book: Book) -> Run:
        mode = self.request.mode
        stack = self.stack
        if stack is None and accepted.document is not None:
            stack = self._remembered(accepted.document)
        self.stack = stack
        allow = self.request.allow | accepted.record.approvals_of(self.request.request_id)
        names = (self.request.stack, self.account, self.request.request_id)
        run = Run(self.context, self.calls, book, mode, *names, allow)
        run.stage = self.request.stage
        run.items = items_of(stack, book.memories, mode)
        run.warnings += stack.warnings if stack is not None else ()
        return run

    def _remembered(self, document: Mapping[str, Any]) -> Stack | None:
        """Read a document that was accepted before. A removal can do without one that is not valid any more."""
        try:
            return read_stack(document)
        except Invalid:
            if self.request.mode is Mode.REMOVE:
                return None
            raise

    def _of_results(self, accepted: Accepted, run: Run, results: list[Result]) -> Outcome:
        warn_of_strangers(run, self.request.allow if run.back_to is None else frozenset())
        status = overall(results, removed=run.mode is Mode.REMOVE)
        outcome = self._outcome(accepted, status)
        waits = retry_after(results) if status is Status.IN_PROGRESS else None
        return replace(outcome, results=tuple(results), warnings=tuple(told(run.warnings)), retry_after=waits)

    def _outcome(self, accepted: Accepted, status: Status, *, reason: str = "", retry: float | None = None) -> Outcome:
        return Outcome(
            stack=self.request.stack,
            status=status,
            request_id=self.request.request_id,
            generation=accepted.generation,
            run_id=self.run_id,
            account=self.account,
            region=self.context.aws.region,
            digest=accepted.record.digest,
            started_at=_iso(self.started),
            finished_at=_iso(self.context.now()),
            retry_after=retry,
            calls=dict(self.calls.count),
            reason=reason,
            age=self._age(accepted.record),
        )

    def _age(self, record: StackRecord) -> float:
        """Return the seconds since the request in force was accepted; 0 where that is not known."""
        current = record.requests.get(record.request_id)
        now = self.started.timestamp()
        return now - current.accepted_at if current is not None and current.accepted_at else 0.0

    def _untold(self, accepted: Accepted) -> bool:
        """Tell whether another delivery accepted it, and may have ended before it told. A tick is not accepted."""
        state = accepted.record.requests.get(self.request.request_id)
        raised = state is not None and state.generation is not None
        return raised and state is not None and not accepted.new and not state.announced

    async def _tell_accepted(self, accepted: Accepted) -> None:
        detail = {
            "version": VERSION,
            "stack": self.request.stack,
            "requestId": self.request.request_id,
            "generation": accepted.generation,
            "account": self.account,
            "region": self.context.aws.region,
            "digest": accepted.record.digest,
        }
        await self.context.announce("Gateway Stack Accepted", detail)

    def _refused(self, refused: Refused) -> Outcome:
        accepted = Accepted(refused.generation or 0, None, StackRecord())
        outcome = self._outcome(accepted, refused.status, reason=refused.reason)
        return replace(outcome, earlier=refused.outcome)


async def _work(run: Run) -> list[Result]:
    await note_options(run)
    await survey(run)
    return await act(LiveExecutor(run))


def _iso(moment: Any) -> str:
    return str(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
