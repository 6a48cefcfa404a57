"""The SQS door: each message is a request; only those that failed go back to the queue.

What needs longer than the invocation goes on in the state machine. Messages of one stack are taken in their order,
different stacks side by side, so that a bad message neither delays nor fails its neighbours. In a FIFO queue the
messages of a group are taken in theirs: once one is to come again, so are all that follow it. A message that cannot
be worked on goes to the dead-letter queue with its reason beside it.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from handlers.environment import at_init, deadline_of, environment, errors_logged
from handlers.messages import Message, attributes_of, read_message, text_of
from infra.deadline import Deadline
from infra.errors import CallFailed
from infra.tasks import together
from infra.telemetry import frames, told
from workflows.dead_letters import bury
from workflows.document.problems import Invalid
from workflows.handover import hand_over
from workflows.planner.outcome import Status
from workflows.requests.answers import announced, rejected_unread
from workflows.requests.context import Context
from workflows.requests.request import NotARequest
from workflows.service import handle

log = structlog.get_logger()
Record = Mapping[str, Any]


@errors_logged()
def handler(event: Mapping[str, Any] | list[Any], lambda_context: Any) -> dict[str, Any]:
    """Take a batch and return the ids of the messages that are to come again: all, where none can be looked at.

    The batch is the event of a queue, or its bare array of records as EventBridge Pipes hands it over. Raises
    NotARequest for an event of any other form: answered, its messages would be taken for done.
    """
    records = records_of(event)

    async def job(context: Context) -> list[str]:
        return await take(context, records, deadline_of(lambda_context, context.settings.door_patience))

    try:
        again = environment().run(job)
    except Exception as error:  # noqa: BLE001 - raised, it would say no more, and of no message by its id
        log.error("batch failed", messages=len(records), error=told(error), frames=frames(error))
        again = [record["messageId"] for record in records if _is_message(record)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def records_of(event: Any) -> list[Record]:
    """Return the records of a batch. Raises NotARequest."""
    found = event.get("Records") if isinstance(event, Mapping) else event
    if isinstance(found, list) and (not found or any(_is_message(record) for record in found)):
        return found
    raise NotARequest(
        "this function takes the records of an SQS queue, as an event of the queue or as a bare array; whole events go "
        "to the function of the bus, details to the bus"
    )


def _is_message(record: Any) -> bool:
    """Tell whether a record is a message of a queue: what has no id could not come again."""
    return isinstance(record, Mapping) and bool(text_of(record, "messageId"))


@dataclass(frozen=True)
class _Taken:
    """One record, and what was read of it: a message, or why it is none."""

    record: Record
    read: Message | str

    @property
    def id(self) -> str:
        return text_of(self.record, "messageId")

    @property
    def group(self) -> str:
        """The group of a FIFO queue, whose messages have an order; nothing for those of other queues."""
        is_fifo = text_of(self.record, "eventSourceARN").endswith(".fifo")
        return text_of(attributes_of(self.record), "MessageGroupId") if is_fifo else ""

    @property
    def lane(self) -> Hashable:
        """What is taken in order: a group, or the messages of one stack; alone what cannot be read."""
        if self.group:
            return "group", text_of(self.record, "eventSourceARN"), self.group
        return ("stack", self.read.stack) if isinstance(self.read, Message) else ("message", self.id)


async def take(context: Context, records: Sequence[Record], deadline: Deadline) -> list[str]:
    """Take the records of a batch and return the ids of those that are to come again, in the batch's order."""
    messages = [record for record in records if _is_message(record)]
    if len(messages) < len(records):
        log.error("no messages of a queue", count=len(records) - len(messages))
    lanes: dict[Hashable, list[_Taken]] = defaultdict(list)
    for record in messages:
        taken = _Taken(record, _read(context, record))
        lanes[taken.lane].append(taken)
    done = await together([partial(_in_order, context, lane, deadline) for lane in lanes.values()])
    again = {message_id for lane in done for message_id in lane}
    return [record["messageId"] for record in messages if record["messageId"] in again]


def _read(context: Context, record: Record) -> Message | str:
    """Read a record; return why it cannot be read where it is no request."""
    message_id = text_of(record, "messageId")
    try:
        return read_message(record, context.settings.bus_queue)
    except NotARequest as error:
        log.error("not a request", message_id=message_id, reason=str(error))
        return f"NotARequest: {error}"
    except Exception as error:  # noqa: BLE001 - one message's trouble must not become its neighbours'
        log.error("not read", message_id=message_id, error=type(error).__name__, frames=frames(error))
        return type(error).__name__


async def _in_order(context: Context, lane: list[_Taken], deadline: Deadline) -> list[str]:
    """Take messages one after the other; return the ids of those that are to come again."""
    again: list[str] = []
    for taken in lane:
        # What follows in a group waits for what comes again; what was buried is done with, and nobody waits for it.
        if (again and taken.group) or await _comes_again(context, taken, deadline):
            again.append(taken.id)
    return again


async def _comes_again(context: Context, taken: _Taken, deadline: Deadline) -> bool:
    """Take one message; tell whether it is to come again."""
    reason = taken.read if isinstance(taken.read, str) else await _unsettled(context, taken.read, deadline)
    return bool(reason) and not await bury(context, taken.record, reason)


async def _unsettled(context: Context, message: Message, deadline: Deadline) -> str:
    """Fulfil one request; return why the queue is not done with it, or nothing."""
    structlog.contextvars.clear_contextvars()
    try:
        if isinstance(message.request, Invalid):
            rejected = rejected_unread(message.request_id, message.request.problems)
            await announced(context, rejected, submitter=message.submitter)
            return ""
        outcome = await handle(context, message.request, deadline)
        if await hand_over(context, message.request, outcome):
            return ""
    except CallFailed as failed:
        where = frames(failed)
        log.error(
            "AWS cannot be asked", message_id=message.id, operation=failed.operation, code=failed.code, frames=where
        )
        return f"{failed.operation}: {failed.code}"
    except Exception as error:  # noqa: BLE001 - one message's trouble must not become its neighbours'
        log.error("run failed", message_id=message.id, error=told(error), frames=frames(error))
        return type(error).__name__
    return "InProgress" if outcome.status is Status.IN_PROGRESS else ""


at_init()
