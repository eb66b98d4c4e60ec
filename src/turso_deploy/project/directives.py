"""Read the directives in comments of the SQL files: renames and backfills on the way to the wanted schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.catalog.sources import Source
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.sql.comments import column_comments, directives, plain
from turso_deploy.sql.definitions import NO_DIRECTIVES, Directives, TableDirectives
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import SqlTextError, TokenKind, fold_case, position, quote_identifier, scan
from turso_deploy.sql.parser import parse_table
from turso_deploy.sql.schema import Schema
from turso_deploy.sql.splitter import Comment
from turso_deploy.sql.statement_kinds import StatementKind


def read_directives(sources: Iterable[Source]) -> dict[str, TableDirectives]:
    """Return the directives of every table that has any, by its folded name.

    Raises ProjectError (`directive-invalid`) with the line of a malformed or misplaced one.
    """
    found = {}
    for source in sources:
        statement = source.statement
        if not any("@" in text for text in (statement.text, *(comment.text for comment in statement.comments))):
            continue
        try:
            directives_of_table = _table_directives_in(source)
        except SqlTextError as error:
            raise _malformed(error, source) from None
        if directives_of_table is not None:
            found[fold_case(source.description.name or "")] = directives_of_table
    return found


def _table_directives_in(source: Source) -> TableDirectives | None:
    """Return the directives in the comments of one statement; None if it defines no table."""
    above, text = source.statement.comments, source.statement.text
    match source.description.kind:
        case StatementKind.CREATE_TABLE:
            return TableDirectives(_table_directives(above), _column_directives(text))
        case StatementKind.CREATE_VIRTUAL_TABLE:
            _require_no_directive(_comments_in(text), "columns of a virtual table cannot be renamed or backfilled")
            return TableDirectives(_table_directives(above), {})
        case _:
            _require_no_directive([*above, *_comments_in(text)], "it belongs to a table; other objects have no rows")
            return None


def _comments_in(sql: str) -> list[Comment]:
    return [plain(token) for token in scan(sql) if token.kind is TokenKind.COMMENT]


def _require_no_directive(comments: Iterable[Comment], reason: str) -> None:
    """Raise SqlTextError if one of the comments is a directive, which would be ignored here."""
    for comment in comments:
        if directives([comment]) != NO_DIRECTIVES:
            raise SqlTextError(reason, comment.start)


def _column_directives(sql: str) -> dict[str, Directives]:
    definition = parse_table(sql)
    found = {}
    of_columns = column_comments(sql, definition)
    owned = {comment.start for comments in of_columns.values() for comment in comments}
    misplaced = [comment for comment in _comments_in(sql) if comment.start not in owned]
    _require_no_directive(misplaced, "it belongs to no column; put it directly above one, or at the end of its line")
    for name, comments in of_columns.items():
        found[name] = directives(comments)
        if found[name].using is not None and definition.by_name[name].generated is not None:
            raise SqlTextError("a generated column takes its values from its own expression", comments[0].start)
    return found


def _table_directives(comments: Sequence[Comment]) -> Directives:
    found = directives(comments)
    if found.using is not None:
        raise SqlTextError("@using belongs to a column, not to a table", comments[0].start)
    return found


def _malformed(error: SqlTextError, source: Source) -> ProjectError:
    # The offset of a comment above the statement counts from the script, of one inside it from the statement.
    above = any(comment.start == error.offset for comment in source.statement.comments)
    lines = 0 if above else position(source.statement.text, error.offset)[0] - 1
    return ProjectError(
        ErrorCode.DIRECTIVE_INVALID,
        f"The directive cannot be used: {error.message}.",
        hint="The directives are `-- @renamed from=old_name` and `-- @using <expression>`, each in its own comment.",
        place=Place(source.place.file, (source.place.line or 1) + lines),
    )


def compile_backfills(wanted: Schema, scratch: Scratch) -> None:
    """Compile each `@using` expression, so that the scratch database knows the functions that no engine has.

    The columns of older databases are not known, so any name is a column here. Other errors are those of a plan.
    """
    for table in wanted.all_tables.values():
        for at_column in table.directives.columns.values():
            if at_column.using is not None:
                names = sorted(identifiers_in(at_column.using))
                columns = ", ".join(f"NULL AS {quote_identifier(name)}" for name in names) or "NULL"
                with suppress(ScratchError):
                    scratch.compile(f"SELECT ({at_column.using}) FROM (SELECT {columns})")
