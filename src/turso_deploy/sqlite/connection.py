"""Connection to an SQLite database in memory or in a file, one statement per call, to be shared by threads.

apsw brings its own SQLite, so that the version and the compile-time options do not depend on Python or on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock, RLock
from typing import NamedTuple, cast

import apsw

from turso_deploy.sqlite.limits import (
    MAX_MEMORY,
    MAX_PATTERN,
    MAX_VALUE,
    Clock,
    limited_in_size,
    watched,
    work_limit_error,
)

Value = None | int | float | str | bytes

VERSION = apsw.sqlite_lib_version()
"""The version of SQLite, such as 3.54.1."""

# Actions that an authorizer is asked about: https://www.sqlite.org/c3ref/c_alter_table.html
DELETE, INSERT, UPDATE = apsw.SQLITE_DELETE, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE
SELECT, READ, FUNCTION, RECURSIVE = apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE

Authorizer = Callable[[int, str | None, str | None, str | None, str | None], bool]
"""Return True to allow an action: its code, its two names, the database, and the innermost trigger or view."""

_CHECK_INTERVAL = 2_000
"""Number of instructions of SQLite's virtual machine between two checks. Some instructions take milliseconds."""

# SQLite 3.48 raised the number of arguments of a function, 3.46 and before take 127:
# https://www.sqlite.org/limits.html#max_function_arg
_MAX_ARGUMENTS = 127

# SQLite 3.53 raised it from 15, so that 0.1 + 0.2 has another text: https://www.sqlite.org/c3ref/c_dbconfig_defensive.html.
# What an older one keeps of such texts, in an index or a generated column, must stay valid.
_DIGITS_OF_REALS = 15

_EXPLAIN = "EXPLAIN "

_files = 0
_files_lock = Lock()


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


