"""The dead-letter queue: messages that cannot be processed are sent there with a reason, listed, and redriven."""

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

#: The attribute of a dead letter that holds the reason.
REASON = "reason"
#: The attribute that holds the id of the original message: the request id of a body without a request id.
_MESSAGE_ID = "messageId"
#: The prefix of reasons that no further delivery would resolve.
_HOPELESS = "NotARequest"
_SECONDS = 30.0


async def send_to_dlq(context: Context, record: Mapping[str, Any], reason: str) -> bool:
    """Send a message that must not be delivered again to the dead-letter queue. False: the message is delivered again.

    The source queue would move the message by itself, but without a reason; the queue still does when this fails.
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
    except Exception as failed:  # noqa: BLE001 - an unsent message is delivered again, and delays no other
        # The texts of our own errors are safe to log; any other error may quote the message.
        error = str(failed) if isinstance(failed, CallFailed | OutOfTime) else type(failed).__name__
        log.error("dead letter not sent", message_id=record.get("messageId"), error=error)
        return False
    log.error("dead letter", message_id=record.get("messageId"), reason=reason)
    return True


def _deliveries(record: Mapping[str, Any]) -> int:
    """Return the number of deliveries of a message according to the queue; 1 if unknown."""
    attributes = record.get("attributes")
    said = str(attributes.get("ApproximateReceiveCount")) if isinstance(attributes, Mapping) else ""
    return int(said) if said.isdecimal() and len(said) < 10 else 1


@dataclass(frozen=True)
class DeadLetter:
    """A message of a dead-letter queue; `message_id` is the id of the original message."""

    id: str
    receipt: str
    body: str
    reason: str
    message_id: str

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> "DeadLetter":
        """Read a message received with attributes. A message that the queue itself moved has no reason."""
        attributes = message.get("MessageAttributes") or {}
        reason = attributes.get(REASON, {}).get("StringValue", "") or "deliveries exhausted"
        former = attributes.get(_MESSAGE_ID, {}).get("StringValue", "") or message["MessageId"]
        return cls(message["MessageId"], message["ReceiptHandle"], message["Body"], reason, former)

    @property
    def again(self) -> str:
        """The body to redrive: names the original request id, so that a new message is the same request."""
        try:
            body = json.loads(self.body)
        except ValueError:
            return self.body
        # An event has an id of its own.
        named = not isinstance(body, dict) or "detail-type" in body or body.get("requestId")
        return self.body if named else json.dumps({**body, "requestId": self.message_id})


async def letters(calls: Calls, queue: str) -> AsyncIterator[DeadLetter]:
    """Yield the messages of a dead-letter queue; messages that are not deleted are visible again after a minute."""
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


async def redrive(calls: Calls, letter: DeadLetter, *, dead: str, queue: str) -> None:
    """Send a dead letter to a queue, then delete the letter from the dead-letter queue: at-least-once delivery."""
    await calls("SendMessage", {"QueueUrl": queue, "MessageBody": letter.again}, service="sqs")
    await calls("DeleteMessage", {"QueueUrl": dead, "ReceiptHandle": letter.receipt}, service="sqs")
