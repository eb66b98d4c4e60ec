"""Common queries: `queries/*.sql` of the schema folder, each run in the rehearsed database with the seeds in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec import Struct

from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.transaction import Query
from turso_deploy.project.folder import TextFileError, read_text
from turso_deploy.sql.comments import documentation
from turso_deploy.sql.lexer import SqlTextError, position
from turso_deploy.sql.splitter import Statement, split
from turso_deploy.sql.statement_kinds import StatementKind, describe

QUERIES_FOLDER = "queries"

# What sqlite3_set_authorizer() is asked for by a SELECT: https://www.sqlite.org/c3ref/c_alter_table.html
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


class Answer(Struct, frozen=True):
    """A query that was run: what it is for, its columns and rows, and how SQLite goes about it."""

    title: str
    meaning: str
    sql: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    plan: tuple[str, ...]


def run_queries(folder: Path, shown: str, scratch: Scratch) -> list[tuple[str, list[Answer]]]:
    """Run every query, by the stem of its file. Raises ProjectError at the query that is none, or that fails."""
    found = []
    for path in sorted((folder / QUERIES_FOLDER).glob("*.sql")):
        file = f"{shown}/{QUERIES_FOLDER}/{path.name}"
        try:
            text = read_text(path, folder)
        except TextFileError as error:
            raise _refused(error.message, Place(file, error.line)) from None
        try:
            statements = split(text)
        except SqlTextError as error:
            raise _refused(error.message, Place(file, *position(text, error.offset))) from None
        found.append((path.stem, [_run(statement, file, scratch) for statement in statements]))
    return found


def _run(statement: Statement, file: str, scratch: Scratch) -> Answer:
    place = Place(file, statement.line, statement.column)
    try:
        kind = describe(statement.text).kind
    except SqlTextError as error:
        raise _refused(error.message, place) from None
    if kind is not StatementKind.SELECT:
        raise _refused("only SELECT statements can stand here", place)
    try:
        plan = _plan(statement.text, scratch)
        scratch.connection.set_authorizer(lambda action, *_: _verdict(action))
        answer = scratch.query(Query(statement.text))
    except ScratchError as error:
        line = statement.text.count("\n", 0, error.offset or 0)
        raise _refused(error.message, Place(file, statement.line + line)) from None
    finally:
        scratch.connection.set_authorizer(None)
    title, _, meaning = documentation(statement.comments).partition("\n")
    return Answer(
        title.strip().rstrip(".") or f"Line {statement.line}",
        " ".join(meaning.split()),
        statement.text,
        answer.columns,
        tuple(tuple(row) for row in answer.rows),
        plan,
    )


def _plan(sql: str, scratch: Scratch) -> tuple[str, ...]:
    """The steps of the plan, indented by what they belong to: https://www.sqlite.org/eqp.html."""
    depths: dict[object, int] = {0: -1}
    lines = []
    for step, parent, _, text in scratch.query(Query(f"EXPLAIN QUERY PLAN {sql}")).rows:
        depths[step] = depths.get(parent, -1) + 1
        lines.append("  " * depths[step] + str(text))
    return tuple(lines)


def _verdict(action: int) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _refused(message: str, place: Place) -> ProjectError:
    return ProjectError(
        ErrorCode.SQL_INVALID,
        f"The queries of the reference cannot be used: {message}.",
        hint="Correct it here; each is run with the schema and the seeds of this folder.",
        place=place,
    )
