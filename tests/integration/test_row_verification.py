"""Row verification: if a statement does something else than the simulation, nothing is committed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from tests.support.databases import DatabaseUnderTest, InterceptedDatabase
from tests.support.schema_folders import write_project
from tests.support.sqlite_statements import recorded_statements
from turso_deploy.core.errors import ErrorCode
from turso_deploy.core.transaction import Outcome, Query, Transaction
from turso_deploy.database.interface import Database
from turso_deploy.deploy.deploy import deploy
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.report.document import Report, Status

MANIFEST = {"manifest.yml": "schema_version: 1.0.0\n"}
KEPT = """\
CREATE INDEX by_name ON parents (name);
CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id) ON DELETE CASCADE);
CREATE TABLE grandchildren (id INTEGER PRIMARY KEY, child INTEGER REFERENCES children (id) ON DELETE CASCADE);
CREATE TABLE apart (a TEXT);
CREATE VIEW names AS SELECT name FROM parents;
CREATE TRIGGER named AFTER INSERT ON parents BEGIN SELECT 1; END;
"""
ABOVE = "CREATE TABLE grandparents (id INTEGER PRIMARY KEY);\n"
PARENTS = "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT{}, over INTEGER REFERENCES grandparents (id));\n"
BEFORE = {**MANIFEST, "t.sql": f"{ABOVE}{PARENTS.format('')}{KEPT}CREATE TABLE gone (a TEXT);\n"}
AFTER = {**MANIFEST, "t.sql": ABOVE + PARENTS.format(" CHECK (name <> '')") + KEPT}
ROWS = (
    "INSERT INTO grandparents VALUES (1), (2)",
    "INSERT INTO parents VALUES (1, 'a', 1), (2, 'b', 1)",
    "INSERT INTO children VALUES (1, 1), (2, 2)",
    "INSERT INTO grandchildren VALUES (1, 1), (2, 2)",
)

Tampering = Callable[[str], str]


class Tampered(InterceptedDatabase):
    """A database on the way to which statements become others."""

    def __init__(self, database: Database, tampering: Tampering) -> None:
        super().__init__(database)
        self._tampering = tampering

    def apply(self, transaction: Transaction) -> Outcome:
        steps = [step._replace(query=self._tampered(step.query)) for step in transaction.steps]
        assert steps != list(transaction.steps)
        return super().apply(transaction._replace(steps=tuple(steps)))

    def _tampered(self, query: Query) -> Query:
        sql = self._tampering(query.sql)
        return query if sql == query.sql else Query(sql)


def instead(start: str, other: str) -> Tampering:
    """Another statement in place of the one that begins so."""
    return lambda sql: other if sql.startswith(start) else sql


@pytest.fixture
def filled(target: DatabaseUnderTest, tmp_path: Path) -> DatabaseUnderTest:
    assert target.deploy(write_project(tmp_path / "before", BEFORE)).error is None
    target.run(*ROWS)
    return target


def deploy_to(
    target: DatabaseUnderTest, folder: Path, tampering: Tampering, files: Mapping[str, str] = AFTER
) -> Report:
    with closing(target.open()) as database:
        tampered = cast(Database, Tampered(database, tampering))
        return deploy(write_project(folder, files), tampered, allow_hazards="drop-table")


def test_the_deployment_holds_where_nothing_is_tampered_with(filled: DatabaseUnderTest, tmp_path: Path) -> None:
    assert deploy_to(filled, tmp_path / "after", instead("DROP VIEW", "DROP VIEW names")).status is Status.DEPLOYED
    assert filled.value("SELECT count(*) FROM grandchildren") == 2


@pytest.mark.parametrize(
    ("tampering", "told"),
    [
        (instead("CREATE VIEW", "SELECT 1"), "found changed objects: "),
        (instead("CREATE VIEW", "CREATE VIEW names AS SELECT name  FROM parents"), "found changed objects: "),
        (instead("CREATE TRIGGER", "SELECT 1"), "found changed objects: "),
        (instead("CREATE INDEX", "SELECT 1"), "found changed objects: "),
        (instead('DROP TABLE "gone"', "SELECT 1"), "all objects: 9 instead of 8"),
        (instead('DROP TABLE "gone"', "DROP TABLE apart"), "length of their SQL: "),
        (instead('DROP TABLE "gone"', "ALTER TABLE gone RENAME TO more"), "all objects: 9 instead of 8"),
    ],
)
def test_a_catalog_that_is_not_as_planned_is_not_committed(
    filled: DatabaseUnderTest, tmp_path: Path, tampering: Tampering, told: str
) -> None:
    was = filled.dump()
    report = deploy_to(filled, tmp_path / "after", tampering)
    assert report.error is not None
    assert (report.error.code, report.committed) == (ErrorCode.CHECK_FAILED, False)
    assert told in report.error.message
    assert "The database executed the steps with another result than the simulation" in (report.error.hint or "")
    assert filled.dump() == was


@pytest.mark.parametrize(
    ("lost", "table"),
    [
        ("DELETE FROM parents WHERE id = 2", "parents"),
        ("DELETE FROM children WHERE id = 2", "children"),
        ("DELETE FROM grandchildren WHERE id = 2", "grandchildren"),
        ("DELETE FROM grandparents WHERE id = 2", "grandparents"),
    ],
)
def test_rows_that_are_lost_on_the_way_are_not_committed(
    filled: DatabaseUnderTest, tmp_path: Path, lost: str, table: str
) -> None:
    """Of the table that is made anew, and of each that a foreign key connects to it at any distance."""
    was = filled.dump()
    report = deploy_to(filled, tmp_path / "after", instead('DROP TABLE "gone"', lost))
    assert report.error is not None
    assert (report.error.code, report.committed) == (ErrorCode.CHECK_FAILED, False)
    assert f"rows lost from {table}: expected 0, found 1" in report.error.message
    assert filled.dump() == was


def test_rows_of_the_parent_of_a_dropped_table_that_are_lost_are_not_committed(
    filled: DatabaseUnderTest, tmp_path: Path
) -> None:
    filled.run("DELETE FROM grandchildren")
    was = filled.dump()
    without = {**AFTER, "t.sql": BEFORE["t.sql"].replace("CREATE TABLE gone (a TEXT);\n", "")}
    without["t.sql"] = "".join(line for line in without["t.sql"].splitlines(True) if "grandchildren" not in line)
    report = deploy_to(filled, tmp_path / "after", instead('DROP TABLE "gone"', "DELETE FROM children"), without)
    assert report.error is not None
    assert "rows lost from children: expected 0, found 2" in report.error.message
    assert filled.dump() == was


def test_a_copy_that_leaves_rows_out_is_not_committed(filled: DatabaseUnderTest, tmp_path: Path) -> None:
    was = filled.dump()
    report = deploy_to(
        filled, tmp_path / "after", lambda sql: f"{sql} LIMIT 1" if sql.endswith('FROM "parents"') else sql
    )
    assert report.error is not None
    assert "rows lost from parents: expected 0, found 1" in report.error.message
    assert filled.dump() == was


def test_a_violation_that_comes_on_the_way_is_not_committed(filled: DatabaseUnderTest, tmp_path: Path) -> None:
    was = filled.dump()
    report = deploy_to(filled, tmp_path / "after", instead('DROP TABLE "gone"', "UPDATE grandchildren SET child = 9"))
    assert report.error is not None
    assert "foreign-key violations added in grandchildren: expected 0, found 2" in report.error.message
    assert filled.dump() == was


def test_foreign_keys_that_a_server_does_not_switch_off_stop_the_deployment(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    assert on_sqld.deploy(write_project(tmp_path / "before", BEFORE)).error is None
    on_sqld.run(*ROWS)
    was = on_sqld.dump()
    on_sqld.proxy.replacements[b"PRAGMA foreign_keys=0"] = b"SELECT 1"
    report = on_sqld.deploy(write_project(tmp_path / "after", AFTER), approvals=parse_approvals("drop-table"))
    assert report.error is not None
    assert "foreign keys could not be switched on or off" in report.error.message
    assert (report.committed, on_sqld.dump()) == (False, was)


@pytest.mark.parametrize("wanted", [0, 1])
def test_foreign_keys_that_a_file_does_not_switch_stop_the_deployment(
    in_file: DatabaseUnderTest, tmp_path: Path, wanted: int
) -> None:
    assert in_file.deploy(write_project(tmp_path / "before", BEFORE)).error is None
    was = in_file.dump()
    files = {0: AFTER, 1: {**BEFORE, "more.sql": "CREATE TABLE more (a);\n"}}[wanted]
    other = {f"PRAGMA foreign_keys={wanted}": f"PRAGMA foreign_keys={1 - wanted}"}
    with recorded_statements(other) as ran:
        report = in_file.deploy(write_project(tmp_path / "after", files))
    assert f"PRAGMA foreign_keys={wanted}" in ran
    assert report.error is not None
    assert "foreign keys could not be switched on or off" in report.error.message
    assert (report.committed, in_file.dump()) == (False, was)


def test_a_table_that_has_the_name_of_the_verification_stops_the_deployment_before_it_is_sent(
    filled: DatabaseUnderTest, tmp_path: Path
) -> None:
    filled.run("CREATE TABLE turso_deploy_verification (a)")
    was = filled.dump()
    report = filled.deploy(write_project(tmp_path / "after", AFTER), approvals=parse_approvals("drop-table"))
    assert report.error is not None
    assert (report.status, report.error.code) == (Status.FAILED, ErrorCode.PLAN_IMPOSSIBLE)
    assert "The database has an object turso_deploy_verification" in report.error.message
    assert filled.dump() == was
