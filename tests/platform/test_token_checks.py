"""Tokens held against the server that they are for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from tests.platform.turso import Hosted, Turso, refused
from turso_deploy.core.errors import ErrorCode
from turso_deploy.turso.platform import Platform
from turso_deploy.turso.token_checks import ask, check_claims_of_all, check_on_platform, check_on_server
from turso_deploy.turso.token_policy import Level, Policy, Role, TokenCheck, token_error

POLICY = Policy()


def examined(client: Platform, /, **tokens: str) -> dict[Role, TokenCheck]:
    """The checks of these tokens: by their claims, at the server, and at the platform."""
    now = datetime.now(UTC)
    given = {Role[role.upper()]: token for role, token in tokens.items()}
    database = client.database("quiz")
    online = check_on_server(check_claims_of_all(given, POLICY, now), given, database.address, timeout=30)
    return check_on_platform(online, client, database, POLICY, now)


def test_tokens_that_are_what_they_should_be(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    previous = turso.token(quiz)
    platform.rotate("quiz")
    checks = examined(
        platform,
        deploy=turso.token(quiz),
        application=turso.token(quiz, "ro"),
        previous=previous,
        platform=turso.api_token(),
    )
    assert {role.name: check.state for role, check in checks.items()} == {
        "DEPLOY": "works",
        "APPLICATION": "works",
        "PREVIOUS": "rejected",
        "PLATFORM": "works",
    }
    assert all(check.level is None for check in checks.values())


def test_an_old_token_that_still_works_is_an_error(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    old = turso.token(quiz, rid="1")
    checks = examined(platform, deploy=turso.token(quiz), previous=old)
    assert checks[Role.PREVIOUS].state == "still works"
    assert checks[Role.PREVIOUS].level is Level.ERROR
    assert token_error(checks, POLICY) is None


@pytest.mark.parametrize("exp", [1, None])
def test_an_old_token_that_expired_is_refused(turso: Turso, quiz: Hosted, platform: Platform, exp: int | None) -> None:
    old = turso.token(quiz, exp=exp) if exp else turso.token(quiz)
    platform.rotate("quiz")
    checks = examined(platform, previous=old)
    assert (checks[Role.PREVIOUS].state, checks[Role.PREVIOUS].level) == ("rejected", None)


def test_an_old_token_is_not_called_refused_when_the_database_is_not_there(
    turso: Turso, quiz: Hosted, platform: Platform
) -> None:
    old = turso.token(quiz)
    quiz.faults.add(".*", refused(404, "not found"), times=2)
    checks = examined(platform, previous=old)
    assert (checks[Role.PREVIOUS].state, checks[Role.PREVIOUS].level) == ("unknown", Level.WARNING)


def test_a_deploy_token_that_was_rotated_away_stops_the_run(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    stale = turso.token(quiz)
    platform.rotate("quiz")
    checks = examined(platform, deploy=stale, application=turso.token(quiz, "ro"))
    assert (checks[Role.DEPLOY].state, checks[Role.APPLICATION].state) == ("rejected", "works")
    error = token_error(checks, POLICY)
    assert error is not None
    assert error.code is ErrorCode.TOKEN_REJECTED


def test_a_serving_token_that_is_refused_does_not_stop_a_deployment(
    turso: Turso, quiz: Hosted, platform: Platform
) -> None:
    stale = turso.token(quiz, "ro")
    platform.rotate("quiz")
    checks = examined(platform, deploy=turso.token(quiz), application=stale)
    assert (checks[Role.APPLICATION].state, checks[Role.APPLICATION].level) == ("rejected", Level.ERROR)
    assert token_error(checks, POLICY) is None
    assert token_error(checks, Policy(mode="enforce")) is not None


def test_a_token_of_another_database_is_told_with_the_name(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    foreign = turso.token(turso.create("other"))
    checks = examined(platform, deploy=foreign)
    assert checks[Role.DEPLOY].state == "wrong database"
    assert any("another database than quiz" in finding.text for finding in checks[Role.DEPLOY].findings)


def test_a_database_that_blocks_writes_is_no_read_only_token(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    turso.configure(quiz, block_writes=True)
    checks = examined(platform, deploy=turso.token(quiz))
    error = token_error(checks, POLICY)
    assert error is not None
    assert error.code is ErrorCode.ACCESS_BLOCKED
    assert "block_writes" in error.message
    checks = examined(platform, deploy=turso.token(quiz, "ro"))
    assert ErrorCode.TOKEN_READ_ONLY in {finding.code for finding in checks[Role.DEPLOY].findings}
    error = token_error(checks, POLICY)
    assert error is not None
    assert (error.code, error.exit_code) == (ErrorCode.ACCESS_BLOCKED, 1)  # which precedes 2, that of the token


def test_a_database_that_blocks_reads_is_told_without_the_platform(
    turso: Turso, quiz: Hosted, platform: Platform
) -> None:
    turso.configure(quiz, block_reads=True)
    answer = ask(platform.database("quiz").address, turso.token(quiz), timeout=30)
    assert answer.error is not None
    assert answer.error.code is ErrorCode.ACCESS_BLOCKED
    assert not answer.rejected


def test_a_dead_token_is_not_sent(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    examined(platform, deploy=turso.token(quiz, exp=1), application="a platform's token")
    assert quiz.asked == []


def test_the_end_of_the_api_token_comes_from_the_platform(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    turso.expires = int((datetime.now(UTC) + timedelta(days=3, hours=1)).timestamp())
    checks = examined(platform, platform=turso.api_token())
    assert "expires in 3 days" in checks[Role.PLATFORM].findings[0].text


def test_the_age_of_the_api_token_is_judged_once(turso: Turso, quiz: Hosted, platform: Platform) -> None:
    old = jwt.encode({"iat": datetime.now(UTC) - timedelta(days=200)}, "k" * 32, algorithm="HS256")
    checks = examined(platform, platform=old)
    assert [finding.code for finding in checks[Role.PLATFORM].findings] == [ErrorCode.TOKEN_POLICY]
