"""The Step Functions door: one task, one run; its outcome is the task's result.

A task brings a request, `{"detailType", "detail", "requestId"?}`, or names one that was accepted before,
`{"stack", "generation", "requestId"}`, whose document is then read from the ledger. With `stage`, a section of the
document or `synchronization`, only that is worked on.
"""

from collections.abc import Mapping
from typing import Any

from handlers.environment import at_init, deadline_of, environment, errors_logged
from handlers.messages import request_id_of
from workflows.document.problems import Invalid
from workflows.reconcile.stages import STAGES, SYNCHRONIZATION
from workflows.records.request_state import Mode
from workflows.requests.answers import announced, rejected_unread
from workflows.requests.authority import Submitter
from workflows.requests.context import Context
from workflows.requests.fitting import fitting
from workflows.requests.request import GREATEST, NotARequest, Request, is_id, is_name, read_request
from workflows.service import RequestRef, handle, resume

_FORMS = "a task holds detailType and detail, or stack, generation and requestId"
_SUBMITTER = Submitter(invocation="step-functions")


@errors_logged()
def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Return the outcome of a run, IN_PROGRESS included.

    The state machine waits by `retryAfterSeconds` and comes again with the same input. Raises NotARequest.
    """
    if not isinstance(event, Mapping):
        raise NotARequest("a task's input must be a JSON object")
    env = environment()
    default_id = event.get("requestId") or ""
    if not isinstance(default_id, str):
        raise NotARequest("a requestId is a text")
    if default_id and not is_id(default_id):
        raise NotARequest("a requestId is a text of at most 128 printable characters")

    async def job(context: Context) -> dict[str, Any]:
        deadline = deadline_of(lambda_context, env.settings.patience)
        if "detailType" not in event:
            return (await resume(context, accepted_before(event), deadline)).shown()
        if not default_id and not request_id_of(event.get("detail"), ""):
            # The invocation's own id is another one at every turn of the state machine's loop.
            raise NotARequest("a task needs a requestId that stays the same, such as the execution's name")
        try:
            request = read_request(
                event.get("detailType"), event.get("detail"), default_id=default_id, submitter=_SUBMITTER
            )
        except Invalid as invalid:
            named = request_id_of(event.get("detail"), default_id)
            return (await announced(context, rejected_unread(named, invalid.problems))).shown()
        return (await handle(context, _staged(request, stage_of(event)), deadline)).shown()

    return fitting(env.run(job))


def stage_of(event: Mapping[str, Any]) -> str:
    """Return the stage that a task names; empty for the whole. Raises NotARequest."""
    stage = event.get("stage") or ""
    if not isinstance(stage, str) or (stage and stage not in STAGES):
        raise NotARequest(f"unknown stage; known are {', '.join(sorted(STAGES))}")
    return stage


def accepted_before(event: Mapping[str, Any]) -> RequestRef:
    """Return the request that a task names. Raises NotARequest."""
    stack, generation, request_id = event.get("stack"), event.get("generation"), event.get("requestId")
    if not isinstance(stack, str) or not isinstance(request_id, str) or type(generation) is not int:
        raise NotARequest(_FORMS)
    if is_name(stack) and is_id(request_id) and 0 <= generation <= GREATEST:
        return RequestRef(stack, generation, request_id, event.get("synchronize") is True, stage_of(event))
    raise NotARequest(_FORMS)


def _staged(request: Request, stage: str) -> Request:
    if stage == SYNCHRONIZATION:
        return request.model_copy(update={"mode": Mode.SYNCHRONIZE, "document": None})
    return request.model_copy(update={"stage": stage})


at_init()
