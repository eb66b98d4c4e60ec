"""The way back: the moment before a write and the commands that restore to it, or a branch that holds it."""

from __future__ import annotations

import json
import re
import shlex
from datetime import datetime

from msgspec import Struct

from turso_deploy.core.errors import DeployError, ErrorCode
from turso_deploy.turso.branches import branch_name
from turso_deploy.turso.platform import Platform, PlatformDatabase

_STAMP = "before-%Y%m%d-%H%M%S"
_BACKUP_NAME = re.compile(r"-before-\d{8}-\d{6}$")


class RestorePoint(Struct, frozen=True):
    """How to get back to the moment before a write.

    `reference` is for the history: the moment (ISO 8601, UTC) or the branch. `lines` are for people: what to run.
    `notices` are what went wrong beside it.
    """

    kind: str
    reference: str
    lines: tuple[str, ...]
    notices: tuple[str, ...] = ()


def bookmark(platform: Platform, database: PlatformDatabase, now: datetime) -> RestorePoint:
    """The moment as a bookmark: nothing is sent. Restoring makes a new database, which needs a new token.

    Turso keeps a day to 90 days, by plan, and up to 15 seconds before the moment may be missing:
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
        "bookmark",
        moment,
        (
            f"turso db create {restored} --from-db {database.name} --timestamp {moment}",
            f"curl -X POST {platform.url}/v1/organizations/{platform.organization}/databases "
            f"-H \"Authorization: Bearer $TURSO_API_TOKEN\" -H 'Content-Type: application/json' "
            f"-d {shlex.quote(json.dumps(body))}",
            f"turso db tokens create {restored}",
        ),
    )


def branch_backup(platform: Platform, database: PlatformDatabase, now: datetime, *, keep: int) -> RestorePoint:
    """A branch with the data of this moment. Of the branches made so before, the newest stay: `keep` of them in all.

    Raises PlatformError when the branch cannot be created; an old one that cannot be deleted is a notice.
    """
    branch = platform.create_branch(branch_name(database.name, now.strftime(_STAMP)), database)
    notices = []
    for name in _backups(platform, database, branch)[:-keep]:
        try:
            platform.delete(name)
        except DeployError as error:
            if error.code is not ErrorCode.DATABASE_NOT_FOUND:
                notices.append(f"The old backup {name} stays: {error.message}")
    lines = (f"turso db shell {branch.name}", f"turso db tokens create {branch.name}")
    return RestorePoint("branch", branch.name, lines, tuple(notices))


def _backups(platform: Platform, database: PlatformDatabase, newest: PlatformDatabase) -> list[str]:
    """The branches that earlier deployments made of this database, oldest first, and the newest one."""
    start = branch_name(database.name, "before")
    found = {
        branch.name
        for branch in platform.branches(database.id)
        if branch.parent_id == database.id and branch.name.startswith(start) and _BACKUP_NAME.search(branch.name)
    }
    return sorted(found | {newest.name})
