"""Read the SQL files of the schema folder: CREATE statements with their places, and an error for anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from turso_deploy.catalog.scratch import find_syntax_error
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.sql.lexer import SqlTextError, fold_case, position
from turso_deploy.sql.splitter import Statement, split
from turso_deploy.sql.statement_kinds import Description, StatementKind, describe

# Folders inside the schema folder whose files are not definitions.
_OTHER_FOLDERS = frozenset({"seeds", "scripts", "queries"})

# The order in which definitions run: an object comes after those it depends on, in whichever files they are.
_ORDER = {
    StatementKind.CREATE_TABLE: 0,
    StatementKind.CREATE_VIRTUAL_TABLE: 1,
    StatementKind.CREATE_INDEX: 2,
    StatementKind.CREATE_VIEW: 3,
    StatementKind.CREATE_TRIGGER: 4,
}

_DECLARE = "Schema files hold CREATE statements only. Change the definition itself; the plan is derived from it."
_REASONS = {
    StatementKind.CREATE_TABLE_AS_SELECT: "It copies rows and loses types and constraints. List the columns; put rows "
    "into seeds/.",
    StatementKind.CREATE_TEMPORARY: "Temporary objects exist for one connection only, and libSQL servers reject them.",
    StatementKind.ALTER: _DECLARE,
    StatementKind.DROP: _DECLARE,
    StatementKind.WRITE: "Put rows into seeds/, one file for each table.",
    StatementKind.SELECT: _DECLARE,
    StatementKind.PRAGMA: "Pragmas are settings of a connection, not part of a schema; foreign keys are always on.",
    StatementKind.TRANSACTION: "The whole deployment already is one transaction.",
    StatementKind.VACUUM: "libSQL servers reject it, and it cannot run in a transaction.",
    StatementKind.ANALYZE: "libSQL servers reject it.",
    StatementKind.ATTACH: "A deployment changes one database.",
    StatementKind.DETACH: "A deployment changes one database.",
}


class Source(NamedTuple):
    """A CREATE statement of the schema folder."""

    statement: Statement
    description: Description
    place: Place

    @property
    def key(self) -> tuple[str, str]:
        """Kind and folded name, by which the catalog identifies the object."""
        kind = self.description.kind.removeprefix("CREATE ").removeprefix("VIRTUAL ").lower()
        return kind, fold_case(self.description.name or "")

    @property
    def stored_place(self) -> Place:
        """Place at which the text stored by the engine begins: SQLite normalises what comes before the object's name.

        https://www.sqlite.org/schematab.html#interpretation_of_the_schema_table
        """
        return self.place_at(self.description.named_at)

    def place_at(self, offset: int) -> Place:
        """Return the place of an offset in the statement."""
        line, column = position(self.statement.text, offset)
        column += self.statement.column - 1 if line == 1 else 0
        return Place(self.place.file, self.statement.line + line - 1, column)


def read_sources(folder: SchemaFolder) -> list[Source]:
    """Return every CREATE statement of the folder, in an order in which they can run.

    Raises ProjectError if a file cannot be read, or holds anything but definitions.
    """
    sources = [source for name in _sql_files(folder) for source in _read_file(folder, name)]
    if not sources:
        raise ProjectError(
            ErrorCode.SCHEMA_EMPTY,
            f"The schema folder `{folder.shown}` holds no CREATE statement.",
            hint="Put the definitions into *.sql files in it. An empty folder would mean an empty database.",
        )
    _require_unique_names(sources)
    return sorted(sources, key=lambda source: _ORDER[source.description.kind])


def _sql_files(folder: SchemaFolder) -> list[str]:
    names = [name for name in folder.entries("**/*") if name.partition("/")[0] not in _OTHER_FOLDERS]
    for name in filter(folder.is_link, names):
        folder.require_file(name)  # a folder behind a link is not searched, so its definitions would be missing
    return [name for name in names if PurePosixPath(name).suffix.lower() == ".sql" and not folder.is_folder(name)]


def _read_file(folder: SchemaFolder, name: str) -> Iterator[Source]:
    script = folder.read_text(name)
    try:
        statements = split(script)
    except SqlTextError as error:
        raise _syntax_error(error.message, folder.place(name, *position(script, error.offset))) from None
    for statement in statements:
        place = folder.place(name, statement.line, statement.column)
        try:
            source = Source(statement, describe(statement.text), place)
        except SqlTextError as error:
            raise _statement_error(Source(statement, Description(StatementKind.OTHER), place), error) from None
        _require_definition(source)
        yield source


def _require_definition(source: Source) -> None:
    description, place = source.description, source.place
    if description.kind is StatementKind.OTHER:
        raise _statement_error(source)
    if description.kind not in _ORDER:
        raise _forbidden(description.kind.value, _REASONS.get(description.kind, _DECLARE), place)
    if description.schema and fold_case(description.schema) != "main":
        raise _forbidden(f"an object of the schema {description.schema}", _REASONS[StatementKind.ATTACH], place)


def _statement_error(source: Source, error: SqlTextError | None = None) -> ProjectError:
    """Return the error for a statement, with SQLite's message and at the token that it rejects, if it rejects one."""
    if refused := find_syntax_error(source.statement.text):
        return _syntax_error(refused.message, source.place_at(refused.offset or 0))
    message, offset = (error.message, error.offset) if error else ("this is not a CREATE statement", 0)
    return _syntax_error(message, source.place_at(offset))


def _forbidden(subject: str, reason: str, place: Place) -> ProjectError:
    return ProjectError(ErrorCode.SQL_FORBIDDEN, f"A schema file cannot hold {subject}.", hint=reason, place=place)


def _syntax_error(message: str, place: Place) -> ProjectError:
    return ProjectError(
        ErrorCode.SQL_SYNTAX, f"The SQL cannot be read: {message}.", hint="Correct the statement here.", place=place
    )


def _require_unique_names(sources: list[Source]) -> None:
    # Tables, indexes and views share one set of names, triggers have their own: https://www.sqlite.org/lang_createtable.html
    first: dict[tuple[bool, str], Source] = {}
    for source in sources:
        kind, name = source.key
        earlier = first.setdefault((kind == "trigger", name), source)
        if earlier is not source:
            raise ProjectError(
                ErrorCode.DUPLICATE_OBJECT,
                f"The name {source.description.name} is defined twice: as {earlier.key[0]} at {earlier.place}, "
                f"and as {kind} here.",
                hint="Remove one of the two definitions.",
                place=source.place,
            )
