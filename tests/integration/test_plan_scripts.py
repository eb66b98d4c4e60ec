"""One-time scripts in a report: what they do is shown as that of any other step."""

from __future__ import annotations

from pathlib import Path

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SMALL, write_project
from turso_deploy.report.console import render
from turso_deploy.report.job_summary import summary

STATEMENTS = ("UPDATE books SET title = 'a\n```\nb'", "DELETE FROM books WHERE title = ''")
SQL = ";\n".join(STATEMENTS)


def test_the_statements_of_a_script_stand_in_the_plan_and_in_the_report_of_the_deployment(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(write_project(tmp_path / "before"))
    script = f"-- @run after\n{SQL};\n"
    project = write_project(tmp_path / "after", {**SMALL, "scripts/tidy.sql": script})
    for report in (target.plan(project), target.deploy(project)):
        assert [step["sql"] for step in report.as_json()["steps"] if step["kind"] == "run script"] == [SQL]
        assert "      DELETE FROM books WHERE title = '';\n" in render(report, colour=False, verbose=True)
        assert f"````sql\n{SQL};\n````" in summary(report)
