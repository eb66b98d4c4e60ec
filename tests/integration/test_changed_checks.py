"""Checks of rows that the manifest did not have before are a change: deployed, recorded, and made before that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.core.errors import ErrorCode
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import accept_drift
from turso_deploy.project.project import Project
from turso_deploy.report.document import Status

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, doc TEXT);\n"
ROWS = "INSERT INTO t VALUES (1, '{}'), (2, 'no json')"


def project_of(tmp_path: Path, manifest: str = "", **seeds: str) -> Project:
    files = {"t.sql": TABLE, "manifest.yml": f"schema_version: 1.0.0\n{manifest}"}
    return write_project(tmp_path / "schema", files | {f"seeds/{name}.csv": text for name, text in seeds.items()})


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("json_columns: {t: [doc]}\n", "invalid JSON in t.doc: expected 0, found 1"),
        ("rows: {t: '>=3'}\n", "rows of t: expected >=3, found 2"),
    ],
)
def test_new_check_that_does_not_hold_stops_a_deployment_that_changes_nothing_else(
    target: DatabaseUnderTest, tmp_path: Path, manifest: str, message: str
) -> None:
    target.deploy(project_of(tmp_path))
    target.run(ROWS)
    project, before = project_of(tmp_path, manifest), target.dump()
    for report in (target.plan(project), target.deploy(project), target.verify(project)):
        assert report.error is not None
        assert (report.status, report.committed, report.error.code) == (Status.FAILED, False, ErrorCode.CHECK_FAILED)
        assert message in report.error.message
        assert report.requests <= 2
    assert target.dump() == before
    target.run("INSERT INTO t VALUES (3, '{}')", "DELETE FROM t WHERE id = 2", "INSERT INTO t VALUES (4, '[]')")
    assert target.deploy(project).status is Status.DEPLOYED


def test_new_check_that_holds_is_recorded_and_not_made_again(target: DatabaseUnderTest, tmp_path: Path) -> None:
    assert target.deploy(project_of(tmp_path)).status is Status.DEPLOYED
    project = project_of(tmp_path, "json_columns: {t: [doc]}\nrows: {t: 0}\n")
    assert target.plan(project).status is Status.PLANNED
    assert target.verify(project).status is Status.PENDING
    assert target.deploy(project).status is Status.DEPLOYED
    target.run(ROWS)  # what the application writes later is found by `verify`
    spelled = project_of(tmp_path, "rows: {T: '0'}\njson_columns: {T: [DOC]}\n")
    for same in (project, spelled):
        report = target.deploy(same)
        assert (report.status, report.requests) == (Status.UNCHANGED, 1)
    assert target.verify(project).status is Status.FAILED


def test_removed_checks_are_no_change_and_are_made_when_they_come_back_after_a_deployment(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    checked = "json_columns: {t: [doc]}\n"
    assert target.deploy(project_of(tmp_path, checked)).status is Status.DEPLOYED
    report = target.deploy(project_of(tmp_path))
    assert (report.status, report.requests) == (Status.UNCHANGED, 1)
    assert target.deploy(project_of(tmp_path, t="id,doc\n9,{}\n")).status is Status.DEPLOYED
    target.run(ROWS)
    assert target.deploy(project_of(tmp_path, checked, t="id,doc\n9,{}\n")).status is Status.FAILED


def test_condition_that_always_holds_is_no_change(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(project_of(tmp_path))
    assert target.deploy(project_of(tmp_path, "rows: {t: '>=0'}\njson_columns: {t: []}\n")).status is Status.UNCHANGED


def test_history_of_an_earlier_version_that_recorded_no_checks_makes_no_change(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    project = project_of(tmp_path, "rows: {t: 0}\n")
    target.deploy(project)
    target.run("UPDATE schema_deployments SET checks_fingerprint = NULL")
    report = target.deploy(project)
    assert (report.status, report.requests) == (Status.UNCHANGED, 1)


def test_accepted_drift_keeps_the_checks_that_held(target: DatabaseUnderTest, tmp_path: Path) -> None:
    project = project_of(tmp_path, "rows: {t: 0}\n")
    target.deploy(project)
    target.run("CREATE TABLE others (a)")
    with target.open() as database:
        assert accept_drift(project, database).status is Status.ACCEPTED
    report = target.deploy(project)
    assert (report.status, report.requests) == (Status.UNCHANGED, 1)
    assert target.plan(project_of(tmp_path, "rows: {t: 1}\n")).status is Status.FAILED


def test_checks_are_recorded_when_the_last_chunk_of_seeds_is_deployed(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    rows = "".join(f'{number},"[""{"x" * 60}""]"\n' for number in range(1, 301))
    project = project_of(tmp_path, "rows: {t: '>=300'}\njson_columns: {t: [doc]}\n", t=f"id,doc\n{rows}")
    target.request_size = 20_000
    report = target.deploy(project)
    assert report.status is Status.DEPLOYED, report.error
    recorded = target.rows("SELECT checks_fingerprint FROM schema_deployments")
    assert recorded == [(project.manifest.checks_fingerprint,)]
    assert target.deploy(project).status is Status.UNCHANGED


def test_checks_that_a_folder_has_and_another_has_not_are_a_change_between_them(tmp_path: Path) -> None:
    base = write_project(tmp_path / "base", {"t.sql": TABLE})
    assert preview.compare(project_of(tmp_path, "rows: {t: 1}\n"), base).status is Status.PLANNED
