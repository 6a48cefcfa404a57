"""The Step Functions handler: one task is one run, and the outcome of the run is the result of the task.

A task contains a request, `{"detailType", "detail", "requestId"?}`, or refers to an accepted request,
`{"stack", "generation", "requestId"}`, whose document is read from the ledger. `stage`, a section of the document or
`synchronization`, limits the run to that section.
"""

from collections.abc import Mapping
from typing import Any

from handlers.environment import at_init, deadline_of, environment, errors_logged
from handlers.messages import request_id_of
from workflows.document.problems import Invalid
from workflows.reconcile.stages import STAGES, SYNCHRONIZATION
from workflows.records.request_state import Mode
from workflows.requests.answers import reject_unread
from workflows.requests.authority import Submitter
from workflows.requests.context import Context
from workflows.requests.event_size import truncate_to_event_limit
from workflows.requests.request import GREATEST, NotARequest, Request, is_id, is_name, read_request
from workflows.service import RequestRef, handle, resume

_FORMS = "a task holds detailType and detail, or stack, generation and requestId"
_SUBMITTER = Submitter(invocation="step-functions")


@errors_logged()
def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Return the outcome of a run, IN_PROGRESS included.

    The state machine waits for `retryAfterSeconds` and invokes the task again with the same input. Raises NotARequest.
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
            # Each iteration of the state machine's loop has a new invocation id, which therefore cannot identify the
            # request.
            raise NotARequest("a task needs a requestId that stays the same, such as the execution's name")
        try:
            request = read_request(
                event.get("detailType"), event.get("detail"), default_id=default_id, submitter=_SUBMITTER
            )
        except Invalid as invalid:
            named = request_id_of(event.get("detail"), default_id)
            return (await reject_unread(context, invalid.problems, _SUBMITTER, named, default_id)).shown()
        return (await handle(context, _staged(request, stage_of(event)), deadline)).shown()

    return truncate_to_event_limit(env.run(job))


def stage_of(event: Mapping[str, Any]) -> str:
    """Return the stage of a task; empty for the whole document. Raises NotARequest."""
    stage = event.get("stage") or ""
    if not isinstance(stage, str) or (stage and stage not in STAGES):
        raise NotARequest(f"unknown stage; known are {', '.join(sorted(STAGES))}")
    return stage


def accepted_before(event: Mapping[str, Any]) -> RequestRef:
    """Return the accepted request that a task refers to. Raises NotARequest."""
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
