"""Looking without touching: `verify` and `plan`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from tests.support.schema_folders import SMALL, write_folder, write_project
from turso_deploy.report.document import Report, Status


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "schema", SMALL)


def verified(target: DatabaseUnderTest, folder: Path, *statements: str) -> Report:
    """What `verify` says of a deployed database to which the statements were done."""
    project = write_project(folder)
    target.deploy(project)
    target.run(*statements)
    before = target.dump()
    came_before = target.proxy.requests
    report = target.verify(project)
    assert report.requests == 1
    assert target.proxy.requests == came_before + (0 if target.is_file else 1)
    assert target.dump() == before
    return report


def test_a_deployed_database_is_verified_in_one_request(target: DatabaseUnderTest, folder: Path) -> None:
    report = verified(target, folder)
    assert (report.error, report.status, report.committed, report.exit_code) == (None, Status.VERIFIED, False, 0)
    assert all(check.ok for check in report.checks)
    assert {check.name for check in report.checks} == {
        "schema",
        "rows of authors",
        "rows of books",
        "invalid JSON in authors.profile",
    }


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("DELETE FROM books WHERE id = 'b1'", "rows of books: expected 2..4, found 1"),
        ("UPDATE authors SET profile = '{' WHERE id = 2", "invalid JSON in authors.profile: expected 0, found 1"),
    ],
)
def test_rows_that_break_the_manifest_are_named(
    target: DatabaseUnderTest, folder: Path, statement: str, named: str
) -> None:
    report = verified(target, folder, statement)
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, False, 1)
    assert report.error is not None
    assert report.error.code == "check-failed"
    assert named in report.error.message


def test_a_name_that_the_manifest_lists_and_the_database_lacks_is_named(
    target: DatabaseUnderTest, folder: Path
) -> None:
    manifest = SMALL["manifest.yml"] + "objects: {indexes: [idx_somewhere_else]}\n"
    target.deploy(write_project(folder))
    report = target.verify(write_project(folder, manifest=manifest))
    assert report.error is not None
    assert "missing: index idx_somewhere_else" in report.error.message


def test_database_that_was_never_deployed_to_is_pending(target: DatabaseUnderTest, folder: Path) -> None:
    report = target.verify(write_project(folder))
    assert (report.error, report.status, report.exit_code, report.requests) == (None, Status.PENDING, 3, 1)
    assert (report.pending, report.drifted) == (True, None)
    assert [(change.effect, change.name) for change in report.changes] == [
        ("added", "authors"),
        ("added", "books"),
        ("added", "idx_books_author"),
        ("added", "v_books"),
        ("added", "trg_books_title"),
    ]
    assert report.counts["tables"].actual == 0
    assert target.names() == set()
    if target.is_file:
        assert not target.file.exists()


def test_database_that_has_the_schema_and_was_never_deployed_to_is_verified(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.run("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    report = target.verify(write_project(tmp_path / "schema", {"t.sql": "create table t (id integer primary key);"}))
    assert (report.error, report.status, report.exit_code) == (None, Status.VERIFIED, 0)


def test_a_read_only_token_is_enough_to_plan_and_to_verify(on_sqld: DatabaseUnderTest, folder: Path) -> None:
    reader = replace(on_sqld, token=on_sqld.read_only_token)
    pending = run_program("plan", folder, reader.url, reader.token)
    assert (pending.status, pending.document["status"], pending.document["requests"]) == (0, "planned", 1)
    on_sqld.deploy(write_project(folder))
    finished = run_program("verify", folder, reader.url, reader.token)
    assert (finished.status, finished.document["status"], finished.document["requests"]) == (0, "verified", 1)


def test_a_plan_shows_the_steps_and_changes_nothing(target: DatabaseUnderTest, folder: Path) -> None:
    report = target.plan(write_project(folder))
    assert (report.status, report.committed, report.requests) == (Status.PLANNED, False, 1)
    assert [f"{step.kind} {step.object}" for step in report.steps] == [
        "create table authors",
        "create table books",
        "create index idx_books_author",
        "create view v_books",
        "create trigger trg_books_title",
    ]
    assert str(report.steps[2].place).endswith("schema/tables.sql:11:14")
    assert target.names() == set()


def test_plan_check_exits_3_while_something_would_run_and_0_afterwards(target: DatabaseUnderTest, folder: Path) -> None:
    def plan_check() -> tuple[int, str]:
        finished = run_program("plan", folder, target.url, target.token, check=True)
        return finished.status, finished.document["status"]

    assert plan_check() == (3, "pending")
    assert run_program("deploy", folder, target.url, target.token).status == 0
    assert plan_check() == (0, "unchanged")
    seeds = folder / "seeds" / "authors.csv"
    seeds.write_text(seeds.read_text(encoding="utf-8") + "3,Barbara,\n", encoding="utf-8")
    assert plan_check() == (3, "pending")
    seeds.write_text("id,title\n1,Dr\n", encoding="utf-8")
    assert plan_check() == (2, "failed")


def test_a_plan_that_could_not_be_deployed_fails(target: DatabaseUnderTest, folder: Path) -> None:
    project = write_project(folder, manifest=SMALL["manifest.yml"].replace("tables: 2", "tables: 3"))
    report = target.plan(project)
    assert (report.status, report.exit_code) == (Status.FAILED, 1)
    assert report.steps
    assert report.error is not None
    assert report.error.code == "manifest-mismatch"


def test_objects_that_nobody_knows_are_listed_with_the_lines_that_settle_it(
    target: DatabaseUnderTest, folder: Path
) -> None:
    target.run("CREATE TABLE theirs (x)", "CREATE INDEX idx_theirs ON theirs (x)", "CREATE TABLE other_thing (x)")
    before = target.dump()
    report = target.deploy(write_project(folder))
    assert (report.status, report.requests) == (Status.FAILED, 1)
    assert report.error is not None
    assert "table theirs, index idx_theirs" in report.error.message
    assert str(report.error.hint).endswith('ignore:\n  - "theirs"')
    assert "other_thing" not in f"{report.error.message}{report.error.hint}"
    assert target.dump() == before
    manifest = SMALL["manifest.yml"].replace("[other_*]", '["other_*", "theirs"]')
    assert target.deploy(write_project(folder, manifest=manifest)).status is Status.DEPLOYED


@pytest.mark.parametrize("command", ["plan", "deploy", "verify"])
def test_wrong_number_of_objects_is_an_error_with_lines_to_paste(
    target: DatabaseUnderTest, folder: Path, command: str
) -> None:
    tables = {"a.sql": "CREATE TABLE a (x);", "b.sql": "CREATE TABLE b (y);"}
    assert target.deploy(write_project(folder, tables)).error is None
    wrong = "schema_version: 1.0.0\nexpect: { tables: 1, views: '<=3' }\n"
    write_project(folder, {**tables, "manifest.yml": wrong})
    failed = run_program(command, folder, target.url, target.token)
    assert failed.status != 0
    sentence, *lines = failed.error["hint"].splitlines()
    assert sentence.endswith("replace `expect:` at " + f"{failed.error['file']}:2 with:")
    write_project(folder, {**tables, "manifest.yml": "\n".join(lines) + "\n"})
    assert run_program(command, folder, target.url, target.token).error is None
