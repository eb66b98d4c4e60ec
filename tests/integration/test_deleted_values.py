"""Values that a deployment removes are overwritten in the bytes of a file, on every host."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from tests.support.sqlite_statements import NOTHING, recorded_statements
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Report, Status

ROWS = 500
PEOPLE = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, code TEXT UNIQUE);"
CHECKED = PEOPLE.replace(");", ", CHECK (id > 0));")
OLD = "CREATE TABLE old (id INTEGER PRIMARY KEY, past TEXT);"
MANY = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) INSERT INTO"


@pytest.fixture
def file(in_file: DatabaseUnderTest) -> DatabaseUnderTest:
    """A file with two tables of five hundred rows; a code stands in its row and in the key."""
    deploy(in_file, PEOPLE)
    in_file.run(
        f"{MANY} people SELECT i, 'name ' || i || ' of', 'code ' || i || ' of' FROM n",
        f"{MANY} old SELECT i, 'past ' || i || ' of' FROM n",
    )
    assert (times(in_file, "name"), times(in_file, "code"), times(in_file, "past")) == (1, 2, 1)
    return in_file


def run(target: DatabaseUnderTest, people: str, old: str, files: Mapping[str, str], allowed: str) -> Report:
    written = {"people.sql": people, "old.sql": old, "manifest.yml": "schema_version: 1.0.0\n", **files}
    project = load_project(write_folder(target.file.parent / "schema", written))
    return target.deploy(project, approvals=parse_approvals(allowed))


def deploy(
    target: DatabaseUnderTest, people: str, old: str = OLD, files: Mapping[str, str] = NOTHING, allowed: str = ""
) -> list[str]:
    """The kinds of the steps."""
    report = run(target, people, old, files, allowed)
    assert report.status is Status.DEPLOYED, report.error
    return [step.kind for step in report.steps]


def times(target: DatabaseUnderTest, word: str) -> float:
    """How often the file holds each of the values that begin with the word."""
    return len(re.findall(rb"%s \d+ of" % word.encode(), target.file.read_bytes())) / ROWS


def test_a_column_that_a_rebuild_drops_is_overwritten(file: DatabaseUnderTest) -> None:
    without = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);"
    assert deploy(file, without, allowed="drop-column") == ["rebuild table"]
    assert (times(file, "name"), times(file, "code")) == (1, 0)


def test_values_that_an_expression_replaces_are_overwritten(file: DatabaseUnderTest) -> None:
    number = "CREATE TABLE people (\n  id INTEGER PRIMARY KEY,\n  name INTEGER, -- @using id\n  code TEXT UNIQUE\n);"
    assert deploy(file, number) == ["rebuild table"]
    assert (times(file, "name"), times(file, "code")) == (0, 2)


_GIVES = "CASE WHEN x = 'X' THEN 7000000 + id ELSE 1 END"
_NOCASE = "x TEXT COLLATE NOCASE"


@pytest.mark.parametrize(
    ("before", "after", "indexed"),
    [
        (f"{_NOCASE}, y TEXT AS ({_GIVES}) STORED", f"x TEXT, y TEXT AS ({_GIVES}) STORED", "y"),
        (f"{_NOCASE}, y TEXT AS ({_GIVES})", f"x TEXT, y TEXT AS ({_GIVES})", "y"),
        (f"{_NOCASE}, y TEXT AS ({_GIVES}) STORED", f"{_NOCASE}, y INTEGER AS ({_GIVES}) STORED", "y"),
        (f"{_NOCASE}, y TEXT AS ({_GIVES})", f"{_NOCASE}, y INTEGER AS ({_GIVES})", "y"),
        (_NOCASE, "x TEXT", f"'' || ({_GIVES})"),
    ],
)
def test_values_that_an_expression_gave_are_overwritten(
    in_file: DatabaseUnderTest, before: str, after: str, indexed: str
) -> None:
    """By another collation of what it reads, or by the type of its column, it gives something else."""
    table = f"CREATE TABLE people (id INTEGER PRIMARY KEY, {{}}); CREATE INDEX by_y ON people ({indexed});"
    deploy(in_file, table.format(before))
    in_file.run(f"{MANY} people (id, x) SELECT i, 'x' FROM n")
    assert in_file.file.read_bytes().count(b"70001") > 0
    assert deploy(in_file, table.format(after)) == ["rebuild table", "recreate index"]
    assert in_file.file.read_bytes().count(b"70001") == 0


def test_values_that_another_type_changes_are_overwritten(file: DatabaseUnderTest) -> None:
    numbered = "CREATE TABLE old (id INTEGER PRIMARY KEY, past TEXT, number {});"
    deploy(file, PEOPLE, numbered.format("TEXT"))
    file.run("UPDATE old SET number = 7000000 + id")
    assert file.file.read_bytes().count(b"70001") > 0
    assert deploy(file, PEOPLE, numbered.format("INTEGER"), allowed="change-type") == ["rebuild table"]
    assert file.file.read_bytes().count(b"70001") == 0


def test_a_table_that_is_dropped_beside_a_rebuild_is_overwritten(file: DatabaseUnderTest) -> None:
    assert sorted(deploy(file, CHECKED, "", allowed="drop-table")) == ["drop table", "rebuild table"]
    assert (times(file, "name"), times(file, "past")) == (2, 0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_script_deletes_beside_a_rebuild_is_overwritten(file: DatabaseUnderTest, when: str) -> None:
    kinds = deploy(file, CHECKED, files={"scripts/once.sql": f"-- @run {when}\nDELETE FROM people;\n"})
    assert sorted(kinds) == ["rebuild table", "run script"]
    assert (times(file, "name"), times(file, "code")) == (0, 0)


def test_what_seeds_replace_beside_a_rebuild_is_overwritten(file: DatabaseUnderTest) -> None:
    rows = "".join(f"{number},new {number},{number}\n" for number in range(1, ROWS + 1))
    assert deploy(file, CHECKED, files={"seeds/people.csv": f"id,name,code\n{rows}"}, allowed="overwrite-rows") == [
        "rebuild table"
    ]
    assert file.value("SELECT count(*) FROM people WHERE name LIKE 'new%'") == ROWS
    assert times(file, "name") == 0


def test_what_a_trigger_deletes_at_a_seed_beside_a_rebuild_is_overwritten(file: DatabaseUnderTest) -> None:
    clears = "CREATE TRIGGER clears AFTER INSERT ON old BEGIN DELETE FROM people; END;"
    seeds = {"seeds/old.csv": f"id,past\n{ROWS + 1},x\n"}
    assert "rebuild table" in deploy(file, CHECKED, f"{OLD} {clears}", seeds, "delete-rows")
    assert file.value("SELECT count(*) FROM people") == 0
    assert (times(file, "name"), times(file, "code")) == (0, 0)


def test_rowids_that_go_are_overwritten(in_file: DatabaseUnderTest) -> None:
    deploy(in_file, "CREATE TABLE people (name TEXT NOT NULL UNIQUE);")
    in_file.run(f"{MANY} people (rowid, name) SELECT 0x707172730000 + i, 'name ' || i || ' of' FROM n")
    assert in_file.file.read_bytes().count(b"pqrs") >= ROWS  # in the index behind the key
    assert deploy(in_file, "CREATE TABLE people (name TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;") == ["rebuild table"]
    assert in_file.file.read_bytes().count(b"pqrs") == 0


@pytest.mark.parametrize("column", ["", ", city TEXT"])
def test_a_rebuild_that_keeps_all_values_leaves_copies_in_free_pages_until_a_vacuum(
    file: DatabaseUnderTest, column: str
) -> None:
    """As on a server, which overwrites nothing: to overwrite every page would double what is written."""
    assert deploy(file, CHECKED.replace(", CHECK", f"{column}, CHECK")) == ["rebuild table"]
    assert times(file, "name") == 2
    file.run("DELETE FROM people")
    assert times(file, "name") == 1
    with closing(sqlite3.connect(file.file)) as connection:
        connection.execute("VACUUM")
    assert (times(file, "name"), times(file, "code"), times(file, "past")) == (0, 0, 1)


def test_overwriting_that_cannot_be_switched_on_stops_the_deployment(file: DatabaseUnderTest) -> None:
    was = file.dump()
    with recorded_statements({"PRAGMA secure_delete = ON": "PRAGMA secure_delete = FAST"}) as ran:
        report = run(file, CHECKED, OLD, NOTHING, "")
    assert "PRAGMA secure_delete = ON" in ran
    assert report.error is not None
    assert "the overwriting of what is deleted could not be switched on" in report.error.message
    assert (report.committed, file.dump()) == (False, was)
