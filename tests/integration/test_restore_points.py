"""`restore-point: file`: the database before a deployment with hazards, in a file that restores it, on each engine."""

from __future__ import annotations

import json
import shlex
import stat
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.rollbacks import deploy_sql, done
from tests.support.schema_folders import write_folder
from turso_deploy.cli.run import run
from turso_deploy.core.errors import DatabaseError, ErrorCode
from turso_deploy.core.transaction import Query
from turso_deploy.database.snapshots import save_restore_point
from turso_deploy.deploy.deploy import deploy as deploy_project
from turso_deploy.report.document import Report
from turso_deploy.sqlite.connection import Connection

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
SCHEMA = """\
CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT,
  size REAL,
  data BLOB,
  short TEXT AS (substr(name, 1, 1))
) STRICT;
CREATE TABLE pairs (a TEXT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE "two words" (x, y);
CREATE VIRTUAL TABLE notes USING fts5(body);
CREATE VIRTUAL TABLE search USING fts5(name, content='users', content_rowid='id');
CREATE INDEX by_name ON users (name);
CREATE VIEW names AS SELECT name FROM users;
CREATE TRIGGER note AFTER INSERT ON users BEGIN INSERT INTO notes (body) VALUES (new.name); END;
"""
ROWS = (
    "INSERT INTO users (id, name, size, data) VALUES (1, 'Ada', 0.1, x'00ff'), (2, 'two' || char(13, 10) || 'lines', "
    "9e999, NULL), (3, 'it''s' || char(0) || 'nul', -1e-300, x''), (9, '/', 1e15, NULL)",
    "DELETE FROM users WHERE id = 9",
    "INSERT INTO pairs VALUES ('b', 2), ('a', 1)",
    "INSERT INTO \"two words\" (rowid, x, y) VALUES (7, 9007199254740993, 1.0), (5, '1', NULL)",
    "INSERT INTO search (search) VALUES ('rebuild')",
)
TABLES = (
    "SELECT id, hex(name), size = 9e999, quote(nullif(size, 9e999)), quote(data), short FROM users",
    "SELECT * FROM pairs",
    'SELECT rowid, quote(x), quote(y) FROM "two words" ORDER BY rowid',
    "SELECT rowid, hex(body) FROM notes ORDER BY rowid",
    "SELECT rowid FROM search WHERE search MATCH 'ada'",
    "SELECT name, seq FROM sqlite_sequence",
    "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name",
    "SELECT number, id, hex(catalog) FROM schema_deployments",
)


def saved(target: DatabaseUnderTest, folder: Path, now: datetime = NOW, keep: int = 3) -> tuple[str, tuple[str, ...]]:
    with closing(target.open()) as database:
        return save_restore_point(database, folder, now, keep=keep)


def contents(file: Path) -> list[Any]:
    with closing(Connection.to_file(file)) as database:
        return [list(database.rows(sql)) for sql in TABLES]


def test_commands_restore_every_row_and_object(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, SCHEMA))
    target.run(*ROWS)
    name, commands = saved(target, tmp_path / "points")
    path = tmp_path / "points" / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    wanted = [target.rows(sql) for sql in TABLES]
    subprocess.run(["sh", "-euc", commands[0]], cwd=tmp_path, check=True)
    found = contents(tmp_path / "restored.db")
    for sql, one, other in zip(TABLES, wanted, found, strict=True):
        assert [tuple(map(str, row)) for row in other] == [tuple(map(str, row)) for row in one], sql
    assert shlex.quote(path.as_posix()) in commands[0]


