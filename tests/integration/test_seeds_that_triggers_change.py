"""Seeds of tables with triggers that assign their columns: an edit of the file reaches the row, and nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from turso_deploy.core.transaction import Value
from turso_deploy.deploy.preview import compare
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, SeedLine, Status

TABLE = "CREATE TABLE pages (id INTEGER PRIMARY KEY, title TEXT, slug TEXT);\n"
EVENTS = {
    "lower": "AFTER INSERT ON pages BEGIN UPDATE pages SET slug = lower(NEW.slug) WHERE id = NEW.id",
    "lower and update": "AFTER INSERT ON pages BEGIN UPDATE pages SET slug = lower(NEW.slug) WHERE id = NEW.id; END;\n"
    "CREATE TRIGGER again AFTER UPDATE OF slug ON pages WHEN NEW.slug IS NOT lower(NEW.slug) "
    "BEGIN UPDATE pages SET slug = lower(NEW.slug) WHERE id = NEW.id",
    "random": "AFTER INSERT ON pages BEGIN UPDATE pages SET slug = hex(randomblob(8)) WHERE id = NEW.id",
    "blob": "AFTER INSERT ON pages BEGIN UPDATE pages SET slug = randomblob(3) WHERE id = NEW.id",
    "real": "AFTER INSERT ON pages BEGIN UPDATE pages SET slug = random() / 7e3 WHERE id = NEW.id",
    "null": "AFTER INSERT ON pages BEGIN UPDATE pages SET slug = NULL WHERE id = NEW.id",
    "characters": "AFTER INSERT ON pages BEGIN UPDATE pages SET slug = 'Grüße 👋 \"q\" ' || NEW.slug WHERE id = NEW.id",
    "update of title": "AFTER UPDATE OF title ON pages BEGIN UPDATE pages SET slug = upper(NEW.slug) WHERE id = NEW.id",
    "other table": "AFTER INSERT ON pages BEGIN INSERT INTO log (page) VALUES (NEW.id); END;\nCREATE TRIGGER logged "
    "AFTER INSERT ON log BEGIN UPDATE pages SET slug = 'logged ' || slug WHERE id = NEW.page",
    "view": "AFTER INSERT ON pages BEGIN UPDATE shown SET slug = 'shown' WHERE id = NEW.id; END;\n"
    "CREATE TRIGGER logged INSTEAD OF UPDATE ON shown "
    "BEGIN UPDATE pages SET slug = NEW.slug || NEW.id WHERE id = NEW.id",
    "upsert": "AFTER INSERT ON pages WHEN NEW.slug NOT LIKE 'u-%' BEGIN INSERT INTO pages VALUES "
    "(NEW.id, NEW.title, 'u-' || NEW.slug) ON CONFLICT (id) DO UPDATE SET slug = excluded.slug",
}
ROWS = "id,title,slug\n1,One,First\n2,Two,Second\n3,Three,Third\n"
OVERWRITE = (Approval(HazardName.OVERWRITE_ROWS),)


def folder(path: Path, event: str, rows: str = ROWS, table: str = TABLE) -> Project:
    others = "CREATE TABLE log (page INTEGER);\nCREATE VIEW shown AS SELECT * FROM pages;\n"
    sql = f"{table}{others}CREATE TRIGGER changed {EVENTS[event]}; END;\n" if event else table + others
    files = {"schema.sql": sql, "seeds/pages.csv": rows}
    return load_project(write_folder(path / f"schema{len(list(path.iterdir()))}", files))


def rows(target: DatabaseUnderTest) -> list[tuple[Value, ...]]:
    return target.rows("SELECT id, title, slug FROM pages ORDER BY id")


def line(report: Report) -> SeedLine:
    [found] = report.seeds
    return found


@pytest.mark.parametrize("event", EVENTS)
def test_edit_in_any_column_reaches_the_row(target: DatabaseUnderTest, tmp_path: Path, event: str) -> None:
    report = target.deploy(folder(tmp_path, event))
    assert (report.error, target.deploy(folder(tmp_path, event)).requests) == (None, 1)
    third = rows(target)[2]
    for edit in ("First", "One", "First", "Two"):
        edited = folder(tmp_path, event, ROWS.replace(edit, f"{edit} {len(list(tmp_path.iterdir()))}"))
        planned, report = target.plan(edited), target.deploy(edited)
        assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 3), edit
        assert line(planned) == line(report)
        assert line(report).inserted == line(report).kept == 0
        assert target.deploy(edited).requests == 1
    assert rows(target)[2] == third


def test_edited_value_is_stored_and_then_unchanged(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path, "lower"))
    report = target.deploy(folder(tmp_path, "lower", ROWS.replace("First", "Home")))
    assert (report.error, line(report)) == (None, SeedLine("pages", 3, 0, 1, 2))
    assert rows(target) == [(1, "One", "Home"), (2, "Two", "second"), (3, "Three", "third")]


def test_value_of_a_trigger_stays_while_another_column_is_edited(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path, "lower"))
    target.run("UPDATE pages SET slug = 'counted' WHERE id = 2")
    edited = folder(tmp_path, "lower", ROWS.replace("One", "1").replace("Two", "2"))
    report = target.deploy(edited)
    assert (report.error, line(report)) == (None, SeedLine("pages", 3, 0, 2, 1))
    assert rows(target) == [(1, "1", "first"), (2, "2", "counted"), (3, "Three", "third")]


@pytest.mark.parametrize("between", ["", "Third", "One", "Two"])
def test_value_that_the_application_wrote_is_a_hazard_once_the_file_changes_it(
    target: DatabaseUnderTest, tmp_path: Path, between: str
) -> None:
    target.deploy(folder(tmp_path, "lower"))
    target.run("UPDATE pages SET slug = 'app' WHERE id = 2")
    base = ROWS.replace(between, f"{between}!") if between else ROWS
    if between:
        assert target.deploy(folder(tmp_path, "lower", base)).error is None
    edited = folder(tmp_path, "lower", base.replace("Second", "New").replace("First", "Home"))
    for report in (target.plan(edited), target.deploy(edited)):
        assert (report.status, line(report).updated) == (Status.BLOCKED, 2)
        assert [hazard.rows for hazard in report.hazards] == [1]
    assert rows(target)[1][2] == "app"
    approved = target.deploy(edited, approvals=OVERWRITE)
    assert (approved.error, rows(target)[1][2]) == (None, "New")
    again = target.deploy(folder(tmp_path, "lower", base.replace("Second", "Newer").replace("First", "Home")))
    assert (again.error, rows(target)[1][2]) == (None, "Newer")


def test_unchanged_row_that_the_application_wrote_is_kept(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path, "lower"))
    target.run("UPDATE pages SET slug = 'app' WHERE id = 2")
    report = target.deploy(folder(tmp_path, "lower", ROWS + "4,Four,Fourth\n"))
    assert (report.error, line(report)) == (None, SeedLine("pages", 4, 1, 0, 2, 1))
    assert rows(target)[1:] == [(2, "Two", "app"), (3, "Three", "third"), (4, "Four", "fourth")]


def test_record_of_the_older_form_overwrites_nothing(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path, "lower"))
    target.run(
        "UPDATE schema_deployments SET seed_rows = (SELECT json_object('pages', json((SELECT json_group_array("
        "json_remove(json_set(part.value, '$.rows', json((SELECT json_group_array(json_remove(item.value, '$[3]', "
        "'$[2]')) FROM json_each(part.value, '$.rows') AS item))), '$.assigned')) "
        "FROM json_each(seed_rows, '$.pages') AS part))))"
    )
    assert "assigned" not in str(target.value("SELECT seed_rows FROM schema_deployments"))
    target.run("UPDATE pages SET slug = 'app' WHERE id = 2")
    report = target.deploy(folder(tmp_path, "lower", ROWS.replace("Second", "New").replace("Three", "3")))
    assert report.status is Status.BLOCKED
    assert [hazard.rows for hazard in report.hazards] == [1], "of the third row it is unknown who wrote the slug"
    report = target.deploy(folder(tmp_path, "lower", ROWS + "4,Four,Fourth\n"))
    assert (report.error, line(report)) == (None, SeedLine("pages", 4, 1, 0, 0, 3))
    assert rows(target)[:3] == [(1, "One", "first"), (2, "Two", "app"), (3, "Three", "third")]
    for edited in (ROWS.replace("Second", "New"), ROWS.replace("Third", "New")):
        assert target.deploy(folder(tmp_path, "lower", edited + "4,Four,Fourth\n")).status is Status.BLOCKED
    assert target.deploy(folder(tmp_path, "lower", ROWS.replace("Three", "3") + "4,Four,Fourth\n")).error is None
    assert rows(target)[2] == (3, "3", "third")


def test_trigger_that_is_new_or_gone_leaves_no_false_record(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(folder(tmp_path, ""))
    target.run("UPDATE pages SET slug = 'app' WHERE id = 2")
    added = folder(tmp_path, "lower", ROWS.replace("One", "1"))
    assert target.deploy(added).error is None
    assert rows(target) == [(1, "1", "First"), (2, "Two", "app"), (3, "Three", "Third")]
    blocked = target.deploy(folder(tmp_path, "lower", ROWS.replace("One", "1").replace("Second", "New")))
    assert blocked.status is Status.BLOCKED
    gone = folder(tmp_path, "", ROWS.replace("One", "11").replace("Third", "3rd"))
    assert target.deploy(gone, approvals=(Approval(HazardName.DOWNGRADE),)).error is None
    assert rows(target) == [(1, "11", "First"), (2, "Two", "app"), (3, "Three", "3rd")]
    assert target.deploy(folder(tmp_path, "", ROWS.replace("Second", "New"))).status is Status.BLOCKED


def test_unique_value_that_a_trigger_made_is_no_conflict(target: DatabaseUnderTest, tmp_path: Path) -> None:
    table = TABLE.replace("slug TEXT", "slug TEXT UNIQUE")
    target.deploy(folder(tmp_path, "lower", table=table))
    target.run("INSERT INTO pages VALUES (9, 'Nine', 'x')", "UPDATE pages SET slug = 'First' WHERE id = 9")
    report = target.deploy(folder(tmp_path, "lower", ROWS.replace("One", "1"), table))
    assert (report.error, line(report)) == (None, SeedLine("pages", 3, 0, 1, 2))
    assert rows(target)[0] == (1, "1", "first")
    conflicting = folder(tmp_path, "lower", ROWS.replace("Third", "taken"), table)
    target.run("UPDATE pages SET slug = 'taken' WHERE id = 9")
    assert [one.error and one.error.line for one in (target.plan(conflicting), target.deploy(conflicting))] == [4, 4]


def test_seeds_in_chunks_record_what_triggers_made_of_them(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    def many(edit: str = "") -> Project:
        lines = [f"{number},Title {number},{'X' * 40} {number}" for number in range(2_000)]
        return folder(
            tmp_path, "lower", "id,title,slug\n" + "\n".join(lines).replace(f" {edit}\n", f" {edit}!\n") + "\n"
        )

    small, target = replace(on_sqld, request_size=60_000), on_sqld
    first = small.deploy(many())
    assert (first.error, small.deploy(many()).requests) == (None, 1)
    target.run("UPDATE pages SET slug = 'app' WHERE id IN (1, 1999)")
    report = small.deploy(many("777"))
    assert (report.error, line(report)) == (None, SeedLine("pages", 2_000, 0, 1, 1_997, 2))
    slugs = target.rows("SELECT id, slug FROM pages WHERE id IN (0, 1, 777, 1999) ORDER BY id")
    assert slugs == [(0, f"{'x' * 40} 0"), (1, "app"), (777, f"{'X' * 40} 777!"), (1999, "app")]
    assert small.deploy(many("1")).status is Status.BLOCKED


def test_long_value_of_a_trigger_is_never_overwritten_without_approval(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    long = "L" * 600
    target.deploy(folder(tmp_path, "lower", ROWS.replace("First", long)))
    assert target.deploy(folder(tmp_path, "lower", ROWS.replace("First", long).replace("One", "1"))).error is None
    assert target.deploy(folder(tmp_path, "lower", ROWS.replace("One", "1"))).status is Status.BLOCKED
    assert rows(target)[0] == (1, "1", long.lower())


def test_comparison_with_a_folder_knows_what_its_triggers_made(tmp_path: Path) -> None:
    base = folder(tmp_path, "lower")
    report = compare(folder(tmp_path, "lower", ROWS.replace("First", "Home").replace("Two", "2")), base)
    assert (report.error, line(report)) == (None, SeedLine("pages", 3, 0, 2, 1))
