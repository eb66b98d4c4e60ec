"""One-time scripts: data changes that no diff can derive, each run once, in the transaction of a deployment.

`schema/scripts/NAME.sql` starts with `-- @run before` or `-- @run after`: before or after the steps for the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.scratch import Scratch, ScratchError, with_names_only
from turso_deploy.core.errors import BlockedError, ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
from turso_deploy.core.transaction import Purpose, Query, TransactionStep
from turso_deploy.sql.lexer import SqlTextError, position
from turso_deploy.sql.splitter import Statement, split
from turso_deploy.sql.statement_kinds import StatementKind, describe

SCRIPTS_FOLDER = "scripts"
_FIRST_LINES = {"-- @run before": True, "-- @run after": False}


class Script(Struct, frozen=True):
    """A script by its name without `.sql`. `checksum` is the SHA-256 of its text; its first line states when it runs.

    `fault` is an error of it in the wanted schema. It matters only until the script has run, because schemas change.
    """

    name: str
    file: str
    runs_before: bool
    checksum: str
    statements: tuple[Statement, ...]
    fault: tuple[str, Place] | None = None

    @property
    def sql(self) -> str:
        """All statements, joined by semicolons."""
        return ";\n".join(item.text for item in self.statements)

    def steps(self) -> list[TransactionStep]:
        """Return the steps that the script adds to a transaction."""
        return [
            TransactionStep(Query(item.text), Purpose.CHANGE, f"script {self.name}", Place(self.file, item.line))
            for item in self.statements
        ]


def load_scripts(folder: SchemaFolder, wanted: Scratch) -> tuple[Script, ...]:
    """Read all scripts of a schema folder in the order of their names; compile the `after` ones in the wanted schema.

    Raises ProjectError (`script-invalid`) with file and line.
    """
    scripts = []
    for name in folder.entries(f"{SCRIPTS_FOLDER}/*.sql"):
        script = _read(folder, name)
        if not script.runs_before:
            script = replace(script, fault=_fault(script, wanted))
        scripts.append(script)
    return tuple(scripts)


def _read(folder: SchemaFolder, name: str) -> Script:
    try:
        text = folder.read_text(name)
    except SchemaFileError as error:
        raise _invalid(error.reason, error.place, error.hint) from None
    first_line = text.partition("\n")[0].strip()
    if first_line not in _FIRST_LINES:
        raise _invalid("its first line has to be `-- @run before` or `-- @run after`", folder.place(name, 1))
    try:
        statements = split(text)
    except SqlTextError as error:
        raise _invalid(error.message, folder.place(name, *position(text, error.offset))) from None
    for statement in statements:
        place = folder.place(name, statement.line, statement.column)
        try:
            kind = describe(statement.text).kind
        except SqlTextError as error:
            raise _invalid(error.message, place) from None
        if kind is not StatementKind.WRITE:
            raise _invalid("it may hold INSERT, UPDATE and DELETE only", place)
    checksum = sha256(text.replace("\r\n", "\n").encode()).hexdigest()
    return Script(
        PurePosixPath(name).stem, folder.place(name).file, _FIRST_LINES[first_line], checksum, tuple(statements)
    )


def _fault(script: Script, wanted: Scratch) -> tuple[str, Place] | None:
    for statement in script.statements:
        try:
            wanted.run(f"EXPLAIN {with_names_only(statement.text)}")
        except ScratchError as error:
            return error.message, Place(script.file, statement.line)
    return None


def pending_scripts(scripts: Sequence[Script], ran: Mapping[str, str]) -> tuple[Script, ...]:
    """Return the scripts that have not run in a database. `ran` maps names to checksums from the deployment history.

    Raises BlockedError (`script-changed`) for one that was edited after it ran, ProjectError (`script-invalid`) for one
    that cannot run.
    """
    for script in scripts:
        if ran.get(script.name, script.checksum) != script.checksum:
            raise BlockedError(
                ErrorCode.SCRIPT_CHANGED,
                f"The script {script.name} has run in this database, and was edited afterwards.",
                hint="Restore its text, and put the new statements into a script of another name.",
                place=Place(script.file, 1),
            )
    pending = tuple(script for script in scripts if script.name not in ran)
    for script in pending:
        if script.fault is not None:
            raise _invalid(*script.fault)
    return pending


def require_runnable_before(scripts: Sequence[Script], live: Catalog) -> None:
    """Compile the `before` scripts in the live schema.

    Skipped if plain SQLite cannot hold the live schema: only the server can compile them then. Raises ProjectError
    (`script-invalid`).
    """
    first = [script for script in scripts if script.runs_before]
    if not first:
        return
    scratch = Scratch()
    try:
        left_out = scratch.load(live.rows, live.shadows)
        if any(row.sql and not row.name.startswith("sqlite_") for row in left_out):
            return
        for script in first:
            if fault := _fault(script, scratch):
                raise _invalid(*fault)
    finally:
        scratch.close()


_HINT = (
    "A script begins with `-- @run before` or `-- @run after`, and holds INSERT, UPDATE and DELETE for the schema at "
    "that point (docs/guides/schema-changes.md of turso-deploy)."
)


def _invalid(message: str, place: Place, hint: str = _HINT) -> ProjectError:
    return ProjectError(ErrorCode.SCRIPT_INVALID, f"The script cannot be used: {message}.", hint=hint, place=place)
