"""What a plan needs of the server before it may start, and what is said of a rewrite that takes long."""

from __future__ import annotations

import pytest

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import ErrorCode, PlanError
from turso_deploy.core.transaction import Failure, Rows
from turso_deploy.plan.plan import Plan
from turso_deploy.sql.schema import Schema
from turso_deploy.transaction.row_verification import FOREIGN_KEY_CHECK_PROBE, check_verifiable

CATALOG = Catalog((), Schema({}, {}, {}, {}))
LACKING = Failure("SQLite error: no such table: pragma_foreign_key_check", "SQLITE_UNKNOWN")


def test_a_server_that_cannot_check_foreign_keys_is_refused_before_the_start() -> None:
    with pytest.raises(PlanError, match="cannot check foreign keys") as caught:
        check_verifiable(Plan((), (), CATALOG, tables_with_verified_keys=("child",)), LACKING)
    assert caught.value.code is ErrorCode.PLAN_IMPOSSIBLE
    assert "child" in caught.value.message


def test_a_plan_without_foreign_keys_needs_no_such_check() -> None:
    check_verifiable(Plan((), (), CATALOG), LACKING)
    check_verifiable(Plan((), (), CATALOG, tables_with_verified_keys=("child",)), Rows())
    with pytest.raises(PlanError):
        check_verifiable(Plan((), (), CATALOG, tables_with_verified_keys=("child",)), LACKING)


def test_the_question_is_understood_by_sqlite_and_reads_nothing() -> None:
    assert Scratch().query(FOREIGN_KEY_CHECK_PROBE).rows == ()
