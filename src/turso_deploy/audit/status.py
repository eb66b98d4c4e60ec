"""The command `status`: the state of each of several databases, in one line each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from turso_deploy.core.errors import EXIT_CODE_ORDER, DeployError
from turso_deploy.core.progress import report_step
from turso_deploy.database.interface import Database
from turso_deploy.history.drift import Drift, find_drift
from turso_deploy.pending.undeployed import find_undeployed
from turso_deploy.project.project import Project
from turso_deploy.report.document import DatabaseLine, Report, Status
from turso_deploy.report.lines import drift_lines, error_line
from turso_deploy.transaction.database_state import STATE_QUERIES, expected_form, parse_state

_STATUSES = {1: Status.FAILED, 2: Status.FAILED, 5: Status.FAILED, 4: Status.DRIFTED, 3: Status.PENDING}


def status_of(name: str | None, project: Project, database: Database) -> DatabaseLine:
    """Return the line of one database, with one request that a read-only token may make. Raises DeployError."""
    report_step(f"reading {name or 'the database'}")
    with expected_form():
        state = parse_state(database.query(STATE_QUERIES), project.manifest.ignore)
    last = state.last_deployment
    known = find_drift(last, state.catalog, project.manifest.ignore, project.wanted) if last else None
    drift = known or Drift(None, state.catalog.schema)
    pending = find_undeployed(project, last, drift).exists
    drifted = known.exists if known and not state.is_torn else None
    return DatabaseLine(
        name,
        database.address,
        Status.DRIFTED if drifted else Status.PENDING if pending else Status.VERIFIED,
        schema_version=last.schema_version if last else None,
        deployment=last.number if last else None,
        deployed_at=last.deployed_at if last else None,
        pending=pending,
        drifted=drifted,
        drift=drift_lines(drift, project.wanted),
        exit_code=4 if drifted else 3 if pending else 0,
    )


def failed_line(name: str | None, address: str, error: DeployError) -> DatabaseLine:
    """Return the line of a database that could not be read."""
    return DatabaseLine(name, address, Status.FAILED, error=error_line(error), exit_code=error.exit_code)


def status_report(lines: Iterable[DatabaseLine], requests: int) -> Report:
    """Return the report of all databases, whose status and exit code are those of the worst."""
    found = tuple(lines)
    codes = {line.exit_code for line in found}
    code = next(code for code in EXIT_CODE_ORDER if code in codes or code == 0)
    known = [line.drifted for line in found]
    report = Report("status", _STATUSES.get(code, Status.VERIFIED), committed=False, database="")
    return replace(
        report,
        databases=found,
        pending=any(line.pending for line in found),
        drifted=True if True in known else None if None in known else False,
        requests=requests,
        exit_code=code,
    )
