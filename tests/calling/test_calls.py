"""One retry layer, on the event loop's clock: bounded by tries, by time and by the run's deadline."""

from dataclasses import replace

import anyio
import pytest
from botocore.exceptions import ReadTimeoutError

from infra.aws import CALL_SECONDS
from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.pace import Pace
from infra.retry import BUDGETS
from infra.sandbox.faults import Effect, Fault
from tests.documents import ROLE

NOWHERE = {"gatewayIdentifier": "nothing-0123456789"}


def calls_of(world, deadline=None):
    return world.context().aws.within(deadline or Deadline())


async def failed(awaitable) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await awaitable
    return caught.value


async def test_throttling_is_tried_again(world):
    world.plane.faults.add(Fault("ListGateways", Effect.THROTTLE, times=10))
    calls = calls_of(world)
    assert (await calls("ListGateways", {}))["items"] == []
    assert calls.count["ListGateways"] == 11


async def test_tries_are_bounded(world):
    world.plane.faults.add(Fault("ListGateways", Effect.ERROR, times=-1))
    calls = calls_of(world)
    error = await failed(calls("ListGateways", {}))
    assert error.error_class is ErrorClass.UNKNOWN_OUTCOME
    assert calls.count["ListGateways"] == BUDGETS[ErrorClass.UNKNOWN_OUTCOME].tries


async def test_final_answers_are_not_tried_again(world):
    calls = calls_of(world)
    assert (await failed(calls("GetGateway", NOWHERE))).error_class is ErrorClass.GONE
    assert calls.count["GetGateway"] == 1


async def test_an_unknown_error_is_tried_once_more(world):
    world.plane.faults.add(Fault("ListGateways", Effect.REFUSE, -1, 0, "NovelException", "?"))
    calls = calls_of(world)
    assert (await failed(calls("ListGateways", {}))).error_class is ErrorClass.UNKNOWN
    assert calls.count["ListGateways"] == 2


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        ("UpdateGateway", {"name": "x", "roleArn": ROLE, "authorizerType": "AWS_IAM"}),
        ("DeleteGateway", {}),
        ("SynchronizeGatewayTargets", {"targetIdList": ["TARGET0123"]}),
    ],
)
async def test_an_unanswered_change_is_not_sent_blindly_again(world, operation, more):
    world.plane.faults.add(Fault(operation, Effect.LOST, times=-1))
    calls = calls_of(world)
    assert (await failed(calls(operation, {**NOWHERE, **more}))).error_class is ErrorClass.UNKNOWN_OUTCOME
    assert calls.count[operation] == 1


async def test_no_change_begins_that_may_not_finish(world):
    """R9: with less time left than a call may take, nothing is sent that changes something."""
    calls = calls_of(world, Deadline.within(CALL_SECONDS - 1))
    with pytest.raises(OutOfTime):
        await calls("CreateGateway", {"name": "x", "roleArn": ROLE, "authorizerType": "AWS_IAM"})
    assert world.plane.journal.calls == []
    await calls("ListGateways", {})


async def test_a_wait_beyond_patience_is_left_to_the_next_run(world):
    world.plane.faults.add(Fault("ListGateways", Effect.THROTTLE, times=-1))
    with pytest.raises(OutOfTime) as caught:
        await calls_of(world, Deadline.within(600, patience=2))("ListGateways", {})
    assert caught.value.retry_after > 2


async def test_pace_spaces_calls_out():
    """Eleven creates at five a second take at least a second after the burst."""
    pace = Pace()
    began = anyio.current_time()
    for _ in range(11):
        await pace.wait("CreateGateway", Deadline())
    assert anyio.current_time() - began == pytest.approx(6 / 5, abs=0.01)


async def test_throttling_slows_down_and_success_wins_back():
    """Each refusal halves the rate, each answer wins a little back."""
    pace = Pace()
    for _ in range(5):
        await pace.wait("CreateGateway", Deadline())
    pace.throttled("CreateGateway")
    began = anyio.current_time()
    await pace.wait("CreateGateway", Deadline())
    assert anyio.current_time() - began == pytest.approx(1 / 2.5, abs=0.01)
    for _ in range(50):
        pace.answered("CreateGateway")
    began = anyio.current_time()
    for _ in range(20):
        await pace.wait("CreateGateway", Deadline())
    assert anyio.current_time() - began == pytest.approx(20 / 5, abs=0.5)


async def test_a_client_s_own_error_quotes_nothing(world, logs):
    """What a client raises locally may quote the request; it reaches the caller redacted."""
    aws = world.context().aws
    aws.redaction.add("hunter22")

    class Broken:
        async def list_gateways(self):
            raise ReadTimeoutError(endpoint_url="https://x/?secret=hunter22")

    async def broken(_service):
        return Broken()

    error = await failed(replace(aws, client=broken).within(Deadline())("ListGateways", {}))
    assert "hunter22" not in str(error) + logs.getvalue()
