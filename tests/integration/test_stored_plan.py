"""Stored plans: deployed exactly, or stopped before the first write with what became different."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import CompletedRun, DatabaseUnderTest, InterceptedDatabase, run_program
from tests.support.schema_folders import with_changes, write_folder, write_project
from turso_deploy.database.address import parse_address
from turso_deploy.database.open import open_address
from turso_deploy.deploy.deploy import deploy
from turso_deploy.report.document import Report, Status
from turso_deploy.stored_plan.document import checksum_of
from turso_deploy.stored_plan.expected_plan import expected_plan
from turso_deploy.stored_plan.file import read_plan

BEFORE = {
    "tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, nickname TEXT);\n"
    "CREATE TABLE roles (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "CREATE TABLE gone (id INTEGER PRIMARY KEY);\n",
    "seeds/roles.csv": "id,name\n1,first-secret-role\n2,second-secret-role\n",
    "manifest.yml": "schema_version: 1.0.0\n",
}
AFTER = {
    **BEFORE,
    "tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);\n"
    "CREATE TABLE roles (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"
    "CREATE INDEX users_email ON users (email);\n",
    "seeds/roles.csv": "id,name\n1,first-secret-role\n2,second-secret-role\n3,third-secret-role\n",
    "scripts/001-lower.sql": "-- @run before\nUPDATE users SET email = lower(email);\n",
    "manifest.yml": "schema_version: 1.1.0\n",
}
HAZARDS = "drop-column:users.nickname"
ROWS = "INSERT INTO users VALUES (1, 'A@live-row-value', 'live-nickname'), (2, 'B', 'also-live')"


class Release:
    """A folder whose first version is deployed, a second version, and the plan file from the one to the other."""

    def __init__(self, target: DatabaseUnderTest, path: Path) -> None:
        self.target, self.path = target, path
        self.folder, self.file = path / "schema", path / "plan.json"

    def prepare(self) -> Release:
        assert self.deploy(BEFORE).status == 0
        self.target.run(ROWS)
        return self

    def run(self, command: str, **settings: Any) -> CompletedRun:
        return run_program(command, self.folder, self.target.url, self.target.token, **settings)

    def deploy(self, files: dict[str, str] | None = None, **settings: Any) -> CompletedRun:
        if files is not None:
            write_folder(self.folder, files)
        return self.run("deploy", **settings)

    def save(self, files: dict[str, str], **settings: Any) -> str:
        """Save the plan of these files, and return its fingerprint."""
        write_folder(self.folder, files)
        found = self.run("plan", save=str(self.file), **settings).document
        assert found["plan_file"] == str(self.file), found
        return str(found["plan_fingerprint"])

    def deploy_plan(self, **settings: Any) -> CompletedRun:
        return self.run("deploy", plan=str(self.file), **{"allow_hazards": HAZARDS, **settings})

    def requires_nothing_to_change(self, **settings: Any) -> Any:
        """Deploy the plan, and return the error with which that was stopped before the first write."""
        before = self.target.dump()
        done = self.deploy_plan(**settings)
        assert done.document["committed"] is False
        assert self.target.dump() == before
        return done.document["error"]


@pytest.fixture
def release(target: DatabaseUnderTest, tmp_path: Path) -> Release:
    return Release(target, tmp_path)


def test_stored_plan_of_a_first_deployment_is_deployed_and_recorded(release: Release) -> None:
    fingerprint = release.save(BEFORE)
    done = release.deploy_plan()
    assert (done.status, done.document["status"], done.document["requests"]) == (0, "deployed", 2)
    assert done.document["plan_fingerprint"] == fingerprint
    assert release.target.value("SELECT plan_fingerprint FROM schema_deployments") == fingerprint
    [shown] = release.run("history").document["history"]
    assert shown["plan_fingerprint"] == fingerprint


def test_stored_plan_of_a_later_deployment_is_deployed_and_recorded(release: Release) -> None:
    fingerprint = release.prepare().save(AFTER)
    assert json.loads(release.file.read_text())["database"]["deployment_number"] == 1
    done = release.deploy_plan()
    assert (done.status, done.document["status"], done.document["requests"]) == (0, "deployed", 3), done.error
    assert release.target.rows("SELECT plan_fingerprint FROM schema_deployments WHERE number = 2") == [(fingerprint,)]


def test_deployment_without_a_stored_plan_records_its_plan_as_well(release: Release) -> None:
    planned = release.save(BEFORE)
    assert release.deploy(BEFORE).status == 0
    assert release.target.value("SELECT plan_fingerprint FROM schema_deployments") == planned


def test_stored_plan_that_was_deployed_is_unchanged_and_names_its_deployment(release: Release) -> None:
    fingerprint = release.prepare().save(AFTER)
    assert release.deploy_plan().status == 0
    before = release.target.dump()
    again = release.deploy_plan()
    assert (again.status, again.document["status"], again.document["requests"]) == (0, "unchanged", 1)
    assert again.document["plan_fingerprint"] == fingerprint
    assert any("was deployed as number 2" in notice for notice in again.document["notices"])
    assert release.target.dump() == before


def test_stored_plan_without_changes_is_unchanged(release: Release) -> None:
    release.prepare()
    release.save(BEFORE)
    done = release.deploy_plan(allow_hazards="")
    assert (done.status, done.document["status"], done.document["requests"]) == (0, "unchanged", 1)


FOLDER_CHANGES = {
    "column": (
        with_changes(AFTER, tables=AFTER["tables.sql"].replace("email TEXT)", "email TEXT NOT NULL DEFAULT '')")),
        r"the schema folder: table users, column email is different",
    ),
    "column more": (
        with_changes(AFTER, tables=AFTER["tables.sql"].replace("email TEXT)", "email TEXT, age INTEGER)")),
        r"the schema folder: table users, column age is new",
    ),
    "constraint": (
        with_changes(AFTER, tables=AFTER["tables.sql"].replace("email TEXT)", "email TEXT UNIQUE)")),
        r"the schema folder: table users, unique constraints is different",
    ),
    "index": (
        with_changes(AFTER, tables=AFTER["tables.sql"].replace("(email);", "(email, id);")),
        r"the schema folder: index users_email, definition is different",
    ),
    "no index": (
        with_changes(AFTER, tables=AFTER["tables.sql"].partition("CREATE INDEX")[0]),
        r"the schema folder: index users_email is gone",
    ),
    "seeds": (
        with_changes(AFTER, roles=AFTER["seeds/roles.csv"] + "4,fourth\n"),
        r"seeds in the schema folder: roles is different",
    ),
    "script": (
        {**AFTER, "scripts/001-lower.sql": "-- @run before\nUPDATE users SET email = upper(email);\n"},
        r"scripts to run: 001-lower is different",
    ),
    "script more": (
        {**AFTER, "scripts/002-more.sql": "-- @run after\nDELETE FROM roles WHERE id = 9;\n"},
        r"scripts to run: 002-more is new",
    ),
    "version": (
        with_changes(AFTER, manifest="schema_version: 1.2.0\n"),
        r"schema_version in the manifest: 1.1.0 then, 1.2.0 now",
    ),
    "directive": (
        with_changes(
            AFTER,
            tables=AFTER["tables.sql"].replace("email TEXT)", "email TEXT,\n  -- @renamed from=nickname\n  nick TEXT)"),
        ),
        r"directives in the schema folder: users.nick is new",
    ),
    "policy": (
        with_changes(AFTER, manifest="schema_version: 1.1.0\nseeds: {roles: {existing: keep}}\n"),
        r"`existing` of the seeds of roles in the manifest: not set then, keep now",
    ),
}


def test_another_folder_than_the_planned_one_is_not_deployed(release: Release) -> None:
    release.prepare().save(AFTER)
    for name, (files, message) in FOLDER_CHANGES.items():
        write_folder(release.folder, files)
        error = release.requires_nothing_to_change()
        assert error["code"] == "plan-changed", name
        assert re.search(message, error["message"]), error["message"]


LIVE_CHANGES = {
    "index": ("CREATE INDEX by_hand ON users (email)", r"the database: index by_hand is new"),
    "column": ("ALTER TABLE users ADD COLUMN phone TEXT", r"the database: table users, column phone is new"),
    "table": ("CREATE TABLE theirs (x)", r"the database: table theirs is new"),
    "no table": ("DROP TABLE gone", r"the database: table gone is gone"),
    "trigger": (
        "CREATE TRIGGER theirs AFTER INSERT ON users BEGIN SELECT 1; END",
        r"the database: trigger theirs is new",
    ),
    "hazard that appears": (
        "INSERT INTO gone VALUES (1), (2)",
        r"hazards: drop-table gone had 0 rows then, and has 2 rows now",
    ),
    "hazard that goes": (
        "UPDATE users SET nickname = NULL",
        r"hazards: drop-column users.nickname had 2 rows then, and has 0 rows now",
    ),
}


@pytest.mark.parametrize("name", LIVE_CHANGES)
def test_another_database_state_than_the_planned_one_is_not_deployed(release: Release, name: str) -> None:
    release.prepare().save(AFTER)
    change, message = LIVE_CHANGES[name]
    release.target.run(change)
    error = release.requires_nothing_to_change(allow_hazards="drop-column,drop-table")
    assert error["code"] == "plan-changed"
    assert re.search(message, error["message"]), error["message"]


def test_another_number_of_rows_is_no_difference_and_is_shown(release: Release) -> None:
    release.prepare().save(AFTER)
    release.target.run("INSERT INTO users VALUES (3, 'C', 'third')")
    done = release.deploy_plan()
    assert done.status == 0
    assert any("drop-column users.nickname: 2 rows then, 3 now" in notice for notice in done.document["notices"])


def test_change_between_comparison_and_write_is_compared_again(release: Release) -> None:
    target = release.target
    release.prepare().save(AFTER)
    reads: list[int] = []

    def meddle(number: int) -> None:
        reads.append(number)
        if number == 2:  # after the rows were counted
            target.run("CREATE TABLE theirs (x)")

    database = InterceptedDatabase(target.open(), after_query=meddle)
    with write_project(release.folder, AFTER) as project:
        report = deploy(project, database, allow_hazards=HAZARDS, expected_plan=expected_plan(release.file))
    database.close()
    assert error_of(report) == "plan-changed"
    assert "the database: table theirs is new" in report.error.message if report.error else ""
    assert report.committed is False
    assert len(reads) > 2
    assert target.value("SELECT count(*) FROM schema_deployments") == 1


def error_of(report: Report) -> str:
    assert report.error is not None, report.status
    return report.error.code


# Approvals


def test_hazard_of_a_stored_plan_needs_its_approval_at_the_deployment(release: Release) -> None:
    release.prepare().save(AFTER, allow_hazards=HAZARDS)
    [hazard] = [one for one in json.loads(release.file.read_text())["hazards"] if one["name"] == "drop-column"]
    assert (hazard["object"], hazard["rows"], hazard["approved_by"]) == ("users.nickname", 2, "allow-hazards")
    before = release.target.dump()
    done = release.deploy_plan(allow_hazards="")
    assert done.document["error"]["code"] == "hazard-blocked"
    assert any("was approved by allow-hazards when" in notice for notice in done.document["notices"])
    assert release.target.dump() == before
    assert release.deploy_plan().status == 0


def test_approval_in_the_manifest_counts_for_a_stored_plan(release: Release) -> None:
    release.prepare()
    manifest = f"schema_version: 1.1.0\napprove: {{1.1.0: ['{HAZARDS}']}}\n"
    release.save(with_changes(AFTER, manifest=manifest))
    hazards = {one["object"]: one["approved_by"] for one in json.loads(release.file.read_text())["hazards"]}
    assert hazards["users.nickname"] == "manifest approve 1.1.0"
    assert release.deploy_plan(allow_hazards="").status == 0


def test_blocked_plan_is_saved_and_can_be_approved_at_the_deployment(release: Release) -> None:
    release.prepare()
    write_folder(release.folder, AFTER)
    planned = release.run("plan", save=str(release.file))
    assert (planned.status, planned.document["status"]) == (5, "blocked")
    assert release.deploy_plan().status == 0


def test_stored_plan_with_hazards_is_deployed_after_its_restore_point_is_saved(release: Release) -> None:
    fingerprint = release.prepare().save(AFTER)
    points = release.path / "points"
    done = release.deploy_plan(restore_point="file", restore_point_folder=str(points))
    assert (done.status, done.document["status"]) == (0, "deployed"), done.error
    assert done.document["plan_fingerprint"] == fingerprint
    [file] = points.iterdir()
    assert release.target.rows("SELECT plan_fingerprint, backup FROM schema_deployments WHERE number = 2") == [
        (fingerprint, file.name)
    ]
    again = release.deploy_plan(restore_point="file", restore_point_folder=str(points))
    assert (again.status, again.document["status"]) == (0, "unchanged")
    assert list(points.iterdir()) == [file]


def test_plan_that_does_not_fit_any_more_saves_no_restore_point(release: Release) -> None:
    release.prepare().save(AFTER)
    release.target.run("CREATE INDEX by_hand ON users (nickname)")
    points = release.path / "points"
    error = release.requires_nothing_to_change(restore_point="file", restore_point_folder=str(points))
    assert error["code"] == "plan-changed"
    assert not points.exists()


def test_plan_that_cannot_be_deployed_is_not_saved(release: Release) -> None:
    release.prepare()
    write_folder(release.folder, with_changes(AFTER, manifest="schema_version: 1.1.0\nexpect: {tables: 9}\n"))
    assert release.run("plan", save=str(release.file)).status == 1
    assert not release.file.exists()


# Fingerprints


def test_expected_fingerprint_is_deployed_and_another_is_not(release: Release) -> None:
    fingerprint = release.prepare().save(AFTER)
    release.target.run("CREATE INDEX by_hand ON users (email)")
    before = release.target.dump()
    stopped = release.deploy(allow_hazards=HAZARDS, expect_plan=fingerprint)
    assert (stopped.status, stopped.error["code"]) == (5, "plan-changed")
    assert fingerprint in stopped.error["message"]
    assert release.target.dump() == before
    release.target.run("DROP INDEX by_hand")
    done = release.deploy(allow_hazards=HAZARDS, expect_plan=fingerprint)
    assert (done.status, done.document["status"], done.document["requests"]) == (0, "deployed", 3)
    again = release.deploy(allow_hazards=HAZARDS, expect_plan=fingerprint)
    assert (again.status, again.document["status"], again.document["requests"]) == (0, "unchanged", 1)
    release.target.run("DROP INDEX users_email")
    rest = release.deploy(allow_hazards=HAZARDS, expect_plan=fingerprint)
    assert (rest.status, rest.error["code"]) == (5, "plan-outdated")


def test_file_and_fingerprint_of_different_plans_are_an_error_before_any_request(release: Release) -> None:
    release.prepare().save(AFTER)
    requests = release.target.proxy.requests
    done = release.deploy_plan(expect_plan="0" * 64)
    assert (done.status, done.error["code"]) == (2, "input-invalid")
    assert release.target.proxy.requests == requests


@pytest.mark.parametrize("fingerprint", ["", "0123456789ab", "Z" * 64, "0" * 65])
def test_fingerprint_that_is_not_whole_is_an_error(
    in_file: DatabaseUnderTest, tmp_path: Path, fingerprint: str
) -> None:
    folder = write_folder(tmp_path / "schema", BEFORE)
    done = run_program("deploy", folder, in_file.url, expect_plan=fingerprint)
    assert (done.status, done.error["code"]) == (2, "input-invalid")
    assert not in_file.file.exists()


# Files that are no plan


def edited(change: Callable[[Any], object], *, with_checksum: bool = False) -> Callable[[Path], None]:
    def edit(file: Path) -> None:
        document = json.loads(file.read_text())
        change(document)
        if with_checksum:
            document["checksum"] = checksum_of(document)
        file.write_text(json.dumps(document))

    return edit


def replaced_by_link(file: Path) -> None:
    other = file.with_name("other.json")
    file.rename(other)
    file.symlink_to(other)


def replaced_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def replaced_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


WRONG_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda file: file.write_bytes(file.read_bytes()[:-200]), "it is cut, or it is no JSON document"),
    "empty": (lambda file: file.write_bytes(b""), "it is cut, or it is no JSON document"),
    "binary": (lambda file: file.write_bytes(b"\xff\xfe\x00"), "it is cut, or it is no JSON document"),
    "deeply nested": (lambda file: file.write_text("[" * 100_000), "it is cut, or it is no JSON document"),
    "another document": (lambda file: file.write_text('{"status": "planned"}'), "no plan of turso-deploy"),
    "a list": (lambda file: file.write_text("[]"), "no plan of turso-deploy"),
    "edited version": (edited(lambda plan: plan["content"].update(version="9.0.0")), "it was edited, or damaged"),
    "edited hazard": (edited(lambda plan: plan["hazards"].clear()), "it was edited, or damaged"),
    "edited database": (edited(lambda plan: plan["database"].update(deployment_id="x")), "it was edited, or damaged"),
    "unknown key": (edited(lambda plan: plan.update(more=1)), "it was edited, or damaged"),
    "edited content with a checksum": (
        edited(lambda plan: plan["content"].update(version="9.0.0"), with_checksum=True),
        "its fingerprint is not that of its content",
    ),
    "unknown key with a checksum": (edited(lambda plan: plan.update(more=1), with_checksum=True), "it was edited"),
    "wrong type with a checksum": (
        edited(lambda plan: plan["database"].update(deployment_number="x"), with_checksum=True),
        "it was edited",
    ),
    "later format": (
        edited(lambda plan: plan.update(format=2, tool_version="9.9.9")),
        "format 2, made by turso-deploy 9",
    ),
    "format of text": (edited(lambda plan: plan.update(format="1")), "another format than 1"),
    "link": (replaced_by_link, "it is a link"),
    "pipe": (replaced_by_pipe, "it is not a regular file"),
    "folder": (replaced_by_folder, "it is not a regular file"),
    "missing": (lambda file: file.unlink(), "it does not exist"),
    "too large": (lambda file: os.truncate(file, 65 * 1024 * 1024), "it has more than"),
}


def test_file_that_is_no_whole_plan_is_an_error_before_any_request(release: Release, tmp_path: Path) -> None:
    release.prepare().save(AFTER)
    whole = release.file
    before, requests = release.target.dump(), release.target.proxy.requests
    for name, (spoil, message) in WRONG_FILES.items():
        release.file = tmp_path / name / "plan.json"
        release.file.parent.mkdir()
        release.file.write_bytes(whole.read_bytes())
        spoil(release.file)
        done = release.deploy_plan()
        assert (done.status, done.error["code"]) == (2, "plan-file-invalid"), name
        assert message in done.error["message"], name
        assert done.error["hint"], name
        assert done.error["file"] == str(release.file), name
        assert (done.document["requests"], release.target.proxy.requests) == (0, requests), name
        assert release.target.dump() == before, name


def test_spelling_of_a_plan_file_is_no_edit(release: Release) -> None:
    release.prepare().save(AFTER)
    document = json.loads(release.file.read_text())
    release.file.write_text(json.dumps(dict(reversed(document.items())), indent=4))
    assert release.deploy_plan().status == 0


# Other databases, and plans that are older


@pytest.fixture
def elsewhere(release: Release, request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseUnderTest:
    """Another empty database of the same kind."""
    if not release.target.is_file:
        url = f"file:{tmp_path / 'elsewhere.db'}"
        return DatabaseUnderTest(url, url)
    found: DatabaseUnderTest = request.getfixturevalue("on_sqld")
    return found


def test_plan_of_the_first_deployment_is_not_deployed_to_another_database(
    release: Release, elsewhere: DatabaseUnderTest
) -> None:
    release.save(BEFORE)
    release.target = elsewhere
    requests = elsewhere.proxy.requests
    error = release.requires_nothing_to_change()
    assert error["code"] == "plan-other-database"
    assert elsewhere.proxy.requests == requests
    assert "schema_deployments" not in elsewhere.names()


def test_plan_is_not_deployed_to_another_database_with_the_same_schema(
    release: Release, elsewhere: DatabaseUnderTest
) -> None:
    release.prepare().save(AFTER)
    release.target = elsewhere
    release.prepare()
    write_folder(release.folder, AFTER)
    assert release.requires_nothing_to_change()["code"] == "plan-other-database"


def test_plan_is_not_taken_as_done_in_another_database(release: Release, elsewhere: DatabaseUnderTest) -> None:
    release.prepare().save(AFTER)
    release.target = elsewhere
    release.prepare()
    assert release.deploy(AFTER, allow_hazards=HAZARDS).status == 0
    assert release.requires_nothing_to_change()["code"] == "plan-other-database"


def test_plan_is_not_deployed_to_a_database_without_history(release: Release, elsewhere: DatabaseUnderTest) -> None:
    release.prepare().save(AFTER)
    release.target = elsewhere
    assert release.requires_nothing_to_change()["code"] == "plan-other-database"


def test_plan_that_is_older_than_the_last_deployment_is_not_deployed(release: Release) -> None:
    release.prepare().save(AFTER)
    other = with_changes(BEFORE, manifest="schema_version: 1.0.1\n")
    assert release.deploy(other).status == 0
    write_folder(release.folder, AFTER)
    error = release.requires_nothing_to_change()
    assert error["code"] == "plan-outdated"
    assert "after deployment number 1, and number 2 followed" in error["message"]


def test_plan_of_the_first_deployment_is_older_than_any_deployment(release: Release) -> None:
    release.save(BEFORE)
    assert release.deploy(with_changes(BEFORE, manifest="schema_version: 0.9.0\n")).status == 0
    write_folder(release.folder, BEFORE)
    error = release.requires_nothing_to_change()
    assert error["code"] == "plan-outdated"
    assert "before the first deployment, and number 1 followed" in error["message"]


def test_plan_that_was_deployed_and_followed_by_another_is_outdated(release: Release) -> None:
    release.prepare().save(AFTER)
    assert release.deploy_plan().status == 0
    assert release.deploy(with_changes(AFTER, manifest="schema_version: 1.2.0\n")).status == 0
    write_folder(release.folder, AFTER)
    error = release.requires_nothing_to_change()
    assert error["code"] == "plan-outdated"
    assert "It was deployed as number 2." in error["message"]


def test_plan_that_was_deployed_is_not_deployed_again_after_a_change_by_hand(release: Release) -> None:
    release.prepare().save(AFTER)
    assert release.deploy_plan().status == 0
    release.target.run("DROP INDEX users_email")
    error = release.requires_nothing_to_change()
    assert error["code"] == "plan-outdated"
    assert "a step: index users_email" in error["message"] or "users_email" in error["message"]


def test_plan_that_is_older_than_an_accepted_drift_is_not_deployed(release: Release) -> None:
    release.prepare().save(AFTER)
    release.target.run("CREATE INDEX by_hand ON users (nickname)")
    write_folder(release.folder, BEFORE)
    assert release.run("accept-drift").document["status"] == "accepted"
    release.target.run("DROP INDEX by_hand")
    write_folder(release.folder, AFTER)
    error = release.requires_nothing_to_change()
    assert error["code"] == "plan-outdated"
    assert "after deployment number 1, and number 2 followed" in error["message"]


def test_plan_that_is_older_than_a_rollback_is_not_deployed(release: Release) -> None:
    release.prepare()
    wider = {**BEFORE, "more.sql": "CREATE TABLE more (id INTEGER PRIMARY KEY);\n"}
    assert release.deploy(wider).status == 0
    release.save({**wider, "most.sql": "CREATE TABLE most (id INTEGER PRIMARY KEY);\n"})
    assert release.run("rollback").document["status"] == "deployed"
    error = release.requires_nothing_to_change()
    assert error["code"] == "plan-outdated"
    assert "after deployment number 2, and number 3 followed" in error["message"]


def test_plan_of_a_rollback_that_was_followed_by_a_deployment_is_not_carried_out(release: Release) -> None:
    release.prepare()
    assert release.deploy(AFTER, allow_hazards=HAZARDS).status == 0
    terms = {"allow_hazards": "downgrade", "keep_done": "001-lower"}
    assert release.run("rollback", save=str(release.file), dry_run=True, **terms).status == 0
    assert release.deploy(with_changes(AFTER, manifest="schema_version: 1.2.0\n")).status == 0
    before = release.target.dump()
    done = release.run("rollback", plan=str(release.file), deployment="1", **terms)
    assert (done.status, done.error["code"], release.target.dump()) == (5, "plan-outdated", before), done.error


def test_history_of_an_older_form_is_no_obstacle(release: Release) -> None:
    release.prepare()
    release.target.run("ALTER TABLE schema_deployments DROP COLUMN plan_fingerprint")
    fingerprint = release.save(AFTER)
    done = release.deploy_plan()
    assert (done.status, done.document["requests"]) == (0, 3), done.error
    assert release.target.rows("SELECT number, plan_fingerprint FROM schema_deployments ORDER BY number") == [
        (1, None),
        (2, fingerprint),
    ]


# Rollbacks


def test_stored_plan_of_a_rollback_is_carried_out_exactly(release: Release) -> None:
    release.prepare()
    assert release.deploy(AFTER, allow_hazards=HAZARDS).status == 0
    terms = {"allow_hazards": "downgrade", "keep_done": "001-lower"}
    planned = release.run("rollback", save=str(release.file), dry_run=True, **terms)
    assert (planned.status, planned.document["status"]) == (0, "planned"), planned.error
    folder = release.run("deploy", plan=str(release.file), allow_hazards="downgrade")
    assert (folder.status, folder.document["committed"]) == (5, False)
    again = release.run("rollback", plan=str(release.file), allow_hazards="downgrade", run_again="001-lower")
    assert (again.status, again.error["code"]) == (5, "plan-changed")
    assert "rollback: script 001-lower is different" in again.error["message"]
    done = release.run("rollback", plan=str(release.file), **terms)
    assert (done.status, done.document["plan_fingerprint"]) == (0, planned.document["plan_fingerprint"]), done.error
    assert "users_email" not in release.target.names()
    recorded = "SELECT plan_fingerprint FROM schema_deployments WHERE number = 3"
    assert release.target.value(recorded) == planned.document["plan_fingerprint"]


def test_rollback_that_is_carried_out_is_not_saved(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    done = run_program("rollback", tmp_path, in_file.url, save=str(tmp_path / "plan.json"))
    assert (done.status, done.error["code"]) == (2, "input-invalid")


# Several transactions

MANY = {
    **BEFORE,
    "seeds/roles.csv": "id,name\n" + "".join(f"{number},{'x' * 1_000}\n" for number in range(300)),
    "scripts/001-after.sql": "-- @run after\nUPDATE roles SET name = 'y' WHERE id = 1;\n",
}


def deploy_in_chunks(release: Release, before_apply: Callable[[int], None] = lambda number: None) -> Report:
    target = release.target
    opened = open_address(parse_address(target.url), target.token, 30, request_size=100_000)
    database = InterceptedDatabase(opened, before_apply=before_apply)
    try:
        with write_project(release.folder, MANY) as project:
            return deploy(project, database, expected_plan=expected_plan(release.file))
    finally:
        database.close()


@pytest.fixture
def large(on_sqld: DatabaseUnderTest, tmp_path: Path) -> Release:
    release = Release(on_sqld, tmp_path)
    release.save(MANY, request_size="100000")
    return release


def test_stored_plan_is_deployed_in_several_transactions_as_one_deployment(large: Release) -> None:
    report = deploy_in_chunks(large)
    assert (report.status, report.plan_fingerprint) == (Status.DEPLOYED, read_plan(large.file).fingerprint)
    assert report.chunks is not None
    assert large.target.rows("SELECT number, plan_fingerprint FROM schema_deployments") == [
        (1, report.plan_fingerprint)
    ]


class InterruptionError(Exception):
    """The end of a process between two transactions."""


def interrupt(number: int) -> None:
    if number == 3:
        raise InterruptionError


def test_rest_of_a_stored_plan_is_deployed_by_the_next_run(large: Release) -> None:
    with pytest.raises(InterruptionError):
        deploy_in_chunks(large, interrupt)
    assert 0 < int(str(large.target.value("SELECT count(*) FROM roles"))) < 300
    report = deploy_in_chunks(large)
    assert report.status is Status.DEPLOYED, report.error
    assert any("in part. This run deploys the rest of it." in notice for notice in report.notices)
    assert large.target.rows("SELECT count(*), sum(name = 'y') FROM roles") == [(300, 1)]
    again = deploy_in_chunks(large)
    assert (again.status, again.requests) == (Status.UNCHANGED, 1)


def test_rest_of_a_stored_plan_is_not_deployed_with_another_folder(large: Release) -> None:
    with pytest.raises(InterruptionError):
        deploy_in_chunks(large, interrupt)
    write_folder(large.folder, {**MANY, "scripts/002-more.sql": "-- @run after\nDELETE FROM users;\n"})
    error = large.requires_nothing_to_change(request_size="100000")
    assert error["code"] == "plan-outdated"
    assert "scripts to run: 002-more is new" in error["message"]


def test_change_between_two_transactions_is_not_planned_silently(large: Release) -> None:
    def meddle(number: int) -> None:
        if number == 2:
            large.target.run("DROP TABLE users")

    report = deploy_in_chunks(large, meddle)
    assert error_of(report) == "plan-changed"
    assert (report.status, report.committed) == (Status.FAILED, True)
    assert "users" not in large.target.names()


# What is in the file


def test_plan_file_holds_no_secret_and_no_value(release: Release) -> None:
    release.prepare().save(AFTER)
    text = release.file.read_text()
    for secret in ("secret-role", "live-nickname", "live-row-value", "lower(email)", "CREATE "):
        assert secret not in text
    if release.target.token:
        assert release.target.token not in text
        assert "eyJ" not in text


def test_plan_replaces_an_older_plan_and_nothing_else(release: Release, tmp_path: Path) -> None:
    release.prepare().save(AFTER)
    release.save(BEFORE)
    assert json.loads(release.file.read_text())["content"]["version"] == "1.0.0"
    for name, message in {"manifest.yml": "holds something else", "no/plan.json": "its folder does not exist"}.items():
        before, requests = (release.folder / "manifest.yml").read_text(), release.target.proxy.requests
        done = release.run("plan", save=str(release.folder / name))
        assert (done.status, done.error["code"]) == (2, "plan-file-invalid")
        assert message in done.error["message"]
        assert release.target.proxy.requests == requests
        assert (release.folder / "manifest.yml").read_text() == before
    link = tmp_path / "link.json"
    link.symlink_to(release.file)
    assert "it is a link" in release.run("plan", save=str(link)).error["message"]
