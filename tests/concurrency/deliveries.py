"""Messages of a queue, delivered until they are settled, in virtual time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from handlers.sqs import take
from infra.deadline import Deadline
from tests.documents import gateway, mcp_target
from tests.worlds import SandboxWorld

#: Seconds of one invocation, and after which a message that was not settled is visible again: one poll interval.
INVOCATION, VISIBILITY = 60.0, 30.0


def message(message_id: str, detail: object, **more: Any) -> dict[str, Any]:
    body = detail if isinstance(detail, str) else json.dumps(detail)
    attributes = {"SenderId": "AIDA"}
    return {"messageId": message_id, "body": body, "attributes": attributes, "eventSourceARN": "arn:aws:sqs:x", **more}


def requested(request_id: str, document: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"detailType": "Gateway Stack Requested", "requestId": request_id, "stack": document, **more}


def one_gateway(name: str) -> dict[str, Any]:
    return {"stack": name, "gateways": {name: gateway({"tools": mcp_target()})}}


@dataclass
class Queue:
    """Delivers batches, and again what failed. A message that fails for good is given up after some deliveries."""

    world: SandboxWorld
    most: int = 5
    #: The ids of those that were.
    given_up: set[str] = field(default_factory=set)

    async def deliver(self, batch: list[dict[str, Any]]) -> None:
        """Deliver a batch until it is empty."""
        left = batch
        for _ in range(self.most):
            failed = set(await take(self.world.context(), left, Deadline.within(INVOCATION, 5.0)))
            left = [one for one in left if one["messageId"] in failed]
            if not left:
                return
            await anyio.sleep(VISIBILITY)
        self.given_up |= {one["messageId"] for one in left}
