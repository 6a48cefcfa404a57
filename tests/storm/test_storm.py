"""R11: throttling is ridden out, by one retry layer, within its budget."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any, Self

import anyio
import pytest

from infra.clients import open_clients
from infra.deadline import Deadline
from infra.errors import CallFailed, ErrorClass, OutOfTime
from infra.pace import Pace
from infra.redaction import Redaction
from infra.retry import BUDGETS, attempts
from tests.crash.harness import unknown_to_ledger
from tests.crash.test_single_faults import quick
from tests.documents import ROLE
from tests.goals import tried
from tests.slices import sliced
from tests.storm.stacks import CALM, STORM, weather
from tests.worlds import virtually
from workflows.planner.outcome import Status

pytestmark = pytest.mark.sweep

STACKS = 50
#: Seconds after the storm within which everything is done.
AFTERWARDS = 120.0


async def stormy(rate: float) -> list[str]:
    """Work on fifty stacks through a storm; return what is wrong with that."""
    with quick() as world:
        lives = await weather(world, STACKS, rate)
        wrong = [f"{name}: {life.status}" for name, life in lives.items() if life.status is not Status.READY]
        wrong += [f"{name}: {life.turns} turns" for name, life in lives.items() if life.turns > life.most_turns]
        wrong += [
            f"{name}: {life.storm.sent} calls" for name, life in lives.items() if life.storm.sent > life.most_calls
        ]
        wrong += [f"{name}: at {life.at:.0f} s" for name, life in lives.items() if life.at > STORM + AFTERWARDS]
        wrong += world.plane.world.records.doubles + await unknown_to_ledger(world)
        targets = len(list(world.plane.world.records.live("target")))
        wrong += [f"{targets} targets"] if targets != STACKS else []
        world.sent()
        again = await weather(world, STACKS, 0.0)
        wrong += [f"{name}: then {life.turns} turns" for name, life in again.items() if life.turns > CALM]
        return wrong + world.sent()


@pytest.mark.parametrize("percent", sliced([10, 30, 50, 70, 90], 3))
def test_r11_fifty_stacks_ride_out_a_storm(percent):
    """All converge, none with more calls or turns than the budget allows, and nothing is doubled."""
    wrong = virtually(partial(stormy, percent / 100))
    tried("R11", "stacks through ten minutes of throttling, of a tenth to nine tenths of all calls", STACKS, wrong)
    assert wrong == []


class Refusing:
    """A server that answers every request with one status, or hangs up; it counts the requests."""

    def __init__(self, status: int) -> None:
        self._status = status
        self.requests = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = "http://127.0.0.1:{1}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.partition(b":")[2]))
        self.requests += 1
        if self._status:
            writer.write(f"HTTP/1.1 {self._status} No\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}".encode())
            await writer.drain()
        writer.close()


GATEWAY = {"gatewayIdentifier": "nothing-0123456789"}
PARAMS: dict[str, dict[str, Any]] = {
    "ListGateways": {},
    "CreateGateway": {"name": "x", "roleArn": ROLE, "authorizerType": "AWS_IAM"},
    "UpdateGateway": {**GATEWAY, "name": "x", "roleArn": ROLE, "authorizerType": "AWS_IAM"},
    "DeleteGateway": GATEWAY,
    "SynchronizeGatewayTargets": {**GATEWAY, "targetIdList": ["TARGET0123"]},
}
#: By HTTP status (0: no answer), what it means.
STATUSES = {429: ErrorClass.THROTTLED, **dict.fromkeys((500, 503, 0), ErrorClass.UNKNOWN_OUTCOME)}
#: What is not sent again without an answer.
ONCE = ("Update", "Delete", "Synchronize")


async def requests_of(operation: str, status: int, wait: float, monkeypatch) -> int:
    """Return how many HTTP requests one call makes that always waits so many seconds before it tries again."""
    async with Refusing(status) as server, AsyncExitStack() as stack:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        aws = await open_clients(stack, Redaction())
        aws = replace(aws, jitter=lambda low, high: wait, pace=Pace(1_000_000.0))
        with pytest.raises((CallFailed, OutOfTime)):
            await aws.within(Deadline.within(600))(operation, PARAMS[operation])
        return server.requests


@pytest.mark.real_time
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("operation", PARAMS)
async def test_r11_there_is_one_retry_layer(operation, status, monkeypatch):
    """Where ours stops at its first try, one HTTP request went out; where it does not wait, as many as its budget."""
    one = await requests_of(operation, status, 1000.0, monkeypatch)
    blind = operation.startswith(ONCE) and STATUSES[status] is ErrorClass.UNKNOWN_OUTCOME
    most = 1 if blind else BUDGETS[STATUSES[status]].tries
    budget = await requests_of(operation, status, 0.0, monkeypatch)
    wrong = [] if (one, budget) == (1, most) else [f"{one} and {budget} requests"]
    tried("R11", "HTTP requests of one call that is always refused", 2, wrong)
    assert wrong == []


async def waits(calls: int, tries: int) -> list[list[float]]:
    """Return when calls that are throttled together are tried: for each try, the seconds since the one before."""
    jitter, times = Random(11).uniform, []

    async def call() -> None:
        mine: list[float] = []
        async for attempt in attempts("ListGateways", Deadline(), jitter):
            with attempt:
                mine.append(anyio.current_time())
                if len(mine) <= tries:
                    raise CallFailed("ListGateways", ErrorClass.THROTTLED, "ThrottlingException", "Rate exceeded")
        times.append([after - before for before, after in pairwise(mine)])

    async with anyio.create_task_group() as group:
        for _ in range(calls):
            group.start_soon(call)
    return [list(column) for column in zip(*times, strict=True)]


def test_r11_what_was_throttled_together_comes_back_spread():
    """Of a thousand calls no more come in one millisecond than chance would have."""
    calls, tries, wrong = 1_000, 6, []
    for number, seconds in enumerate(virtually(partial(waits, calls, tries))):
        longest = BUDGETS[ErrorClass.THROTTLED].first * 2.0**number
        least, buckets = 0.2 * longest, round(800 * longest)
        wrong += [f"try {number}: {one:.3f} s" for one in seconds if not least <= one <= longest]
        found = Counter(min(buckets - 1, int(1000 * (one - least))) for one in seconds)
        expected = calls / buckets
        chi = sum((found[bucket] - expected) ** 2 / expected for bucket in range(buckets))
        # Five standard deviations above its mean: chance does that once in some hundred thousand seeds.
        wrong += (
            [f"try {number}: chi-square {chi:.0f} of {buckets}"] if chi > buckets + 5 * (2 * buckets) ** 0.5 else []
        )
    tried("R11", "waits of calls that were throttled together", calls * tries, wrong)
    assert wrong == []
