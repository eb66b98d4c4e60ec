from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.fleet.results import ResultsFile, read_results, result_of, shown_name
from turso_deploy.fleet.tally import Facts, error_of, fleet_of, one_cause, verdict_of
from turso_deploy.plan.hazards import HazardName, Severity
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.console import render
from turso_deploy.report.document import CheckLine, ErrorLine, HazardLine, Report, Status, StepLine
from turso_deploy.report.fleet_lines import DatabaseResult, FleetHazard, State
from turso_deploy.report.job_summary import summary

FACTS = Facts({}, "1/1", ("1/1",), 0, None, {}, 0, None, lambda names: f"repeat {','.join(names)}")


def result(name: str, state: State = State.DEPLOYED, **values: object) -> DatabaseResult:
    return replace(DatabaseResult(name, state, "rest", committed=state is State.DEPLOYED), **values)  # type: ignore[arg-type]


def test_failures_are_grouped_by_their_cause_as_data() -> None:
    results = [
        result("a", State.BLOCKED, code="hazard-blocked", subject="drop-column:users.nick", message="12 rows"),
        result("b", State.BLOCKED, code="hazard-blocked", subject="drop-column:users.nick", message="7 rows"),
        result("c", State.FAILED, code="timeout", message="no answer within 60 s"),
        result("d", State.FAILED, code="timeout", message="no answer within 30 s"),
        result("e", State.FAILED, code="timeout", message="the host does not exist"),
    ]
    fleet = fleet_of(results, FACTS)
    assert [(cause.code, cause.subject, cause.databases, cause.command) for cause in fleet.causes] == [
        ("hazard-blocked", "drop-column:users.nick", 2, "repeat a,b"),
        ("timeout", None, 2, "repeat c,d"),
        ("timeout", None, 1, "repeat e"),
    ]
    assert one_cause(fleet.causes[0]) == "2 blocked: hazard-blocked: drop-column:users.nick"
    assert fleet.failed_names == ("a", "b", "c", "d", "e")


def test_hazards_of_a_plan_are_summed_with_the_largest_single_one() -> None:
    hazards = [FleetHazard(HazardName.REWRITE_TABLE, "users", rows, True) for rows in (5, 30, 7)]
    results = [
        result(name, State.PLANNED, plan_fingerprint="f" * 64, hazards=(hazard,))
        for name, hazard in zip("abc", hazards, strict=True)
    ]
    (plan,) = fleet_of([*results, result("d", State.UNCHANGED, plan_fingerprint="0" * 64)], FACTS).plans
    (found,) = plan.hazards
    assert (plan.databases, found.databases, found.rows, found.largest, found.largest_in) == (3, 3, 42, 30, "b")


def test_hazard_that_was_not_counted_in_each_database_has_no_sum() -> None:
    results = [
        result(
            name, State.PLANNED, plan_fingerprint="f", hazards=(FleetHazard(HazardName.DROP_TABLE, "t", rows, True),)
        )
        for name, rows in (("a", 3), ("b", None))
    ]
    (found,) = fleet_of(results, FACTS).plans[0].hazards
    assert (found.rows, found.largest) == (None, 3)


@pytest.mark.parametrize(
    ("states", "status", "code"),
    [
        ([State.DEPLOYED, State.UNCHANGED], Status.DEPLOYED, 0),
        ([State.UNCHANGED], Status.UNCHANGED, 0),
        ([State.DEPLOYED, State.FAILED], Status.FAILED, 1),
        ([State.DEPLOYED, State.UNKNOWN], Status.FAILED, 1),
        ([State.DEPLOYED, State.STOPPED], Status.FAILED, 1),
        ([State.BLOCKED, State.NOT_REACHED], Status.BLOCKED, 5),
        ([State.BLOCKED, State.FAILED, State.NOT_REACHED], Status.FAILED, 1),
        ([State.VERIFIED, State.PENDING], Status.PENDING, 3),
        ([State.VERIFIED, State.PENDING, State.DRIFTED], Status.DRIFTED, 4),
        ([State.PLANNED, State.UNCHANGED], Status.PLANNED, 0),
    ],
)
def test_verdict_of_a_run_is_that_of_its_worst_database(states: list[State], status: Status, code: int) -> None:
    results = [result(str(number), state) for number, state in enumerate(states)]
    assert verdict_of(fleet_of(results, FACTS)) == (status, code)


def test_error_of_a_run_says_how_many_failed_why_it_ended_and_what_was_not_reached() -> None:
    results = [
        result("a", State.FAILED, code=ErrorCode.CHECK_FAILED, subject="rows of users"),
        *(result(str(number), State.NOT_REACHED) for number in range(1200)),
    ]
    error = error_of(fleet_of(results, FACTS._replace(stopped_by="failure budget")), "Run it again.")
    assert error is not None
    assert error.code == "check-failed"
    assert error.message == (
        "1 of 1,201 databases did not succeed. That is more than the failure budget of 0. 1,200 databases were not "
        "reached.\n  1 failed: check-failed: rows of users"
    )


