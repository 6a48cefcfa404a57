"""Newer generations win, whatever the order in which requests arrive; one worker at a time holds a stack."""

import itertools

import anyio
import pytest

from infra.deadline import Deadline
from tests.crash.harness import At, History, Point, Process, run_once, run_until_settled
from tests.documents import ROLE, small_stack
from tests.goals import tried
from tests.worlds import provision
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.acceptance import note_request
from workflows.service import RequestRef, handle, resume


def described(text: str) -> dict:
    document = small_stack(1)
    document["gateways"]["payments"]["description"] = text
    return document


async def test_an_older_generation_is_superseded(world):
    """A request that is older than the one in force changes nothing."""
    await world.apply(described("new"), generation=7)
    world.sent()
    outcome = await world.apply(described("old"), generation=6)
    assert outcome.status is Status.SUPERSEDED
    assert world.sent() == []
    assert world.live["gateway payments"].request["description"] == "new"


async def test_the_same_generation_with_another_document_is_rejected(world):
    """Two documents cannot both be generation 7."""
    await world.apply(described("one"), generation=7)
    assert (await world.apply(described("two"), generation=7)).status is Status.REJECTED
    assert world.live["gateway payments"].request["description"] == "one"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_any_order_ends_at_the_newest(world, order):
    """R5: however deliveries are ordered and repeated, the newest generation is what stands."""
    for index in [*order, *order]:
        await world.apply(described(f"g{index}"), f"request-{index}", generation=index + 1)
    assert world.live["gateway payments"].request["description"] == "g2"


async def test_a_late_delivery_of_an_older_request_changes_nothing(world):
    """A request without a generation keeps the one that it got, so its second delivery does not win."""
    await world.apply(described("first"), "request-a")
    await world.apply(described("second"), "request-b")
    assert (await world.apply(described("first"), "request-a")).status is Status.SUPERSEDED
    assert world.live["gateway payments"].request["description"] == "second"


async def test_a_finished_request_is_answered_not_run(world):
    """The second delivery returns the first one's outcome, without a call to the control plane."""
    first = await world.apply(small_stack(1), "request-a")
    world.sent()
    again = await world.apply(small_stack(1), "request-a")
    assert again.status is Status.READY
    assert again.shown()["resources"] == first.shown()["resources"]
    assert set(world.plane.journal.count()) == {"GetCallerIdentity"}


async def test_a_second_run_finds_the_stack_held(world):
    """While one run works, another says so and when to come back, and sends nothing."""
    world.behaviour.durations.gateway = 30.0
    results = {}

    async def run(name: str) -> None:
        results[name] = await world.run(provision(small_stack(1), "request-a"), seconds=300)

    async with anyio.create_task_group() as group:
        group.start_soon(run, "first")
        await anyio.sleep(0.5)
        group.start_soon(run, "second")
    assert results["first"].status is Status.READY
    assert results["second"].status is Status.IN_PROGRESS
    assert results["second"].retry_after > 0
    assert world.plane.world.records.doubles == []


async def test_a_newer_generation_stops_the_run_that_works_on_the_older(world):
    """The holder notices at its next write, stops, and the newer document is what stands in the end."""
    world.behaviour.durations.gateway = 30
    results = {}

    async def run(name: str, text: str) -> None:
        results[name] = await world.run(provision(described(text), name), seconds=300)

    async with anyio.create_task_group() as group:
        group.start_soon(run, "old", "old")
        await anyio.sleep(5)
        group.start_soon(run, "new", "new")
    assert results["old"].status is Status.SUPERSEDED
    assert results["new"].retry_after <= 10
    assert world.plane.world.now < 15, "the holder stops within seconds, not at its next write"
    await anyio.sleep(results["new"].retry_after)
    outcome = await world.run(provision(described("new"), "new"), seconds=300)
    assert outcome.status is Status.READY
    assert world.live["gateway payments"].request["description"] == "new"
    assert world.plane.world.records.doubles == []


