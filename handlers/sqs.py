"""The SQS handler: each message is a request, and only failed messages return to the queue.

A request that needs more time than the invocation has continues in the state machine. Messages of one stack are
processed in order and different stacks concurrently, so that a bad message neither delays nor fails its neighbors. In
a FIFO queue the messages of a group are processed in order: after the first batch item failure, all later messages of
the group are returned too. A message that cannot be processed is sent to the dead-letter queue, with the reason as a
message attribute.
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
from infra.tasks import gather_all
from infra.telemetry import frames, told
from workflows.dead_letters import send_to_dlq
from workflows.document.problems import Invalid
from workflows.executions import start_execution
from workflows.planner.outcome import Status
from workflows.requests.answers import reject_unread
from workflows.requests.context import Context
from workflows.requests.request import NotARequest
from workflows.service import handle

log = structlog.get_logger()
Record = Mapping[str, Any]


@errors_logged()
def handler(event: Mapping[str, Any] | list[Any], lambda_context: Any) -> dict[str, Any]:
    """Process a batch and return the batch item failures: all messages, if the batch cannot be processed at all.

    The batch is an SQS event, or the bare array of records that EventBridge Pipes sends. Raises NotARequest for any
    other event, because a normal return would delete its messages.
    """
    records = records_of(event)

    async def job(context: Context) -> list[str]:
        return await take(context, records, deadline_of(lambda_context, context.settings.door_patience))

    try:
        again = environment().run(job)
    except Exception as error:  # noqa: BLE001 - raised, the error would say no more, and name no message id
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
    """Return whether a record is an SQS message. A record without an id cannot be a batch item failure."""
    return isinstance(record, Mapping) and bool(text_of(record, "messageId"))


@dataclass(frozen=True)
class _Taken:
    """A record, with the parsed message or the reason why parsing failed."""

    record: Record
    read: Message | str

    @property
    def id(self) -> str:
        return text_of(self.record, "messageId")

    @property
    def group(self) -> str:
        """The message group in a FIFO queue, which orders its messages; empty for a standard queue."""
        is_fifo = text_of(self.record, "eventSourceARN").endswith(".fifo")
        return text_of(attributes_of(self.record), "MessageGroupId") if is_fifo else ""

    @property
    def lane(self) -> Hashable:
        """The ordering key: the message group, else the stack; the message id for a message that cannot be parsed."""
        if self.group:
            return "group", text_of(self.record, "eventSourceARN"), self.group
        return ("stack", self.read.stack) if isinstance(self.read, Message) else ("message", self.id)


async def take(context: Context, records: Sequence[Record], deadline: Deadline) -> list[str]:
    """Process the records of a batch and return the ids of the batch item failures, in the order of the batch."""
    messages = [record for record in records if _is_message(record)]
    if len(messages) < len(records):
        log.error("no messages of a queue", count=len(records) - len(messages))
    lanes: dict[Hashable, list[_Taken]] = defaultdict(list)
    for record in messages:
        taken = _Taken(record, _read(context, record))
        lanes[taken.lane].append(taken)
    done = await gather_all([partial(_in_order, context, lane, deadline) for lane in lanes.values()])
    again = {message_id for lane in done for message_id in lane}
    return [record["messageId"] for record in messages if record["messageId"] in again]


def _read(context: Context, record: Record) -> Message | str:
    """Parse a record; return the reason if the record is not a request."""
    message_id = text_of(record, "messageId")
    try:
        return read_message(record, context.settings.bus_queue)
    except NotARequest as error:
        log.error("not a request", message_id=message_id, reason=str(error))
        return f"NotARequest: {error}"
    except Exception as error:  # noqa: BLE001 - one message's trouble must not become its neighbors'
        log.error("not read", message_id=message_id, error=type(error).__name__, frames=frames(error))
        return type(error).__name__


async def _in_order(context: Context, lane: list[_Taken], deadline: Deadline) -> list[str]:
    """Process messages sequentially; return the ids of the batch item failures."""
    again: list[str] = []
    for taken in lane:
        # A failed message holds back the rest of its group, but a message in the dead-letter queue does not.
        if (again and taken.group) or await _comes_again(context, taken, deadline):
            again.append(taken.id)
    return again


async def _comes_again(context: Context, taken: _Taken, deadline: Deadline) -> bool:
    """Process a message; return whether the message is a batch item failure."""
    reason = taken.read if isinstance(taken.read, str) else await _unsettled(context, taken.read, deadline)
    return bool(reason) and not await send_to_dlq(context, taken.record, reason)


async def _unsettled(context: Context, message: Message, deadline: Deadline) -> str:
    """Process a request; return the reason for a retry, or an empty string."""
    structlog.contextvars.clear_contextvars()
    try:
        if isinstance(message.request, Invalid):
            problems = message.request.problems
            await reject_unread(context, problems, message.submitter, message.request_id, message.transport_id)
            return ""
        outcome = await handle(context, message.request, deadline)
        if await start_execution(context, message.request, outcome):
            return ""
    except CallFailed as failed:
        where = frames(failed)
        log.error(
            "AWS cannot be called", message_id=message.id, operation=failed.operation, code=failed.code, frames=where
        )
        return f"{failed.operation}: {failed.code}"
    except Exception as error:  # noqa: BLE001 - one message's trouble must not become its neighbors'
        log.error("run failed", message_id=message.id, error=told(error), frames=frames(error))
        return type(error).__name__
    return "InProgress" if outcome.status is Status.IN_PROGRESS else ""


at_init()
