"""The job summary: what it says first, what no value can do to it, and how it stays within its size."""

import html
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.hostile_text import hostile_texts
from turso_deploy.core.errors import ErrorCode
from turso_deploy.github.runner import MAX_SUMMARY_SIZE
from turso_deploy.plan.hazards import HazardName, Severity
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.document import (
    CheckLine,
    CountLine,
    Diagram,
    Entity,
    EntityColumn,
    ErrorLine,
    HazardLine,
    ObjectChange,
    PartChange,
    Report,
    SeedLine,
    Status,
    StepLine,
)
from turso_deploy.report.job_summary import summary
from turso_deploy.report.markdown import summary_code, summary_text


def rows_of(markdown: str) -> list[str]:
    return [line for line in markdown.split("\n") if line.startswith("|")]


def size(markdown: str) -> int:
    return len(markdown.encode())


def test_the_verdict_is_the_first_line(deployed: Report) -> None:
    first = summary(deployed).split("\n")[0]
    assert first == "## ✅ Deployed 2.2.0: 50 objects created, 57 rows seeded, in 2 requests"


def test_a_failure_shows_its_cause_and_cure_before_anything_else(failed: Report) -> None:
    text = summary(failed)
    assert text.startswith("## ❌ Failed: nothing was changed\n\ndatabase <code>https&#58;&#47;&#47;quiz-acme.turso.io")
    order = [
        "**Error** <code>manifest-mismatch</code>",
        "<code>schema/manifest.yml:4:11</code>",
        "expects 13 tables",
        "**What to do:** Correct",
        "| Manifest |",
    ]
    assert sorted(order, key=text.index) == order


def test_an_unknown_outcome_is_neither_a_tick_nor_a_cross(failed: Report) -> None:
    assert summary(replace(failed, committed=None)).startswith("## ⚠️ Failed: it is unknown")


def test_a_refusal_has_its_own_sign(failed: Report) -> None:
    assert summary(replace(failed, status=Status.BLOCKED)).startswith("## ⛔ Blocked: nothing was changed\n")


def test_steps_that_were_not_done_are_not_told_as_if_they_were(deployed: Report) -> None:
    refused = replace(deployed, status=Status.BLOCKED, committed=False)
    assert "<summary>50 steps (not executed): create table 12" in summary(refused)
    assert "not executed" not in summary(replace(refused, status=Status.FAILED, committed=None))


def test_what_is_left_to_do_has_no_tick(deployed: Report) -> None:
    assert summary(replace(deployed, status=Status.STALE, committed=False)).startswith("## ⚠️ Stale 2.2.0: 50 pages")
    assert summary(replace(deployed, status=Status.PENDING, committed=False)).startswith("## ⚠️ Pending 2.2.0: 50 obj")


def test_counts_are_held_against_the_manifest(failed: Report) -> None:
    rows = rows_of(summary(failed))
    assert "| tables | 13 | 12 | ❌ |" in rows
    assert "| indexes | 33 | 33 | ✅ |" in rows
    assert "| foreign keys | &#45; | 3 |  |" in rows


def test_rows_and_json_stand_in_the_manifest_in_one_line_each_and_singly_where_they_fail(failed: Report) -> None:
    rows = rows_of(summary(failed))
    assert rows[3:5] == [
        "| rows as expected | 2 tables | 1 table | ❌ |",
        "| rows of questions | &#62;&#61;50 | 45 | ❌ |",
    ]
    assert "| valid JSON | 1 column | 1 column | ✅ |" in rows[5:]


def test_summary_begins_with_database_versions_and_schema_folder(deployed: Report) -> None:
    report = replace(deployed, first_deployment=False, previous_version="2.1.0", schema_path="db/schema")
    assert summary(report).split("\n")[2] == (
        "database <code>https&#58;&#47;&#47;quiz-acme.turso.io</code> · versions 2.1.0 &#45;&#62; 2.2.0 · "
        "schema <code>db/schema</code>"
    )


def test_what_holds_is_folded_and_what_does_not_is_in_sight(deployed: Report, failed: Report) -> None:
    in_sight = re.sub(r"<details>.*?</details>", "", summary(deployed), flags=re.DOTALL)
    assert "✅" not in in_sight.partition("\n")[2]
    assert "<details><summary>Manifest: " in summary(deployed)
    in_sight = re.sub(r"<details>.*?</details>", "", summary(failed), flags=re.DOTALL)
    assert "| tables | 13 | 12 | ❌ |" in in_sight
    assert "✅" not in in_sight


def test_diagram_of_more_than_eight_tables_leaves_columns_out(deployed: Report) -> None:
    def shown(number: int) -> str:
        column = EntityColumn("name", "TEXT")
        entities = tuple(Entity(f"t{each}", (column,)) for each in range(number))
        return summary(replace(deployed, diagram=Diagram(entities, ())))

    assert "TEXT name" in shown(8)
    assert "TEXT name" not in shown(9)
    assert '"t8"' in shown(9)


