"""Read the SQL files of the schema folder: CREATE statements with their places, and an error for anything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from pathlib import PurePosixPath
from typing import NamedTuple

from turso_deploy.catalog.scratch import find_syntax_error
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.sql.lexer import SqlTextError, fold_case, position
from turso_deploy.sql.splitter import Statement, split
from turso_deploy.sql.statement_kinds import Description, StatementKind, describe

# Folders inside the schema folder whose files are not definitions, and names that mean them.
_OTHER_FOLDERS = {
    "seeds": frozenset({"seed", "seeds"}),
    "scripts": frozenset({"script", "scripts"}),
    "queries": frozenset({"query", "queries", "querys"}),
}
_SEED_ENDINGS = frozenset({".csv", ".json", ".jsonl", ".yaml", ".yml"})

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
    names = _other_files(folder)
    sources = [source for name in filter(_is_sql, names) for source in _read_file(folder, name)]
    if not sources:
        raise ProjectError(
            ErrorCode.SCHEMA_EMPTY,
            f"The schema folder `{folder.shown}` holds no CREATE statement.",
            hint="Put the definitions into *.sql files in it. An empty folder would mean an empty database.",
        )
    _require_unique_names(sources)
    _require_no_seeds(folder, names, {source.key[1] for source in sources if source.key[0] == "table"})
    return sorted(sources, key=lambda source: _ORDER[source.description.kind])


def _other_files(folder: SchemaFolder) -> list[str]:
    """Return the names of the files outside the folders that have a content of their own."""
    names = [name for name in folder.entries("**/*") if name.partition("/")[0] not in _OTHER_FOLDERS]
    for name in filter(folder.is_link, names):
        folder.require_file(name)  # a folder behind a link is not searched, so its definitions would be missing
    return [name for name in names if not folder.is_folder(name)]


def _is_sql(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() == ".sql"


class _Misnamed(NamedTuple):
    """A folder that is probably meant to be one of the folders with a content of their own, and the name of that."""

    folder: str
    meant: str

    @property
    def hint(self) -> str:
        """What to do about it."""
        return (
            f"If `{self.folder}/` is the folder of {self.meant}, its name has to be `{self.meant}/`, directly in the "
            "schema folder and in lower case."
        )


def _misnamed_folder(name: str) -> _Misnamed | None:
    """Return the first folder above a file that is a known one in another place, case or number, or misspelt."""
    from difflib import get_close_matches

    parts = PurePosixPath(name).parts[:-1]
    for index, part in enumerate(parts):
        plain = "".join(filter(str.isalnum, fold_case(part)))
        for meant, spellings in _OTHER_FOLDERS.items():
            if get_close_matches(plain, spellings, n=1, cutoff=0.85):
                return _Misnamed("/".join(parts[: index + 1]), meant)
    return None


def _require_no_seeds(folder: SchemaFolder, names: Iterable[str], tables: Set[str]) -> None:
    """Raise ProjectError (`seed-invalid`) for a file that is probably meant as seeds, and would not be read."""
    for name in names:
        path = PurePosixPath(name)
        if path.suffix.lower() not in _SEED_ENDINGS or any(part.startswith(".") for part in path.parts):
            continue
        misnamed = _misnamed_folder(name)
        if misnamed and misnamed.meant == "seeds":
            raise _unread_seeds(f"files in `{misnamed.folder}/` are not read", misnamed.hint, folder.place(name))
        if path.suffix.lower() == ".csv" and fold_case(path.stem) in tables:
            reason = f"this file is named for the table {path.stem}, and only files in `seeds/` are read"
            hint = "Move it into `seeds/`, or out of the schema folder if it holds no seeds."
            raise _unread_seeds(reason, hint, folder.place(name))


def _unread_seeds(reason: str, hint: str, place: Place) -> ProjectError:
    return ProjectError(ErrorCode.SEED_INVALID, f"The seeds cannot be used: {reason}.", hint=hint, place=place)


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
        _require_definition(source, name)
        yield source


def _require_definition(source: Source, name: str) -> None:
    description, place = source.description, source.place
    if description.kind is StatementKind.OTHER:
        raise _statement_error(source)
    if description.kind not in _ORDER:
        misnamed = _misnamed_folder(name)
        hint = misnamed.hint if misnamed else _REASONS.get(description.kind, _DECLARE)
        raise _forbidden(description.kind.value, hint, place)
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
