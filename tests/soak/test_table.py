"""The ledger's table on the wire: what its faults do, and that a write counts once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

import anyio
import pytest

from infra.ledger import ConditionFailed, Key, Put
from infra.ledger.dynamodb import DynamoLedger
from infra.sandbox.behaviour import Behaviour
from tests.crash.harness import Crash
from tests.soak.faults import ON_TABLE, Fault
from tests.soak.nemesis import Chance, Sudden, Victim, bare, of_ledger
from tests.soak.test_proxy import Struck
from tests.soak.ways import Ways

A = Key("p", "a")


def _ways(*, table: bool = True) -> Ways:
    """Return the ways of the first seed whose ledger is a table, or is none."""
    for seed in range(100):
        made = Ways(seed, Behaviour(), Counter())
        if (made.table is not None) == table:
            made.weather.rate = 0.0
            return made
        made.close()
    raise AssertionError("no such seed")


@pytest.fixture
def ways() -> Iterator[Ways]:
    made = _ways()
    yield made
    made.close()


def _ledger(ways: Ways, *faults: Fault) -> Any:
    """Return the ledger of a process whose requests meet faults."""
    (fault,) = faults or (Fault.SLOW,)
    ways.weather = Struck(fault, len(faults))
    return ways.context(Victim(Chance())).ledger


async def test_without_a_fault_what_is_written_is_read(ways):
    await ways.open()
    ledger = _ledger(ways)
    await ledger.write(Put(A, {"version": 1}, when={"version": None}))
    with pytest.raises(ConditionFailed):
        await ledger.write(Put(A, {"version": 2}, when={"version": None}))
    assert (await ledger.get(A), await ledger.partitions()) == ({"version": 1}, ["p"])
    assert "version" in await ways.held()


@pytest.mark.parametrize("fault", ON_TABLE)
async def test_one_fault_of_the_table_is_ridden_out_and_a_write_counts_once(ways, fault):
    """A write that was done and not answered is repeated under its token: its own condition does not refuse it."""
    await ways.open()
    with suppress(OSError):
        await _ledger(ways, fault).write(Put(A, {"version": 1}, when={"version": None}))
    assert ways.weather.times == 0
    if fault is not Fault.LATE:
        assert await _ledger(ways).get(A) == {"version": 1}
    await anyio.sleep(61.0)
    assert await _ledger(ways).get(A) == {"version": 1}


async def test_lives_have_either_ledger_and_either_way():
    met = set()
    for seed in range(40):
        made = Ways(seed, Behaviour(), Counter())
        met.add(str(made))
        assert isinstance(made.world.ledger, DynamoLedger) == (made.table is not None)
        made.close()
    assert len(met) == 4


async def test_a_process_that_is_killed_suddenly_does_nothing_more():
    """Neither what it was waiting for, nor what it would do in the end: a shielded write raises."""
    done: list[str] = []
    met: Counter[str] = Counter()
    process = Victim(Chance())

    async def job() -> str:
        try:
            await anyio.sleep(100.0)
            done.append("went on")
        finally:
            with anyio.CancelScope(shield=True):
                await process.write(_never)
        return "made"

    async def _never() -> None:
        done.append("wrote")

    killed = 0
    for seed in range(40):
        process.dead = False
        done.clear()
        found = None
        with suppress(Crash):
            found = await Sudden(Random(seed), met).outlives(process, job)
        killed += process.dead
        assert (found, done) == ((None, []) if process.dead else ("made", ["went on", "wrote"]))
    assert killed == sum(met.values()) > 0


def test_what_is_of_the_ledger_and_what_is_bare():
    assert of_ledger(OSError("the ledger cannot be used: x"))
    assert not of_ledger(TimeoutError("the ledger"))
    assert not of_ledger(ConnectionResetError(104, "reset"))
    with pytest.raises(KeyError) as caught:
        _ = dict[str, int]()["gatewayId"]
    assert bare(caught.value).startswith("KeyError: 'gatewayId' at test_table.py:")