@pytest.mark.parametrize("workers", [2, 5, 16])
async def test_many_workers_on_one_stack_make_one_of_everything(world, workers):
    """R6: workers that all get the same request leave one set of resources."""
    statuses = []

    async def work() -> None:
        while True:
            outcome = await handle(world.context(), provision(small_stack(4), "request-a"), Deadline.within(120))
            if outcome.status is not Status.IN_PROGRESS:
                statuses.append(outcome.status)
                return
            await anyio.sleep(outcome.retry_after or 1)

    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(work)
    assert statuses == [Status.READY] * workers
    assert world.plane.world.records.doubles == []
    assert world.sent().count("CreateGatewayTarget") == 4


async def test_a_lease_left_behind_ends_by_itself(world):
    """A process that died holds the stack for some seconds, and what it was about to change for half a minute."""
    assert await run_once(world, Process.struck(At.NOT_REMEMBERED, 6), provision(small_stack(1), "request-a")) is None
    began = anyio.current_time()
    outcome = await world.run(provision(small_stack(1), "request-b"), seconds=60)
    assert outcome.status is Status.READY
    assert anyio.current_time() - began <= 35
    assert world.plane.world.records.doubles == []


async def test_an_interrupted_run_gives_its_lease_back(world):
    """A run that is cancelled, as by Ctrl-C, lets the next one begin at once."""
    world.behaviour.durations.gateway = 30
    with anyio.move_on_after(5):
        await world.run(provision(small_stack(1), "request-a"), seconds=300)
    outcome = await world.run(provision(small_stack(1), "request-a"), seconds=300)
    assert outcome.status is Status.READY
    assert world.sent().count("CreateGateway") == 1


async def test_r5_two_requests_for_one_generation_are_each_done(world):
    """One fails for want of leave; the other, which has it, came meanwhile: it is not answered with that failure."""
    await world.apply(small_stack(1), "zero", generation=1)
    document = {**small_stack(1), "harnesses": {"h": {"executionRoleArn": ROLE}}}
    document["gateways"]["payments"]["authorizerType"] = "AWS_IAM"
    del document["gateways"]["payments"]["authorizerConfiguration"]
    without = provision(document, "without", generation=2)
    with_leave = provision(document, "with", generation=2, allow=frozenset({"gateways.payments"}))
    found = []

    async def work() -> None:
        found.append(await world.run(without))

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await anyio.sleep(2.0)
        found.append(await world.run(with_leave))
    await anyio.sleep(60.0)
    outcome = await world.run(with_leave)
    answered = outcome.shown()["requestId"] == "with"
    tried("R5", "two requests for one generation, at once", 2, int(not answered))
    assert [one.status for one in found if one.request_id == "without"] == [Status.FAILED]
    assert (outcome.status, answered) == (Status.READY, True)
    assert (await world.run(without)).shown()["status"] == "READY"


async def test_r5_what_a_schedule_asks_for_pushes_no_request_out(world):
    """A hundred ticks later the first request, delivered once more, is as superseded as it was."""
    old, new = small_stack(0), small_stack(0)
    old["gateways"]["payments"]["description"], new["gateways"]["payments"]["description"] = "old", "new"
    await world.apply(old, "one")
    await world.apply(new, "two")
    (partition,) = await world.ledger.partitions()
    for number in range(100):
        await note_request(world.ledger, partition, f"schedule-{number}", Mode.PROVISION)
        named = RequestRef("payments.tools", 2, f"schedule-{number}")
        assert (await resume(world.context(), named, Deadline())).status is Status.READY
    outcome = await world.run(provision(old, "one"))
    tried("R5", "a request that comes again after a hundred ticks", violations=int(outcome.status is Status.READY))
    assert outcome.status is Status.SUPERSEDED
    assert [kind for kind, _ in world.announced].count("Gateway Stack Accepted") == 2


async def test_an_acceptance_is_told_even_by_whoever_goes_on(world):
    """The worker that accepted a request died before it told; the next one does."""
    history = History((Point(At.AFTER_WRITE, 0),))
    outcome = await run_until_settled(world, history, provision(small_stack(0), "one"))
    assert outcome.status is Status.READY
    assert history.struck
    assert [kind for kind, _ in world.announced] == ["Gateway Stack Accepted", "Gateway Stack Ready"]
