"""What a plan makes different, as people read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.schema_folders import write_project
from turso_deploy.deploy.preview import compare
from turso_deploy.report.console import render
from turso_deploy.report.document import ObjectChange, PartChange, Report
from turso_deploy.report.job_summary import summary

BEFORE = """\
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email varchar(20) DEFAULT 'x', old INT, CHECK (name <> ''));
CREATE TABLE members (id INTEGER PRIMARY KEY);
CREATE TABLE gone (a);
CREATE INDEX i ON users (email);
CREATE VIEW v AS
SELECT id,
  email
FROM users;
CREATE VIEW w AS SELECT id FROM v;
CREATE TRIGGER t AFTER INSERT ON users BEGIN SELECT 1; END;
"""
AFTER = """\
CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  full_name TEXT NOT NULL, -- @renamed from=name
  email TEXT DEFAULT (lower('X') || 1) COLLATE NOCASE UNIQUE ON CONFLICT IGNORE,
  boss INT REFERENCES users (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
  upper_name TEXT AS (coalesce(upper(full_name), '')) STORED,
  CHECK (full_name <> '')
) STRICT;
-- @renamed from=members
CREATE TABLE people (id INTEGER PRIMARY KEY);
CREATE TABLE fresh (a);
CREATE INDEX i ON users (email DESC);
CREATE VIEW v AS
SELECT id,
  upper(email) AS email
FROM users;
CREATE VIEW w AS SELECT id, email FROM v;
"""


@pytest.fixture
def compared(tmp_path: Path) -> Report:
    before, after = (write_project(tmp_path / name, {"s.sql": sql}) for name, sql in (("b", BEFORE), ("a", AFTER)))
    report = compare(after, before)
    assert report.error is None, report.error
    return report


def test_each_object_tells_which_of_its_parts_come_and_go(compared: Report) -> None:
    found = {f"{change.kind} {change.name}": change for change in compared.changes}
    assert found["table fresh"] == ObjectChange("added", "table", "fresh")
    assert found["table people"] == ObjectChange("renamed", "table", "people", "members")
    assert found["table gone"] == ObjectChange("removed", "table", "gone")
    assert found["trigger t"] == ObjectChange("removed", "trigger", "t")
    assert found["table users"].parts == (
        PartChange("column name", "name", "full_name"),
        PartChange("column full_name", "TEXT", "TEXT NOT NULL"),
        PartChange("column email", "VARCHAR(20) DEFAULT 'x'", "TEXT DEFAULT (lower('X') || 1) COLLATE NOCASE"),
        PartChange("column boss", None, "INT"),
        PartChange("column upper_name", None, "TEXT AS (coalesce(upper(full_name), '')) STORED"),
        PartChange("column old", "INT", None),
        PartChange("constraint", "PRIMARY KEY (id)", None),
        PartChange("constraint", None, "PRIMARY KEY (id) AUTOINCREMENT"),
        PartChange("constraint", None, "UNIQUE (email) ON CONFLICT IGNORE"),
        PartChange(
            "constraint",
            None,
            "FOREIGN KEY (boss) REFERENCES users (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED",
        ),
        PartChange("option", None, "STRICT"),
    )
    assert found["index i"].parts == (
        PartChange("definition", "CREATE INDEX i ON users (email)", "CREATE INDEX i ON users (email DESC)"),
    )
    assert {change.effect for change in (found["view v"], found["view w"])} == {"changed"}


def test_a_spelling_is_no_change(tmp_path: Path) -> None:
    spelt = BEFORE.replace("email varchar(20)", '"EMAIL"   VARCHAR (20)').replace(
        "CREATE TABLE gone", "create table gone"
    )
    before, after = (write_project(tmp_path / name, {"s.sql": sql}) for name, sql in (("b", BEFORE), ("a", spelt)))
    assert compare(after, before).changes == ()


def test_changes_keep_the_case_of_names_and_other_spellings_are_no_change(tmp_path: Path) -> None:
    after = (
        "CREATE TABLE Person (personId INTEGER PRIMARY KEY, fullName TEXT COLLATE NoCase, UNIQUE (fullName, personId));"
        "CREATE TABLE Pet (petId INTEGER PRIMARY KEY, ownerId REFERENCES Person (personId) ON DELETE CASCADE, kindOf "
        "TEXT CHECK (kindOf != 'X' AND \"upper\" IS Upper(kindOf)), upper);"
    )
    before = (
        "CREATE TABLE person (PERSONID INTEGER PRIMARY KEY, fullname TEXT COLLATE nocase, UNIQUE (FULLNAME, personid));"
        "CREATE TABLE pet (petid INTEGER PRIMARY KEY, OwnerId REFERENCES PERSON (personID), KindOf TEXT, upper);"
    )
    projects = (write_project(tmp_path / name, {"s.sql": sql}) for name, sql in (("b", before), ("a", after)))
    base, wanted = projects
    [change] = compare(wanted, base).changes
    assert (change.name, change.parts) == (
        "Pet",
        (
            PartChange("constraint", "FOREIGN KEY (OwnerId) REFERENCES PERSON (personID)", None),
            PartChange("constraint", None, "CHECK (kindOf != 'X' AND upper IS Upper(kindOf))"),
            PartChange("constraint", None, "FOREIGN KEY (ownerId) REFERENCES Person (personId) ON DELETE CASCADE"),
        ),
    )


def test_the_terminal_and_the_summary_show_them_as_a_diff(compared: Report) -> None:
    shown = render(compared, colour=False)
    for line in (
        "  + table fresh",
        "  ~ table people (renamed from members)",
        "      ~ column full_name: TEXT → TEXT NOT NULL",
        "      - column old: INT",
        "      -   email",
        "      +   upper(email) AS email",
        "  - table gone",
    ):
        assert line in shown.splitlines()
    assert shown.count("table fresh") == 1
    assert render(compared, colour=False, verbose=True).count("table fresh") == 1
    assert "CREATE TABLE fresh" in render(compared, colour=False, verbose=True)
    page = summary(compared)
    assert "```diff\n+ table fresh\n" in page
    assert "\n!   column full_name: TEXT → TEXT NOT NULL\n" in page


def test_a_column_is_renamed_in_its_own_table_however_that_is_written(tmp_path: Path) -> None:
    others = 'CREATE TABLE a (id, "b.d"); CREATE TABLE "a.b" (id, {});'
    before = write_project(tmp_path / "b", {"s.sql": "CREATE TABLE Users (id, name);" + others.format("c")})
    users = "CREATE TABLE users (id, full_name -- @renamed from=name\n);"
    after = write_project(tmp_path / "a", {"s.sql": users + others.format("d -- @renamed from=c\n")})
    assert [(change.name, change.parts) for change in compare(after, before).changes] == [
        ("Users", (PartChange("column name", "name", "full_name"),)),
        ("a.b", (PartChange("column name", "c", "d"),)),
    ]
