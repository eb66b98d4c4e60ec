"""The plan is the deployment: what would stop a deployment on the rows as they are stops its plan, which only reads."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from turso_deploy.core.errors import ErrorCode
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import deploy
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT, n INTEGER);\n"


def project_of(folder: Path, files: dict[str, str]) -> Project:
    return load_project(write_folder(folder, files))


def planned(target: DatabaseUnderTest, project: Project) -> Report:
    """The plan, with a token that can only read where there is one."""
    return replace(target, token=target.read_only_token or target.token).plan(project)


def dry_run(target: DatabaseUnderTest, project: Project) -> Report:
    database = target.open()
    try:
        return preview.plan(project, database, dry_run=True)
    finally:
        database.close()


@pytest.mark.parametrize(
    "column",
    ["n INTEGER CHECK (json_extract(j, '$.a') > 0)", "n INTEGER, k TEXT CHECK (json_extract(j, '$.a') IS k)"],
)
def test_new_check_that_cannot_be_evaluated_for_a_row_stops_the_plan(
    target: DatabaseUnderTest, tmp_path: Path, column: str
) -> None:
    target.deploy(project_of(tmp_path / "before", {"t.sql": TABLE}))
    target.run("INSERT INTO t VALUES (1, '{}', 10), (2, '', 20)")
    before = target.dump()
    after = project_of(tmp_path / "after", {"t.sql": TABLE.replace("n INTEGER", column)})
    plan, deployment = planned(target, after), target.deploy(after)
    assert plan.error is not None
    assert deployment.error is not None
    assert "malformed JSON" in plan.error.message  # the error of ADD COLUMN itself has no reason
    assert (plan.error.code, plan.status) == (deployment.error.code, deployment.status)
    assert target.dump() == before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"manifest.yml": "json_columns: {t: [j]}\n"}, "invalid JSON in t.j: expected 0, found 2"),
        ({"manifest.yml": "rows: {t: '<=2'}\n"}, "rows of t: expected <=2, found 3"),
        ({"manifest.yml": "rows: {t: '>=4'}\n"}, "rows of t: expected >=4, found 3"),
        ({"manifest.yml": "rows: {u: 1}\n"}, "rows of u: expected 1, found 0"),
        ({"manifest.yml": "expect: {tables: 1}\n"}, "tables: expected 1, would be 2"),
        ({"i.sql": "CREATE INDEX i ON t (json_extract(j, '$.a'));\n"}, "malformed JSON"),
        ({"i.sql": "CREATE INDEX i ON t (n) WHERE json_extract(j, '$.a') > 0;\n"}, "malformed JSON"),
        (
            {"t.sql": TABLE.replace("n INTEGER", "n TEXT -- @using json_extract(j, '$.n')\n")},
            "malformed JSON",
        ),
        (
            {
                "t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT -- @renamed from=j\n, n INTEGER);\n",
                "manifest.yml": "json_columns: {t: [k]}\n",
            },
            "invalid JSON in t.k: expected 0, found 2",
        ),
        (
            {
                "t.sql": TABLE.replace("n INTEGER", "n INTEGER, k TEXT NOT NULL DEFAULT 'none'"),
                "manifest.yml": "json_columns: {t: [k]}\n",
            },
            "invalid JSON in t.k: expected 0, found 3",
        ),
        ({"t.sql": TABLE.replace("n INTEGER", "n INTEGER REFERENCES u")}, "foreign-key violations added in t"),
        (
            {"t.sql": TABLE.replace("n INTEGER", "n INTEGER REFERENCES u, FOREIGN KEY (id) REFERENCES u")},
            "foreign-key violations added in t: expected 0, found 6",
        ),
        (
            {"t.sql": TABLE.replace("n INTEGER", "n INTEGER REFERENCES u"), "seeds/u.csv": "id\n10\n20\n"},
            "foreign-key violations added in t: expected 0, found 1",
        ),
    ],
)  # fmt: skip
def test_what_would_stop_the_deployment_stops_the_plan_which_is_shown_whole(
    target: DatabaseUnderTest, tmp_path: Path, files: dict[str, str], message: str
) -> None:
    target.deploy(project_of(tmp_path / "before", {"t.sql": TABLE}))
    target.run("INSERT INTO t VALUES (1, '{}', 10), (2, '', 20), (3, 'x', 30)")
    before = target.dump()
    after = project_of(
        tmp_path / "after", {"t.sql": TABLE, "u.sql": "CREATE TABLE u (id INTEGER PRIMARY KEY);\n", **files}
    )
    plan, deployment = planned(target, after), target.deploy(after)
    assert plan.error is not None
    assert deployment.error is not None
    assert message in plan.error.message, plan.error
    assert message in deployment.error.message, deployment.error
    assert (plan.error.code, plan.status) == (deployment.error.code, deployment.status)
    assert plan.undecided == ()
    # The first row for which an expression fails is looked for by ranges of keys.
    assert plan.requests <= (4 if "for the row id 2" in plan.error.message else 2)
    assert any(step.sql.startswith("CREATE TABLE u") for step in plan.steps)
    assert target.dump() == before


def test_plan_and_deployment_that_are_blocked_and_fail_have_failed(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(project_of(tmp_path / "before", {"t.sql": TABLE, "manifest.yml": "schema_version: 1.0.0\n"}))
    target.run("INSERT INTO t VALUES (1, 'x', 10)")
    manifest = "schema_version: 3.0.0\nupgrade_from: 2.0.0\njson_columns: {t: [j]}\n"
    project = project_of(tmp_path / "after", {"t.sql": TABLE, "manifest.yml": manifest})
    for report in (planned(target, project), target.deploy(project)):
        assert report.error is not None
        assert (report.status, report.exit_code, report.error.code) == (Status.FAILED, 1, ErrorCode.CHECK_FAILED)
        assert report.committed is False
        assert "from version 2.0.0 on" in report.error.message
        assert [check.name for check in report.checks if not check.ok] == ["invalid JSON in t.j"]


@pytest.mark.parametrize(
    ("files", "code", "hazard"),
    [
        ({"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT);\n"}, ErrorCode.CHECK_FAILED, "drop-column t.n"),
        ({"seeds/t.csv": "id,n\n1,11\n"}, ErrorCode.CHECK_FAILED, "overwrite-rows t"),
        (
            {
                "t.sql": TABLE + "CREATE TABLE child (id INTEGER PRIMARY KEY, t REFERENCES t);\n",
                "seeds/t.csv": "id,n\n1,11\n",
                "seeds/child.csv": "id,t\n1,9\n",
                "manifest.yml": "{}\n",
            },
            ErrorCode.SEED_INVALID,
            "overwrite-rows t",
        ),
        (
            {"t.sql": TABLE + "CREATE UNIQUE INDEX one ON t (j);\n", "seeds/t.csv": "id,n\n1,11\n"},
            ErrorCode.CHECK_FAILED,
            "overwrite-rows t",
        ),
    ],
)
def test_failure_beside_an_unapproved_hazard_ends_plan_and_deployment_alike(
    target: DatabaseUnderTest, tmp_path: Path, files: dict[str, str], code: ErrorCode, hazard: str
) -> None:
    target.deploy(project_of(tmp_path / "before", {"t.sql": TABLE}))
    target.run("INSERT INTO t VALUES (1, 'x', 10), (2, 'x', 20)")
    before = target.dump()
    manifest = "json_columns: {t: [j]}\n"
    project = project_of(tmp_path / "after", {"t.sql": TABLE, "manifest.yml": manifest, **files})
    reports = planned(target, project), target.deploy(project)
    for report in reports:
        assert report.error is not None
        assert (report.status, report.exit_code, report.error.code) == (Status.FAILED, 1, code)
        assert hazard in report.error.message
        assert report.requests <= 3
    assert reports[0].error == reports[1].error
    assert target.dump() == before


def test_seeds_that_overwrite_or_add_rows_are_part_of_the_prediction(target: DatabaseUnderTest, tmp_path: Path) -> None:
    seeds = "id,j\n1,{}\n2,{}\n"
    manifest = "rows: {u: 2}\njson_columns: {t: [j]}\nseeds: {t: {existing: update}}\n"
    target.deploy(project_of(tmp_path / "before", {"t.sql": TABLE, "seeds/t.csv": seeds}))
    target.run("UPDATE t SET j = 'x' WHERE id = 2")
    files = {
        "t.sql": TABLE + "CREATE TABLE u (id INTEGER PRIMARY KEY);\n",
        "seeds/t.csv": "id,j\n1,{}\n2,[]\n",
        "seeds/u.csv": "id\n1\n2\n",
        "manifest.yml": manifest,
    }
    after = project_of(tmp_path / "after", files)
    plan = planned(target, after)
    assert (plan.status, plan.error, plan.undecided) == (Status.PLANNED, None, ())
    assert all(check.ok for check in plan.checks)
    assert target.deploy(after).status is Status.DEPLOYED


def test_live_row_that_no_seed_overwrites_is_named(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(project_of(tmp_path / "before", {"t.sql": TABLE}))
    target.run("INSERT INTO t (id, j) VALUES (1, 'x'), (7, 'y')")
    files = {"t.sql": TABLE, "seeds/t.csv": "id,j\n1,{}\n", "manifest.yml": "json_columns: {t: [j]}\n"}
    plan = planned(target, project_of(tmp_path / "after", files))
    [check] = [check for check in plan.checks if not check.ok]
    assert (check.actual, check.details[0]) == ("1", "t.j: id 7")


def test_what_a_script_writes_is_undecided_until_a_dry_run(target: DatabaseUnderTest, tmp_path: Path) -> None:
    tables = TABLE + "CREATE TABLE other (id INTEGER PRIMARY KEY, j TEXT);\n"
    target.deploy(project_of(tmp_path / "before", {"t.sql": tables}))
    target.run("INSERT INTO t (id, j) VALUES (1, 'x')", "INSERT INTO other VALUES (1, '{}')")
    files = {
        "t.sql": tables,
        "manifest.yml": "rows: {t: 1, other: 1}\njson_columns: {t: [j], other: [j]}\n",
        "scripts/mend.sql": "-- @run before\nUPDATE t SET j = '{}';\n",
    }
    after = project_of(tmp_path / "after", files)
    plan = planned(target, after)
    assert plan.status is Status.PLANNED
    assert [text.partition(":")[0] for text in plan.undecided] == ["the script mend", "rows of t", "JSON of t"]
    assert {check.name for check in plan.checks} == {"rows of other", "invalid JSON in other.j"}
    decided = dry_run(target, after)
    assert (decided.status, decided.undecided) == (Status.PLANNED, ())
    assert target.deploy(after).status is Status.DEPLOYED


def test_trigger_on_seeds_makes_only_the_rows_that_it_writes_undecided(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    tables = TABLE + "CREATE TABLE log (id INTEGER PRIMARY KEY);\nCREATE TABLE other (id INTEGER PRIMARY KEY);\n"
    tables += "CREATE TRIGGER note AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.id); END;\n"
    manifest = "rows: {log: '<=1', other: 0}\n"
    new = project_of(tmp_path / "new", {"t.sql": tables, "manifest.yml": manifest, "seeds/t.csv": "id\n1\n2\n"})
    failed = planned(target, new)
    assert failed.error is not None, "the scratch database shows what triggers write in a new database"
    assert failed.error.code == ErrorCode.CHECK_FAILED
    target.deploy(project_of(tmp_path / "before", {"t.sql": tables}))
    plan = planned(target, new)
    assert [text.partition(":")[0] for text in plan.undecided] == ["rows of log"]
    assert [check.name for check in plan.checks] == ["rows of other"]


def test_unchanged_database_is_planned_in_one_request(target: DatabaseUnderTest, tmp_path: Path) -> None:
    project = project_of(tmp_path / "schema", {"t.sql": TABLE, "manifest.yml": "rows: {t: 0}\n"})
    assert planned(target, project).requests == 1
    assert target.deploy(project).requests == 2
    plan = planned(target, project)
    assert (plan.status, plan.requests) == (Status.UNCHANGED, 1)


def test_row_without_a_rowid_is_named_by_its_key_only_on_request(target: DatabaseUnderTest, tmp_path: Path) -> None:
    child = "CREATE TABLE c (code TEXT PRIMARY KEY, p{}) WITHOUT ROWID;\n"
    target.deploy(project_of(tmp_path / "before", {"c.sql": child.format("")}))
    target.run("INSERT INTO c VALUES ('private', 5)")
    parent = "CREATE TABLE p (id INTEGER PRIMARY KEY);\n"
    after = project_of(tmp_path / "after", {"c.sql": parent + child.format(" REFERENCES p")})
    database = target.open()
    hidden, shown = deploy(after, database), deploy(after, database, show_keys=True)
    database.close()
    assert hidden.error is not None
    assert shown.error is not None
    assert "private" not in str(hidden)
    assert "c, key 'private': p references no row in p" in shown.error.message


def test_older_rule_that_a_row_breaks_stops_the_plan_that_adds_a_checked_column(tmp_path: Path) -> None:
    target = DatabaseUnderTest(f"file:{tmp_path}/database.db", f"file:{tmp_path}/database.db")
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER CHECK (a > 0){});\n"
    target.deploy(project_of(tmp_path / "before", {"t.sql": table.format("")}))
    with closing(sqlite3.connect(target.file)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = on")
        connection.execute("INSERT INTO t VALUES (1, 0)")
        connection.commit()
    after = project_of(tmp_path / "after", {"t.sql": table.format(", b INTEGER CHECK (b > 0)")})
    plan, deployment = planned(target, after), target.deploy(after)
    assert plan.error is not None
    assert deployment.error is not None
    assert plan.error.code == deployment.error.code == ErrorCode.STATEMENT_FAILED
