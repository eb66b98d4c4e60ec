"""`accept-drift`: what others changed is recorded as part of the database, and nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.integration.test_drift import MERGED, deployed, found, with_older_history
from tests.support.databases import NO_PROVENANCE, DatabaseUnderTest, InterceptedDatabase
from tests.support.schema_folders import SMALL, write_project
from turso_deploy.core.errors import ErrorCode, LostReplyError
from turso_deploy.core.transaction import Outcome
from turso_deploy.deploy.deploy import accept_drift
from turso_deploy.history.entries import Provenance
from turso_deploy.report.changes import phrases
from turso_deploy.report.document import Report, Status

INDEX = "CREATE INDEX by_hand ON books (title)"
UNCOUNTED = SMALL["manifest.yml"].replace("expect:", "# expect:")


def accepted(target: DatabaseUnderTest, folder: Path, provenance: Provenance = NO_PROVENANCE) -> Report:
    with closing(target.open()) as database:
        return accept_drift(write_project(folder, manifest=UNCOUNTED), database, provenance=provenance)


def without_history(target: DatabaseUnderTest) -> dict[str, Sequence[object]]:
    return {name: rows for name, rows in target.dump().items() if name != "schema_deployments"}


def test_accepted_drift_is_part_of_the_database(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", INDEX)
    before = without_history(target)
    report = accepted(target, tmp_path / "schema", Provenance("c0ffee", actor="ada"))
    assert (report.error, report.status, report.committed, report.requests) == (None, Status.ACCEPTED, True, 2)
    assert phrases(report.drift) == ["index by_hand added"]
    assert without_history(target) == before
    rows = target.rows("SELECT number, command, previous_version, commit_sha, actor FROM schema_deployments")
    assert rows == [(1, "deploy", None, None, None), (2, "accept-drift", "1.0.0", "c0ffee", "ada")]
    columns = "schema_version, schema_fingerprint, seeds, managed_objects, scripts"
    [before_it, accepted_row] = target.rows(f"SELECT {columns} FROM schema_deployments")
    assert before_it == accepted_row
    assert report.deployment_id == target.value("SELECT id FROM schema_deployments WHERE number = 2")
    verified = target.verify(write_project(tmp_path / "schema", manifest=UNCOUNTED))
    assert (verified.error, found(verified)) == (None, (Status.VERIFIED, 0, False, False))


def test_without_drift_nothing_is_written(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema")
    before = target.dump()
    report = accepted(target, tmp_path / "schema")
    assert (report.error, report.status, report.committed, report.requests) == (None, Status.UNCHANGED, False, 1)
    assert target.dump() == before


def test_accepted_drift_of_a_managed_object_is_pending_until_the_folder_has_it(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    deployed(target, tmp_path / "schema", "DROP INDEX idx_books_author", "ALTER TABLE books ADD COLUMN byhand")
    assert accepted(target, tmp_path / "schema").status is Status.ACCEPTED
    report = target.verify(write_project(tmp_path / "schema", manifest=UNCOUNTED))
    assert found(report) == (Status.PENDING, 3, False, True)
    assert phrases(report.changes) == ["index idx_books_author added", "table books changed (column byhand)"]


def test_seeds_and_scripts_stay_recorded(target: DatabaseUnderTest, tmp_path: Path) -> None:
    project = write_project(tmp_path / "schema", MERGED)
    assert target.deploy(project).error is None
    target.run(INDEX)
    with closing(target.open()) as database:
        assert accept_drift(project, database).status is Status.ACCEPTED
    report = target.deploy(project)
    assert (report.error, report.status, report.requests) == (None, Status.UNCHANGED, 1)
    [first, second] = target.rows("SELECT seeds, scripts, managed_objects, schema_fingerprint FROM schema_deployments")
    assert first == second


def test_history_of_an_older_form_gets_the_catalog(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", INDEX)
    with_older_history(target)
    assert accepted(target, tmp_path / "schema").status is Status.ACCEPTED
    project = write_project(tmp_path / "schema", manifest=UNCOUNTED)
    assert found(target.verify(project)) == (Status.VERIFIED, 0, False, False)
    target.run("DROP INDEX by_hand")
    assert phrases(target.verify(project).drift) == ["index by_hand removed"]


def test_damaged_catalog_is_replaced(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", "UPDATE schema_deployments SET catalog = x'00'")
    assert accepted(target, tmp_path / "schema").status is Status.ACCEPTED
    assert target.verify(write_project(tmp_path / "schema")).status is Status.VERIFIED


def test_database_that_was_never_deployed_to_has_no_drift_to_accept(target: DatabaseUnderTest, tmp_path: Path) -> None:
    report = accepted(target, tmp_path / "schema")
    assert report.error is not None
    assert (report.error.code, report.exit_code, report.committed) == ("plan-impossible", 1, False)
    assert target.names() == set()


def test_history_of_a_later_program_is_not_written_to(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", INDEX, "ALTER TABLE schema_deployments ADD COLUMN later TEXT")
    before = target.dump()
    report = accepted(target, tmp_path / "schema")
    assert report.error is not None
    assert (report.error.code, report.exit_code) == ("history-newer", 1)
    assert target.dump() == before


def test_what_others_change_meanwhile_is_accepted_too(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(target, tmp_path / "schema", INDEX)

    def change(number: int) -> None:
        if number == 1:
            target.run("CREATE INDEX meanwhile ON books (title)")

    project = write_project(tmp_path / "schema", manifest=UNCOUNTED)
    with closing(target.open()) as database:
        report = accept_drift(project, InterceptedDatabase(database, before_apply=change))
    assert (report.error, report.status) == (None, Status.ACCEPTED)
    assert target.verify(project).status is Status.VERIFIED
    assert target.value("SELECT count(*) FROM schema_deployments") == 2


def test_lost_reply_is_resolved_from_the_history(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(on_sqld, tmp_path / "schema", INDEX)

    def lose(outcome: Outcome) -> Outcome:
        if outcome.committed:
            raise LostReplyError(ErrorCode.TIMEOUT, "The reply was lost.", committed=None)
        return outcome

    project = write_project(tmp_path / "schema", manifest=UNCOUNTED)
    with closing(on_sqld.open()) as database:
        report = accept_drift(project, InterceptedDatabase(database, after_apply=lose))
    assert (report.error, report.status, report.committed) == (None, Status.ACCEPTED, True)
    assert on_sqld.value("SELECT count(*) FROM schema_deployments") == 2


def test_read_only_token_cannot_accept(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    deployed(on_sqld, tmp_path / "schema", INDEX)
    report = accepted(replace(on_sqld, token=on_sqld.read_only_token), tmp_path / "schema")
    assert report.error is not None
    assert (report.error.code, report.exit_code) == ("token-read-only", 1)
    assert on_sqld.value("SELECT count(*) FROM schema_deployments") == 1
