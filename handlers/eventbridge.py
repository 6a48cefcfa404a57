"""The EventBridge handler: each event is a request. Schedules and events of the service arrive here too."""

from collections.abc import Mapping
from typing import Any

from handlers.environment import at_init, deadline_of, environment, errors_logged
from handlers.messages import id_of, read_event, request_id_of, submitter_of
from workflows.document.problems import Invalid
from workflows.executions import start_execution
from workflows.planner.outcome import Status
from workflows.requests.answers import reject_unread
from workflows.requests.context import Context
from workflows.requests.request import NotARequest
from workflows.service import handle
from workflows.service_events import handle_service_event, is_service_event


class Unsettled(Exception):  # noqa: N818 - it asks the platform to deliver the event again
    """The request was not finished within this invocation; redelivery of the event continues the request."""


@errors_logged(but=(Unsettled,))
def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Process the request of an event and return the outcome; a longer request continues in the state machine.

    Raises NotARequest for an event that is no known request, and Unsettled for an event that must be delivered again.
    """
    if not is_event(event):
        raise NotARequest("an event has a detail-type, and a detail that is a JSON object")
    env = environment()

    async def job(context: Context) -> dict[str, Any]:
        if is_service_event(event):
            return await handle_service_event(context, event)
        try:
            request = read_event(event)
        except Invalid as invalid:
            named, transport_id = request_id_of(event.get("detail"), id_of(event)), id_of(event)
            answer = await reject_unread(context, invalid.problems, submitter_of(event), named, transport_id)
            return answer.shown()
        outcome = await handle(context, request, deadline_of(lambda_context, env.settings.door_patience))
        handed_over = await start_execution(context, request, outcome)
        if outcome.status is Status.IN_PROGRESS and not handed_over:
            raise Unsettled(f"stack {outcome.stack} is in progress; retry after {outcome.retry_after} s")
        return outcome.shown()

    return env.run(job)


def is_event(event: Any) -> bool:
    """Return whether the input has the form of an event."""
    if not isinstance(event, Mapping) or not isinstance(event.get("detail") or {}, Mapping):
        return False
    return all(isinstance(event.get(name, ""), str) for name in ("detail-type", "source"))


at_init()
