"""Read the one-time scripts of a schema folder, and compile them in a scratch database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import PurePosixPath

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.scratch import Scratch, ScratchError, with_names_only
from turso_deploy.core.errors import Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
from turso_deploy.project.scripts import Script, script_error
from turso_deploy.sql.lexer import SqlTextError, position
from turso_deploy.sql.splitter import Statement, split
from turso_deploy.sql.statement_kinds import StatementKind, describe

SCRIPTS_FOLDER = "scripts"
_FIRST_LINES = {"-- @run before": True, "-- @run after": False}


def load_scripts(folder: SchemaFolder, wanted: Scratch) -> tuple[Script, ...]:
    """Read all scripts of a schema folder in the order of their names; compile the `after` ones in the wanted schema.

    Raises ProjectError (`script-invalid`) with file and line.
    """
    scripts = []
    for name in folder.entries(f"{SCRIPTS_FOLDER}/*.sql"):
        script = _read(folder, name)
        if not script.runs_before:
            script = script._replace(fault=_fault(script, wanted))
        scripts.append(script)
    return tuple(scripts)


def _read(folder: SchemaFolder, name: str) -> Script:
    try:
        text = folder.read_text(name)
    except SchemaFileError as error:
        raise script_error(error.reason, error.place, error.hint) from None
    first_line = text.partition("\n")[0].strip()
    if first_line not in _FIRST_LINES:
        raise script_error("its first line has to be `-- @run before` or `-- @run after`", folder.place(name, 1))
    reason = "it may hold INSERT, UPDATE and DELETE only"
    statements = tuple(statements_of_kind(StatementKind.WRITE, reason, folder, name, text, script_error))
    checksum = sha256(text.replace("\r\n", "\n").encode()).hexdigest()
    return Script(PurePosixPath(name).stem, folder.place(name).file, _FIRST_LINES[first_line], checksum, statements)


def statements_of_kind(
    kind: StatementKind,
    reason: str,
    folder: SchemaFolder,
    name: str,
    text: str,
    error_at: Callable[[str, Place], ProjectError],
) -> Iterator[Statement]:
    """Yield the statements of a file that may hold one kind only.

    Raises what `error_at` returns for a message and a place, with `reason` for a statement of another kind.
    """
    try:
        statements = split(text)
    except SqlTextError as error:
        raise error_at(error.message, folder.place(name, *position(text, error.offset))) from None
    for statement in statements:
        place = folder.place(name, statement.line, statement.column)
        try:
            is_allowed = describe(statement.text).kind is kind
        except SqlTextError as error:
            raise error_at(error.message, place) from None
        if not is_allowed:
            raise error_at(reason, place)
        yield statement


def _fault(script: Script, wanted: Scratch) -> tuple[str, Place] | None:
    for statement in script.statements:
        try:
            wanted.run(f"EXPLAIN {with_names_only(statement.text)}")
        except ScratchError as error:
            return error.message, Place(script.file, statement.line)
    return None


def require_runnable_before(scripts: Sequence[Script], live: Catalog) -> None:
    """Compile the `before` scripts in the live schema.

    Skipped if plain SQLite cannot hold the live schema: only the server can compile them then. Raises ProjectError
    (`script-invalid`).
    """
    first = [script for script in scripts if script.runs_before]
    if not first:
        return
    with closing(Scratch()) as scratch:
        left_out = scratch.load(live.rows, live.shadows)
        if any(row.sql and not row.name.startswith("sqlite_") for row in left_out):
            return
        for script in first:
            if fault := _fault(script, scratch):
                raise script_error(*fault)
