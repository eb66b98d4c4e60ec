"""Plans that must not be sent, and plans that take long: what is said, and that nothing changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.pending.write_estimate import LONG_REWRITE_ROWS
from turso_deploy.project.project import Project
from turso_deploy.report.document import Status
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.parser import parse


def _that_lies(project: Project) -> Project:
    """A project whose wanted table says one thing and does another: no plan can make them meet."""
    table = project.wanted.tables["t"]
    promised = parse("CREATE TABLE t (id INTEGER PRIMARY KEY, kept TEXT CHECK (kept <> ''))")
    assert isinstance(promised, TableDefinition)
    lying = table._replace(sql="CREATE TABLE t (id INTEGER PRIMARY KEY, kept TEXT)  ", definition=promised)
    return project._replace(wanted=replace(project.wanted, all_tables=MappingProxyType({"t": lying})))


def test_a_plan_that_does_not_converge_in_rehearsal_is_never_sent(target: DatabaseUnderTest, tmp_path: Path) -> None:
    project = write_project(tmp_path / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, kept TEXT);"})
    assert target.deploy(project).status is Status.DEPLOYED
    target.run("INSERT INTO t VALUES (1, 'x')")
    before = target.dump()
    report = target.deploy(_that_lies(project))
    assert report.error is not None
    assert (report.status, report.committed, report.error.code) == (Status.FAILED, False, "internal")
    assert "failed in the scratch database: after all steps these objects still differ: table t" in report.error.message
    assert "please report it" in (report.error.hint or "")
    assert report.error.file
    assert target.dump() == before


def test_a_table_that_takes_long_to_rewrite_is_announced(target: DatabaseUnderTest, tmp_path: Path) -> None:
    loose = write_project(tmp_path / "schema", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"})
    strict = write_project(tmp_path / "strict", {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT;"})
    assert target.deploy(loose).status is Status.DEPLOYED
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {LONG_REWRITE_ROWS})"
    target.run(f"{numbers} INSERT INTO t SELECT i FROM n")
    report = target.plan(strict)
    assert report.rows_to_write == LONG_REWRITE_ROWS
    [notice] = report.notices
    assert "t has 1,000,000 rows, which are all written in one transaction" in notice
    assert "deploy while others write little" in notice
    assert ("after 5 seconds" in notice) is not target.is_file
