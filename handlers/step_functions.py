"""The Step Functions door: one task, one run; its outcome is the task's result."""

from collections.abc import Mapping
from typing import Any

from handlers.environment import deadline_of, environment
from workflows.context import Context
from workflows.problems import Invalid
from workflows.provision import announced, fulfil, rejected_unread
from workflows.request import read_request


def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Fulfil `{"detailType", "detail", "requestId"?}` and return the outcome, IN_PROGRESS included.

    The state machine waits by `retryAfterSeconds` and comes again with the same input. Raises NotARequest.
    """
    env = environment()
    default_id = str(event.get("requestId") or getattr(lambda_context, "aws_request_id", ""))

    async def job(context: Context) -> dict[str, Any]:
        try:
            request = read_request(event.get("detailType"), event.get("detail"), default_id=default_id)
        except Invalid as invalid:
            return (await announced(context, rejected_unread(default_id, invalid.problems))).shown()
        outcome = await fulfil(context, request, deadline_of(lambda_context, env.settings))
        return outcome.shown()

    return env.run(job)
