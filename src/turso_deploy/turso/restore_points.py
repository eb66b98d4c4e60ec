"""Restore points: a timestamp with the commands that restore to it, or a branch with the data of that moment."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime
from typing import NamedTuple

from turso_deploy.core.errors import DeployError, ErrorCode
from turso_deploy.turso.branches import branch_name
from turso_deploy.turso.platform import Platform, PlatformDatabase

_BRANCH_PURPOSE = "before-%Y%m%d-%H%M%S"
_BRANCH_SUFFIX = re.compile(r"-before-\d{8}-\d{6}$")


class RestorePoint(NamedTuple):
    """A point to which the database can be restored after a write.

    `kind` is `timestamp` or `branch`. `reference` is for the deployment history: the moment (ISO 8601, UTC) or the name
    of the branch. `lines` are the commands that restore. `notices` report problems that did not prevent it.
    """

    kind: str
    reference: str
    lines: tuple[str, ...]
    notices: tuple[str, ...] = ()


def timestamp_restore_point(platform: Platform, database: PlatformDatabase, now: datetime) -> RestorePoint:
    """Return the restore point of a moment; nothing is sent. A restore creates a new database, with a new token.

    Turso keeps between 1 and 90 days, by plan, and up to 15 seconds before the moment may be missing:
    https://docs.turso.tech/features/point-in-time-recovery.
    """
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    restored = branch_name(database.name, now.strftime("restored-%Y%m%d-%H%M%S"))
    body = {
        "name": restored,
        "group": database.group or "default",
        "seed": {"type": "database", "name": database.name, "timestamp": moment},
    }
    return RestorePoint(
        "timestamp",
        moment,
        (
            f"turso db create {restored} --from-db {database.name} --timestamp {moment}",
            f"curl -X POST {platform.url}/v1/organizations/{platform.organization}/databases "
            f"-H \"Authorization: Bearer $TURSO_API_TOKEN\" -H 'Content-Type: application/json' "
            f"-d {shlex.quote(json.dumps(body))}",
            f"turso db tokens create {restored}",
        ),
    )


def branch_restore_point(platform: Platform, database: PlatformDatabase, now: datetime, *, keep: int) -> RestorePoint:
    """Create a branch with the data of this moment, and keep the newest `keep` of such branches.

    Raises PlatformError if the branch cannot be created; an old one that cannot be deleted is a notice.
    """
    branch = platform.create_branch(branch_name(database.name, now.strftime(_BRANCH_PURPOSE)), database)
    notices = []
    for name in _restore_branches(platform, database, branch)[:-keep]:
        try:
            platform.delete(name)
        except DeployError as error:
            if error.code is not ErrorCode.DATABASE_NOT_FOUND:
                notices.append(f"The old branch {name} was not deleted: {error.message}")
    lines = (f"turso db shell {branch.name}", f"turso db tokens create {branch.name}")
    return RestorePoint("branch", branch.name, lines, tuple(notices))


def _restore_branches(platform: Platform, database: PlatformDatabase, newest: PlatformDatabase) -> list[str]:
    """Return the names of the branches of earlier deployments, oldest first, and of the newest one."""
    start = branch_name(database.name, "before")
    found = {
        branch.name
        for branch in platform.branches(database.id)
        if branch.parent_id == database.id and branch.name.startswith(start) and _BRANCH_SUFFIX.search(branch.name)
    }
    return sorted(found | {newest.name})
