"""`plan --sql`: the script does by hand what a deployment does, and stops where a deployment would."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SHIPPED, SMALL, with_changes, write_folder
from tests.support.sqlite_shell import CLIENTS, SHELL, Client, content, in_shell
from turso_deploy.cli.run import run

# Renames, a rebuild with children, views and triggers around it, a dropped column, scripts, seeds in new tables.
CHANGED = {
    **with_changes(
        SMALL,
        tables="""\
CREATE TABLE authors (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL COLLATE NOCASE UNIQUE, -- it's ?1 "here"
  biography TEXT -- @renamed from=profile
) STRICT;
CREATE TABLE books (
  id TEXT PRIMARY KEY NOT NULL,
  title TEXT NOT NULL CHECK (title <> '
.shell touch pwned
;'),
  author INTEGER NOT NULL REFERENCES authors (id) ON DELETE CASCADE,
  pages INTEGER DEFAULT -1
);
CREATE TABLE tags (name TEXT PRIMARY KEY, weight REAL);
CREATE INDEX idx_books_author ON books (author) /* the end */;
CREATE INDEX idx_books_title ON books (title COLLATE NOCASE);
""",
        authors='id,name,biography\n1,Ada,"{""born"": 1815}"\n2,"Grace\'s ?1",\n',
        manifest="schema_version: 2.0.0\nexpect: {tables: 3}\nrows: {authors: 2, tags: 2}\n"
        "json_columns: {authors: [biography]}\n",
    ),
    "seeds/tags.jsonl": '{"name": "a\\nb;\\n.quit\\n👩‍🚀", "weight": -0.5}\n{"name": "c", "weight": 1e300}\n',
    "scripts/one.sql": "-- @run before\nUPDATE books SET title = title || '; COMMIT; -- ';\n",
    "scripts/two.sql": "-- @run after\nUPDATE tags SET weight = -weight WHERE name = 'c';\n",
}
PERMISSIONS = "change-type:authors.id,drop-column"


def script_for(
    schema: Path, url: str, environment: Mapping[str, str] | None = None, **settings: Any
) -> tuple[str, int, str]:
    """What went to stdout, the exit status, and what went to stderr."""
    output, errors = StringIO(), StringIO()
    given = {"command": "plan", "sql": True, "schema_path": str(schema), "database_url": url, **settings}
    status = run(given, environment or {}, output, errors)
    return output.getvalue(), status, errors.getvalue()


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A database to which SMALL was deployed, and in which people have worked since."""
    file = tmp_path / "before.db"
    target = DatabaseUnderTest(f"file:{file}", f"file:{file}")
    schema = write_folder(tmp_path / "before", SMALL)
    assert run({"command": "deploy", "schema_path": str(schema), "database_url": target.url}, {}, StringIO()) == 0
    target.run(
        "INSERT INTO authors (id, name, profile) VALUES (70, 'Gone', NULL)",
        "DELETE FROM authors WHERE id = 70",
        "INSERT INTO books VALUES ('b3', 'More', 1)",
    )
    return file


@CLIENTS
def test_the_script_leaves_what_a_deployment_leaves(deployed: Path, tmp_path: Path, client: Client) -> None:
    by_hand = Path(shutil.copy(deployed, tmp_path / "by-hand.db"))
    schema = write_folder(tmp_path / "after", CHANGED)
    script, status, told = script_for(schema, f"file:{deployed}", allow_hazards=PERMISSIONS)
    assert status == 0, told
    settings = {"command": "deploy", "schema_path": str(schema), "database_url": f"file:{deployed}"}
    assert run({**settings, "allow_hazards": PERMISSIONS}, {}, StringIO()) == 0
    assert client(script, by_hand) == 0
    assert content(by_hand) == content(deployed)
    assert not (tmp_path / "pwned").exists()
    again, status, _ = script_for(schema, f"file:{by_hand}")
    assert (again, status) == ("", 0)


@CLIENTS
def test_the_script_of_a_new_database_is_the_whole_schema_with_its_seeds(tmp_path: Path, client: Client) -> None:
    script, status, _ = script_for(SHIPPED, f"file:{tmp_path / 'new.db'}")
    assert status == 0
    assert not (tmp_path / "new.db").exists()
    assert client(script, tmp_path / "by-hand.db") == 0
    settings = {"command": "deploy", "schema_path": str(SHIPPED), "database_url": f"file:{tmp_path / 'new.db'}"}
    assert run(settings, {}, StringIO()) == 0
    assert content(tmp_path / "by-hand.db") == content(tmp_path / "new.db")


def test_plan_whose_seeds_conflict_with_a_live_row_has_no_script(tmp_path: Path) -> None:
    file = f"file:{tmp_path / 'before.db'}"
    table = {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, slug TEXT UNIQUE);"}
    settings = {"command": "deploy", "schema_path": str(write_folder(tmp_path / "before", table)), "database_url": file}
    assert run(settings, {}, StringIO()) == 0
    DatabaseUnderTest(file, file).run("INSERT INTO t VALUES (7, 'free')")
    after = write_folder(tmp_path / "after", {**table, "seeds/t.csv": "id,slug\n1,free\n"})
    script, status, told = script_for(after, file)
    assert (script, status) == ("", 1)
    assert "the live row with rowid 7 of `t` has the same value" in told


@CLIENTS
@pytest.mark.parametrize("meanwhile", ["CREATE TABLE somebody (x)", "UPDATE schema_deployments SET id = 'another'"])
def test_a_database_that_changed_meanwhile_stops_the_script_before_anything_changes(
    deployed: Path, tmp_path: Path, client: Client, meanwhile: str
) -> None:
    schema = write_folder(tmp_path / "after", CHANGED)
    script, _, _ = script_for(schema, f"file:{deployed}", allow_hazards=PERMISSIONS)
    target = DatabaseUnderTest(f"file:{deployed}", f"file:{deployed}")
    target.run(meanwhile)
    before = target.dump()
    assert client(script, deployed) == 1
    assert target.dump() == before


@pytest.mark.skipif(not SHELL, reason="no sqlite3 shell")
@pytest.mark.parametrize(
    ("meanwhile", "checked"),
    [
        ("CREATE TABLE somebody (x)", "checking: the database has not changed since it was read"),
        ("INSERT INTO authors (id, name) VALUES (3, 'A third')", "checking: rows of authors"),
    ],
)
def test_a_script_that_stops_has_said_what_it_checked(
    deployed: Path, tmp_path: Path, meanwhile: str, checked: str
) -> None:
    schema = write_folder(tmp_path / "after", CHANGED)
    script, _, _ = script_for(schema, f"file:{deployed}", allow_hazards=PERMISSIONS)
    DatabaseUnderTest(f"file:{deployed}", f"file:{deployed}").run(meanwhile)
    done = subprocess.run([SHELL, deployed], input=script, text=True, capture_output=True, check=False)
    assert "malformed JSON" in done.stderr
    assert done.stdout.splitlines()[-1].startswith(checked)


@CLIENTS
def test_rows_that_have_come_meanwhile_stop_a_script_that_would_lose_them(tmp_path: Path, client: Client) -> None:
    file = tmp_path / "before.db"
    target = DatabaseUnderTest(f"file:{file}", f"file:{file}")
    before = {"tables.sql": "CREATE TABLE old (code TEXT); CREATE TABLE kept (x);"}
    schema = write_folder(tmp_path / "schema", before)
    assert run({"command": "deploy", "schema_path": str(schema), "database_url": target.url}, {}, StringIO()) == 0
    script, status, _ = script_for(write_folder(schema, {"tables.sql": "CREATE TABLE kept (x);"}), target.url)
    assert status == 0  # the table is empty, so that nobody is asked
    target.run("INSERT INTO old VALUES ('new')")
    assert client(script, file) == 1
    assert target.rows("SELECT code FROM old") == [("new",)]


@CLIENTS
def test_script_that_lets_a_trigger_delete_live_rows_stops_unless_that_is_approved(
    deployed: Path, tmp_path: Path, client: Client
) -> None:
    trigger = "CREATE TRIGGER tidy AFTER INSERT ON authors BEGIN DELETE FROM books WHERE id = 'b3'; END;\n"
    added = SMALL["seeds/authors.csv"] + "3,Barbara,\n"
    files = with_changes(
        SMALL, triggers=SMALL["triggers.sql"] + trigger, authors=added, manifest="schema_version: 2.0.0"
    )
    schema = write_folder(tmp_path / "after", files)
    script, status, errors = script_for(schema, f"file:{deployed}")
    assert status == 0, errors
    by_hand = Path(shutil.copy(deployed, tmp_path / "by-hand.db"))
    assert client(script, by_hand) == 1
    assert content(by_hand) == content(deployed)
    approved, _, _ = script_for(schema, f"file:{deployed}", allow_hazards="delete-rows:books")
    settings = {"command": "deploy", "schema_path": str(schema), "database_url": f"file:{deployed}"}
    assert run({**settings, "allow_hazards": "delete-rows:books"}, {}, StringIO()) == 0
    assert client(approved, by_hand) == 0
    assert content(by_hand) == content(deployed)


@CLIENTS
def test_a_check_that_fails_at_the_end_takes_everything_back(deployed: Path, tmp_path: Path, client: Client) -> None:
    schema = write_folder(tmp_path / "after", CHANGED)
    script, _, _ = script_for(schema, f"file:{deployed}", allow_hazards=PERMISSIONS)
    target = DatabaseUnderTest(f"file:{deployed}", f"file:{deployed}")
    target.run("INSERT INTO authors (id, name) VALUES (3, 'A third, where the manifest says two')")
    before = target.dump()
    assert client(script, deployed) == 1
    assert target.dump() == before


def test_a_hazard_that_is_not_allowed_gives_no_script(deployed: Path, tmp_path: Path) -> None:
    schema = write_folder(tmp_path / "after", with_changes(SMALL, books="", triggers="", views=""))
    tables = schema / "tables.sql"
    tables.write_text(SMALL["tables.sql"].replace(",\n  profile TEXT", ""), encoding="utf-8")
    (schema / "seeds/authors.csv").unlink()
    (schema / "seeds/books.jsonl").unlink()
    (schema / "manifest.yml").unlink()
    script, status, told = script_for(schema, f"file:{deployed}")
    assert (script, status) == ("", 5)
    assert "drop-column" in told


@pytest.mark.parametrize(
    ("sql", "is_refused"),
    [
        ("CREATE VIEW v AS SELECT 6\n/\n3 AS x;", True),
        ("CREATE TABLE t (a,\n GO \n);", True),
        ("CREATE TABLE t (a DEFAULT '\n/\n');", False),
    ],
)
def test_a_line_that_would_end_a_statement_in_the_shell_is_refused(tmp_path: Path, sql: str, is_refused: bool) -> None:
    script, status, told = script_for(write_folder(tmp_path / "schema", {"a.sql": sql}), f"file:{tmp_path / 'new.db'}")
    assert (status, script == "") == (int(is_refused), is_refused)
    assert ("which ends a statement" in told) == is_refused
    if not is_refused and SHELL:
        assert in_shell(script, tmp_path / "by-hand.db") == 0


def test_the_program_prints_the_script_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "turso_deploy", "plan", "--sql"]
    command += ["--schema-path", str(SHIPPED), "--database-url", f"file:{tmp_path / 'new.db'}"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.startswith(".bail on\n")
    assert done.stdout.endswith("\nCOMMIT;\n")
    assert "Planned 2.2.0" in done.stderr


def test_on_a_runner_no_part_of_the_script_can_be_a_command(tmp_path: Path) -> None:
    sql = "CREATE TABLE a (x TEXT DEFAULT '\n::add-mask::secret\n');"
    schema = write_folder(tmp_path / "schema", {"a.sql": sql})
    on_runner = {"GITHUB_ACTIONS": "true"}
    script, status, told = script_for(schema, f"file:{tmp_path / 'new.db'}", on_runner)
    assert (script, status) == ("", 1)
    assert "take a part of it for a workflow command" in told
    assert script_for(schema, f"file:{tmp_path / 'new.db'}")[1] == 0


@pytest.mark.parametrize(
    "settings",
    [{"json_output": True}, {"dry_run": True}, {"compare_to": "schema"}],
    ids=lambda found: next(iter(found)),
)
def test_settings_that_cannot_both_be_followed_are_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    script, status, told = script_for(SHIPPED, f"file:{tmp_path / 'new.db'}", **settings)
    assert status == 2
    assert "cannot be used together" in script + told