OTHER_KINDS = """\
CREATE TABLE parent (id INTEGER PRIMARY KEY, body TEXT, n REAL AS (id / 2.0) STORED, m AS (id + 1));
CREATE TABLE keyed (a TEXT COLLATE NOCASE, b BLOB, c, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, x);
CREATE TABLE emptied (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE names ("rowid" TEXT, "oid" INT, "select" ANY);
CREATE INDEX parent_body ON parent (body);
CREATE VIEW shown AS SELECT id, body FROM parent;
CREATE VIRTUAL TABLE of_nothing USING fts5(body, content='');
CREATE VIRTUAL TABLE of_table USING fts5(body, content='parent', content_rowid='id');
CREATE VIRTUAL TABLE of_view USING fts5(body, content='shown', content_rowid='id');
CREATE VIRTUAL TABLE own USING fts5(body, tokenize='porter');
CREATE VIRTUAL TABLE old_nothing USING fts4(body, content='');
CREATE VIRTUAL TABLE old_table USING fts4(body, content='parent');
CREATE VIRTUAL TABLE old_own USING fts4(body);
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, +label);
CREATE VIRTUAL TABLE whole USING rtree_i32(id, x0, x1);
"""
OTHER_ROWS = (
    "INSERT INTO parent (id, body) VALUES (1, 'one apple'), (-5, 'two apples' || char(0) || '\\n'), (3, NULL)",
    "INSERT INTO keyed VALUES ('A', x'0001', 9e999), ('b', x'', -9e999), ('c', x'27', 9223372036854775807)",
    "INSERT INTO counted (id, x) VALUES (7, -0.0), (100, 1e-320)",
    "DELETE FROM counted WHERE id = 100",
    "INSERT INTO emptied VALUES (41)",
    "DELETE FROM emptied",
    "INSERT INTO names VALUES ('r', 1, 0.1), ('', NULL, 123456789012345.678)",
    "INSERT INTO of_nothing (rowid, body) VALUES (4, 'a hidden apple'), (8, 'pear')",
    "INSERT INTO of_table (rowid, body) VALUES (1, 'one apple')",  # and not the other rows
    "INSERT INTO of_view (rowid, body) VALUES (1, 'one apple')",
    "INSERT INTO own (rowid, body) VALUES (2, 'apples')",
    "INSERT INTO old_nothing (docid, body) VALUES (6, 'an old apple')",
    "INSERT INTO old_table (old_table) VALUES ('rebuild')",
    "INSERT INTO old_own (docid, body) VALUES (9, 'apple')",
    "INSERT INTO boxes VALUES (1, 0.1, 0.3, 'box'), (2, -9e999, 9e999, NULL)",
    "INSERT INTO whole VALUES (3, -7, 8)",
)
OTHER_TABLES = (
    "SELECT id, hex(body), quote(n), m FROM parent ORDER BY id",
    "SELECT a, hex(b), c = 9e999, c = -9e999, quote(nullif(nullif(c, 9e999), -9e999)) FROM keyed ORDER BY a",
    "SELECT id, quote(x), typeof(x) FROM counted",
    'SELECT quote("rowid"), oid, "select" IN (0.1, 123456789012345.678) FROM names ORDER BY _rowid_',
    "SELECT name, seq FROM sqlite_sequence ORDER BY name",
    *(
        f"SELECT rowid FROM {name} WHERE {name} MATCH '{word}' ORDER BY rowid"
        for name in ("of_nothing", "of_table", "of_view", "own", "old_nothing", "old_table", "old_own")
        for word in ("apple", "one", "pear", "hidden", "apples")
    ),
    "SELECT id, nullif(x0, -9e999), x0 = -9e999, x1 = 9e999, label FROM boxes ORDER BY id",
    "SELECT * FROM whole WHERE x0 < 0",
    "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name",
)
CHECKS = (
    "PRAGMA integrity_check",
    "INSERT INTO of_nothing (of_nothing) VALUES ('integrity-check')",
    "INSERT INTO own (own) VALUES ('integrity-check')",
    "INSERT INTO counted (x) VALUES (1)",
    "INSERT INTO of_nothing (rowid, body) VALUES (9, 'apple')",
)


def test_tables_of_each_kind_are_restored_as_they_were(target: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(target, tmp_path, OTHER_KINDS))
    target.run("CREATE TABLE ignored_by_all (x)", "INSERT INTO ignored_by_all VALUES (x'00')", *OTHER_ROWS)
    _, commands = saved(target, tmp_path / "points")
    wanted = [target.rows(sql) for sql in OTHER_TABLES]
    subprocess.run(["sh", "-euc", commands[0]], cwd=tmp_path, check=True)
    with closing(Connection.to_file(tmp_path / "restored.db")) as database:
        found = [list(database.rows(sql)) for sql in OTHER_TABLES]
        for sql, one, other in zip(OTHER_TABLES, wanted, found, strict=True):
            assert [tuple(map(str, row)) for row in other] == [tuple(map(str, row)) for row in one], sql
        assert list(database.rows("SELECT hex(x) FROM ignored_by_all")) == [("00",)]
        assert [list(database.rows(sql)) for sql in CHECKS] == [[("ok",)], [], [], [], []]
        assert list(database.rows("SELECT max(id) FROM counted")) == [(101,)]
        assert list(database.rows("SELECT rowid FROM of_nothing WHERE of_nothing MATCH 'apple'")) == [(4,), (9,)]


def test_large_tables_are_read_in_pages(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(on_sqld, tmp_path, "CREATE TABLE many (id INTEGER PRIMARY KEY, text TEXT);\n"))
    on_sqld.run(
        "INSERT INTO many WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1234) "
        "SELECT i, printf('%.1000c', 'x') FROM n"
    )
    name, _ = saved(on_sqld, tmp_path / "points")
    text = (tmp_path / "points" / name).read_text(encoding="utf-8")
    assert text.count('INSERT INTO "many"') == 1234
    assert text.endswith("COMMIT;\n")


