"""Connection to an SQLite database in memory or in a file, one statement per call, to be shared by threads.

apsw brings its own SQLite, so that the version and the compile-time options do not depend on Python or on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from threading import RLock
from typing import NamedTuple

import apsw

Value = None | int | float | str | bytes

VERSION = apsw.sqlite_lib_version()
"""The version of SQLite, such as 3.54.1."""

# Actions that an authorizer is asked about: https://www.sqlite.org/c3ref/c_alter_table.html
DELETE, INSERT, UPDATE = apsw.SQLITE_DELETE, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE
SELECT, READ, FUNCTION, RECURSIVE = apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], bool]
"""Return True to allow an action: its code, its two names, the database, and the innermost trigger or view."""

_CHECK_INTERVAL = 100_000
"""Number of instructions of SQLite's virtual machine between two checks: a few milliseconds."""

# SQLite 3.48 raised the number of arguments of a function, 3.46 and before take 127:
# https://www.sqlite.org/limits.html#max_function_arg
_MAX_ARGUMENTS = 127

_check: ContextVar[Callable[[], object] | None] = ContextVar("check", default=None)


class SqliteError(Exception):
    """SQLite rejected a statement, or a value cannot be exchanged with it.

    `message` is SQLite's, `code` the name of its extended result code, such as SQLITE_CONSTRAINT_CHECK. `offset` counts
    characters into the statement; None if SQLite does not know it.
    """

    def __init__(self, message: str, code: str = "SQLITE_ERROR", offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.offset = offset


class Result(NamedTuple):
    """The columns and rows of one statement, and the number of rows that it inserted, updated or deleted itself."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    affected: int

    def number(self) -> int:
        """Return the only value, an integer. Raises ValueError for rows of another form."""
        [[value]] = self.rows
        if isinstance(value, int):
            return value
        raise ValueError("not an integer")


@contextmanager
def checking(check: Callable[[], object]) -> Iterator[None]:
    """Call `check` every few milliseconds while SQLite works in this thread; an error that it raises ends the work."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


class Connection:
    """A connection in autocommit mode that waits for no lock. Closing it rolls back an open transaction."""

    def __init__(self, database: str, flags: int) -> None:
        with _sqlite_errors():
            # No cache: a cached EXPLAIN is not compiled again when the schema has changed.
            self._connection = apsw.Connection(database, flags, statementcachesize=0)
        self._lock = RLock()  # apsw raises an error if two threads use one connection
        self._connection.set_progress_handler(_continue_unless_check_fails, _CHECK_INTERVAL)

    @classmethod
    def in_memory(cls) -> Connection:
        """Return a connection to a new database in memory, with the limits of the databases that may be deployed to."""
        connection = cls(":memory:", apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        connection._connection.limit(apsw.SQLITE_LIMIT_FUNCTION_ARG, _MAX_ARGUMENTS)
        return connection

    @classmethod
    def to_file(cls, path: Path) -> Connection:
        """Return a connection to a file, which is created if it does not exist. Raises SqliteError.

        An absolute path never means a database in memory.
        """
        return cls(str(path.absolute()), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)

    def execute(self, sql: str, arguments: Iterable[Value] = ()) -> Result:
        """Run one statement and return all its rows. Raises SqliteError."""
        columns: tuple[str, ...] = ()

        def before_first_step(cursor: apsw.Cursor, statement: str, _: object) -> bool:
            nonlocal columns
            _require_one_statement(sql, statement)
            columns = tuple([column[0] for column in cursor.get_description()])
            return True

        with self._lock, _sqlite_errors(sql):
            before = self._connection.total_changes()
            cursor = self._connection.cursor()
            cursor.exec_trace = before_first_step
            rows = tuple(cursor.execute(sql, tuple(arguments)))
            # The number of the statement before remains if this one changes no rows, as CREATE TABLE does.
            changed = self._connection.total_changes() != before
            return Result(columns, rows, self._connection.changes() if changed else 0)

    def rows(self, sql: str, arguments: Iterable[Value] = ()) -> Iterator[tuple[Value, ...]]:
        """Run a query and yield its rows one by one. Raises SqliteError."""
        with self._lock, _sqlite_errors(sql):
            yield from self._connection.execute(sql, tuple(arguments))

    def row(self, sql: str, arguments: Iterable[Value] = ()) -> tuple[Value, ...] | None:
        """Return the first row of a query, or None. Raises SqliteError."""
        return next(iter(self.execute(sql, arguments).rows), None)

    def execute_for_each(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row of arguments. Raises SqliteError; the rows before the error stay written."""
        with self._lock, _sqlite_errors(sql):
            self._connection.executemany(sql, rows)

    @property
    def in_transaction(self) -> bool:
        """True between BEGIN and the end of the transaction."""
        return self._connection.in_transaction

    @contextmanager
    def authorized_by(self, authorizer: Authorizer) -> Iterator[None]:
        """Ask the authorizer about each action that SQLite compiles in the block; no other thread gets in between.

        https://www.sqlite.org/c3ref/set_authorizer.html
        """

        def answer(action: int, *names: str | None) -> int:
            return apsw.SQLITE_OK if authorizer(action, *names) else apsw.SQLITE_DENY

        with self._lock:
            self._connection.set_authorizer(answer)
            try:
                yield
            finally:
                self._connection.set_authorizer(None)

    def accept_double_quoted_strings(self, accepted: bool) -> None:
        """Take a name in double quotes that is no column for a string, or reject it.

        https://www.sqlite.org/quirks.html#dblquote
        """
        with self._lock:
            self._connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, int(accepted))
            self._connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, int(accepted))

    def create_function(self, name: str, function: Callable[..., Value]) -> None:
        """Make a deterministic function available in SQL, with any number of arguments."""
        with self._lock:
            self._connection.create_scalar_function(name, function, -1, deterministic=True)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close(True)


def is_complete(sql: str) -> bool:
    """Return True if the text ends with a complete statement: https://www.sqlite.org/c3ref/complete.html."""
    return apsw.complete(sql)


def _continue_unless_check_fails() -> bool:
    """Run the check of this thread. Python also handles signals now, which it does not while SQLite works."""
    if check := _check.get():
        check()
    return False


def _require_one_statement(sql: str, first: str) -> None:
    """Raise SqliteError if the text goes on behind its first statement."""
    rest = sql[len(first) :]
    if rest and not rest.isspace():
        raise SqliteError("only one statement can be run at a time", "SQLITE_MISUSE", len(first))


@contextmanager
def _sqlite_errors(sql: str = "") -> Iterator[None]:
    """Turn the errors of apsw into SqliteError. None of them repeats a value."""
    if "\0" in sql:
        raise SqliteError("the statement has a NUL character", "SQLITE_MISUSE", sql.index("\0"))
    try:
        yield
    except apsw.ConnectionClosedError:
        raise SqliteError("the connection is closed", "SQLITE_MISUSE") from None
    except apsw.Error as error:
        raise SqliteError(str(error), _code_of(error), _offset_of(error, sql)) from None
    except UnicodeDecodeError:
        raise SqliteError("a text in the database is not valid UTF-8", "SQLITE_ERROR") from None
    except UnicodeEncodeError:
        raise SqliteError("a text is not valid Unicode", "SQLITE_ERROR") from None
    except OverflowError:
        raise SqliteError("an integer has more than 64 bits", "SQLITE_RANGE") from None


def _code_of(error: apsw.Error) -> str:
    # Errors of apsw itself, about the arguments for example, have no code.
    primary = apsw.mapping_result_codes.get(getattr(error, "result", -1), "SQLITE_ERROR")
    return str(apsw.mapping_extended_result_codes.get(getattr(error, "extendedresult", -1), primary))


def _offset_of(error: apsw.Error, sql: str) -> int | None:
    """Return the offset in characters; SQLite counts bytes: https://www.sqlite.org/c3ref/errcode.html."""
    offset = getattr(error, "error_offset", -1)
    return len(sql.encode()[:offset].decode(errors="ignore")) if offset >= 0 else None
