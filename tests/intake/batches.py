"""Queues for tests: records of every fate, a dead-letter queue, and a queue that delivers until it is empty."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infra.aws import Aws
from infra.ledger import Item, Key
from infra.ledger.sqlite import SqliteLedger
from infra.settings import Settings
from tests.documents import gateway
from tests.worlds import REGION, SandboxWorld
from workflows.requests.context import Context

REQUESTED = "Gateway Stack Requested"
STANDARD = "arn:aws:sqs:us-east-1:123456789012:requests"
FIFO = f"{STANDARD}.fifo"
BROKEN = "broken.stack"
#: Bodies that no further delivery would cure.
HOPELESS: tuple[Any, ...] = ("{", '{"detailType": "Gateway Stack Dance"}', "[]", None, "\ud800", "[" * 90_000)


def request(name: str, request_id: str) -> str:
    document = {"stack": name, "gateways": {name.replace(".", "-"): gateway()}}
    return json.dumps({"detailType": REQUESTED, "requestId": request_id, "stack": document})


def refused(request_id: str) -> str:
    """A request whose document is wrong: it is answered, and so done."""
    return json.dumps({"detailType": REQUESTED, "requestId": request_id, "stack": {"stack": 1}})


def broken(request_id: str) -> str:
    """A request whose run raises."""
    return request(BROKEN, request_id)


def record(message_id: str, body: Any, group: str = "", count: int = 1) -> dict[str, Any]:
    attributes = {"SenderId": "AIDA", "ApproximateReceiveCount": str(count)}
    if group:
        attributes["MessageGroupId"] = group
    arn = FIFO if group else STANDARD
    return {"messageId": message_id, "body": body, "attributes": attributes, "eventSourceARN": arn}


class TornLedger(SqliteLedger):
    """A ledger that cannot read one stack."""

    async def get(self, key: Key) -> Item | None:
        if BROKEN in key.partition:
            raise OSError("this part of the ledger is torn")
        return await super().get(key)


@dataclass
class Graves:
    """A dead-letter queue, as an SQS client."""

    bodies: list[str] = field(default_factory=list)
    closed: bool = False

    async def send_message(self, **params: Any) -> dict[str, Any]:
        if self.closed:
            raise OSError("no such queue")
        params["MessageBody"].encode()
        self.bodies.append(params["MessageBody"])
        return {}


def deployed(world: SandboxWorld, graves: Graves | None = None) -> Context:
    """A world's context as the queue's function has it, with a dead-letter queue where one is given."""

    async def client(service: str) -> Any:
        return graves if service == "sqs" else world.client(service)

    url = {"GATEWRIGHT_DEAD_LETTER_QUEUE_URL": "https://sqs.example.com/dead"} if graves is not None else {}
    return replace(world.context(), aws=Aws(client, REGION), settings=Settings.model_validate(url))


@dataclass
class Queue:
    """A queue with visibility, counts of deliveries and a limit to them: what SQS does for an event source."""

    bodies: Mapping[str, Any]
    groups: Mapping[str, str] = field(default_factory=dict)
    most: int = 6
    counts: dict[str, int] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    rounds: int = 0

    async def drain(self, take: Callable[[list[Any]], Awaitable[list[str]]], batch: int = 10) -> None:
        """Deliver until nothing is left; a queue that never empties stops after many rounds."""
        waiting = list(self.bodies)
        while waiting and self.rounds < 100:
            self.rounds += 1
            taken, waiting = waiting[:batch], waiting[batch:]
            for name in taken:
                self.counts[name] = self.counts.get(name, 0) + 1
            spent = [name for name in taken if self.counts[name] > self.most]
            self.moved += spent
            due = [name for name in taken if name not in spent]
            again = await take([record(n, self.bodies[n], self.groups.get(n, ""), self.counts[n]) for n in due])
            # In a FIFO queue what comes again stands before what follows it.
            waiting = [*again, *waiting] if self.groups else [*waiting, *again]
