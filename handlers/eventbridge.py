"""The EventBridge door: one event, one request."""

from collections.abc import Mapping
from typing import Any

from handlers.environment import deadline_of, environment
from handlers.messages import read_event, request_id_of
from workflows.context import Context
from workflows.outcome import Status
from workflows.problems import Invalid
from workflows.provision import announced, fulfil, rejected_unread


class Unsettled(Exception):  # noqa: N818 - it asks the platform to deliver the event again
    """The request is not settled in this invocation's time; delivered again, it goes on."""


def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Fulfil the request of an event and return its outcome.

    Raises NotARequest for an event that asks for nothing known, and Unsettled for what must be delivered again.
    """
    env = environment()

    async def job(context: Context) -> dict[str, Any]:
        try:
            request = read_event(event)
        except Invalid as invalid:
            request_id = request_id_of(event.get("detail"), str(event.get("id", "")))
            return (await announced(context, rejected_unread(request_id, invalid.problems))).shown()
        outcome = await fulfil(context, request, deadline_of(lambda_context, env.settings))
        if outcome.status is Status.IN_PROGRESS:
            raise Unsettled(f"stack {outcome.stack} is in progress; next useful in {outcome.retry_after} s")
        return outcome.shown()

    return env.run(job)
