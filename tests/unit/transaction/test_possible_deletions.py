"""Which tables may lose rows because seeds and scripts are written: by triggers, foreign keys and conflict clauses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.catalogs import catalog_of
from tests.support.schema_folders import write_folder
from tests.support.seeds import load_csv_seeds
from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.steps import Step, StepKind
from turso_deploy.project.script_loader import SCRIPTS, read_scripts
from turso_deploy.project.sql_files import read_statement_files
from turso_deploy.transaction.deletions import PossibleDeletion
from turso_deploy.transaction.possible_deletions import (
    deletion_hazards,
    deletions_by_scripts,
    deletions_by_seeds,
)

TABLES = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, t REFERENCES t (id) ON DELETE CASCADE ON UPDATE CASCADE)",
    "CREATE TABLE lines (id INTEGER PRIMARY KEY, o REFERENCES orders (id) ON DELETE SET NULL)",
    "CREATE TABLE log (id INTEGER PRIMARY KEY, text TEXT UNIQUE)",
    "CREATE TABLE latest (key TEXT PRIMARY KEY ON CONFLICT REPLACE, value)",
)


def by_scripts(tmp_path: Path, script: str, *triggers: str, tables: Sequence[str] = TABLES) -> list[PossibleDeletion]:
    catalog = catalog_of(*tables, *triggers)
    write_folder(tmp_path / "schema", {"scripts/one.sql": f"-- @run before\n{script}"})
    folder = SchemaFolder(tmp_path / "schema", "schema")
    scripts = read_scripts(folder, read_statement_files(folder, SCRIPTS), catalog.schema)
    return list(deletions_by_scripts(scripts, catalog, catalog.schema))


def by_seeds(tmp_path: Path, *triggers: str, ignore: Sequence[str] = (), created: str = "") -> list[PossibleDeletion]:
    loaded = load_csv_seeds(tmp_path / "schema", TABLES, {"t": "id,n\n1,2\n"})
    steps = (Step(StepKind.CREATE_TABLE, created, ()),) if created else ()
    plan = Plan((), steps, catalog_of(*TABLES, *triggers, ignore=ignore))
    return list(deletions_by_seeds(loaded.seeds, plan, loaded.schema))


def names(deletions: Sequence[PossibleDeletion]) -> set[str]:
    return {deletion.table.name for deletion in deletions}


@pytest.mark.parametrize(
    ("trigger", "lost"),
    [
        ("AFTER INSERT ON t BEGIN DELETE FROM orders; END", {"orders"}),
        ("BEFORE INSERT ON T WHEN new.n > 1 BEGIN DELETE FROM Log WHERE id = new.id; END", {"log"}),
        ("AFTER UPDATE ON t BEGIN DELETE FROM log; END", {"log"}),
        ("AFTER UPDATE OF n ON t BEGIN DELETE FROM log; END", {"log"}),
        ("AFTER UPDATE OF name ON t BEGIN DELETE FROM log; END", set()),
        ("AFTER DELETE ON t BEGIN DELETE FROM log; END", set()),
        ("AFTER INSERT ON t BEGIN INSERT INTO log (text) VALUES ('delete'); END", set()),
        ("AFTER INSERT ON t BEGIN REPLACE INTO log (text) VALUES ('x'); END", {"log"}),
        ("AFTER INSERT ON t BEGIN INSERT INTO latest VALUES ('t', new.id); END", {"latest"}),
        ("AFTER INSERT ON t BEGIN DELETE FROM t WHERE id < new.id - 100; END", {"t", "orders"}),
        ("AFTER INSERT ON t BEGIN UPDATE orders SET t = 1; END", set()),
    ],
)
def test_seeds_delete_what_their_triggers_delete(tmp_path: Path, trigger: str, lost: set[str]) -> None:
    assert names(by_seeds(tmp_path, f"CREATE TRIGGER one {trigger}")) == lost


def test_triggers_are_followed_through_triggers_and_foreign_keys(tmp_path: Path) -> None:
    triggers = (
        "CREATE TRIGGER first AFTER INSERT ON t BEGIN UPDATE orders SET id = id + 1; END",
        "CREATE TRIGGER second AFTER UPDATE ON orders BEGIN DELETE FROM orders WHERE id = 7; END",
        "CREATE TRIGGER third AFTER UPDATE OF o ON lines BEGIN DELETE FROM log; END",
    )
    found = {deletion.table.name: deletion.by for deletion in by_seeds(tmp_path, *triggers)}
    assert found == {"orders": "the trigger second", "log": "the trigger third"}


def test_ignored_triggers_fire_too(tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER app_tidy AFTER INSERT ON t BEGIN DELETE FROM log; END"
    assert names(by_seeds(tmp_path, trigger, ignore=["app_*"])) == {"log"}


def test_tables_that_the_plan_creates_have_no_rows_to_lose(tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER one AFTER INSERT ON t BEGIN DELETE FROM log; END"
    assert by_seeds(tmp_path, trigger, created="Log") == []
    assert names(by_seeds(tmp_path, trigger, created="lines")) == {"log"}


@pytest.mark.parametrize(
    ("script", "lost"),
    [
        ("DELETE FROM t WHERE id = 1", {"orders"}),
        ('delete from main."T" where id = 1', {"orders"}),
        ("WITH old AS (SELECT id FROM t) DELETE FROM t WHERE id IN (SELECT id FROM old)", {"orders"}),
        ("DELETE FROM orders", set()),
        ("DELETE FROM log", set()),
        ("UPDATE t SET n = replace(n, 'a', 'b') WHERE n OR replace(n, 'a', 'b')", set()),
        ("REPLACE INTO t (id, name) VALUES (1, 'a')", {"orders"}),
        ("INSERT OR REPLACE INTO t (id, name) VALUES (1, 'a')", {"orders"}),
        ("UPDATE OR REPLACE t SET name = 'a'", {"orders"}),
        ("INSERT INTO t (id, name) VALUES (1, 'a') ON CONFLICT DO UPDATE SET n = 1", set()),
        ("INSERT INTO latest (key, value) VALUES ('a', 1)", {"latest"}),
        ("INSERT OR IGNORE INTO latest (key, value) VALUES ('a', 1)", set()),
        ("REPLACE INTO latest (key, value) VALUES ('a', 1)", set()),
    ],
)
def test_scripts_delete_openly_from_their_own_table_and_unseen_from_others(
    tmp_path: Path, script: str, lost: set[str]
) -> None:
    assert names(by_scripts(tmp_path, script)) == lost


@pytest.mark.parametrize(
    ("script", "trigger", "lost", "replaces"),
    [
        (
            "INSERT INTO t (id) VALUES (1)",
            "AFTER INSERT ON t BEGIN REPLACE INTO log VALUES (1, 'a'); END",
            {"log"},
            True,
        ),
        ("UPDATE t SET n = 1", "AFTER UPDATE ON t BEGIN UPDATE OR REPLACE log SET text = 'a'; END", {"log"}, True),
        ("UPDATE t SET n = 1", "AFTER UPDATE ON t BEGIN INSERT INTO latest VALUES ('a', 1); END", {"latest"}, True),
        ("UPDATE OR ABORT t SET n = 1", "AFTER UPDATE ON t BEGIN REPLACE INTO log VALUES (1, ''); END", set(), True),
        ("INSERT INTO v (id) VALUES (1)", "INSTEAD OF INSERT ON v BEGIN DELETE FROM log; END", {"log"}, False),
        ("DELETE FROM v", "INSTEAD OF DELETE ON v BEGIN DELETE FROM log WHERE id = old.id; END", {"log"}, False),
        ("DELETE FROM orders", "AFTER UPDATE ON lines BEGIN DELETE FROM log; END", {"log"}, False),
        ("UPDATE t SET id = 2", "AFTER UPDATE ON orders BEGIN DELETE FROM log; END", {"log"}, False),
        ("DELETE FROM log", "AFTER DELETE ON log BEGIN DELETE FROM lines; END", {"lines"}, False),
    ],
)
def test_scripts_fire_triggers_on_tables_and_views(
    tmp_path: Path, script: str, trigger: str, lost: set[str], replaces: bool
) -> None:
    found = by_scripts(tmp_path, script, "CREATE VIEW v AS SELECT id FROM t", f"CREATE TRIGGER one {trigger}")
    assert names(found) == lost
    assert all(deletion.replaces is replaces for deletion in found)


def test_statements_of_a_script_are_told_apart(tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER one AFTER INSERT ON t BEGIN DELETE FROM orders; END"
    [found] = by_scripts(
        tmp_path, "DELETE FROM orders;\nUPDATE t SET n = 1;\nINSERT INTO t (id) VALUES (1);\n", trigger
    )
    assert (found.table.name, found.writer.position, found.writer.place.line) == ("orders", 2, 4)


def test_full_text_indexes_lose_rows_unless_another_table_holds_them(tmp_path: Path) -> None:
    tables = (
        "CREATE VIRTUAL TABLE own USING fts5 (text)",
        "CREATE VIRTUAL TABLE external USING fts5 (name, content=t, content_rowid=id)",
        "CREATE VIRTUAL TABLE bare USING fts5 (name, content='')",
    )
    trigger = (
        "CREATE TRIGGER one AFTER UPDATE ON t BEGIN DELETE FROM own WHERE rowid = old.id; "
        "DELETE FROM external WHERE rowid = old.id; DELETE FROM bare; END"
    )
    assert names(by_scripts(tmp_path, "UPDATE t SET n = 1", trigger, tables=(*TABLES, *tables))) == {"own"}


def test_what_cannot_be_compiled_may_delete_from_every_table_that_it_names(tmp_path: Path) -> None:
    catalog = catalog_of(*TABLES)
    trigger = CatalogRow("trigger", "one", "t", "CREATE TRIGGER one AFTER INSERT ON t BEGIN DELETE FROM gone; END")
    other = CatalogRow("trigger", "two", "t", "CREATE TRIGGER two AFTER INSERT ON t BEGIN DELETE FROM log; END")
    loaded = load_csv_seeds(tmp_path / "schema", TABLES, {"t": "id,n\n1,2\n"})
    live = read_catalog((*catalog.rows, trigger, other))
    found = list(deletions_by_seeds(loaded.seeds, Plan((), (), live), loaded.schema))
    assert "log" in names(found)
    assert all(deletion.replaces for deletion in found)


def test_hazards_name_each_table_once_with_all_that_deletes(tmp_path: Path) -> None:
    triggers = (
        "CREATE TRIGGER one AFTER INSERT ON t BEGIN DELETE FROM log; END",
        "CREATE TRIGGER two AFTER UPDATE ON t BEGIN DELETE FROM log; END",
    )
    [hazard] = deletion_hazards(by_seeds(tmp_path, *triggers))
    assert (hazard.name, hazard.object, hazard.rows) == ("delete-rows", "log", None)
    assert hazard.remedy is not None
    assert [line.partition(" may ")[0] for line in hazard.remedy.splitlines()] == ["The trigger one", "The trigger two"]
    assert "schema/seeds/t.csv" in hazard.remedy
