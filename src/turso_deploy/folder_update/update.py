"""Take what others changed in a database into its schema folder: each change in the file that it belongs to, or none.

The changed folder is loaded and compared with the database before a file is written.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from turso_deploy.catalog.diff import Change, Difference, diff, have_same_meaning, with_explicit_references
from turso_deploy.core.errors import (
    Cause,
    DatabaseError,
    DeployError,
    ErrorCode,
    InputError,
    Place,
    PlanError,
    ProjectError,
    StaleError,
    listed,
)
from turso_deploy.core.files import require_regular, write_file
from turso_deploy.core.progress import report_step
from turso_deploy.core.text import enumerated
from turso_deploy.database.interface import Database
from turso_deploy.folder_update.manifest_counts import with_counts
from turso_deploy.folder_update.statements import Definition, FolderEdits, Key, as_statement, definitions_of
from turso_deploy.folder_update.table_edits import with_columns_of
from turso_deploy.history.drift import Drift, find_drift
from turso_deploy.plan.steps import StepKind
from turso_deploy.project.expectations import actual_counts, missing_names
from turso_deploy.project.loader import load_project
from turso_deploy.project.manifest import MANIFEST_NAME
from turso_deploy.project.manifest_file import load_manifest
from turso_deploy.project.project import Project
from turso_deploy.project.schema_writer import records_of_other_tools, with_texts_in_single_quotes
from turso_deploy.project.sql_files import read_sources
from turso_deploy.report.document import Report, Status, StepLine
from turso_deploy.report.lines import drift_lines, failed
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, SchemaObject, Table, key_of, target_of, title
from turso_deploy.transaction.database_state import STATE_QUERIES, DatabaseState, expected_form, parse_state


def update_folder(project: Project, database: Database) -> Report:
    """Take the drift of a database into the folder of a project, with one request; a read-only token is enough.

    A change that the folder contradicts is an error, and then no file is written. What the folder has pending stays.
    """
    started = time.monotonic()
    report = Report("pull", Status.PULLED, committed=False, database=database.address)
    try:
        report_step("reading the database")
        with expected_form():
            state = parse_state(database.query(STATE_QUERIES), project.manifest.ignore)
        drift = _known_drift(project, state)
        at = state.last_deployment.schema_version if state.last_deployment else None
        report = replace(
            report,
            schema_version=at,
            previous_version=at,
            manifest_version=project.manifest.schema_version,
            first_deployment=False,
            drifted=drift.exists,
            drift=drift_lines(drift, project.wanted),
        )
        report = _updated(project, state, drift, report)
    except DeployError as error:
        report = failed(report, error)
    return replace(report, requests=database.requests, duration_ms=round((time.monotonic() - started) * 1000))


def _known_drift(project: Project, state: DatabaseState) -> Drift:
    """Return what others changed. Raises DeployError if that is not known for certain."""
    last = state.last_deployment
    if last is None:
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            "Nothing was deployed to this database yet, so it is not known what others changed in it.",
            hint="Compare it with `turso-deploy plan`, or write its schema into an empty folder: `turso-deploy pull "
            "--schema-path FOLDER` without `--update`.",
        )
    if state.is_torn:
        raise StaleError(
            ErrorCode.STALE_PLAN, "A deployment committed while the database was read.", hint="Run again after it."
        )
    drift = find_drift(last, state.catalog, project.manifest.ignore, project.wanted)
    if drift.before is None or drift.unknown:
        raise DatabaseError(
            ErrorCode.HISTORY_DAMAGED if drift.is_damaged else ErrorCode.PLAN_IMPOSSIBLE,
            f"It is not known what others changed in the database: {drift.unknown}.",
            hint="Write its schema into another folder with `turso-deploy pull`, and compare the two.",
        )
    return drift


class _Update(NamedTuple):
    """The edits for a drift, the objects that are as in the database afterwards, and those that belong to a tool."""

    edits: FolderEdits
    taken: frozenset[Key]
    records: tuple[str, ...]


def _updated(project: Project, state: DatabaseState, drift: Drift, report: Report) -> Report:
    shown = project.folder.shown
    update = _edits(project, state, drift)
    files = update.edits.files()
    notices = tuple(_notices(update, shown))
    if not files:
        reason = "has every change of the database already" if drift.exists else "has nothing to take over"
        return replace(report, status=Status.UNCHANGED, notices=(f"The folder {shown} {reason}.", *notices))
    files = _checked(project, state, drift, update, files)
    _write(project, files)
    written = f"What others changed was written to the folder {shown}: review the difference, and commit it. "
    then = "The next deployment records it, and leaves these objects of the database as they are."
    return replace(
        report,
        steps=tuple(StepLine(StepKind.WRITE_FILE, name, "") for name in files),
        notices=(written + then, *notices),
    )


def _edits(project: Project, state: DatabaseState, drift: Drift) -> _Update:
    """Return the edits of the files. Raises PlanError with every object that the folder has changed, too."""
    assert drift.before is not None
    definitions = definitions_of(project.folder, read_sources(project.folder).definitions)
    edits, taken, conflicts = FolderEdits(project.folder, definitions), set[Key](), list[Cause]()
    live, _ = with_texts_in_single_quotes(drift.after, state.catalog.schema)
    patterns = records_of_other_tools(state.catalog)
    records = dict[str, None]()
    objects = {key_of(item): item for item in live.objects()}
    own_objects = {key_of(item): item for item in project.wanted.objects()}
    for change in _in_order(diff(drift.before, drift.after)):
        key = key_of(change.object)
        before, after, own = change.wanted, objects.get(key), own_objects.get(key)
        matching = [pattern for pattern in patterns if fnmatchcase(target_of(change.object), fold_case(pattern))]
        if before is None and own is None and matching:
            records.update(dict.fromkeys(matching))
        elif _are_same(own, project.wanted, after, live):
            taken.add(key)
        elif _is_taken(edits, definitions.get(key), own, change._replace(live=after)):
            if _are_same(own, project.wanted, before, drift.before):
                taken.add(key)
        elif _are_same(own, project.wanted, before, drift.before):
            _take(edits, key, after)
            taken.add(key)
        else:
            conflicts.append(_conflict(change, own))
    if conflicts:
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The schema folder and the database have both changed since the last deployment:{listed(conflicts)}",
            hint="Write into the folder by hand what is meant, or correct the database. No file was changed.",
            place=next((cause.place for cause in conflicts if cause.place), None),
            causes=conflicts,
        )
    return _Update(edits, frozenset(taken), tuple(records))


def _in_order(found: Difference) -> Iterator[Change]:
    """Yield the changes; tables and views precede what is added to them."""
    changes = (*found.missing, *found.changed, *found.extra)
    yield from sorted(changes, key=lambda change: ("table", "view", "index", "trigger").index(change.object.kind))


def _are_same(one: SchemaObject | None, schema: Schema, other: SchemaObject | None, other_schema: Schema) -> bool:
    """Return True if two objects mean the same, or neither exists."""
    if one is None or other is None:
        return one is other
    return have_same_meaning(one, other) or have_same_meaning(
        with_explicit_references(one, schema), with_explicit_references(other, other_schema)
    )


def _is_taken(edits: FolderEdits, definition: Definition | None, own: SchemaObject | None, change: Change) -> bool:
    """Take the changed columns of a table into its statement, and return True if that is all that has changed."""
    before, after = change.wanted, change.live
    if definition is None or not (isinstance(before, Table) and isinstance(after, Table) and isinstance(own, Table)):
        return False
    text = with_columns_of(definition.text, before.sql, after.sql)
    if text is None:
        return False
    edits.replace(key_of(own), text)
    return True


def _take(edits: FolderEdits, key: Key, after: SchemaObject | None) -> None:
    if after is None:
        edits.remove(key)
    elif edits.has(key):
        edits.replace(key, as_statement(after.sql))
    else:
        edits.add(after)


def _conflict(change: Change, own: SchemaObject | None) -> Cause:
    by_others = "created" if change.wanted is None else "dropped" if change.live is None else "changed"
    in_folder = "does not have it any more" if own is None else "has another definition"
    return Cause(f"{title(change.object)} was {by_others} in the database, and the folder {in_folder}", _place(own))


def _place(own: SchemaObject | None) -> Place | None:
    return own.place if own else None


def _notices(update: _Update, shown: str) -> Iterator[str]:
    if update.records:
        yield (
            f"Tables in which another tool keeps its records were not written to the folder {shown}. To end the drift, "
            f"add them to `ignore:` in the manifest: {', '.join(update.records)}."
        )


def _checked(
    project: Project, state: DatabaseState, drift: Drift, update: _Update, files: Mapping[str, str]
) -> dict[str, str]:
    """Return the files with the corrected manifest, after a copy of the folder with them was loaded and compared.

    Raises ProjectError if the folder could not be deployed with them.
    """
    shown = project.folder.shown
    with tempfile.TemporaryDirectory() as parent:
        copy = Path(parent) / "schema"
        shutil.copytree(project.folder.path, copy, symlinks=True)
        for name, text in files.items():
            _put(copy / name, text)
        try:
            with load_project(copy, may_dangle=True) as changed:
                counts = actual_counts(_with_unmanaged(changed.wanted, drift.after, state))
                _require_as_expected(project.wanted, changed.wanted, drift.after, update.taken)
                corrected = with_counts(changed.folder, changed.manifest, counts)
                if absent := missing_names(changed.manifest, changed.wanted):
                    places = [Cause(name, project.place_in_manifest(key)) for key, name in absent]
                    raise ProjectError(
                        ErrorCode.MANIFEST_MISMATCH,
                        f"The manifest lists objects that the database does not have any more:{listed(places)}",
                        hint="Remove them from `objects:` in the manifest, and run again.",
                        place=places[0].place,
                        causes=places,
                    )
                if corrected is not None:
                    _put(copy / MANIFEST_NAME, corrected)
                    load_manifest(changed.folder)
                    return {**files, MANIFEST_NAME: corrected}
        except ProjectError as error:
            raise _unusable(error, copy.as_posix(), shown) from None
    return dict(files)


def _unusable(error: ProjectError, copy: str, shown: str) -> ProjectError:
    place = error.place and error.place._replace(file=error.place.file.replace(copy, shown))
    return ProjectError(
        error.code,
        "The schema folder could not be deployed with what others changed in the database, so no file was written. "
        f"{error.message.replace(copy, shown)}",
        hint=(error.hint or "").replace(copy, shown) or None,
        place=place,
    )


def _with_unmanaged(wanted: Schema, live: Schema, state: DatabaseState) -> Schema:
    """Return the schema of the folder with the objects of the database that are neither in it nor managed."""
    managed = {fold_case(name) for name in state.managed}

    def joined(own: Mapping[str, SchemaObject], others: Mapping[str, SchemaObject]) -> dict[str, SchemaObject]:
        unmanaged = {name: item for name, item in others.items() if fold_case(title(item)) not in managed}
        return {**unmanaged, **own}

    kinds = zip(wanted.by_kind.values(), live.by_kind.values(), strict=True)
    tables, indexes, views, triggers = (joined(own, others) for own, others in kinds)
    return replace(wanted, all_tables=tables, indexes=indexes, views=views, triggers=triggers)  # type: ignore[arg-type]


def _require_as_expected(own: Schema, changed: Schema, live: Schema, taken: frozenset[Key]) -> None:
    """Raise ProjectError unless what was taken is as in the database, and all else as it was in the folder."""
    found = diff(changed, live)
    different = {key_of(change.object) for change in (*found.missing, *found.changed, *found.extra)}
    objects = {key_of(item): item for item in changed.objects()}
    wrong = [f"{kind} {name}" for kind, name in sorted(different & taken)]
    wrong += [title(item) for item in own.objects() if key_of(item) not in taken and key_of(item) not in objects]
    if wrong:
        raise ProjectError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The files could not be written so that they mean what the database has: {enumerated(wrong)}.",
            hint="Write these into the folder by hand; `turso-deploy verify` shows the differences.",
        )


def _write(project: Project, files: Mapping[str, str]) -> None:
    folder = project.folder
    existing: Sequence[str] = [name for name in files if folder.has(name)]
    written = list[str]()
    try:
        for name in existing:
            require_regular(folder.path / name)
        for name, text in files.items():
            if text or not folder.has(name):
                write_file(folder.path / name, text.encode(), replace=name in existing)
            else:
                (folder.path / name).unlink()
            written.append(name)
    except OSError as error:
        done = f" These were written before: {', '.join(written)}." if written else ""
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The folder `{folder.shown}` cannot be written: {error.strerror or 'the file system does not take it'}."
            f"{done}",
            hint="Give the user the right to write its files; a link is not followed. Then run again.",
        ) from None


def _put(path: Path, text: str) -> None:
    if text:
        path.write_bytes(text.encode())
    else:
        path.unlink()
