"""R6: a lease lasts as long as its holder works, and no longer: after a death the next run goes on within seconds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio
import pytest

from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.ledger import Change
from tests.concurrency.workers import History, Worker
from tests.crash.harness import At, Process, run_once
from tests.documents import small_stack
from tests.goals import tried
from tests.worlds import SandboxWorld, provision
from workflows.planner.outcome import Status
from workflows.reconcile.lease import SILENT_SECONDS, lease_key
from workflows.service import handle


def credentials() -> CallFailed:
    return CallFailed("PutEvents", ErrorClass.CREDENTIALS, "ExpiredToken", "the token has expired")


REQUEST = provision(small_stack(3), "a")
#: Seconds after a death within which the stack is worked on again, and within which all of it is.
GOES_ON, ENDS = 20.0, 35.0


async def _two(world: SandboxWorld, slow: float, seconds: float) -> History:
    """Let a second worker ask for a stack again and again while a first one works on it; clocks agree."""
    history = History()
    async with anyio.create_task_group() as group:

        async def first() -> None:
            await Worker(world, history, "first", 1, slow).deliver(REQUEST, seconds)
            group.cancel_scope.cancel()

        group.start_soon(first)
        while not history.takers:  # noqa: ASYNC110
            await anyio.sleep(1)
        for number in range(10_000):
            await Worker(world, history, f"second-{number}", slow=0.0).deliver(REQUEST, 100)
            await anyio.sleep(10)
    return history


async def test_r6_a_run_of_hours_keeps_its_stack():
    """A terminal may be told to wait for hours; no other run takes the stack meanwhile while it sends calls."""
    with SandboxWorld(round_trip=0.0) as world:
        world.behaviour.durations.gateway = 4000
        history = await _two(world, 0.1, 10_000)
    tried("R6", "a run of hours keeps its stack", 1, len(set(history.takers)) - 1)
    assert set(history.takers) == {"first"}


@pytest.mark.parametrize("at", [At.BEFORE_SENDING, At.NOT_REMEMBERED])
@pytest.mark.parametrize("index", range(12))
async def test_r1_after_a_death_the_same_command_goes_on_within_seconds(world, at, index):
    """At every call of a run: the rest goes on within 20 s, and what was interrupted within 35 s of its intent."""
    died = await run_once(world, Process.struck(at, index), REQUEST)
    began, sent = anyio.current_time(), []
    outcome = died or await world.run(provision(small_stack(3), "b"), seconds=120)
    sent += [call.at - began for call in world.plane.journal.calls if call.at > began]
    wrong = []
    if died is None and min(sent, default=0.0) > GOES_ON:
        wrong.append(f"nothing was asked for {min(sent):.0f} s")
    if died is None and anyio.current_time() - began > ENDS:
        wrong.append(f"it took {anyio.current_time() - began:.0f} s")
    wrong += world.plane.world.records.doubles
    tried("R1", "killed at a call, then the same command again: it goes on within 20 s", violations=wrong)
    assert wrong == []
    assert outcome.status is Status.READY


@pytest.mark.parametrize("at", [At.BEFORE_SENDING, At.NOT_REMEMBERED])
async def test_r1_what_was_interrupted_is_only_read_until_its_call_must_have_arrived(world, at):
    """The gateway's creation was on its way: nothing is sent for it until half a minute after its intent."""
    index = await _index_of("create_gateway")
    assert await run_once(world, Process.struck(at, index), REQUEST) is None
    began = anyio.current_time()
    world.sent()
    with anyio.move_on_after(25.0):
        await world.run(provision(small_stack(3), "b"), seconds=120)
    early = [one for one in world.sent() if one in ("CreateGateway", "UpdateGateway", "DeleteGateway")]
    tried("R1", "what a run that died was about to change is only read for half a minute", violations=early)
    assert early == []
    assert (await world.run(provision(small_stack(3), "b"), seconds=120)).status is Status.READY
    assert anyio.current_time() - began < ENDS + 15.0
    assert world.plane.world.records.doubles == []


async def _index_of(method: str) -> int:
    """Return which of a run's calls a method of the client is."""
    with SandboxWorld() as world:
        process = Process()
        await run_once(world, process, REQUEST)
        return process.history.calls.index(method)


async def test_r6_a_holder_that_cannot_renew_sends_nothing(world):
    """Its lease may be another run's by now: it ends, and whoever comes next goes on."""
    world.behaviour.durations.provider = 15.0
    write = world.ledger.write

    async def without_renewals(*changes: Change) -> None:
        if [change.key.sort for change in changes] == ["lease"] and anyio.current_time() < 60.0:
            raise OSError("no network")
        await write(*changes)

    world.ledger.write = without_renewals
    outcome = await world.run(REQUEST, seconds=50)
    late = [call.operation for call in world.plane.journal.calls if call.at > SILENT_SECONDS and call.mutating]
    tried("R6", "a holder that cannot renew its lease sends nothing", violations=late)
    assert late == []
    assert outcome.status is Status.IN_PROGRESS
    await anyio.sleep(60.0)
    assert (await world.run(REQUEST, seconds=120)).status is Status.READY
    assert world.plane.world.records.doubles == []


async def test_r6_the_stack_is_held_until_its_outcome_is_published(world):
    """So that no later run announces anything before it."""
    held: dict[str, str | None] = {}
    context = world.context()

    async def announce(detail_type: str, detail: Mapping[str, Any]) -> None:
        del detail
        (partition,) = await world.ledger.partitions()
        lease = await world.ledger.get(lease_key(partition))
        held[detail_type] = lease["holder"] if lease is not None else None

    outcome = await handle(replace(context, announce=announce), REQUEST, Deadline.within(600))
    unheld = [one for one, holder in held.items() if holder != outcome.run_id and "Accepted" not in one]
    tried("R6", "announcements of a run that holds its stack", len(held), unheld)
    assert held.keys() == {"Gateway Stack Accepted", "Gateway Stack Ready"}
    assert unheld == []
    (partition,) = await world.ledger.partitions()
    assert (await world.ledger.get(lease_key(partition)))["holder"] is None


@pytest.mark.parametrize("refused", [OutOfTime("PutEvents", retry_after=1.0), credentials()], ids=["late", "refused"])
async def test_r6_an_outcome_that_could_not_be_announced_is_announced_by_the_next_delivery(world, refused):
    """The platform is told of the error: the request is READY, and nothing else is said of it."""
    told: list[str] = []
    context = world.context()

    async def announce(detail_type: str, detail: Mapping[str, Any]) -> None:
        del detail
        if "Ready" in detail_type and refused not in seen:
            seen.append(refused)
            raise refused
        told.append(detail_type)

    seen: list[Exception] = []
    context = replace(context, announce=announce)
    with pytest.raises(type(refused)):
        await handle(context, REQUEST, Deadline.within(600))
    assert (await handle(context, REQUEST, Deadline.within(600))).shown()["status"] == Status.READY
    tried("R6", "outcomes that could not be announced", violations=int(told[-1] != "Gateway Stack Ready"))
    assert told == ["Gateway Stack Accepted", "Gateway Stack Ready"]
