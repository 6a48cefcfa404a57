"""The SQS door: each message is a request; only those that failed, or are not settled yet, go back to the queue.

Messages of one stack are taken in their order, different stacks side by side, so that a bad message neither delays
nor fails its neighbours.
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from handlers.environment import deadline_of, environment
from handlers.messages import Message, read_message
from infra.deadline import Deadline
from infra.errors import CallFailed
from infra.tasks import together
from workflows.context import Context
from workflows.outcome import Status
from workflows.problems import Invalid
from workflows.provision import announced, fulfil, rejected_unread
from workflows.request import NotARequest

log = structlog.get_logger()


def handler(event: Mapping[str, Any], lambda_context: Any) -> dict[str, Any]:
    """Take a batch and return the ids of the messages that are to come again."""
    env = environment()

    async def job(context: Context) -> list[str]:
        return await take(context, event.get("Records", []), deadline_of(lambda_context, env.settings))

    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in env.run(job)]}


async def take(context: Context, records: list[Mapping[str, Any]], deadline: Deadline) -> list[str]:
    """Take the records of a batch and return the ids of those that are to come again, in the batch's order."""
    failed: set[str] = set()
    groups: dict[str, list[Message]] = defaultdict(list)
    for record in records:
        try:
            message = read_message(record)
        except NotARequest as error:
            log.error("not a request", message_id=record.get("messageId"), reason=str(error))
            failed.add(record.get("messageId", ""))
            continue
        groups[message.stack].append(message)
    unsettled = await together([partial(_in_order, context, group, deadline) for group in groups.values()])
    failed.update(message_id for group in unsettled for message_id in group)
    return [record["messageId"] for record in records if record.get("messageId") in failed]


async def _in_order(context: Context, messages: list[Message], deadline: Deadline) -> list[str]:
    """Take the messages of one stack one after the other."""
    return [message.id for message in messages if not await _settled(context, message, deadline)]


async def _settled(context: Context, message: Message, deadline: Deadline) -> bool:
    """Fulfil one request; tell whether the queue is done with it."""
    structlog.contextvars.clear_contextvars()
    try:
        if isinstance(message.request, Invalid):
            await announced(context, rejected_unread(message.request_id, message.request.problems))
            return True
        outcome = await fulfil(context, message.request, deadline)
    except CallFailed as failed:
        log.error("AWS cannot be asked", message_id=message.id, operation=failed.operation, code=failed.code)
        return False
    except Exception as error:  # noqa: BLE001 - one message's trouble must not become its neighbours'
        log.error("run failed", message_id=message.id, error=f"{type(error).__name__}: {error}")
        return False
    return outcome.status is not Status.IN_PROGRESS
