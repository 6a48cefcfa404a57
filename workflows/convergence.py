"""Converging a stack under the lease: forward to the requested state, and back to the last READY state on failure."""

from dataclasses import replace

import structlog

from workflows.document.problems import Invalid, told
from workflows.document.stack import Stack
from workflows.planner.outcome import Outcome, Result, Status, overall, retry_after
from workflows.reconcile import rollback
from workflows.reconcile.graph import nodes_of
from workflows.reconcile.lease import LeaseLost
from workflows.reconcile.left_behind import left_behind
from workflows.reconcile.live import LiveExecutor
from workflows.reconcile.observation import observe_all, warn_of_elsewhere, warn_of_strangers, warn_of_unsent
from workflows.reconcile.recording import record_removal_options
from workflows.reconcile.run import Run
from workflows.reconcile.session import StackSession
from workflows.reconcile.walk import walk
from workflows.records.request_state import Mode
from workflows.requests.acceptance import Accepted, finished
from workflows.requests.patience import Patience
from workflows.requests.request_run import RequestRun

log = structlog.get_logger()


async def converge(
    run: RequestRun, accepted: Accepted, stack: Stack | None, session: StackSession, patience: Patience
) -> Outcome:
    """Converge the stack for a request, as far as the run's deadline allows; roll back a failure if the stack says so.

    Raises LeaseLost, also if another delivery of the request has finished the request.
    """
    request, record = run.request, accepted.record
    if not run.synchronizes and finished(record, request.request_id):
        raise LeaseLost
    if request.mode is Mode.PROVISION and record.rolls_back(accepted.generation, request.request_id):
        return await _back(run, accepted, stack, session, patience, None)
    outcome = await _forward(run, accepted, stack, session, patience)
    rolls_back = stack is not None and stack.goes_back and request.mode is Mode.PROVISION and not request.stage
    # The document in force was READY; what an unattended run may not do is no reason to go back.
    rolls_back = rolls_back and not run.unattended(record)
    if outcome.status is Status.FAILED and rolls_back:
        return await _back(run, accepted, stack, session, patience, outcome)
    return outcome


async def _forward(
    run: RequestRun, accepted: Accepted, stack: Stack | None, session: StackSession, patience: Patience
) -> Outcome:
    request = run.request
    allow = request.allow | accepted.record.approvals_of(request.request_id)
    reconciliation = _run(run, session, request.mode, allow)
    reconciliation.only_approved = request.only_approved or accepted.record.is_bound(request.request_id)
    reconciliation.stage, reconciliation.unattended = request.stage, run.unattended(accepted.record)
    reconciliation.nodes = nodes_of(stack, session.records, request.mode)
    reconciliation.warnings += stack.warnings if stack is not None else ()
    warn_of_elsewhere(reconciliation, stack)
    results = await _drive(reconciliation)
    if request.mode is Mode.REMOVE and not request.stage and overall(results, removed=True) is Status.DELETED:
        results += await left_behind(reconciliation, results)
    return patience.judge(_of_results(run, accepted, reconciliation, results), stack, run.context.settings.stuck)


async def _back(
    run: RequestRun,
    accepted: Accepted,
    stack: Stack | None,
    session: StackSession,
    patience: Patience,
    failed: Outcome | None,
) -> Outcome:
    """Roll back to the last READY document. `failed` is the outcome that begins the rollback; None: resume."""
    patience.goes_back = True
    under_way = accepted.record.rollback if failed is None else rollback.begun(failed)
    if under_way is None:
        raise AssertionError("the ledger holds no rollback to resume")
    ready = accepted.record.ready
    restored = ready.generation if ready is not None else None
    if failed is not None:
        await session.change(lambda record: record.rolling_back(under_way))
        log.info("rollback", to=restored, failures=len(failed.failures))
    undone = tuple(under_way.failures)
    try:
        document = run.authorized(ready.document) if ready is not None else None
    except Invalid as invalid:
        reason = f"generation {restored} cannot be restored: {invalid}"
        outcome = run.outcome(accepted.record, accepted.generation, Status.FAILED, reason=reason)
        return replace(outcome, undone=undone)
    reconciliation = _run(run, session, Mode.PROVISION)
    rollback.prepare(reconciliation, document, restored)
    results = await _drive(reconciliation)
    reconciliation.warnings += rollback.not_undone(reconciliation, results, under_way)
    outcome = patience.judge(_of_results(run, accepted, reconciliation, results), stack, run.context.settings.stuck)
    ended = rollback.ended(outcome.status)
    return replace(outcome, status=ended, undone=undone)


def _run(run: RequestRun, session: StackSession, mode: Mode, allow: frozenset[str] = frozenset()) -> Run:
    request = run.request
    by_tag, identity = run.adopts_by_tag, request.request_id
    return Run(run.context, run.calls, session, mode, request.stack, run.account, identity, allow, adopts_by_tag=by_tag)


async def _drive(run: Run) -> list[Result]:
    """Observe all resources of a run, and drive every resource to the desired state."""
    await record_removal_options(run)
    await observe_all(run)
    return await walk(LiveExecutor(run))


def _of_results(run: RequestRun, accepted: Accepted, reconciliation: Run, results: list[Result]) -> Outcome:
    warn_of_unsent(reconciliation)
    warn_of_strangers(reconciliation, run.request.allow if reconciliation.rollback_generation is None else frozenset())
    status = overall(results, removed=reconciliation.mode is Mode.REMOVE)
    outcome = run.outcome(accepted.record, accepted.generation, status)
    waits = retry_after(results) if status is Status.IN_PROGRESS else None
    return replace(outcome, results=tuple(results), warnings=tuple(told(reconciliation.warnings)), retry_after=waits)
