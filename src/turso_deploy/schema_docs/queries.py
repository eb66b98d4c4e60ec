"""Run the common queries, `queries/*.sql` of the schema folder, in the scratch database with the seeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.catalog.sources import DEFINITIONS, StatementFolder
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.transaction import Query
from turso_deploy.project.sql_files import read_statement_files
from turso_deploy.schema_docs.page_data import QueryResult
from turso_deploy.sql.comments import documentation
from turso_deploy.sql.splitter import Statement
from turso_deploy.sql.statement_kinds import StatementKind
from turso_deploy.sqlite.connection import FUNCTION, READ, RECURSIVE, SELECT
from turso_deploy.sqlite.limits import limited_at, size_of

MAX_RESULT_BYTES = 5_000_000
"""Maximum size of all results together, which are on one page."""

# Actions of a SELECT for sqlite3_set_authorizer(): https://www.sqlite.org/c3ref/c_alter_table.html
_READING = {SELECT, READ, FUNCTION, RECURSIVE}
_HINT = "Correct it here. Queries are run with the schema and the seeds of this folder."


def _invalid(message: str, place: Place, hint: str = _HINT) -> ProjectError:
    return ProjectError(
        ErrorCode.SQL_INVALID, f"The queries for the documentation cannot be used: {message}.", hint=hint, place=place
    )


QUERIES = StatementFolder(
    "queries",
    StatementKind.SELECT,
    "a query file",
    "only files directly in `queries/` are read",
    {
        **dict.fromkeys(DEFINITIONS, "move it into a schema file, and leave the queries that read it here"),
        StatementKind.CREATE_TABLE_AS_SELECT: "leave its SELECT only: queries change nothing",
        StatementKind.CREATE_TEMPORARY: "write what it selects as `WITH … AS (…)` of the queries that read it",
        StatementKind.EXPLAIN: "leave the statement without it: the page shows the plan of each query",
    },
    _invalid,
    ErrorCode.SQL_INVALID,
)
"""The folder of the queries. Only `docs` reads it."""


def run_queries(folder: SchemaFolder, scratch: Scratch) -> list[tuple[str, list[QueryResult]]]:
    """Run every query, and return the results by the stem of the file.

    Raises ProjectError with the place of a statement that is not a SELECT, or that fails.
    """
    results = []
    left = MAX_RESULT_BYTES
    for file in read_statement_files(folder, QUERIES):
        found = []
        for statement in file.statements:
            place = folder.place(file.name, statement.line)
            with limited_at(place):
                found.append(_run(statement, place.file, scratch, left))
            left -= size_of(found[-1].rows)
        results.append((PurePosixPath(file.name).stem, found))
    return results


def statements_of(folder: SchemaFolder) -> Iterator[tuple[str, Place, str]]:
    """Yield the name of the file, the place and the SQL of every query."""
    for file in read_statement_files(folder, QUERIES):
        for statement in file.statements:
            yield file.name, folder.place(file.name, statement.line), statement.text


def _run(statement: Statement, file: str, scratch: Scratch, max_bytes: int) -> QueryResult:
    try:
        plan = _plan(statement.text, scratch)
        with scratch.connection.authorized_by(lambda action, *_: action in _READING):
            found = scratch.query(Query(statement.text), max_bytes)
    except ScratchError as error:
        line = statement.text.count("\n", 0, error.offset or 0)
        raise _invalid(error.message, Place(file, statement.line + line)) from None
    title, _, meaning = documentation(statement.comments).partition("\n")
    return QueryResult(
        title.strip().rstrip(".") or f"Line {statement.line}",
        " ".join(meaning.split()),
        statement.text,
        found.columns,
        tuple(tuple(row) for row in found.rows),
        plan,
    )


def _plan(sql: str, scratch: Scratch) -> tuple[str, ...]:
    """Return the steps of the query plan, indented by level: https://www.sqlite.org/eqp.html."""
    depths: dict[object, int] = {0: -1}
    lines = []
    for step, parent, _, text in scratch.query(Query(f"EXPLAIN QUERY PLAN {sql}")).rows:
        depths[step] = depths.get(parent, -1) + 1
        lines.append("  " * depths[step] + str(text))
    return tuple(lines)