def test_result_of_a_blocked_database_has_its_hazards_as_data() -> None:
    hazard = HazardLine(HazardName.DROP_COLUMN, "users.nick", 3, Severity.NEEDS_APPROVAL, False, "text")
    approved = replace(hazard, object="users.name", approved=True)
    report = Report(
        "deploy",
        Status.BLOCKED,
        committed=False,
        database="x",
        steps=(StepLine(StepKind.DROP_COLUMN, "users", "", (hazard, approved)),),
        error=ErrorLine(ErrorCode.HAZARD_BLOCKED, "The plan is blocked:\n  details", "Approve it."),
    )
    found = result_of("a", "rest", report)
    assert (found.state, found.subject, found.message) == (
        State.BLOCKED,
        "drop-column:users.nick",
        "The plan is blocked:",
    )
    assert [(one.object, one.approved) for one in found.hazards] == [("users.nick", False), ("users.name", True)]


def test_result_of_a_failed_check_names_the_checks() -> None:
    report = Report(
        "deploy",
        Status.FAILED,
        committed=False,
        database="x",
        checks=(CheckLine("rows of users", False, "5", "3"), CheckLine("rows of other", True, "1", "1")),
        error=ErrorLine(ErrorCode.CHECK_FAILED, "failed"),
    )
    assert result_of("a", "rest", report).subject == "rows of users"


def test_result_of_a_lost_reply_is_unknown() -> None:
    report = Report(
        "deploy", Status.FAILED, committed=None, database="x", error=ErrorLine(ErrorCode.OUTCOME_UNKNOWN, "?")
    )
    assert result_of("a", "rest", report).state is State.UNKNOWN


def test_results_are_read_as_they_were_written_without_a_line_that_a_kill_has_cut(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    file = ResultsFile(str(path))
    written = [result("a", hazards=(FleetHazard(HazardName.DROP_TABLE, "t", 1, False),)), result("b", State.FAILED)]
    file.write({"fleet": "x", "shard": "1/2"})
    for one in written:
        file.write(one)
    file.close()
    with path.open("a") as more:
        more.write('{"name": "c", "sta')
    assert read_results([path]) == ([{"fleet": "x", "shard": "1/2", "results": 2}], written)


@pytest.mark.parametrize(
    "content", ["", "[]\n", '{"fleet": "x"}\nnonsense\n', '{"fleet": "x"}\n{"name": 1}\n', '{"a":1}']
)
def test_file_that_holds_no_results_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match="is no file of results"):
        read_results([path])


def test_results_that_cannot_be_written_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        ResultsFile(str(tmp_path / "missing" / "results.jsonl"))


def test_hashed_name_shows_nothing_of_the_name() -> None:
    assert shown_name("acme", hashed=False) == "acme"
    assert shown_name("acme", hashed=True) == "822b33ad"


def test_summary_of_ten_thousand_different_failures_stays_below_a_mebibyte() -> None:
    results = [
        result(
            f"tenant-{number}" * 10,
            State.FAILED,
            code="statement-failed",
            subject=f"table <t{'x' * 200}{number}>",
            plan_fingerprint=f"{number:064}",
            changes=tuple("table y changed" * 10 for _ in range(10)),
        )
        for number in range(10_000)
    ]
    fleet = fleet_of(results, FACTS)
    report = Report("deploy", Status.FAILED, False, "fleet x", fleet=fleet, error=error_of(fleet, "hint"))
    text = summary(report, 2**20)
    assert 1000 < len(text.encode()) <= 2**20
    assert "10,000 of 10,000 databases did not succeed" in text


def test_report_shows_causes_plans_waves_and_versions() -> None:
    results = [
        result("a", State.DEPLOYED, plan_fingerprint="a" * 64, changes=("table t added",), schema_version="2.0.0"),
        result("b", State.BLOCKED, code="hazard-blocked", subject="drop-column:users.nick", plan_fingerprint="b" * 64),
    ]
    fleet = fleet_of(results, FACTS._replace(waves={"rest": 1500}, skipped={"asleep": 3}))
    text = render(Report("deploy", Status.BLOCKED, True, "fleet x", fleet=fleet, exit_code=5), colour=False)
    assert "Deploy blocked: 2 databases: 1 deployed, 1 blocked" in text
    assert "3 asleep" in text
    assert "to repeat the 1 hazard-blocked: repeat b" in text
    assert "1          aaaaaaaaaaaa  1 deployed  table t added" in text
    assert "rest  2          1 deployed, 1 blocked  1.5 s" in text
    assert "2.0.0" in text
