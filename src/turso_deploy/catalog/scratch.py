"""The scratch database: SQLite in memory, where SQL is tested before any request.

SQLite parses the files of the schema folder here, which gives the wanted schema, and a plan is simulated here from
start to end before it is sent. libSQL's functions and its RANDOM ROWID option, which plain SQLite does not know, get
stand-ins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from turso_deploy.catalog.engine import Engine
from turso_deploy.catalog.error_location import is_syntax_error, locate
from turso_deploy.catalog.rows import CATALOG_QUERY, SHADOW_QUERY, CatalogRow, catalog_rows
from turso_deploy.catalog.scratch_speedup import ShortCatalog
from turso_deploy.catalog.stand_ins import SERVER_FUNCTIONS, TABLE_FUNCTIONS, stand_in
from turso_deploy.core.transaction import Query, Rows, Value
from turso_deploy.sql.lexer import fold_case, quote_identifier, tokenize
from turso_deploy.sqlite.connection import DELETE, FUNCTION, INSERT, READ, UPDATE, Connection, SqliteError
from turso_deploy.sqlite.table_functions import Module

_KIND_ORDER = {"table": 0, "index": 1, "view": 2, "trigger": 3}
_MAKES_ONE = re.compile(r"CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX)\s", re.IGNORECASE)
_EXPLAIN = "EXPLAIN "
_RESOLVED = ("CREATE TABLE", "CREATE INDEX", "CREATE UNIQUE INDEX", "ALTER TABLE")
"""The beginnings of statements in which SQLite resolves all names at once."""
_UNKNOWN_FUNCTION = ("no such function", "unknown function")
_UNKNOWN_TABLE = "no such table"


class ScratchError(Exception):
    """SQLite rejected a statement. `message` is SQLite's; `offset` counts characters into the statement, if known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class _Cut(NamedTuple):
    """Text removed from a table's SQL, its offset, and the length of the text after it, which never changes."""

    text: str
    start: int
    tail: int


