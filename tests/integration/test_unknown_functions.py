"""Functions that no known engine has are a notice with their places, in each command that asks no engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder, write_project
from turso_deploy.core.errors import ProjectError
from turso_deploy.deploy.preview import compare
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Status
from turso_deploy.schema_docs.generate import generate_docs

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);\n"
BEGINNING = "No engine that turso-deploy knows has these functions"

CALLS = [
    ({"t.sql": TABLE + "CREATE VIEW v AS SELECT uper(a) AS u FROM t;"}, "uper in view v (", "t.sql:2"),
    ({"t.sql": TABLE + "CREATE VIEW v AS\n  SELECT 1\n  FROM t WHERE Uper(a);"}, "uper in view v (", "t.sql:4"),
    ({"t.sql": TABLE + "CREATE INDEX i ON t (uper(a));"}, "uper in index i (", "t.sql:2"),
    ({"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY,\n a DEFAULT (uper('x')));"}, "uper in table t (", "t.sql:2"),
    ({"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY,\n a CHECK (uper(a)));"}, "uper in table t (", "t.sql:2"),
    ({"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY,\n a AS (uper(id)));"}, "uper in table t (", "t.sql:2"),
    (
        {"t.sql": TABLE + "CREATE TRIGGER r AFTER INSERT ON t BEGIN\n  SELECT uper(new.a); END;"},
        "uper in trigger r (",
        "t.sql:3",
    ),
    (
        {"t.sql": TABLE, "scripts/001.sql": "-- @run after\nDELETE FROM t;\nUPDATE t\n  SET a = uper(a);"},
        "uper in script 001 (",
        "001.sql:4",
    ),
    (
        {"t.sql": TABLE, "scripts/001.sql": "-- @run before\n-- @needs old\nUPDATE old\n  SET a = uper(a);"},
        "uper in script 001 (",
        "001.sql:4",
    ),
    (
        {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY,\n  a TEXT NOT NULL -- @using uper(old_name)\n);"},
        "uper in t.a (",
        "t.sql:2",
    ),
]


def told(notices: Sequence[str]) -> str:
    return next((notice for notice in notices if notice.startswith(BEGINNING)), "")


@pytest.mark.parametrize(("files", "name", "place"), CALLS)
def test_function_that_no_engine_has_is_a_notice_where_none_is_asked(
    tmp_path: Path, files: dict[str, str], name: str, place: str
) -> None:
    folder = write_folder(tmp_path / "schema", {"t.sql": files["t.sql"], **files})
    for check in (False, True):
        notice = told(generate_docs(folder, tmp_path / "docs", check=check).notices)
        assert name in notice
        assert place in notice
    with write_project(tmp_path / "base", {"b.sql": "CREATE TABLE b (id);"}) as base, load_project(folder) as project:
        notice = told(compare(project, base).notices)
        assert name in notice
        assert place in notice


def test_function_in_a_query_of_the_documentation_is_a_notice(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "schema", {"t.sql": TABLE, "queries/a.sql": "SELECT 1;\nSELECT\n  uper(a) FROM t;"}
    )
    assert "uper in queries/a.sql (" in told(generate_docs(folder, tmp_path / "docs", check=False).notices)


KNOWN = """CREATE TABLE k (id TEXT PRIMARY KEY DEFAULT (uuid()), e TEXT CHECK (e REGEXP '@'));
CREATE TABLE l (id INTEGER PRIMARY KEY, v F32_BLOB(1) DEFAULT (vector32('[1]')));
CREATE VIEW turso AS SELECT crypto_sha256(e) AS s, text_split(e, '@', 1) AS x, stats_median(id) AS m FROM k;
CREATE VIEW math AS SELECT pow(2, 2) AS p, iif(1, 2, 3) AS i, CAST(1 AS VARCHAR(3)) AS c;
CREATE VIEW of_tables AS SELECT value FROM generate_series(1, 3);
CREATE VIEW of_statements AS SELECT sql FROM sqlite_stmt;
CREATE VIEW of_arrays AS SELECT value FROM carray(1);
"""


def test_function_that_some_engine_has_is_none(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", {"k.sql": KNOWN})
    assert told(generate_docs(folder, tmp_path / "docs", check=False).notices) == ""


def test_table_valued_functions_of_the_server_are_deployed_and_used_in_scripts(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    views = [line for line in KNOWN.splitlines() if " of_" in line]
    scripts = {
        "scripts/after.sql": "-- @run after\nINSERT INTO t (id) SELECT value FROM generate_series(1, 3);",
        "scripts/before.sql": "-- @run before\n-- @needs t\n"
        "DELETE FROM t WHERE id IN (SELECT value FROM generate_series(7, 9));",
        "scripts/counts.sql": "-- @run after\nINSERT INTO t (id) SELECT count(*) FROM sqlite_dbpage WHERE pgno = 0;",
    }
    project = write_project(tmp_path / "schema", {"t.sql": TABLE + "\n".join(views), **scripts})
    report = on_sqld.deploy(project)
    assert report.status is Status.DEPLOYED, report.error
    assert not told(report.notices)
    assert on_sqld.value("SELECT count(*) FROM t") == 4
    assert on_sqld.plan(project).status is Status.UNCHANGED


def test_table_that_no_view_may_use_is_an_error_of_the_folder(tmp_path: Path) -> None:
    for name in ("fsdir('.')", "sqlite_dbpage", "dbstat"):
        with pytest.raises(ProjectError, match="unsafe use of virtual table"):
            write_project(tmp_path / "schema", {"t.sql": TABLE + f"CREATE VIEW v AS SELECT * FROM {name};"})


def test_table_valued_function_that_a_file_lacks_is_an_error_before_the_file_exists(
    in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    for files in (
        {"t.sql": TABLE + "CREATE VIEW v AS SELECT value FROM generate_series(1, 3);"},
        {"t.sql": TABLE, "scripts/a.sql": "-- @run after\nINSERT INTO t (id) SELECT value FROM generate_series(1, 3);"},
    ):
        project = write_project(tmp_path / "schema", files)
        for report in (in_file.plan(project), in_file.deploy(project)):
            assert report.error is not None
            assert "no such table: " in report.error.message
            assert "no longer" not in report.error.message
            assert "generate_series" in report.error.message
        assert not in_file.file.exists()
