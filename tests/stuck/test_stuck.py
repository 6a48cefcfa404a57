"""R14: nothing waits for ever. What does not move ends in a named state, with its cause and its metric."""

import json
from functools import partial
from itertools import product

import pytest

from infra.metrics import RunMetrics
from infra.sandbox.behaviour import Behaviour
from infra.sandbox.faults import Effect, Fault
from infra.settings import Settings
from tests.crash.test_single_faults import quick, remove, sample
from tests.documents import small_stack
from tests.everything.states import recorded_as
from tests.goals import tried
from tests.machine import run_through
from tests.slices import sliced
from tests.worlds import SandboxWorld, provision, virtually
from workflows.kinds import KINDS
from workflows.kinds.status import SETTLED
from workflows.planner.outcome import Status
from workflows.records.request_state import Mode
from workflows.requests.request import Request

pytestmark = pytest.mark.sweep

LIMIT = 600.0
STATUSES = [(kind, status) for kind in KINDS for status in kind.statuses if kind.meaning(status) is not SETTLED]


def impatient(world: SandboxWorld) -> SandboxWorld:
    """Return a world whose workers wait ten minutes for what does not move, so that tests do not take long."""
    world.settings = Settings(GATEWRIGHT_STUCK_SECONDS=LIMIT)
    return world


async def frozen(kind, status) -> list[str]:
    """Freeze a resource of a kind in a status for ever; return what is wrong with how that ends."""
    document = {**sample("every-kind.yaml"), "consentTimeoutSeconds": int(LIMIT)}
    with impatient(quick()) as world:
        assert (await world.apply(document)).status is Status.READY
        record = next(r for r in world.live.values() if r.kind == recorded_as(kind))
        record.go(status, now=world.plane.world.now)
        world.plane.world.stuck.add(record.name)
        turns = await run_through(world, provision(document, "one"))
        wrong = [] if turns.last.status is Status.FAILED else [f"it ended {turns.last.status}"]
        wrong += [] if any(failure.advice and failure.message for failure in turns.last.failures) else ["no cause"]
        wrong += [] if turns.passed < 8 * LIMIT else [f"it took {turns.passed:.0f} s"]
        world.plane.world.stuck.clear()
        record.go("READY", now=world.plane.world.now)
        again = await run_through(world, provision(document, "two"))
        return [*wrong, *([] if again.last.status is Status.READY else [f"a new request ended {again.last.status}"])]


@pytest.mark.parametrize(("kind", "status"), sliced(STATUSES, 6), ids=lambda one: getattr(one, "noun", one))
def test_r14_a_status_that_never_changes_ends_in_a_named_state(kind, status):
    """Whatever a resource is frozen in, its request ends FAILED with a cause; once it moves, a new one is READY."""
    wrong = virtually(partial(frozen, kind, status))
    tried("R14", "every status of every kind, frozen for ever", violations=wrong)
    assert wrong == []


def request_of(mode: Mode) -> Request:
    document = small_stack(2)
    match mode:
        case Mode.PROVISION:
            document["gateways"]["payments"]["targets"]["target-0"]["description"] = "changed"
            return provision(document, "one")
        case Mode.REMOVE:
            return remove(document)
        case _:
            return Request(mode=mode, request_id="one", stack=document["stack"])


OPERATIONS = ("*", "List*", "Get[!C]*", "Describe*", "Update*", "Delete*", "Synchronize*")
EFFECTS = (Effect.THROTTLE, Effect.ERROR, Effect.LOST)


@pytest.mark.parametrize(("mode", "operation", "effect"), sliced(product(Mode, OPERATIONS, EFFECTS), 6), ids=str)
async def test_r14_calls_that_are_refused_for_ever_end_in_a_named_state(mode, operation, effect):
    """A service that never answers, or always throttles, ends the request with a cause, and no sooner than it must."""
    with impatient(SandboxWorld()) as world:
        await world.apply(small_stack(2))
        if operation != "*":
            world.plane.faults.add(Fault(operation, effect, times=-1))
        else:
            world.plane.faults.all += [Fault(f"{verb}*", effect, times=-1) for verb in ("Get[GO]*", "List*", "Update*")]
        turns = await run_through(world, request_of(mode))
        met = turns.last.status not in (Status.READY, Status.DELETED)
        causes = [failure.message for failure in turns.last.failures if failure.advice]
        wrong = [] if causes or not met else [f"{turns.last.status} without a cause"]
        tried("R14", "operations that are throttled, fail or are lost for ever", violations=wrong)
        assert wrong == []


async def test_r14_a_function_s_request_that_only_hangs_ends(world):
    """Reads that never come back within a run are no movement either."""
    impatient(world)
    await world.apply(small_stack(1))
    world.hanging.add("GetGateway")
    turns = await run_through(world, provision(small_stack(1), "one"))
    tried("R14", "reads that hang for ever")
    assert turns.last.status is Status.FAILED
    assert {failure.code for failure in turns.last.failures} == {"Stuck"}


async def test_r14_what_moves_is_waited_for():
    """Four steps that each take nearly as long as the limit are no standing still."""
    behaviour = Behaviour()
    with impatient(SandboxWorld(behaviour)) as world:
        slow = behaviour.durations
        slow.provider = slow.gateway = slow.target = 0.9 * LIMIT
        turns = await run_through(world, provision(small_stack(1), "one"))
        tried("R14", "slow steps, each within the limit", cases=2)
        assert turns.last.status is Status.READY
        assert turns.passed > 1.5 * LIMIT


async def test_r14_a_rollback_has_its_own_time():
    """What stood still goes back where that is declared; the way back ends too, and says what it could not undo."""
    document = {**small_stack(1), "onFailure": "ROLLBACK"}
    with impatient(SandboxWorld()) as world:
        world.plane.world.stuck.add("target-0")
        turns = await run_through(world, provision(document, "one"))
        tried("R14", "a rollback of what stands still")
        assert turns.last.status is Status.FAILED
        assert {failure["code"] for failure in turns.last.shown()["failures"]} == {"Stuck"}
        assert 2 * LIMIT < turns.passed < 3 * LIMIT


def test_r14_there_is_a_metric_of_what_stands_still(capfd):
    """The alarm's metric counts what was given up."""
    failure = {"actor": "AWS", "code": "Stuck"}
    outcome = {"status": "FAILED", "calls": {}, "stack": "a", "requestId": "b", "generation": 1, "runId": "c"}
    RunMetrics().emit({**outcome, "failures": [failure, failure]}, 1.0)
    blobs = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    tried("R14", "the metric")
    assert [blob["Stuck"] for blob in blobs if "Stuck" in blob] == [[2.0]]
