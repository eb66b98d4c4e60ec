"""Definitions of the schema folder that `ignore:` covers: neither compared nor changed, and reported."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.schema_folders import write_folder, write_project
from turso_deploy.cli.run import run

FILES = {
    "mine.sql": "CREATE TABLE mine (id INTEGER PRIMARY KEY, other INTEGER REFERENCES other);",
    "other.sql": "CREATE TABLE other (id INTEGER PRIMARY KEY, name TEXT);\nCREATE INDEX other_name ON other (name);\n"
    "CREATE TRIGGER other_t AFTER INSERT ON other BEGIN SELECT 1; END;\n",
    "views.sql": "CREATE VIEW both AS SELECT mine.id, name FROM mine JOIN other ON other.id = mine.other;",
    "seeds/other.csv": "id,name\n1,one\n",
}
IGNORING = {**FILES, "manifest.yml": "schema_version: 0.1.0\nignore: [other]\n"}
NOTICE = (
    "In the schema folder, and neither compared nor changed, because a pattern under `ignore:` covers it: table other"
)


def run_locally(command: str, schema: Path, **settings: str) -> dict[str, Any]:
    """Run a command that reads no database, and return its report."""
    output = StringIO()
    run({"command": command, "schema_path": str(schema), "json_output": True, **settings}, {}, output, StringIO())
    document: dict[str, Any] = json.loads(output.getvalue())
    return document


def test_ignoring_a_pulled_table_takes_one_edit(target: DatabaseUnderTest, tmp_path: Path) -> None:
    schema = tmp_path / "schema"
    target.run("CREATE TABLE mine (id INTEGER PRIMARY KEY)", "CREATE TABLE other (id INTEGER PRIMARY KEY)")
    assert run_program("pull", schema, target.url, target.token).status == 0
    with (schema / "manifest.yml").open("a", encoding="utf-8") as manifest:
        manifest.write("ignore: [other]\n")
    for command in ("plan", "verify", "deploy", "verify"):
        result = run_program(command, schema, target.url, target.token)
        assert result.error is None
        assert any(f"{NOTICE} ({schema}/other.sql:1:1)." in notice for notice in result.document["notices"])
    (schema / "other.sql").unlink()  # ignored objects are not managed, so nothing is dropped
    planned = run_program("plan", schema, target.url, target.token)
    assert (planned.error, planned.document["status"], planned.document["notices"]) == (None, "unchanged", [])


def test_managed_table_that_is_ignored_from_now_on_stays(target: DatabaseUnderTest, tmp_path: Path) -> None:
    assert target.deploy(write_project(tmp_path / "schema", FILES)).error is None
    target.run("ALTER TABLE other ADD COLUMN theirs TEXT", "DROP INDEX other_name")
    names = target.names()
    for files in (IGNORING, IGNORING):
        report = target.deploy(write_project(tmp_path / "schema", files))
        assert (report.error, report.steps) == (None, ())
    assert target.names() == names
    assert target.verify(write_project(tmp_path / "schema", IGNORING)).error is None


@pytest.mark.parametrize("left_out", ["views.sql", "mine.sql", None])
def test_managed_object_that_needs_an_ignored_table_is_not_created_without_it(
    target: DatabaseUnderTest, tmp_path: Path, left_out: str | None
) -> None:
    files = {**IGNORING, "z.sql": "CREATE TABLE z (x);"}
    if left_out:
        del files[left_out]
    if left_out == "mine.sql":
        files["views.sql"] = "CREATE VIEW both AS SELECT name FROM other;"
    project = write_project(tmp_path / "schema", files)
    for command in (target.plan, target.deploy):
        report = command(project)
        assert report.error is not None
        assert report.error.code == "plan-impossible"
        assert "no such table: " in report.error.message
        assert "other" in report.error.message
    assert target.names() == set()
    target.run("CREATE TABLE other (id INTEGER PRIMARY KEY, name TEXT)")
    assert target.deploy(project).error is None
    assert target.rows("SELECT * FROM other") == []  # its seeds are ignored, too


def test_column_that_refers_to_a_missing_ignored_table_is_not_added(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.run("CREATE TABLE mine (id INTEGER PRIMARY KEY)")
    files = {name: IGNORING[name] for name in ("mine.sql", "other.sql", "manifest.yml")}
    report = target.deploy(write_project(tmp_path / "schema", files))
    assert report.error is not None
    assert "no such table: other, which a pattern under `ignore:` covers" in report.error.message
    assert target.names() == {"mine"}


def test_ignored_definition_is_not_created_in_a_new_database(target: DatabaseUnderTest, tmp_path: Path) -> None:
    files = {"a.sql": "CREATE TABLE a (x);", "other.sql": FILES["other.sql"], "manifest.yml": "ignore: [other]"}
    report = target.deploy(write_project(tmp_path / "schema", files))
    assert report.error is None
    assert target.names() == {"a", "schema_deployments"}


def test_comparison_of_folders_takes_ignored_definitions_for_objects_that_were_not_deployed(tmp_path: Path) -> None:
    files = {name: FILES[name] for name in ("mine.sql", "other.sql")}
    before = write_folder(tmp_path / "before", {**files, "manifest.yml": "ignore: [other]"})
    managing = write_folder(tmp_path / "after", files)
    ignoring = write_folder(
        tmp_path / "same", {**files, "manifest.yml": "ignore: [other]", "views.sql": FILES["views.sql"]}
    )
    created = run_locally("plan", managing, compare_to=str(before))
    assert [step["object"] for step in created["steps"]] == ["other", "other_name", "other_t"]
    same = run_locally("plan", ignoring, compare_to=str(before))
    assert [step["object"] for step in same["steps"]] == ["both"]
    back = run_locally("plan", ignoring, compare_to=str(managing))
    assert [step["object"] for step in back["steps"]] == ["both"]


def test_documentation_of_a_folder_leaves_out_its_ignored_definitions(tmp_path: Path) -> None:
    schema = write_folder(tmp_path / "schema", IGNORING)
    assert run_locally("docs", schema, output=str(tmp_path / "docs"))["error"] is None
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "docs").glob("*.md"))
    assert "mine" in text
    assert "other_name" not in text


def test_reference_to_the_key_of_an_ignored_table_is_compared_and_counted(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.run(
        "CREATE TABLE other (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE TABLE mine (id INTEGER PRIMARY KEY, other INTEGER)",
        "INSERT INTO other VALUES (1, 'one')",
        "INSERT INTO mine VALUES (1, 1), (2, 7)",
    )
    files = {name: IGNORING[name] for name in ("mine.sql", "other.sql", "manifest.yml")}
    report = target.plan(write_project(tmp_path / "schema", files))
    hazards = [(hazard.name, hazard.rows) for step in report.steps for hazard in step.hazards]
    assert ("add-foreign-key", 1) in hazards
    target.run("DELETE FROM mine WHERE id = 2")
    assert target.deploy(write_project(tmp_path / "schema", files)).error is None
    explicit = {**files, "mine.sql": files["mine.sql"].replace("REFERENCES other", "REFERENCES other (id)")}
    assert target.plan(write_project(tmp_path / "schema", explicit)).steps == ()


def test_reference_of_the_database_to_a_missing_table_can_be_removed(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.run("CREATE TABLE mine (id INTEGER PRIMARY KEY, other INTEGER REFERENCES gone)")
    files = {"mine.sql": "CREATE TABLE mine (id INTEGER PRIMARY KEY, other INTEGER);"}
    assert target.deploy(write_project(tmp_path / "schema", files)).error is None
