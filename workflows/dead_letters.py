"""Messages that cannot be worked on: put into the dead-letter queue with their reason, and taken out again by it."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from infra.aws import Calls
from infra.deadline import Deadline
from infra.errors import CallFailed, OutOfTime
from workflows.requests.context import Context

log = structlog.get_logger()

#: The attribute of a dead letter that says why it is one.
REASON = "reason"
#: The attribute that says which message it was: its request's id, where it names none.
_MESSAGE_ID = "messageId"
#: What no further delivery would cure.
_HOPELESS = "NotARequest"
_SECONDS = 30.0


async def bury(context: Context, record: Mapping[str, Any], reason: str) -> bool:
    """Put a message into the dead-letter queue where it is to be delivered no more; False where it is.

    The queue would move it there by itself, but without a reason; it still does when this fails.
    """
    deliveries = _deliveries(record)
    hopeless = reason.startswith(_HOPELESS) or deliveries >= context.settings.deliveries
    if not context.settings.dead_letters or not hopeless:
        return False
    body = record.get("body")
    attributes = {REASON: reason, _MESSAGE_ID: str(record.get("messageId", "")), "deliveries": str(deliveries)}
    message = {
        "QueueUrl": context.settings.dead_letters,
        "MessageBody": body if isinstance(body, str) and body else " ",
        "MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    }
    try:
        await context.aws.within(Deadline.within(_SECONDS))("SendMessage", message, service="sqs")
    except Exception as failed:  # noqa: BLE001 - what cannot be buried comes again, and hinders no other message
        # What our own layer says is safe to write; any other error may quote the message.
        error = str(failed) if isinstance(failed, CallFailed | OutOfTime) else type(failed).__name__
        log.error("dead letter not sent", message_id=record.get("messageId"), error=error)
        return False
    log.error("dead letter", message_id=record.get("messageId"), reason=reason)
    return True


def _deliveries(record: Mapping[str, Any]) -> int:
    """Return how often a message was delivered, as the queue says; once where it does not."""
    attributes = record.get("attributes")
    said = str(attributes.get("ApproximateReceiveCount")) if isinstance(attributes, Mapping) else ""
    return int(said) if said.isdecimal() and len(said) < 10 else 1


@dataclass(frozen=True)
class DeadLetter:
    """One message of a dead-letter queue; `message_id` is that under which it was delivered before."""

    id: str
    receipt: str
    body: str
    reason: str
    message_id: str

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> "DeadLetter":
        """Read a message that was received with its attributes. One that the queue moved itself has no reason."""
        attributes = message.get("MessageAttributes") or {}
        reason = attributes.get(REASON, {}).get("StringValue", "") or "deliveries exhausted"
        former = attributes.get(_MESSAGE_ID, {}).get("StringValue", "") or message["MessageId"]
        return cls(message["MessageId"], message["ReceiptHandle"], message["Body"], reason, former)

    @property
    def again(self) -> str:
        """The body under which it is the same request when it is sent again, as another message."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return self.body
        # An event has an id of its own.
        named = not isinstance(body, dict) or "detail-type" in body or body.get("requestId")
        return self.body if named else json.dumps({**body, "requestId": self.message_id})


async def letters(calls: Calls, queue: str) -> AsyncIterator[DeadLetter]:
    """Yield the messages of a dead-letter queue; those that are not deleted show again after a minute."""
    seen: set[str] = set()
    wanted = {
        "QueueUrl": queue,
        "MaxNumberOfMessages": 10,
        "VisibilityTimeout": 60,
        "WaitTimeSeconds": 1,
        "MessageAttributeNames": ["All"],
    }
    while True:
        answer = await calls("ReceiveMessage", wanted, service="sqs")
        found = [DeadLetter.read(message) for message in answer.get("Messages", [])]
        fresh = [letter for letter in found if letter.id not in seen]
        if not fresh:
            return
        seen.update(letter.id for letter in fresh)
        for letter in fresh:
            yield letter


async def send_again(calls: Calls, letter: DeadLetter, *, dead: str, queue: str) -> None:
    """Put a dead letter into a queue again, then take it out of the dead-letter queue: rather twice than never."""
    await calls("SendMessage", {"QueueUrl": queue, "MessageBody": letter.again}, service="sqs")
    await calls("DeleteMessage", {"QueueUrl": dead, "ReceiptHandle": letter.receipt}, service="sqs")
