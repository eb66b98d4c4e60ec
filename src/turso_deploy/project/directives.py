"""The directives in the comments of the SQL files: how to get from the live schema to the wanted one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.project.sql_files import Source
from turso_deploy.sql.comments import NO_DIRECTIVES, Directives, TableDirectives, column_comments, directives, plain
from turso_deploy.sql.lexer import SqlTextError, TokenKind, fold_case, position, scan
from turso_deploy.sql.parser import parse_table
from turso_deploy.sql.splitter import Comment
from turso_deploy.sql.statement_kinds import StatementKind


def read_directives(sources: Iterable[Source]) -> dict[str, TableDirectives]:
    """The directives of every table that has any, by its folded name.

    Raises ProjectError (`directive-invalid`) with the line of a malformed one.
    """
    found = {}
    for source in sources:
        if "@" not in _text_and_comments(source):
            continue
        try:
            asked = _asked_of(source)
        except SqlTextError as error:
            raise _malformed(error, source) from None
        if asked is not None:
            found[fold_case(source.description.name or "")] = asked
    return found


def _asked_of(source: Source) -> TableDirectives | None:
    """What the comments of one statement ask for; only a table can be asked for anything."""
    above, text = source.statement.comments, source.statement.text
    match source.description.kind:
        case StatementKind.CREATE_TABLE:
            return TableDirectives(_table_directives(above), _column_directives(text))
        case StatementKind.CREATE_VIRTUAL_TABLE:
            _refuse_any(_comments_in(text), "no column of a virtual table can be renamed or filled")
            return TableDirectives(_table_directives(above), {})
        case _:
            _refuse_any(
                [*above, *_comments_in(text)], "it stands at no table, and what else there is has no rows to keep"
            )
            return None


def _comments_in(sql: str) -> list[Comment]:
    return [plain(token) for token in scan(sql) if token.kind is TokenKind.COMMENT]


def _refuse_any(comments: Iterable[Comment], reason: str) -> None:
    """A directive that would do nothing is not passed over: whoever wrote it counts on it."""
    for comment in comments:
        if directives([comment]) != NO_DIRECTIVES:
            raise SqlTextError(reason, comment.start)


def _text_and_comments(source: Source) -> str:
    return source.statement.text + "".join(comment.text for comment in source.statement.comments)


def _column_directives(sql: str) -> dict[str, Directives]:
    definition = parse_table(sql)
    found = {}
    of_columns = column_comments(sql, definition)
    owned = {comment.start for comments in of_columns.values() for comment in comments}
    astray = [comment for comment in _comments_in(sql) if comment.start not in owned]
    _refuse_any(astray, "it stands at no column: it belongs directly above one, or behind it")
    for name, comments in of_columns.items():
        found[name] = directives(comments)
        if found[name].using is not None and definition.by_name[name].generated is not None:
            raise SqlTextError("a generated column has its values from its own expression", comments[0].start)
    return found


def _table_directives(comments: Sequence[Comment]) -> Directives:
    found = directives(comments)
    if found.using is not None:
        raise SqlTextError("@using stands at a column, not at a table", comments[0].start)
    return found


def _malformed(error: SqlTextError, source: Source) -> ProjectError:
    # A comment above the statement counts its offset in the script, one inside of it in the statement.
    above = any(comment.start == error.offset for comment in source.statement.comments)
    lines = 0 if above else position(source.statement.text, error.offset)[0] - 1
    return ProjectError(
        ErrorCode.DIRECTIVE_INVALID,
        f"A comment that starts with @ cannot be followed: {error.message}.",
        hint="The directives are `-- @renamed from=old_name` and `-- @using <expression>`, each in its own comment.",
        place=Place(source.place.file, (source.place.line or 1) + lines),
    )
