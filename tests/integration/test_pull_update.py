"""`pull --update`: what others changed in a database goes into the files of the schema folder, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import CompletedRun, DatabaseUnderTest, run_program
from tests.support.schema_folders import write_folder

USERS = """\
-- People who sign in.
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL, -- as shown
  -- lower case
  email TEXT -- unique by index
);

-- Finds them.
CREATE UNIQUE INDEX by_email ON users (email);  -- the one

CREATE INDEX by_name ON users (name);
"""
VIEWS = "CREATE VIEW names AS SELECT name FROM users;\n"
MANIFEST = """\
schema_version: 1.0.0
expect: # counted by hand
  tables: 1   # users
  indexes: ">=2"
  views: 1
"""
FILES = {"users.sql": USERS, "views.sql": VIEWS, "manifest.yml": MANIFEST}


def update(target: DatabaseUnderTest, schema: Path) -> CompletedRun:
    return run_program("pull", schema, target.url, target.read_only_token, update=True)


def deployed(target: DatabaseUnderTest, tmp_path: Path, files: dict[str, str] = FILES) -> Path:
    schema = write_folder(tmp_path / "schema", files)
    result = run_program("deploy", schema, target.url, target.token)
    assert result.error is None
    return schema


def plan(target: DatabaseUnderTest, schema: Path) -> dict[str, Any]:
    result = run_program("plan", schema, target.url, target.read_only_token)
    assert result.error is None
    document: dict[str, Any] = result.document
    return document


def test_each_change_is_written_where_it_belongs_and_the_plan_is_empty(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    schema = deployed(target, tmp_path)
    target.run(
        "ALTER TABLE users ADD COLUMN phone TEXT",
        "CREATE INDEX by_phone ON users (phone)",
        "DROP INDEX by_email",
        "CREATE TABLE logs (id INTEGER PRIMARY KEY, at TEXT)",
        "CREATE TRIGGER logged AFTER INSERT ON users BEGIN INSERT INTO logs (at) VALUES ('now'); END",
        "CREATE VIEW phones AS SELECT phone FROM users",
    )
    before = target.dump()
    result = update(target, schema)
    assert (result.status, result.error) == (0, None)
    assert (result.document["status"], result.document["requests"]) == ("pulled", 1)
    assert (
        (schema / "users.sql").read_text()
        == """\
-- People who sign in.
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL, -- as shown
  -- lower case
  email TEXT, -- unique by index
  phone TEXT
);

CREATE INDEX by_name ON users (name);

CREATE INDEX by_phone ON users (phone);

