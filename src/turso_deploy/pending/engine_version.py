"""Reject SQL of the schema folder that is newer than the SQLite of the database, or that only servers have.

turso-deploy brings a newer SQLite than most databases have. What that accepts, an older one may reject, or give another
result for. A file may be opened by other programs with an older SQLite, to which one definition that it cannot parse
makes the whole file malformed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.rows import NO_TEXT
from turso_deploy.core.errors import MAX_LISTED, Cause, ErrorCode, Place, PlanError, listed
from turso_deploy.plan.plan import Plan
from turso_deploy.project.project import Project
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import column_title
from turso_deploy.sql.schema import Index, SchemaObject, Table, key_of, place_in
from turso_deploy.sqlite.connection import VERSION
from turso_deploy.sqlite.newer_sql import OLDEST, NewerSql, newer_sql_in
from turso_deploy.transaction.database_state import DatabaseState


def require_engine(project: Project, state: DatabaseState, *, is_file: bool) -> None:
    """Check what the database does not have yet. Raises PlanError (`plan-impossible`) with the place of each fault."""
    live = {key_of(item): item.definition for item in state.catalog.schema.objects()}
    new = [item for item in project.wanted.objects() if live.get(key_of(item)) != item.definition]
    causes = [
        Cause(_fault(item.name, found), place)
        for item in new
        for found in newer_sql_in(item.sql, OLDEST if is_file else state.sqlite_version, is_server=not is_file)
        for place in [place_in(item.sql, found.offset, item.place)]
    ]
    if not is_file:
        causes += [*_in_backfills(new, state), *_in_scripts(project, state)]
    if causes:
        more = f"\n  and {len(causes) - MAX_LISTED:,} more" if len(causes) > MAX_LISTED else ""
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The schema folder uses newer SQL than the database, {_target(state, is_file=is_file)}:"
            f"{listed(causes[:MAX_LISTED])}{more}",
            hint="Write it in the SQL of that version.",
            place=causes[0].place,
            causes=causes,
        )


def _target(state: DatabaseState, *, is_file: bool) -> str:
    if is_file:
        return (
            f"a file that any program with SQLite {_text(OLDEST)} or newer must be able to open (turso-deploy has "
            f"{VERSION})"
        )
    return f"a server with SQLite {_text(state.sqlite_version)} (turso-deploy has {VERSION})"


def _in_backfills(new: Sequence[SchemaObject], state: DatabaseState) -> Iterator[Cause]:
    for table in new:
        if isinstance(table, Table):
            for column, directives in table.directives.columns.items():
                for found in newer_sql_in(directives.using or "", state.sqlite_version, is_server=True):
                    yield Cause(_fault(column_title(table.name, column), found), table.place_of(column))


def _in_scripts(project: Project, state: DatabaseState) -> Iterator[Cause]:
    """Yield the faults of the scripts that the database has not run; those of a file run in our own SQLite."""
    ran = state.last_deployment.scripts if state.last_deployment else {}
    for script in project.scripts:
        if script.name in ran:
            continue
        for statement in script.statements:
            for found in newer_sql_in(statement.text, state.sqlite_version, is_server=True):
                line = statement.line + statement.text.count("\n", 0, found.offset)
                yield Cause(_fault(script.name, found), Place(script.file, line))


def _fault(name: str, found: NewerSql) -> str:
    parser = ", and which the parser of libSQL does not accept" if found.on_server else ""
    return f"{name} uses {found.name}, which came with SQLite {_text(found.since)}{parser}"


def require_file_support(project: Project) -> None:
    """Check that no definition needs a server, before a file is opened or created. Raises PlanError."""
    causes = [Cause(reason, item.place) for item in project.wanted.objects() if (reason := _reason_for_server(item))]
    if causes:
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The database is a file, and the schema folder needs a libSQL server:{listed(causes)}",
            hint="Deploy to a server, for example sqld on this machine, or leave these out of the folder. Columns of "
            "vectors, such as F32_BLOB(3), need no server.",
            place=causes[0].place,
            causes=causes,
        )


def require_text(live: Catalog, plan: Plan) -> None:
    """Check that no definition of a file with bytes that are no UTF-8 is written again. Raises PlanError."""
    foreign = {row.key: row for row in live.rows if row.sql and NO_TEXT.search(row.sql)}
    if not foreign:
        return
    predicted = {row.key: row.sql or "" for row in plan.predicted.rows}
    written = {sql for step in plan.all_steps for sql in step.statements}
    names = [
        f"{row.kind} {row.name}"
        for key, row in foreign.items()
        if row.sql in written or (NO_TEXT.search(predicted.get(key, "")) and predicted[key] != row.sql)
    ]
    if names:
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            "The plan would write definitions again that have bytes which are not UTF-8, written by another program: "
            f"{', '.join(names)}.",
            hint="Create them again with UTF-8 text by hand, or drop them. `.schema` in the `sqlite3` shell shows the "
            "bytes.",
        )


def _reason_for_server(item: SchemaObject) -> str:
    """Return the reason why only a server takes a definition; "" for any other."""
    if isinstance(item, Index) and "libsql_vector_idx" in identifiers_in(item.sql):
        return f"index {item.name} is a vector index, which only libSQL servers have"
    if isinstance(item, Table) and item.definition.random_rowid:
        return f"table {item.name} has RANDOM ROWID, which only libSQL servers have"
    return ""


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
