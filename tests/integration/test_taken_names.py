"""An object of others has a name that a new virtual table needs for a table of its own: the plan says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.core.errors import ErrorCode
from turso_deploy.report.document import Status


@pytest.mark.parametrize(
    ("theirs", "sql", "name"),
    [
        (
            "CREATE TABLE F_Data (x)",
            "CREATE VIRTUAL TABLE f USING fts5(x);",
            "the name F_Data for its content, and the database has a table",
        ),
        (
            "CREATE VIEW f_config AS SELECT 1",
            "CREATE VIRTUAL TABLE f USING fts5(x);",
            "the name f_config for its content, and the database has a view",
        ),
        (
            "CREATE TABLE r_node (x)",
            "CREATE VIRTUAL TABLE r USING rtree(id, a, b);",
            "the name r_node for its content, and the database has a table",
        ),
    ],
)
def test_name_that_a_new_virtual_table_needs_is_an_error_of_plan_and_deployment(
    target: DatabaseUnderTest, tmp_path: Path, theirs: str, sql: str, name: str
) -> None:
    target.run(theirs)
    before = target.dump()
    project = write_project(tmp_path / "schema", {"t.sql": sql})
    for report in (target.plan(project), target.deploy(project)):
        assert report.error is not None
        assert (report.error.code, report.requests) == (ErrorCode.PLAN_IMPOSSIBLE, 1)
        assert name in report.error.message
        assert Path(str(report.error.file)).name == "t.sql"
    assert target.dump() == before


def test_name_that_a_new_vector_index_needs_is_an_error_of_plan_and_deployment(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    on_sqld.run("CREATE TABLE Near_Shadow (x)")
    before = on_sqld.dump()
    sql = "CREATE TABLE e (v F32_BLOB(2));\nCREATE INDEX Near ON e (libsql_vector_idx(v));"
    project = write_project(tmp_path / "schema", {"t.sql": sql})
    for report in (on_sqld.plan(project), on_sqld.deploy(project)):
        assert report.error is not None
        assert (report.error.code, report.error.line) == (ErrorCode.PLAN_IMPOSSIBLE, 2)
        assert "the name Near_Shadow for its content" in report.error.message
    assert on_sqld.dump() == before


def test_content_table_that_is_called_like_a_shadow_is_no_conflict(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.run("CREATE TABLE f_content (id INTEGER PRIMARY KEY, x TEXT)", "INSERT INTO f_content VALUES (1, 'a')")
    sql = "CREATE VIRTUAL TABLE f USING fts5(x, content='f_content', content_rowid='id');\n"
    project = write_project(
        tmp_path / "schema", {"t.sql": f"CREATE TABLE f_content (id INTEGER PRIMARY KEY, x TEXT);\n{sql}"}
    )
    report = target.deploy(project)
    assert report.status is Status.DEPLOYED, report.error
    assert target.plan(project).status is Status.UNCHANGED
