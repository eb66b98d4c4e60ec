"""The words that all renderings share."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turso_deploy.core.errors import ErrorCode
from turso_deploy.core.text import printable
from turso_deploy.plan.hazards import HazardName, Severity
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.console import render
from turso_deploy.report.document import CountLine, ErrorLine, HazardLine, Report, Status, StepLine
from turso_deploy.report.job_summary import summary
from turso_deploy.report.wording import (
    effect,
    hazard_text,
    recreated_dependents,
    rows_seeded,
    rows_to_write,
    sql_text,
    verdict,
    visible_steps,
)


def test_the_verdict_of_a_deployment_counts_objects_rows_and_requests(deployed: Report) -> None:
    assert verdict(deployed) == "Deployed 2.2.0: 50 objects created, 57 rows seeded, in 2 requests"


def test_a_deployment_that_had_only_the_history_to_write_says_no_more(deployed: Report) -> None:
    assert verdict(replace(deployed, steps=(), seeds=())) == "Deployed 2.2.0, in 2 requests"


def test_the_verdict_of_an_unchanged_database(deployed: Report) -> None:
    unchanged = replace(deployed, status=Status.UNCHANGED, committed=False, steps=(), requests=1)
    assert verdict(unchanged) == "Unchanged: the database is already at 2.2.0, in 1 request"


def test_the_verdict_of_a_plan_speaks_of_what_is_to_do(deployed: Report) -> None:
    steps = (
        StepLine(StepKind.CREATE_TABLE, "tags", ""),
        StepLine(StepKind.ADD_COLUMN, "users.email", ""),
        StepLine(StepKind.DROP_INDEX, "i", ""),
    )
    planned = replace(deployed, status=Status.PLANNED, committed=False, steps=steps)
    assert verdict(planned) == (
        "Planned 2.2.0: 1 object to create, 1 object to change, 1 object to drop, 57 rows to seed"
    )


def test_plan_without_changes_says_that_only_the_history_is_written(deployed: Report) -> None:
    planned = replace(deployed, status=Status.PLANNED, committed=False, steps=(), seeds=())
    assert verdict(planned) == "Planned 2.2.0: only the deployment history to write"
    assert verdict(replace(planned, status=Status.PENDING)) == "Pending 2.2.0: only the deployment history to write"


def test_verdict_of_a_plan_says_that_a_deployment_is_blocked(deployed: Report) -> None:
    refusal = ErrorLine(ErrorCode.HAZARD_BLOCKED, "")
    planned = replace(deployed, status=Status.PLANNED, committed=False, steps=(), seeds=(), blocked_by=refusal)
    assert verdict(planned).endswith("; a deployment may be blocked, depending on the rows")
    blocked = replace(planned, command="plan", status=Status.BLOCKED, error=refusal, blocked_by=None)
    assert verdict(blocked) == "Blocked: nothing was changed"
    blocked = replace(blocked, first_deployment=True)
    assert verdict(blocked) == (
        "Blocked 2.2.0 (first deployment): only the deployment history to write; a deployment would be blocked"
    )


@pytest.mark.parametrize(
    ("first", "before", "after", "expected"),
    [
        (False, "2.2.0", "2.3.0", "2.2.0 -> 2.3.0"),
        (False, "2.3.0", "2.3.0", "2.3.0"),
        (False, None, "2.3.0", "no version -> 2.3.0"),
        (False, "2.2.0", None, "2.2.0 -> no version"),
        (False, None, None, ""),
        (True, None, "2.3.0", "2.3.0 (first deployment)"),
        (True, None, None, "(first deployment)"),
        (None, None, "2.3.0", "2.3.0"),
    ],
)
def test_deployment_and_plan_say_from_which_version_to_which(
    deployed: Report, first: bool | None, before: str | None, after: str | None, expected: str
) -> None:
    done = replace(deployed, first_deployment=first, previous_version=before, schema_version=after, seeds=(), steps=())
    assert verdict(replace(done, manifest_version=after)) == f"Deployed {expected}".rstrip() + ", in 2 requests"
    planned = replace(done, command="plan", status=Status.PLANNED, committed=False, schema_version=before)
    assert verdict(replace(planned, manifest_version=after)).startswith(f"Planned {expected}".rstrip() + ": only")
    stopped = replace(planned, command="deploy", status=Status.BLOCKED, manifest_version=after)
    text = render(stopped, colour=False)
    is_known = bool(expected)
    assert ("  versions    " + expected in text) is is_known
    assert ("versions " in summary(stopped)) is is_known


@pytest.mark.parametrize(
    ("first", "at", "manifest", "expected"),
    [
        (False, "2.2.0", "2.2.0", "Verified 2.2.0: 1 table"),
        (False, "2.2.0", "9.9.9", "Verified: 1 table; the database is at 2.2.0, the manifest says 9.9.9"),
        (False, "2.2.0", None, "Verified: 1 table; the database is at 2.2.0, the manifest has no version"),
        (False, None, "9.9.9", "Verified: 1 table; the database has no version, the manifest says 9.9.9"),
        (False, None, None, "Verified: 1 table"),
        (True, None, "9.9.9", "Verified: 1 table; nothing was deployed to the database yet"),
    ],
)
def test_verification_says_at_which_version_the_database_is(
    deployed: Report, first: bool | None, at: str | None, manifest: str | None, expected: str
) -> None:
    verified = replace(deployed, command="verify", status=Status.VERIFIED, committed=False, checks=(), steps=())
    verified = replace(verified, counts={"tables": CountLine(None, 1)}, first_deployment=first)
    assert verdict(replace(verified, schema_version=at, manifest_version=manifest)) == expected


@pytest.mark.parametrize(
    ("severity", "allowed", "expected"),
    [
        (Severity.WARNING, True, "warning"),
        (Severity.NEEDS_APPROVAL, False, "needs approval"),
        (Severity.NEEDS_APPROVAL, True, "approved"),
        (Severity.BLOCKED, False, "blocked"),
        (Severity.BLOCKED, None, "blocked if rows break it"),
    ],
)
def test_a_hazard_begins_with_what_it_does_to_a_deployment(
    severity: Severity, allowed: bool | None, expected: str
) -> None:
    line = HazardLine(HazardName.CHANGE_TYPE, "t.a", 3, severity, allowed, "change-type t.a: values change (3 rows)")
    assert hazard_text(line) == f"{expected}: change-type t.a: values change (3 rows)"


def test_a_refusal_is_no_failure(deployed: Report) -> None:
    refused = replace(deployed, status=Status.BLOCKED, committed=False)
    assert verdict(refused) == "Blocked: nothing was changed"
    assert not refused.succeeded


def test_the_verdict_of_a_verification_names_what_was_found(deployed: Report) -> None:
    verified = replace(deployed, status=Status.VERIFIED, committed=False, steps=())
    assert verdict(verified) == (
        "Verified 2.2.0: 12 tables, 33 indexes, 3 views, 2 triggers, 3 foreign keys, 2 checks passed"
    )


def test_one_of_a_kind_is_no_plural_and_none_is_not_told(deployed: Report) -> None:
    counts = {"tables": CountLine(None, 1), "indexes": CountLine(None, 1), "views": CountLine(None, 0)}
    verified = replace(deployed, status=Status.VERIFIED, counts=counts, checks=())
    assert verdict(verified) == "Verified 2.2.0: 1 table, 1 index"


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        (False, "Failed: nothing was changed"),
        (True, "Failed: the database was changed"),
        (None, "Failed: it is unknown whether the database was changed"),
    ],
)
def test_the_verdict_of_a_failure_says_what_became_of_the_database(
    failed: Report, committed: bool | None, expected: str
) -> None:
    assert verdict(replace(failed, committed=committed)) == expected


def test_a_schema_version_cannot_add_a_line_to_the_verdict(deployed: Report) -> None:
    assert verdict(replace(deployed, schema_version="1\n::error::x")).startswith(r"Deployed 1\n::error::x: ")


def test_an_object_that_takes_several_steps_counts_once(deployed: Report) -> None:
    steps = (StepLine(StepKind.REBUILD_TABLE, "users", "a"), StepLine(StepKind.REBUILD_TABLE, "users", "b"))
    assert verdict(replace(deployed, steps=steps, seeds=())) == "Deployed 2.2.0: 1 object changed, in 2 requests"


def test_what_is_only_set_aside_is_no_object_that_changed(deployed: Report) -> None:
    steps = (
        StepLine(StepKind.DROP_TRIGGER_TEMPORARILY, "t", ""),
        StepLine(StepKind.DROP_VIEW_TEMPORARILY, "v", ""),
        StepLine(StepKind.REBUILD_TABLE, "users", ""),
        StepLine(StepKind.RECREATE_INDEX, "i", ""),
        StepLine(StepKind.RECREATE_INDEX, "j", ""),
        StepLine(StepKind.RECREATE_VIEW, "v", ""),
        StepLine(StepKind.RECREATE_TRIGGER, "t", ""),
    )
    assert verdict(replace(deployed, steps=steps, seeds=())) == "Deployed 2.2.0: 1 object changed, in 2 requests"
    assert visible_steps(steps) == [steps[2]]
    assert recreated_dependents(steps) == "2 indexes, 1 view and 1 trigger dropped and recreated"
    assert recreated_dependents(steps[:6]) == "2 indexes and 1 view dropped and recreated"
    assert recreated_dependents(steps[:3]) == ""


def test_an_object_that_is_dropped_to_be_created_again_has_changed(deployed: Report) -> None:
    kinds = (StepKind.DROP_VIEW, StepKind.CREATE_VIEW, StepKind.DROP_INDEX)
    steps = tuple(StepLine(kind, "v", "") for kind in kinds)
    planned = replace(deployed, status=Status.PLANNED, committed=False, steps=steps, seeds=())
    assert verdict(planned) == "Planned 2.2.0: 1 object to change, 1 object to drop"


def test_the_columns_of_a_table_are_one_object(deployed: Report) -> None:
    steps = tuple(StepLine(StepKind.ADD_COLUMN, f"users.{name}", "") for name in "abc")
    steps += (StepLine(StepKind.DROP_COLUMN, "users.d", ""), StepLine(StepKind.REBUILD_TABLE, "users", ""))
    assert "1 object changed" in verdict(replace(deployed, steps=steps))
    steps = (StepLine(StepKind.ADD_COLUMN, '"a.b".c', ""), StepLine(StepKind.ADD_COLUMN, '"a.b"."c.d"', ""))
    steps += (StepLine(StepKind.REBUILD_TABLE, "a.b", ""), StepLine(StepKind.ADD_COLUMN, "a.b", ""))
    assert "2 objects changed" in verdict(replace(deployed, steps=steps))


def test_scripts_are_no_objects(deployed: Report) -> None:
    steps = (StepLine(StepKind.RUN_SCRIPT, "a", ""), StepLine(StepKind.RUN_SCRIPT, "b", ""))
    done = replace(deployed, steps=steps, seeds=())
    assert verdict(done) == "Deployed 2.2.0: 2 scripts run, in 2 requests"
    assert verdict(replace(done, status=Status.PLANNED, steps=steps[:1])) == "Planned 2.2.0: 1 script to run"


def test_the_verdict_of_an_adoption_names_what_was_found_and_written(deployed: Report) -> None:
    files = tuple(StepLine(StepKind.WRITE_FILE, name, "") for name in ("users.sql", "manifest.yml"))
    adopted = replace(deployed, status=Status.PULLED, committed=False, steps=files, checks=())
    assert verdict(adopted) == (
        "Pulled 2.2.0: 12 tables, 33 indexes, 3 views, 2 triggers, 3 foreign keys, 2 files written"
    )


def test_folders_that_do_not_differ_say_nothing_of_a_database(deployed: Report) -> None:
    same = replace(deployed, status=Status.UNCHANGED, committed=False, database="folder base/schema", requests=0)
    assert verdict(same) == "Unchanged: 2.2.0 does not differ from the folder base/schema"


def test_only_a_plan_estimates_what_it_writes(deployed: Report) -> None:
    planned = replace(deployed, status=Status.PLANNED, rows_to_write=12_345)
    assert rows_to_write(planned) == "about 12,345 rows"
    assert rows_to_write(replace(planned, rows_to_write=1)) == "about 1 row"
    assert rows_to_write(replace(planned, rows_to_write=None)) == rows_to_write(replace(planned, rows_to_write=0)) == ""
    assert rows_to_write(replace(planned, status=Status.DEPLOYED)) == ""


def test_dropping_a_column_changes_its_table_and_dropping_a_table_drops_it() -> None:
    assert effect(StepKind.DROP_COLUMN) == "changed"
    assert effect(StepKind.DROP_TABLE) == "dropped"


def test_rows_that_were_rolled_back_were_not_seeded(deployed: Report) -> None:
    assert rows_seeded(deployed) == 57
    assert rows_seeded(replace(deployed, committed=False)) == 0


def test_emoji_of_several_characters_stay_whole() -> None:
    assert printable("👩‍🚀 tables ❤️") == "👩‍🚀 tables ❤️"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb", r"a\nb"), ("\x1b[31mred", r"\x1b[31mred"), ("abc\u202edef", r"abc\u202edef"), ("\ud800", r"\ud800")],
)
def test_characters_that_act_are_spelled_out(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text())
def test_printable_text_is_one_line_that_can_be_written(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode() is not None
    assert "\x1b" not in shown


def test_a_statement_ends_with_one_semicolon_and_keeps_its_layout() -> None:
    assert sql_text("\nCREATE TABLE t (\r\n\ta\n)") == "CREATE TABLE t (\n    a\n);"
    assert sql_text("SELECT 1;\n") == "SELECT 1;"
    assert sql_text("") == ""
