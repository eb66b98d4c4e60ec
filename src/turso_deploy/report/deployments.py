"""Phrases about the deployments of a history: the cells of their table, and the details of one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from turso_deploy.core.text import count_of, printable
from turso_deploy.report import wording
from turso_deploy.report.changes import phrases
from turso_deploy.report.document import DatabaseLine, DeploymentLine
from turso_deploy.stored_plan.content import SHORT

HEADER = ("number", "version", "deployed (UTC)", "took", "by", "from", "run", "steps", "approved", "plan")
"""The headings of the table."""

STATUS_HEADER = ("database", "version", "last deployment", "state", "details")
"""The headings of the table of databases."""

_UNKNOWN = "?"


def status_cells(line: DatabaseLine) -> tuple[str, ...]:
    """Return the cells of a database, in the order of `STATUS_HEADER`."""
    last = "-" if line.deployment is None else f"{line.deployment}, {_time(line.deployed_at or '')}"
    found = (line.name or line.database, line.schema_version or "-", last, _state(line), "; ".join(_reasons(line)))
    return tuple(map(printable, found))


def _state(line: DatabaseLine) -> str:
    states = [line.status.value, *(["pending"] if line.pending and line.drifted else [])]
    return ", ".join(states)


def _reasons(line: DatabaseLine) -> Iterator[str]:
    if line.error:
        yield f"{line.error.code}: {line.error.message}"
    yield from phrases(line.drift)
    if line.drifted is None and line.error is None and line.deployment is not None:
        yield "it is not known what others changed"


def cells(line: DeploymentLine) -> tuple[str, ...]:
    """Return the cells of a deployment, in the order of `HEADER`; `?` for what was not recorded."""
    found = (
        str(line.number),
        _versions(line),
        _time(line.deployed_at),
        _UNKNOWN if line.duration_ms is None else wording.duration(line.duration_ms),
        line.actor or "",
        " ".join(filter(None, (_short_commit(line), _short_ref(line.ref)))),
        line.run_url or "",
        _steps(line),
        _UNKNOWN if line.approved_hazards is None else count_of(len(line.approved_hazards), "hazard"),
        (line.plan_fingerprint or "")[:SHORT],
    )
    return tuple(map(printable, found))


def details(line: DeploymentLine) -> Iterator[tuple[str, str]]:
    """Yield names and values of what the table does not show of a deployment."""
    yield "id", printable(line.id)
    if line.commit_sha:
        yield "commit", printable(line.commit_sha)
    if line.ref:
        yield "ref", printable(line.ref)
    yield "program", printable(line.tool_version)
    if line.plan_fingerprint:
        yield "plan", printable(line.plan_fingerprint)
    if line.restore_point:
        yield "restore point", printable(line.restore_point)
    for hazard in line.approved_hazards or ():
        rows = "rows not counted" if hazard.rows is None else count_of(hazard.rows, "row")
        yield "approved", printable(f"{hazard.name} {hazard.object} ({rows}), by {hazard.source}")
    for rename in line.renames or ():
        where = f" of {rename.table}" if rename.kind == "column" else ""
        yield "renamed", printable(f"{rename.kind} {rename.old} to {rename.new}{where}")
    for backfill in line.backfills or ():
        yield "backfilled", printable(f"{backfill.table}.{backfill.column} with {backfill.expression}")


def _versions(line: DeploymentLine) -> str:
    after = line.schema_version or "-"
    return after if line.previous_version in (None, line.schema_version) else f"{line.previous_version} -> {after}"


def _time(text: str) -> str:
    """Return `2026-11-30 19:20:31` for a time in ISO 8601, and any other text as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z", text)
    return f"{found[1]} {found[2]}" if found else text


def _short_commit(line: DeploymentLine) -> str:
    return (line.commit_sha or "")[:7]


def _short_ref(ref: str | None) -> str:
    return re.sub(r"^refs/(?:heads|tags)/", "", ref or "")


def _steps(line: DeploymentLine) -> str:
    if line.command == "accept-drift":
        return "drift accepted"
    if line.steps is None:
        return _UNKNOWN
    return ", ".join(f"{kind} {number}" for kind, number in line.steps.items()) or "no change of the schema"
