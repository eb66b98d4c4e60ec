"""What the shell of SQLite prints of a database, as a schema folder: on a server and in a file."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.schema_folders import write_folder, write_project
from turso_deploy.cli.run import run
from turso_deploy.report.console import render
from turso_deploy.report.document import Status
from turso_deploy.report.job_summary import summary

STATEMENTS = (
    "CREATE TABLE author (id INTEGER PRIMARY KEY AUTOINCREMENT, fullName TEXT NOT NULL)",
    "CREATE VIRTUAL TABLE docs USING fts5(title, body)",
    "CREATE VIRTUAL TABLE old_docs USING fts4(title)",
    "CREATE VIRTUAL TABLE area USING rtree(id, x0, x1)",
    "CREATE INDEX author_name ON author (fullName)",
    "CREATE VIEW names AS SELECT fullName FROM author",
    "CREATE TRIGGER noted AFTER INSERT ON author BEGIN SELECT 1; END",
    "INSERT INTO author (fullName) VALUES ('Ada')",
)
ON_LIBSQL = (
    "CREATE TABLE movies (title TEXT, embedding F32_BLOB(4))",
    "CREATE INDEX idx_movies ON movies (libsql_vector_idx(embedding))",
)


def shell_schema(target: DatabaseUnderTest) -> str:
    """Return what `.schema` prints: every statement of the catalog, shadow tables with IF NOT EXISTS."""
    rows = target.rows("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
    texts = [str(sql).replace("CREATE TABLE '", "CREATE TABLE IF NOT EXISTS '") for (sql,) in rows]
    return "".join(f"{text};\n" for text in texts)


def test_schema_that_the_shell_prints_is_loaded_and_changes_nothing(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.run(*STATEMENTS, *(() if target.is_file else ON_LIBSQL))
    schema = write_folder(tmp_path / "schema", {"site.sql": shell_schema(target)})
    planned = run_program("plan", schema, target.url, target.read_only_token)
    assert (planned.error, planned.document["steps"]) == (None, [])
    [skipped] = [notice for notice in planned.document["notices"] if notice.startswith("Skipped in the schema folder")]
    assert "table sqlite_sequence (" in skipped
    assert run_program("deploy", schema, target.url, target.token).status == 0
    (schema / "site.sql").write_text(shell_schema(target))  # now with the deployment history
    again = run_program("deploy", schema, target.url, target.token)
    assert (again.error, again.document["status"]) == (None, "unchanged")


def test_dump_without_rows_is_deployed_and_its_notices_are_reported(target: DatabaseUnderTest, tmp_path: Path) -> None:
    dump = (
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nDROP TABLE IF EXISTS docs;\n"
        "CREATE VIRTUAL TABLE docs USING fts5(title);\n"
        "CREATE TABLE IF NOT EXISTS 'docs_config'(k PRIMARY KEY, v) WITHOUT ROWID;\nCOMMIT;\n"
    )
    report = target.deploy(write_project(tmp_path / "schema", {"dump.sql": dump}))
    assert report.status is Status.DEPLOYED
    of_deployment, of_sqlite = report.notices
    for title in ("PRAGMA foreign_keys", "BEGIN", "DROP TABLE docs", "COMMIT"):
        assert f"{title} (" in of_deployment
    assert "table docs_config (" in of_sqlite
    for text in (render(report, False), summary(report)):
        assert "Skipped in the schema folder, because" in text
        assert "DROP TABLE docs" in text


def test_forbidden_statements_are_annotated_each_at_its_line(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    text = "CREATE TABLE t (a);\n.mode box\nATTACH 'x' AS x;\n"
    files = {
        "a.sql": text,
        "b.sql": "INSERT INTO t VALUES ('secret');\n",
        "scripts/c.sql": "-- @run before\nVACUUM;\nBEGIN;\n",
    }
    schema = write_folder(tmp_path / "schema", files)
    output = StringIO()
    settings = {"command": "plan", "schema_path": str(schema), "database_url": in_file.url}
    assert run(settings, {"GITHUB_ACTIONS": "true"}, output) == 2
    found = re.findall(r"^::error .*?file=.*?(\w\.sql),line=(\d+).*?::(.*?)(?::|%3A)", output.getvalue(), re.MULTILINE)
    assert found == [
        ("a.sql", "2", "the dot command .mode"),
        ("a.sql", "3", "ATTACH"),
        ("b.sql", "1", "INSERT"),
        ("c.sql", "2", "VACUUM in a script"),
        ("c.sql", "3", "BEGIN in a script"),
    ]
    assert "secret" not in output.getvalue()
