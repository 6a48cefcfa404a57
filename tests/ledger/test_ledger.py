"""The contract of every ledger: whole items, all-or-nothing writes, conditions that decide."""

import asyncio
import random
import sqlite3
import string
import threading
from contextlib import closing
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.ledger import Check, ConditionFailed, Delete, Key, Put
from infra.ledger.sqlite import SqliteLedger
from infra.tasks import gather_all
from tests.tables import table
from workflows.records.items import SCHEMA
from workflows.records.resource import ResourceRecord
from workflows.records.resource_items import item_of, read_record

pytestmark = pytest.mark.real_time
A, B = Key("p", "a"), Key("p", "b")


@pytest.fixture(params=["sqlite", "dynamodb"])
async def ledger(request, tmp_path, moto):
    if request.param == "sqlite":
        made = SqliteLedger(tmp_path / "folder" / "ledger.sqlite")
        yield made
        made.close()
        return
    async with table(moto) as deployed:
        yield deployed


async def test_items_come_back_as_they_were_put(ledger):
    item = {"text": "ü😀", "number": 1.5, "nested": {"list": [1, None, True]}}
    await ledger.write(Put(A, item))
    assert await ledger.get(A) == item
    assert await ledger.get(B) is None


async def test_a_condition_that_fails_changes_nothing(ledger):
    await ledger.write(Put(A, {"version": 1}))
    with pytest.raises(ConditionFailed) as caught:
        await ledger.write(Put(B, {"new": True}), Put(A, {"version": 3}, when={"version": 2}))
    assert caught.value.key == A
    assert await ledger.get(A) == {"version": 1}
    assert await ledger.get(B) is None


async def test_none_means_that_a_member_is_not_there(ledger):
    await ledger.write(Put(A, {"version": 1}, when={"version": None}))
    with pytest.raises(ConditionFailed):
        await ledger.write(Put(A, {"version": 1}, when={"version": None}))


async def test_checks_guard_other_items(ledger):
    await ledger.write(Put(A, {"lease": "mine"}))
    await ledger.write(Check(A, {"lease": "mine"}), Put(B, {}))
    with pytest.raises(ConditionFailed):
        await ledger.write(Check(A, {"lease": "yours"}), Delete(B))
    assert await ledger.get(B) == {}


async def test_queries_take_a_prefix_literally(ledger):
    for sort in ("run#1", "run#2", "runs", "resource#%", "resource#x"):
        await ledger.write(Put(Key("p", sort), {"sort": sort}))
    await ledger.write(Put(Key("q", "run#3"), {}))
    assert list(await ledger.query("p", "run#")) == ["run#1", "run#2"]
    assert list(await ledger.query("p", "resource#%")) == ["resource#%"]
    assert await ledger.partitions() == ["p", "q"]


async def test_an_item_may_be_deleted_under_a_condition(ledger):
    await ledger.write(Put(A, {"version": 1}))
    with pytest.raises(ConditionFailed):
        await ledger.write(Delete(A, when={"version": 2}))
    await ledger.write(Delete(A, when={"version": 1}), Delete(B))
    assert await ledger.get(A) is None


async def test_conditions_tell_kinds_of_values_apart(ledger):
    """A text is no number; a member that is null is not there."""
    await ledger.write(Put(A, {"text": "1", "number": 1.5, "truth": True, "nothing": None}))
    await ledger.write(Check(A, {"text": "1", "number": 1.5, "truth": True, "nothing": None, "other": None}))
    for wrong in ({"text": 1}, {"number": "1.5"}, {"truth": False}, {"nothing": "x"}, {"text": None}):
        with pytest.raises(ConditionFailed):
            await ledger.write(Check(A, wrong))


async def test_a_new_item_has_none_of_the_old_one_s_members(ledger):
    await ledger.write(Put(A, {"old": 1, "nested": {"x": 1}}))
    await ledger.write(Put(A, {"new": 2}))
    assert await ledger.get(A) == {"new": 2}


