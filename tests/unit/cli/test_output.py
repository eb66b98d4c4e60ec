"""Who is told of a run, and that what is told obeys the place it goes to."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from turso_deploy.cli.output import publish
from turso_deploy.core.errors import ErrorCode
from turso_deploy.github.context import RunContext, read_context
from turso_deploy.github.runner import Runner
from turso_deploy.plan.hazards import HazardName, Severity
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.document import ErrorLine, FindingLine, HazardLine, Report, Status, StepLine, TokenLine

REPORT = Report("verify", Status.VERIFIED, committed=False, database="file:x.db", notices=("##[error]gotcha ✔",))
FAILED = Report(
    "deploy",
    Status.FAILED,
    committed=False,
    database="file:x.db",
    error=ErrorLine(ErrorCode.SQL_SYNTAX, "It is\nwrong.", "Do\nthis.", "schema/a,b.sql", 3, 9),
    exit_code=2,
)


COST = HazardLine(
    HazardName.CHANGE_TYPE, "books.pages", 3, Severity.NEEDS_APPROVAL, approved=False, text="change-type books.pages"
)
STEP = StepLine(StepKind.REBUILD_TABLE, "books", "", (COST,), "schema/tables.sql:12:3")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def published(report: Report, environment: dict[str, str], output: io.StringIO, *, as_json: bool = False) -> str:
    """What is published to the log of commands."""
    log = io.StringIO() if as_json else output
    publish(report, Runner(log, read_context(environment)), output, environment, as_json=as_json)
    return log.getvalue()


def test_off_a_runner_people_get_the_report_and_nobody_gets_commands() -> None:
    output = io.StringIO()
    text = published(FAILED, {}, output)
    assert "::" not in text
    assert "wrong." in text


def test_colour_is_for_terminals_of_those_who_did_not_decline_it() -> None:
    assert "\x1b[" in published(REPORT, {}, Terminal())
    assert "\x1b[" not in published(REPORT, {"NO_COLOR": "1"}, Terminal())
    assert "\x1b[" not in published(REPORT, {}, io.StringIO())


def test_the_annotation_says_what_happened_and_what_to_do() -> None:
    text = published(FAILED, {"GITHUB_ACTIONS": "true"}, io.StringIO())
    [annotation] = [line for line in text.splitlines() if line.startswith("::error ")]
    assert "file=schema/a%2Cb.sql,line=3,col=9::It is%0Awrong.%0ADo%0Athis." in annotation


def test_a_success_is_no_annotation() -> None:
    assert "::error" not in published(REPORT, {"GITHUB_ACTIONS": "true"}, io.StringIO())


@pytest.mark.parametrize("environment", [{}, {"GITHUB_ACTIONS": "true"}])
@pytest.mark.parametrize("report", [REPORT, FAILED])
def test_json_is_one_document_and_nothing_else(environment: dict[str, str], report: Report) -> None:
    output = io.StringIO()
    published(report, environment, output, as_json=True)
    assert json.loads(output.getvalue())["status"] == report.status
    assert output.getvalue().endswith("}\n")
    assert "##[" not in output.getvalue()
    assert output.getvalue().isascii()
    assert tuple(json.loads(output.getvalue())["notices"]) == report.notices


def test_outputs_and_summary_are_written_with_json_too(tmp_path: Path) -> None:
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    published(REPORT, environment, io.StringIO(), as_json=True)
    assert "verified" in (tmp_path / "outputs").read_text(encoding="utf-8")
    assert "Verified" in (tmp_path / "summary").read_text(encoding="utf-8")


@pytest.mark.parametrize("variable", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_a_file_of_the_runner_that_cannot_be_written_is_a_warning(tmp_path: Path, variable: str) -> None:
    """A deployment that was committed is not called a failure because nobody can be told."""
    text = published(REPORT, {"GITHUB_ACTIONS": "true", variable: str(tmp_path / "nowhere" / "file")}, io.StringIO())
    assert text.splitlines()[-1].endswith("could not be written: No such file or directory.")
    assert text.splitlines()[-1].startswith("::warning::The ")


def test_what_a_step_may_cost_is_a_warning_at_its_line_behind_the_error() -> None:
    report = replace(FAILED, steps=(STEP,))
    text = published(report, {"GITHUB_ACTIONS": "true"}, io.StringIO())
    error, warning = [line for line in text.splitlines() if line.startswith(("::error ", "::warning "))]
    assert "file=schema/a%2Cb.sql" in error
    where = "title=rebuild table books,file=schema/tables.sql,line=12"
    assert warning == f"::warning {where}::needs approval: change-type books.pages"


def test_a_plan_that_would_be_refused_is_a_warning_with_what_to_do_at_its_line_and_no_error() -> None:
    refusal = ErrorLine(
        ErrorCode.HAZARD_BLOCKED, "It costs:\n  change-type books.pages", "Allow it.", "schema/tables.sql", 12
    )
    plan = replace(REPORT, status=Status.PLANNED, steps=(STEP,), blocked_by=refusal)
    text = published(plan, {"GITHUB_ACTIONS": "true"}, io.StringIO())
    [annotation] = [line for line in text.splitlines() if line.startswith(("::error ", "::warning "))]
    assert annotation.startswith("::warning title=Planned")
    assert annotation.endswith("line=12::It costs:%0A  change-type books.pages%0AAllow it.%0Afile:x.db")


def test_of_each_level_ten_annotations_are_sent() -> None:
    warnings = tuple(FindingLine("warning", f"old {number}", "rotate it") for number in range(12))
    errors = tuple(FindingLine("error", f"refused {number}", "replace it") for number in range(12))
    token = TokenLine("auth-token", "", "valid", "full", findings=(*warnings, *errors))
    text = published(replace(REPORT, tokens=(token,)), {"GITHUB_ACTIONS": "true"}, io.StringIO())
    sent = [line.partition(" ")[0] for line in text.splitlines() if line.startswith(("::error ", "::warning "))]
    assert sent == ["::error"] * 10 + ["::warning"] * 10


def test_a_quiet_run_says_its_verdict_and_why_it_failed() -> None:
    output = io.StringIO()
    publish(FAILED, Runner(output, RunContext()), output, {}, quiet=True)
    lines = [line for line in output.getvalue().splitlines() if line]
    assert lines[0] == "✗ Failed: nothing was changed"
    assert "file:x.db" not in output.getvalue()
    assert "Do" in output.getvalue()


def test_a_verbose_deployment_shows_its_sql() -> None:
    step = StepLine(StepKind.CREATE_TABLE, "t", "CREATE TABLE t (id)")
    report = replace(REPORT, status=Status.DEPLOYED, steps=(step,))
    texts = {}
    for verbose in (False, True):
        output = io.StringIO()
        publish(report, Runner(output, RunContext()), output, {}, verbose=verbose)
        texts[verbose] = output.getvalue()
    assert "CREATE TABLE" not in texts[False]
    assert "CREATE TABLE t (id)" in texts[True]


def test_a_token_that_is_the_error_is_annotated_once() -> None:
    finding = FindingLine("error", "The database token expired", "Mint one.")
    error = ErrorLine(ErrorCode.TOKEN_EXPIRED, f"The token in `auth-token`: {finding.text}.", finding.remedy)
    token = TokenLine("auth-token", "0123abcd", "expired", "full", findings=(finding,))
    text = published(replace(FAILED, error=error, tokens=(token,)), {"GITHUB_ACTIONS": "true"}, io.StringIO())
    assert sum(line.startswith("::error ") for line in text.splitlines()) == 1