class Connection:
    """A connection in autocommit mode that waits for no lock. Closing it rolls back an open transaction.

    Python handles signals while SQLite works, and their errors end a statement. With a `clock`, so does its limit.
    """

    def __init__(self, database: str, flags: int, clock: Clock | None = None) -> None:
        with _sqlite_errors():
            # The cache is for `execute_for_each`, which would compile its statement again for each row.
            self._connection = apsw.Connection(database, flags, statementcachesize=1)
            self._connection.config(apsw.SQLITE_DBCONFIG_FP_DIGITS, _DIGITS_OF_REALS)
        self._lock = RLock()  # apsw raises an error if two threads use one connection
        self._clock = clock
        self._is_open = True
        self._connection.set_progress_handler(self._may_go_on, _CHECK_INTERVAL)
        _count_file(0 if clock else 1)

    @classmethod
    def in_memory(cls) -> Connection:
        """Return a connection to a new database in memory, with the limits of the databases that may be deployed to.

        Its methods raise WorkLimitError for SQL that takes too long or too much memory.
        """
        connection = cls(":memory:", apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, Clock())
        connection._connection.limit(apsw.SQLITE_LIMIT_FUNCTION_ARG, _MAX_ARGUMENTS)
        connection._connection.limit(apsw.SQLITE_LIMIT_LENGTH, MAX_VALUE)
        connection._connection.limit(apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN)
        connection.execute("PRAGMA temp_store = memory")  # no value goes into a file, and the memory is limited
        return connection

    @classmethod
    def to_file(cls, path: Path) -> Connection:
        """Return a connection to a file, which is created if it does not exist. Raises SqliteError.

        An absolute path never means a database in memory.
        """
        return cls(str(path.absolute()), apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)

    def execute(self, sql: str, arguments: Iterable[Value] = (), max_bytes: int | None = None) -> Result:
        """Run one statement and return all its rows, of `max_bytes` in all. Raises SqliteError."""
        columns: tuple[str, ...] = ()

        def before_first_step(cursor: apsw.Cursor, statement: str, _: object) -> bool:
            nonlocal columns
            _require_one_statement(sql, statement)
            columns = tuple([column[0] for column in cursor.get_description()])
            return True

        with self._working(sql):
            before = self._connection.total_changes()
            cursor = self._connection.cursor()
            cursor.exec_trace = before_first_step
            # A cached EXPLAIN would not be compiled again when the schema has changed.
            found: Iterator[tuple[Value, ...]] = cursor.execute(sql, tuple(arguments), can_cache=False)
            found = _without_undecodable(found) if sql.startswith(_EXPLAIN) else found
            rows = tuple(found if max_bytes is None else limited_in_size(found, max_bytes))
            # The number of the statement before remains if this one changes no rows, as CREATE TABLE does.
            changed = self._connection.total_changes() != before
            return Result(columns, rows, self._connection.changes() if changed else 0)

    def rows(self, sql: str, arguments: Iterable[Value] = ()) -> Iterator[tuple[Value, ...]]:
        """Run a query and yield its rows one by one. Raises SqliteError."""
        with self._working(sql):
            found = self._connection.execute(sql, tuple(arguments), can_cache=False)
            yield from self._clock.each(found) if self._clock else found

    def row(self, sql: str, arguments: Iterable[Value] = ()) -> tuple[Value, ...] | None:
        """Return the first row of a query, or None. Raises SqliteError."""
        return next(iter(self.execute(sql, arguments).rows), None)

    def execute_for_each(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each row of arguments. Raises SqliteError; the rows before the error stay written."""
        with self._working(sql):
            self._connection.executemany(sql, self._clock.each(rows) if self._clock else rows)

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

    def create_function(self, name: str, function: Callable[..., Value], arguments: int = -1) -> None:
        """Make a deterministic function available in SQL, with a number of arguments, or -1 for any number."""
        with self._lock:
            self._connection.create_scalar_function(name, function, arguments, deterministic=True)

    def create_table_function(self, name: str, function: object) -> None:
        """Make a table-valued function available in SQL: a `Module` of `sqlite.table_functions`."""
        with self._lock:
            module = cast("apsw.VTModule", function)
            self._connection.create_module(name, module, use_bestindex_object=True, eponymous_only=True, read_only=True)

    def match_blobs(self) -> None:
        """Let LIKE and GLOB match a blob as the text of its bytes, as servers do; the SQLite of apsw matches none.

        A connection of its own compares the texts, with functions that are not replaced. That takes longer.
        """
        texts = apsw.Connection(":memory:", statementcachesize=4)
        texts.config(apsw.SQLITE_DBCONFIG_FP_DIGITS, _DIGITS_OF_REALS)
        texts.limit(apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN)
        cursor = texts.cursor()

        def matches(sql: str) -> Callable[..., Value]:
            return lambda *arguments: cursor.execute(sql, arguments).get

        for name, word in (("like", "LIKE"), ("glob", "GLOB")):
            sql = f"SELECT CAST(?2 AS TEXT) {word} CAST(?1 AS TEXT)"
            self.create_function(name, matches(sql), 2)
        self.create_function("like", matches("SELECT CAST(?2 AS TEXT) LIKE CAST(?1 AS TEXT) ESCAPE ?3"), 3)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close(True)
            if self._is_open and not self._clock:
                _count_file(-1)
            self._is_open = False

    @contextmanager
    def _working(self, sql: str) -> Iterator[None]:
        """Let one thread run one statement, with the errors of this module, and count its time."""
        with self._lock:
            if self._clock:
                self._clock.begin()
            try:
                with watched(self._clock) if self._clock else nullcontext(), _sqlite_errors(sql):
                    yield
                self._may_go_on()
            except SqliteError as error:
                if self._clock and error.code.startswith("SQLITE_NOMEM"):
                    raise work_limit_error(f"needs more than {MAX_MEMORY // 2**20} MiB of memory") from None
                raise

    def _may_go_on(self) -> bool:
        """Check the limits. Python also handles signals now, which it does not while SQLite works."""
        if self._clock:
            self._clock.check()
        return False


def _without_undecodable(rows: Iterator[tuple[Value, ...]]) -> Iterator[tuple[Value, ...]]:
    """Yield the instructions of a program except those with a constant that is not UTF-8, which names no object."""
    while True:
        try:
            yield next(rows)
        except UnicodeDecodeError:
            continue
        except StopIteration:
            return


def is_complete(sql: str) -> bool:
    """Return True if the text ends with a complete statement: https://www.sqlite.org/c3ref/complete.html."""
    return apsw.complete(sql)


def _count_file(change: int) -> None:
    """Limit the memory of SQLite, except while a file is open: the rows of live databases may need any amount."""
    global _files
    with _files_lock:
        _files += change
        apsw.hard_heap_limit(0 if _files else MAX_MEMORY)


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
