"""The EventBridge door: one event, one request; also schedules, and events of the service."""

from collections.abc import Mapping
from typing import Any

from handlers.environment import at_init, deadline_of, environment, errors_logged
from handlers.messages import id_of, read_event, request_id_of, submitter_of
from workflows.document.problems import Invalid
from workflows.handover import hand_over
from workflows.notices import is_notice, notice
from workflows.planner.outcome import Status
from workflows.requests.answers import announced, rejected_unread
from workflows.requests.context import Context
from workflows.requests.request import NotARequest
from workflows.service import handle


class Unsettled(Exception):  # noqa: N818 - it asks the platform to deliver the event again
    """The request is not settled in this invocation's time; delivered again, it goes on."""


@errors_logged(but=(Unsettled,))
def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Fulfil the request of an event and return its outcome; what needs longer goes on in the state machine.

    Raises NotARequest for an event that asks for nothing known, and Unsettled for what must be delivered again.
    """
    if not is_event(event):
        raise NotARequest("an event has a detail-type, and a detail that is a JSON object")
    env = environment()

    async def job(context: Context) -> dict[str, Any]:
        if is_notice(event):
            return await notice(context, event)
        try:
            request = read_event(event)
        except Invalid as invalid:
            rejected = rejected_unread(request_id_of(event.get("detail"), id_of(event)), invalid.problems)
            return (await announced(context, rejected, submitter=submitter_of(event))).shown()
        outcome = await handle(context, request, deadline_of(lambda_context, env.settings.door_patience))
        handed_over = await hand_over(context, request, outcome)
        if outcome.status is Status.IN_PROGRESS and not handed_over:
            raise Unsettled(f"stack {outcome.stack} is in progress; next useful in {outcome.retry_after} s")
        return outcome.shown()

    return env.run(job)


def is_event(event: Any) -> bool:
    """Tell whether what arrived has the form of an event."""
    if not isinstance(event, Mapping) or not isinstance(event.get("detail") or {}, Mapping):
        return False
    return all(isinstance(event.get(name, ""), str) for name in ("detail-type", "source"))


at_init()
