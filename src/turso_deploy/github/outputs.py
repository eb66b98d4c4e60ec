"""Outputs of the Action: their names, their meaning, and their values for a report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import get_args

from turso_deploy.plan.steps import StepKind
from turso_deploy.report.document import Effect, HazardLine, Report, Status
from turso_deploy.report.fleet_lines import Fleet
from turso_deploy.report.wording import rows_seeded
from turso_deploy.stored_plan.content import SHORT

OUTPUTS: Mapping[str, str] = {
    "status": "Result of the run: deployed, unchanged, planned, pending, drifted, verified, documented, stale, "
    "pulled, listed, accepted, checked, rotated, blocked (by a hazard or a policy; nothing was changed) or failed.",
    "error-code": "Code of the error, as docs/reference/errors.md lists them; empty without an error.",
    "changed": "Whether the database was changed: true or false.",
    "would-change": "Whether the run found something to deploy: true or false; empty if nothing was planned.",
    "blocked": "Whether a hazard or a policy blocks the deployment: true or false; empty if only the rows of a "
    "database can decide that, or if nothing was planned.",
    "pending": "Whether the folder has changes that are not deployed after the run: true or false; empty if unknown.",
    "drifted": "Whether the database is not as it was last deployed: true or false; empty if unknown.",
    "changes": "Numbers of what was planned or done, as JSON: objects added, changed, renamed and removed, scripts and "
    "seed rows.",
    "hazards": "Hazards as a JSON list, the first 100: name, object, rows, severity, approved and approved_by of each.",
    "plan-fingerprint": "SHA-256 of the plan; empty if none was made. It is the same for the deployment that follows, "
    "unless schema, seeds, scripts, the live schema or a hazard has changed.",
    "plan-fingerprint-short": "The first 12 characters of it, as summary and comment show them.",
    "report-path": "Path of the JSON report, relative to the workspace; empty if it could not be written.",
    "comment-url": "Address of the comment on the pull request; empty if there is none.",
    "issue-url": "Address of the issue about the drift that this run opened, updated or closed; empty without one.",
    "deployment-id": "Id of the deployment in the deployment history; empty if nothing was deployed.",
    "database": "Address of the database, or the folder of `compare-to`; empty for `docs`, or if none was given.",
    "schema-path": "Path of the schema folder as it was given.",
    "schema-version": "Version of the schema in the database after the run; empty if it has none or was not read.",
    "previous-version": "Version of the schema in the database before the run; empty if it has none or was not read.",
    "manifest-version": "Version of the schema in the manifest.",
    "tables": "Number of tables in the database, or after the planned changes.",
    "indexes": "Number of indexes in the database, or after the planned changes.",
    "views": "Number of views in the database, or after the planned changes.",
    "triggers": "Number of triggers in the database, or after the planned changes.",
    "rows-seeded": "Number of seed rows that were written.",
    "fleet": "With `fleet`: numbers of databases as JSON: databases, skipped, and one for each state; empty without.",
    "failed-names": "With `fleet`: databases that failed, were blocked or are in an unknown state, as a JSON list, the "
    "first 100.",
    "not-reached": "With `fleet`: number of databases that were not reached.",
    "fleet-shards": "With `fleet`: all shards of the fleet as a JSON list, for the matrix of the jobs that follow.",
    "token-expires-at": "Time at which the given token expires, in ISO 8601; empty if it never expires.",
    "token-days-left": "Number of whole days until that token expires.",
    "token-age-days": "Number of whole days since that token was issued.",
    "token-rotation-due": "Whether a given token should be rotated: true or false.",
}
"""Every output of the Action with its meaning; `action.yml` and the documentation are tested against it."""


_PLANNING = ("deploy", "plan")
_MAX_HAZARDS = 100  # an output is a variable, and those have a maximum size


def outputs(report: Report, report_path: str = "") -> dict[str, str]:
    """Return a value for every name of OUTPUTS; empty if it is unknown. `report_path` is that of the JSON report.

    The counts of objects are empty for a run that was blocked or failed, because the report predicts them.
    """
    counts = report.counts if report.succeeded else {}
    found = {name: line.actual for name, line in counts.items()}
    values = {
        "status": report.status.value,
        "error-code": report.error.code if report.error else None,
        "changed": _switch(report.changed),
        "would-change": _switch(_would_change(report)),
        "blocked": _switch(_is_blocked(report)),
        "pending": _switch(_is_pending(report)),
        "drifted": _switch(report.drifted),
        "changes": _changes(report),
        "hazards": json.dumps([vars(hazard) for hazard in _hazards(report)[:_MAX_HAZARDS]]),
        "plan-fingerprint": report.plan_fingerprint,
        "plan-fingerprint-short": report.plan_fingerprint and report.plan_fingerprint[:SHORT],
        "report-path": report_path,
        "comment-url": report.comment_url,
        "issue-url": report.issue_url,
        "deployment-id": report.deployment_id,
        "database": report.database,
        "schema-path": report.schema_path,
        "schema-version": report.schema_version,
        "previous-version": report.previous_version,
        "manifest-version": report.manifest_version,
        **{name: found.get(name) for name in ("tables", "indexes", "views", "triggers")},
        "rows-seeded": rows_seeded(report),
        **_fleet_outputs(report.fleet),
        **_token_outputs(report),
    }
    return {name: "" if values[name] is None else str(values[name]) for name in OUTPUTS}


def _switch(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _would_change(report: Report) -> bool | None:
    """Return whether the run found something to deploy; None if nothing was planned."""
    match report.status:
        case Status.DEPLOYED | Status.PLANNED | Status.PENDING if report.command in _PLANNING:
            return True
        case Status.UNCHANGED:
            return False
        case Status.BLOCKED | Status.FAILED if report.command in _PLANNING and report.plan_fingerprint:
            return bool(report.steps or any(seed.written for seed in report.seeds))
    return None


def _is_pending(report: Report) -> bool | None:
    """Return whether the folder has changes that are not deployed after the run; None if that is not known."""
    if report.pending is None and report.command in _PLANNING and report.plan_fingerprint is not None:
        return False if report.status is Status.DEPLOYED else _would_change(report)
    return report.pending


def _is_blocked(report: Report) -> bool | None:
    """Return whether the deployment is blocked; None if that is not known."""
    if report.status is Status.BLOCKED or any(hazard.approved is False for hazard in _hazards(report)):
        return None if report.blocked_by else True
    is_known = report.command in _PLANNING and (report.succeeded or report.plan_fingerprint is not None)
    return False if is_known and not report.blocked_by else None


def _hazards(report: Report) -> list[HazardLine]:
    """Return all hazards, those that block first."""
    hazards = [*(hazard for step in report.steps for hazard in step.hazards), *report.hazards]
    return sorted(hazards, key=lambda hazard: hazard.approved is not False)


def _changes(report: Report) -> str | None:
    if report.command not in _PLANNING or not (report.succeeded or report.plan_fingerprint):
        return None
    effects = Counter(change.effect for change in report.changes)
    numbers = {effect: effects[effect] for effect in get_args(Effect)}
    scripts = sum(step.kind is StepKind.RUN_SCRIPT for step in report.steps)
    return json.dumps({**numbers, "scripts": scripts, "seed_rows": sum(seed.written for seed in report.seeds)})


def _fleet_outputs(fleet: Fleet | None) -> dict[str, str | int | None]:
    """Return the outputs about a fleet; None for a run of one database."""
    if fleet is None:
        return dict.fromkeys(("fleet", "failed-names", "not-reached", "fleet-shards"))
    skipped = sum(fleet.skipped.values())
    return {
        "fleet": json.dumps({"databases": fleet.databases, "skipped": skipped, **fleet.states}),
        "failed-names": json.dumps(fleet.failed_names),
        "not-reached": fleet.not_reached,
        "fleet-shards": json.dumps(fleet.shards),
    }


def _token_outputs(report: Report) -> dict[str, str | int | None]:
    """Return the outputs about the tokens in the settings; expiry and age are those of the first one."""
    given = [token for token in report.tokens if not token.minted]
    first = given[0] if given else None
    return {
        "token-expires-at": first.expires_at if first else None,
        "token-days-left": first.days_left if first else None,
        "token-age-days": first.age_days if first else None,
        "token-rotation-due": "true" if any(token.due for token in given) else "false",
    }
