"""What operators do: observe and pause a deployment, cancel a request, look back, and deal with dead letters."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from handlers.sqs import take
from infra.aws import Aws
from infra.deadline import Deadline
from infra.settings import read_settings
from tests.documents import small_stack
from tests.goals import tried
from tests.tables import services
from tests.worlds import REGION, SandboxWorld, provision
from workflows.dead_letters import DeadLetter, letters, redrive, send_to_dlq
from workflows.operating import FORGOTTEN, cancel, forget, history
from workflows.planner.outcome import Status
from workflows.requests.context import Context
from workflows.service import RequestRef, handle, resume
from workflows.status import stacks


def context_of(world: SandboxWorld, **settings: str) -> Context:
    return replace(world.context(), settings=read_settings(settings))


async def test_an_observing_deployment_plans_and_changes_nothing(world):
    """The plan is announced; neither the service nor the ledger is touched."""
    context = context_of(world, GATEWRIGHT_MODE="OBSERVE")
    outcome = await handle(context, provision(small_stack(2), "one"), Deadline.within(600))
    assert outcome.status is Status.PLANNED
    assert [kind for kind, _ in world.announced] == ["Gateway Stack Planned"]
    assert outcome.shown()["plan"]["changes"] == 4
    assert world.sent() == []
    assert await stacks(world.ledger) == {}


@pytest.mark.parametrize("mode", ["OBSERVE", "PAUSED"])
async def test_what_is_under_way_waits_until_the_deployment_acts_again(world, mode):
    """An upgrade in between loses nothing: the execution comes back later."""
    world.behaviour.durations.gateway = 300
    await world.run(provision(small_stack(1), "one"), seconds=60)
    world.sent()
    named = RequestRef("payments.tools", 1, "one")
    waiting = await resume(context_of(world, GATEWRIGHT_MODE=mode), named, Deadline.within(600))
    assert (waiting.status, waiting.retry_after) == (Status.IN_PROGRESS, 300.0)
    assert world.sent() == []
    assert (await resume(world.context(), named, Deadline.within(600))).status is Status.READY


async def test_a_paused_deployment_does_nothing(world):
    context = context_of(world, GATEWRIGHT_MODE="PAUSED")
    outcome = await handle(context, provision(small_stack(1), "one"), Deadline.within(600))
    assert outcome.status is Status.IN_PROGRESS
    assert (world.sent(), world.announced) == ([], [])


async def test_a_cancelled_request_ends_and_its_run_stops(world):
    """The run that works on it notices; the request is FAILED for everybody, and a new one goes on from there."""
    world.behaviour.durations.gateway = 600
    outcomes = []

    async def work() -> None:
        outcomes.append(await world.run(provision(small_stack(1), "one")))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.sleep(30)
        found = await cancel(world.ledger, "payments.tools", datetime(2026, 1, 1, tzinfo=UTC), 90)
        assert list(found.values()) == ["cancelled"]
        cancelled_at = anyio.current_time()
    assert anyio.current_time() - cancelled_at < 20
    assert outcomes[0].shown()["status"] == "FAILED"
    assert "cancelled by an operator" in outcomes[0].shown()["reason"]
    again = await world.run(provision(small_stack(1), "one"))
    assert again.status is Status.FAILED
    assert (await world.run(provision(small_stack(1), "two"))).status is Status.READY
    found = await cancel(world.ledger, "payments.tools", datetime(2026, 1, 1, tzinfo=UTC), 90)
    assert list(found.values()) == ["no request is in progress"]


async def test_a_request_that_is_cancelled_between_two_runs_is_told_why(world):
    """Whoever goes on with it hears, and tells, that it was cancelled, and not only that it is finished."""
    world.behaviour.durations.gateway = 600
    request = provision(small_stack(1), "one")
    assert (await world.run(request, seconds=20)).status is Status.IN_PROGRESS
    await cancel(world.ledger, "payments.tools", datetime(2026, 1, 1, tzinfo=UTC), 90)
    assert (await world.run(request)).status is Status.FAILED
    kind, told = world.announced[-1]
    assert (kind, told["status"]) == ("Gateway Stack Failed", "FAILED")
    assert "cancelled by an operator" in told["reason"]


async def test_the_history_has_every_run_the_newest_first(world):
    await world.apply(small_stack(1), "one")
    await world.apply(small_stack(2), "two")
    (runs,) = (await history(world.ledger, "payments.tools")).values()
    assert [(run["requestId"], run["status"]) for run in runs] == [("two", "READY"), ("one", "READY")]
    assert await history(world.ledger, "nobody") == {}


@pytest.mark.real_time
async def test_dead_letters_are_found_by_their_reason_and_sent_again(world, moto):
    """A message that failed often enough is buried with its reason; sent again, it asks under the id that it had."""
    async with services(moto) as client:
        sqs = await client("sqs")
        dead, queue = [(await sqs.create_queue(QueueName=name))["QueueUrl"] for name in ("dead", "requests")]
        settings = read_settings({"GATEWRIGHT_DEAD_LETTER_QUEUE_URL": dead, "GATEWRIGHT_MAX_DELIVERIES": "3"})
        context = replace(world.context(), aws=Aws(client, REGION), settings=settings)
        record: dict[str, Any] = {"messageId": "m", "body": '{"x": 1}', "attributes": {"ApproximateReceiveCount": "2"}}
        assert not await send_to_dlq(context, record, "RuntimeError")
        record["attributes"]["ApproximateReceiveCount"] = "3"
        assert await send_to_dlq(context, record, "RuntimeError")
        assert await send_to_dlq(context, {"messageId": "n", "body": "{"}, "NotARequest: no JSON")
        calls = context.aws.within(Deadline.within(60))
        found = {letter.reason: letter async for letter in letters(calls, dead)}
        assert set(found) == {"RuntimeError", "NotARequest: no JSON"}
        await redrive(calls, found["RuntimeError"], dead=dead, queue=queue)
        assert [letter.body async for letter in letters(calls, queue)] == ['{"x": 1, "requestId": "m"}']


@pytest.mark.parametrize(
    "body", ["{", "[1]", '{"detail-type": "x", "id": "e"}', '{"detailType": "x", "requestId": "mine"}']
)
def test_a_dead_letter_that_names_its_request_is_sent_again_as_it_is(body):
    assert DeadLetter("d", "r", body, "why", "m").again == body


async def test_r5_a_dead_letter_that_is_sent_again_later_brings_nothing_old_back(world):
    """Its request was accepted under the message's id; as another message it is that request yet, and superseded."""
    old, new = ({**small_stack(0), "onFailure": how} for how in ("HALT", "ROLLBACK"))
    asked = {"detailType": "Gateway Stack Requested"}
    record = {"messageId": "m-1", "body": json.dumps({**asked, "stack": old}), "attributes": {"SenderId": "x"}}
    assert await take(world.context(), [record], Deadline.within(300)) == []
    record = {"messageId": "m-2", "body": json.dumps({**asked, "stack": new}), "attributes": {"SenderId": "x"}}
    assert await take(world.context(), [record], Deadline.within(300)) == []
    again = DeadLetter("d", "r", json.dumps({**asked, "stack": old}), "why", "m-1").again
    record = {"messageId": "m-3", "body": again, "attributes": {"SenderId": "x"}}
    assert await take(world.context(), [record], Deadline.within(300)) == []
    status = world.announced[-1][1]["status"]
    tried("R5", "a dead letter that is sent again after a newer document", violations=int(status == "READY"))
    assert status == "SUPERSEDED"


