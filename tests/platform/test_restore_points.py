"""The way back, on a platform with a real server behind it."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from tests.platform.server import Answer
from tests.platform.turso import Hosted, Turso, refused
from turso_deploy.core.errors import PlatformError
from turso_deploy.turso.platform import Platform
from turso_deploy.turso.restore_points import branch_restore_point, timestamp_restore_point
from turso_deploy.turso.token_checks import ask

NOW = datetime(2026, 5, 1, 12, 30, 59, tzinfo=UTC)


def test_a_bookmark_tells_the_commands_and_the_call_that_restore_to_the_moment(
    turso: Turso, quiz: Hosted, platform: Platform
) -> None:
    database = platform.database("quiz")
    turso.asked.clear()
    backup = timestamp_restore_point(platform, database, NOW)
    command, call, token = backup.lines
    assert turso.asked == []
    assert backup.reference == "2026-05-01T12:30:59Z"
    assert command == "turso db create quiz-restored-20260501-123059 --from-db quiz --timestamp 2026-05-01T12:30:59Z"
    words = shlex.split(call)
    assert f"{turso.url}/v1/organizations/acme/databases" in words
    assert "Authorization: Bearer $TURSO_API_TOKEN" in words
    seed = {"type": "database", "name": "quiz", "timestamp": "2026-05-01T12:30:59Z"}
    assert json.loads(words[-1]) == {"name": "quiz-restored-20260501-123059", "group": "default", "seed": seed}
    assert token == "turso db tokens create quiz-restored-20260501-123059"


def test_the_newest_backups_are_kept_and_nothing_else_is_deleted(
    turso: Turso, quiz: Hosted, platform: Platform
) -> None:
    database = platform.database("quiz")
    turso.create("quiz-before-20200101-000000")  # looks like one, and is no branch of quiz
    platform.create_branch("quiz-staging", database)
    for day in range(4):
        backup = branch_restore_point(platform, database, NOW + timedelta(days=day), keep=2)
    assert backup.reference == "quiz-before-20260504-123059"
    assert set(turso.databases) == {
        "quiz",
        "quiz-staging",
        "quiz-before-20200101-000000",
        "quiz-before-20260503-123059",
        "quiz-before-20260504-123059",
    }
    branch = turso.databases[backup.reference]
    assert ask(platform.database(branch.name).address, turso.token(branch), timeout=30).works


def test_an_old_backup_that_cannot_be_deleted_is_a_notice(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    database = platform.database("quiz")
    branch_restore_point(platform, database, NOW, keep=1)
    turso.databases["quiz-before-20260501-123059"].settings["delete_protection"] = True
    backup = branch_restore_point(platform, database, NOW + timedelta(days=1), keep=1)
    assert "quiz-before-20260501-123059 was not deleted" in backup.notices[0]
    assert "protected" in backup.notices[0]


@pytest.mark.parametrize("fault", [refused(402, "too many databases"), refused(409, "exists"), Answer(drop=True)])
def test_a_backup_that_cannot_be_made_is_an_error(
    turso: Turso, quiz: Hosted, platform: Platform, fault: Answer
) -> None:
    database = platform.database("quiz")
    turso.faults.add("POST .*/databases", fault)
    with pytest.raises(PlatformError):
        branch_restore_point(platform, database, NOW, keep=1)
