"""R7: one stack that is stuck, poisoned or throttled delays none of a hundred others, and fails none."""

import random
from datetime import datetime
from functools import partial
from typing import Any

import anyio
import pytest

from infra.sandbox.behaviour import Behaviour
from infra.sandbox.faults import Effect, Fault
from infra.sandbox.world import Failure
from infra.watch import CEILING
from tests.concurrency.deliveries import Queue, message, one_gateway, requested
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import EPOCH, SandboxWorld, virtually

pytestmark = pytest.mark.sweep

STACKS = 100
SICK = "m50"


def _stuck(world: SandboxWorld) -> None:
    world.plane.world.stuck.add("team-50")


def _failing(world: SandboxWorld) -> None:
    world.plane.world.failing["team-50"] = Failure(-1, "The role cannot be assumed")


def _throttled(world: SandboxWorld) -> None:
    for n in range(4):
        world.plane.faults.add(Fault("CreateGateway", Effect.THROTTLE, 1, skip=50 + n))


def _well(world: SandboxWorld) -> None:
    del world


#: What is wrong with one of the hundred: how its world is, and its body where that is another.
SICKNESSES: dict[str, tuple[Any, Any]] = {
    "stuck": (_stuck, None),
    "failing": (_failing, None),
    "throttled": (_throttled, None),
    "poison": (_well, "{"),
    "raises": (_well, requested("r", {"stack": "team-50", "gateways": {"x": 1}})),
    "unknown": (_well, {"detailType": "Gateway Stack Dance"}),
}


async def _run(size: int, sicken: Any, body: Any) -> dict[str, float]:
    """Deliver a hundred stacks in batches; return when each was READY."""
    with SandboxWorld(Behaviour(limit_rates=False)) as world:
        sicken(world)
        queue, ready = Queue(world, most=3), {}
        records = [message(f"m{n}", requested(f"r{n}", one_gateway(f"team-{n}"))) for n in range(STACKS)]
        if body is not None:
            records[50] = message(SICK, body)
        async with anyio.create_task_group() as group:
            for start in range(0, STACKS, size):
                group.start_soon(queue.deliver, records[start : start + size])
        for kind, detail in world.announced:
            if kind == "Gateway Stack Ready":
                ready[detail["stack"]] = (datetime.fromisoformat(detail["finishedAt"]) - EPOCH).total_seconds()
        assert queue.given_up <= {SICK}
        return ready


@pytest.mark.parametrize("size", [10, 1], ids=["batches of ten", "one a piece"])
def test_r7_one_sick_stack_of_a_hundred(size):
    """The others are READY as soon as without it, but for one poll: the longest that a watch waits between two looks.

    Stacks share nothing but the account's rates; what a refused call or a changed order costs is a later look.
    """
    random.seed(1)
    well = virtually(partial(_run, size, _well, None))
    assert len(well) == STACKS
    wrong, cases = [], 0
    for name, (sicken, body) in sliced(SICKNESSES.items(), 6, size):
        random.seed(1)
        found = virtually(partial(_run, size, sicken, body))
        for stack in sorted(set(well) - {"team-50"}):
            cases += 1
            late = found.get(stack, float("inf")) - well[stack]
            if late > CEILING:
                wrong.append(f"{name}: {stack} is {late:.0f} s late")
    tried("R7", "100 stacks, one of them stuck, failing, throttled, poisoned or unknown", cases, wrong)
    assert wrong == []
