"""Another order of columns in the database than in the schema folder is reported, and is no difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder, write_project
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Status

BEFORE = {"t.sql": "CREATE TABLE t (a INTEGER PRIMARY KEY, c TEXT);"}
AFTER = {"t.sql": "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c TEXT);"}
ORDER = "in the schema folder: table t (…, c, b instead of …, b, c)."


def test_column_that_is_appended_instead_of_inserted_is_reported(target: DatabaseUnderTest, tmp_path: Path) -> None:
    assert target.deploy(write_project(tmp_path / "schema", BEFORE)).notices == ()
    project = write_project(tmp_path / "schema", AFTER)
    for report in (target.plan(project), target.deploy(project)):
        assert report.error is None
        [notice] = report.notices
        assert notice.startswith(f"Columns are appended, and will be in another order in the database than {ORDER}")
    for report in (target.plan(project), target.deploy(project), target.verify(project)):
        assert report.error is None
        [notice] = report.notices
        assert notice.startswith(f"Columns are in another order in the database than {ORDER}")
        assert "`INSERT INTO t VALUES (…)`" in notice


def test_order_is_not_reported_for_a_table_that_is_rebuilt_into_it(target: DatabaseUnderTest, tmp_path: Path) -> None:
    for files in (BEFORE, AFTER):
        assert target.deploy(write_project(tmp_path / "schema", files)).error is None
    project = write_project(tmp_path / "schema", {"t.sql": AFTER["t.sql"].replace("c TEXT", "c TEXT NOT NULL")})
    for report, status in (
        (target.plan(project), Status.PLANNED),
        (target.deploy(project), Status.DEPLOYED),
        (target.plan(project), Status.UNCHANGED),
        (target.verify(project), Status.VERIFIED),
    ):
        assert (report.error, report.status, report.notices) == (None, status, ())


def test_order_of_a_renamed_table_is_reported(target: DatabaseUnderTest, tmp_path: Path) -> None:
    for files in (BEFORE, AFTER):
        assert target.deploy(write_project(tmp_path / "schema", files)).error is None
    renamed = "-- @renamed from=t\nCREATE TABLE u (a INTEGER PRIMARY KEY, B TEXT, c TEXT);"
    report = target.deploy(write_project(tmp_path / "schema", {"t.sql": renamed}))
    assert any("table u (…, c, b instead of …, B, c)." in notice for notice in report.notices)


@pytest.mark.parametrize("tables", [12])
def test_many_tables_and_many_columns_are_reported_in_short(
    in_file: DatabaseUnderTest, tmp_path: Path, tables: int
) -> None:
    names = [f"c{number}" for number in range(30)]
    live = [f"CREATE TABLE t{number:02} ({', '.join(reversed(names))})" for number in range(tables)]
    in_file.run(*live)
    wanted = ";\n".join(f"CREATE TABLE t{number:02} ({', '.join(names)})" for number in range(tables))
    [notice] = in_file.verify(load_project(write_folder(tmp_path / "schema", {"t.sql": f"{wanted};"}))).notices
    first = "c29, c28, c27, c26, c25, c24, c23, c22, c21, c20, … instead of c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, …"
    assert f"table t00 ({first})" in notice
    assert "table t09" in notice
    assert "and 2 more tables." in notice


def test_order_is_not_compared_while_the_columns_differ(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    in_file.run("CREATE TABLE t (c TEXT, a INTEGER PRIMARY KEY)")
    report = in_file.verify(write_project(tmp_path / "schema", AFTER))
    assert report.status is Status.PENDING
    assert report.notices == ()
