"""Outputs of the Action: their names, their meaning, and their values for a report."""

from __future__ import annotations

from collections.abc import Mapping

from turso_deploy.report.document import Report
from turso_deploy.report.wording import rows_seeded

OUTPUTS: Mapping[str, str] = {
    "status": "Result of the run: deployed, unchanged, planned, pending (with `check`), verified, documented, stale, "
    "pulled, checked, rotated, blocked (by a hazard or a policy; nothing was changed) or failed.",
    "changed": "Whether the database was changed: true or false.",
    "deployment-id": "Id of the deployment in the deployment history; empty if nothing was deployed.",
    "schema-version": "Version of the schema in the database after the run; empty if it has none or was not read.",
    "previous-version": "Version of the schema in the database before the run; empty if it has none or was not read.",
    "manifest-version": "Version of the schema in the manifest.",
    "tables": "Number of tables in the database, or after the planned changes.",
    "indexes": "Number of indexes in the database, or after the planned changes.",
    "views": "Number of views in the database, or after the planned changes.",
    "triggers": "Number of triggers in the database, or after the planned changes.",
    "rows-seeded": "Number of seed rows that were written.",
    "token-expires-at": "Time at which the given token expires, in ISO 8601; empty if it never expires.",
    "token-days-left": "Number of whole days until that token expires.",
    "token-age-days": "Number of whole days since that token was issued.",
    "token-rotation-due": "Whether a given token should be rotated: true or false.",
}
"""Every output of the Action with its meaning; `action.yml` and the documentation are tested against it."""


def outputs(report: Report) -> dict[str, str]:
    """Return a value for every name of OUTPUTS; empty if it is unknown.

    The counts of objects are empty for a run that was blocked or failed, because the report predicts them.
    """
    counts = report.counts if report.succeeded else {}
    found = {name: line.actual for name, line in counts.items()}
    values = {
        "status": report.status.value,
        "changed": "true" if report.changed else "false",
        "deployment-id": report.deployment_id,
        "schema-version": report.schema_version,
        "previous-version": report.previous_version,
        "manifest-version": report.manifest_version,
        **{name: found.get(name) for name in ("tables", "indexes", "views", "triggers")},
        "rows-seeded": rows_seeded(report),
        **_token_outputs(report),
    }
    return {name: "" if values[name] is None else str(values[name]) for name in OUTPUTS}


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
