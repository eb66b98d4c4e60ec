"""The direction of a deployment: forward, or back to an earlier version of the schema, which is a hazard."""

from __future__ import annotations

from collections.abc import Sequence

from turso_deploy.core.errors import Place
from turso_deploy.core.versions import parse_version
from turso_deploy.history.last_deployment import LastDeployment
from turso_deploy.plan.hazards import Hazard, HazardName


def downgrade_hazard(
    version: str | None,
    fingerprint: str,
    last: LastDeployment,
    past: Sequence[str],
    past_version: str | None,
    place: Place | None,
) -> Hazard | None:
    """Return the hazard of deploying a schema that is earlier than the last one; None if it is not.

    `version` and `fingerprint` are those of the schema folder, `past` are the fingerprints of all deployments. Two
    semantic versions decide by their precedence. If the last deployment has none, the schemas of the history decide,
    and so does `past_version`, the last semantic version before it. `place` is that of the version.
    """
    new, old = parse_version(version), parse_version(last.schema_version)
    before = parse_version(past_version)
    is_lower = bool(new and before and new < before)
    if not (new < old if new and old else is_lower or is_earlier(fingerprint, past)):
        return None
    at = last.schema_version or past_version
    reached = f"has reached {at}" if at and at != version else "got another schema after this one"
    return Hazard(
        HazardName.DOWNGRADE,
        version or fingerprint[:12],
        count_query=None,
        place=place,
        remedy=f"The database {reached}. If the job of an old release was run again, leave the database as it is. "
        "To go back on purpose, check first that nothing needs the newer schema.",
    )


def is_earlier(fingerprint: str, past: Sequence[str]) -> bool:
    """Return True if a schema was deployed before the last one, and deploying it undoes no rollback.

    `past` are the fingerprints of all deployments, the oldest first. They are read as the steps of an editor with undo
    and redo: a schema that is not in the line of schemas follows the one that the database is at, in place of those
    that were rolled back; one that is in the line moves the database back or forward.
    """
    line: list[str] = []
    at = -1
    for schema in past:
        if schema in line:
            at = line.index(schema)
        else:
            line[at + 1 :] = [schema]
            at += 1
    return fingerprint in past and fingerprint not in line[max(at, 0) :]
