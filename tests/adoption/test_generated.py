"""R3: whatever a control plane holds is imported as a document that validates, and for which the plan is empty."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from infra.deadline import Deadline
from infra.ledger.sqlite import SqliteLedger
from tests.crash.test_single_faults import quick
from tests.documents import SECRET
from tests.generated import Maker
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import SandboxWorld, virtually
from workflows.document.problems import Invalid
from workflows.importing import import_resource
from workflows.planner.outcome import Status
from workflows.planning import plan

pytestmark = pytest.mark.sweep

_DOCUMENTS, _PARTS = 300, 10
_FULL = (0.1, 0.25, 0.5)
SECTIONS = (
    "gateways", "agentRuntimes", "harnesses", "agentRegistries", "registries", "oauth2CredentialProviders",
    "apiKeyCredentialProviders",
)  # fmt: skip


def filled_in(value: Any) -> Any:
    """Return a document in which the places of secrets are filled in."""
    if isinstance(value, dict):
        return {name: filled_in(item) for name, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    return SECRET if isinstance(value, str) and "FILL-IN" in value else value


async def held(seed: int) -> SandboxWorld:
    """Return a world with resources that nobody's ledger knows and that have no owner."""
    world = quick()
    outcome = await world.apply(Maker(seed, _FULL[seed % len(_FULL)]).document("theirs"))
    assert outcome.status is Status.READY, outcome.failures
    for record in world.live.values():
        record.tags.pop("gatewright:stack", None)
    assert isinstance(world.ledger, SqliteLedger)
    world.ledger.close()
    world.ledger = SqliteLedger()
    return world


async def wrong_with(seed: int) -> list[str]:
    world = await held(seed)
    with world:
        document = Maker(seed, _FULL[seed % len(_FULL)]).document("theirs")
        found = []
        for section in SECTIONS:
            for name in document.get(section, {}):
                found += [f"{seed} {section}.{name}: {one}" for one in await taken_over(world, section, name)]
        return found


async def taken_over(world: SandboxWorld, section: str, name: str) -> list[str]:
    try:
        taken = await import_resource(world.context(), section, name, f"{section}-{name}", Deadline())
    except Invalid as invalid:
        # A provider belongs to the stack of the gateway that was imported with it.
        owned = {problem.rule for problem in invalid.problems} == {"owned"} and "Providers" in section
        return [] if owned else [problem.message for problem in invalid.problems]
    planned = await plan(world.context(), filled_in(taken.document), Deadline(), frozenset())
    calls = [call for one in planned.resources for call in one.calls if call != "TagResource"]
    changes = [str(change) for one in planned.resources for change in one.changes if change.path != "tags"]
    return [*calls, *changes]


def all_of(seeds: Iterable[int]) -> list[str]:
    return [one for seed in seeds for one in virtually(partial(wrong_with, seed))]


@pytest.mark.parametrize("part", range(_PARTS))
def test_r3_what_is_imported_is_planned_empty(part):
    seeds = sliced(range(part, _DOCUMENTS, _PARTS), 4, part)
    wrong = all_of(seeds)
    tried("R3", "generated control planes, imported", len(seeds), wrong)
    assert wrong == []
