"""R28: some simulated lives in every run of the suite; `make soak` lives more of them."""

from typing import Any

import pytest

from tests.goals import tried
from tests.slices import sliced
from tests.soak.nemesis import FAULTS
from tests.soak.rows import rows
from tests.soak.simulation import Simulation
from tests.soak.soak import Sum, lived, share
from tests.worlds import virtually

pytestmark = pytest.mark.sweep

_PARTS, _LIVES = 10, 12
#: A seed of each way to live.
_EACH_WAY = {
    "in process, ledger in SQLite": 8,
    "in process, ledger in DynamoDB": 21,
    "on the wire, ledger in SQLite": 4,
    "on the wire, ledger in DynamoDB": 38,
}


@pytest.mark.parametrize("part", range(_PARTS))
def test_r28_simulated_lives_end_as_declared(part):
    """Whatever happens meanwhile, once it ends the last document stands, alone, known, and left alone."""
    made = share(sliced(range(part * _LIVES, (part + 1) * _LIVES), 8, part))
    tried("R28", "lives of a stack with every fault and other people, by chance", made.lives, made.wrong)
    assert made.wrong == []


@pytest.mark.parametrize("seed", _EACH_WAY.values(), ids=_EACH_WAY)
def test_r28_a_life_repeats_to_the_letter(seed):
    """A seed that fails can be looked at again, whichever way its processes reach AWS and the ledger."""
    first, second = (lived(seed)[0] for _ in range(2))
    assert _EACH_WAY[first.story[0]] == seed
    tried("R28", "lives that are lived twice")
    assert (first.met, first.statuses, first.story) == (second.met, second.statuses, second.story)
    assert first.wrong == second.wrong


def test_r28_violations_are_seen():
    """A life in which something is left over that nobody knows is one with violations."""

    class Spoilt(Simulation):
        async def _rest(self) -> dict[str, Any]:
            document = await super()._rest()
            body = {"name": "stray", "roleArn": "arn:aws:iam::123456789012:role/x", "authorizerType": "AWS_IAM"}
            self._world.plane.answer("CreateGateway", body)
            return document

    async def spoilt():
        simulation = Spoilt(4)
        simulation._spare = False  # noqa: SLF001 - the simulator's own parts
        return await simulation.live()

    life = virtually(spoilt)
    tried("R28", "a life with something left over is found")
    assert any("stray is unknown to the ledger" in one for one in life.wrong)


def test_r28_the_table_has_rows_and_they_are_met():
    """What the report counts is what the planner decides by."""
    assert len(rows()) > 40
    assert 10 < len(share(range(3)).rows) <= len(rows())
    assert len(FAULTS) == len(set(FAULTS))
    assert Sum().lives == 0
