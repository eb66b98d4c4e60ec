"""`history` and `status`: who deployed which version from where, and where each database stands."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_drift import with_older_history
from tests.integration.test_history_rows import DROPS_EMAIL, RENAMED, TABLES
from tests.support.databases import CompletedRun, DatabaseUnderTest, run_program
from tests.support.schema_folders import SMALL, write_folder, write_project
from turso_deploy.audit.past_deployments import show_history
from turso_deploy.history.entries import Provenance
from turso_deploy.report.changes import phrases
from turso_deploy.report.console import render
from turso_deploy.report.document import Report, Status
from turso_deploy.report.job_summary import summary


def history(target: DatabaseUnderTest, **options: Any) -> Report:
    database = target.open()
    try:
        return show_history(database, **options)
    finally:
        database.close()


def deploy_twice(target: DatabaseUnderTest, folder: Path) -> None:
    first = {"t.sql": TABLES, "manifest.yml": "schema_version: 1.0.0\n"}
    ada = Provenance("c0ffee00c0ffee", "refs/heads/main", "https://github.com/o/r/actions/runs/7", "ada")
    assert target.deploy(write_project(folder / "first", first), ada).error is None
    target.run("INSERT INTO users VALUES (1, 'Ada', 'a')")
    second = {"t.sql": RENAMED, "manifest.yml": "schema_version: 2.0.0\n"}
    assert target.deploy(write_project(folder / "second", second), approvals=(DROPS_EMAIL,)).error is None


def test_history_lists_the_deployments_newest_first(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy_twice(target, tmp_path)
    before = target.dump()
    report = history(target)
    assert (report.error, report.status, report.exit_code, report.requests) == (None, Status.LISTED, 0, 1)
    second, first = report.history
    assert (second.number, second.command, second.schema_version, second.previous_version) == (
        2,
        "deploy",
        "2.0.0",
        "1.0.0",
    )
    assert (first.number, first.previous_version, first.actor, first.ref) == (1, None, "ada", "refs/heads/main")
    assert first.steps == {"create table": 1}
    assert first.duration_ms is not None
    assert second.approved_hazards is not None
    assert [(line.name, line.object, line.rows) for line in second.approved_hazards] == [
        ("drop-column", "members.email", 1)
    ]
    for text in (render(report, False), summary(report)):
        assert "c0ffee0 main" in text
        assert "1.0.0 -> 2.0.0" in unescape(text)
    assert target.dump() == before


def test_history_is_limited_to_the_newest(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy_twice(target, tmp_path)
    assert [line.number for line in history(target, limit=1).history] == [2]


def test_one_deployment_is_shown_with_its_changes_and_renames(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy_twice(target, tmp_path)
    report = history(target, number=2)
    assert (report.error, report.requests) == (None, 1)
    [change] = report.changes
    assert (change.effect, change.name, change.old_name) == ("changed", "members", "users")
    assert [part.part for part in change.parts] == ["column name", "column size", "column email", "constraint"]
    text = render(report, False)
    assert "Changed by this deployment" in text
    assert "drop-column members.email (1 row), by allow-hazards" in text
    assert "column nickname to name of members" in text
    first = history(target, number=1)
    assert phrases(first.changes) == ["table users added"]


def test_deployment_that_does_not_exist_is_an_error(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy_twice(target, tmp_path)
    report = history(target, number=3)
    assert report.error is not None
    assert (report.error.code, report.exit_code) == ("input-invalid", 2)


def test_database_without_a_history_has_an_empty_one(target: DatabaseUnderTest) -> None:
    report = history(target)
    assert (report.error, report.exit_code, report.history, report.status) == (None, 0, (), Status.LISTED)


def test_history_of_an_older_form_is_listed_with_gaps(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy_twice(target, tmp_path)
    with_older_history(target)
    second, first = history(target).history
    assert (second.previous_version, second.command, second.duration_ms, second.renames) == ("1.0.0", None, None, None)
    assert first.previous_version is None
    report = history(target, number=2)
    assert (report.error, report.changes) == (None, ())
    assert any("is not known" in notice for notice in report.notices)
    assert "?" in render(report, False)


def test_history_of_a_later_program_is_listed(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy_twice(target, tmp_path)
    target.run("ALTER TABLE schema_deployments ADD COLUMN later TEXT")
    assert [line.number for line in history(target).history] == [2, 1]
    assert history(target, number=2).changes


@pytest.mark.parametrize(
    "damage",
    ["renames = '{'", "renames = '[1]'", "approved_hazards = 'x'", "plan_summary = '[]'", "duration_ms = 'soon'"],
)
def test_damaged_values_are_unknown(target: DatabaseUnderTest, tmp_path: Path, damage: str) -> None:
    deploy_twice(target, tmp_path)
    target.run(f"UPDATE schema_deployments SET {damage} WHERE number = 2")
    report = history(target, number=2)
    assert (report.error, report.history[0].number) == (None, 2)
    assert report.changes
    column = {"plan_summary": "steps"}.get(damage.split()[0], damage.split()[0])
    assert getattr(report.history[0], column) is None


def test_damaged_catalog_is_an_error_of_that_deployment_only(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy_twice(target, tmp_path)
    target.run("UPDATE schema_deployments SET catalog = x'00' WHERE number = 1")
    for number in (1, 2):
        report = history(target, number=number)
        assert report.error is not None
        assert (report.error.code, report.exit_code) == ("history-damaged", 1)
    assert len(history(target).history) == 2


def test_history_without_a_column_is_an_error(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy_twice(target, tmp_path)
    target.run("ALTER TABLE schema_deployments DROP COLUMN run_url")
    report = history(target)
    assert report.error is not None
    assert (report.error.code, report.exit_code) == ("history-damaged", 1)


def test_changes_of_a_column_by_hand_in_between_are_shown_without_a_rename(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    deploy_twice(target, tmp_path)
    target.run("""UPDATE schema_deployments SET renames = replace(renames, 'users', 'gone') WHERE number = 2""")
    assert phrases(history(target, number=2).changes) == ["table members added", "table users removed"]


def states(done: CompletedRun) -> list[tuple[str | None, str]]:
    return [(line["name"], line["status"]) for line in done.document["databases"]]


def test_status_has_a_line_for_each_database_and_one_outage_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_folder(tmp_path / "schema", SMALL)
    names = ("same", "drifted", "behind", "new")
    urls = {name: f"file:{tmp_path / name}.db" for name in names}
    for name in ("same", "drifted", "behind"):
        target = DatabaseUnderTest(urls[name], urls[name])
        project = write_project(tmp_path / "old", {"t.sql": TABLES}) if name == "behind" else write_project(folder)
        assert target.deploy(project).error is None
    drifted = DatabaseUnderTest(urls["drifted"], urls["drifted"])
    drifted.run("CREATE INDEX by_hand ON books (title)")
    tables = [f'[databases.{name}]\nurl = "{url}"\n' for name, url in urls.items()]
    tables.append('[databases.away]\nurl = "http://127.0.0.1:1"\ntimeout = 1\n')
    (tmp_path / "turso-deploy.toml").write_text("".join(tables), encoding="utf-8")
    done = run_program("status", folder, "", database_url=None)
    assert states(done) == [
        ("same", "verified"),
        ("drifted", "drifted"),
        ("behind", "pending"),
        ("new", "pending"),
        ("away", "failed"),
    ]
    lines = {line["name"]: line for line in done.document["databases"]}
    assert lines["drifted"]["drift"][0]["name"] == "by_hand"
    assert lines["same"]["deployment"] == 1
    assert lines["new"]["deployment"] is None
    assert lines["away"]["error"]["code"] == "unreachable"
    assert (done.status, done.document["status"], done.document["drifted"]) == (1, "failed", True)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [("SELECT 1", (0, "verified")), ("CREATE INDEX by_hand ON books (title)", (4, "drifted"))],
)
def test_status_of_one_database_needs_no_settings_file(
    target: DatabaseUnderTest, tmp_path: Path, statement: str, expected: tuple[int, str]
) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    assert target.deploy(write_project(folder)).error is None
    if statement != "SELECT 1":
        target.run(statement)
    done = run_program("status", folder, target.url, target.token)
    assert (done.status, done.document["status"], done.document["requests"]) == (*expected, 1)


def test_commands_of_the_program_list_show_and_accept(target: DatabaseUnderTest, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "schema", SMALL)
    assert target.deploy(write_project(folder)).error is None
    target.run("CREATE TRIGGER more AFTER INSERT ON authors BEGIN SELECT 1; END", "DROP TRIGGER trg_books_title")
    accepted = run_program("accept-drift", folder, target.url, target.token)
    assert (accepted.status, accepted.document["status"]) == (0, "accepted")
    listed = run_program("history", folder, target.url, target.token)
    assert [(line["number"], line["command"]) for line in listed.document["history"]] == [
        (2, "accept-drift"),
        (1, "deploy"),
    ]
    shown = run_program("history", folder, target.url, target.token, deployment="2")
    assert [change["name"] for change in shown.document["changes"]] == ["more", "trg_books_title"]
    assert run_program("history", folder, target.url, target.token, deployment="0").status == 2
