"""R23: the same question has the same plan, whatever the order of keys and the seed of hashes."""

import json
import os
import random
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.deadline import Deadline
from tests.generated import Maker
from tests.goals import tried
from tests.slices import several, sliced
from tests.worlds import SandboxWorld, virtually
from workflows.document.reading import read_stack
from workflows.planner.decide import decide
from workflows.planner.decision import DesiredState
from workflows.planning import plan
from workflows.records.request_state import Mode
from workflows.records.resource import ResourceRecord

pytestmark = pytest.mark.sweep

EVENTS = Path(__file__).parents[2] / "events"
NAMES = ("every-kind.yaml", "every-kind-changed.yaml", "provision-payments-stack.json", "sixteen-mistakes.yaml")
SEEDS = 12


@pytest.mark.real_time
def test_r23_any_seed_of_hashes():
    """Processes whose sets are in different orders print the same plans, byte for byte."""
    command = [sys.executable, "-m", "tests.concurrency.plans", *(str(EVENTS / name) for name in NAMES)]
    printed, seeds = [], sliced(range(SEEDS), 4)
    for seed in seeds:
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        done = subprocess.run(command, env=environment, cwd=EVENTS.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert len(printed[0].splitlines()) == 2 * len(NAMES)
    wrong = [seed for seed, one in zip(seeds, printed, strict=True) if one != printed[0]]
    tried("R23", "plans of the samples under other seeds of hashes", len(seeds) * 2 * len(NAMES), wrong)
    assert wrong == []


def permuted(value: Any, chance: random.Random) -> Any:
    """Return the same value with the keys of its objects in another order."""
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        return {name: permuted(value[name], chance) for name in names}
    return [permuted(one, chance) for one in value] if isinstance(value, list) else value


def decisions(document: dict[str, Any]) -> dict[str, str]:
    """Return what is decided about each resource of a document where nothing is known yet, and its declaration."""
    made = {}
    for address, one in read_stack(document).resources.items():
        wish = DesiredState(
            address, one.kind, one.name, one.declared, one.options, Mode.PROVISION, "1", document["stack"]
        )
        decision = decide(wish, None, ResourceRecord(address, one.kind.section, one.name, one.parent))
        made[address] = json.dumps([decision.action, decision.reason, sorted(one.waits_on)])
    return made


async def _plan(document: dict[str, Any]) -> str:
    with SandboxWorld() as world:
        shown = (await plan(world.context(), document, Deadline.within(600), frozenset())).shown()
    # Warnings stand in the order of the document that they are about.
    shown["warnings"] = sorted(shown["warnings"], key=json.dumps)
    return json.dumps(shown, sort_keys=True)


def test_r23_any_order_of_keys():
    """Documents with their keys in any order have one digest, one plan and one decision for each resource."""
    wrong, cases, seed = [], 0, 0
    chance = random.Random(23)
    while cases < several(10_000, 10):
        document = Maker(seed).document()
        once, digest = decisions(document), read_stack(document).digest
        whole = virtually(partial(_plan, document)) if seed % 8 == 0 else ""
        for _ in range(10):
            other = permuted(document, chance)
            found = decisions(other)
            cases += len(found) or 1
            if found != once or read_stack(other).digest != digest:
                wrong.append(f"document {seed}: another decision or digest")
        if whole:
            cases += 1
            if virtually(partial(_plan, permuted(document, chance))) != whole:
                wrong.append(f"document {seed}: another plan")
        seed += 1
    tried("R23", "decisions and plans of generated documents with their keys in any order", cases, wrong)
    assert wrong == []
