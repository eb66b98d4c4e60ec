"""The row that a deployment writes into the deployment history, on each engine, and the forms of older programs."""

from __future__ import annotations

import json
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SMALL, write_project
from turso_deploy.history.table import ADDED_COLUMNS
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.report.document import Status

TABLES = "CREATE TABLE users (id INTEGER PRIMARY KEY, nickname TEXT, email TEXT) STRICT;\n"
RENAMED = """\
-- @renamed from=users
CREATE TABLE members (
  id INTEGER PRIMARY KEY,
  -- @renamed from=nickname
  name TEXT,
  -- @using length(name)
  size INTEGER NOT NULL CHECK (size >= 0)
) STRICT;
"""
WITHOUT_EMAIL = TABLES.replace(", email TEXT", "")
DROPS_EMAIL = Approval(HazardName.DROP_COLUMN, "members.email")


def last(target: DatabaseUnderTest, *columns: str) -> tuple[Any, ...]:
    [row] = target.rows(f"SELECT {', '.join(columns)} FROM schema_deployments ORDER BY number DESC LIMIT 1")
    return row


def catalog(target: DatabaseUnderTest, number: int) -> dict[str, Any]:
    [(fingerprint, content)] = target.rows(
        f"SELECT catalog_fingerprint, catalog FROM schema_deployments WHERE number = {number}"
    )
    assert isinstance(content, bytes)
    text = zlib.decompress(content)
    assert sha256(text).hexdigest() == fingerprint
    document: dict[str, Any] = json.loads(text)
    return document


def stored(target: DatabaseUnderTest) -> list[tuple[Any, ...]]:
    """The number of each row, its catalog's fingerprint by the first row that has it, and if it stores the catalog."""
    return target.rows(
        "SELECT number, (SELECT min(number) FROM schema_deployments AS first WHERE first.catalog_fingerprint = "
        "one.catalog_fingerprint), catalog IS NOT NULL FROM schema_deployments AS one ORDER BY number"
    )


def with_older_history(target: DatabaseUnderTest) -> None:
    """Give the history the form that programs before these columns wrote."""
    columns = (name for name in ADDED_COLUMNS if name != "seed_rows")
    target.run(*(f"ALTER TABLE schema_deployments DROP COLUMN {name}" for name in columns))


def test_renames_backfills_and_approvals_are_recorded(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "first", {"t.sql": TABLES, "manifest.yml": "schema_version: 1.0.0\n"}))
    target.run("INSERT INTO users VALUES (1, 'Ada', 'a'), (2, 'Grace', 'g'), (3, 'Edsger', NULL)")
    second = write_project(tmp_path / "second", {"t.sql": RENAMED, "manifest.yml": "schema_version: 2.0.0\n"})
    report = target.deploy(second, approvals=(DROPS_EMAIL,))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    command, before, approved, renames, backfills = last(
        target, "command", "previous_version", "approved_hazards", "renames", "backfills"
    )
    assert (command, before) == ("deploy", "1.0.0")
    assert json.loads(approved) == [
        {"name": "drop-column", "object": "members.email", "rows": 2, "source": "allow-hazards"}
    ]
    assert json.loads(renames) == [
        {"kind": "table", "table": "members", "old": "users", "new": "members"},
        {"kind": "column", "table": "members", "old": "nickname", "new": "name"},
    ]
    assert json.loads(backfills) == [{"table": "members", "column": "size", "expression": "length(name)"}]


def test_first_deployment_records_no_version_before_it(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    assert last(target, "previous_version", "approved_hazards", "renames", "backfills") == (None, "[]", "[]", "[]")


def test_hazard_that_needs_no_approval_is_not_recorded(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "first", {"t.sql": TABLES}))
    second = write_project(tmp_path / "second", {"t.sql": WITHOUT_EMAIL})
    assert target.deploy(second, approvals=(Approval(HazardName.DROP_COLUMN),)).status is Status.DEPLOYED
    assert last(target, "approved_hazards") == ("[]",)  # the table has no rows


