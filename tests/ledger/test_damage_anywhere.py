"""One value of one ledger item is replaced, at every path: the read commands show the rest, without a defect."""

import copy
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from typing import Any

import pytest

from handlers import cli_show as show
from infra.documents import to_json
from infra.ledger.sqlite import SqliteLedger
from tests.documents import small_stack
from tests.goals import tried
from tests.slices import sliced
from tests.worlds import SandboxWorld
from workflows.ledger_check import faults_of
from workflows.operating import forget, history
from workflows.status import stacks

STACK = "payments.tools"
_GONE = object()
#: What stands in place of a value: JSON of each type, and the numbers that only Python's JSON has.
VALUES: list[Any] = [_GONE, None, 5, "x", [], {}, [None], [{}], True, float("inf"), float("nan"), 10**30, "\ud800"]

pytestmark = pytest.mark.sweep


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from paths(one, (*path, name))


def replaced(item: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(item)
    inner = made
    for name in path[:-1]:
        inner = inner[name]
    if value is _GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return made


def copied(rows: list[Any], key: tuple[str, str], text: str) -> SqliteLedger:
    """Return a ledger with these rows, in which the item of a key has another text."""
    ledger = SqliteLedger()
    ledger._db.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", rows)  # noqa: SLF001 - what no writer writes
    spoil = "UPDATE items SET item = ?, plain = NULL WHERE partition = ? AND sort = ?"
    ledger._db.execute(spoil, (text, *key))  # noqa: SLF001 - as above
    return ledger


async def test_no_value_of_any_item_takes_the_read_commands_down(world: SandboxWorld):
    """`ledger check` finds what `status` and `history` call damaged, and forget works but for a newer item."""
    await world.apply(small_stack(1))
    await world.synchronize(STACK)
    await world.apply({"stack": "other", "apiKeyCredentialProviders": {}})
    assert isinstance(world.ledger, SqliteLedger)
    rows = world.ledger._db.execute("SELECT partition, sort, item, plain FROM items").fetchall()  # noqa: SLF001
    cases = [
        ((partition, sort), json.dumps(replaced(json.loads(item), path, value)))
        for partition, sort, item, _ in rows
        if partition.endswith(STACK)
        for path in paths(json.loads(item))
        for value in VALUES
    ]
    chosen = sliced(cases, 12, "damage")
    for key, text in chosen:
        ledger = copied(rows, key, text)
        try:
            await _read(ledger, key, text)
            with suppress(OSError):
                await forget(ledger, STACK, world.context().now())
        finally:
            ledger.close()
    tried("R18", "items of a ledger with a value of another type, at every path", len(chosen))


async def _read(ledger: SqliteLedger, key: tuple[str, str], text: str) -> None:
    _, faults = await faults_of(ledger)
    shown, runs = await stacks(ledger), await history(ledger, STACK)
    damaged = [line for one in shown.values() for line in one["damaged"]]
    damaged += [run["damaged"] for found in runs.values() for run in found if "damaged" in run]
    assert not damaged or faults, (key, text)
    other = next(one for name, one in shown.items() if name.endswith("/other"))
    assert other["status"] == "READY"
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        to_json(shown)
        to_json(runs)
        show.stacks({name: one for name, one in shown.items() if name.endswith(STACK)})
        show.history(runs)
