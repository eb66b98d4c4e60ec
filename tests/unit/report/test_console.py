"""The terminal."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from turso_deploy.core.errors import ErrorCode
from turso_deploy.plan.hazards import HazardName, Severity
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.console import render
from turso_deploy.report.document import (
    CheckLine,
    CountLine,
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

COLOUR = re.compile(r"\x1b\[[0-9;]+m")


def test_a_deployment_is_verdict_counts_steps_seeds_checks(deployed: Report) -> None:
    text = render(deployed, colour=False)
    order = [
        "✔ Deployed 2.2.0: 50 objects",
        "manifest          expected    actual",
        "+ create table",
        "+ questions",
        "✔ 2 checks passed",
    ]
    assert text.startswith(order[0])
    assert sorted(order, key=text.index) == order


def test_columns_are_aligned(deployed: Report) -> None:
    text = render(deployed, colour=False)
    assert "    manifest          expected    actual\n  ✔ tables                  12        12\n" in text
    assert "  ✔ rows as expected   1 table   1 table\n  ✔ valid JSON        1 column  1 column\n" in text
    assert "    seeds           rows  inserted  updated  unchanged\n" in text
    assert "  + certifications    12        12        0          0\n" in text


SEEDS = (
    SeedLine("authors", 3, 1, 1, 1),
    SeedLine("books", 2_000, deployed_before=2_000),
    SeedLine("lent", 9, 5, deployed_before=4),
)


def test_the_seeds_of_a_plan_are_to_be_brought_in_or_were_before(deployed: Report) -> None:
    planned = replace(deployed, status=Status.PLANNED, committed=False, seeds=SEEDS)
    assert (
        "    seeds     rows  to insert  to update  unchanged  already deployed\n"
        "  + authors      3          1          1          1                 0\n"
        "  · books    2,000          0          0          0             2,000\n"
        "  + lent         9          5          0          0                 4\n" in render(planned, colour=False)
    )
    assert "| <code>lent</code> | 9 | 5 | 0 | 0 | 4 |" in summary(planned)
    assert "7 rows to seed" in summary(planned).split("\n")[0]
    for undone in (Status.BLOCKED, Status.FAILED):
        assert "rows  to insert" in render(replace(planned, status=undone), colour=False)


def test_seeds_that_nobody_looked_at_are_not_called_unchanged(deployed: Report) -> None:
    done = replace(deployed, seeds=(SeedLine("authors", 3, 1, 1, 1), SEEDS[1], SeedLine("same", 2, 0, 0, 2)))
    assert (
        "    seeds     rows  inserted  updated  unchanged  already deployed\n"
        "  + authors      3         1        1          1                 0\n"
        "  · books    2,000         0        0          0             2,000\n"
        "  · same         2         0        0          2                 0\n" in render(done, colour=False)
    )
    assert "| Table | Rows | Inserted | Updated | Unchanged | Already deployed |" in summary(done)


def test_where_no_manifest_expects_anything_there_is_no_table_of_it(deployed: Report) -> None:
    counts = {kind: CountLine(None, 3) for kind in deployed.counts}
    bare = replace(deployed, counts=counts, checks=())
    assert "manifest" not in render(bare, colour=False)
    assert "| Manifest |" not in summary(bare)
    rows = replace(deployed, counts=counts)
    assert re.search(r"manifest +expected +actual\n  ✔ rows as expected ", render(rows, colour=False))


def test_counts_that_are_only_foretold_are_headed_so(deployed: Report, failed: Report) -> None:
    planned = replace(deployed, status=Status.PLANNED, committed=False)
    for report in (planned, failed, replace(failed, status=Status.BLOCKED), replace(failed, committed=None)):
        assert re.search(r"manifest +expected +planned\n", render(report, colour=False))
        assert "| Manifest | Expected | Planned |" in summary(report)
    for report in (deployed, replace(failed, command="verify"), replace(failed, committed=True)):
        assert re.search(r"manifest +expected +actual\n", render(report, colour=False))
        assert "| Manifest | Expected | Actual |" in summary(report)


def test_steps_that_were_not_done_are_not_told_as_if_they_were(deployed: Report) -> None:
    refused = replace(deployed, status=Status.BLOCKED, committed=False)
    assert "\n\n  50 steps (not executed):\n  + create table " in render(refused, colour=False)
    assert "\n\n  50 steps (not executed):\n  + create table users" in render(refused, colour=False, verbose=True)
    for done in (deployed, replace(refused, status=Status.FAILED, committed=None)):
        assert "not executed" not in render(done, colour=False)
    assert "not executed" not in render(replace(refused, steps=()), colour=False)


def test_steps_of_a_kind_are_grouped_with_their_number_and_names(deployed: Report) -> None:
    text = render(deployed, colour=False)
    assert "  + create table    12  users, questions," in text
    assert "  + create view      3  view_0, view_1, view_2\n" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_hundreds_of_steps_are_counted_and_named_within_reason(deployed: Report) -> None:
    steps = tuple(StepLine(StepKind.CREATE_INDEX, f"index_{number}", "…") for number in range(500))
    text = render(replace(deployed, steps=steps), colour=False)
    assert "+ create index  500  index_0, " in text
    assert "and 440 more" in text
    assert len(text.splitlines()) < 40


def test_what_is_changed_and_dropped_has_its_own_sign_and_its_hazards(deployed: Report) -> None:
    steps = (
        StepLine(StepKind.ADD_COLUMN, "users.email", "…"),
        StepLine(StepKind.DROP_TABLE, "old", "…", (DROP,)),
    )
    text = render(replace(deployed, steps=steps), colour=False)
    assert (
        "  ~ add column  1  users.email\n  - drop table  1  old\n"
        "  ✗ needs approval: drop-table old: gone (12 rows)\n" in text
    )


def test_the_sign_of_a_hazard_says_whether_a_deployment_goes_on_with_it(deployed: Report) -> None:
    allowed = (DROP, replace(DROP, approved=True), replace(FORBIDS, approved=None), FORBIDS)
    steps = (StepLine(StepKind.REBUILD_TABLE, "old", "…", allowed),)
    lines = render(replace(deployed, steps=steps), colour=False).splitlines()
    assert [line[2] for line in lines if "old: gone" in line or "null" in line] == ["✗", "!", "?", "✗"]


def test_a_plan_that_would_be_refused_says_so_at_its_top_and_at_its_end_how_to_go_on(deployed: Report) -> None:
    refusal = ErrorLine(
        ErrorCode.HAZARD_BLOCKED, "It costs:\n  drop-table old", "--allow-hazards drop-table:old", "a.sql", 2
    )
    plan = replace(deployed, command="plan", committed=False, first_deployment=False, previous_version="2.2.0")
    text = render(replace(plan, status=Status.PLANNED, blocked_by=refusal), colour=False)
    assert text.startswith("! Planned 2.2.0: ")
    assert text.split("\n")[0].endswith("; a deployment may be blocked, depending on the rows")
    text = render(replace(plan, status=Status.BLOCKED, error=refusal), colour=False)
    assert text.startswith("✗ Blocked 2.2.0: ")
    assert text.split("\n")[0].endswith("; a deployment would be blocked")
    assert "create index" in text
    assert text.endswith(
        "  blocked     It costs:\n                drop-table old\n  where       a.sql:2\n"
        "  outcome     nothing was changed\n"
        "  to do       --allow-hazards drop-table:old\n  code        hazard-blocked\n"
    )


def test_verbose_plan_shows_the_sql_of_each_step_and_its_place(deployed: Report) -> None:
    planned = replace(deployed, status=Status.PLANNED, committed=False, steps=deployed.steps[:2])
    text = render(planned, colour=False, verbose=True)
    assert (
        "  + create table users  schema/tables.sql:1\n"
        "      CREATE TABLE users (\n        id TEXT PRIMARY KEY\n      );\n" in text
    )


DROP = HazardLine(
    HazardName.DROP_TABLE, "old", 12, Severity.NEEDS_APPROVAL, approved=False, text="drop-table old: gone (12 rows)"
)
FORBIDS = HazardLine(
    HazardName.ADD_NOT_NULL, "t.a", 2, Severity.BLOCKED, approved=False, text="add-not-null t.a: null (2 rows)"
)
REWRITE = HazardLine(
    HazardName.REWRITE_TABLE, "users", 9, Severity.WARNING, approved=True, text="rewrite-table users: slow (9 rows)"
)
REBUILD = (
    StepLine(StepKind.RUN_SCRIPT, "clean", "DELETE FROM t;\nDELETE FROM u", (), "schema/scripts/clean.sql"),
    StepLine(StepKind.DROP_VIEW_TEMPORARILY, "v", 'DROP VIEW "v"'),
    StepLine(StepKind.REBUILD_TABLE, "users", "CREATE TABLE a (x);\nDROP TABLE b", (REWRITE,)),
    StepLine(StepKind.RECREATE_VIEW, "v", "CREATE VIEW v AS SELECT 1"),
)


def test_what_is_set_aside_and_restored_is_one_line_and_every_step_of_json(deployed: Report) -> None:
    done = replace(deployed, steps=REBUILD)
    for text in (render(done, colour=False), render(replace(done, status=Status.PLANNED), colour=False)):
        assert text.count("dropped and recreated") == 1
        assert "  ~ 1 view dropped and recreated\n" in text
        assert "CREATE VIEW v" not in text
    assert [step["kind"] for step in done.as_json()["steps"]] == [step.kind for step in REBUILD]


def test_plan_shows_each_object_and_hazard_once_with_scripts_and_rebuilds_that_change_nothing(deployed: Report) -> None:
    changed = ObjectChange("changed", "table", "users", parts=(PartChange("column a", "INT", "TEXT"),))
    steps = (*REBUILD, StepLine(StepKind.REBUILD_TABLE, "other", "SELECT 1", (DROP,)))
    planned = replace(deployed, status=Status.PLANNED, committed=False, steps=steps, changes=(changed,))
    text = render(planned, colour=False)
    assert (
        "  ~ table users\n      ~ column a: INT → TEXT\n"
        "  ~ run script     1  clean\n"
        "  ~ rebuild table  1  other\n"
        "  ~ 1 view dropped and recreated\n"
        "  ! warning: rewrite-table users: slow (9 rows)\n"
        "  ✗ needs approval: drop-table old: gone (12 rows)\n\n" in text
    )
    assert "CREATE" not in text
    blocked = replace(planned, status=Status.BLOCKED, error=ErrorLine(ErrorCode.HAZARD_BLOCKED, f"No:\n  {DROP.text}"))
    assert render(blocked, colour=False).count(DROP.text) == 1


def test_verbose_plan_shows_every_statement_of_a_rebuild_on_lines_of_its_own(deployed: Report) -> None:
    planned = replace(deployed, status=Status.PLANNED, committed=False, steps=REBUILD, rows_to_write=9)
    text = render(planned, colour=False, verbose=True)
    assert (
        "  ~ run script clean  schema/scripts/clean.sql\n"
        "      DELETE FROM t;\n      DELETE FROM u;\n\n"
        "  ~ rebuild table users\n"
        "  ! warning: rewrite-table users: slow (9 rows)\n"
        "      CREATE TABLE a (x);\n      DROP TABLE b;\n\n"
        "  ~ 1 view dropped and recreated\n" in text
    )
    assert "  writes      about 9 rows\n" in text


def test_of_a_script_of_thousands_of_lines_the_first_are_shown_and_the_rest_is_counted(deployed: Report) -> None:
    sql = ";\n".join(f"DELETE FROM t WHERE id = {number}" for number in range(1200))
    report = replace(deployed, steps=(StepLine(StepKind.RUN_SCRIPT, "clean", sql),))
    text = render(report, colour=False, verbose=True)
    assert "      DELETE FROM t WHERE id = 199;\n      … and 1,000 more lines\n" in text
    assert "id = 200" not in text
    assert report.as_json()["steps"][0]["sql"] == sql


def test_the_definitions_of_what_is_no_table_stand_below_each_other(deployed: Report) -> None:
    was, now = "CREATE INDEX i ON t (a)", "CREATE INDEX i ON t (a, b)"
    changes = (
        ObjectChange("changed", "index", "i", parts=(PartChange("definition", was, now),)),
        ObjectChange("changed", "table", "t", parts=(PartChange("column a", "INT", "TEXT"),)),
    )
    report = replace(deployed, status=Status.PLANNED, changes=changes)
    text = render(report, colour=False)
    assert f"  ~ index i\n      - {was}\n      + {now}\n  ~ table t\n      ~ column a: INT → TEXT\n" in text
    assert f"\n! index i\n-   {was}\n+   {now}\n! table t\n" in summary(report)


def test_an_adoption_names_the_files_that_it_wrote(deployed: Report) -> None:
    files = tuple(StepLine(StepKind.WRITE_FILE, name, "") for name in ("users.sql", "manifest.yml"))
    text = render(replace(deployed, status=Status.PULLED, committed=False, steps=files), colour=False)
    assert "  + write file  2  users.sql, manifest.yml\n" in text


def test_checks_that_failed_come_first(failed: Report) -> None:
    text = render(failed, colour=False)
    assert "  ✗ tables                   13        12\n" in text
    assert "  ✗ rows of questions      >=50        45\n" in text
    assert text.count("rows of questions") == 1
    lost = CheckLine("rows lost from users", False, "0", "3")
    text = render(replace(failed, checks=(*failed.checks, lost)), colour=False)
    assert "  ✗ rows lost from users: expected 0, found 3\n  ✔ 2 checks passed\n" in text


def test_a_check_names_what_is_wrong_below_it(deployed: Report) -> None:
    check = CheckLine("foreign-key violations added in c", False, "0", "1", ("c, rowid 7: p references no row in q",))
    report = replace(deployed, status=Status.FAILED, committed=False, checks=(check,))
    assert ": expected 0, found 1\n      c, rowid 7: p references no row in q\n" in render(report, colour=False)
    assert "c, rowid 7: p references no row in q |" in summary(report)


def test_a_failure_ends_with_what_where_whether_it_changed_and_what_to_do(failed: Report) -> None:
    assert render(failed, colour=False).endswith(
        "  error       the manifest expects 13 tables, and the database would have 12\n"
        "                users\n"
        "                questions\n"
        "  where       schema/manifest.yml:4:11\n"
        "  outcome     nothing was changed\n"
        "  to do       Correct expect: in the manifest, or add the table that is missing.\n"
        "  code        manifest-mismatch\n"
    )


def test_an_unknown_outcome_has_its_own_sign(failed: Report) -> None:
    assert render(replace(failed, committed=None), colour=False).startswith("? Failed: it is unknown")


def test_colour_changes_nothing_but_colour(deployed: Report, failed: Report) -> None:
    for report in (deployed, failed, replace(deployed, status=Status.PLANNED)):
        coloured = render(report, colour=True)
        assert COLOUR.search(coloured)
        assert COLOUR.sub("", coloured) == render(report, colour=False)


@given(st.text(st.one_of(st.sampled_from("\x1b\n\r\x9b\u202e[m"), st.characters()), min_size=1))
def test_nothing_in_a_report_can_steer_the_terminal(text: str) -> None:
    report = Report(
        command="plan",
        status=Status.FAILED,
        committed=False,
        database=text,
        deployment_id=text,
        schema_version=text,
        steps=(
            StepLine(
                StepKind.CREATE_TABLE,
                text,
                text,
                (HazardLine(HazardName.DROP_TABLE, text, 1, Severity.BLOCKED, None, text),),
                text,
            ),
        ),
        counts={text: CountLine(text, 1)},
        checks=(CheckLine(text, False, text, text),),
        seeds=(SeedLine(text, 1, 1),),
        notices=(text,),
        error=ErrorLine(ErrorCode.INTERNAL, text, text, text, 1),
    )
    planned = replace(report, status=Status.PLANNED, blocked_by=report.error, error=None)
    for shown in (render(report, colour=False), render(planned, colour=False)):
        assert all(c.isprintable() or c in "\n\u200d" for c in shown)
        assert shown.encode()
