"""Keeps the catalog of a scratch database short while many objects are made or altered: each takes the same time.

After every CREATE, SQLite looks through the whole of `sqlite_schema` for the one row that it has written, and four
thousand objects are half a second of looking. What it knows of the other objects it has in memory, so their rows can
be away meanwhile (https://www.sqlite.org/pragma.html#pragma_writable_schema). Before anything else runs they have to
be back. After every ALTER TABLE it reads all of the catalog again; where the outcome is known, many can be written
down at once, and are read once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

LONGEST = 128
"""With how many rows the catalog is still short."""

_COLUMNS = "rowid, type, name, tbl_name, rootpage, sql"


class ShortCatalog:
    """The rows of the catalog that are away. `connection` is one to a database in memory, in autocommit mode."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._away: list[tuple[Any, ...]] = []
        self._rewritten: dict[str, str] = {}
        self._made = 0

    def made_one(self) -> None:
        """Note that one more object stands in the catalog, and take rows away when it has become long."""
        self._made += 1
        if self._made > LONGEST and self._can_be_written:
            self._made = 0
            self._take_away()

    def rewrite(self, table: str, sql: str) -> bool:
        """Note what the SQL of a table has become, to be written before anything else runs. False: it cannot be."""
        if not self._can_be_written:
            return False
        self._rewritten[table] = sql
        return True

    def settle(self) -> None:
        """Let SQLite know what was rewritten."""
        if self._rewritten:
            self.put_back()

    def put_back(self) -> None:
        """Let every row be where it was, and as it was rewritten."""
        if self._away:
            with _writable(self._connection):
                self._connection.executemany(
                    f"INSERT INTO sqlite_master ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", self._away
                )
            self._away.clear()
        if self._rewritten:
            rowids = dict(self._connection.execute("SELECT name, rowid FROM sqlite_master WHERE type = 'table'"))
            changes = [(sql, rowids[table]) for table, sql in self._rewritten.items()]
            with _writable(self._connection, end="reset"):
                self._connection.executemany("UPDATE sqlite_master SET sql = ? WHERE rowid = ?", changes)
            self._rewritten.clear()

    @cached_property
    def _can_be_written(self) -> bool:
        """Some builds of SQLite never let it be (https://www.sqlite.org/c3ref/c_dbconfig_defensive.html)."""
        try:
            with _writable(self._connection):
                self._connection.execute("UPDATE sqlite_master SET sql = sql WHERE false")
        except sqlite3.OperationalError:
            return False
        return True

    def _take_away(self) -> None:
        # The last row stays, because the next one gets the rowid behind it.
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM sqlite_master ORDER BY rowid").fetchall()[:-1]
        with _writable(self._connection):
            self._connection.execute("DELETE FROM sqlite_master WHERE rowid <= ?", (rows[-1][0],))
        self._away += rows


@contextmanager
def _writable(connection: sqlite3.Connection, end: str = "off") -> Iterator[None]:
    """Within, the catalog can be written; at the end, `reset` makes SQLite read it again."""
    connection.execute("PRAGMA writable_schema = on")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA writable_schema = {end}")
