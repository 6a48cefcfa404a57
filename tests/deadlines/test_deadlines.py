"""R9: no change is begun that the function's time may not see ended, and ended at any moment nothing is lost."""

from functools import partial

import anyio
import pytest

from infra.sandbox.behaviour import Behaviour, Durations
from infra.sandbox.world import Failure
from tests.crash.harness import History, Scenario, Trace, learn, run_until_settled, wrong_in_the_end
from tests.crash.test_single_faults import nothing, remove, synchronize, tiny, tiny_applied, tiny_changed
from tests.deadlines.functions import LEAST, Function
from tests.documents import mcp_target, small_stack
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import SandboxWorld, provision, virtually
from workflows.planner.outcome import Status
from workflows.records.items import stack_key

pytestmark = pytest.mark.sweep

#: Seconds of a function's time that are tried: every half second where runs are cut short, and some beyond.
TIMES = [step / 2 for step in (*range(1, 90), *range(90, 181, 5))]
#: At how many moments of a run it is killed.
KILLS = 30
#: Seconds that a change takes to be answered: just within what is left for it.
SLOW = 19.0


def lingering() -> SandboxWorld:
    """A world of few looks whose calls take time, so that a function's time ends everywhere."""
    durations = Durations(provider=0.5, gateway=1.0, target=1.0, synchronize=1.0, delete=0.5)
    return SandboxWorld(Behaviour(durations=durations), round_trip=0.3)


async def fails(world: SandboxWorld) -> None:
    await tiny_applied(world)
    world.plane.world.failing["bad"] = Failure(-1, "The endpoint cannot be reached")


def rolling() -> dict:
    document = {**tiny_changed(), "onFailure": "ROLLBACK"}
    document["gateways"]["payments"]["targets"]["bad"] = mcp_target()
    return document


PATHS = [
    Scenario("provision", nothing, tiny(), lingering),
    Scenario("update", tiny_applied, provision(tiny_changed(), "update"), lingering),
    Scenario("removal", tiny_applied, remove(small_stack(1)), lingering),
    Scenario("rollback", fails, provision(rolling(), "roll"), lingering, tiny("again")),
    Scenario("synchronization", tiny_applied, synchronize(), lingering, tiny("again")),
]
each_path = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)


async def ended(path: Scenario, trace: Trace, seconds: float, *, slow: float, told: float | None = None) -> list[str]:
    """Deliver a request to a function whose time ends, then to one with time; return what is wrong."""
    with path.world() as world:
        await path.prepare(world)
        world.sent()
        function = Function(world, seconds, slow, told)
        outcome = await function.run(path.request)
        wrong = _wrong_of(function) if told is None else []
        if told is None and outcome is None:
            wrong.append("it did not end by itself")
        if outcome is not None:
            wrong += await _left_open(world)
        outcome = await run_until_settled(world, History(), path.request)
        wrong += await wrong_in_the_end(world, path, trace, outcome)
        return [f"{path.name}, {seconds} s: {one}" for one in wrong]


def _wrong_of(function: Function) -> list[str]:
    late = [f"a change was begun {left:.2f} s before the end" for left in function.left if left < LEAST - 0.001]
    return late + (["a change was cut off"] if function.cut_off else [])


async def _left_open(world: SandboxWorld) -> list[str]:
    """Whoever comes next need not wait for a run that has ended."""
    items = [await world.ledger.get(stack_key(partition)) for partition in await world.ledger.partitions()]
    return ["its lease was left"] if any((item or {}).get("leaseId") for item in items) else []


@each_path
@pytest.mark.parametrize("half", [0, 1], ids=["whole seconds", "half seconds"])
def test_r9_no_change_is_begun_without_the_time_for_it(path, half):
    """Whatever time a function has: what it begins it sees ended, it ends by itself, and the next goes on.

    Every other second the changes are answered at once, and else just before their time-out.
    """
    trace, times = virtually(partial(learn, path)), sliced(TIMES[half::2], 10, path.name, half)
    tries = [partial(ended, path, trace, seconds, slow=(i % 2) * SLOW) for i, seconds in enumerate(times)]
    wrong = [one for job in tries for one in virtually(job)]
    tried("R9", "functions of any time from 0 to 90 s", len(times), wrong)
    assert wrong == []


@each_path
def test_r9_killed_at_any_moment_nothing_is_lost(path):
    """Killed without notice, in the middle of calls and waits: the next delivery ends as declared."""
    trace, whole = virtually(partial(learn, path)), virtually(partial(length, path))
    moments = [whole * step / KILLS for step in sliced(range(KILLS), 10, path.name)]
    tries = [partial(ended, path, trace, moment, slow=0.4, told=900.0) for moment in moments]
    wrong = [one for job in tries for one in virtually(job)]
    tried("R9", "functions killed without notice, at moments all over their run", len(moments), wrong)
    assert wrong == []


async def length(path: Scenario) -> float:
    """Return the seconds that a function with time enough takes."""
    with path.world() as world:
        await path.prepare(world)
        began = anyio.current_time()
        assert await Function(world, 900.0, slow=0.4).run(path.request) is not None
        return anyio.current_time() - began


async def short_turns(path: Scenario, trace: Trace, seconds: float) -> list[str]:
    """Deliver a request to functions of little time, as often as it takes."""
    with path.world() as world:
        await path.prepare(world)
        world.sent()
        wrong: list[str] = []
        for _ in range(60):
            function = Function(world, seconds)
            outcome = await function.run(path.request)
            wrong += _wrong_of(function)
            if outcome is not None and outcome.status is not Status.IN_PROGRESS:
                break
        else:
            wrong.append("it never ended")
            return [f"{path.name}, {seconds} s: {one}" for one in wrong]
        return [*wrong, *await wrong_in_the_end(world, path, trace, outcome)]


@each_path
@pytest.mark.parametrize("seconds", [26, 30, 40, 60])
def test_r9_little_time_at_a_time_is_enough(path, seconds):
    """Functions with hardly more time than a call may take bring a request to its end."""
    trace = virtually(partial(learn, path))
    wrong = virtually(partial(short_turns, path, trace, seconds))
    tried("R9", "requests by functions of little time alone", violations=wrong)
    assert wrong == []
