"""A plan says what an apply then does: action by action, and how often each changing operation is called."""

from collections import Counter

import pytest

from infra.deadline import Deadline
from tests.everything.states import addresses
from tests.generated import Maker
from tests.slices import sliced
from tests.worlds import SandboxWorld, virtually
from workflows.planner.outcome import Outcome, ResourceStatus
from workflows.planning import Plan, plan

pytestmark = pytest.mark.sweep

PAIRS = range(200)
_STATUS_OF = {"FAIL": ResourceStatus.FAILED, "BLOCKED": ResourceStatus.BLOCKED, "KEEP": ResourceStatus.RETAINED}


def planned_actions(planned: Plan) -> dict[str, str]:
    return {one.address: str(_STATUS_OF.get(one.action, one.action)) for one in planned.resources}


def done_actions(outcome: Outcome) -> dict[str, str]:
    told = _STATUS_OF.values()
    return {r.address: str(r.status if r.status in told else r.action) for r in outcome.results}


async def compare(world: SandboxWorld, document: dict, allow: frozenset[str]) -> None:
    planned = await plan(world.context(), document, Deadline(), allow)
    world.sent()
    outcome = await world.apply(document, allow=allow)
    assert planned_actions(planned) == done_actions(outcome)
    assert planned.estimate == Counter(world.sent())


@pytest.mark.parametrize("seed", sliced(PAIRS, 14))
def test_a_plan_is_what_happens(seed):
    """From nothing to one document, and from there to another, with leave for half of what needs it."""

    async def job() -> None:
        maker = Maker(seed, 0.3)
        one, other = maker.document(), maker.document()
        allowed = sorted(addresses(one, other))
        with SandboxWorld() as world:
            await compare(world, one, frozenset())
            await compare(world, other, frozenset(allowed[:: 1 + seed % 2]))

    virtually(job)
