"""The SQS door: each message is a request; only those that failed go back to the queue.

What needs longer than the invocation goes on in the state machine. Messages of one stack are taken in their order,
different stacks side by side, so that a bad message neither delays nor fails its neighbours. A message that cannot be
worked on goes to the dead-letter queue with its reason beside it.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from handlers.environment import at_init, deadline_of, environment
from handlers.messages import Message, read_message
from infra.deadline import Deadline
from infra.errors import CallFailed
from infra.tasks import together
from workflows.answers import announced, rejected_unread
from workflows.context import Context
from workflows.dead_letters import bury
from workflows.fulfil import fulfil
from workflows.handover import hand_over
from workflows.outcome import Status
from workflows.problems import Invalid
from workflows.request import NotARequest

log = structlog.get_logger()
Record = Mapping[str, Any]


def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Take a batch and return the ids of the messages that are to come again."""
    env = environment()

    async def job(context: Context) -> list[str]:
        return await take(context, event.get("Records", []), deadline_of(lambda_context, env.settings))

    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in env.run(job)]}


async def take(context: Context, records: list[Record], deadline: Deadline) -> list[str]:
    """Take the records of a batch and return the ids of those that are to come again, in the batch's order."""
    reasons: dict[str, str] = {}
    groups: dict[str, list[Message]] = defaultdict(list)
    for record in records:
        try:
            message = read_message(record, context.settings.bus_queue)
        except NotARequest as error:
            log.error("not a request", message_id=record.get("messageId"), reason=str(error))
            reasons[record.get("messageId", "")] = f"NotARequest: {error}"
            continue
        groups[message.stack].append(message)
    for unsettled in await together([partial(_in_order, context, group, deadline) for group in groups.values()]):
        reasons |= unsettled
    failed = [record for record in records if record.get("messageId") in reasons]
    buried = await together([partial(bury, context, record, reasons[record["messageId"]]) for record in failed])
    return [record["messageId"] for record, gone in zip(failed, buried, strict=True) if not gone]


async def _in_order(context: Context, messages: list[Message], deadline: Deadline) -> dict[str, str]:
    """Take the messages of one stack one after the other; return why some of them are to come again."""
    reasons = [(message.id, await _unsettled(context, message, deadline)) for message in messages]
    return {message_id: reason for message_id, reason in reasons if reason}


async def _unsettled(context: Context, message: Message, deadline: Deadline) -> str:
    """Fulfil one request; return why the queue is not done with it, or nothing."""
    structlog.contextvars.clear_contextvars()
    try:
        if isinstance(message.request, Invalid):
            rejected = rejected_unread(message.request_id, message.request.problems)
            await announced(context, rejected, submitter=message.submitter)
            return ""
        outcome = await fulfil(context, message.request, deadline)
        if await hand_over(context, message.request, outcome):
            return ""
    except CallFailed as failed:
        log.error("AWS cannot be asked", message_id=message.id, operation=failed.operation, code=failed.code)
        return f"{failed.operation}: {failed.code}"
    except Exception as error:  # noqa: BLE001 - one message's trouble must not become its neighbours'
        log.error("run failed", message_id=message.id, error=f"{type(error).__name__}: {error}")
        return type(error).__name__
    return "InProgress" if outcome.status is Status.IN_PROGRESS else ""


at_init()
