"""Faults of one kind in the schema folder are reported at once: scripts, seeds, and SQL that is too new."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder, write_project
from turso_deploy.core.errors import MAX_LISTED, ProjectError
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Report

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, u TEXT UNIQUE);\n"
OTHER = "CREATE TABLE other (id INTEGER PRIMARY KEY, n REAL);\n"


def places_of(error: ProjectError) -> list[str]:
    return [f"{Path(cause.place.file).name}:{cause.place.line}" for cause in error.causes if cause.place]


def places_in(report: Report) -> list[str]:
    assert report.error is not None
    return [f"{Path(place.file).name}:{place.line}" for cause in report.error.causes if (place := cause.place)]


def test_all_values_that_a_column_does_not_store_are_reported_at_once(tmp_path: Path) -> None:
    files = {
        "t.sql": TABLE + OTHER,
        "seeds/t.csv": "id,n,u\n1,five,a\n2,2,b\n3,9223372036854775808,c\n",
        "seeds/other.json": '[{"id": 1, "n": 1.5},\n {"n": "x"}]',
        "seeds/missing.csv": "id\n1\n",
    }
    with pytest.raises(ProjectError) as caught:
        load_project(write_folder(tmp_path / "schema", files))
    error = caught.value
    assert places_of(error) == ["missing.csv:None", "other.json:2", "t.csv:2", "t.csv:4"]
    assert error.message.startswith("The seeds cannot be used:\n")
    assert "column `n`: the text is not a number" in error.message
    assert "the schema has no table `missing`" in error.message
    assert "five" not in error.message


def test_all_rows_that_break_a_constraint_are_reported_at_once(tmp_path: Path) -> None:
    rows = ["1,1,a", "2,,b", "3,3,a", "4,4,c", "5,,d", "6,6,c"]
    files = {"t.sql": TABLE + OTHER, "seeds/t.csv": "id,n,u\n" + "\n".join(rows), "seeds/other.csv": "id,n\n1,1\n1,2\n"}
    with pytest.raises(ProjectError) as caught:
        load_project(write_folder(tmp_path / "schema", files))
    assert places_of(caught.value) == ["other.csv:3", "t.csv:3", "t.csv:4", "t.csv:6", "t.csv:7"]
    assert "t.csv:4: `t.u` must be unique, and line 2 has the same" in caught.value.message
    assert "t.csv:7: `t.u` must be unique, and line 5 has the same" in caught.value.message


@pytest.mark.parametrize("value", ["five", ""])
def test_faults_of_seeds_without_end_are_cut_off(tmp_path: Path, value: str) -> None:
    rows = "\n".join(f"{number},{value},x{number}" for number in range(1000))
    with pytest.raises(ProjectError) as caught:
        load_project(write_folder(tmp_path / "schema", {"t.sql": TABLE, "seeds/t.csv": f"id,n,u\n{rows}\n"}))
    assert caught.value.message.startswith(f"The seeds cannot be used; the first {MAX_LISTED} reasons are:\n")
    assert len(caught.value.causes) == MAX_LISTED


def test_all_rows_that_a_trigger_leaves_out_are_reported_at_once(tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER r BEFORE INSERT ON t WHEN new.n > 1 BEGIN SELECT RAISE(IGNORE); END;"
    files = {"t.sql": TABLE + trigger, "seeds/t.csv": "id,n,u\n1,1,a\n2,2,b\n3,3,c\n"}
    with pytest.raises(ProjectError) as caught:
        load_project(write_folder(tmp_path / "schema", files))
    assert places_of(caught.value) == ["t.csv:3", "t.csv:4"]


def test_all_columns_with_seeds_that_are_no_json_are_reported_at_once(tmp_path: Path) -> None:
    files = {
        "t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);",
        "seeds/t.csv": "id,a,b\n1,x,{}\n2,{},y\n",
        "manifest.yml": "json_columns: {t: [a, b]}",
    }
    with pytest.raises(ProjectError) as caught:
        load_project(write_folder(tmp_path / "schema", files))
    assert places_of(caught.value) == ["t.csv:2", "t.csv:3"]


def test_all_statements_by_the_order_of_columns_are_reported_at_once(target: DatabaseUnderTest, tmp_path: Path) -> None:
    files = {
        "t.sql": TABLE + OTHER,
        "scripts/1.sql": "-- @run after\nINSERT INTO t VALUES (1, 1, 'a');\n"
        "INSERT INTO other (id, n)\nSELECT * FROM other;\n",
        "scripts/2.sql": "-- @run after\nUPDATE t SET n = 2;\nINSERT INTO other VALUES (2, 2);\n",
    }
    project = write_project(tmp_path / "schema", files)
    for report in (target.plan(project), target.deploy(project)):
        assert report.error is not None
        assert report.error.message.startswith("The scripts cannot be used:\n")
        assert places_in(report) == ["1.sql:2", "1.sql:4", "2.sql:3"]


def test_all_statements_of_scripts_that_do_not_compile_are_reported_at_once(tmp_path: Path) -> None:
    files = {
        "t.sql": TABLE,
        "scripts/1.sql": "-- @run after\nUPDATE t SET m = 1;\nDELETE FROM gone;\nUPDATE t SET n = 1;\n",
        "scripts/2.sql": "-- @run between\nUPDATE t SET n = uper(u, missing);\n",
    }
    with pytest.raises(ProjectError) as caught:
        load_project(write_folder(tmp_path / "schema", files))
    assert places_of(caught.value) == ["1.sql:2", "1.sql:3", "2.sql:2"]


def test_all_newer_sql_of_a_definition_is_reported_at_once(target: DatabaseUnderTest, tmp_path: Path) -> None:
    sql = (
        "CREATE TABLE t (a INTEGER DEFAULT 1_000,\n  b TEXT CHECK (unistr(b) <> ''));\n"
        "CREATE VIEW v AS SELECT if(a, 1, 2) AS x,\n  unistr('a') AS y, unistr('b') AS z FROM t;\n"
    )
    project = write_project(tmp_path / "schema", {"t.sql": sql})
    for report in (target.plan(project), target.deploy(project)):
        assert [place.split(":")[1] for place in places_in(report)] == ["1", "2", "3", "4"]


def test_newer_sql_without_end_is_cut_off(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    views = "".join(f"CREATE VIEW v{number} AS SELECT 1_000 AS a;\n" for number in range(100))
    report = in_file.plan(write_project(tmp_path / "schema", {"t.sql": views}))
    assert report.error is not None
    assert report.error.message.endswith(f"\n  and {100 - MAX_LISTED} more")
