"""The directives in the comments of the SQL files: how to get from the live schema to the wanted one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from turso_deploy.errors import ErrorCode, Place, ProjectError
from turso_deploy.schema.sources import Source
from turso_deploy.sql.comments import Directives, column_comments, directives, plain
from turso_deploy.sql.ddl import TableDefinition, parse
from turso_deploy.sql.kinds import StatementKind
from turso_deploy.sql.lexer import Kind, SqlTextError, fold, position, scan
from turso_deploy.sql.script import Comment


class TableDirectives(Struct, frozen=True):
    """What the comments at one table ask for, and those at its columns by folded name."""

    table: Directives
    columns: Mapping[str, Directives]

    def of(self, column: str) -> Directives:
        """The directives at a column; empty ones where there are none."""
        return self.columns.get(fold(column), NO_DIRECTIVES)

    @property
    def reach_further(self) -> bool:
        """Whether other objects are concerned: they follow a rename, or an expression may read them."""
        return any(found.renamed_from or found.using for found in (self.table, *self.columns.values()))


_TABLES = (StatementKind.CREATE_TABLE, StatementKind.CREATE_VIRTUAL_TABLE)

NO_DIRECTIVES = Directives()
NO_TABLE_DIRECTIVES = TableDirectives(NO_DIRECTIVES, {})


def read_directives(sources: Iterable[Source]) -> dict[str, TableDirectives]:
    """The directives of every table that has any, by its folded name.

    Raises ProjectError (`directive-invalid`) with the line of a malformed one.
    """
    found = {}
    for source in sources:
        if source.description.kind not in _TABLES or "@" not in _text_and_comments(source):
            continue
        try:
            at_table = _table_directives(source.statement.comments)
            is_virtual = source.description.kind is StatementKind.CREATE_VIRTUAL_TABLE
            in_text = {} if is_virtual else _column_directives(source.statement.text)
        except SqlTextError as error:
            raise _malformed(error, source) from None
        found[fold(source.description.name or "")] = TableDirectives(at_table, in_text)
    return found


def _text_and_comments(source: Source) -> str:
    return source.statement.text + "".join(comment.text for comment in source.statement.comments)


def _column_directives(sql: str) -> dict[str, Directives]:
    definition = parse(sql)
    assert isinstance(definition, TableDefinition)
    found = {}
    of_columns = column_comments(sql, definition)
    owned = {comment.start for comments in of_columns.values() for comment in comments}
    for token in scan(sql):
        if token.kind is Kind.COMMENT and token.start not in owned and directives([plain(token)]) != NO_DIRECTIVES:
            raise SqlTextError("it stands at no column: it belongs directly above one, or behind it", token.start)
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
        hint="The directives are `-- @renamed from=old_name` and `-- @using <expression>`.",
        place=Place(source.place.file, (source.place.line or 1) + lines),
    )
