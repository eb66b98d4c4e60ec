"""References that dangle in a database already are a warning, and new ones are an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest, run_program

# As an old RENAME leaves them: foreign keys, a view and a trigger that name what is not there, and a key that is none.
LIVE = {
    "s": "CREATE TABLE s (id INTEGER PRIMARY KEY, a TEXT REFERENCES gone (id), b REFERENCES lost)",
    "t": "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)",
    "child": "CREATE TABLE child (id INTEGER PRIMARY KEY, name TEXT REFERENCES t (name))",
    "v": "CREATE VIEW v AS SELECT id FROM missing",
    "r": "CREATE TRIGGER r AFTER UPDATE ON s BEGIN INSERT INTO log VALUES (new.id); END",
}


def pulled(target: DatabaseUnderTest, folder: Path) -> Path:
    target.run(*LIVE.values())
    found = run_program("pull", folder, target.url, target.token)
    assert (found.status, found.error) == (0, None)
    [notice] = [notice for notice in found.document["notices"] if "does not exist" in notice]
    for name in ("table s: no such table: gone", "table s: no such table: lost", "table child", "view v", "trigger r"):
        assert name in notice
    return folder


def test_database_with_dangling_references_can_be_pulled_planned_and_changed(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    schema = pulled(target, tmp_path / "schema")
    target.run("INSERT INTO t VALUES (1, 'x')")
    planned = run_program("plan", schema, target.url, target.read_only_token)
    assert (planned.error, planned.document["steps"]) == (None, [])
    assert any("table s: no such table: gone" in notice for notice in planned.document["notices"])
    assert run_program("deploy", schema, target.url, target.token).error is None
    assert run_program("docs", schema, target.url, output=str(tmp_path / "docs")).error is None
    changes = {", name TEXT)": ", name TEXT, more TEXT)", "a TEXT REF": "a TEXT NOT NULL DEFAULT '' REF"}
    for before, after in changes.items():
        for file in schema.glob("*.sql"):
            file.write_text(file.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
        changed = run_program("deploy", schema, target.url, target.token)
        assert (changed.error, changed.document["status"]) == (None, "deployed")
        assert run_program("plan", schema, target.url, target.token).document["status"] == "unchanged"
    assert target.rows("SELECT * FROM t") == [(1, "x", None)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("b REFERENCES lost", "b REFERENCES lost, c REFERENCES absent", "Table s: no such table: absent"),
        ("child (id", "child (o REFERENCES nowhere, id", "Table child: no such table: nowhere"),
        ("SELECT id FROM missing", "SELECT id, 1 FROM missing", "View v: no such table: main.missing"),
        ("VALUES (new.id)", "VALUES (new.id + 1)", "Trigger r: no such table: main.log"),
    ],
)
def test_new_dangling_reference_is_an_error(
    target: DatabaseUnderTest, tmp_path: Path, old: str, new: str, message: str
) -> None:
    schema = pulled(target, tmp_path / "schema")
    for file in schema.glob("*.sql"):
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    for command in ("plan", "deploy"):
        stopped = run_program(command, schema, target.url, target.token)
        assert (stopped.status, stopped.error["code"]) == (2, "missing-reference")
        assert message in stopped.error["message"]
        assert "gone" not in stopped.error["message"]


def test_folder_with_dangling_references_is_not_deployed_to_a_new_database(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    schema = pulled(target, tmp_path / "schema")
    stopped = run_program("deploy", schema, f"file:{tmp_path / 'new.db'}")
    assert (stopped.status, stopped.error["code"]) == (2, "missing-reference")
