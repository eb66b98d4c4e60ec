"""The scratch database: SQLite in memory, where SQL is tried before any request is made.

It is the parser of this program: what SQLite makes of the repository's files is the wanted schema, and a plan is run
here from start to end before it is sent. libSQL's own functions and its RANDOM ROWID option, which plain SQLite does
not know, get stand-ins.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from turso_deploy.database.base import Query, Rows
from turso_deploy.schema.catalog import CATALOG_QUERY, SHADOW_QUERY, CatalogRow, catalog_rows
from turso_deploy.sql.lexer import Token, fold, tokenize

_KIND_ORDER = {"table": 0, "index": 1, "view": 2, "trigger": 3}
_UNKNOWN_FUNCTION = ("no such function: ", "unknown function: ")


class ScratchError(Exception):
    """SQLite refused a statement. `message` is its own; `offset` counts characters into the statement, if known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True, slots=True)
class _Cut:
    """Text that was taken out of a table's SQL, and how much followed it: that tail is never rewritten."""

    text: str
    tail: int


class Scratch:
    """One in-memory database. `connection` is in autocommit mode with foreign keys on."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = on")
        self._functions: set[str] = set()
        self._cuts: dict[str, _Cut] = {}
        self._refuse_double_quoted_strings()

    def _refuse_double_quoted_strings(self) -> None:
        # "name" for a string is a misfeature that hides misspelt columns: https://www.sqlite.org/quirks.html#dblquote
        if sys.version_info >= (3, 12):
            self.connection.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DDL, False)
            self.connection.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML, False)

    def run(self, sql: str) -> None:
        """Run one statement. Functions that only the server has get a stand-in. Raises ScratchError."""
        cut_sql, cut = _without_random_rowid(sql)
        names_before = self._table_names() if cut else set()
        while True:
            try:
                self.connection.execute(cut_sql)
                break
            except sqlite3.Error as error:
                if not self._stand_in_for(str(error)):
                    raise ScratchError(str(error), locate(cut_sql, str(error))) from None
        if cut:
            for name in self._table_names() - names_before:
                self._cuts[name] = cut

    def query(self, query: Query) -> Rows:
        """Run a query and return its rows. Raises ScratchError."""
        try:
            cursor = self.connection.execute(query.sql, query.arguments)
            rows = tuple(cursor.fetchall())
        except sqlite3.Error as error:
            raise ScratchError(str(error), locate(query.sql, str(error))) from None
        return Rows(tuple(column[0] for column in cursor.description or ()), rows, max(cursor.rowcount, 0))

    def rows(self) -> list[CatalogRow]:
        """The catalog, with what was cut away for plain SQLite put back."""
        return [self._restored(row) for row in catalog_rows(self.query(CATALOG_QUERY))]

    def shadows(self) -> list[str]:
        """The names of the tables in which virtual tables keep their content."""
        return [str(name) for (name,) in self.query(SHADOW_QUERY).rows]

    def load(self, rows: Sequence[CatalogRow], shadows: Sequence[str] | frozenset[str] = ()) -> list[CatalogRow]:
        """Create the objects of another database's catalog here, and return those that could not be.

        Left out are the ones that come by themselves: automatic indexes, `sqlite_` tables, shadow tables.
        """
        by_themselves = {fold(name) for name in shadows}
        wanted = [
            row
            for row in rows
            if row.sql is not None
            and not fold(row.name).startswith("sqlite_")
            and fold(row.name) not in by_themselves
            and fold(row.table) not in by_themselves
        ]
        refused = []
        for row in sorted(wanted, key=lambda row: _KIND_ORDER[row.kind]):
            try:
                self.run(row.sql or "")
            except ScratchError:
                refused.append(row)
        return refused

    def close(self) -> None:
        """Forget the database."""
        self.connection.close()

    def _stand_in_for(self, message: str) -> bool:
        """Register a function under the name that SQLite misses; False when that is not what it complains of."""
        for prefix in _UNKNOWN_FUNCTION:
            if message.startswith(prefix):
                name = message.removeprefix(prefix).removesuffix("()")
                if name in self._functions:
                    return False
                self._functions.add(name)
                # Deterministic, because indexes and generated columns accept nothing else:
                # https://www.sqlite.org/deterministic.html
                self.connection.create_function(name, -1, lambda *_: None, deterministic=True)
                return True
        return False

    def _table_names(self) -> set[str]:
        rows = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {fold(name) for (name,) in rows}

    def _restored(self, row: CatalogRow) -> CatalogRow:
        cut = self._cuts.get(fold(row.name)) if row.kind == "table" else None
        if cut is None or row.sql is None:
            return row
        head, tail = row.sql[: len(row.sql) - cut.tail], row.sql[len(row.sql) - cut.tail :]
        return CatalogRow(row.kind, row.name, row.table, head + cut.text + tail)


def locate(sql: str, message: str) -> int | None:
    """Where in a refused statement SQLite's message points: the offset of the token, or None.

    Python's sqlite3 does not pass on sqlite3_error_offset(), so the name that the message quotes is looked up in the
    text; for a syntax error, the statement is tried up to each place where that token stands, because SQLite calls a
    prefix that could still become a statement "incomplete input".
    """
    named = _named_token(message)
    if named is None:
        return None
    tokens = [token for token in tokenize(sql) if fold(token.text) == fold(named) or fold(_bare(token)) == fold(named)]
    if message.startswith("near ") and len(tokens) > 1:
        probe = sqlite3.connect(":memory:")
        for token in tokens:
            try:
                probe.execute("EXPLAIN " + sql[: token.start + len(token.text)])
            except sqlite3.Error as error:
                if str(error) == message:
                    return token.start
    return tokens[0].start if tokens else None


def _named_token(message: str) -> str | None:
    if message.startswith('near "'):
        return message[len('near "') : message.rindex('"')]
    for prefix in (
        "no such column: ",
        "no such table: ",
        "no such module: ",
        "no such function: ",
        "no such collation sequence: ",
        "unknown column ",
        "duplicate column name: ",
    ):
        _, found, rest = message.partition(prefix)
        if found:
            return rest.split(" in foreign key")[0].rsplit(".", 1)[-1].strip('"')
    return None


def _bare(token: Token) -> str:
    return token.text.strip("\"'`[]")


def _without_random_rowid(sql: str) -> tuple[str, _Cut | None]:
    """A CREATE TABLE without libSQL's RANDOM ROWID option, and what was cut away."""
    if "random" not in sql.lower():
        return sql, None
    tokens = tokenize(sql)
    depth = 0
    for position, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        if depth == 0 and following and (fold(token.text), fold(following.text)) == ("random", "rowid"):
            start, end = token.start, following.start + len(following.text)
            previous = tokens[position - 1]
            if previous.text == ",":
                start = previous.start
            elif end < len(sql) and position + 2 < len(tokens) and tokens[position + 2].text == ",":
                end = tokens[position + 2].start + 1
            return sql[:start] + sql[end:], _Cut(sql[start:end], len(sql) - end)
    return sql, None
