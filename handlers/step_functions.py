"""The Step Functions door: one task, one run; its outcome is the task's result.

A task brings a request, `{"detailType", "detail", "requestId"?}`, or names one that was accepted before,
`{"stack", "generation", "requestId"}`, whose document is then read from the ledger.
"""

from collections.abc import Mapping
from typing import Any

from handlers.environment import deadline_of, environment
from workflows.context import Context
from workflows.problems import Invalid
from workflows.provision import announced, fulfil, rejected_unread, resume
from workflows.request import NotARequest, read_request


def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Return the outcome of a run, IN_PROGRESS included.

    The state machine waits by `retryAfterSeconds` and comes again with the same input. Raises NotARequest.
    """
    env = environment()
    default_id = str(event.get("requestId") or "")

    async def job(context: Context) -> dict[str, Any]:
        deadline = deadline_of(lambda_context, env.settings)
        if "detailType" not in event:
            stack, generation = accepted_before(event)
            return (await resume(context, stack, generation, default_id, deadline)).shown()
        if not default_id and not part_of(event, "requestId"):
            # The invocation's own id is another one at every turn of the state machine's loop.
            raise NotARequest("a task needs a requestId that stays the same, such as the execution's name")
        try:
            request = read_request(event.get("detailType"), event.get("detail"), default_id=default_id)
        except Invalid as invalid:
            return (await announced(context, rejected_unread(default_id, invalid.problems))).shown()
        return (await fulfil(context, request, deadline)).shown()

    return env.run(job)


def part_of(event: Mapping[str, Any], name: str) -> Any:
    """Return a member of the detail, where there is one."""
    detail = event.get("detail")
    return detail.get(name) if isinstance(detail, Mapping) else None


def accepted_before(event: Mapping[str, Any]) -> tuple[str, int]:
    """Return the stack and generation that a task names. Raises NotARequest."""
    stack, generation = event.get("stack"), event.get("generation")
    if not isinstance(stack, str) or not isinstance(generation, int) or not event.get("requestId"):
        raise NotARequest("a task holds detailType and detail, or stack, generation and requestId")
    return stack, generation
