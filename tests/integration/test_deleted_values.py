"""Values that a deployment takes away, in the bytes of a file, where SQLite is built to overwrite what is deleted."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.builds import secure_delete
from tests.projects import write_folder
from tests.targets import Target
from turso_deploy.report.document import Status
from turso_deploy.schema.hazards import parse_permissions
from turso_deploy.schema.project import load_project

ROWS = 500
PEOPLE = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, code TEXT UNIQUE);"
CHECKED = PEOPLE.replace(");", ", CHECK (id > 0));")
OLD = "CREATE TABLE old (id INTEGER PRIMARY KEY, past TEXT);"
MANY = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) INSERT INTO"


@pytest.fixture(autouse=True)
def overwriting() -> Iterator[None]:
    with secure_delete(on=True):
        yield


@pytest.fixture
def file(in_file: Target) -> Target:
    """A file with two tables of five hundred rows; a code stands in its row and in the key."""
    deploy(in_file, PEOPLE, OLD)
    in_file.run(
        f"{MANY} people SELECT i, 'name ' || i || ' of', 'code ' || i || ' of' FROM n",
        f"{MANY} old SELECT i, 'past ' || i || ' of' FROM n",
    )
    assert (times(in_file, "name"), times(in_file, "code"), times(in_file, "past")) == (1, 2, 1)
    return in_file


def deploy(target: Target, people: str, old: str, allowed: str = "", script: str = "") -> list[str]:
    """The kinds of the steps."""
    files = {"people.sql": people, "old.sql": old, "manifest.yml": "schema_version: 1.0.0\n"}
    if script:
        files["scripts/once.sql"] = script
    project = load_project(write_folder(target.file.parent / "schema", files))
    report = target.deploy(project, permissions=parse_permissions(allowed))
    assert report.status is Status.DEPLOYED, report.error
    return [step.kind for step in report.steps]


def times(target: Target, word: str) -> float:
    """How often the file holds each of the values that begin with the word."""
    return len(re.findall(rb"%s \d+ of" % word.encode(), target.file.read_bytes())) / ROWS


def test_a_column_that_a_rebuild_drops_is_overwritten(file: Target) -> None:
    without = "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);"
    assert deploy(file, without, OLD, "drop-column") == ["rebuild table"]
    assert (times(file, "name"), times(file, "code")) == (1, 0)


def test_values_that_an_expression_replaces_are_overwritten(file: Target) -> None:
    number = "CREATE TABLE people (\n  id INTEGER PRIMARY KEY,\n  name INTEGER, -- @using id\n  code TEXT UNIQUE\n);"
    assert deploy(file, number, OLD) == ["rebuild table"]
    assert (times(file, "name"), times(file, "code")) == (0, 2)


def test_values_that_another_type_changes_are_overwritten(file: Target) -> None:
    numbered = "CREATE TABLE old (id INTEGER PRIMARY KEY, past TEXT, number {});"
    deploy(file, PEOPLE, numbered.format("TEXT"))
    file.run("UPDATE old SET number = 7000000 + id")
    assert file.file.read_bytes().count(b"70001") > 0
    assert deploy(file, PEOPLE, numbered.format("INTEGER"), "change-type") == ["rebuild table"]
    assert file.file.read_bytes().count(b"70001") == 0


def test_a_table_that_is_dropped_beside_a_rebuild_is_overwritten(file: Target) -> None:
    assert sorted(deploy(file, CHECKED, "", "drop-table")) == ["drop table", "rebuild table"]
    assert (times(file, "name"), times(file, "past")) == (2, 0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_script_deletes_beside_a_rebuild_is_overwritten(file: Target, when: str) -> None:
    kinds = deploy(file, CHECKED, OLD, script=f"-- @run {when}\nDELETE FROM people;\n")
    assert sorted(kinds) == ["rebuild table", "run script"]
    assert (times(file, "name"), times(file, "code")) == (0, 0)


def test_a_rebuild_that_keeps_all_values_leaves_copies_in_free_pages_until_a_vacuum(file: Target) -> None:
    """As on a server, which overwrites nothing: to overwrite every page would double what is written."""
    assert deploy(file, CHECKED, OLD) == ["rebuild table"]
    assert times(file, "name") == 2
    file.run("DELETE FROM people")
    assert times(file, "name") == 1
    with closing(sqlite3.connect(file.file)) as connection:
        connection.execute("VACUUM")
    assert (times(file, "name"), times(file, "code"), times(file, "past")) == (0, 0, 1)
