"""`plan --compare-to`: compare two schema folders without a database or a secret, as for a pull request of a fork."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.schema_folders import SHIPPED, SMALL, with_changes, write_folder
from turso_deploy.cli.run import run

NARROWER = with_changes(
    SMALL,
    tables=SMALL["tables.sql"].replace(",\n  profile TEXT", "").replace("title TEXT NOT NULL", "title TEXT"),
    authors="id,name\n1,Ada\n2,Grace\n",
    manifest="schema_version: 1.1.0\nexpect: {tables: 2}\n",
)


def compare(folder: Path, against: Path, **settings: Any) -> dict[str, Any]:
    output = StringIO()
    given = {"command": "plan", "schema_path": str(folder), "compare_to": str(against), "json_output": True, **settings}
    status = run(given, {"GITHUB_ACTIONS": "true"}, output, StringIO())
    document: dict[str, Any] = json.loads(output.getvalue())
    assert status == document["exit_code"]
    return document


def test_the_plan_is_the_one_for_a_database_to_which_the_other_folder_was_deployed(tmp_path: Path) -> None:
    before, after = write_folder(tmp_path / "before", SMALL), write_folder(tmp_path / "after", NARROWER)
    found = compare(after, before)
    assert found["status"] == "planned"
    assert found["database"] == f"folder {before.as_posix()}"
    assert found["requests"] == 0
    assert found["committed"] is False
    kinds = [
        (step["kind"], step["object"])
        for step in found["steps"]
        if not step["kind"].startswith(("temporarily", "recreate"))
    ]
    assert kinds == [("drop column", "authors.profile"), ("rebuild table", "books")]
    assert [seed["table"] for seed in found["seeds"] if seed["rows"] > seed["deployed_before"]] == ["authors"]


def test_the_rows_of_a_hazard_are_not_counted_and_nothing_is_refused(tmp_path: Path) -> None:
    before, after = write_folder(tmp_path / "before", SMALL), write_folder(tmp_path / "after", NARROWER)
    hazards = [hazard for step in compare(after, before)["steps"] for hazard in step["hazards"]]
    assert [(hazard["name"], hazard["object"]) for hazard in hazards] == [
        ("drop-column", "authors.profile"),
        ("rewrite-table", "books"),
    ]
    assert all(hazard["rows"] is None and hazard["text"].endswith("(rows not counted)") for hazard in hazards)
    assert compare(after, before)["rows_to_write"] is None


def test_it_says_that_a_deployment_may_be_refused_and_what_allows_it(tmp_path: Path) -> None:
    before, after = write_folder(tmp_path / "before", SMALL), write_folder(tmp_path / "after", NARROWER)
    found = compare(after, before)
    assert (found["status"], found["exit_code"]) == ("planned", 0)
    assert (
        "No rows were counted. If these hazards affect rows, a deployment is blocked" in found["blocked_by"]["message"]
    )
    assert "rewrite-table" not in found["blocked_by"]["message"]
    assert "--allow-hazards drop-column:authors.profile\n" in found["blocked_by"]["hint"]
    assert compare(after, before, allow_hazards="drop-column:authors.profile")["blocked_by"] is None


def test_a_rule_that_no_permission_helps_may_refuse_too(tmp_path: Path) -> None:
    before = write_folder(tmp_path / "before", {"a.sql": "CREATE TABLE a (x);"})
    after = write_folder(tmp_path / "after", {"a.sql": "CREATE TABLE a (x NOT NULL);"})
    assert "add-not-null a.x" in compare(after, before)["blocked_by"]["message"]


def test_what_the_other_folder_defined_and_this_one_does_not_is_dropped(tmp_path: Path) -> None:
    before = write_folder(tmp_path / "before", {"a.sql": "CREATE TABLE a (x); CREATE TABLE b (y);"})
    after = write_folder(tmp_path / "after", {"a.sql": "CREATE TABLE a (x);"})
    assert [(step["kind"], step["object"]) for step in compare(after, before)["steps"]] == [("drop table", "b")]


def test_two_folders_that_mean_the_same_do_not_differ(tmp_path: Path) -> None:
    respelt = with_changes(SMALL, tables=SMALL["tables.sql"].replace("TEXT NOT NULL", "text  not null"))
    found = compare(write_folder(tmp_path / "after", respelt), write_folder(tmp_path / "before", SMALL))
    assert found["status"] == "unchanged"
    assert found["steps"] == []


def test_a_script_that_ran_where_the_other_folder_was_deployed_must_stay_as_it_is(tmp_path: Path) -> None:
    script = "-- @run after\nUPDATE books SET title = 'x' WHERE false;\n"
    before = write_folder(tmp_path / "before", {**SMALL, "scripts/once.sql": script})
    edited = write_folder(tmp_path / "after", {**SMALL, "scripts/once.sql": script.replace("'x'", "'y'")})
    assert compare(edited, before)["error"]["code"] == "script-changed"
    added = write_folder(tmp_path / "after", {**SMALL, "scripts/once.sql": script, "scripts/two.sql": script})
    assert [(step["kind"], step["object"]) for step in compare(added, before)["steps"]] == [("run script", "two")]


def test_a_manifest_that_would_not_hold_is_told(tmp_path: Path) -> None:
    wrong = with_changes(SMALL, manifest="expect: {tables: 3}")
    found = compare(write_folder(tmp_path / "after", wrong), write_folder(tmp_path / "before", SMALL))
    assert found["error"]["code"] == "manifest-mismatch"


def test_another_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    error = compare(SHIPPED, tmp_path / "nowhere")["error"]
    assert error["code"] == "schema-not-found"
    assert "--compare-to" in error["hint"]


@pytest.mark.parametrize(("changed", "status"), [(True, 3), (False, 0)])
def test_on_a_runner_it_needs_no_url_and_no_token(tmp_path: Path, changed: bool, status: int) -> None:
    before = write_folder(tmp_path / "before", SMALL)
    after = write_folder(tmp_path / "after", NARROWER if changed else SMALL)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TURSO_", "INPUT_"))}
    environment |= {"GITHUB_ACTIONS": "true", "INPUT_DATABASE-URL": "", "INPUT_AUTH-TOKEN": ""}
    command = [
        sys.executable,
        "-m",
        "turso_deploy",
        "plan",
        "--check",
        "--schema-path",
        str(after),
        "--compare-to",
        str(before),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == status, done.stdout
    assert f"folder {before.as_posix()}" in done.stdout
    assert ("rows not counted" in done.stdout) is changed
    assert done.stderr == ""
