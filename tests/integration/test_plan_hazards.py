"""What a plan says of its hazards: what each does to a deployment, and whether one would be blocked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.plan.hazards import Approval, parse_approvals
from turso_deploy.project.project import Project
from turso_deploy.report.console import render
from turso_deploy.report.document import HazardLine, Report, Status
from turso_deploy.report.job_summary import summary
from turso_deploy.report.wording import verdict

BEFORE = {"tables.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT, note TEXT);"}
ALLOWED = parse_approvals("drop-column:t.note")


@pytest.fixture
def narrower(target: DatabaseUnderTest, tmp_path: Path) -> Project:
    """Drops a column and demands a value in another, of rows that have one and none."""
    target.deploy(write_project(tmp_path / "before", BEFORE))
    target.run("INSERT INTO t VALUES (1, NULL, 'a'), (2, 'x', 'b')")
    return write_project(
        tmp_path / "after", {"tables.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT NOT NULL);"}
    )


@pytest.fixture
def shorter(target: DatabaseUnderTest, tmp_path: Path) -> Project:
    """Drops a column with values in it."""
    target.deploy(write_project(tmp_path / "before", BEFORE))
    target.run("INSERT INTO t VALUES (1, NULL, 'a'), (2, 'x', 'b')")
    return write_project(tmp_path / "after", {"tables.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT);"})


def hazards(report: Report) -> dict[str, HazardLine]:
    return {f"{line.name} {line.object}": line for step in report.steps for line in step.hazards}


def test_each_hazard_says_what_it_does_to_a_deployment_and_whether_this_run_allows_it(
    target: DatabaseUnderTest, narrower: Project
) -> None:
    found = hazards(target.plan(narrower, ALLOWED))
    assert {name: (line.severity, line.approved, line.rows) for name, line in found.items()} == {
        "rewrite-table t": ("warning", True, 2),
        "drop-column t.note": ("needs approval", True, 2),
        "add-not-null t.code": ("blocked", False, 1),
    }
    assert hazards(target.plan(narrower))["drop-column t.note"].approved is False


@pytest.mark.parametrize("permissions", [(), ALLOWED])
def test_plan_is_blocked_with_the_error_of_the_deployment(
    target: DatabaseUnderTest, narrower: Project, permissions: tuple[Approval, ...]
) -> None:
    plan = target.plan(narrower, permissions)
    assert (plan.status, plan.exit_code, plan.committed) == (Status.BLOCKED, 5, False)
    assert verdict(plan).endswith("; a deployment would be blocked")
    refused = target.deploy(narrower, approvals=permissions)
    assert (refused.status, refused.exit_code) == (Status.BLOCKED, 5)
    assert refused.error is not None
    assert plan.error == refused.error
    assert ("--allow-hazards drop-column:t.note" in (plan.error.hint or "")) is not bool(permissions)


def test_blocked_plan_is_shown_whole_with_its_sql(target: DatabaseUnderTest, narrower: Project) -> None:
    blocked, allowed = target.plan(narrower), target.plan(narrower, ALLOWED)
    assert [step.sql for step in blocked.steps] == [step.sql for step in allowed.steps]
    assert (blocked.changes, blocked.diagram, blocked.rows_to_write) == (
        allowed.changes,
        allowed.diagram,
        allowed.rows_to_write,
    )
    text = render(blocked, colour=False, verbose=True)
    assert all(line.strip() in text for step in blocked.steps for line in step.sql.splitlines())
    assert "not executed" not in text
    assert "<summary>SQL</summary>" in summary(blocked)


def test_a_plan_whose_hazards_are_allowed_would_not_be_refused(target: DatabaseUnderTest, shorter: Project) -> None:
    assert target.plan(shorter).status is Status.BLOCKED
    allowed = target.plan(shorter, ALLOWED)
    assert (allowed.status, allowed.error, "blocked" in verdict(allowed)) == (Status.PLANNED, None, False)
    assert target.deploy(shorter, approvals=ALLOWED).status is Status.DEPLOYED


def test_a_rule_whose_rows_a_script_may_mend_is_left_to_the_engine(
    target: DatabaseUnderTest, narrower: Project, tmp_path: Path
) -> None:
    script = "-- @run before\nUPDATE t SET code = '' WHERE code IS NULL;\n"
    files = {"tables.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT NOT NULL);", "scripts/mend.sql": script}
    plan = target.plan(write_project(tmp_path / "mended", files), ALLOWED)
    assert hazards(plan)["add-not-null t.code"].approved is None
    assert (plan.status, plan.blocked_by) == (Status.PLANNED, None)


def test_what_the_database_says_in_place_of_a_count_is_told(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "before", BEFORE))
    target.run("INSERT INTO t VALUES (1, '{bad', 'a')")
    sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, note, code INT NOT NULL -- @using json_extract(code, '$.x')\n);"
    found = hazards(target.plan(write_project(tmp_path / "after", {"tables.sql": sql})))["add-not-null t.code"]
    assert (found.rows, found.approved) == (None, None)
    assert found.text.startswith("add-not-null t.code: rows have no value for the column (rows not counted: ")
    assert "malformed JSON" in found.text