async def test_a_cancelled_request_stands_in_the_history(world):
    world.behaviour.durations.gateway = 600
    await world.run(provision(small_stack(1), "one"), seconds=20)
    await cancel(world.ledger, "payments.tools", datetime(2026, 1, 1, tzinfo=UTC), 90)
    (runs,) = (await history(world.ledger, "payments.tools")).values()
    assert sorted(run["status"] for run in runs) == ["FAILED", "IN_PROGRESS"]
    assert any("cancelled" in run["reason"] for run in runs)


async def test_a_forgotten_stack_is_found_again_by_its_tags(world):
    """Nothing is changed at AWS, and applying the document again makes nothing twice."""
    await world.apply(small_stack(2))
    standing, now = set(world.live), world.context().now()
    (said,) = (await forget(world.ledger, "payments.tools", now)).values()
    assert said.startswith(f"{FORGOTTEN}; these go on to exist")
    assert f"gateways.payments ({world.live['gateway payments'].id})" in said
    assert await world.ledger.partitions() == []
    assert (set(world.live), await forget(world.ledger, "payments.tools", now)) == (standing, {})
    world.sent()
    assert (await world.apply(small_stack(2))).status is Status.READY
    assert "CreateGateway" not in world.sent()


async def test_a_stack_that_is_worked_on_is_not_forgotten(world):
    world.behaviour.durations.gateway = 600

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.run, provision(small_stack(1), "one"))
        await anyio.sleep(30)
        (told,) = (await forget(world.ledger, "payments.tools", world.context().now())).values()
        assert "cancel its request first" in told
        assert await history(world.ledger, "payments.tools") != {}
        tasks.cancel_scope.cancel()
