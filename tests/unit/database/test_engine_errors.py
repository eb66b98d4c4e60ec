from __future__ import annotations

import pytest

from turso_deploy.core.errors import ErrorCode
from turso_deploy.core.transaction import Failure
from turso_deploy.database.engine_errors import SETTING_NOT_TAKEN, explain

# As Turso Cloud says it, whatever the cause.
FORBIDDEN = (
    "Operation was blocked: SQL write operations are forbidden (writes are blocked, do you need to upgrade your plan?)"
)


@pytest.mark.parametrize(
    "code", ["SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED", "TRANSACTION_BUSY", "TRANSACTION_TIMEOUT"]
)
def test_another_writer_makes_the_database_busy(code: str) -> None:
    assert explain(Failure("database is locked", code)).code is ErrorCode.DATABASE_BUSY


@pytest.mark.parametrize(
    "failure", [Failure(FORBIDDEN, "BLOCKED"), Failure(FORBIDDEN, "SQLITE_UNKNOWN"), Failure("quota", "BLOCKED")]
)
def test_a_write_that_the_server_forbids_has_a_name_of_its_own(failure: Failure) -> None:
    assert explain(failure).code is ErrorCode.ACCESS_BLOCKED


def test_a_lock_is_known_by_its_message_where_the_code_says_nothing() -> None:
    assert explain(Failure("SQLite error: database is locked", "SQLITE_UNKNOWN")).code is ErrorCode.DATABASE_BUSY


@pytest.mark.parametrize("code", ["SQLITE_NOMEM", "SQLITE_IOERR_WRITE", "SQLITE_CORRUPT"])
def test_a_database_that_cannot_work_is_no_fault_of_the_statement(code: str) -> None:
    assert explain(Failure("disk I/O error", code)).code is ErrorCode.SERVER_ERROR


def test_a_database_that_is_full_has_a_name_of_its_own() -> None:
    explanation = explain(Failure("database or disk is full", "SQLITE_FULL"))
    assert explanation.code is ErrorCode.DATABASE_FULL
    assert "more space" in explanation.hint


def test_a_lock_that_was_taken_away_is_not_blamed_on_another_writer_that_held_it() -> None:
    explanation = explain(Failure("Transaction timed out", "TRANSACTION_TIMEOUT"))
    assert "took the write lock away" in explanation.message
    assert "5 seconds" in explanation.hint


def test_a_constraint_has_its_own_hint() -> None:
    explanation = explain(Failure("SQLite error: UNIQUE constraint failed: users.name", "SQLITE_CONSTRAINT"))
    assert explanation.code is ErrorCode.STATEMENT_FAILED
    assert (
        explanation.message
        == "the database rejected the statement: UNIQUE constraint failed: users.name (SQLITE_CONSTRAINT)"
    )
    assert "same key" in explanation.hint


def test_a_triggers_own_message_is_withheld() -> None:
    explanation = explain(Failure("SQLite error: hunter2 is not allowed", "SQLITE_CONSTRAINT"))
    assert "hunter2" not in f"{explanation.message} {explanation.hint}"


@pytest.mark.parametrize(
    "setting",
    [
        "foreign keys could not be switched on or off",
        "the overwriting of what is deleted could not be switched on",
    ],
)
def test_a_setting_that_was_not_taken_is_told(setting: str) -> None:
    assert setting in explain(Failure(setting, SETTING_NOT_TAKEN)).message