def test_duration_is_measured_by_the_clock_of_the_database(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    since_start, duration = last(
        target, "(julianday('now') - julianday(started_at)) * 86400000", "CAST(duration_ms AS INTEGER)"
    )
    assert 0 <= duration <= since_start + 1
    assert since_start < 60_000


def test_catalog_has_unmanaged_objects_and_no_ignored_or_internal_ones(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.run("CREATE TABLE theirs (a UNIQUE)", "CREATE INDEX theirs_a ON theirs (a)", "CREATE TABLE log_1 (a)")
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT);\n"
    target.deploy(write_project(tmp_path / "schema", {"t.sql": table, "manifest.yml": "ignore: ['log_*']\n"}))
    document = catalog(target, 1)
    assert document["ignore"] == ["log_*"]
    assert sorted(document["objects"]) == [
        ["index", "theirs_a", "theirs", "CREATE INDEX theirs_a ON theirs (a)"],
        ["table", "t", "t", table.strip(";\n")],
        ["table", "theirs", "theirs", "CREATE TABLE theirs (a UNIQUE)"],
    ]


def test_catalog_is_stored_once_for_each_fingerprint(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "1", manifest="schema_version: 1.0.0\n"))
    target.deploy(write_project(tmp_path / "2", manifest="schema_version: 1.0.1\n"))
    more = SMALL["views.sql"] + "CREATE VIEW w AS SELECT 1;\n"
    target.deploy(write_project(tmp_path / "3", views=more, manifest="schema_version: 1.0.2\n"))
    target.deploy(write_project(tmp_path / "4", manifest="schema_version: 1.0.3\n"))
    target.deploy(write_project(tmp_path / "5", manifest="schema_version: 1.0.4\n"))
    assert stored(target) == [(1, 1, 1), (2, 1, 0), (3, 3, 1), (4, 1, 0), (5, 1, 0)]


def test_damaged_catalog_is_stored_again_by_the_next_deployment(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "1", manifest="schema_version: 1.0.0\n"))
    target.run("UPDATE schema_deployments SET catalog = x'00'")
    target.deploy(write_project(tmp_path / "2", manifest="schema_version: 1.0.1\n"))
    assert stored(target) == [(1, 1, 1), (2, 1, 1)]
    assert catalog(target, 2)["objects"]


def test_catalog_whose_row_was_deleted_is_stored_again(target: DatabaseUnderTest, tmp_path: Path) -> None:
    for number in range(2):
        target.deploy(write_project(tmp_path / str(number), manifest=f"schema_version: 1.0.{number}\n"))
    target.run("DELETE FROM schema_deployments WHERE number = 1")
    target.deploy(write_project(tmp_path / "last", manifest="schema_version: 1.0.2\n"))
    assert stored(target) == [(2, 2, 0), (3, 2, 1)]


def test_deployment_in_chunks_stores_the_catalog_with_the_schema(target: DatabaseUnderTest, tmp_path: Path) -> None:
    books = "".join(f'{{"id": "b{number}", "title": "Book {number}", "author": 1}}\n' for number in range(1, 501))
    target.request_size = 13_000
    report = target.deploy(write_project(tmp_path / "schema", books=books, manifest="schema_version: 1.0.0\n"))
    assert report.chunks is not None or target.is_file
    assert stored(target) == [(1, 1, 1)]
    assert [name for _, name, *_ in catalog(target, 1)["objects"]].count("books") == 1
    since_start, duration, version = last(
        target, "(julianday('now') - julianday(started_at)) * 86400000", "duration_ms", "previous_version"
    )
    assert 0 <= duration <= since_start + 1
    assert version is None


def test_history_of_an_older_form_gets_the_missing_columns(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "1", manifest="schema_version: 1.0.0\n"))
    with_older_history(target)
    unchanged = target.deploy(write_project(tmp_path / "1", manifest="schema_version: 1.0.0\n"))
    assert (unchanged.status, unchanged.requests) == (Status.UNCHANGED, 1)
    report = target.deploy(write_project(tmp_path / "2", manifest="schema_version: 1.0.1\n"))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert stored(target) == [(1, None, 0), (2, 2, 1)]
    assert target.rows("SELECT command, previous_version, renames FROM schema_deployments ORDER BY number") == [
        (None, None, None),
        ("deploy", "1.0.0", "[]"),
    ]


@pytest.mark.parametrize("command", ["deploy", "plan"])
def test_history_of_a_later_program_is_not_written_to(target: DatabaseUnderTest, tmp_path: Path, command: str) -> None:
    target.deploy(write_project(tmp_path / "1", manifest="schema_version: 1.0.0\n"))
    target.run("ALTER TABLE schema_deployments ADD COLUMN later TEXT")
    before = target.dump()
    project = write_project(tmp_path / "2", manifest="schema_version: 1.0.1\n")
    report = target.deploy(project) if command == "deploy" else target.plan(project)
    assert report.error is not None
    assert (report.error.code, report.exit_code, report.committed) == ("history-newer", 1, False)
    assert "later" in report.error.message
    assert target.dump() == before


@pytest.mark.parametrize("column", ["commit_sha", "backup", "plan_summary"])
def test_history_without_a_column_is_an_error_before_any_write(
    target: DatabaseUnderTest, tmp_path: Path, column: str
) -> None:
    target.deploy(write_project(tmp_path / "1", manifest="schema_version: 1.0.0\n"))
    target.run(f"ALTER TABLE schema_deployments DROP COLUMN {column}")
    before = target.dump()
    report = target.deploy(write_project(tmp_path / "2", manifest="schema_version: 1.0.1\n"))
    assert report.error is not None
    assert (report.error.code, report.exit_code, report.committed) == ("history-damaged", 1, False)
    assert column in report.error.message
    assert target.dump() == before
