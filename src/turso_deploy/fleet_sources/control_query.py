"""A query on a control database that returns the databases of a fleet. It is read in pages, and cannot write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from turso_deploy.core.errors import Cause, DatabaseError, ErrorCode, InputError, Place
from turso_deploy.core.secret import redact
from turso_deploy.core.transaction import Failure, Query, Rows
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.interface import Database
from turso_deploy.fleet_sources.lists import Entry
from turso_deploy.fleet_sources.names import fleet_error
from turso_deploy.sql.lexer import SqlTextError
from turso_deploy.sql.splitter import split
from turso_deploy.sql.statement_kinds import StatementKind, describe

_PAGE = 5_000
"""The number of databases in one answer, which a server limits to 10 MB."""

_SUBJECT = "The control query"
_HINT = "It has to be one SELECT that returns `name` and `url`; `host` and `canary` may be there."


def read_query(query: str, database: Database, place: Place) -> Iterator[Entry]:
    """Yield the databases that a query returns, by their names. Raises InputError (`fleet-invalid`), DatabaseError.

    The query is embedded as the source of a SELECT, where the engine accepts nothing that writes.
    """
    source = f"(\n{_reading_statement(query, place)}\n)"
    others = _other_columns(database, source, place)
    name = "CAST(name AS TEXT) COLLATE BINARY"
    last: str | None = None
    while True:
        sql = (
            f"SELECT {name} AS name, count(*) OVER (PARTITION BY {name}), {', '.join(others)} FROM {source} "
            f"WHERE ?1 IS NULL OR {name} > ?1 ORDER BY {name} LIMIT {_PAGE}"
        )
        rows = _answer(database, Query(sql, (last,)), place).rows
        for row in rows:
            entry = Entry({"name": row[0], **dict(zip(others, row[2:], strict=True))}, place)
            _reject_null(entry, row[1])
            yield entry
        if len(rows) < _PAGE:
            return
        last = str(rows[-1][0])


def _reading_statement(query: str, place: Place) -> str:
    """Return the only statement of a query without its semicolon."""
    try:
        statements = split(query)
    except SqlTextError as error:
        raise fleet_error([Cause(f"{error.message}", place)], _HINT, _SUBJECT) from None
    if len(statements) != 1:
        raise fleet_error([Cause(f"it has {len(statements)} statements", place)], _HINT, _SUBJECT)
    sql = statements[0].text
    if describe(sql).kind is not StatementKind.SELECT:
        raise fleet_error([Cause("it is not a SELECT: a control query must not write", place)], _HINT, _SUBJECT)
    return sql


def _other_columns(database: Database, source: str, place: Place) -> list[str]:
    """Return the columns besides `name` that are read. Raises InputError unless the query returns `name` and `url`."""
    found = [column.lower() for column in _answer(database, Query(f"SELECT * FROM {source} LIMIT 0"), place).columns]
    causes = list[Cause]()
    for column in ("name", "url"):
        is_twice = f"{column}:1" in found  # SQLite names the second one so
        if column not in found or is_twice:
            causes.append(Cause(f"it returns {'two columns' if is_twice else 'no column'} `{column}`", place))
    if causes:
        raise fleet_error(causes, _HINT, _SUBJECT)
    return ["url", *(column for column in ("host", "canary") if column in found)]


def _answer(database: Database, query: Query, place: Place) -> Rows:
    try:
        [answer] = database.query([query])
    except DatabaseError as error:
        if error.code is ErrorCode.STATEMENT_FAILED:  # a server parses all queries of a request first
            raise _rejected(error.message, error.hint, place) from None
        raise
    if isinstance(answer, Failure):
        explanation = explain(answer)
        raise _rejected(explanation.message, explanation.hint, place)
    return answer


def _rejected(message: str, hint: str | None, place: Place) -> InputError:
    return fleet_error([Cause(redact(message).rstrip("."), place)], hint or _HINT, _SUBJECT)


def _reject_null(entry: Entry, count: Any) -> None:
    for key in ("name", "url"):
        if entry.values[key] is None:
            whose = f" for `{entry.values['name']}`" if key == "url" and entry.values["name"] else ""
            raise _null(key, whose, entry.place)
    if count != 1:
        raise fleet_error(
            [Cause(f"it returns the name `{entry.values['name']}` {count} times", entry.place)], _HINT, _SUBJECT
        )


def _null(key: str, whose: str, place: Place) -> InputError:
    return fleet_error(
        [Cause(f"it returns NULL as `{key}`{whose}", place)],
        "Leave rows of tenants that have no database yet out with WHERE.",
        _SUBJECT,
    )
