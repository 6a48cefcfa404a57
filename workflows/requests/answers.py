"""Answers to requests: an outcome is published, measured, logged once, and stored for the waiting submitter."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog

from infra.deadline import Deadline
from infra.ledger import Key, Ledger, Put
from workflows.document.fingerprint import digest
from workflows.document.naming import Place
from workflows.document.problems import Problem
from workflows.planner.outcome import FINAL, Outcome, Status
from workflows.requests.authority import AUTHORITY, Submitter
from workflows.requests.context import Context
from workflows.requests.event_size import truncate_to_event_limit
from workflows.requests.request import Request

log = structlog.get_logger()

#: Statuses that answer a request. Only AWAITING_CONSENT is followed by a further answer.
_ANSWERS = {*FINAL, Status.PLANNED, Status.AWAITING_CONSENT}
#: Seconds for which an answer is stored.
_KEPT_FOR = 14 * 86_400.0
#: Seconds in which the account must be known.
_SECONDS = 20.0


def rejected(request: Request, problems: list[Problem]) -> Outcome:
    """Return the outcome of a request with an invalid document."""
    return Outcome(request.known_as, Status.REJECTED, request.request_id, request.generation, problems=tuple(problems))


def rejected_unread(request_id: str, problems: list[Problem]) -> Outcome:
    """Return the outcome of a request that could not be parsed."""
    return Outcome("", Status.REJECTED, request_id, problems=tuple(problems))


async def reject_unread(
    context: Context, problems: list[Problem], submitter: Submitter | None, request_id: str, transport_id: str
) -> Outcome:
    """Answer a request that could not be parsed. Raises CallFailed.

    Whoever sent it chose `request_id`. A sender without any grant could name that of another team, so that the answer
    bears the id of the event or message then.
    """
    known = context.grants is None or submitter is None
    if context.grants is not None and submitter is not None:
        account = await context.aws.within(Deadline.within(_SECONDS)).account()
        known = context.grants.knows(submitter, Place(account, context.aws.region, context.aws.partition))
    answer = rejected_unread(request_id if known else transport_id, problems)
    return await announced(context, answer, submitter=submitter)


async def announced(
    context: Context,
    outcome: Outcome,
    seconds: float = 0.0,
    submitter: Submitter | None = None,
    transport_id: str | None = None,
) -> Outcome:
    """Publish an outcome unless unchanged, and write the outcome line of the run and the metrics. Raises CallFailed.

    A submitter without a grant for the stack gets an answer, and nothing is published about the stack and the request
    that the submitter named: the published outcome bears `transport_id`, the id of the event or message, alone. None
    says that the request was accepted before, so that its names are the submitter's own.
    """
    outcome = replace(outcome, submitter=submitter.shown() if submitter is not None else None)
    if context.grants is not None and outcome.status in _ANSWERS:
        await _keep(context, outcome, submitter)
    if _is_unauthorized(outcome) and transport_id is not None:
        outcome = replace(outcome, stack="", request_id=transport_id, generation=None)
    shown = outcome.shown()
    context.measure({**shown, "sinceAccepted": outcome.age}, seconds)
    if outcome.news:
        await tell(context, outcome)
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


def answer_key(stack: str, request_id: str, refused: Submitter | None = None) -> Key:
    """Return the key of the answer to a request, or to a `refused` submitter, who must not write over others'."""
    of = f"#refused#{digest([refused.shown()])[:16]}" if refused is not None else ""
    return Key(f"request#{request_id}", f"{stack or '-'}{of}")


async def answer_to(ledger: Ledger, stack: str, request_id: str, submitter: Submitter) -> Any:
    """Return the outcome with which a request was answered; None where no answer is stored yet."""
    answer = await ledger.get(answer_key(stack, request_id))
    if answer is None or answer.get("submitter") != submitter.shown():
        refusal = await ledger.get(answer_key(stack, request_id, submitter))
        return refusal["outcome"] if refusal else answer["outcome"] if answer else None
    return answer["outcome"]


def _is_unauthorized(outcome: Outcome) -> bool:
    """Return whether no grant lets the submitter ask anything about the stack."""
    return any(one.rule == AUTHORITY and one.path in ("stack", "stackUri") for one in outcome.problems)


async def _keep(context: Context, outcome: Outcome, submitter: Submitter | None) -> None:
    """Store an answer, but never over the answer to a different submitter: anybody may choose any request id."""
    # A submitter without a grant for the stack must not write among the answers of the stack.
    refused = submitter or Submitter()
    key = answer_key(outcome.stack, outcome.request_id, refused if _is_unauthorized(outcome) else None)
    by = submitter.shown() if submitter is not None else {}
    held: Mapping[str, Any] | None = await context.ledger.get(key)
    if held is None or held.get("submitter") == by:
        expires = context.now().timestamp() + _KEPT_FOR
        await context.ledger.write(Put(key, {"submitter": by, "outcome": kept(outcome)}, expires=expires))