CREATE TRIGGER logged AFTER INSERT ON users BEGIN INSERT INTO logs (at) VALUES ('now'); END;
"""
    )
    assert (schema / "logs.sql").read_text() == "CREATE TABLE logs (id INTEGER PRIMARY KEY, at TEXT);\n"
    assert (schema / "views.sql").read_text() == VIEWS + "\nCREATE VIEW phones AS SELECT phone FROM users;\n"
    assert (schema / "manifest.yml").read_text() == MANIFEST.replace("tables: 1 ", "tables: 2 ").replace(
        "views: 1", "views: 2"
    )
    assert (plan(target, schema)["steps"], target.dump()) == ([], before)
    assert run_program("deploy", schema, target.url, target.token).document["steps"] == []
    assert run_program("verify", schema, target.url, target.read_only_token).document["status"] == "verified"


def test_columns_that_were_removed_and_changed_leave_the_others_as_they_are(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    schema = deployed(target, tmp_path)
    target.run("DROP INDEX by_email", "ALTER TABLE users DROP COLUMN email", "ALTER TABLE users RENAME name TO nick")
    assert update(target, schema).error is None
    text = (schema / "users.sql").read_text()
    assert text.startswith("-- People who sign in.\nCREATE TABLE users (\n  id INTEGER PRIMARY KEY")
    assert "email" not in text
    assert "by_email" not in text
    assert "CREATE INDEX by_name ON users (nick);" in text.replace('"', "")
    assert "nick" in (schema / "views.sql").read_text()
    assert plan(target, schema)["steps"] == []


def test_pending_changes_of_the_folder_stay_pending(target: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = deployed(target, tmp_path)
    pending = USERS.replace("email TEXT --", "email TEXT,\n  -- @using lower(name)\n  login TEXT --")
    (schema / "users.sql").write_text(pending + "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n")
    (schema / "manifest.yml").write_text(MANIFEST.replace("tables: 1 ", "tables: 2 "))
    target.run("ALTER TABLE users ADD COLUMN phone TEXT DEFAULT 'none'")
    assert update(target, schema).error is None
    text = (schema / "users.sql").read_text()
    assert "  -- @using lower(name)\n  login TEXT, -- unique by index\n  phone TEXT DEFAULT 'none'\n);" in text
    steps = [f"{step['kind']} {step['object']}" for step in plan(target, schema)["steps"]]
    assert {"rebuild table users", "create table orders"} < set(steps)


@pytest.mark.parametrize(
    ("name", "old", "new", "statements", "message"),
    [
        ("views.sql", "name FROM", "id FROM", ["DROP VIEW names", "CREATE VIEW names AS SELECT email FROM users"],
         "view names was changed in the database, and the folder has another definition"),
        ("views.sql", "name FROM", "id FROM", ["DROP VIEW names"],
         "view names was dropped in the database, and the folder has another definition"),
        ("users.sql", "-- @end", "CREATE TABLE logs (x);\n", ["CREATE TABLE logs (y)"],
         "table logs was created in the database, and the folder has another definition"),
        ("users.sql", "email TEXT --", "email TEXT COLLATE NOCASE --",
         ["DROP INDEX by_email", "ALTER TABLE users DROP COLUMN email"],
         "table users was changed in the database, and the folder has another definition"),
        ("users.sql", "CREATE INDEX by_name ON users (name);\n", "",
         ["DROP INDEX by_name", "CREATE INDEX by_name ON users (name DESC)"],
         "index by_name was changed in the database, and the folder does not have it any more"),
    ],
)  # fmt: skip
def test_object_that_both_have_changed_is_an_error_and_no_file_changes(
    target: DatabaseUnderTest, tmp_path: Path, name: str, old: str, new: str, statements: list[str], message: str
) -> None:
    schema = deployed(target, tmp_path, {**FILES, "users.sql": USERS + "-- @end"})
    (schema / name).write_text((schema / name).read_text().replace(old, new))
    target.run(*statements, "CREATE TABLE other (x)")
    files = {path.name: path.read_text() for path in schema.iterdir()}
    result = update(target, schema)
    assert result.error is not None
    assert message in result.error["message"]
    assert {path.name: path.read_text() for path in schema.iterdir()} == files


def test_folder_that_has_the_change_already_is_unchanged(target: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = deployed(target, tmp_path)
    (schema / "views.sql").write_text(VIEWS + "CREATE VIEW ids AS SELECT id FROM users;\n")
    target.run("CREATE VIEW ids AS SELECT id FROM users")
    assert update(target, schema).document["status"] == "unchanged"
    assert update(target, schema).document["drifted"] is True


def test_database_without_drift_leaves_the_folder_as_it_is(target: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = deployed(target, tmp_path)
    result = update(target, schema)
    assert (result.status, result.document["status"]) == (0, "unchanged")
    assert (schema / "users.sql").read_text() == USERS


def test_table_with_another_constraint_is_replaced_as_a_whole(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = deployed(in_file, tmp_path, {"a.sql": "-- Above.\nCREATE TABLE a (x); -- behind\n\nCREATE TABLE b (y);\n"})
    in_file.run("DROP TABLE a", "CREATE TABLE a (x, CHECK (x > 0))")
    assert update(in_file, schema).error is None
    assert (schema / "a.sql").read_text() == (
        "-- Above.\nCREATE TABLE a (x, CHECK (x > 0)); -- behind\n\nCREATE TABLE b (y);\n"
    )


def test_file_of_a_dropped_table_is_removed(target: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = deployed(target, tmp_path, {"a.sql": "CREATE TABLE a (x);\n", "b.sql": "CREATE TABLE b (x);\n"})
    target.run("DROP TABLE b")
    assert update(target, schema).error is None
    assert [path.name for path in schema.iterdir()] == ["a.sql"]
    assert plan(target, schema)["steps"] == []


def test_lines_keep_their_ends(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = deployed(in_file, tmp_path, {"a.sql": "CREATE TABLE a (\r\n  x\r\n);\r\n"})
    in_file.run("ALTER TABLE a ADD COLUMN y", "CREATE INDEX a_y ON a (y)")
    assert update(in_file, schema).error is None
    expected = b"CREATE TABLE a (\r\n  x,\r\n  y\r\n);\r\n\r\nCREATE INDEX a_y ON a (y);\r\n"
    assert (schema / "a.sql").read_bytes() == expected


def test_records_of_another_tool_are_named_and_not_written(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = deployed(in_file, tmp_path)
    in_file.run("CREATE TABLE __drizzle_migrations (id INTEGER)")
    result = update(in_file, schema)
    assert result.document["status"] == "unchanged"
    assert any("`ignore:` in the manifest: __drizzle_*" in notice for notice in result.document["notices"])


def test_change_with_which_the_seeds_do_not_fit_writes_no_file(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    files = {"a.sql": "CREATE TABLE a (x INTEGER PRIMARY KEY, y);\n", "seeds/a.csv": "x,y\n1,2\n"}
    schema = deployed(in_file, tmp_path, files)
    in_file.run("ALTER TABLE a DROP COLUMN y")
    result = update(in_file, schema)
    assert result.error is not None
    assert "no file was written" in result.error["message"]
    assert result.error["file"] == f"{schema.as_posix()}/seeds/a.csv"
    assert (schema / "a.sql").read_text() == files["a.sql"]


def test_database_that_was_never_deployed_to_has_no_known_drift(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = write_folder(tmp_path / "schema", FILES)
    in_file.run("CREATE TABLE a (x)")
    result = update(in_file, schema)
    assert result.error is not None
    assert result.error["code"] == "plan-impossible"


def test_link_is_not_followed(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = deployed(in_file, tmp_path)
    (schema / "users.sql").rename(schema / "linked.txt")
    (schema / "users.sql").symlink_to("linked.txt")
    in_file.run("ALTER TABLE users ADD COLUMN phone TEXT", "CREATE TABLE other (x)")
    result = update(in_file, schema)
    assert result.error is not None
    assert "it is a link" in result.error["message"]
    assert not (schema / "other.sql").exists()
