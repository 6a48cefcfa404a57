"""The embedded ledger: a SQLite file, or memory.

Calls run inline, because they take microseconds and a worker thread would break virtual time. While another process
writes, the event loop continues.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio

from infra.ledger.store import Change, Check, ConditionFailed, Delete, Item, ItemDamaged, Key, Put, StoreDamaged, holds

T = TypeVar("T")
#: Seconds for which another process may block the file before the ledger counts as unusable.
_MOST_BUSY = 10.0
_AGAIN = 0.05
_TABLE = """
CREATE TABLE IF NOT EXISTS items (
  partition TEXT NOT NULL, sort TEXT NOT NULL, item TEXT NOT NULL, plain TEXT, PRIMARY KEY (partition, sort)
) WITHOUT ROWID
"""
#: Files of earlier versions lack the column for plain members, with which conditions are checked without reading a long
#: item.
_HAS_PLAIN = "SELECT 1 FROM pragma_table_info('items') WHERE name = 'plain'"


class SqliteLedger:
    """A ledger in a file; several processes on one machine may share the file."""

    def __init__(self, path: Path | None = None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(str(path or ":memory:"), timeout=10.0, isolation_level=None)
        except sqlite3.Error as error:
            raise OSError(f"the ledger {path} cannot be opened: {error}") from error
        try:
            if path is not None:
                path.chmod(0o600)
                self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(_TABLE)
            self._has_plain = self._db.execute(_HAS_PLAIN).fetchone() is not None
            self._db.execute("PRAGMA busy_timeout=0")
            self._db.text_factory = _text
        except sqlite3.Error as error:
            self._db.close()
            raise OSError(f"the ledger {path} cannot be used: {error}") from error

    async def get(self, key: Key) -> Item | None:
        """Return an item."""
        return await _when_free(lambda: self._read(key))

    async def query(self, partition: str, prefix: str = "") -> dict[str, Item]:
        """Return the items of a partition whose sort key starts with a prefix."""
        text = "SELECT sort, item FROM items WHERE partition = ? AND substr(sort, 1, ?) = ? ORDER BY sort"
        found = await _when_free(lambda: self._db.execute(text, (partition, len(prefix), prefix)).fetchall())
        return {sort: _parsed(Key(partition, sort), item) for sort, item in found if isinstance(sort, str)}

    async def keys(self, partition: str) -> list[str]:
        """Return the sort keys of the items of a partition."""
        text = "SELECT sort FROM items WHERE partition = ? ORDER BY sort"
        found = await _when_free(lambda: self._db.execute(text, (partition,)).fetchall())
        return [sort for (sort,) in found if isinstance(sort, str)]

    async def faults(self) -> list[str]:
        """Return the faults that SQLite finds in the file, each as one line."""
        found = await _when_free(lambda: self._db.execute("PRAGMA integrity_check(20)").fetchall())
        keys = await _when_free(lambda: self._db.execute("SELECT partition, sort FROM items").fetchall())
        odd = [f"the key {key} is no UTF-8 text: nothing reads this item" for key in keys if not _is_text(key)]
        return [" ".join(str(line).split()) for (line,) in found if line != "ok"] + odd

    async def partitions(self, prefix: str = "") -> list[str]:
        """Return the partitions that start with a prefix."""
        text = "SELECT DISTINCT partition FROM items WHERE substr(partition, 1, ?) = ? ORDER BY partition"
        found = await _when_free(lambda: self._db.execute(text, (len(prefix), prefix)).fetchall())
        return [partition for (partition,) in found if isinstance(partition, str)]

    async def write(self, *changes: Change) -> None:
        """Make all changes or none."""
        await _when_free(lambda: self._write(changes))

    def _write(self, changes: tuple[Change, ...]) -> None:
        with self._transaction():
            for change in changes:
                if change.when is not None and not holds(self._plain(change.key), change.when):
                    raise ConditionFailed(change.key)
            for change in changes:
                self._apply(change)

    def dump(self) -> Iterator[str]:
        """Yield the whole content as SQL text."""
        return self._db.iterdump()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _read(self, key: Key) -> Item | None:
        found = self._db.execute(
            "SELECT item FROM items WHERE partition = ? AND sort = ?", (key.partition, key.sort)
        ).fetchone()
        return _parsed(key, found[0]) if found else None

    def _plain(self, key: Key) -> Item | None:
        """Return the members of an item that a condition may compare."""
        member = "coalesce(plain, item)" if self._has_plain else "item"
        found = self._db.execute(
            f"SELECT {member} FROM items WHERE partition = ? AND sort = ?",  # noqa: S608 - one of two constants
            (key.partition, key.sort),
        ).fetchone()
        return _parsed(key, found[0]) if found else None

    def _apply(self, change: Change) -> None:
        where = (change.key.partition, change.key.sort)
        match change:
            case Put(item=item):
                text = json.dumps(item, separators=(",", ":"))
                if not self._has_plain:
                    self._db.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (*where, text))
                    return
                plain = {name: value for name, value in item.items() if not isinstance(value, dict | list)}
                write = "INSERT OR REPLACE INTO items (partition, sort, item, plain) VALUES (?, ?, ?, ?)"
                self._db.execute(write, (*where, text, json.dumps(plain, separators=(",", ":"))))
            case Delete():
                self._db.execute("DELETE FROM items WHERE partition = ? AND sort = ?", where)
            case Check():
                pass

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _is_text(key: tuple[Any, ...]) -> bool:
    """Return whether all parts of a key are texts. No reader names a key with other octets, so such an item is lost."""
    return all(isinstance(part, str) for part in key)


def _text(octets: bytes) -> str | bytes:
    """Return a text of the file; the octets where they are no UTF-8, so that only this item is damaged."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets


def _parsed(key: Key, text: Any) -> Item:
    """Return an item from its text. Raises ItemDamaged."""
    try:
        item = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        item = None
    if not isinstance(item, dict):
        raise ItemDamaged(key, "its text is no JSON object")
    return item


async def _when_free(use: Callable[[], T]) -> T:
    """Access the file, with retries while another process writes. Raises StoreDamaged and OSError."""
    began = anyio.current_time()
    while True:
        try:
            return use()
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_CORRUPT:
                raise StoreDamaged(f"the file of the ledger is damaged: {error}") from error
            if not busy or anyio.current_time() - began > _MOST_BUSY:
                raise OSError(f"the ledger cannot be used: {error}") from error
        await anyio.sleep(_AGAIN)
