"""Rows that triggers, foreign keys and conflict clauses delete because of seeds and scripts: counted, and a hazard."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.deploy import preview
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status

TABLES = """\
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id) ON DELETE CASCADE, note TEXT UNIQUE);
CREATE TABLE pairs (a TEXT, b TEXT, n, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE bare (x);
"""
SEEDS = "id,name\n1,a\n"
LIVE = (
    "INSERT INTO t VALUES (9999, 'written by the application')",
    "INSERT INTO orders VALUES (1, 1, 'one'), (2, 1, 'two'), (3, NULL, 'three')",
    "INSERT INTO pairs VALUES ('a', 'b', 1), ('a', 'c', 2)",
    "INSERT INTO bare VALUES (1), (2), (NULL)",
)
APPROVED = (Approval(HazardName.DELETE_ROWS, "orders"),)


def live(target: DatabaseUnderTest, folder: Path, tables: str = TABLES) -> None:
    """Deploy the tables with one row of `t`, and write rows as the application would."""
    report = target.deploy(write_project(folder, {"t.sql": tables, "seeds/t.csv": SEEDS}))
    assert report.status is Status.DEPLOYED, report.error
    target.run(*LIVE)


def with_trigger(folder: Path, trigger: str, script: str = "", tables: str = TABLES) -> Project:
    """Return the project with a trigger and a further seed, or with a script in place of that."""
    scripts = {"scripts/one.sql": script} if script else {}
    seeds = SEEDS if script else f"{SEEDS}2,b\n"
    sql = tables + (f"CREATE TRIGGER tidy {trigger};\n" if trigger else "")
    return write_project(folder, {"t.sql": sql, "seeds/t.csv": seeds, **scripts})


def dry_run(target: DatabaseUnderTest, project: Project) -> Report:
    with closing(target.open()) as database:
        return preview.plan(project, database, dry_run=True)


def require_blocked(report: Report, table: str, rows: str) -> None:
    """Assert that a report is that of a deployment that the deleted rows have stopped."""
    assert (report.status, report.committed) == (Status.BLOCKED, False)
    assert report.error is not None
    assert report.error.code == "hazard-blocked"
    assert f"delete-rows {table}" in report.error.message
    assert f"({rows})" in report.error.message
    assert f"--allow-hazards delete-rows:{table}" in (report.error.hint or "")


@pytest.mark.parametrize(
    ("trigger", "table", "rows"),
    [
        ("AFTER INSERT ON t BEGIN DELETE FROM orders; END", "orders", "3 rows"),
        ("BEFORE INSERT ON t BEGIN DELETE FROM Orders WHERE id = new.id; END", "orders", "2 rows"),
        ("AFTER INSERT ON t BEGIN DELETE FROM orders WHERE id < 3; INSERT INTO orders (id) VALUES (new.id + 7); END",
         "orders", "2 rows"),
        ("AFTER INSERT ON t BEGIN DELETE FROM pairs WHERE b = 'c'; END", "pairs", "1 row"),
        ("AFTER INSERT ON t BEGIN DELETE FROM bare WHERE x = 1; END", "bare", "1 row"),
        ("AFTER INSERT ON t BEGIN DELETE FROM t WHERE id = 9999; END", "t", "1 row"),
    ],
)  # fmt: skip
def test_rows_that_a_trigger_deletes_because_of_seeds_block_the_deployment(
    target: DatabaseUnderTest, tmp_path: Path, trigger: str, table: str, rows: str
) -> None:
    live(target, tmp_path / "schema")
    before = target.dump()
    project = with_trigger(tmp_path / "schema", trigger)
    plan = target.plan(project)
    assert plan.blocked_by is None
    assert [(line.name, line.rows, line.approved) for line in plan.hazards if line.object == table] == [
        ("delete-rows", None, None)
    ]
    assert any(f"the trigger tidy may delete rows of {table}" in text for text in plan.undecided)
    tried = dry_run(target, project)
    require_blocked(tried, table, rows)
    assert [line.rows for line in tried.hazards if line.object == table] == [int(rows.split()[0])]
    assert not any(f"delete rows of {table}" in text for text in tried.undecided)
    require_blocked(target.deploy(project), table, rows)
    assert target.dump() == before


def test_approved_deletions_are_counted_and_reported(target: DatabaseUnderTest, tmp_path: Path) -> None:
    live(target, tmp_path / "schema")
    project = with_trigger(tmp_path / "schema", "AFTER INSERT ON t BEGIN DELETE FROM orders WHERE id > 1; END")
    assert target.plan(project, APPROVED).undecided == ()
    report = target.deploy(project, approvals=APPROVED)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    [counted] = [line for line in report.checks if line.name == "rows deleted from orders"]
    assert (counted.ok, counted.actual) == (True, "2")
    assert [(line.object, line.rows, line.approved) for line in report.hazards] == [("orders", 2, True)]
    assert target.rows("SELECT id FROM orders") == [(1,)]
    assert not any("turso_deploy" in name for name in target.names())
    assert target.deploy(project).status is Status.UNCHANGED


@pytest.mark.parametrize(
    "trigger",
    [
        "AFTER INSERT ON t BEGIN DELETE FROM orders WHERE id = -1; END",
        "AFTER INSERT ON t BEGIN DELETE FROM orders WHERE id = 1; INSERT INTO orders (id, t) VALUES (1, 1); END",
        "AFTER INSERT ON t BEGIN INSERT INTO orders (id) VALUES (7); DELETE FROM orders WHERE id = 7; END",
        "AFTER INSERT ON t BEGIN DELETE FROM pairs; INSERT INTO pairs VALUES ('a', 'b', 5), ('a', 'c', 6); END",
    ],
)
def test_trigger_that_deletes_no_live_row_is_no_obstacle(
    target: DatabaseUnderTest, tmp_path: Path, trigger: str
) -> None:
    live(target, tmp_path / "schema")
    project = with_trigger(tmp_path / "schema", trigger)
    report = target.deploy(project)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 3)
    assert (report.hazards, report.undecided) == ((), ())
    assert target.deploy(project).status is Status.UNCHANGED
    assert not any("turso_deploy" in name for name in target.names())


def test_trigger_that_only_inserts_has_no_hazard_and_adds_no_step(target: DatabaseUnderTest, tmp_path: Path) -> None:
    live(target, tmp_path / "schema")
    project = with_trigger(tmp_path / "schema", "AFTER INSERT ON t BEGIN INSERT INTO bare VALUES (new.id); END")
    report = target.deploy(project)
    assert (report.error, report.status, report.hazards, report.undecided) == (None, Status.DEPLOYED, (), ())
    assert not any("deleted" in line.name for line in report.checks)


@pytest.mark.parametrize("moment", ["before", "between", "after"])
@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("DELETE FROM t WHERE id = 1", "2 rows"),
        ("REPLACE INTO t (id, name) VALUES (1, 'x')", "2 rows"),
    ],
)
def test_children_that_a_script_deletes_with_their_parents_block_the_deployment(
    target: DatabaseUnderTest, tmp_path: Path, moment: str, statement: str, rows: str
) -> None:
    live(target, tmp_path / "schema")
    before = target.dump()
    project = with_trigger(tmp_path / "schema", "", f"-- @run {moment}\n{statement};\n")
    report = target.deploy(project)
    require_blocked(report, "orders", rows)
    assert report.error is not None
    assert (report.error.file or "").endswith("scripts/one.sql")
    assert target.dump() == before
    assert target.deploy(project, approvals=APPROVED).status is Status.DEPLOYED
    assert target.value("SELECT count(*) FROM orders") == 1


def test_rows_that_a_script_deletes_itself_need_no_approval(target: DatabaseUnderTest, tmp_path: Path) -> None:
    live(target, tmp_path / "schema")
    script = "-- @run after\nDELETE FROM orders WHERE id = 1;\nDELETE FROM t WHERE id = 77;\nDELETE FROM orders;\n"
    report = target.deploy(with_trigger(tmp_path / "schema", "", script))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert [line.actual for line in report.checks if line.name == "rows deleted from orders"] == ["0"]
    assert target.value("SELECT count(*) FROM orders") == 0


@pytest.mark.parametrize(
    ("trigger", "rows"),
    [
        ("AFTER UPDATE ON t BEGIN REPLACE INTO orders (id, note) VALUES (9, 'two'); END", "1 row"),
        ("AFTER UPDATE ON t BEGIN UPDATE OR REPLACE orders SET note = 'two' WHERE id = 1; END", "1 row"),
        ("AFTER UPDATE ON t BEGIN REPLACE INTO orders (id, note) VALUES (2, 'new'); END", None),
    ],
)
def test_rows_that_a_trigger_replaces_because_of_a_script_block_the_deployment(
    target: DatabaseUnderTest, tmp_path: Path, trigger: str, rows: str | None
) -> None:
    live(target, tmp_path / "schema")
    report = target.deploy(with_trigger(tmp_path / "schema", trigger, "-- @run after\nUPDATE t SET name = 'z';\n"))
    if rows:
        require_blocked(report, "orders", rows)
    else:  # the row keeps its key, so it is changed and not lost
        assert (report.error, report.status) == (None, Status.DEPLOYED)


def test_entries_of_a_full_text_index_that_a_trigger_writes_again_are_not_lost(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    tables = f"{TABLES}CREATE VIRTUAL TABLE search USING fts5 (name);\n"
    live(target, tmp_path / "schema", tables)
    target.run("INSERT INTO search (rowid, name) VALUES (1, 'a'), (5, 'e')")
    body = "DELETE FROM search WHERE rowid = old.id; INSERT INTO search (rowid, name) VALUES (new.id, new.name);"
    script = "-- @run after\nUPDATE t SET name = 'z';\n"
    report = target.deploy(with_trigger(tmp_path / "schema", f"AFTER UPDATE ON t BEGIN {body} END", script, tables))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    with_trigger(tmp_path / "schema", "AFTER UPDATE ON t BEGIN DELETE FROM search; END", script, tables)
    scripts = tmp_path / "schema" / "scripts"
    (scripts / "one.sql").rename(scripts / "two.sql")
    require_blocked(target.deploy(load_project(tmp_path / "schema")), "search", "3 rows")


def test_rows_are_counted_in_each_chunk_of_seeds(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    live(on_sqld, tmp_path / "schema")
    on_sqld.request_size = 4_000
    seeds = "id,name\n" + "".join(f"{number},{'x' * 40}\n" for number in range(2, 400))
    trigger = "CREATE TRIGGER tidy AFTER INSERT ON t WHEN new.id = 390 BEGIN DELETE FROM orders WHERE id = 3; END;\n"
    project = write_project(tmp_path / "schema", {"t.sql": TABLES + trigger, "seeds/t.csv": seeds})
    report = on_sqld.deploy(project)
    assert (report.status, report.committed) == (Status.FAILED, True)
    assert report.error is not None
    assert report.error.code == "hazard-blocked"
    assert "(1 row)" in report.error.message
    assert "Committed before that" in report.error.message
    assert on_sqld.value("SELECT count(*) FROM orders") == 3
    assert on_sqld.deploy(project, approvals=APPROVED).status is Status.DEPLOYED
    assert on_sqld.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,)]
    assert not any("turso_deploy" in name for name in on_sqld.names())


def test_rows_are_counted_beside_a_rebuild_and_a_rename(target: DatabaseUnderTest, tmp_path: Path) -> None:
    live(target, tmp_path / "schema")
    changed = (
        TABLES.replace("name TEXT", "name TEXT CHECK (name <> '')")
        .replace("CREATE TABLE pairs", "-- @renamed from=pairs\nCREATE TABLE couples")
        .replace("note TEXT UNIQUE", "note TEXT UNIQUE CHECK (note <> '')")
    )
    trigger = "AFTER INSERT ON t BEGIN DELETE FROM couples WHERE b = 'c'; DELETE FROM orders WHERE id = 1; END"
    files = {"scripts/one.sql": "-- @run before\nDELETE FROM pairs WHERE b = 'b';\n"}
    sql = f"{changed}CREATE TRIGGER tidy {trigger};\n"
    project = write_project(tmp_path / "schema", {"t.sql": sql, "seeds/t.csv": f"{SEEDS}2,b\n", **files})
    before = target.dump()
    report = target.deploy(project)
    assert (report.status, report.committed) == (Status.BLOCKED, False)
    assert report.error is not None
    assert "--allow-hazards delete-rows:couples,delete-rows:orders" in (report.error.hint or "")
    assert target.dump() == before
    report = target.deploy(project, approvals=(Approval(HazardName.DELETE_ROWS),))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    deleted = {line.name: line.actual for line in report.checks if line.name.startswith("rows deleted")}
    assert deleted == {"rows deleted from couples": "1", "rows deleted from orders": "1"}
    assert target.value("SELECT count(*) FROM couples") == 0


def test_objects_with_odd_names_are_counted(target: DatabaseUnderTest, tmp_path: Path) -> None:
    odd = '"o"" \'dd; ünd"'
    tables = f'{TABLES}CREATE TABLE {odd} ("a,""b" TEXT PRIMARY KEY, "rowid" TEXT);\n'
    live(target, tmp_path / "schema", tables)
    target.run(f"INSERT INTO {odd} VALUES ('x', 'y'), ('z', 'y')")
    sql = f"{tables}CREATE TRIGGER \"tid'y\" AFTER INSERT ON t BEGIN DELETE FROM {odd} WHERE rowid = 'y'; END;\n"
    report = target.deploy(write_project(tmp_path / "schema", {"t.sql": sql, "seeds/t.csv": f"{SEEDS}2,b\n"}))
    assert (report.status, report.error and report.error.code) == (Status.BLOCKED, "hazard-blocked")
    assert report.error is not None
    assert "(2 rows)" in report.error.message
    assert "trigger tid'y" in (report.error.hint or "")
    assert target.value(f"SELECT count(*) FROM {odd}") == 2


def test_triggers_of_the_application_are_followed(target: DatabaseUnderTest, tmp_path: Path) -> None:
    live(target, tmp_path / "schema")
    target.run("CREATE TRIGGER app_tidy AFTER UPDATE ON t BEGIN DELETE FROM orders; END")
    manifest = "schema_version: 1.0.0\nignore: [app_*]\n"
    for files in ({}, {"manifest.yml": manifest}):
        seeds = SEEDS.replace("1,a", "1,changed")
        project = write_project(tmp_path / "schema", {"t.sql": TABLES, "seeds/t.csv": seeds, **files})
        require_blocked(target.deploy(project), "orders", "3 rows")


def test_name_that_the_counting_needs_is_an_error_if_it_is_taken(target: DatabaseUnderTest, tmp_path: Path) -> None:
    live(target, tmp_path / "schema")
    target.run("CREATE TABLE turso_deploy_deletions (x)")
    report = target.deploy(with_trigger(tmp_path / "schema", "AFTER INSERT ON t BEGIN DELETE FROM orders; END"))
    assert report.error is not None
    assert (report.error.code, report.committed) == ("plan-impossible", False)
    assert "turso_deploy_deletions" in report.error.message


def test_row_that_a_trigger_would_replace_because_of_a_seed_is_not_lost(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    live(target, tmp_path / "schema")
    trigger = "AFTER INSERT ON t BEGIN INSERT OR REPLACE INTO orders (id, note) VALUES (9, 'two'); END"
    target.deploy(with_trigger(tmp_path / "schema", trigger))
    assert target.value("SELECT count(*) FROM orders WHERE id = 2") == 1
