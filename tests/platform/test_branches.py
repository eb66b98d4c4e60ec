"""Branches of a database that a real server holds."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest

from tests.platform.server import Answer
from tests.platform.turso import Hosted, Turso, refused
from turso_deploy.core.errors import DatabaseError, ErrorCode, PlatformError
from turso_deploy.core.signals import StoppedError
from turso_deploy.core.transaction import Query, Rows
from turso_deploy.database.open import open_address
from turso_deploy.turso.branches import Branch, branch_name, temporary_branch
from turso_deploy.turso.platform import Platform, PlatformDatabase
from turso_deploy.turso.token_checks import ask

HOUR = timedelta(hours=1)
CREATE = "POST /v1/organizations/acme/databases"


class Masks(list[str]):
    """What was masked, in order."""

    def __call__(self, secret: str) -> None:
        self.append(secret)


def execute(database: PlatformDatabase, token: str, sql: str) -> Rows:
    connection = open_address(database.address, token, 30)
    try:
        (answer,) = connection.query([Query(sql)])
    finally:
        connection.close()
    assert isinstance(answer, Rows)
    return answer


@pytest.fixture
def origin(turso: Turso, quiz: Hosted, platform: Platform) -> PlatformDatabase:
    """The database `quiz` with a row, which a branch has to have too."""
    database = platform.database("quiz")
    execute(database, turso.token(quiz), "CREATE TABLE users (name TEXT)")
    execute(database, turso.token(quiz), "INSERT INTO users VALUES ('ada')")
    return database


def test_a_branch_has_the_data_and_keeps_its_changes_to_itself(
    turso: Turso, quiz: Hosted, platform: Platform, origin: PlatformDatabase
) -> None:
    masks, notices = Masks(), list[str]()
    with temporary_branch(platform, origin, masks, notices, lifetime=HOUR, timeout=30) as branch:
        assert execute(branch.database, branch.token, "SELECT name FROM users").rows == (("ada",),)
        execute(branch.database, branch.token, "DELETE FROM users")
        assert masks == [branch.token]
        assert not ask(origin.address, branch.token, timeout=30).works
    assert execute(origin, turso.token(quiz), "SELECT name FROM users").rows == (("ada",),)
    assert (set(turso.databases), notices) == ({"quiz"}, [])


@pytest.mark.parametrize("problem", [KeyboardInterrupt, DatabaseError(ErrorCode.CHECK_FAILED, "a check failed")])
def test_a_branch_is_gone_after_an_error_or_an_interrupt(
    turso: Turso, platform: Platform, origin: PlatformDatabase, problem: BaseException | type[BaseException]
) -> None:
    def fail(_branch: Branch) -> None:
        raise problem

    expected = problem if isinstance(problem, type) else type(problem)
    with (
        pytest.raises(expected),
        temporary_branch(platform, origin, Masks(), [], lifetime=HOUR, timeout=30) as branch,
    ):
        fail(branch)
    assert set(turso.databases) == {"quiz"}


def test_a_branch_is_gone_after_the_runner_ends_the_job(
    turso: Turso, platform: Platform, origin: PlatformDatabase
) -> None:
    def end_the_job() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(StoppedError),
        temporary_branch(platform, origin, Masks(), [], lifetime=HOUR, timeout=30),
    ):
        end_the_job()
    assert set(turso.databases) == {"quiz"}
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_branch_that_is_to_be_kept_stays_and_is_told(
    turso: Turso, platform: Platform, origin: PlatformDatabase
) -> None:
    notices = list[str]()
    with temporary_branch(platform, origin, Masks(), notices, lifetime=HOUR, timeout=30, keep=True) as branch:
        pass
    assert set(turso.databases) == {"quiz", branch.database.name}
    assert f"The branch {branch.database.name} is kept" in notices[0]


def test_a_branch_that_takes_a_moment_to_be_up_is_waited_for(
    turso: Turso, platform: Platform, origin: PlatformDatabase
) -> None:
    turso.starting = 3
    with temporary_branch(platform, origin, Masks(), [], lifetime=HOUR, timeout=30, interval=0) as branch:
        assert ask(branch.database.address, branch.token, timeout=30).works


def test_a_branch_whose_token_is_refused_is_not_waited_for_and_gone(
    turso: Turso, platform: Platform, origin: PlatformDatabase
) -> None:
    foreign = turso.token(turso.create("other"))
    turso.faults.add("POST .*/auth/tokens", Answer(document={"jwt": foreign}))
    with (
        pytest.raises(DatabaseError) as caught,
        temporary_branch(platform, origin, Masks(), [], lifetime=HOUR, timeout=30, interval=0),
    ):
        pass
    assert caught.value.code is ErrorCode.DATABASE_NOT_FOUND  # sqld: the token names another namespace
    assert set(turso.databases) == {"quiz", "other"}


def test_a_branch_whose_name_is_taken_is_not_deleted(
    turso: Turso, platform: Platform, origin: PlatformDatabase
) -> None:
    turso.faults.add(CREATE, refused(409, "database already exists"))
    with (
        pytest.raises(PlatformError) as caught,
        temporary_branch(platform, origin, Masks(), [], lifetime=HOUR, timeout=30),
    ):
        pass
    assert caught.value.code is ErrorCode.NAME_TAKEN
    assert not any(call.startswith("DELETE") for call in turso.calls())


def test_a_branch_of_which_the_reply_was_lost_is_deleted(
    turso: Turso, platform: Platform, origin: PlatformDatabase
) -> None:
    turso.faults.add(CREATE, Answer(drop=True), after=True)
    notices = list[str]()
    with (
        pytest.raises(PlatformError) as caught,
        temporary_branch(platform, origin, Masks(), notices, lifetime=HOUR, timeout=30),
    ):
        pass
    assert caught.value.code is ErrorCode.UNREACHABLE
    assert (set(turso.databases), notices) == ({"quiz"}, [])


def test_a_branch_that_cannot_be_deleted_is_told_with_how_to(
    turso: Turso, platform: Platform, origin: PlatformDatabase
) -> None:
    notices = list[str]()
    with temporary_branch(platform, origin, Masks(), notices, lifetime=HOUR, timeout=30) as branch:
        turso.faults.add("DELETE .*", Answer(drop=True))
    assert f"turso db destroy {branch.database.name}" in notices[0]


def test_a_branch_takes_a_token_that_may_create_databases(turso: Turso, quiz: Hosted, origin: PlatformDatabase) -> None:
    client = Platform(turso.api_token("read", "db:mint-token"), "acme", timeout=30, url=turso.url)
    with (
        pytest.raises(PlatformError, match="lacks db:create") as caught,
        temporary_branch(client, origin, Masks(), [], lifetime=HOUR, timeout=30),
    ):
        pass
    client.close()
    assert caught.value.code is ErrorCode.API_FORBIDDEN
    assert "`db:create`" in (caught.value.hint or "")


@pytest.mark.parametrize("origin_name", ["quiz", "Quiz_2.x", "q" * 64, "q" * 46 + "-long"])
def test_the_name_of_a_branch_is_one_that_the_platform_takes(turso: Turso, origin_name: str) -> None:
    name = branch_name(origin_name, "trial-12345678")
    assert len(name) <= 64
    assert name.endswith("-trial-12345678")
    assert "--" not in name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
