"""Acceptance of requests: a single conditional write decides which document is in force, and holds the outcome, too.

Newer generations win; a missing generation becomes the last plus 1; a request that is known keeps its generation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.ledger import ConditionFailed, Ledger
from workflows.document import fingerprint
from workflows.planner.outcome import FINAL, Outcome, Status
from workflows.records.request_state import Mode, RequestState
from workflows.records.stack import StackRecord
from workflows.requests.answers import kept
from workflows.requests.authority import Submitter
from workflows.requests.request import Request
from workflows.requests.stacks import change, put_of, stack_record


@dataclass(frozen=True)
class Accepted:
    """The request is in force; `record` is the record of the stack after the acceptance."""

    generation: int
    document: Mapping[str, Any] | None
    record: StackRecord
    #: Whether this delivery of the request is the first that was accepted.
    new: bool = False


@dataclass(frozen=True)
class Refused:
    """The request is not run: older than the request in force, in conflict with that request, or finished before."""

    status: Status
    reason: str
    generation: int | None = None
    outcome: Mapping[str, Any] | None = None


def decide_acceptance(old: StackRecord, request: Request, digest: str, now: float = 0.0) -> StackRecord | Refused:
    """Return the record of the stack with the request accepted, or the reason for a refusal. Pure."""
    current = old.generation
    generation = request.generation or old.generation_of(request.request_id) or current + 1
    if generation < current:
        return Refused(Status.SUPERSEDED, f"generation {current} is in force", generation)
    # The document of an accepted request is in the ledger; a message delivered again need not repeat the document.
    again = generation == current and old.request_id == request.request_id
    fixed = again and bool(request.uri)  # the object at a URI may change between two deliveries
    changed = (old.digest != digest and not fixed) or old.mode != request.mode
    if generation == current and changed:
        return Refused(Status.REJECTED, f"generation {generation} was accepted with another document", generation)
    if generation == current and old.outcome is not None and finished(old, request.request_id):
        return answered(old.outcome, generation)
    state = RequestState(
        request.request_id,
        request.mode,
        generation,
        submitter=request.submitter.shown() if request.submitter else None,
        allow=tuple(sorted(request.allow)),
        only_approved=request.only_approved,
        accepted_at=now,
    )
    return old.accepted(
        state,
        generation,
        digest=old.digest if fixed else digest,
        document=request.document if not fixed else None,
        # A document that was rolled back is not in force, and its options do not apply to a removal.
        rolled_back=old.status == Status.ROLLED_BACK,
    )


def answered(outcome: Mapping[str, Any], generation: int | None = None) -> Refused:
    """Return the answer to a request that was finished before: the recorded outcome, with the reason if recorded."""
    why = outcome.get("reason") or "this request was finished before"
    return Refused(Status(outcome["status"]), why, generation, outcome)


async def accept(
    ledger: Ledger,
    partition: str,
    request: Request,
    digest: str,
    now: float = 0.0,
    new_id: Callable[[], str] = lambda: "",
) -> Accepted | Refused:
    """Write the acceptance, and start over after a concurrent write. `now` is in seconds since the epoch.

    `new_id` returns the random id of a new stack record. Raises LedgerTooNew.
    """
    while True:
        record = await stack_record(ledger, partition)
        judged = decide_acceptance(record or StackRecord.new(new_id()), request, digest, now)
        if isinstance(judged, Refused):
            return judged
        try:
            await ledger.write(put_of(partition, record, judged))
        except ConditionFailed:
            continue
        new = record is None or not record.knows(request.request_id)
        return Accepted(judged.generation, judged.document, judged.written(), new)


def finished(record: StackRecord, request_id: str) -> bool:
    """Return whether the last outcome is final and of this request, as several may ask for the same generation."""
    return record.is_outcome_of(request_id) and record.status in FINAL


def with_outcome(record: StackRecord, outcome: Outcome, request: Request) -> StackRecord:
    """Return the record of the stack after a run: with the outcome, and with the document that a rollback restores."""
    if request.mode is Mode.SYNCHRONIZE:
        if outcome.status is Status.IN_PROGRESS:
            return record
        return record.synchronized(request.request_id, kept(outcome), final=outcome.status in FINAL)
    ended = record.ended(kept(outcome), final=outcome.status in FINAL)
    match outcome.status:
        case Status.READY:
            return ended.ready_now()
        case Status.ROLLED_BACK:
            return ended.rolled_back()
        case _:
            return ended


async def end_refused(
    ledger: Ledger, partition: str, request: Request, outcome: Outcome, *, admitted: bool = False
) -> None:
    """End a request that is refused after its acceptance, because its grants were withdrawn since.

    A request that is finished, or not in force any more, keeps its outcome. Unless the request was read from the ledger
    (`admitted`), it must be the one that was accepted: of the same submitter, with the same document.
    """

    def ended(record: StackRecord) -> StackRecord | None:
        state = record.state_of(request.request_id, request.mode)
        if state is None or not (admitted or _is_delivered_again(record, state, request)):
            return None
        if request.mode is Mode.SYNCHRONIZE:
            return None if state.status else record.synchronized(request.request_id, kept(outcome), final=True)
        if record.request_id != request.request_id or finished(record, request.request_id):
            return None
        return record.ended(kept(outcome), final=True).waiting(request.request_id, request.mode, None, None)

    await change(ledger, partition, ended)


def _is_delivered_again(record: StackRecord, state: RequestState, request: Request) -> bool:
    sender = request.submitter.shown() if request.submitter is not None else None
    provisions = request.mode is Mode.PROVISION
    same = not provisions or (request.document is not None and fingerprint.digest(request.document) == record.digest)
    return same and state.submitter == sender


async def note_request(
    ledger: Ledger,
    partition: str,
    request_id: str,
    mode: Mode,
    submitter: Submitter | None = None,
    now: float = 0.0,
    *,
    unattended: bool = False,
) -> None:
    """Record a request that raises no generation, and the submitter, so that a later run can resume it by id.

    `unattended` says that a schedule or an event made it.
    """
    sender = submitter.shown() if submitter is not None else None

    def noted(record: StackRecord) -> StackRecord | None:
        known = record.state_of(request_id, mode) is not None
        new = RequestState(request_id, mode, submitter=sender, accepted_at=now, unattended=unattended)
        return None if known else record.noted(new)

    await change(ledger, partition, noted)


def synchronization_of(record: StackRecord | None) -> Accepted | None:
    """Return the document in force, on which a synchronization works without a new generation; None without a stack."""
    if record is None or record.mode is Mode.REMOVE:
        return None
    document = record.document
    if record.status == Status.ROLLED_BACK:
        document = record.ready.document if record.ready is not None else None
    return Accepted(record.generation, document, record) if document is not None else None
