"""The fingerprint of a plan: what changes it, what does not, and that the deployment has the same one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.deploy import preview
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.report.document import Report, Status

BEFORE = {
    "tables.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT, note TEXT);\n"
    "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a (id), text TEXT DEFAULT 'x' NOT NULL);",
    "seeds/b.csv": "id,text\n1,one\n2,two\n",
    "manifest.yml": "schema_version: 1.0.0",
}
AFTER = {
    **BEFORE,
    "tables.sql": "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT);\n"
    "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a (id), text TEXT DEFAULT 'x' NOT NULL);\n"
    "CREATE INDEX b_text ON b (text) WHERE text > 'a';",
    "scripts/001.sql": "-- @run after\nUPDATE b SET text = 'seen' WHERE id = 2;\n",
    "manifest.yml": "schema_version: 1.1.0",
}
APPROVED = parse_approvals("drop-column")


def prepare(target: DatabaseUnderTest, folder: Path) -> None:
    assert target.deploy(write_project(folder / "before", BEFORE)).status is Status.DEPLOYED
    target.run("INSERT INTO a VALUES (1, 'n', 'kept')")


def planned(target: DatabaseUnderTest, folder: Path, **changed: str) -> Report:
    return target.plan(write_project(folder / "after", AFTER, **changed))


def fingerprint(target: DatabaseUnderTest, folder: Path, **changed: str) -> str:
    found = planned(target, folder, **changed).plan_fingerprint
    assert found is not None
    assert len(found) == 64
    return found


def test_deployment_has_the_fingerprint_of_its_plan(target: DatabaseUnderTest, tmp_path: Path) -> None:
    prepare(target, tmp_path)
    plan = planned(target, tmp_path)
    assert plan.status is Status.BLOCKED
    assert plan.plan_fingerprint == planned(target, tmp_path).plan_fingerprint
    project = write_project(tmp_path / "after", AFTER)
    blocked = target.deploy(project)
    assert (blocked.status, blocked.plan_fingerprint) == (Status.BLOCKED, plan.plan_fingerprint)
    deployed = target.deploy(project, approvals=APPROVED)
    assert (deployed.status, deployed.plan_fingerprint) == (Status.DEPLOYED, plan.plan_fingerprint)
    after = planned(target, tmp_path)
    assert after.status is Status.UNCHANGED
    assert after.plan_fingerprint not in (None, plan.plan_fingerprint)
    assert target.deploy(project).plan_fingerprint == after.plan_fingerprint


def test_fingerprint_of_seeds_in_chunks_is_that_of_the_plan(target: DatabaseUnderTest, tmp_path: Path) -> None:
    rows = "".join(f'{n},"{"x" * 500}"\n' for n in range(300))
    project = write_project(tmp_path / "after", {**BEFORE, "seeds/b.csv": f"id,text\n{rows}"})
    target.request_size = 64_000
    plan = target.plan(project)
    deployed = target.deploy(project)
    assert (deployed.chunks is None) is target.is_file
    assert (deployed.status, deployed.plan_fingerprint) == (Status.DEPLOYED, plan.plan_fingerprint)


def test_fingerprint_does_not_depend_on_the_database_that_has_the_same_meaning(
    on_sqld: DatabaseUnderTest, in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    for target in (on_sqld, in_file):
        prepare(target, tmp_path)
    assert fingerprint(on_sqld, tmp_path) == fingerprint(in_file, tmp_path)


SPELLINGS = {
    "case and quotes": {
        "tables": 'create table "A" ([ID] integer primary key, `Name` text);\n'
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a (id), text TEXT DEFAULT 'x' NOT NULL);\n"
        "CREATE INDEX b_text ON b (text) WHERE text > 'a';"
    },
    "comments and order of constraints": {
        "tables": "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT /* of a person */);\n"
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER, text TEXT NOT NULL DEFAULT 'x',\n"
        "  FOREIGN KEY (a_id) REFERENCES a);\n"
        "CREATE INDEX IF NOT EXISTS b_text ON b (text ASC) WHERE (text > 'a');"
    },
    "order of seeds": {"b": "text,id\ntwo,2\none,1\n"},
    "comment in a manifest": {"manifest": "# a comment\nschema_version: '1.1.0'\n"},
    "approval": {"manifest": "schema_version: 1.1.0\napprove: {1.1.0: [drop-column:a.note]}"},
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_fingerprint_does_not_depend_on_spelling(in_file: DatabaseUnderTest, tmp_path: Path, name: str) -> None:
    prepare(in_file, tmp_path)
    assert fingerprint(in_file, tmp_path, **SPELLINGS[name]) == fingerprint(in_file, tmp_path)


CHANGES = {
    "type": {"tables": AFTER["tables.sql"].replace("name TEXT", "name BLOB")},
    "order of columns": {
        "tables": AFTER["tables.sql"].replace("id INTEGER PRIMARY KEY, name TEXT", "name TEXT, id INTEGER PRIMARY KEY")
    },
    "name": {"tables": AFTER["tables.sql"].replace("b_text", "b_text_2")},
    "predicate": {"tables": AFTER["tables.sql"].replace("'a'", "'A'")},
    "rename": {"tables": AFTER["tables.sql"].replace("name TEXT", "name TEXT,\n  -- @renamed from=note\n  memo TEXT")},
    "no rename": {"tables": AFTER["tables.sql"].replace("name TEXT", "name TEXT,\n  memo TEXT")},
    "seed": {"b": "id,text\n1,one\n2,three\n"},
    "script": {"001": AFTER["scripts/001.sql"].replace("seen", "read")},
    "version": {"manifest": "schema_version: 1.2.0"},
    "policy of seeds": {"manifest": "schema_version: 1.1.0\nseeds: {b: {existing: keep}}"},
}


def test_fingerprint_depends_on_what_is_deployed(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    prepare(in_file, tmp_path)
    found = {name: fingerprint(in_file, tmp_path, **changed) for name, changed in CHANGES.items()}
    found["nothing"] = fingerprint(in_file, tmp_path)
    assert len(set(found.values())) == len(CHANGES) + 1, found


LIVE = {
    "index of another client": ("CREATE INDEX by_hand ON a (name)", "DROP INDEX by_hand"),
    "table of another client": ("CREATE TABLE theirs (x)", "DROP TABLE theirs"),
    "trigger of another client": (
        "CREATE TRIGGER theirs AFTER INSERT ON a BEGIN SELECT 1; END",
        "DROP TRIGGER theirs",
    ),
    "last row of a hazard": ("UPDATE a SET note = NULL", "UPDATE a SET note = 'again'"),
    "a row more": (None, "INSERT INTO a VALUES (2, 'm', 'more')"),
    "an update that no hazard counts": (None, "UPDATE a SET name = 'other'"),
}


@pytest.mark.parametrize("name", LIVE)
def test_fingerprint_depends_on_the_live_catalog_and_on_hazards_without_rows(
    target: DatabaseUnderTest, tmp_path: Path, name: str
) -> None:
    prepare(target, tmp_path)
    first = fingerprint(target, tmp_path)
    change, back = LIVE[name]
    if change is not None:
        target.run(change)
        assert fingerprint(target, tmp_path) != first
    target.run(back)
    assert fingerprint(target, tmp_path) == first


def test_comparison_of_folders_has_no_fingerprint(tmp_path: Path) -> None:
    with write_project(tmp_path / "b", BEFORE) as base, write_project(tmp_path / "a", AFTER) as project:
        assert preview.compare(project, base).plan_fingerprint is None
