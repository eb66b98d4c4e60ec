"""The SQL files of the schema folder into CREATE statements, each with its place; all else in them is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

from turso_deploy.catalog.scratch import syntax_error
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.sql.lexer import SqlTextError, fold_case, position
from turso_deploy.sql.splitter import Statement, split
from turso_deploy.sql.statement_kinds import Description, StatementKind, describe

# Folders inside the schema folder whose files are not definitions.
_OTHER_FOLDERS = frozenset({"seeds", "scripts", "queries"})

# The order in which definitions run: what an object stands on comes before it, whatever file it is in.
_ORDER = {
    StatementKind.CREATE_TABLE: 0,
    StatementKind.CREATE_VIRTUAL_TABLE: 1,
    StatementKind.CREATE_INDEX: 2,
    StatementKind.CREATE_VIEW: 3,
    StatementKind.CREATE_TRIGGER: 4,
}

_DECLARE = "Schema files hold CREATE statements only: change the definition itself, and the plan follows from it."
_REASONS = {
    StatementKind.CREATE_TABLE_AS_SELECT: "It copies rows and loses types and constraints. Write the columns out; rows "
    "belong into seeds/.",
    StatementKind.CREATE_TEMPORARY: "Temporary objects vanish with the connection, and libSQL servers refuse them.",
    StatementKind.ALTER: _DECLARE,
    StatementKind.DROP: _DECLARE,
    StatementKind.WRITE: "Rows belong into seeds/, a file a table.",
    StatementKind.SELECT: _DECLARE,
    StatementKind.PRAGMA: "Pragmas are settings of a connection, no part of a schema; foreign keys are always on.",
    StatementKind.TRANSACTION: "The whole deployment already is one transaction.",
    StatementKind.VACUUM: "libSQL servers refuse it, and it cannot run in a transaction.",
    StatementKind.ANALYZE: "libSQL servers refuse it.",
    StatementKind.ATTACH: "A deployment is about one database.",
    StatementKind.DETACH: "A deployment is about one database.",
}


class Source(Struct, frozen=True):
    """One CREATE statement of the schema folder."""

    statement: Statement
    description: Description
    place: Place

    @property
    def key(self) -> tuple[str, str]:
        """Kind and folded name, as the catalog identifies the object."""
        kind = self.description.kind.removeprefix("CREATE ").removeprefix("VIRTUAL ").lower()
        return kind, fold_case(self.description.name or "")

    @property
    def stored_place(self) -> Place:
        """Where the text that the engine stores begins: it joins what stands before the object's name into one line.

        https://www.sqlite.org/schematab.html#interpretation_of_the_schema_table
        """
        return self.place_at(self.description.named_at)

    def place_at(self, offset: int) -> Place:
        """The place of an offset in the statement."""
        line, column = position(self.statement.text, offset)
        column += self.statement.column - 1 if line == 1 else 0
        return Place(self.place.file, self.statement.line + line - 1, column)


def read_sources(folder: Path, shown: str) -> list[Source]:
    """Every CREATE statement below the folder, in the order in which they can run.

    `shown` is how places name the folder. Raises ProjectError where the folder or a file cannot be used.
    """
    if not folder.is_dir():
        raise ProjectError(
            ErrorCode.SCHEMA_NOT_FOUND,
            f"There is no schema folder `{shown}`{': it is a file' if folder.exists() else ''}.",
            hint="Name it with --schema-path (input `schema-path`), relative to the working folder. In a workflow, "
            "actions/checkout has to run first.",
        )
    _refuse_unreadable_folders(folder, shown)
    sources = [
        source
        for path in _sql_files(folder, shown)
        for source in _read_file(path, f"{shown}/{path.relative_to(folder).as_posix()}")
    ]
    if not sources:
        raise ProjectError(
            ErrorCode.SCHEMA_EMPTY,
            f"The schema folder `{shown}` holds no CREATE statement.",
            hint="Put the definitions into *.sql files in it. An empty folder would mean an empty database.",
        )
    _refuse_duplicates(sources)
    return sorted(sources, key=lambda source: _ORDER[source.description.kind])


def _refuse_unreadable_folders(folder: Path, shown: str) -> None:
    """A folder that cannot be looked into seems empty, be it for scripts or seeds, and what it defines seems gone."""

    def refuse(error: OSError) -> NoReturn:
        raise _closed("folder", error.errno, f"{shown}/{Path(error.filename).relative_to(folder).as_posix()}")

    for found, _, _ in os.walk(folder, onerror=refuse):
        if not os.access(found, os.X_OK):  # its files have names, and nothing else
            refuse(PermissionError(errno.EACCES, "", found))


def _sql_files(folder: Path, shown: str) -> list[Path]:
    found = [path for path in sorted(folder.rglob("*")) if path.relative_to(folder).parts[0] not in _OTHER_FOLDERS]
    inside = folder.resolve()
    for path in found:
        # What a link leads to could be quoted in a message; and a folder behind a link is not looked into.
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(inside)):
            raise ProjectError(
                ErrorCode.SCHEMA_NOT_FOUND,
                "This link does not lead to a file inside the schema folder.",
                hint="Put the files themselves into the folder.",
                place=Place(f"{shown}/{path.relative_to(folder).as_posix()}"),
            )
    return [path for path in found if path.suffix.lower() == ".sql" and path.is_file()]


def _read_file(path: Path, shown: str) -> Iterator[Source]:
    try:
        script = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _closed("file", error.errno, shown) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ProjectError(
            ErrorCode.SQL_SYNTAX, "The file is not UTF-8 text.", hint="Save it as UTF-8.", place=Place(shown, line)
        ) from None
    try:
        statements = split(script)
    except SqlTextError as error:
        raise _unreadable(error.message, Place(shown, *position(script, error.offset))) from None
    for statement in statements:
        place = Place(shown, statement.line, statement.column)
        try:
            source = Source(statement, describe(statement.text), place)
        except SqlTextError as error:
            raise _unreadable_statement(Source(statement, Description(StatementKind.OTHER), place), error) from None
        _refuse_what_is_no_definition(source)
        yield source


def _closed(kind: str, number: int | None, shown: str) -> ProjectError:
    return ProjectError(
        ErrorCode.SCHEMA_NOT_FOUND,
        f"The {kind} cannot be read: {os.strerror(number or 0)}.",
        hint="Give the user who deploys the right to read it.",
        place=Place(shown.removesuffix("/.")),
    )


def _refuse_what_is_no_definition(source: Source) -> None:
    description, place = source.description, source.place
    if description.kind is StatementKind.OTHER:
        raise _unreadable_statement(source)
    if description.kind not in _ORDER:
        raise _forbidden(description.kind.value, _REASONS.get(description.kind, _DECLARE), place)
    if description.schema and fold_case(description.schema) != "main":
        raise _forbidden(f"an object of the schema {description.schema}", _REASONS[StatementKind.ATTACH], place)


def _unreadable_statement(source: Source, error: SqlTextError | None = None) -> ProjectError:
    """What is wrong with a statement, in SQLite's own words and at the token that it stumbles over."""
    if refusal := syntax_error(source.statement.text):
        return _unreadable(refusal.message, source.place_at(refusal.offset or 0))
    message, offset = (error.message, error.offset) if error else ("this is no CREATE statement", 0)
    return _unreadable(message, source.place_at(offset))


def _forbidden(what: str, reason: str, place: Place) -> ProjectError:
    return ProjectError(ErrorCode.SQL_FORBIDDEN, f"A schema file cannot hold {what}.", hint=reason, place=place)


def _unreadable(message: str, place: Place) -> ProjectError:
    return ProjectError(
        ErrorCode.SQL_SYNTAX, f"The SQL cannot be read: {message}.", hint="Correct the statement here.", place=place
    )


def _refuse_duplicates(sources: list[Source]) -> None:
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
