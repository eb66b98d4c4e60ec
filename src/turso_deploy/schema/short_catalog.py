"""Keeps the catalog of a scratch database short while many objects are made, so that each takes the same time.

After every CREATE, SQLite looks through the whole of `sqlite_schema` for the one row that it has written, and four
thousand objects are half a second of looking. What it knows of the other objects it has in memory, so their rows can
be away meanwhile (https://www.sqlite.org/pragma.html#pragma_writable_schema). Before anything else runs they have to
be back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

LONGEST = 128
"""With how many rows the catalog is still short."""

_COLUMNS = "rowid, type, name, tbl_name, rootpage, sql"


class ShortCatalog:
    """The rows of the catalog that are away. `connection` is one to a database in memory, in autocommit mode."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._away: list[tuple[Any, ...]] = []
        self._made = 0

    def made_one(self) -> None:
        """Note that one more object stands in the catalog, and take rows away when it has become long."""
        self._made += 1
        if self._made > LONGEST:
            self._made = 0
            self._take_away()

    def put_back(self) -> None:
        """Let every row be where it was."""
        if self._away:
            with _writable(self._connection):
                self._connection.executemany(
                    f"INSERT INTO sqlite_master ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", self._away
                )
            self._away.clear()

    def _take_away(self) -> None:
        # The last row stays, because the next one gets the rowid behind it.
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM sqlite_master ORDER BY rowid").fetchall()[:-1]
        # Some builds of SQLite never let the catalog be written (https://www.sqlite.org/c3ref/c_dbconfig_defensive.html):
        # there it stays long.
        with suppress(sqlite3.OperationalError), _writable(self._connection):
            self._connection.execute("DELETE FROM sqlite_master WHERE rowid <= ?", (rows[-1][0],))
            self._away += rows


@contextmanager
def _writable(connection: sqlite3.Connection) -> Iterator[None]:
    """Within, the catalog can be written."""
    connection.execute("PRAGMA writable_schema = on")
    try:
        yield
    finally:
        connection.execute("PRAGMA writable_schema = off")
