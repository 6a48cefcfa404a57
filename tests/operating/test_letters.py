"""A dead letter is sent again rather twice than never."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.aws import Aws
from infra.deadline import Deadline
from infra.errors import CallFailed
from tests.worlds import REGION
from workflows.dead_letters import DeadLetter, redrive

LETTER = DeadLetter("d", "receipt", '{"x": 1}', "why", "m")


class Queues:
    """An SQS client whose queue may refuse; it notes what it did."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self.done: list[str] = []

    async def send_message(self, **_: Any) -> dict[str, Any]:
        if self._full:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "SendMessage")
        self.done.append("sent")
        return {}

    async def delete_message(self, **_: Any) -> dict[str, Any]:
        self.done.append("deleted")
        return {}


async def send(queues: Queues) -> None:
    async def client(_: str) -> Queues:
        return queues

    await redrive(Aws(client, REGION).within(Deadline()), LETTER, dead="dead", queue="requests")


async def test_a_letter_is_taken_out_once_it_was_sent():
    queues = Queues(full=False)
    await send(queues)
    assert queues.done == ["sent", "deleted"]


async def test_a_letter_that_cannot_be_sent_stays_where_it_is():
    """It is the only one that is left."""
    queues = Queues(full=True)
    with pytest.raises(CallFailed):
        await send(queues)
    assert queues.done == []