def test_of_hundreds_of_failed_bounds_ten_stand_in_the_manifest_and_all_in_the_checks(deployed: Report) -> None:
    checks = tuple(CheckLine(f"rows of t{number}", False, "1", "0", section="rows") for number in range(300))
    text = summary(replace(deployed, checks=checks))
    manifest, found, rest = text.partition("<details open><summary>300 of 300 checks failed</summary>")
    assert found
    assert "| rows as expected | 300 tables | 0 tables | ❌ |" in manifest
    assert manifest.count("| rows of t") == 10
    assert rest.count("| rows of t") == 300


def test_failed_checks_are_open_before_the_changes_and_passed_ones_folded_behind_them(failed: Report) -> None:
    text = summary(replace(failed, changes=CHANGED))
    opened = text.index("<details open><summary>1 of 3 checks failed</summary>")
    folded = text.index("<details><summary>2 checks passed</summary>")
    assert opened < text.index("<summary>3 changes") < folded
    marks = [row[2] for row in rows_of(text[opened : text.index("</details>", opened)])[2:]]
    assert marks == ["❌"]
    assert [row[2] for row in rows_of(text[folded:])[2:]] == ["✅", "✅"]


def test_steps_name_the_file_and_line_that_want_them(deployed: Report) -> None:
    assert "| create table | <code>users</code> | <code>schema/tables.sql:1</code> |" in summary(deployed)


CHANGED = (
    ObjectChange("added", "table", "tags"),
    ObjectChange("changed", "table", "users", parts=(PartChange("column email", "email TEXT", None),)),
    ObjectChange("removed", "index", "i"),
)


GONE = HazardLine(
    HazardName.DROP_COLUMN,
    "users.email",
    120,
    Severity.NEEDS_APPROVAL,
    approved=False,
    text="drop-column users.email: gone (120 rows)",
)


def test_the_changes_are_a_difference_with_what_they_cost_below_it(deployed: Report) -> None:
    steps = (StepLine(StepKind.DROP_COLUMN, "users.email", "", (GONE,), "a.sql:1"),)
    text = summary(replace(deployed, steps=steps, changes=CHANGED))
    difference = "```diff\n+ table tags\n! table users\n-   column email: email TEXT\n- index i\n```"
    hazard = "- ⛔ needs approval: drop-column users.email: gone &#40;120 rows&#41;"
    assert text.index(difference) < text.index(hazard)
    refused = replace(deployed, steps=steps, error=ErrorLine(ErrorCode.HAZARD_BLOCKED, f"No:\n  {GONE.text}"))
    assert hazard not in summary(refused), "the error has said it"


def test_a_plan_that_would_be_refused_says_so_before_anything_else(deployed: Report) -> None:
    refusal = ErrorLine(
        ErrorCode.HAZARD_BLOCKED, f"It costs:\n  {GONE.text}", "--allow-hazards drop-column:users.email", "a.sql"
    )
    steps = (StepLine(StepKind.DROP_COLUMN, "users.email", "", (GONE,), "a.sql:1"),)
    plan = replace(
        deployed, command="plan", committed=False, previous_version="2.1.0", first_deployment=False, steps=steps
    )
    text = summary(replace(plan, status=Status.PLANNED, blocked_by=refusal))
    first, _, _, _, second = text.split("\n")[:5]
    assert first.startswith("## ⚠️ Planned 2.1.0 &#45;&#62; 2.2.0: 1 object to change")
    assert first.endswith("; a deployment may be blocked, depending on the rows")
    assert second.startswith("**A deployment may be blocked, depending on the rows** <code>hazard-blocked</code>")
    text = summary(replace(plan, status=Status.BLOCKED, error=refusal))
    first, _, _, _, second = text.split("\n")[:5]
    assert first.startswith("## ⛔ Blocked 2.1.0 &#45;&#62; 2.2.0: 1 object to change")
    assert first.endswith("; a deployment would be blocked")
    assert second == "**Blocked** <code>hazard-blocked</code> at <code>a.sql</code>"
    assert "**What to do:** &#45;&#45;allow-hazards drop-column:users.email\n" in text
    assert "<summary>1 step: drop column 1</summary>" in text


def test_several_things_to_do_are_a_list(failed: Report) -> None:
    assert failed.error is not None
    text = summary(replace(failed, error=replace(failed.error, hint="Say `a`.\nOr allow <b>.")))
    assert (
        f"**What to do:**\n\n- Say {summary_code('a')}{summary_text('.')}\n- {summary_text('Or allow <b>.')}\n" in text
    )
    text = summary(replace(failed, error=replace(failed.error, hint="Run:\n  a <b>")))
    assert f"**What to do:** {summary_text('Run:')}\n\n```text\n  a <b>\n```" in text


def test_comment_that_a_hint_has_can_be_copied_as_it_is(failed: Report) -> None:
    assert failed.error is not None
    hint = "If it was renamed, write there: `-- @renamed from=name`."
    text = summary(replace(failed, error=replace(failed.error, hint=f"{hint}\nOr approve it.")))
    [line] = [line for line in text.split("\n") if "renamed" in line]
    assert html.unescape(line).endswith("write there: <code>-- @renamed from=name</code>.")


