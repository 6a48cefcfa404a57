"""Answers to requests: an outcome is published, measured, logged once, and stored for the waiting submitter."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from infra.ledger import Key, Ledger, Put
from workflows.document.problems import Problem
from workflows.planner.outcome import FINAL, Outcome, Status
from workflows.requests.authority import Submitter
from workflows.requests.context import Context
from workflows.requests.event_size import truncate_to_event_limit
from workflows.requests.request import Request

log = structlog.get_logger()

#: Statuses that answer a request. Only AWAITING_CONSENT is followed by a further answer.
_ANSWERS = {*FINAL, Status.PLANNED, Status.AWAITING_CONSENT}
#: Seconds for which an answer is stored.
_KEPT_FOR = 14 * 86_400.0


def rejected(request: Request, problems: list[Problem]) -> Outcome:
    """Return the outcome of a request with an invalid document."""
    return Outcome(request.known_as, Status.REJECTED, request.request_id, request.generation, problems=tuple(problems))


def rejected_unread(request_id: str, problems: list[Problem]) -> Outcome:
    """Return the outcome of a request that could not be parsed."""
    return Outcome("", Status.REJECTED, request_id, problems=tuple(problems))


async def announced(
    context: Context, outcome: Outcome, seconds: float = 0.0, submitter: Submitter | None = None
) -> Outcome:
    """Publish an outcome unless unchanged, and write the outcome line of the run and the metrics. Raises CallFailed."""
    shown = outcome.shown()
    context.measure({**shown, "sinceAccepted": outcome.age}, seconds)
    if outcome.news:
        await tell(context, outcome)
    if context.grants is not None and outcome.status in _ANSWERS:
        await _keep(context, outcome, submitter)
    log.info(
        "outcome",
        status=str(outcome.status),
        reason=outcome.reason,
        resources={result.address: str(result.status) for result in outcome.results},
        problems=len(outcome.problems),
        calls=dict(outcome.calls),
        retry_after=outcome.retry_after,
    )
    return outcome


async def tell(context: Context, outcome: Outcome) -> Outcome:
    """Publish an outcome on the bus, and return the outcome marked as published. Raises CallFailed."""
    words = str(outcome.status).replace("_", " ").title()
    await context.announce(f"Gateway Stack {words}", truncate_to_event_limit(outcome.shown()))
    return replace(outcome, news=False)


def kept(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as stored in the ledger: without consent URLs, which act as bearer tokens."""
    shown = outcome.shown()
    return {**shown, "consents": [{**consent, "authorizationUrl": ""} for consent in shown["consents"]]}


def answer_key(stack: str, request_id: str, *, refused: bool = False) -> Key:
    """Return the key of the answer to a request, or of the refusal of a submitter."""
    return Key(f"request#{request_id}", f"{stack or '-'}{'#refused' if refused else ''}")


async def answer_to(ledger: Ledger, stack: str, request_id: str, submitter: Submitter) -> Any:
    """Return the outcome with which a request was answered; None where no answer is stored yet."""
    answer = await ledger.get(answer_key(stack, request_id))
    refusal = None if answer else await ledger.get(answer_key(stack, request_id, refused=True))
    if refusal is not None and refusal["submitter"] == submitter.shown():
        return refusal["outcome"]
    return answer["outcome"] if answer else None


async def _keep(context: Context, outcome: Outcome, submitter: Submitter | None) -> None:
    """Store an answer, but never over the answer to a different submitter: anybody may choose any request id."""
    # A submitter without a grant for the stack must not write among the answers of the stack.
    refused = any((one.path, one.rule) == ("stack", "authority") for one in outcome.problems)
    key = answer_key(outcome.stack, outcome.request_id, refused=refused)
    by = submitter.shown() if submitter is not None else {}
    held: Mapping[str, Any] | None = await context.ledger.get(key)
    if held is None or held.get("submitter") == by:
        expires = context.now().timestamp() + _KEPT_FOR
        await context.ledger.write(Put(key, {"submitter": by, "outcome": kept(outcome)}, expires=expires))
