"""Keep the catalog of a scratch database short, so that creating or altering many objects takes linear time.

After every CREATE, SQLite scans the whole of `sqlite_schema` for the one row that it has written; with four thousand
objects the scans take half a second. SQLite holds the other objects in memory, so their rows can be removed for the
time being (https://www.sqlite.org/pragma.html#pragma_writable_schema). They are restored before anything else runs.
After every ALTER TABLE, SQLite reads the whole catalog again; if the results are known, many can be written at once,
and are read once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from turso_deploy.core.transaction import Value
from turso_deploy.sqlite.connection import Connection, SqliteError

MAX_NEW_ROWS = 128
"""The number of new rows after which rows are removed."""

_COLUMNS = "rowid, type, name, tbl_name, rootpage, sql"


class ShortCatalog:
    """The removed rows of a catalog. `connection` is to a database in memory, in autocommit mode."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._removed: list[tuple[Value, ...]] = []
        self._rewritten: dict[str, str] = {}
        self._created = 0

    def count_created(self) -> None:
        """Count one more object in the catalog, and remove rows if it has become long."""
        self._created += 1
        if self._created > MAX_NEW_ROWS and self._can_be_written:
            self._created = 0
            self._remove_rows()

    def rewrite(self, table: str, sql: str) -> bool:
        """Note the new SQL of a table, to be written before anything else runs. Return False if that is impossible."""
        if not self._can_be_written:
            return False
        self._rewritten[table] = sql
        return True

    def write_noted(self) -> None:
        """Write the noted SQL to the catalog."""
        if self._rewritten:
            self.restore()

    def restore(self) -> None:
        """Restore every removed row, and write the noted SQL."""
        if self._removed:
            with _writable(self._connection):
                self._connection.execute_for_each(
                    f"INSERT INTO sqlite_master ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", self._removed
                )
            self._removed.clear()
        if self._rewritten:
            found = self._connection.rows("SELECT name, rowid FROM sqlite_master WHERE type = 'table'")
            rowids = {str(name): rowid for name, rowid in found}
            changes = [(sql, rowids[table]) for table, sql in self._rewritten.items()]
            with _writable(self._connection, end="reset"):
                self._connection.execute_for_each("UPDATE sqlite_master SET sql = ? WHERE rowid = ?", changes)
            self._rewritten.clear()

    @cached_property
    def _can_be_written(self) -> bool:
        """True if the catalog can be written, which some builds of SQLite never allow (https://www.sqlite.org/c3ref/c_dbconfig_defensive.html)."""
        try:
            with _writable(self._connection):
                self._connection.execute("UPDATE sqlite_master SET sql = sql WHERE false")
        except SqliteError:
            return False
        return True

    def _remove_rows(self) -> None:
        # The last row stays, because the next one gets the rowid behind it.
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM sqlite_master ORDER BY rowid").rows[:-1]
        with _writable(self._connection):
            self._connection.execute("DELETE FROM sqlite_master WHERE rowid <= ?", (rows[-1][0],))
        self._removed += rows


@contextmanager
def _writable(connection: Connection, end: str = "off") -> Iterator[None]:
    """Make the catalog writable in the block; at its end, `reset` makes SQLite read it again."""
    connection.execute("PRAGMA writable_schema = on")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA writable_schema = {end}")