def test_the_changes_of_a_plan_are_unfolded_and_so_are_a_few(deployed: Report) -> None:
    many = tuple(ObjectChange("added", "table", f"t{number}") for number in range(50))
    planned = replace(deployed, status=Status.PLANNED, committed=False, changes=many)
    assert "<details open><summary>50 changes" in summary(planned)
    assert "<details><summary>50 steps" in summary(planned)
    assert "<details><summary>50 changes" in summary(replace(deployed, changes=many))
    assert "<details open><summary>3 changes" in summary(replace(deployed, changes=CHANGED))
    assert "<details open><summary>50 steps" in summary(replace(planned, changes=()))


def test_the_layout_of_an_error_of_many_lines_is_kept(failed: Report) -> None:
    assert "\n\n```text\n  users\n  questions\n```\n" in summary(failed)


@given(hostile_texts)
@example("| <b>")
def test_no_name_breaks_a_row_or_adds_html(name: str) -> None:
    report = Report(
        command="deploy",
        status=Status.FAILED,
        committed=None,
        database=name,
        deployment_id=name,
        schema_version=name,
        changes=(ObjectChange("changed", "table", name, name, (PartChange(name, name, None),)),),
        steps=(
            StepLine(
                StepKind.CREATE_TABLE,
                name,
                "SELECT 1",
                (HazardLine(HazardName.DROP_TABLE, name, 1, Severity.BLOCKED, None, name),),
                name,
            ),
        ),
        counts={name: CountLine(name, 1)},
        checks=(CheckLine(name, False, name, name), CheckLine(name, False, name, name, section="rows", place=name)),
        seeds=(SeedLine(name, 1, 1),),
        notices=(name,),
        error=ErrorLine(ErrorCode.INTERNAL, "x", file=name or None),
    )
    text = summary(report)
    text, fences = re.subn(r"^(`{3,})(diff|sql)\n.*?\n\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert fences == 2, "in a fence, nothing has to be escaped"
    assert {row.count("|") for row in rows_of(text)} == {4, 5, 6}
    assert len(rows_of(text)) == 17
    tags = re.sub(r"</?(code|details( open)?|summary)>", "", text)
    assert "<" not in tags
    assert "\\|" not in tags


def test_hostile_sql_stays_in_its_fence(deployed: Report) -> None:
    steps = (StepLine(StepKind.CREATE_VIEW, "v", "CREATE VIEW v AS SELECT '\n```\n</details>\n::error::'"),)
    assert "````sql\nCREATE VIEW v AS SELECT '\n```\n</details>\n::error::';\n````" in summary(
        replace(deployed, steps=steps)
    )


@pytest.mark.parametrize("number", [2_000, 40_000])
def test_a_large_report_stays_within_the_limit_and_says_what_was_left_out(deployed: Report, number: int) -> None:
    sql = "CREATE TABLE …" + " " * 600 + ")"
    steps = tuple(StepLine(StepKind.CREATE_TABLE, f"täble_{n}", sql) for n in range(number))
    text = summary(replace(deployed, steps=steps), MAX_SUMMARY_SIZE)
    assert size(text) <= MAX_SUMMARY_SIZE
    assert "_The SQL was omitted" in text
    assert text.startswith(f"## ✅ Deployed 2.2.0: {number:,} objects created")
    assert ("more, omitted" in text) == (number == 40_000)
    assert text.count("<details") == text.count("</details>")


@given(st.integers(0, 12_000))
def test_a_summary_fits_any_budget(budget: int) -> None:
    steps = tuple(StepLine(StepKind.CREATE_TABLE, f"t{n}", "CREATE TABLE …") for n in range(30))
    report = Report("deploy", Status.DEPLOYED, True, "file:local.db", steps=steps, notices=("one", "two"))
    assert size(summary(report, budget)) <= budget


def test_the_verdict_is_the_last_thing_to_go(failed: Report) -> None:
    assert summary(failed, 60) == "## ❌ Failed: nothing was changed\n"


def test_what_is_set_aside_and_restored_is_one_line_under_the_steps(deployed: Report) -> None:
    steps = (
        StepLine(StepKind.DROP_VIEW_TEMPORARILY, "v", 'DROP VIEW "v"'),
        StepLine(StepKind.REBUILD_TABLE, "users", "…"),
        StepLine(StepKind.RECREATE_VIEW, "v", "…"),
        StepLine(StepKind.RUN_SCRIPT, "clean", ""),
    )
    text = summary(replace(deployed, status=Status.PLANNED, committed=False, steps=steps, rows_to_write=9))
    assert "<summary>2 steps: rebuild table 1, run script 1</summary>" in text
    assert "\n\n1 view dropped and recreated\n" in text
    assert "DROP VIEW" in text
    assert " · writes about 9 rows · " in text


def test_an_adoption_has_no_sql_to_show(deployed: Report) -> None:
    files = tuple(StepLine(StepKind.WRITE_FILE, name, "") for name in ("users.sql", "manifest.yml"))
    text = summary(replace(deployed, status=Status.PULLED, committed=False, steps=files))
    assert "<summary>SQL</summary>" not in text
    assert "| write file | <code>manifest.yml</code> |" in text
