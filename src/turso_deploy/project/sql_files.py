"""Read the SQL files of the schema folder: statements with their places, and one error for all in wrong files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import PurePosixPath
from typing import NamedTuple

from turso_deploy.catalog.scratch import find_syntax_error
from turso_deploy.catalog.sources import (
    DEFINITIONS,
    Fault,
    Source,
    StatementFolder,
    error_of,
    forbidden,
    made_by_sqlite,
    of_another_kind,
    skipped_beside,
)
from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder, SkippedStatement
from turso_deploy.core.text import capitalized
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


class SqlFile(NamedTuple):
    """The statements of a file with a content of its own: a script or a query file. `name` is that in the folder."""

    folder: StatementFolder
    name: str
    text: str
    statements: tuple[Statement, ...]


class Sources(NamedTuple):
    """The definitions of a schema folder in the order in which they can run, and the statements that are skipped.

    `others` are the files of the folders for scripts and queries that were read with them.
    """

    definitions: list[Source]
    skipped: tuple[SkippedStatement, ...]
    others: tuple[SqlFile, ...] = ()


def read_sources(folder: SchemaFolder, others: Sequence[StatementFolder] = ()) -> Sources:
    """Read all definitions below a folder, those that others depend on first, and the files of other folders in it.

    Raises ProjectError for all statements that are in a wrong file and not skipped, and for a name that is defined
    twice.
    """
    names = _other_files(folder)
    files = [(name, *_parsed(folder, name, folder.read_text(name))) for name in filter(_is_sql, names)]
    definitions = [source for _, sources, _ in files for source in sources if source.is_definition]
    made = list(made_by_sqlite(definitions))
    faults = [
        fault for name, sources, unreadable in files for fault in _in_order(*unreadable, *_forbidden(name, sources))
    ]
    faults += [found for found in made if isinstance(found, Fault)]
    found_files = [found for other in others for found in _files_of(folder, other)]
    faults += [fault for _, found_faults in found_files for fault in found_faults]
    if faults:
        raise error_of(faults)
    skipped = [found for _, sources, _ in files for found in skipped_beside(sources)]
    skipped += [found for found in made if isinstance(found, SkippedStatement)]
    places = {found.place for found in skipped}
    definitions = [source for source in definitions if source.place not in places]
    if not definitions:
        raise ProjectError(
            ErrorCode.SCHEMA_EMPTY,
            f"The schema folder `{folder.shown}` holds no CREATE statement.",
            hint="Put the definitions into *.sql files in it. An empty folder would mean an empty database.",
        )
    _require_unique_names(definitions)
    _require_no_seeds(folder, names, {source.key[1] for source in definitions if source.key[0] == "table"})
    in_order = sorted(definitions, key=lambda source: DEFINITIONS.index(source.description.kind))
    return Sources(in_order, tuple(skipped), tuple(file for file, _ in found_files))


def read_statement_files(folder: SchemaFolder, others: StatementFolder) -> list[SqlFile]:
    """Read the files of a folder for statements of one kind. Raises ProjectError for all statements of other kinds."""
    found = list(_files_of(folder, others))
    if faults := [fault for _, faults in found for fault in faults]:
        raise error_of(faults)
    return [file for file, _ in found]


def _files_of(folder: SchemaFolder, others: StatementFolder) -> Iterator[tuple[SqlFile, list[Fault]]]:
    """Yield each SQL file directly in a folder of the schema folder, with its faults; hidden files are left out.

    Raises ProjectError for a file that cannot be read, and for a folder in the folder.
    """
    if folder.has(others.name) and not folder.is_folder(others.name):
        raise others.error_at("this is not a folder", folder.place(others.name))
    for name in folder.entries(f"{others.name}/*"):
        path = PurePosixPath(name)
        if path.name.startswith("."):
            continue
        if folder.is_folder(name):
            hint = f"Move its files one level up, into `{others.name}/`, or the folder out of it."
            raise others.error_at(f"this is a folder, and {others.nested}", folder.place(name), hint)
        if not _is_sql(name):
            continue
        try:
            text = folder.read_text(name)
        except SchemaFileError as error:
            raise others.error_at(error.reason, error.place, error.hint) from None
        sources, unreadable = _parsed(folder, name, text)
        unreadable = [fault._replace(code=others.code) for fault in unreadable]
        faults = _in_order(*unreadable, *of_another_kind(sources, others))
        if first := others.fault_of_first_line(text, folder.place(name, 1)):
            faults = [first, *(fault for fault in faults if fault not in unreadable or fault.place.line != 1)]
        yield SqlFile(others, name, text, tuple(source.statement for source in sources)), faults


def _in_order(*faults: Fault) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.place.line or 0, fault.place.column or 0))


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
    def remedy(self) -> str:
        """What to do about it, as a clause."""
        return (
            f"if `{self.folder}/` is the folder of {self.meant}, its name has to be `{self.meant}/`, directly in the "
            "schema folder and in lower case"
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
            hint = f"{capitalized(misnamed.remedy)}."
            raise _unread_seeds(f"files in `{misnamed.folder}/` are not read", hint, folder.place(name))
        if path.suffix.lower() == ".csv" and fold_case(path.stem) in tables:
            reason = f"this file is named for the table {path.stem}, and only files in `seeds/` are read"
            hint = "Move it into `seeds/`, or out of the schema folder if it holds no seeds."
            raise _unread_seeds(reason, hint, folder.place(name))


def _unread_seeds(reason: str, hint: str, place: Place) -> ProjectError:
    return ProjectError(ErrorCode.SEED_INVALID, f"The seeds cannot be used: {reason}.", hint=hint, place=place)


def _parsed(folder: SchemaFolder, name: str, text: str) -> tuple[list[Source], list[Fault]]:
    """Return the statements of a file, and the faults of those that cannot be read."""
    try:
        statements = split(text)
    except SqlTextError as error:
        return [], [_unreadable(error.message, folder.place(name, *position(text, error.offset)))]
    sources, faults = [], []
    for statement in statements:
        place = folder.place(name, statement.line, statement.column)
        try:
            source = Source(statement, describe(statement.text), place)
        except SqlTextError as error:
            faults.append(_syntax_fault(Source(statement, Description(StatementKind.OTHER), place), error))
            continue
        if source.description.kind is StatementKind.OTHER:
            faults.append(_syntax_fault(source))
        else:
            sources.append(source)
    return sources, faults


def _forbidden(name: str, sources: Sequence[Source]) -> list[Fault]:
    """Return the faults of the statements of a file that are no definitions, and are not skipped."""
    misnamed = _misnamed_folder(name)
    faults = forbidden(sources)
    return [fault._replace(remedy=misnamed.remedy) for fault in faults] if misnamed else list(faults)


def _syntax_fault(source: Source, error: SqlTextError | None = None) -> Fault:
    """Return the fault of a statement, with SQLite's message and at the token that it rejects, if it rejects one."""
    if refused := find_syntax_error(source.statement.text):
        return _unreadable(refused.message, source.place_at(refused.offset or 0))
    message, offset = (error.message, error.offset) if error else ("this is not a CREATE statement", 0)
    return _unreadable(message, source.place_at(offset))


def _unreadable(message: str, place: Place) -> Fault:
    what = f"the SQL cannot be read: {message}"
    return Fault(ErrorCode.SQL_SYNTAX, what, what, "correct the statement here", place)


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
