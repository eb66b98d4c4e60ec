"""Local SQLite files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from turso_deploy.catalog.rows import CATALOG_QUERY, NO_TEXT
from turso_deploy.core.errors import DatabaseError, ErrorCode, InputError
from turso_deploy.core.files import give_to_owner
from turso_deploy.core.progress import report_step
from turso_deploy.core.signals import StoppedError, cancellable
from turso_deploy.core.transaction import FailedStep, Failure, Outcome, Query, Rows, Transaction, Value
from turso_deploy.database.engine_errors import SETTING_NOT_TAKEN, UNSUPPORTED_ENGINE, explain
from turso_deploy.database.interface import Database
from turso_deploy.http.backoff import Backoff, RetryBudget
from turso_deploy.http.count import count_request
from turso_deploy.sqlite.connection import Connection, SqliteError

# In kibibytes. With SQLite's default of 2 MB, rebuilding a table of a million rows takes a third longer.
_CACHE = 98304
_SECURE_DELETE_ON = 1
"""The value of `PRAGMA secure_delete` if all deleted content is overwritten; 2 is FAST."""
_NOT_UTF_8 = "a text in the database is not valid UTF-8"
_LOCKED = "another connection has locked the database file"


class FileDatabase(Database):
    """A database file, created by the first transaction. `path` is its name in the file system.

    `retry_budget` is the time to wait in all while another connection holds the lock; by default none. Raises
    InputError if no such file can exist.
    """

    def __init__(self, path: str, retry_budget: RetryBudget | None = None) -> None:
        self._file = Path(path)
        _require_usable_path(self._file)
        self.retry_budget = retry_budget or RetryBudget(0)
        self.address = f"file:{path}"
        self._connections = 0
        self._has_replaced_bytes = False
        self.timeout = 0.0
        self.request_size: int | None = None

    @property
    def file(self) -> Path:
        """The file, which may not exist yet."""
        return self._file

    @property
    def requests(self) -> int:
        """The number of connections so far."""
        return self._connections

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        """Run queries in one read transaction, so that all see the same state. A missing file reads as empty."""
        retries = Backoff(self.retry_budget)
        while True:
            with self._connection(creates=False) as connection:
                connection.execute("BEGIN")
                answers = [self._read(connection, query) for query in queries]
            if not any(map(_is_busy, answers)) or not retries.wait(_LOCKED):
                return answers

    def apply(self, transaction: Transaction) -> Outcome:
        """Run a transaction (see `Database.apply`)."""
        results: list[Rows | None] = [None] * len(transaction.steps)
        for index, one in enumerate(transaction.steps if self._has_replaced_bytes else ()):
            if any(NO_TEXT.search(text) for text in (one.query.sql, *one.query.arguments) if isinstance(text, str)):
                return Outcome(False, tuple(results), FailedStep(index, Failure(_NOT_UTF_8, "SQLITE_ERROR")))
        with self._connection(creates=transaction.commit) as connection:
            failure = self._begin(connection, foreign_keys=transaction.foreign_keys)
            if failure is not None:
                return Outcome(False, tuple(results), FailedStep(None, failure))
            try:
                # Nothing is lost by a signal before COMMIT, and closing the connection rolls the transaction back.
                with cancellable():
                    failed = _run_steps(transaction, connection, results)
            except StoppedError:
                raise _stopped() from None
            if failed:
                return Outcome(False, tuple(results), failed)
            if not transaction.commit:
                return Outcome(False, tuple(results))
            # A reader of the file delays the commit, which is retried:
            # https://www.sqlite.org/lang_transaction.html
            reply = self._when_free(connection, "COMMIT")
            if isinstance(reply, Failure):
                return Outcome(False, tuple(results), FailedStep(None, reply))
            return Outcome(True, tuple(results))

    def _read(self, connection: Connection, query: Query) -> Rows | Failure:
        """Run a query. In the catalog, each byte that is no UTF-8 is read as a character that has no other use.

        So the definition of one object does not hide all others; `apply` writes no statement with such a character.
        """
        answer = _run(connection, query)
        if query != CATALOG_QUERY or not isinstance(answer, Failure) or answer.message != _NOT_UTF_8:
            return answer
        answer = _run(
            connection, Query("SELECT type, name, tbl_name, CAST(sql AS BLOB) FROM sqlite_master ORDER BY rowid")
        )
        if isinstance(answer, Failure):
            return answer
        self._has_replaced_bytes = True
        return answer._replace(rows=tuple((*row[:3], _decoded(row[3])) for row in answer.rows))

    def size(self, transaction: Transaction) -> int:
        """Return 0: a file takes no request."""
        return 0

    def close(self) -> None:
        """Do nothing: each call has its own connection."""

    def _begin(self, connection: Connection, *, foreign_keys: bool) -> Failure | None:
        """Begin a write transaction that overwrites what it deletes, with foreign keys set and read back.

        `PRAGMA foreign_keys` does nothing inside a transaction: https://www.sqlite.org/pragma.html#pragma_foreign_keys.
        """
        _run(connection, Query(f"PRAGMA foreign_keys={int(foreign_keys)}"))
        setting = _run(connection, Query("PRAGMA foreign_keys"))
        if not isinstance(setting, Rows) or setting.rows != ((int(foreign_keys),),):
            return Failure("foreign keys could not be switched on or off", SETTING_NOT_TAKEN)
        reply = self._when_free(connection, "BEGIN IMMEDIATE")
        if isinstance(reply, Failure):
            return reply
        _run(connection, Query(f"PRAGMA cache_size = -{_CACHE}"))
        return _overwrite_deleted(connection)

    def _when_free(self, connection: Connection, sql: str) -> Rows | Failure:
        """Run a statement that needs the lock; retry while another connection holds it and the budget lasts."""
        retries = Backoff(self.retry_budget)
        while _is_busy(reply := _run(connection, Query(sql))) and retries.wait(_LOCKED):
            pass
        return reply

    @contextmanager
    def _connection(self, *, creates: bool) -> Iterator[Connection]:
        """Open a connection in autocommit mode. Closing it rolls back an open transaction.

        A missing file reads as an empty database in memory, unless the connection `creates` it. The connection does not
        wait for a lock by itself, because SQLite's waiting cannot be interrupted.
        """
        self._connections += 1
        count_request()
        if _is_of_tursos_engine(self._file):
            raise UNSUPPORTED_ENGINE.error(DatabaseError, "{}: the file is in its MVCC mode.")
        try:
            exists = self._file.exists()
            connection = Connection.to_file(self._file) if creates or exists else Connection.in_memory()
            if creates and not exists:  # SQLite gives the journal, the log and its index to the owner of the file
                give_to_owner(self._file.resolve())
        except SqliteError as error:
            raise explain(_failure(error)).error(DatabaseError) from error
        try:
            yield connection
        finally:
            connection.close()


def _is_of_tursos_engine(file: Path) -> bool:
    """Return True for a file in the MVCC mode of Turso's own engine, which has versions of its own in the header.

    https://www.sqlite.org/fileformat2.html#file_format_version_numbers
    """
    try:
        with file.open("rb") as content:
            header = content.read(20)
    except OSError:  # SQLite reports what is wrong with it
        return False
    return header.startswith(b"SQLite format 3\0") and header[18:20] == b"\xff\xff"


def _run_steps(transaction: Transaction, connection: Connection, results: list[Rows | None]) -> FailedStep | None:
    """Run the steps up to the first that fails, which is returned, and fill in their results."""
    for index, one in enumerate(transaction.steps):
        report_step(f"step {index + 1:,} of {len(results):,}: {one.label}")
        reply = (_run_without_overwriting if one.leaves_copies else _run)(connection, one.query)
        if isinstance(reply, Failure):
            return FailedStep(index, reply)
        results[index] = reply
        if not connection.in_transaction:
            raise _ended_early()
    return None


def _require_usable_path(file: Path) -> None:
    """Raise InputError if no such file can exist."""
    try:
        has_folder, is_folder = file.parent.is_dir(), file.is_dir()
        is_special = file.exists() and not file.is_file()
    except OSError as error:  # for example a name that is too long, or a folder without permission
        raise InputError(
            ErrorCode.DATABASE_URL_INVALID,
            f"the database file cannot be reached: {error.strerror}",
            hint="Check the name, and the permissions of the folders that lead to it.",
        ) from None
    if not has_folder:
        raise InputError(
            ErrorCode.DATABASE_URL_INVALID, "the folder of the database file does not exist", hint="Create it first."
        )
    if is_folder:
        raise InputError(
            ErrorCode.DATABASE_URL_INVALID,
            "the database file is a folder",
            hint="Name a file in it: file:folder/name.db.",
        )
    if is_special:
        raise InputError(
            ErrorCode.DATABASE_URL_INVALID,
            "the database file is a device, a pipe or a socket",
            hint="Name a regular file.",
        )


def _run(connection: Connection, query: Query) -> Rows | Failure:
    try:
        return Rows(*connection.execute(query.sql, query.arguments))
    except SqliteError as error:
        return _failure(error)


def _decoded(sql: Value) -> Value:
    if not isinstance(sql, bytes):
        return sql
    return re.sub(
        "[\udc80-\udcff]", lambda byte: chr(ord(byte[0]) - 0xDC80 + 0x10FF00), sql.decode(errors="surrogateescape")
    )


def _run_without_overwriting(connection: Connection, query: Query) -> Rows | Failure:
    """Run a statement without overwriting the pages that it frees.

    To overwrite deleted content, DROP TABLE writes every page twice more, to the journal and as zeros. FAST avoids only
    that: https://www.sqlite.org/pragma.html#pragma_secure_delete
    """
    _run(connection, Query("PRAGMA secure_delete = FAST"))
    reply = _run(connection, query)
    failure = _overwrite_deleted(connection)
    return reply if isinstance(reply, Failure) else failure or reply


def _overwrite_deleted(connection: Connection) -> Failure | None:
    setting = _run(connection, Query("PRAGMA secure_delete = ON"))
    if isinstance(setting, Rows) and setting.rows == ((_SECURE_DELETE_ON,),):
        return None
    return Failure("the overwriting of what is deleted could not be switched on", SETTING_NOT_TAKEN)


def _failure(error: SqliteError) -> Failure:
    return Failure(error.message, error.code, error.offset)


def _is_busy(answer: Rows | Failure) -> bool:
    return isinstance(answer, Failure) and answer.code.startswith("SQLITE_BUSY")


def _stopped() -> DatabaseError:
    return DatabaseError(
        ErrorCode.STOPPED,
        "A signal stopped the run, and the transaction was rolled back",
        hint="Run it again.",
    )


def _ended_early() -> DatabaseError:
    return DatabaseError(
        ErrorCode.UNEXPECTED_REPLY,
        "a step ended the transaction before the last step",
        hint="Check the database: changes that a step committed by itself remain.",
        committed=None,
    )
