"""The command `history`: list the deployments of a database, or show what one of them changed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from turso_deploy.catalog.catalog import HISTORY_TABLE, read_catalog
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import DatabaseError, DeployError, ErrorCode, InputError
from turso_deploy.core.progress import report_step
from turso_deploy.core.transaction import Answers, Failure
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.interface import Database
from turso_deploy.history.catalogs import DeployedCatalog, restore
from turso_deploy.history.past_deployments import (
    PastDeployment,
    parse_catalogs,
    parse_past_deployments,
    past_deployment_queries,
    past_deployments_queries,
)
from turso_deploy.history.stored_catalog import StoredCatalog
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.steps import Step, StepKind
from turso_deploy.report.changes import changes_between, object_changes
from turso_deploy.report.document import (
    ApprovedLine,
    BackfillLine,
    DeploymentLine,
    ObjectChange,
    RenameLine,
    Report,
    Status,
)
from turso_deploy.report.lines import failed
from turso_deploy.sql.lexer import quote_identifier
from turso_deploy.sql.schema import Schema
from turso_deploy.transaction.database_state import expected_form


def show_history(database: Database, *, number: int | None = None, limit: int = 20) -> Report:
    """Return a report with the last deployments of a database, or with one of them and what it changed.

    One request, for which a read-only token is enough.
    """
    started = time.monotonic()
    report = Report("history", Status.LISTED, committed=False, database=database.address)
    try:
        report_step("reading the deployment history")
        report = _listed(database, report, limit) if number is None else _shown(database, report, number)
    except DeployError as error:
        report = failed(report, error)
    return replace(report, requests=database.requests, duration_ms=round((time.monotonic() - started) * 1000))


def _listed(database: Database, report: Report, limit: int) -> Report:
    rows = _read(database.query(past_deployments_queries(limit)))
    if not rows:
        return replace(report, notices=("Nothing was deployed to this database yet.",))
    return _with_rows(report, rows)


def _shown(database: Database, report: Report, number: int) -> Report:
    *forms, catalogs = database.query(past_deployment_queries(number))
    rows = _read(forms)
    if not rows:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"There is no deployment {number} in the history of this database.",
            hint="`turso-deploy history` lists the deployments with their numbers.",
        )
    report = _with_rows(report, rows)
    if isinstance(catalogs, Failure):
        return replace(report, notices=(_NOT_RECORDED.format(number),))
    with expected_form():
        after, before, has_before = parse_catalogs(catalogs, number)
    if after is None or (before is None and has_before):
        missing = number if after is None else f"before {number}"
        return replace(report, notices=(_NOT_RECORDED.format(missing),))
    schema_before = _schema(before, f"before {number}") if before else DeployedCatalog(()).read().schema
    schema_after = _schema(after, str(number))
    return replace(report, changes=_changes(schema_before, schema_after, rows[0]))


_NOT_RECORDED = "What the deployment changed is not known: the catalog of the deployment {} was not recorded."


def _read(answers: Answers) -> list[PastDeployment]:
    """Return the rows of the history; [] for a database without one. Raises DatabaseError if it cannot be read."""
    with expected_form():
        found = parse_past_deployments(answers)
    if not isinstance(found, Failure):
        return found
    if found.message.endswith(f"no such table: {HISTORY_TABLE}"):
        return []
    explanation = explain(found)
    if "no such column" in found.message:
        raise DatabaseError(
            ErrorCode.HISTORY_DAMAGED,
            f"The table {HISTORY_TABLE} of the database lacks a column of the deployment history: "
            f"{explanation.message}.",
            hint="Another program has changed the table, or created one of this name.",
        )
    raise explanation.error(DatabaseError, "The deployment history could not be read: {}.")


def _with_rows(report: Report, rows: Sequence[PastDeployment]) -> Report:
    at = rows[0].schema_version
    lines = tuple(map(_line, rows))
    return replace(report, history=lines, schema_version=at, previous_version=at)


def _line(row: PastDeployment) -> DeploymentLine:
    return DeploymentLine(
        row.number,
        row.id,
        row.command,
        row.deployed_at,
        row.started_at,
        row.duration_ms,
        row.schema_version,
        row.previous_version,
        row.commit_sha,
        row.ref,
        row.run_url,
        row.actor,
        row.tool_version,
        None if row.steps is None else dict(row.steps),
        None if row.approved_hazards is None else tuple(ApprovedLine(**one) for one in row.approved_hazards),
        None if row.renames is None else tuple(RenameLine(**one) for one in row.renames),
        None if row.backfills is None else tuple(BackfillLine(**one) for one in row.backfills),
        row.restore_point,
        row.plan_fingerprint,
        row.catalog_fingerprint,
    )


def _schema(stored: StoredCatalog, which: str) -> Schema:
    """Return the schema of a stored catalog. Raises DatabaseError (`history-damaged`) if it cannot be read."""
    try:
        if stored.content is None:
            raise ValueError("no row of the history holds it")
        return restore(stored.fingerprint, stored.content).read().schema
    except ValueError as error:
        raise DatabaseError(
            ErrorCode.HISTORY_DAMAGED,
            f"The catalog of the deployment {which} cannot be read: {error}.",
            hint=f"Look at {HISTORY_TABLE}: was a row changed or deleted?",
        ) from None


def _changes(before: Schema, after: Schema, row: PastDeployment) -> tuple[ObjectChange, ...]:
    """Return the changes between two schemas, in which renamed tables and columns are known as such."""
    steps = tuple(_rename_steps(row))
    if steps:
        try:
            renamed = _renamed(before, steps)
        except ScratchError:  # others changed the table between the deployments
            return changes_between(before, after)
        predicted = replace(read_catalog([]), schema=after)
        return object_changes(Plan(steps, (), predicted, renamed=renamed), before)
    return changes_between(before, after)


def _rename_steps(row: PastDeployment) -> Iterator[Step]:
    for rename in row.renames or ():
        table, old, new = (str(rename[key]) for key in ("table", "old", "new"))
        if rename["kind"] == "table":
            sql = f"ALTER TABLE {quote_identifier(old)} RENAME TO {quote_identifier(new)}"
            yield Step(StepKind.RENAME_TABLE, new, (sql,), old_name=old)
        else:
            names = f"{quote_identifier(old)} TO {quote_identifier(new)}"
            sql = f"ALTER TABLE {quote_identifier(table)} RENAME COLUMN {names}"
            yield Step(StepKind.RENAME_COLUMN, table, (sql,), old_name=old, column=new)


def _renamed(before: Schema, steps: Sequence[Step]) -> Schema:
    """Return the tables and indexes of a schema after renames. Raises ScratchError if SQLite cannot rename them."""
    scratch = Scratch()
    try:
        for item in (*before.all_tables.values(), *before.indexes.values()):
            scratch.run(item.sql)
        for step in steps:
            scratch.run(step.sql)
        return read_catalog(scratch.rows(), scratch.shadows()).schema
    finally:
        scratch.close()
