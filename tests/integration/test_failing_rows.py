"""The first live row for which an expression of a plan fails is named, by the plan and by the deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.report.document import Report, Status

ROWS = "INSERT INTO t (id, doc, other) VALUES (-3, '{}', 1), (7, 'no json', 2), (8, '{}', 3), (900, 'nor this', 4)"
TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, doc TEXT, other INTEGER);\n"
TITLE = "json_extract(doc, '$.title')"
CHANGES = {
    "CHECK of a column": TABLE.replace("TEXT", f"TEXT CHECK ({TITLE} IS NULL)"),
    "CHECK of the table": TABLE.replace(");", f", CHECK ({TITLE} IS NULL OR other > 0));"),
    "CHECK of a new column": TABLE.replace(");", f", more TEXT CHECK ({TITLE} IS NULL));"),
    "stored column": TABLE.replace(");", f", title AS ({TITLE}) STORED);"),
    "virtual column in a rebuild": TABLE.replace("INTEGER);", f"REAL, title AS ({TITLE}));"),
    "backfill": TABLE.replace(");", f",\n  -- @using {TITLE}\n  title TEXT);"),
    "index over an expression": TABLE + f"CREATE INDEX i ON t ({TITLE});",
    "partial index": TABLE + f"CREATE INDEX i ON t (doc) WHERE {TITLE} <> '';",
    "index on a changed table": TABLE.replace("INTEGER);", f"REAL);\nCREATE INDEX i ON t ({TITLE});"),
    "index on a renamed table": f"-- @renamed from=t\n{TABLE.replace(' t ', ' u ')}CREATE INDEX i ON u ({TITLE});",
    "CHECK on a renamed column": TABLE.replace(
        "doc TEXT", f"\n  -- @renamed from=doc\n  text TEXT CHECK ({TITLE.replace('doc', 'text')} IS NULL)"
    ),
}
APPROVED = "change-type,rewrite-table,change-generated"


def failed(report: Report, row: str) -> None:
    """Assert that a report says for which row JSON cannot be read, and that nothing was changed."""
    assert (report.status, report.committed) == (Status.FAILED, False)
    assert report.error is not None
    assert f"would fail for the row {row}: the database rejected the statement: malformed JSON" in report.error.message
    assert "no json" not in str(report)
    assert Path(str(report.error.file)).name == "t.sql"


@pytest.mark.parametrize("sql", CHANGES.values(), ids=CHANGES)
def test_expression_that_fails_for_a_live_row_names_the_first_one(
    target: DatabaseUnderTest, tmp_path: Path, sql: str
) -> None:
    target.deploy(write_project(tmp_path / "first", {"t.sql": TABLE}))
    target.run(ROWS)
    before = target.dump()
    project = write_project(tmp_path / "second", {"t.sql": sql})
    approvals = parse_approvals(APPROVED)
    failed(target.plan(project, approvals), "id 7")
    failed(target.deploy(project, approvals=approvals), "id 7")
    assert target.dump() == before
    target.run("UPDATE t SET doc = NULL WHERE id IN (7, 900)")
    report = target.deploy(project, approvals=approvals)
    assert report.status is Status.DEPLOYED, report.error


def test_row_without_an_integer_key_is_named_by_its_rowid_and_a_text_key_is_not_shown(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    for name, options, named in (("a", "", "rowid 2"), ("b", " WITHOUT ROWID", "")):
        table = f"CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, doc TEXT{{}}){options};"
        target.deploy(write_project(tmp_path / f"{name}1", {"t.sql": table.format("")}))
        target.run("INSERT INTO t VALUES ('first', '{}'), ('second', 'no json')")
        project = write_project(tmp_path / f"{name}2", {"t.sql": table.format(f" CHECK ({TITLE} IS NULL)")})
        for report in (target.plan(project), target.deploy(project)):
            assert report.error is not None
            assert "malformed JSON" in report.error.message
            assert (f"for the row {named}:" in report.error.message) if named else ("row" not in report.error.message)
            assert "second" not in str(report)
        target.run("DROP TABLE t", "DELETE FROM schema_deployments")


def test_table_with_one_row_names_it(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "first", {"t.sql": TABLE}))
    target.run("INSERT INTO t VALUES (9223372036854775807, 'no json', 1)")
    project = write_project(tmp_path / "second", {"t.sql": CHANGES["partial index"]})
    for report in (target.plan(project), target.deploy(project)):
        failed(report, "id 9223372036854775807")


def test_rows_far_apart_are_found_in_few_requests(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "first", {"t.sql": TABLE}))
    target.run("INSERT INTO t (id, doc) VALUES (-9223372036854775808, '{}'), (5, 'x'), (9223372036854775807, 'x')")
    project = write_project(tmp_path / "second", {"t.sql": CHANGES["index over an expression"]})
    report = target.plan(project)
    failed(report, "id 5")
    assert report.requests < 20


VECTORS = 'CREATE TABLE e (id INTEGER PRIMARY KEY, "the vector" {});\n'


@pytest.mark.parametrize(
    ("column_type", "value", "reason"),
    [
        ("F32_BLOB(2)", "vector32('[1,2,3]')", "vectors must have the same length: 3 != 2"),
        ("FLOAT64(2)", "vector32('[1,2]')", "vectors must have the same type"),
        ("F1BIT_BLOB(2)", "vector8('[1,2]')", "vectors must have the same type"),
        ("F32_BLOB(2)", "'no vector'", "vectors must have the same length: 0 != 2"),
        ("fb16_blob ( 2 )", "7", "vector: unexpected value type"),
    ],
)
def test_live_row_that_a_vector_index_does_not_take_stops_the_plan(
    on_sqld: DatabaseUnderTest, tmp_path: Path, column_type: str, value: str, reason: str
) -> None:
    table = VECTORS.format(column_type)
    on_sqld.deploy(write_project(tmp_path / "first", {"t.sql": table}))
    on_sqld.run(f"INSERT INTO e VALUES (1, NULL), (4, {value})")
    index = "CREATE INDEX near ON e (libsql_vector_idx(\"the vector\", 'metric=cosine'));"
    project = write_project(tmp_path / "second", {"t.sql": table + index})
    plan, deployment = on_sqld.plan(project), on_sqld.deploy(project)
    assert (plan.status, deployment.status) == (Status.FAILED, Status.FAILED)
    assert plan.error is not None
    assert plan.error.message.startswith("Create index near would fail for the row id 4: ")
    assert reason in plan.error.message
    on_sqld.run("DELETE FROM e WHERE id = 4")
    assert on_sqld.plan(project).status is Status.PLANNED
    assert on_sqld.deploy(project).status is Status.DEPLOYED
