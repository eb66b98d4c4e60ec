"""Drift is not pending: a database that is not as it was last deployed, and a folder that is not deployed yet."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest, InterceptedDatabase, run_program
from tests.support.schema_folders import SMALL, write_folder, write_project
from turso_deploy.core.transaction import Failure, Query, Rows
from turso_deploy.deploy.verify import verify
from turso_deploy.history.last_deployment import LAST_DEPLOYMENT_QUERY
from turso_deploy.history.table import ADDED_COLUMNS
from turso_deploy.report.changes import phrases
from turso_deploy.report.console import render
from turso_deploy.report.document import Report, Status
from turso_deploy.report.job_summary import summary

MERGED = {
    **SMALL,
    "tables.sql": SMALL["tables.sql"].replace("profile TEXT", "profile TEXT,\n  born INTEGER")
    + "CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT);\n",
    "seeds/books.jsonl": SMALL["seeds/books.jsonl"] + '{"id": "b3", "title": "More", "author": 1}\n',
    "seeds/tags.csv": "id,name\n1,new\n",
    "scripts/tidy.sql": "-- @run after\nUPDATE tags SET name = 'tidy';\n",
    "manifest.yml": """\
schema_version: 1.1.0
expect: {tables: 3}
rows: {tags: 1, books: 3}
json_columns: {authors: [profile]}
ignore: [other_*]
""",
}
"""SMALL after a merge that is not released: a column, a table with a bound, seeds with a narrower bound, a script."""


def deployed(target: DatabaseUnderTest, folder: Path, *statements: str) -> None:
    """Deploy SMALL, and execute statements as somebody else would."""
    assert target.deploy(write_project(folder)).error is None
    target.run(*statements)


def found(report: Report) -> tuple[Status, int, bool | None, bool | None]:
    return report.status, report.exit_code, report.drifted, report.pending


def with_older_history(target: DatabaseUnderTest) -> None:
    columns = (name for name in ADDED_COLUMNS if name != "seed_rows")
    target.run(*(f"ALTER TABLE schema_deployments DROP COLUMN {name}" for name in columns))


def test_database_as_it_was_deployed_is_verified(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema")
    report = target.verify(write_project(tmp_path / "schema"))
    assert (report.error, found(report)) == (None, (Status.VERIFIED, 0, False, False))
    assert (report.changes, report.drift, report.requests) == ((), (), 1)


def test_drift_is_reported_with_the_ways_to_end_it(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", "CREATE INDEX by_hand ON books (title)")
    report = target.verify(write_project(tmp_path / "schema"))
    assert found(report) == (Status.DRIFTED, 4, True, False)
    for way in ("`turso-deploy pull --update`", "`turso-deploy accept-drift`"):
        assert way in render(report, False)


def test_merge_that_is_not_deployed_is_pending_and_no_drift(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema")
    report = target.verify(write_project(tmp_path / "merged", MERGED))
    assert (report.error, found(report)) == (None, (Status.PENDING, 3, False, True))
    assert phrases(report.changes) == ["table tags added", "table authors changed (column born)"]
    assert "Seeds that are not deployed: books, tags." in report.notices
    assert "Scripts that have not run: tidy." in report.notices
    assert any("rows of tags" in notice and "rows of books" in notice for notice in report.notices)
    for text in (render(report, False), summary(report)):
        assert "Not deployed yet" in text
        assert "born" in text


@pytest.mark.parametrize(
    ("files", "notice"),
    [
        ({"seeds/authors.csv": "id,name,profile\n1,Ada,\n2,Grace,\n"}, "Seeds that are not deployed: authors."),
        (
            {"scripts/late.sql": "-- @run after\nDELETE FROM books WHERE id = 'x';\n"},
            "Scripts that have not run: late.",
        ),
        ({"manifest.yml": SMALL["manifest.yml"].replace("1.0.0", "1.0.1")}, ""),
    ],
)
def test_seeds_scripts_and_a_version_are_pending(
    target: DatabaseUnderTest, tmp_path: Path, files: dict[str, str], notice: str
) -> None:
    deployed(target, tmp_path / "schema")
    report = target.verify(write_project(tmp_path / "merged", {**SMALL, **files}))
    assert (report.error, found(report)) == (None, (Status.PENDING, 3, False, True))
    assert report.notices == ((notice,) if notice else ())


HAND_MADE = {
    "CREATE INDEX by_hand ON books (title)": ["index by_hand added"],
    "ALTER TABLE books ADD COLUMN byhand TEXT": ["table books changed (column byhand)"],
    "ALTER TABLE authors RENAME COLUMN profile TO about": ["table authors changed (column about, column profile)"],
    "DROP INDEX idx_books_author": ["index idx_books_author removed"],
    "DROP TRIGGER trg_books_title": ["trigger trg_books_title removed"],
    "DROP VIEW v_books": ["view v_books removed"],
    "CREATE VIEW v_more AS SELECT 1": ["view v_more added"],
    "CREATE TABLE theirs (x)": ["table theirs added"],
    "CREATE TRIGGER more AFTER INSERT ON books BEGIN DELETE FROM authors; END": ["trigger more added"],
}


@pytest.mark.parametrize("statement", HAND_MADE)
def test_change_by_hand_is_drift_and_names_object_and_column(
    target: DatabaseUnderTest, tmp_path: Path, statement: str
) -> None:
    deployed(target, tmp_path / "schema", statement)
    before = target.dump()
    report = target.verify(write_project(tmp_path / "schema"))
    assert (report.error, found(report)) == (None, (Status.DRIFTED, 4, True, False))
    assert phrases(report.drift) == HAND_MADE[statement]
    assert report.requests == 1
    assert target.dump() == before
    for text in (render(report, False), summary(report)):
        assert "Changed since the last deployment" in text
        assert report.drift[0].name in text


def test_column_that_changed_is_shown_before_and_after(target: DatabaseUnderTest, tmp_path: Path) -> None:
    table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);\n"
    target.deploy(write_project(tmp_path / "schema", {"t.sql": table}))
    target.run("DROP TABLE notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text VARCHAR)")
    report = target.verify(write_project(tmp_path / "schema", {"t.sql": table}))
    [change] = report.drift
    assert [(part.part, part.before, part.after) for part in change.parts] == [
        ("column text", "TEXT NOT NULL", "VARCHAR")
    ]


def test_view_with_another_meaning_is_drift_and_another_spelling_is_none(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    spelt = "CREATE VIEW v_books AS select title,name FROM books join authors on authors.id=author -- again"
    deployed(target, tmp_path / "schema", "DROP VIEW v_books", spelt)
    assert target.verify(write_project(tmp_path / "schema")).status is Status.VERIFIED
    target.run("DROP VIEW v_books", "CREATE VIEW v_books AS SELECT title, 1 AS name FROM books")
    report = target.verify(write_project(tmp_path / "schema"))
    assert (report.status, phrases(report.drift)) == (Status.DRIFTED, ["view v_books changed"])


def test_dropped_table_is_drift_although_its_rows_cannot_be_counted(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", "DROP VIEW v_books", "DROP TABLE books")
    report = target.verify(write_project(tmp_path / "schema"))
    assert (report.error, found(report)) == (None, (Status.DRIFTED, 4, True, False))
    assert "table books removed" in phrases(report.drift)
    assert any("rows of books" in notice for notice in report.notices)


def test_drift_and_pending_changes_are_told_apart(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", "CREATE INDEX by_hand ON books (title)")
    report = target.verify(write_project(tmp_path / "merged", MERGED))
    assert found(report) == (Status.DRIFTED, 4, True, True)
    assert phrases(report.drift) == ["index by_hand added"]
    assert phrases(report.changes) == ["table tags added", "table authors changed (column born)"]


def test_broken_bounds_come_before_drift_and_the_report_has_both(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", "CREATE INDEX by_hand ON books (title)", "DELETE FROM books")
    report = target.verify(write_project(tmp_path / "schema"))
    assert report.error is not None
    assert (report.error.code, found(report)) == ("check-failed", (Status.FAILED, 1, True, False))
    assert phrases(report.drift) == ["index by_hand added"]


def test_outage_is_a_failure_and_says_nothing_about_drift(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    finished = run_program("verify", folder, "http://127.0.0.1:1", timeout="2")
    assert (finished.status, finished.document["status"], finished.error["code"]) == (1, "failed", "unreachable")
    assert (finished.document["drifted"], finished.document["pending"]) == (None, None)


def test_rejected_token_is_a_failure_and_says_nothing_about_drift(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(on_sqld, tmp_path / "schema", "CREATE INDEX by_hand ON books (title)")
    finished = run_program("verify", tmp_path / "schema", on_sqld.url, on_sqld.token[:-4] + "AAAA")
    assert (finished.status, finished.document["status"]) == (1, "failed")
    assert finished.error["code"].startswith("token-")
    assert (finished.document["drifted"], finished.document["pending"]) == (None, None)


def test_exit_status_of_the_program_tells_them_apart(target: DatabaseUnderTest, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    deployed(target, folder)

    def status() -> tuple[int, str]:
        finished = run_program("verify", folder, target.url, target.token)
        return finished.status, finished.document["status"]

    assert status() == (0, "verified")
    write_folder(folder, MERGED)
    assert status() == (3, "pending")
    target.run("CREATE INDEX by_hand ON books (title)")
    assert status() == (4, "drifted")
    target.run("DROP INDEX by_hand")
    assert status() == (3, "pending")


def test_ignored_objects_are_no_drift(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", "CREATE TABLE other_log (a)", "CREATE INDEX other_i ON other_log (a)")
    assert target.verify(write_project(tmp_path / "schema")).status is Status.VERIFIED


def test_objects_that_were_ignored_at_the_deployment_are_no_drift_when_they_are_not_any_more(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.run("CREATE TABLE other_log (a)")
    deployed(target, tmp_path / "schema")
    narrower = SMALL["manifest.yml"].replace("[other_*]", "[]").replace("tables: 2", "tables: 3")
    report = target.verify(write_project(tmp_path / "schema", manifest=narrower))
    assert (report.drifted, report.drift) == (False, ())


def test_object_that_is_ignored_since_the_deployment_is_no_drift(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.run("CREATE TABLE log_1 (a)")
    manifest = SMALL["manifest.yml"].replace("tables: 2", "tables: 3")
    assert target.deploy(write_project(tmp_path / "schema", manifest=manifest)).error is None
    target.run("DROP TABLE log_1")
    wider = SMALL["manifest.yml"].replace("[other_*]", "['other_*', 'log_*']")
    report = target.verify(write_project(tmp_path / "schema", manifest=wider))
    assert (report.drifted, report.drift) == (False, ())


def test_deployment_over_drift_reports_it_and_takes_it_into_the_history(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    deployed(target, tmp_path / "schema", "CREATE INDEX by_hand ON books (title)")
    manifest = MERGED["manifest.yml"]
    merged = write_project(tmp_path / "merged", MERGED, manifest=manifest)
    planned = target.plan(merged)
    assert (planned.drifted, planned.pending, phrases(planned.drift)) == (True, True, ["index by_hand added"])
    assert any("is not as it was last deployed: others changed 1 object" in notice for notice in planned.notices)
    report = target.deploy(merged)
    assert (report.error, report.drifted, report.pending) == (None, True, False)
    assert phrases(report.drift) == ["index by_hand added"]
    assert found(target.verify(merged)) == (Status.VERIFIED, 0, False, False)


def test_missing_object_is_named_once(target: DatabaseUnderTest, tmp_path: Path) -> None:
    named = SMALL["manifest.yml"] + "objects: {indexes: [idx_books_author]}\n"
    project = write_project(tmp_path / "schema", manifest=named)
    target.deploy(project)
    target.run("DROP INDEX idx_books_author")
    report = target.verify(project)
    assert report.status is Status.DRIFTED
    for shown in (render(report, colour=False), summary(report)):
        assert shown.count("idx_books_author") == 1
    [check] = [check for check in report.checks if not check.ok]
    assert (check.name, check.actual) == ("schema", "1 object changed since")


def test_drift_costs_no_request(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", "CREATE INDEX by_hand ON books (title)")
    same = write_project(tmp_path / "schema", manifest=SMALL["manifest.yml"].replace("expect:", "# expect:"))
    report = target.deploy(same)
    assert (report.error, report.status, report.requests) == (None, Status.UNCHANGED, 1)
    assert (report.drifted, report.pending) == (True, False)


def test_older_history_tells_drift_of_managed_objects_only(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema")
    with_older_history(target)
    project = write_project(tmp_path / "schema", manifest=SMALL["manifest.yml"].replace("expect:", "# expect:"))
    report = target.verify(project)
    assert (report.error, found(report)) == (None, (Status.VERIFIED, 0, None, False))
    assert any("It is not known what others changed" in notice for notice in report.notices)
    target.run("CREATE INDEX by_hand ON books (title)")
    assert found(target.verify(project)) == (Status.VERIFIED, 0, None, False)
    target.run("ALTER TABLE books ADD COLUMN byhand")
    report = target.verify(project)
    assert (found(report), phrases(report.drift)) == (
        (Status.DRIFTED, 4, True, False),
        ["table books changed (column byhand)"],
    )


def test_older_history_and_another_folder_tell_pending_and_not_drift(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema")
    with_older_history(target)
    merged = write_project(tmp_path / "merged", MERGED)
    assert found(target.verify(merged)) == (Status.PENDING, 3, None, True)
    target.run("ALTER TABLE books ADD COLUMN byhand")
    report = target.verify(merged)
    assert (report.error, found(report), report.drift) == (None, (Status.PENDING, 3, None, True), ())
    assert any("the database was compared with the folder" in notice for notice in report.notices)


@pytest.mark.parametrize(
    "damage",
    [
        "catalog = x''",
        "catalog = 'text'",
        "catalog = x'789c030000000001'",
        "catalog = substr(catalog, 1, 100)",
        "catalog = NULL",
        "catalog_fingerprint = 'abc'",
    ],
)
def test_damaged_catalog_is_an_error_of_verify_and_the_next_deployment_repairs_it(
    target: DatabaseUnderTest, tmp_path: Path, damage: str
) -> None:
    deployed(target, tmp_path / "schema", f"UPDATE schema_deployments SET {damage}")
    report = target.verify(write_project(tmp_path / "schema"))
    assert report.error is not None
    assert (report.error.code, found(report)) == ("history-damaged", (Status.FAILED, 1, None, None))
    same = target.deploy(write_project(tmp_path / "schema"))
    assert (same.error, same.status, same.drifted) == (None, Status.UNCHANGED, None)
    assert any("It is not known whether the database is as it was last deployed" in notice for notice in same.notices)
    assert target.deploy(write_project(tmp_path / "merged", MERGED)).error is None
    assert found(target.verify(write_project(tmp_path / "merged", MERGED))) == (Status.VERIFIED, 0, False, False)


class _Racing(InterceptedDatabase):
    """A database to which a deployment commits while a request is answered, once for each of `versions`."""

    def __init__(self, target: DatabaseUnderTest, folder: Path, versions: Sequence[str]) -> None:
        super().__init__(target.open())
        self._target, self._folder, self._versions = target, folder, list(versions)

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        if not self._versions:
            return super().query(queries)
        version = self._versions.pop(0)
        at = list(queries).index(LAST_DEPLOYMENT_QUERY) + 1
        first = super().query(queries[:at])
        manifest = SMALL["manifest.yml"].replace("1.0.0", version)
        view = SMALL["views.sql"].replace("title, name", f"title, name, '{version}' AS v")
        assert self._target.deploy(write_project(self._folder, manifest=manifest, views=view)).error is None
        return first + super().query(queries[at:])


def test_deployment_while_the_database_is_read_is_no_drift(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema")
    project = write_project(tmp_path / "schema")
    with closing(_Racing(target, tmp_path / "other", ["1.0.1"])) as database:
        assert found(verify(project, database)) == (Status.PENDING, 3, False, True)
    with closing(_Racing(target, tmp_path / "other", ["1.0.2", "1.0.3"])) as database:
        report = verify(project, database)
    assert report.error is not None
    assert (report.error.code, report.exit_code, report.drifted) == ("stale-plan", 1, None)


def test_history_of_a_later_program_is_verified(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", "ALTER TABLE schema_deployments ADD COLUMN later TEXT")
    assert target.verify(write_project(tmp_path / "schema")).status is Status.VERIFIED


def test_read_only_token_is_enough_to_find_drift(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(on_sqld, tmp_path / "schema", "CREATE INDEX by_hand ON books (title)")
    reader = replace(on_sqld, token=on_sqld.read_only_token)
    assert reader.verify(write_project(tmp_path / "schema")).status is Status.DRIFTED
