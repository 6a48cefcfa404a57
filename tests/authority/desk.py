"""A deployment with grants, and requests to it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from handlers.sqs import take
from infra.aws import Aws
from infra.deadline import Deadline
from infra.documents import parse
from infra.settings import Settings
from tests.documents import mcp_target
from tests.worlds import REGION, SandboxWorld
from workflows.document.naming import Place
from workflows.records.items import partition_of, stack_key
from workflows.requests.authority import Grants, Submitter
from workflows.requests.context import Context

FILE = parse((Path(__file__).parent / "attacks.yaml").read_text())
EVENTS = Path(__file__).parents[2] / "events"
ACCOUNT = "123456789012"
BUS = f"arn:aws:sqs:{REGION}:{ACCOUNT}:bus"
PAYMENTS = Submitter(account=ACCOUNT, source="com.example.payments")
PLACE = Place(ACCOUNT, REGION)
#: Objects in S3, which the sandbox does not have.
OBJECTS = {
    ("payments-stacks", "tools.yaml"): "stack: payments.new",
    ("payments-stacks", "billing.yaml"): "stack: billing.new",
    ("payments-stacks", "state.json"): '{"stack": "payments.new"}',
    ("payments-stacks", "twist.yaml"): json.dumps(
        {
            "stack": "payments.tools",
            "gateways": {
                "billing": {
                    "gatewright": {"existing": True},
                    "targets": {"t": mcp_target(gatewright={"adopt": True})},
                }
            },
        }
    ),
}
SECRET_CALLS = {"GetSecretValue", "DescribeSecret"}


class Shelf:
    """An S3 client over OBJECTS that knows what it was asked for."""

    class Body:
        def __init__(self, text: str) -> None:
            self._text = text

        async def read(self) -> bytes:
            return self._text.encode()

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def get_object(self, **params: str) -> dict[str, Any]:
        key = (params["Bucket"], params["Key"])
        self.asked.append(key)
        return {"ContentLength": len(OBJECTS[key]), "Body": self.Body(OBJECTS[key])}


def deployed(world: SandboxWorld, grants: Mapping[str, Any] = FILE["grants"], shelf: Any = None) -> Context:
    """Return a world's context as a deployment's worker has it: with grants and a queue of the bus."""

    async def client(service: str) -> Any:
        return (shelf or Shelf()) if service == "s3" else world.client(service)

    settings = Settings.model_validate({"GATEWRIGHT_BUS_QUEUE_ARN": BUS})
    return replace(
        world.context(), aws=Aws(client, REGION), settings=settings, grants=Grants.model_validate(dict(grants))
    )


def record(body: Mapping[str, Any], by: Mapping[str, str]) -> dict[str, Any]:
    """Return the message of a request: as the bus forwards it, or as a sender put it into a queue."""
    if "queue" not in by:
        detail = {name: value for name, value in body.items() if name != "detailType"}
        body = {"detail-type": body["detailType"], "id": "e", "account": ACCOUNT, **by, "detail": detail}
    attributes = {"SenderId": by.get("sender", "AIDABUS")}
    return {
        "messageId": "m",
        "body": json.dumps(body),
        "attributes": attributes,
        "eventSourceARN": by.get("queue", BUS),
    }


async def asked(context: Context, body: Mapping[str, Any], by: Mapping[str, str] | None = None) -> None:
    """Put one request into the queue; it is taken, whatever becomes of it."""
    sent = record(body, by or {"source": "com.example.payments"})
    assert await take(context, [sent], Deadline.within(3600)) == []


async def assert_refused(world: SandboxWorld, at: str, stack: str, rule: str = "") -> None:
    """A Rejected with a problem at the path is announced, nothing was called, no secret read, nothing accepted."""
    rejections = [detail for kind, detail in world.announced if kind == "Gateway Stack Rejected"]
    assert [kind for kind, _ in world.announced] == ["Gateway Stack Rejected"]
    found = {(problem["path"], problem["rule"]) for problem in rejections[0]["problems"]}
    assert at in {path for path, _ in found}
    assert rule in {"", *(name for path, name in found if path == at)}
    operations = {call.operation for call in world.plane.journal.calls}
    assert not operations & SECRET_CALLS
    assert operations <= {"GetCallerIdentity"}
    assert world.sent() == []
    assert await world.ledger.get(stack_key(partition_of(ACCOUNT, REGION, stack))) is None
