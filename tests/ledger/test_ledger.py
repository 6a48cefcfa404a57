"""The contract of every ledger: whole items, all-or-nothing writes, conditions that decide."""

import threading

import pytest

from infra.ledger import Check, ConditionFailed, Delete, Key, Put
from infra.ledger.sqlite import SqliteLedger
from workflows.memory import SCHEMA, Memory

A, B = Key("p", "a"), Key("p", "b")


@pytest.fixture
def ledger(tmp_path):
    made = SqliteLedger(tmp_path / "folder" / "ledger.sqlite")
    yield made
    made.close()


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


def test_of_many_writers_one_wins(tmp_path):
    """Eight processes' worth of connections race for one condition; exactly one gets it."""
    path = tmp_path / "ledger.sqlite"
    SqliteLedger(path).close()
    won, barrier = [], threading.Barrier(8)

    def race(number: int) -> None:
        ledger = SqliteLedger(path)
        barrier.wait()
        try:
            ledger.write(Put(A, {"winner": number}, when={"winner": None})).send(None)
        except StopIteration:
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


def test_the_file_is_its_owner_s_alone(ledger, tmp_path):
    """What was provisioned is nobody else's business on a shared machine."""
    assert (tmp_path / "folder" / "ledger.sqlite").stat().st_mode & 0o077 == 0


def test_unknown_members_survive_a_rewrite():
    """A newer version's members are kept by an older one that rewrites the item."""
    item = Memory("a", "gateways", "a").item() | {"futureMember": {"x": 1}}
    assert item["schema"] == SCHEMA
    again = Memory.read(item).item()
    assert again["futureMember"] == {"x": 1}


def test_a_broken_file_is_an_error_not_an_empty_ledger(tmp_path):
    """Garbage is reported; it is not taken for a ledger that knows nothing."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"not a database, certainly" * 100)
    with pytest.raises(OSError, match="cannot be used"):
        SqliteLedger(path)
