"""One-time scripts on databases of any age: one folder is right for all of them."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder, write_project
from turso_deploy.cli.run import run
from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.deploy import preview
from turso_deploy.plan.hazards import Approval, HazardName, parse_approvals
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, SeedLine, Status

DROP_COLUMN = [Approval(HazardName.DROP_COLUMN)]

OLD_USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, address TEXT);\n"
USERS = """\
CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  full_name TEXT, -- @renamed from=name
  mail TEXT NOT NULL CHECK (mail <> '')
);
"""
ADDRESSES = """\
CREATE TABLE addresses (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id), line TEXT NOT NULL);
"""
SPLIT = """\
-- @run between
-- @needs users.address
INSERT INTO addresses (user_id, line) SELECT id, address FROM users WHERE address IS NOT NULL ORDER BY id;
"""
MAILS = """\
-- @run between
-- @needs users.name
UPDATE users SET mail = lower(full_name) || '@example.org';
"""
ROLES = "-- @run after\nINSERT INTO roles (name) VALUES ('admin'), ('reader');\n"

RELEASES: dict[int, dict[str, str]] = {1: {"tables.sql": OLD_USERS}}
RELEASES[2] = {
    "tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n" + ADDRESSES,
    "scripts/2-split.sql": SPLIT,
}
RELEASES[3] = {**RELEASES[2], "tables.sql": RELEASES[2]["tables.sql"] + "CREATE TABLE tags (name TEXT);\n"}
RELEASES[4] = {**RELEASES[2], "tables.sql": USERS + ADDRESSES, "scripts/4-mails.sql": MAILS}
RELEASES[5] = {
    **RELEASES[4],
    "tables.sql": RELEASES[4]["tables.sql"] + "CREATE TABLE roles (name TEXT PRIMARY KEY NOT NULL);\n",
    "scripts/5-roles.sql": ROLES,
    "seeds/tags.csv": "name\nx\n",
}
RELEASES[5]["tables.sql"] += "CREATE TABLE tags (name TEXT PRIMARY KEY NOT NULL);\n"

ROWS = [(1, "Ada", "Street 1"), (2, "Bob", None), (3, "Cy", "Street 3")]
WANTED = {
    "SELECT id, full_name, mail FROM users ORDER BY id": [
        (1, "Ada", "ada@example.org"),
        (2, "Bob", "bob@example.org"),
        (3, "Cy", "cy@example.org"),
    ],
    "SELECT user_id, line FROM addresses ORDER BY id": [(1, "Street 1"), (3, "Street 3")],
    "SELECT name FROM roles ORDER BY name": [("admin",), ("reader",)],
    "SELECT name FROM tags": [("x",)],
}


def release(tmp_path: Path, number: int, **more: str) -> Project:
    return write_project(tmp_path / f"release-{number}", {**RELEASES[number], **more})


def deploy(target: DatabaseUnderTest, project: Project) -> Report:
    approvals = [*DROP_COLUMN, Approval(HazardName.DROP_TABLE), Approval(HazardName.CHANGE_TYPE)]
    report = target.deploy(project, approvals=approvals)
    assert report.error is None, report.error
    return report


def at_release_1(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy(target, release(tmp_path, 1))
    target.run(
        "INSERT INTO users (id, name, address) VALUES (1, 'Ada', 'Street 1'), (2, 'Bob', NULL), (3, 'Cy', 'Street 3')"
    )


@pytest.mark.parametrize("passed", [(), (2,), (4,), (2, 3, 4)], ids=str)
def test_one_folder_leads_databases_of_any_age_to_the_same_schema_and_rows(
    target: DatabaseUnderTest, tmp_path: Path, passed: tuple[int, ...]
) -> None:
    at_release_1(target, tmp_path)
    for number in passed:
        deploy(target, release(tmp_path, number))
    newest = release(tmp_path, 5)
    deploy(target, newest)
    assert {sql: target.rows(sql) for sql in WANTED} == WANTED
    assert target.verify(newest).status is Status.VERIFIED
    assert target.deploy(newest).status is Status.UNCHANGED


def test_new_database_gets_the_schema_and_the_rows_that_scripts_add_after(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    newest = release(tmp_path, 5)
    report = deploy(target, newest)
    assert [step.object for step in report.steps if step.kind == "run script"] == ["5-roles"]
    notices = [notice for notice in report.notices if "script" in notice]
    assert len(notices) == 2
    assert "the database has no users.address" in notices[0]
    assert target.rows("SELECT name FROM roles ORDER BY name") == [("admin",), ("reader",)]
    assert target.deploy(newest).status is Status.UNCHANGED


def test_script_that_was_not_needed_never_runs_even_if_its_need_appears(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    files = {"tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n"}
    deploy(target, write_project(tmp_path / "first", files))
    script = "-- @run after\n-- @needs users.phone\nUPDATE users SET name = phone;\n"
    second = {**files, "scripts/phone.sql": script}
    report = deploy(target, write_project(tmp_path / "second", second))
    assert report.status is Status.DEPLOYED
    assert any("the database has no users.phone" in notice for notice in report.notices)
    target.run("INSERT INTO users VALUES (1, 'Ada')")
    third = {**second, "tables.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, phone TEXT);\n"}
    deploy(target, write_project(tmp_path / "third", third))
    assert target.rows("SELECT name FROM users") == [("Ada",)]


def test_split_of_a_column_is_one_deployment_of_three_requests(target: DatabaseUnderTest, tmp_path: Path) -> None:
    at_release_1(target, tmp_path)
    project = release(tmp_path, 2)
    plan = target.plan(project, DROP_COLUMN)
    assert [f"{step.kind} {step.object}" for step in plan.steps] == [
        "create table addresses",
        "run script 2-split",
        "drop column users.address",
    ]
    report = deploy(target, project)
    assert report.requests == 3
    assert [step.kind for step in report.steps] == [step.kind for step in plan.steps]
    assert target.rows("SELECT user_id, line FROM addresses ORDER BY id") == [(1, "Street 1"), (3, "Street 3")]


def test_split_of_a_column_still_needs_the_approval_for_the_column(target: DatabaseUnderTest, tmp_path: Path) -> None:
    at_release_1(target, tmp_path)
    report = target.deploy(release(tmp_path, 2))
    assert report.error is not None
    assert report.error.code == ErrorCode.HAZARD_BLOCKED
    assert target.rows("SELECT id, name, address FROM users ORDER BY id") == ROWS


def test_need_counts_under_the_names_before_and_after_a_rename(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy(
        target, write_project(tmp_path / "before", {"t.sql": "CREATE TABLE old (id INTEGER PRIMARY KEY, a TEXT);\n"})
    )
    target.run("INSERT INTO old VALUES (1, 'x')")
    after = {
        "t.sql": "-- @renamed from=old\nCREATE TABLE new (id INTEGER PRIMARY KEY, \n  b TEXT -- @renamed from=a\n);\n",
        "scripts/1.sql": "-- @run before\n-- @needs old.a\nUPDATE old SET a = a || '1';\n",
        "scripts/2.sql": "-- @run between\n-- @needs new.b\nUPDATE new SET b = b || '2';\n",
        "scripts/3.sql": "-- @run after\n-- @needs old\nUPDATE new SET b = b || '3';\n",
        "scripts/4.sql": "-- @run after\n-- @needs older\nUPDATE new SET b = b || '4';\n",
    }
    report = deploy(target, write_project(tmp_path / "after", after))
    assert target.rows("SELECT b FROM new") == [("x123",)]
    assert [notice.split()[2] for notice in report.notices if notice.startswith("The script")] == ["4"]


def test_needs_of_views_and_of_ignored_tables_count(target: DatabaseUnderTest, tmp_path: Path) -> None:
    files = {
        "t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);\nCREATE VIEW v AS SELECT id, a AS shown FROM t;\n",
        "manifest.yml": "ignore: [legacy]\n",
    }
    deploy(target, write_project(tmp_path / "before", files))
    target.run("CREATE TABLE legacy (id INTEGER PRIMARY KEY, word TEXT)", "INSERT INTO legacy VALUES (1, 'w')")
    target.run("INSERT INTO t VALUES (1, 'a')")
    scripts = {
        "scripts/1.sql": "-- @run after\n-- @needs v.shown\nUPDATE t SET a = (SELECT shown || '1' FROM v);\n",
        "scripts/2.sql": "-- @run after\n-- @needs legacy.word\nUPDATE t SET a = a || (SELECT word FROM legacy);\n",
        "scripts/3.sql": "-- @run after\n-- @needs v.hidden\nDELETE FROM t;\n",
    }
    deploy(target, write_project(tmp_path / "after", {**files, **scripts}))
    assert target.rows("SELECT a FROM t") == [("a1w",)]


def test_after_script_keeps_its_need_while_seeds_follow_the_schema_in_chunks(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    small = replace(target, request_size=8_000)
    deploy(small, write_project(tmp_path / "before", {"t.sql": "CREATE TABLE old (id INTEGER PRIMARY KEY, a TEXT);\n"}))
    small.run("INSERT INTO old VALUES (1, 'x')")
    after = {
        "t.sql": "-- @renamed from=old\nCREATE TABLE new (id INTEGER PRIMARY KEY, a TEXT);\n"
        "CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT);\n",
        "seeds/words.csv": "id,word\n" + "".join(f"{number},word {number}\n" for number in range(2_000)),
        "scripts/1.sql": "-- @run between\n-- @needs old\nUPDATE new SET a = a || '1';\n",
        "scripts/2.sql": "-- @run after\n-- @needs old\nUPDATE new SET a = a || (SELECT count(*) FROM words);\n",
        "scripts/3.sql": "-- @run after\n-- @needs words\nUPDATE new SET a = 'never';\n",
    }
    project = write_project(tmp_path / "after", after)
    report = deploy(small, project)
    assert (report.chunks is None) == target.is_file
    assert small.rows("SELECT a FROM new") == [("x12000",)]
    assert small.deploy(project).status is Status.UNCHANGED


def test_recorded_checksum_of_the_whole_text_is_replaced_by_that_of_the_statements(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    script = "-- @run after\nDELETE FROM t;\n"
    files = {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);\n", "scripts/1.sql": script}
    deploy(target, write_project(tmp_path / "schema", files))
    recorded = sha256(script.encode()).hexdigest()
    target.run(f"UPDATE schema_deployments SET scripts = json_object('1', '{recorded}')")
    assert target.deploy(write_project(tmp_path / "schema", files)).status is Status.UNCHANGED
    deploy(target, write_project(tmp_path / "schema", {**files, "u.sql": "CREATE TABLE u (id);\n"}))
    files["scripts/1.sql"] = script.replace("DELETE", "-- why\nDELETE")
    assert target.deploy(write_project(tmp_path / "schema", {**files, "u.sql": "CREATE TABLE u (id);\n"})).error is None


def outcome_of(command: str, **settings: Any) -> tuple[int, str]:
    output, log = StringIO(), StringIO()
    status = run({"command": command, **settings}, {}, output, log)
    return status, output.getvalue() + log.getvalue()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("-- @run after\nUPDATE users SET name = address;\n", "no such column: address"),
        ("-- @run after\n-- @needs users.address\nUPDATE users SET name = address;\n", "no such column: address"),
        ("-- @run between\nUPDATE users SET name = phone;\n", "no such column: phone"),
        ("-- @run before\nUPDATE addresses SET line = '';\n", "no such table: addresses"),
        ("-- @run between\nINSERT INTO addresses SELECT id, id, address FROM users;\n", "name the columns"),
    ],
)
def test_faulty_script_is_found_by_comparing_two_folders(tmp_path: Path, script: str, message: str) -> None:
    before = write_folder(tmp_path / "before", RELEASES[1])
    after = write_folder(tmp_path / "after", {**RELEASES[2], "scripts/2-split.sql": script})
    status, text = outcome_of("plan", schema_path=str(after), compare_to=str(before))
    assert (status, message in text, "2-split.sql:" in text) == (2, True, True), text


FAULTY = [
    "-- @run after\nUPDATE users SET name = address;\n",
    "-- @run after\n-- @needs users.address\nUPDATE users SET nam = address;\n",
    "-- @run before\nUPDATE users SET name = adress;\n",
    "-- @run before\nUPDATE user SET name = '';\n",
    "-- @run between\nINSERT INTO addresses (user_id, line) SELECT id, address FROM users;\n",
    "-- @run between\nINSERT INTO users VALUES (1, 'a');\n",
]


@pytest.mark.parametrize("script", FAULTY)
@pytest.mark.parametrize("check", [False, True])
def test_faulty_script_is_found_by_the_command_docs(tmp_path: Path, script: str, check: bool) -> None:
    folder = write_folder(tmp_path / "schema", {**RELEASES[2], "scripts/2-split.sql": script})
    settings = {"docs_path": str(tmp_path / "docs"), "check": check}
    status, text = outcome_of("docs", schema_path=str(folder), **settings)
    assert (status, "2-split.sql:" in text) == (2, True), text


@pytest.mark.parametrize("script", FAULTY[:-1])
def test_faulty_script_in_the_compared_folder_does_not_stop_its_correction(tmp_path: Path, script: str) -> None:
    before = write_folder(tmp_path / "before", {**RELEASES[2], "scripts/faulty.sql": script})
    after = write_folder(tmp_path / "after", RELEASES[2])
    assert outcome_of("plan", schema_path=str(after), compare_to=str(before))[0] == 0


def test_faulty_script_stops_plan_and_deployment_before_the_first_request(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    at_release_1(target, tmp_path)
    for script in FAULTY[:-1]:
        with pytest.raises(ProjectError) as raised:
            release(tmp_path, 2, **{"scripts/2-split.sql": script})
        assert raised.value.code is ErrorCode.SCRIPT_INVALID
    assert target.rows("SELECT id, name, address FROM users ORDER BY id") == ROWS


@pytest.mark.parametrize("moment", ["before", "between"])
def test_script_for_older_databases_says_what_it_needs_and_the_folder_is_right_for_all(
    target: DatabaseUnderTest, tmp_path: Path, moment: str
) -> None:
    script = f"-- @run {moment}\n-- @needs users.address\nUPDATE users SET name = name || ', ' || address;\n"
    files = {"t.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n", "scripts/join.sql": script}
    project = write_project(tmp_path / "schema", files)
    deploy(target, project)
    assert target.deploy(project).status is Status.UNCHANGED
    target.run("DROP TABLE users", "DROP TABLE schema_deployments")
    at_release_1(target, tmp_path)
    deploy(target, project)
    assert target.rows("SELECT name FROM users ORDER BY id") == [("Ada, Street 1",), (None,), ("Cy, Street 3",)]
    assert target.deploy(project).status is Status.UNCHANGED


def upgrading(tmp_path: Path, version: str, lowest: str = "2.3.0") -> Project:
    """The newest release, at a version, without the scripts that databases below `lowest` need."""
    files = {name: text for name, text in RELEASES[4].items() if not name.startswith("scripts/")}
    return write_project(
        tmp_path / "upgrading", {**files, "manifest.yml": f"schema_version: {version}\nupgrade-from: {lowest}\n"}
    )


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("schema_version: 2.2.9\n", "this one is at 2.2.9"),
        ("schema_version: 2.3.0-rc.1\n", "this one is at 2.3.0-rc.1"),
        ("schema_version: first\n", "no semantic version"),
        ("", "records no version"),
    ],
)
def test_older_database_is_blocked_with_both_versions(
    target: DatabaseUnderTest, tmp_path: Path, manifest: str, words: str
) -> None:
    deploy(target, release(tmp_path, 1, **{"manifest.yml": manifest}))
    for report in (target.plan(upgrading(tmp_path, "3.0.0")), target.deploy(upgrading(tmp_path, "3.0.0"))):
        assert report.error is not None
        assert report.error.code == ErrorCode.UPGRADE_BLOCKED
        assert "from version 2.3.0 on" in report.error.message
        assert words in report.error.message
        assert report.exit_code == 5
        assert any(step.object == "addresses" for step in report.steps)
    assert "address" in str(target.rows("SELECT sql FROM sqlite_schema WHERE name = 'users'"))


def test_database_without_a_history_is_blocked_because_its_version_is_not_known(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.run(OLD_USERS)
    report = target.deploy(upgrading(tmp_path, "3.0.0"))
    assert report.error is not None
    assert "no deployment history" in report.error.message


def test_new_database_and_one_of_the_lowest_version_are_not_blocked(target: DatabaseUnderTest, tmp_path: Path) -> None:
    deploy(target, upgrading(tmp_path, "v2.3.0"))
    deploy(target, upgrading(tmp_path, "3.0.0"))
    assert target.deploy(upgrading(tmp_path, "3.0.0")).status is Status.UNCHANGED


def test_first_deployment_in_chunks_is_not_blocked_before_its_version_is_recorded(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    small = replace(target, request_size=8_000)
    files = {
        "t.sql": "CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT);\n",
        "seeds/words.csv": "id,word\n" + "".join(f"{number},word {number}\n" for number in range(2_000)),
        "manifest.yml": "schema_version: 3.0.0\nupgrade_from: 2.3.0\n",
    }
    deploy(small, write_project(tmp_path / "schema", files))
    assert small.value("SELECT count(*) FROM words") == 2_000


SEEDED = "CREATE TABLE plan (id INTEGER PRIMARY KEY, name TEXT, seats INTEGER NOT NULL DEFAULT 0);\n"


@pytest.mark.parametrize("moment", ["before", "between"])
def test_seed_rows_that_a_script_writes_first_are_undecided_and_then_counted(
    target: DatabaseUnderTest, tmp_path: Path, moment: str
) -> None:
    target.deploy(write_project(tmp_path / "1", {"app.sql": SEEDED, "seeds/plan.csv": "id,name\n1,a\n2,b\n3,c\n4,d\n"}))
    target.run("UPDATE plan SET name = 'mine' WHERE id = 3")
    files = {
        "app.sql": SEEDED + "CREATE VIEW names AS SELECT name FROM plan;\n",
        "seeds/plan.csv": "id,name\n1,a\n2,b\n3,c\n5,e\n6,f\n",
        "scripts/1.sql": f"-- @run {moment}\nDELETE FROM plan WHERE id IN (1, 4);\n"
        "UPDATE plan SET name = 'x' WHERE id = 2;\nINSERT INTO plan (id, name) VALUES (5, 'e');\n",
    }
    project = write_project(tmp_path / "2", files)
    approvals = parse_approvals("overwrite-rows,delete-rows")
    planned = target.plan(project, approvals)
    assert "the numbers of seed rows of plan: the script 1 writes to it" in planned.undecided
    database = target.open()
    tried = preview.plan(project, database, allow_hazards=approvals, dry_run=True)
    database.close()
    deployed = target.deploy(project, approvals=approvals)
    for report in (tried, deployed):
        # 1 was deleted, so it is inserted; 2 was changed, so it is updated; 3 is kept; 5 was inserted by the script.
        assert report.seeds == (SeedLine("plan", 5, inserted=2, updated=1, unchanged=1, kept=1),)
        assert report.undecided == ()
    assert target.rows("SELECT id, name FROM plan ORDER BY id") == [
        (1, "a"), (2, "b"), (3, "mine"), (5, "e"), (6, "f"),
    ]  # fmt: skip


def test_seeded_row_that_a_script_deletes_is_not_reported_to_stay(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "1", {"app.sql": SEEDED, "seeds/plan.csv": "id,name\n1,a\n2,b\n3,c\n"}))
    files = {
        "app.sql": SEEDED,
        "seeds/plan.csv": "id,name\n1,a\n",
        "scripts/1.sql": "-- @run after\nDELETE FROM plan WHERE id = 2;\n",
    }
    report = target.deploy(write_project(tmp_path / "2", files), approvals=parse_approvals("delete-rows"))
    assert report.seeds == (SeedLine("plan", 1, unchanged=1, left=1, left_keys=("3",)),)
    assert target.rows("SELECT id FROM plan ORDER BY id") == [(1,), (3,)]
