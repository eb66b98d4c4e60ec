"""The command `pull`: write a schema folder that describes a database, so that the next plan is empty."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import replace
from pathlib import Path, PurePath

from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.core.errors import DeployError, ErrorCode, InputError, ProjectError
from turso_deploy.core.files import make_folder, write_file
from turso_deploy.database.interface import Database
from turso_deploy.history.last_deployment import LastDeployment
from turso_deploy.plan.steps import StepKind
from turso_deploy.project.expectations import actual_counts
from turso_deploy.project.loader import load_project
from turso_deploy.project.schema_writer import (
    FIRST_VERSION,
    records_of_other_tools,
    schema_files,
    with_texts_in_single_quotes,
)
from turso_deploy.report.document import CountLine, Report, Status, StepLine
from turso_deploy.report.lines import failed
from turso_deploy.sql.schema import Schema
from turso_deploy.transaction.database_state import STATE_QUERIES, parse_state


def pull(folder: Path, database: Database) -> Report:
    """Write a schema folder that describes a database, with one request; a read-only token is enough.

    The folder must not contain a schema. The written folder is loaded afterwards, because SQLite keeps some definitions
    that it no longer accepts; these are reported with their line.
    """
    started = time.monotonic()
    shown = PurePath(folder).as_posix()
    report = Report("pull", Status.PULLED, committed=False, database=database.address)
    try:
        require_target(folder)
        schema, last, ignore, changed = _read(database)
        at = last.schema_version if last else None
        version = at or FIRST_VERSION
        files = schema_files(schema, version, ignore)
        _write(files, folder, shown)
        report = replace(
            report,
            schema_version=at,
            previous_version=at,
            manifest_version=version,
            first_deployment=last is None,
            steps=tuple(StepLine(StepKind.WRITE_FILE, name, "") for name in files),
            counts={kind: CountLine(str(number), number) for kind, number in actual_counts(schema).items()},
            notices=(f"The schema was written to the folder {shown}.",),
        )
        notices = (*report.notices, *([_QUOTES.format(", ".join(changed))] if changed else []))
        report = replace(report, notices=notices)
        report = replace(report, notices=(*notices, *_notices_of(folder)))
    except DeployError as error:
        report = failed(report, error)
    return replace(report, requests=database.requests, duration_ms=round((time.monotonic() - started) * 1000))


_QUOTES = "Texts in double quotes, which the database accepts, were written in single quotes: {}."


def _read(database: Database) -> tuple[Schema, LastDeployment | None, list[str], list[str]]:
    """Return the schema of the database, its last deployment, and patterns for the records of other tools.

    The last value names the objects whose texts are in double quotes in the database, and not in the schema.
    """
    state = parse_state(database.query(STATE_QUERIES), ())
    ignore = records_of_other_tools(state.catalog)
    schema = read_catalog(state.catalog.rows, state.catalog.shadows, ignore).schema
    if not any(schema.objects()):
        other = f" other than the records of other tools: {', '.join(ignore)}" if ignore else ""
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"There is nothing to pull: the database has no tables, views or triggers{other}.",
            hint="Check the database URL. A file that does not exist reads as an empty database.",
        )
    schema, changed = with_texts_in_single_quotes(schema, state.catalog.schema)
    return schema, state.last_deployment, ignore, changed


def require_target(folder: Path) -> None:
    """Raise InputError if the folder contains a schema, which must not be overwritten, or cannot be written."""
    shown = PurePath(folder).as_posix()
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.suffix.lower() == ".sql" or path.name.lower().startswith("manifest."):
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The folder `{shown}` already contains a schema: {path.relative_to(folder).as_posix()}.",
                hint="Set --schema-path to another folder.",
            )
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise _not_writable(shown, os.strerror(errno.EACCES if nearest.is_dir() else errno.ENOTDIR))


def _write(files: dict[str, str], folder: Path, shown: str) -> None:
    try:
        make_folder(folder)
        for name, text in files.items():
            write_file(folder / name, text.encode(), replace=False)
    except OSError as error:
        raise _not_writable(shown, error.strerror or "") from None


def _not_writable(shown: str, reason: str) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"The folder `{shown}` cannot be written: {reason}.",
        hint="Set --schema-path to a folder with write permission.",
    )


def _notices_of(folder: Path) -> tuple[str, ...]:
    """Load the written folder, and return its notices. Raises ProjectError if it cannot be deployed."""
    try:
        with load_project(folder, may_dangle=True) as project:
            return project.notices
    except ProjectError as error:
        raise ProjectError(
            error.code,
            f"The schema folder was written, but it cannot be deployed as it is. {error.message}",
            hint=f"{error.hint or ''}\nThe database contains this definition. Correct the file, then run "
            "`turso-deploy plan` to see what that changes.".strip(),
            place=error.place,
        ) from None
