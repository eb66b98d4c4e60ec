"""The story of `pull`: a live database becomes a schema folder, whose next plan is empty."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path, PurePath

from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.core.errors import DeployError, ErrorCode, InputError, ProjectError
from turso_deploy.database.interface import Database
from turso_deploy.plan.step_kinds import StepKind
from turso_deploy.project.expectations import actual_counts
from turso_deploy.project.loader import load_project
from turso_deploy.project.schema_writer import FIRST_VERSION, records_of_other_tools, schema_files
from turso_deploy.report.document import CountLine, Report, Status, StepLine
from turso_deploy.report.lines import error_line, status_of
from turso_deploy.sql.schema import Schema
from turso_deploy.transaction.database_state import STATE_QUERIES, parse_state


def pull(folder: Path, database: Database) -> Report:
    """Write a schema folder that describes a database, in one request that a read-only token may make.

    The folder must not hold a schema yet. What was written is then read as any schema folder is: SQLite keeps some
    definitions that it would not take today, and those are told with their line.
    """
    started = time.monotonic()
    shown = PurePath(folder).as_posix()
    try:
        _refuse_a_schema(folder, shown)
        schema, version, ignore = _read(database)
        files = schema_files(schema, version, ignore)
        _write(files, folder, shown)
    except DeployError as error:
        return _report(database, started, error=error)
    return _report(database, started, schema, version, files, shown, _what_is_wrong(folder))


def _read(database: Database) -> tuple[Schema, str, list[str]]:
    """What there is to pull, the version that was deployed last, and the patterns for what other tools keep."""
    state = parse_state(database.query(STATE_QUERIES), ())
    ignore = records_of_other_tools(state.catalog)
    schema = read_catalog(state.catalog.rows, state.catalog.shadows, ignore).schema
    if not any(schema.objects()):
        raise InputError(
            ErrorCode.INPUT_INVALID,
            "There is nothing to pull: the database holds no object of its own.",
            hint="Is it the database that you mean? A file that does not exist reads as an empty database.",
        )
    return schema, (state.last_deployment.schema_version if state.last_deployment else None) or FIRST_VERSION, ignore


def _refuse_a_schema(folder: Path, shown: str) -> None:
    """A folder that holds a schema is somebody's work."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        if path.suffix.lower() == ".sql" or path.name.lower().startswith("manifest."):
            raise InputError(
                ErrorCode.INPUT_INVALID,
                f"The folder `{shown}` holds a schema already: {path.relative_to(folder).as_posix()}.",
                hint="Name another folder with --schema-path. Nothing was written.",
            )


def _write(files: dict[str, str], folder: Path, shown: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8", newline="") as file:
                file.write(text)
    except OSError as error:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The folder `{shown}` cannot be written: {error.strerror}.",
            hint="Name a folder that you may write to with --schema-path.",
        ) from None


def _what_is_wrong(folder: Path) -> ProjectError | None:
    """Why the folder that was written cannot be deployed as it is; None when it can."""
    try:
        load_project(folder)
    except ProjectError as error:
        return _not_deployable(error)
    return None


def _not_deployable(error: ProjectError) -> ProjectError:
    return ProjectError(
        error.code,
        f"The schema folder is written, and cannot be deployed as it is. {error.message}",
        hint=f"{error.hint or ''}\nThe database holds it as it is written there. Correct the file, and let "
        "`turso-deploy plan` show what that changes.".strip(),
        place=error.place,
    )


def _report(
    database: Database,
    started: float,
    schema: Schema | None = None,
    version: str | None = None,
    written: Iterable[str] = (),
    folder: str = "",
    error: DeployError | None = None,
) -> Report:
    counts = actual_counts(schema) if schema else {}
    return Report(
        command="pull",
        status=status_of(error) if error else Status.PULLED,
        committed=False,
        database=database.address,
        schema_version=version,
        steps=tuple(StepLine(StepKind.WRITE_FILE, name, "") for name in written),
        counts={kind: CountLine(str(number), number) for kind, number in counts.items()},
        notices=(f"Written into the folder {folder}.",) if folder else (),
        requests=database.requests,
        duration_ms=round((time.monotonic() - started) * 1000),
        error=error_line(error) if error else None,
        exit_code=error.exit_code if error else 0,
    )
