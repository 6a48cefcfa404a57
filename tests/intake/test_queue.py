"""A batch of messages: only what failed goes back, and nobody suffers for a neighbour."""

import json

import pytest

from handlers.messages import read_message
from handlers.sqs import take
from infra.deadline import Deadline
from infra.sandbox.faults import Effect, Fault
from tests.documents import gateway, mcp_target, small_stack
from workflows.requests.request import NotARequest

REQUESTED = "Gateway Stack Requested"


def record(message_id: str, body: object) -> dict:
    text = body if isinstance(body, str) else json.dumps(body)
    return {
        "messageId": message_id,
        "body": text,
        "attributes": {"SenderId": "AIDA"},
        "eventSourceARN": "arn:aws:sqs:x",
    }


def event(name: str, document: dict) -> dict:
    return {"detail-type": REQUESTED, "id": name, "source": "x", "detail": {"stack": document}}


def stack(name: str) -> dict:
    return {"stack": name, "gateways": {name: gateway({"tools": mcp_target()})}}


async def test_ten_messages_with_three_bad_ones(world):
    """Not JSON and an unknown request go back; an invalid document is announced as Rejected; seven are provisioned."""
    records = [
        record("not-json", "{"),
        record("unknown", {"detailType": "Gateway Stack Dance", "stack": {}}),
        record("invalid", event("invalid", {"stack": "bad", "gateways": {"x": {"roleArn": 1}}})),
        *(record(f"good-{n}", event(f"good-{n}", stack(f"team-{n}"))) for n in range(6)),
        record("good-6", {"detailType": REQUESTED, "requestId": "six", "stack": stack("team-6")}),
    ]
    assert await take(world.context(), records, Deadline.within(600)) == ["not-json", "unknown"]
    assert {name for name in world.live if name.startswith("gateway")} == {f"gateway team-{n}" for n in range(7)}
    kinds = [kind for kind, _ in world.announced]
    assert kinds.count("Gateway Stack Ready") == 7
    (rejected,) = [detail for kind, detail in world.announced if kind == "Gateway Stack Rejected"]
    assert {problem["path"] for problem in rejected["problems"]} == {
        "gateways.x.roleArn",
        "gateways.x.authorizerType",
    }


async def test_what_is_not_settled_in_time_goes_back(world):
    """A run that needs longer than the invocation leaves its message to be delivered again, and goes on then."""
    world.behaviour.durations.gateway = 300
    batch = [record("slow", event("slow", stack("team")))]
    deliveries = 0
    while await take(world.context(), batch, Deadline.within(60)):
        deliveries += 1
    assert deliveries >= 4
    assert world.sent().count("CreateGateway") == 1


async def test_a_long_wait_is_not_sat_out(world):
    """With patience of five seconds a run ends early and says when to come back."""
    world.behaviour.durations.gateway = 300
    began = world.plane.world.now
    assert await take(world.context(), [record("slow", event("slow", stack("team")))], Deadline.within(900, 5)) == [
        "slow"
    ]
    assert world.plane.world.now - began < 150
    (_, detail) = world.announced[-1]
    assert detail["status"] == "IN_PROGRESS"
    assert detail["retryAfterSeconds"] > 5


async def test_a_stack_that_breaks_leaves_its_neighbours_alone(world):
    """One stack's AccessDenied and another's success are told apart."""
    world.plane.faults.add(Fault("CreateGateway", Effect.REFUSE, 1, 0, "AccessDeniedException", "not authorized"))
    records = [record(f"m{n}", event(f"m{n}", stack(f"team-{n}"))) for n in range(3)]
    assert await take(world.context(), records, Deadline.within(600)) == []
    kinds = sorted(kind for kind, _ in world.announced)
    assert kinds == [*["Gateway Stack Accepted"] * 3, "Gateway Stack Failed", *["Gateway Stack Ready"] * 2]


async def test_the_same_message_many_times_is_one_stack(world):
    """Ten deliveries of one message make one set of resources, and the tenth sends nothing."""
    batch = [record(f"m{n}", event("same", small_stack(2))) for n in range(10)]
    assert await take(world.context(), batch, Deadline.within(600)) == []
    assert world.plane.world.records.doubles == []
    assert world.sent().count("CreateGateway") == 1


@pytest.mark.parametrize(
    "body", ["", "[]", "1", '{"a":1,"a":2}', '{"a":NaN}', "{" * 100_000, '"x"', "{}"], ids=lambda b: b[:12]
)
def test_what_is_no_request_is_refused(body):
    """Bodies that ask for nothing known are failed messages, whatever they hold."""
    with pytest.raises(NotARequest):
        read_message(record("m", body))


@pytest.mark.parametrize("more", ['"requestId": "a", "requestId": "b"', '"generation": NaN', '"allow": [Infinity]'])
def test_what_would_be_a_request_in_a_laxer_json_is_refused(more):
    """Of a name that stands twice nobody knows which value counts, and JSON has no such numbers."""
    text = f'{{"detailType": "{REQUESTED}", "stack": {{"stack": "payments"}}, MORE}}'
    assert read_message(record("m", text.replace("MORE", '"requestId": "a"'))).request_id == "a"
    with pytest.raises(NotARequest):
        read_message(record("m", text.replace("MORE", more)))
