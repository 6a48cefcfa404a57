"""What of a batch waits for what, what a log line says of it, and what becomes of it when nobody can go on with it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from handlers.sqs import take
from infra.aws import Aws
from infra.deadline import Deadline
from infra.settings import Settings
from tests.documents import gateway
from tests.intake.batches import FIFO, REQUESTED, deployed, record, refused, request
from tests.intake.objects import Held
from tests.worlds import REGION
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request
from workflows.service import handle

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:converge"


def wrong(name: str, request_id: str) -> str:
    """A request for a stack whose document is wrong: it is answered, and so done."""
    document = {"stack": name, "gateways": {"g": {}}}
    return json.dumps({"detailType": REQUESTED, "requestId": request_id, "stack": document})


def rejections(world) -> list[str]:
    return [detail["requestId"] for kind, detail in world.announced if kind == "Gateway Stack Rejected"]


async def test_in_a_standard_queue_no_message_waits_for_one_that_comes_again(world):
    """Not even one of the same stack: the first takes long and comes again, the second is answered now."""
    world.behaviour.durations.gateway = 3000
    batch = [record("slow", request("one", "slow")), record("wrong", wrong("one", "wrong"))]
    assert await take(deployed(world), batch, Deadline.within(600, patience=1)) == ["slow"]
    assert rejections(world) == ["wrong"]


async def test_groups_of_two_queues_are_two_groups(world):
    """They bear the same name; what comes again in one holds nothing up in the other."""
    batch = [record("a", "{", "g"), record("b", refused("b"), "g")]
    batch[1]["eventSourceARN"] = FIFO.replace("requests", "others")
    assert await take(deployed(world), batch, Deadline.within(60)) == ["a"]
    assert rejections(world) == ["b"]


async def test_a_log_line_names_no_neighbour_s_stack(world, logs):
    """Two messages of one group, taken one after the other: what is said of the second is not said of the first."""
    batch = [record("first", request("one", "first"), "g"), record("second", refused("second"), "g")]
    assert await take(deployed(world), batch, Deadline.within(600)) == []
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    ended = {line["status"]: line.get("stack") for line in lines if line["event"] == "outcome"}
    assert ended == {"READY": "one", "REJECTED": None}


class Refusing:
    """A Step Functions client that may start nothing."""

    async def start_execution(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, "StartExecution")


async def test_what_cannot_be_handed_over_comes_again(world):
    """The message is the only one left that knows of the request."""
    world.behaviour.durations.gateway = 3000

    async def client(service: str) -> Any:
        return Refusing() if service == "stepfunctions" else world.client(service)

    settings = Settings.model_validate({"GATEWRIGHT_STATE_MACHINE_ARN": MACHINE})
    context = replace(world.context(), aws=Aws(client, REGION), settings=settings)
    batch = [record("slow", request("one", "slow")), record("good", refused("good"))]
    assert await take(context, batch, Deadline.within(600, patience=1)) == ["slow"]


@pytest.mark.parametrize("uri", ["s3://stacks/tools.yaml", ""], ids=["by its URI", "as it is"])
async def test_the_id_of_a_removal_is_not_that_of_a_document(world, uri):
    """A document that comes under the id of a removal under way is refused, and does not bring back what goes."""
    document = {"stack": "payments", "gateways": {"one": gateway()}}
    await world.apply(document, "first")
    world.behaviour.durations.delete = 1000
    removal = Request(mode=Mode.REMOVE, request_id="r", stack="payments")
    assert (await world.run(removal, seconds=60, patience=1)).status is Status.IN_PROGRESS

    async def client(service: str) -> Any:
        return Held(document) if service == "s3" else world.client(service)

    context = replace(world.context(), aws=Aws(client, REGION))
    same = Request(mode=Mode.PROVISION, request_id="r", stack="payments", uri=uri, document=None if uri else document)
    outcome = await handle(context, same, Deadline.within(60, patience=1))
    assert (outcome.status, outcome.generation) == (Status.REJECTED, 2)
    world.behaviour.durations.delete = 0.5
    assert (await world.run(removal, seconds=6000)).status is Status.DELETED
    assert world.live == {}
