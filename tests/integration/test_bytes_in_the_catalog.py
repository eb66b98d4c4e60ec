"""A byte in a file's catalog that is no UTF-8 is named, and blocks only what would write its definition again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.report.document import Report, Status

TABLES = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);\nCREATE TABLE o (id INTEGER PRIMARY KEY, b TEXT);\n"
REBUILT = TABLES.replace("a TEXT", "a TEXT NOT NULL")
RENAMED = TABLES.replace("CREATE TABLE t", "-- @renamed from=t\nCREATE TABLE t2")
THEIRS = [
    ("view theirs", "CREATE VIEW theirs AS SELECT 'caXX' AS x FROM t"),
    ("trigger theirs", "CREATE TRIGGER theirs AFTER INSERT ON t BEGIN SELECT 'caXX'; END"),
    ("index theirs", "CREATE INDEX theirs ON t (a) WHERE a <> 'caXX'"),
]


def write_bytes(target: DatabaseUnderTest, *statements: str) -> None:
    """Run statements, and replace `XX` in the file by two bytes that are no UTF-8."""
    target.run(*statements)
    content = target.file.read_bytes()
    assert b"caXX" in content
    target.file.write_bytes(content.replace(b"caXX", b"ca\xe9\xe9"))


def names(report: Report, name: str) -> bool:
    return any("bytes that are not UTF-8" in text and name in text for text in report.notices)


@pytest.mark.parametrize(("name", "statement"), THEIRS)
@pytest.mark.parametrize("sql", [REBUILT, RENAMED])
def test_definition_that_would_be_written_again_is_an_error_of_plan_and_deployment(
    in_file: DatabaseUnderTest, tmp_path: Path, name: str, statement: str, sql: str
) -> None:
    in_file.deploy(write_project(tmp_path / "a", {"s.sql": TABLES}))
    write_bytes(in_file, statement)
    before = in_file.file.read_bytes()
    project = write_project(tmp_path / "b", {"s.sql": sql})
    for report in (in_file.plan(project), in_file.deploy(project)):
        assert report.error is not None
        assert f"bytes which are not UTF-8, written by another program: {name}." in report.error.message
    assert in_file.file.read_bytes() == before


@pytest.mark.parametrize(("name", "statement"), THEIRS)
def test_definition_that_stays_as_it_is_blocks_nothing_and_is_named(
    in_file: DatabaseUnderTest, tmp_path: Path, name: str, statement: str
) -> None:
    in_file.deploy(write_project(tmp_path / "a", {"s.sql": TABLES}))
    write_bytes(in_file, statement)
    project = write_project(tmp_path / "b", {"s.sql": TABLES.replace("a TEXT", "a TEXT, c TEXT")})
    for report in (in_file.plan(project), in_file.deploy(project), in_file.verify(project)):
        assert report.error is None
        assert names(report, name)
    assert b"ca\xe9\xe9" in in_file.file.read_bytes()


def test_definition_of_the_folder_replaces_the_bytes(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    project = write_project(tmp_path / "a", {"s.sql": TABLES + "CREATE VIEW v AS SELECT 'caXX' AS x FROM t;"})
    in_file.deploy(project)
    write_bytes(in_file)
    assert names(in_file.verify(project), "view v")
    assert in_file.plan(project).error is None
    assert in_file.deploy(project).status is Status.DEPLOYED
    assert in_file.value("SELECT x FROM v UNION SELECT 'caXX'") == "caXX"
    assert in_file.verify(project).status is Status.VERIFIED
