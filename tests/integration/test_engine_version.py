"""SQL that is newer than the SQLite of a database is an error of the plan, measured on sqld and on an older SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.schema_folders import write_folder
from turso_deploy.core.errors import ErrorCode
from turso_deploy.core.transaction import Purpose, Query, Rows, Transaction, TransactionStep, Value
from turso_deploy.deploy import preview
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Report, Status
from turso_deploy.sqlite.connection import VERSION, Connection
from turso_deploy.sqlite.newer_sql import newer_sql_in

QUERIES = [
    "SELECT 1_000",
    "SELECT 0xFF_FF",
    "SELECT group_concat(a, ',' ORDER BY a DESC) FROM (SELECT 1 AS a UNION SELECT 2)",
    "SELECT '[1,2]' ->> -1",
    "SELECT '[1,2]' -> -1",
    *(f"SELECT strftime('%{letter}', '2024-12-30 15:04:05')" for letter in "eFIklpPRTuGgUV"),
    "SELECT date('2024-01-31', '+1 month', 'floor')",
    "SELECT date('2024-01-31', '+1 month', 'ceiling')",
    "SELECT datetime('2024-01-31 10:00', 'subsec')",
    "SELECT datetime('2024-01-31', '+0001-02-03')",
    "SELECT iif(1, 2)",
    "SELECT iif(0, 1, 0, 2, 3)",
    "SELECT if(1, 2, 3)",
    "SELECT concat('a', 1), concat_ws('-', 'a', 'b')",
    "SELECT octet_length('ä')",
    "SELECT string_agg('a', ',')",
    "SELECT json_extract(jsonb('[1]'), '$[0]')",
    "SELECT json_valid('{a:1}', 2)",
    "SELECT json_error_position('{')",
    "SELECT json_pretty('[1]')",
    "SELECT json_array_insert('[1]', '$[0]', 2)",
    "SELECT unistr('a')",
    "SELECT unistr_quote('a')",
    "SELECT timediff('2024-01-02', '2024-01-01')",
    "SELECT unhex('41')",
    "SELECT value FROM jsonb_each('[1]')",
]
"""One for each construct of the list; every one of them works in our SQLite."""
DEFINITIONS = [
    "CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT raise(ABORT, 'a' || new.a); END",
    "CREATE VIRTUAL TABLE f USING fts5 (a, content = '', contentless_delete = 1)",
    "CREATE VIRTUAL TABLE f USING fts5 (a, content = '', contentless_unindexed = 1)",
    "CREATE VIRTUAL TABLE f USING fts5 (a, locale = 1)",
    "CREATE VIRTUAL TABLE f USING fts5 (a, tokendata = 1)",
]


def in_our_sqlite(sql: str) -> tuple[tuple[Value, ...], ...]:
    with closing(Connection.in_memory()) as connection:
        connection.execute("CREATE TABLE t (a)")
        return connection.execute(sql).rows


def test_list_agrees_with_sqld(on_sqld: DatabaseUnderTest) -> None:
    """What a server rejects or answers in another way is in the list, and nothing else."""
    with closing(on_sqld.open()) as database:
        [answer] = database.query([Query("SELECT sqlite_version()")])
        assert isinstance(answer, Rows)
        version = tuple(map(int, str(answer.rows[0][0]).split(".")))
        create = TransactionStep(Query("CREATE TABLE t (a)"), Purpose.CHANGE, "t")
        for sql in [*QUERIES, *DEFINITIONS]:
            ours = in_our_sqlite(sql)
            step = TransactionStep(Query(sql), Purpose.CHANGE, sql)
            outcome = database.apply(Transaction((create, step), commit=False))
            result = outcome.results[1]
            is_same = result is not None and result.rows == ours
            assert (not list(newer_sql_in(sql, version, is_server=True))) == is_same, sql


def test_list_agrees_with_the_sqlite_of_python() -> None:
    version = sqlite3.sqlite_version_info
    for sql in [*QUERIES, *DEFINITIONS]:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("CREATE TABLE t (a)")
            try:
                theirs = tuple(connection.execute(sql).fetchall())
            except sqlite3.Error:
                theirs = None
        assert (list(newer_sql_in(sql, version)) == []) == (theirs == in_our_sqlite(sql)), sql


def test_list_is_complete_for_our_sqlite() -> None:
    """A newer SQLite may bring more: compare its release notes with the list, then raise this version."""
    assert VERSION.startswith("3.54.")
    for sql in [*QUERIES, *DEFINITIONS]:
        assert list(newer_sql_in(sql, (3, 40))) != [], sql


def plan(target: DatabaseUnderTest, folder: Path, schema: str, **files: str) -> Report:
    others = {name.replace("__", "/") + ".sql": text for name, text in files.items()}
    with closing(target.open()) as database:
        return preview.plan(load_project(write_folder(folder, {"schema.sql": schema, **others})), database)


def test_newer_sql_is_an_error_at_its_line_that_names_both_versions(target: DatabaseUnderTest, tmp_path: Path) -> None:
    report = plan(target, tmp_path / "schema", "CREATE TABLE t (\n  a,\n  b CHECK (b < 1_000)\n);\n")
    assert (report.status, report.requests) == (Status.FAILED, 1)
    assert report.error is not None
    assert (report.error.code, report.error.line) == (ErrorCode.PLAN_IMPOSSIBLE, 3)
    assert "t uses the separator in 1_000, which came with SQLite 3.46" in report.error.message
    assert f"(turso-deploy has {VERSION})" in report.error.message
    assert ("SQLite 3.40" if target.is_file else "SQLite 3.45.1") in report.error.message


def test_sql_that_the_database_has_already_is_no_error(target: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = "CREATE TABLE t (a);\nCREATE VIEW v AS SELECT a ->> -1 AS last FROM t;\n"
    target.run(*schema.replace("\n", "").split(";")[:2])
    assert plan(target, tmp_path / "schema", schema).error is None


def test_script_with_another_result_on_the_server_is_an_error(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    script = "-- @run after\nUPDATE t\nSET a = strftime('%V', a);\n"
    report = plan(on_sqld, tmp_path / "schema", "CREATE TABLE t (a);", scripts__week=script)
    assert report.error is not None
    assert "uses %V of strftime, which came with SQLite 3.46" in report.error.message
    assert report.error.line == 3


def test_backfill_with_another_result_on_the_server_is_an_error(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    on_sqld.run("CREATE TABLE t (a)")
    schema = "CREATE TABLE t (\n  a,\n  week TEXT -- @using strftime('%V', a)\n);\n"
    report = plan(on_sqld, tmp_path / "schema", schema)
    assert report.error is not None
    assert "t.week uses %V of strftime, which came with SQLite 3.46" in report.error.message
    assert report.error.line == 3


def test_script_of_a_file_runs_in_our_own_sqlite(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    script = "-- @run after\nINSERT INTO t (a) VALUES (1_000);\n"
    assert plan(in_file, tmp_path / "schema", "CREATE TABLE t (a);", scripts__once=script).error is None


@pytest.mark.parametrize(
    ("command", "options"),
    [("deploy", {}), ("plan", {}), ("plan", {"sql": True}), ("plan", {"dry_run": True}), ("verify", {})],
)
def test_what_only_servers_have_is_an_error_of_each_command_before_a_file_is_opened(
    in_file: DatabaseUnderTest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    options: dict[str, Any],
) -> None:
    schema = (
        "CREATE TABLE e (v F32_BLOB(3));\nCREATE INDEX near ON e (libsql_vector_idx(v));\n"
        "CREATE TABLE r (a) RANDOM ROWID;\n"
    )
    folder = write_folder(tmp_path / "schema", {"schema.sql": schema})
    done = run_program(command, folder, in_file.url, json_output=False, **options)
    printed = done.printed + capsys.readouterr().err  # where the report of a script goes
    assert done.status == 1
    assert "schema.sql:2:14: index near is a vector index, which only libSQL servers have" in printed
    assert "schema.sql:3:14: table r has RANDOM ROWID, which only libSQL servers have" in printed
    assert not in_file.file.exists()
    in_file.file.write_bytes(b"no database, which opening it would report")
    done = run_program(command, folder, in_file.url, json_output=False, **options)
    assert "only libSQL servers have" in done.printed + capsys.readouterr().err


def test_columns_of_vectors_need_no_server(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    assert plan(in_file, tmp_path / "schema", "CREATE TABLE e (v F32_BLOB(3));\n").error is None


def test_file_that_was_deployed_to_opens_in_the_sqlite_of_python(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    project = load_project(write_folder(tmp_path / "schema", {"schema.sql": "CREATE TABLE t (a STRICT, b AS (a));"}))
    assert in_file.deploy(project).error is None
    with closing(sqlite3.connect(in_file.file)) as connection:
        assert connection.execute("SELECT count(*) FROM schema_deployments").fetchone() == (1,)