def test_dump_is_of_one_moment(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(on_sqld, tmp_path, "CREATE TABLE a (x);\nCREATE TABLE b (x);\n"))
    with closing(on_sqld.open()) as database, database.reading() as read:  # type: ignore[attr-defined]
        assert read([Query("SELECT count(*) FROM a")])[0].rows == ((0,),)
        on_sqld.run("INSERT INTO a VALUES (1)", "INSERT INTO b VALUES (1)")
        assert read([Query("SELECT count(*) FROM b")])[0].rows == ((0,),)


def test_newest_files_of_each_database_are_kept(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(in_file, tmp_path, "CREATE TABLE a (x);\n"))
    folder = tmp_path / "points"
    other = folder / "restore-point-000000000000-20200101-000000-000000.db"
    mine = folder / "notes.txt"
    folder.mkdir()
    other.touch()
    mine.touch()
    names = [saved(in_file, folder, NOW.replace(second=second), keep=2)[0] for second in range(4)]
    assert sorted(path.name for path in folder.iterdir()) == sorted([other.name, mine.name, *names[2:]])


def test_without_a_restore_point_nothing_is_deployed(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(in_file, tmp_path, "CREATE TABLE a (x);\n"))
    (tmp_path / "real").mkdir()
    (tmp_path / "points").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    for folder in ("points", "file"):
        with pytest.raises(DatabaseError) as caught:
            saved(in_file, tmp_path / folder)
        assert caught.value.code is ErrorCode.RESTORE_POINT_FAILED
        assert list((tmp_path / "real").iterdir()) == []


def test_deployment_with_a_hazard_saves_first_and_prints_the_commands(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    folder = tmp_path / "schema"
    points = tmp_path / "points"
    users = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT);\n"
    flags = {
        "command": "deploy",
        "schema_path": str(folder),
        "database_url": target.url,
        "restore_point": "file",
        "restore_point_folder": str(points),
        "allow_hazards": "drop-column:users.email",
        "json_output": True,
    }
    environment = {"TURSO_AUTH_TOKEN": target.token} if target.token else {}

    def deployed(sql: str) -> dict[str, Any]:
        write_folder(folder, {"schema.sql": sql})
        output = StringIO()
        assert run(flags, environment, output, StringIO()) == 0, output.getvalue()
        report: dict[str, Any] = json.loads(output.getvalue())
        return report

    assert deployed(users)["restore_point"] == []
    assert not points.exists()
    target.run("INSERT INTO users VALUES (1, 'Ada', 'a@b.c')")
    report = deployed(users.replace(", email TEXT", ""))
    [file] = points.iterdir()
    assert target.value("SELECT backup FROM schema_deployments ORDER BY number DESC LIMIT 1") == file.name
    subprocess.run(["sh", "-euc", report["restore_point"][0]], cwd=tmp_path, check=True)
    with closing(Connection.to_file(tmp_path / "restored.db")) as restored:
        assert list(restored.rows("SELECT * FROM users")) == [(1, "Ada", "a@b.c")]


def test_hazard_that_appears_between_plan_and_deployment_has_its_restore_point(
    target: DatabaseUnderTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT);\n"
    done(deploy_sql(target, tmp_path, users))
    target.run("INSERT INTO users VALUES (1, 'Ada', NULL)")
    writes = ["UPDATE users SET email = 'a@b.c'"]

    def deploy_after_a_write(*arguments: Any, **settings: Any) -> Report:
        while writes:
            target.run(writes.pop())
        return deploy_project(*arguments, **settings)

    monkeypatch.setattr("turso_deploy.cli.deploy_command.deploy_project", deploy_after_a_write)
    write_folder(tmp_path / "schema", {"schema.sql": users.replace(", email TEXT", "")})
    points = tmp_path / "points"
    deployed = run_program(
        *("deploy", tmp_path / "schema", target.url, target.token),
        restore_point="file",
        restore_point_folder=str(points),
        allow_hazards="drop-column:users.email",
    )
    assert (deployed.status, deployed.document["status"]) == (0, "deployed"), deployed.error
    subprocess.run(["sh", "-euc", deployed.document["restore_point"][0]], cwd=tmp_path, check=True)
    with closing(Connection.to_file(tmp_path / "restored.db")) as restored:
        assert list(restored.rows("SELECT email FROM users")) == [("a@b.c",)]


def test_deployment_without_its_restore_point_stops(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    done(deploy_sql(in_file, tmp_path, "CREATE TABLE a (x, y);\n"))
    in_file.run("INSERT INTO a VALUES (1, 2)")
    write_folder(tmp_path / "schema", {"schema.sql": "CREATE TABLE a (x);\n"})
    (tmp_path / "points").touch()
    before, output = in_file.dump(), StringIO()
    flags = {
        "command": "deploy",
        "schema_path": str(tmp_path / "schema"),
        "database_url": in_file.url,
        "restore_point": "file",
        "restore_point_folder": str(tmp_path / "points"),
        "allow_hazards": "drop-column",
    }
    assert run(flags, {}, output, StringIO()) == 1
    assert "restore-point-failed" in output.getvalue()
    assert in_file.dump() == before
