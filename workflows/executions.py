"""Handing over: the state machine continues a request that an entry point cannot finish in time, once per request.

The name of the execution is derived from the request, so that a repeated delivery finds the running execution.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import structlog

from infra.deadline import Deadline
from infra.errors import CallFailed
from workflows.planner.outcome import Outcome, Status
from workflows.records.request_state import Mode
from workflows.requests.context import Context
from workflows.requests.request import Request

log = structlog.get_logger()

#: Statuses of a request that continues; every other status is an answer.
GOES_ON = frozenset({Status.IN_PROGRESS, Status.AWAITING_CONSENT})
_LONGEST_NAME = 80
_MOST_ATTEMPTS = 1000
_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")
_SECONDS = 30.0


def execution_name(stack: str, request_id: str, attempt: int) -> str:
    """Return the name of an execution: `stack-requestId-attempt`, shortened or escaped if too long or not plain."""
    plain = _STRANGE.sub("_", f"{stack}-{request_id}")
    end = f"-{attempt}"
    # With a dash in the stack's name, two pairs of stack and request would have one plain name.
    unique = plain == f"{stack}-{request_id}" and "-" not in stack
    if unique and len(plain + end) <= _LONGEST_NAME:
        return plain + end
    # The digest of the original names distinguishes names that are equal once shortened or escaped.
    mark = hashlib.sha256(f"{stack}\n{request_id}".encode()).hexdigest()[:16]
    return f"{plain[: _LONGEST_NAME - len(mark) - len(end) - 1]}-{mark}{end}"


async def start_execution(context: Context, request: Request, outcome: Outcome) -> bool:
    """Ensure that an execution continues an accepted request. False: no execution continues the request.

    Raises CallFailed if no execution can be started; the message is then delivered again.
    """
    if not context.settings.state_machine or outcome.status not in GOES_ON or not outcome.generation:
        return False
    given: dict[str, Any] = {"stack": outcome.stack, "generation": outcome.generation, "requestId": outcome.request_id}
    if request.mode is Mode.SYNCHRONIZE:
        given["synchronize"] = True
    return await ensure_running(context, given)


async def ensure_running(context: Context, given: Mapping[str, Any]) -> bool:
    """Ensure that an execution runs for `{stack, generation, requestId}`. Raises CallFailed."""
    machine = context.settings.state_machine
    calls = context.aws.within(Deadline.within(_SECONDS))
    for attempt in range(1, _MOST_ATTEMPTS):
        name = execution_name(given["stack"], given["requestId"], attempt)
        wanted = {"stateMachineArn": machine, "name": name, "input": json.dumps(given, sort_keys=True)}
        try:
            await calls("StartExecution", wanted, service="stepfunctions")
        except CallFailed as failed:
            if failed.code != "ExecutionAlreadyExists":
                raise
            arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
            found = await calls("DescribeExecution", {"executionArn": arn}, service="stepfunctions")
            if found["status"] not in ("RUNNING", "PENDING_REDRIVE") or json.loads(found["input"]) != given:
                continue  # ended without finishing the request, or belongs to another request of the same name
        log.info("handed over", execution=name)
        return True
    return False
