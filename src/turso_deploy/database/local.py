"""`file:` databases, through libsql-client, which runs Python's own sqlite3 and does not wait for a lock."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from libsql_client import LibsqlError  # type: ignore[import-untyped]
from libsql_client.sqlite3_utils import Sqlite3Client, Sqlite3Transaction  # type: ignore[import-untyped]

from turso_deploy.database.base import FailedStep, Failure, Outcome, Query, Rows, Transaction
from turso_deploy.database.failures import FOREIGN_KEYS_NOT_SET, explain
from turso_deploy.errors import DatabaseError, ErrorCode, InputError


class LocalDatabase:
    """A database file, created by the first transaction. `path` is the name that the file system knows.

    libsql-client's file client is opened directly: in the URL that its `create_client` takes, `?` and `#` cannot be
    written.
    Raises InputError when there can be no such file.
    """

    def __init__(self, path: str) -> None:
        self._file = Path(path)
        if not self._file.parent.is_dir():
            raise InputError(
                ErrorCode.DATABASE_URL_INVALID,
                "the folder of the database file does not exist",
                hint="Create it first.",
            )
        if self._file.is_dir():
            raise InputError(
                ErrorCode.DATABASE_URL_INVALID,
                "the database file is a folder",
                hint="Name a file in it: file:folder/name.db.",
            )
        self.address = f"file:{path}"
        self.requests = 0
        self.timeout = 0.0
        self.retries: list[str] = []

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        """See `Database.query`: one read transaction, so that all see the same state. A missing file reads as empty."""
        return asyncio.run(self._query(queries))

    def apply(self, transaction: Transaction) -> Outcome:
        """See `Database.apply`."""
        return asyncio.run(self._apply(transaction))

    def close(self) -> None:
        """Nothing to let go of: each call has a connection of its own."""

    async def _query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        async with self._connection(str(self._file) if self._file.exists() else ":memory:") as connection:
            return [await _run(connection, query) for query in queries]

    async def _apply(self, transaction: Transaction) -> Outcome:
        async with self._connection(str(self._file)) as connection:
            results: list[Rows | None] = [None] * len(transaction.steps)
            failure = await _begin(connection, foreign_keys=transaction.foreign_keys)
            if failure is not None:
                return Outcome(False, tuple(results), FailedStep(None, failure))
            for index, one in enumerate(transaction.steps):
                reply = await _run(connection, one.query)
                if isinstance(reply, Failure):
                    return Outcome(False, tuple(results), FailedStep(index, reply))
                results[index] = reply
                if not connection.database.in_transaction:
                    raise _ended_early()
            if not transaction.commit:
                return Outcome(False, tuple(results))
            reply = await _run(connection, Query("COMMIT"))
            if isinstance(reply, Failure):
                return Outcome(False, tuple(results), FailedStep(None, reply))
            return Outcome(True, tuple(results))

    @asynccontextmanager
    async def _connection(self, path: str) -> AsyncIterator[Sqlite3Transaction]:
        """A new connection in a transaction (libsql-client says BEGIN). Closing it rolls back what did not commit."""
        self.requests += 1
        try:
            connection = Sqlite3Client(path).transaction()
        except (sqlite3.Error, LibsqlError) as error:
            explanation = explain(Failure(str(error), getattr(error, "sqlite_errorname", "SQLITE_CANTOPEN")))
            raise DatabaseError(explanation.code, explanation.message, hint=explanation.hint) from error
        try:
            yield connection
        finally:
            connection.close()


async def _begin(connection: Sqlite3Transaction, *, foreign_keys: bool) -> Failure | None:
    """Open the transaction for writing, after the one that libsql-client opened, with foreign keys set and read back.

    `PRAGMA foreign_keys` does nothing inside a transaction: https://www.sqlite.org/pragma.html#pragma_foreign_keys.
    """
    for sql in ("ROLLBACK", f"PRAGMA foreign_keys={int(foreign_keys)}", "PRAGMA foreign_keys", "BEGIN IMMEDIATE"):
        reply = await _run(connection, Query(sql))
        if isinstance(reply, Failure):
            return reply
        if sql == "PRAGMA foreign_keys" and reply.rows != ((int(foreign_keys),),):
            return Failure("foreign keys could not be switched on or off", FOREIGN_KEYS_NOT_SET)
    return None


async def _run(connection: Sqlite3Transaction, query: Query) -> Rows | Failure:
    try:
        result = await connection.execute(query.sql, list(query.arguments))
    except LibsqlError as error:
        return Failure(error.explanation, error.code)
    return Rows(result.columns, tuple(row.astuple() for row in result.rows), max(result.rows_affected, 0))


def _ended_early() -> DatabaseError:
    return DatabaseError(
        ErrorCode.UNEXPECTED_REPLY,
        "a step ended the transaction before its last step",
        hint="Look at the database: what a step committed by itself stays.",
        committed=None,
    )