async def test_long_items_come_back_whole(ledger):
    """What is longer than an item of a table may be is kept all the same: compressed, or put aside."""
    letters = random.Random(1)
    for size in (1_000, 100_000, 900_000):
        text = "".join(letters.choices(string.printable, k=size))
        await ledger.write(Put(A, {"document": {"text": text}, "version": size}))
        assert await ledger.get(A) == {"document": {"text": text}, "version": size}
        assert (await ledger.query("p"))["a"]["document"]["text"] == text
        await ledger.write(Check(A, {"version": size}))


async def test_queries_go_past_the_first_page(ledger):
    for number in range(12):
        await ledger.write(Put(Key("p", f"resource#{number:02}"), {"text": str(number) * 120_000}))
    assert [item["text"][-1] for item in (await ledger.query("p", "resource#")).values()] == list("012345678901")


async def test_one_of_many_at_once_wins(ledger):
    """Writers that read the same version: one writes, the others are told."""
    await ledger.write(Put(A, {"version": 0}))
    won = []

    async def race(number: int) -> None:
        try:
            await ledger.write(Put(A, {"version": 1, "by": number}, when={"version": 0}))
        except ConditionFailed:
            return
        won.append(number)

    await gather_all([partial(race, number) for number in range(10)])
    assert [(await ledger.get(A))["by"]] == won


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(-1e30, 1e30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


async def test_any_item_comes_back(ledger):
    """Whatever JSON an item holds, under whatever member names, it is read as it was written."""
    found = []

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.dictionaries(st.text(string.ascii_letters + "_#.é ", min_size=1, max_size=8), JSON, max_size=5))
    def gather(item):
        found.append(item)

    gather()
    for number, item in enumerate(found):
        await ledger.write(Put(Key("any", str(number)), item))
        assert await ledger.get(Key("any", str(number))) == item


def test_of_many_writers_one_wins(tmp_path):
    """Eight processes' worth of connections race for one condition; exactly one gets it."""
    path = tmp_path / "ledger.sqlite"
    SqliteLedger(path).close()
    won, barrier = [], threading.Barrier(8)

    def race(number: int) -> None:
        ledger = SqliteLedger(path)
        barrier.wait()
        try:
            asyncio.run(ledger.write(Put(A, {"winner": number}, when={"winner": None})))
            won.append(number)
        except ConditionFailed:
            pass
        finally:
            ledger.close()

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_the_file_is_its_owner_s_alone(tmp_path):
    """What was provisioned is nobody else's business on a shared machine."""
    SqliteLedger(tmp_path / "folder" / "ledger.sqlite").close()
    assert (tmp_path / "folder" / "ledger.sqlite").stat().st_mode & 0o077 == 0


def test_unknown_members_survive_a_rewrite():
    """A newer version's members are kept by an older one that rewrites the item."""
    item = item_of(ResourceRecord("a", "gateways", "a")) | {"futureMember": {"x": 1}}
    assert item["schema"] == SCHEMA
    again = item_of(read_record(item))
    assert again.get("futureMember") == {"x": 1}


def test_a_broken_file_is_an_error_not_an_empty_ledger(tmp_path):
    """Garbage is reported; it is not taken for a ledger that knows nothing."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, certainly" * 100)
    with pytest.raises(OSError, match="cannot be used"):
        SqliteLedger(path)


async def test_a_file_of_an_earlier_version_is_gone_on_with(tmp_path):
    """Its table lacks the plain members of each item, on which conditions are checked, and stays as it is."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as before:
        before.execute("CREATE TABLE items (partition TEXT NOT NULL, sort TEXT NOT NULL, item TEXT NOT NULL, "
                       "PRIMARY KEY (partition, sort)) WITHOUT ROWID")  # fmt: skip
        before.execute("INSERT INTO items VALUES ('p', 'stack', '{\"version\":3,\"document\":{}}')")
        before.commit()
    key = Key("p", "stack")
    for _ in range(2):
        ledger = SqliteLedger(path)
        with pytest.raises(ConditionFailed):
            await ledger.write(Check(key, when={"version": 4}))
        await ledger.write(Check(key, when={"version": 3}), Put(key, {"version": 3, "document": {}}))
        ledger.close()
    with closing(sqlite3.connect(path)) as before:
        before.execute("INSERT OR REPLACE INTO items VALUES ('p', 'a', '{}')")  # it may be at work on the same file yet