class Scratch:
    """One in-memory database, in autocommit mode with foreign keys on.

    With an `engine` only what that engine has gets a stand-in, and what it lacks cannot be used (see `compile`).
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self.is_open = True
        self._engine = engine
        self._is_lenient = engine is None
        # Parallel deployments use the scratch database of one project from many threads.
        self._connection = Connection.in_memory()
        self._connection.execute("PRAGMA foreign_keys = on")
        self._catalog = ShortCatalog(self._connection)
        self._stand_ins: set[str] = set()
        self.unknown_functions: set[str] = set()
        """The folded names of the functions with a stand-in that no known engine has."""
        self._cuts: dict[str, _Cut] = {}
        self._connection.accept_double_quoted_strings(False)  # they hide misspelt columns

    @property
    def connection(self) -> Connection:
        """The connection, for queries that no method here covers."""
        self._catalog.restore()
        return self._connection

    def run(self, sql: str) -> None:
        """Run one statement. What only a server has gets a stand-in. Raises ScratchError."""
        cut_sql, cut = _without_random_rowid(sql)
        before = self._table_names() if cut or self._cuts else set()
        if _MAKES_ONE.match(sql) and not (cut or self._cuts):
            self._catalog.write_noted()
            with self._without_missing_functions(sql):
                self._execute(self._connection, cut_sql)
            self._catalog.count_created()
            return
        with self._without_missing_functions(sql if sql.startswith(_RESOLVED) else ""):
            self._execute(self.connection, cut_sql, cut=cut)
        if cut or self._cuts:
            self._follow(cut, before)

    def rewrite(self, table: str, sql: str) -> bool:
        """Store the known result of an ALTER TABLE of a table without rows, in place of running it.

        After each ALTER TABLE, SQLite reads the definitions of all objects again; stored results are read once. Return
        False if the catalog cannot be written.
        """
        return not self._cuts and self._catalog.rewrite(table, sql)

    def sql_of(self, table: str) -> str:
        """Return the SQL of a table. Raises KeyError if there is none."""
        return {fold_case(row.name): row.sql or "" for row in self.rows() if row.kind == "table"}[fold_case(table)]

    def query(self, query: Query, max_bytes: int | None = None) -> Rows:
        """Run a query and return its rows, of `max_bytes` in all. Raises ScratchError."""
        return self._execute(self.connection, query.sql, query.arguments, max_bytes=max_bytes)

    def compile(self, sql: str, text: str = "") -> None:
        """Compile a statement without running it. Raises ScratchError, with the offset in the statement.

        `text` is the SQL of the object that the statement reaches.
        """
        with self._without_missing_functions(text):
            try:
                self.query(Query(f"{_EXPLAIN}{sql}"))
            except ScratchError as error:
                offset = None if error.offset is None else max(error.offset - len(_EXPLAIN), 0)
                raise ScratchError(error.message, offset) from None

    @contextmanager
    def _without_missing_functions(self, text: str) -> Iterator[None]:
        """Reject the functions in a text that this SQLite has, but not the engine. Raises ScratchError for the first.

        SQLite asks for each function that it compiles: https://www.sqlite.org/c3ref/c_alter_table.html.
        """
        missing = self._missing_functions
        named = {fold_case(name) for name in missing.findall(text)} if missing and not self._is_lenient else set()
        if not named:
            yield
            return
        used = []

        def note(action: int, _: str | None, function: str | None, *__: str | None) -> bool:
            if action == FUNCTION and fold_case(function or "") in named:
                used.append(fold_case(function or ""))
            return True

        with self.connection.authorized_by(note):
            yield
        if used:
            raise ScratchError(f"no such function: {used[0]}")

    @cached_property
    def _missing_functions(self) -> re.Pattern[str] | None:
        """A call of a function that this SQLite has, but not the engine; None if there is no such function."""
        if self._engine is None:
            return None
        rows = self._connection.rows("SELECT DISTINCT name FROM pragma_function_list WHERE builtin")
        names = sorted({str(name) for (name,) in rows} - self._engine.functions.keys())
        words = "|".join(map(re.escape, filter(str.isidentifier, names)))
        return re.compile(rf"\b({words})\s*\(", re.IGNORECASE) if words else None

    def _execute(
        self,
        connection: Connection,
        sql: str,
        arguments: Sequence[Value] = (),
        cut: _Cut | None = None,
        max_bytes: int | None = None,
    ) -> Rows:
        while True:
            try:
                return Rows(*connection.execute(sql, arguments, max_bytes))
            except SqliteError as error:
                if not self._stand_in_for(error.message):
                    raise _scratch_error(error, sql, cut) from None

    def columns_read_by(self, view: str) -> frozenset[tuple[str, str]]:
        """Return the columns that a view reads directly: the folded names of a table or view and of its column.

        SQLite reports them while it compiles: https://www.sqlite.org/c3ref/set_authorizer.html. Raises ScratchError.
        """
        found = set()

        def note(action: int, table: str | None, column: str | None, _: str | None, reader: str | None) -> bool:
            if action == READ and fold_case(reader or "") == fold_case(view):
                found.add((fold_case(table or ""), fold_case(column or "")))
            return True

        with self.connection.authorized_by(note):
            self.query(Query(f"SELECT * FROM {quote_identifier(view)} LIMIT 0"))
        return frozenset(found)

    def reached_by(self, sql: str) -> frozenset[str]:
        """Return the folded names of the tables, views and triggers that a statement uses. Raises ScratchError."""
        found = set()

        def note(action: int, table: str | None, _: str | None, __: str | None, reader: str | None) -> bool:
            if action in (INSERT, UPDATE, DELETE, READ):
                found.add(fold_case(table or ""))
            found.add(fold_case(reader or ""))
            return True

        with self.connection.authorized_by(note):
            self.compile(sql)
        return frozenset(found)

    def tables_written_by(self, sql: str) -> frozenset[tuple[str, bool]]:
        """Return the folded names of the tables that a statement writes to, each with True if a trigger does it.

        SQLite also reports the actions of foreign keys, as writes of the statement. Raises ScratchError.
        """
        found = set()

        def note(action: int, table: str | None, _: str | None, __: str | None, trigger: str | None) -> bool:
            if action in (INSERT, UPDATE, DELETE):
                found.add((fold_case(table or ""), trigger is not None))
            return True

        with self.connection.authorized_by(note):
            self.compile(sql)
        return frozenset(found)

    def rows(self) -> list[CatalogRow]:
        """Return the rows of the catalog, with the text restored that was removed for plain SQLite."""
        return [self._restored(row) for row in catalog_rows(self.query(CATALOG_QUERY))]

    def shadows(self) -> list[str]:
        """Return the names of the tables in which virtual tables keep their content."""
        return [str(name) for (name,) in self.query(SHADOW_QUERY).rows]

    def load(self, rows: Sequence[CatalogRow], shadows: Sequence[str] | frozenset[str] = ()) -> list[CatalogRow]:
        """Create the objects of another database's catalog here, and return the rows that are not here afterwards.

        What its engine has accepted gets a stand-in. Automatic indexes, `sqlite_` tables and shadow tables cannot
        be created by name; SQLite makes most of them.
        """
        by_themselves = {fold_case(name) for name in shadows}
        wanted = [
            row
            for row in rows
            if row.sql is not None
            and not fold_case(row.name).startswith("sqlite_")
            and fold_case(row.name) not in by_themselves
            and fold_case(row.table) not in by_themselves
        ]
        in_order = sorted(wanted, key=lambda row: _KIND_ORDER[row.kind])
        self._is_lenient = True
        rejected = [row for row in in_order if not self._takes(row)]
        if rejected:
            self._connection.accept_double_quoted_strings(True)  # the other database has accepted what it holds
            for row in rejected:
                self._takes(row)
        self._is_lenient = self._engine is None
        present = {row.key for row in self.rows()}
        return [row for row in rows if row.key not in present]

    def _takes(self, row: CatalogRow) -> bool:
        try:
            self.run(row.sql or "")
        except ScratchError:
            return False
        return True

    def close(self) -> None:
        """Close and discard the database."""
        self.is_open = False
        self._connection.close()

    def _stand_in_for(self, message: str) -> bool:
        """Register a stand-in for what SQLite misses; return False for another error, or if the engine lacks it."""
        kind, _, name = message.partition(": ")
        name = fold_case(name.removesuffix("()").removeprefix("main."))
        if name in self._stand_ins or (kind == "unknown function" and self._has_function(name)):
            return False
        if kind in _UNKNOWN_FUNCTION:
            numbers = self._numbers_of_arguments(name)
            function = stand_in(name)
            for number in numbers:
                # Deterministic, because indexes and generated columns accept nothing else:
                # https://www.sqlite.org/deterministic.html
                self._connection.create_function(name, function, max(number, -1))
            if not numbers:
                return False
            if self._engine is None and name not in SERVER_FUNCTIONS:
                self.unknown_functions.add(name)
        elif kind == _UNKNOWN_TABLE and name in TABLE_FUNCTIONS and (self._is_lenient or self._has_module(name)):
            self._connection.create_table_function(name, Module(TABLE_FUNCTIONS[name]))
        else:
            return False
        self._stand_ins.add(name)
        return True

    def _has_function(self, name: str) -> bool:
        """Return True for a function of this SQLite, which a DEFAULT calls with a wrong number of arguments."""
        found = self._connection.rows("SELECT 1 FROM pragma_function_list WHERE name = ?1 AND builtin", (name,))
        return next(found, None) is not None

    def _has_module(self, name: str) -> bool:
        return self._engine is not None and name in self._engine.modules

    def _numbers_of_arguments(self, function: str) -> Iterable[int]:
        """Return the numbers of arguments that the stand-in of a function takes; none if there is no such function."""
        if self._engine is not None and function in self._engine.functions:
            return self._engine.functions[function]
        return (-1,) if self._is_lenient else ()

    def _table_names(self) -> set[str]:
        rows = self.connection.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {fold_case(str(name)) for (name,) in rows}

    def _follow(self, cut: _Cut | None, before: set[str]) -> None:
        """Keep each cut under the name of its table after a statement that created, renamed or dropped it."""
        after = self._table_names()
        moved = [self._cuts.pop(name) for name in before - after if name in self._cuts]
        for name in after - before:
            if kept := cut or (moved.pop() if moved else None):
                self._cuts[name] = kept

    def _restored(self, row: CatalogRow) -> CatalogRow:
        cut = self._cuts.get(fold_case(row.name)) if row.kind == "table" else None
        if cut is None or row.sql is None:
            return row
        head, tail = row.sql[: len(row.sql) - cut.tail], row.sql[len(row.sql) - cut.tail :]
        return CatalogRow(row.kind, row.name, row.table, head + cut.text + tail)


def find_syntax_error(sql: str) -> ScratchError | None:
    """Return the error for a statement that the parser rejects, or None if it accepts it."""
    probe = Connection.in_memory()
    try:
        probe.execute(f"{_EXPLAIN}{sql}")
    except SqliteError as error:
        if is_syntax_error(error.message):
            offset = None if error.offset is None else error.offset - len(_EXPLAIN)
            return _scratch_error(SqliteError(error.message, offset=offset), sql)
    finally:
        probe.close()
    return None


def _scratch_error(error: SqliteError, sql: str, cut: _Cut | None = None) -> ScratchError:
    """Return the error with its offset in the original statement, from which `cut` was removed to give `sql`."""
    message, offset = error.message, locate(sql, error.message, error.offset)
    if message == "incomplete input" and offset is not None and offset < len(sql):
        message += ": this parenthesis is never closed"
    if cut and offset is not None and offset >= cut.start:
        offset += len(cut.text)
    return ScratchError(message, offset)


def _without_random_rowid(sql: str) -> tuple[str, _Cut | None]:
    """Return a CREATE TABLE without libSQL's RANDOM ROWID option, and the text that was removed."""
    if "random" not in sql.lower():
        return sql, None
    tokens = tokenize(sql)
    if [fold_case(token.text) for token in tokens[:2]] != ["create", "table"]:
        return sql, None
    depth = 0
    for position, (token, following) in enumerate(pairwise(tokens)):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and (fold_case(token.text), fold_case(following.text)) == ("random", "rowid"):
            before, behind = tokens[position - 1], tokens[position + 2 : position + 3]
            if before.text == ",":
                start, end = tokens[position - 2].end, following.end
            elif behind:
                start, end = before.end, behind[0].end
            else:  # without any option, SQLite stores nothing behind the closing parenthesis
                start, end = before.end, len(sql)
            return sql[:start] + sql[end:], _Cut(sql[start:end], start, len(sql) - end)
    return sql, None
