"""Other programs that write to the deployment history: they block, and no script runs twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Status

FILES = {
    "a.sql": "CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER);",
    "scripts/001.sql": "-- @run after\nUPDATE account SET cents = cents + 10;\n",
}
ON_INSERT = "CREATE TRIGGER other AFTER INSERT ON schema_deployments BEGIN {} END"
WRITERS = [
    ON_INSERT.format("DELETE FROM schema_deployments WHERE id = new.id;"),
    ON_INSERT.format("UPDATE schema_deployments SET scripts = '{}' WHERE id = new.id;"),
    ON_INSERT.format("DELETE FROM account;"),
    "CREATE TRIGGER other BEFORE INSERT ON schema_deployments BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER other AFTER UPDATE ON account BEGIN DELETE FROM Schema_Deployments WHERE number > 0; END",
    "CREATE TRIGGER other AFTER UPDATE ON account BEGIN REPLACE INTO schema_deployments (id) VALUES (1); END",
    'CREATE TRIGGER other AFTER UPDATE ON account BEGIN UPDATE OR IGNORE "schema_deployments" SET scripts = 0; END',
]


@pytest.fixture
def live(target: DatabaseUnderTest, tmp_path: Path) -> DatabaseUnderTest:
    """A database that the folder without its script was deployed to, with a row."""
    project = write_project(tmp_path / "first", {"a.sql": FILES["a.sql"]})
    assert target.deploy(project).status is Status.DEPLOYED
    target.run("INSERT INTO account VALUES (1, 100)")
    return target


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path / "schema", FILES)


@pytest.mark.parametrize("trigger", WRITERS)
def test_trigger_that_writes_to_the_history_blocks_plan_and_deployment(
    live: DatabaseUnderTest, project: Project, trigger: str
) -> None:
    live.run(trigger)
    before = live.dump()
    for report in (live.plan(project), live.deploy(project)):
        assert report.error is not None
        assert (report.status, report.committed, report.exit_code) == (Status.BLOCKED, False, 5)
        assert report.error.code == "history-trigger"
        assert "other" in report.error.message
    assert live.dump() == before
    assert any("blocks every deployment: other." in notice for notice in live.verify(project).notices)
    live.run("DROP TRIGGER other")
    assert live.deploy(project).status is Status.DEPLOYED
    assert live.deploy(project).status is Status.UNCHANGED
    assert live.rows("SELECT cents FROM account") == [(110,)]


def test_unique_index_on_the_history_blocks_plan_and_deployment(live: DatabaseUnderTest, project: Project) -> None:
    live.run("CREATE INDEX harmless ON schema_deployments (tool_version)")
    assert live.plan(project).status is Status.PLANNED
    live.run("create  Unique\nINDEX other ON schema_deployments (tool_version)")
    before = live.dump()
    for report in (live.plan(project), live.deploy(project)):
        assert report.error is not None
        assert (report.status, report.committed, report.error.code) == (Status.BLOCKED, False, "history-trigger")
        assert report.error.message == "Unique indexes of another program are on schema_deployments: other."
    assert live.dump() == before
    assert any("blocks every deployment: other." in notice for notice in live.verify(project).notices)
    live.run("DROP INDEX other")
    assert live.deploy(project).status is Status.DEPLOYED


def test_trigger_that_the_manifest_ignores_blocks_too(live: DatabaseUnderTest, tmp_path: Path) -> None:
    live.run(WRITERS[0])
    project = write_project(tmp_path / "ignoring", {**FILES, "manifest.yml": "ignore: [other]\n"})
    report = live.deploy(project)
    assert report.error is not None
    assert report.error.code == "history-trigger"


def test_trigger_that_only_reads_the_history_blocks_nothing(live: DatabaseUnderTest, project: Project) -> None:
    live.run(
        "CREATE TRIGGER other BEFORE INSERT ON account BEGIN "
        "SELECT RAISE(ABORT, 'old') FROM schema_deployments WHERE schema_version = '0'; END"
    )
    assert live.deploy(project).status is Status.DEPLOYED


@pytest.mark.parametrize(
    "constraint", ["UNIQUE (tool_version) ON CONFLICT IGNORE", "UNIQUE (seeds_fingerprint) ON CONFLICT IGNORE"]
)
def test_deployment_that_the_history_does_not_keep_is_rolled_back(
    live: DatabaseUnderTest, project: Project, constraint: str
) -> None:
    [(sql,)] = live.rows("SELECT sql FROM sqlite_master WHERE name = 'schema_deployments'")
    live.run(
        "ALTER TABLE schema_deployments RENAME TO before",
        f"{str(sql).rstrip().removesuffix(')')}, {constraint})",
        "INSERT INTO schema_deployments SELECT * FROM before",
        "DROP TABLE before",
    )
    before = live.dump()
    report = live.deploy(project)
    assert report.error is not None
    assert (report.status, report.committed, report.error.code) == (Status.FAILED, False, "check-failed")
    assert "The deployment was not recorded" in report.error.message
    assert live.dump() == before


def test_row_of_the_history_is_read_back_before_the_rows_are_checked(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    files = {"a.sql": FILES["a.sql"], "manifest.yml": "rows: {account: 0}\n"}
    report = on_sqld.deploy(write_project(tmp_path / "schema", files))
    assert (report.status, report.requests) == (Status.DEPLOYED, 2)
    steps = [step["stmt"]["sql"] for step in on_sqld.proxy.bodies[-1]["requests"][0]["batch"]["steps"]]
    written, read, checked = (
        next(at for at, sql in enumerate(steps) if part in sql)
        for part in ("INSERT INTO schema_deployments", "FROM schema_deployments WHERE id IS", "FROM account LIMIT")
    )
    assert written < read < checked
    assert not [sql for sql in steps[checked:] if sql.startswith(("INSERT", "UPDATE", "DELETE", "CREATE", "DROP"))]
