"""Approvals in the manifest: for which databases they count, what the hint says, and what is left over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.json_reports import parse_report
from tests.support.schema_folders import write_project
from turso_deploy.core.errors import ProjectError
from turso_deploy.deploy import preview
from turso_deploy.github.annotations import Level, annotations_of
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.project.project import Project
from turso_deploy.report.document import HazardLine, Report, Status

WITH_NOTE = "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT, note TEXT);"
WITHOUT_NOTE = "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT);"


def project(folder: Path, sql: str, manifest: str) -> Project:
    return write_project(folder, {"tables.sql": sql, "manifest.yml": manifest})


def at_version(target: DatabaseUnderTest, folder: Path, version: str | None) -> None:
    """Deploy the table with its column `note` and two rows."""
    target.deploy(project(folder, WITH_NOTE, f"schema_version: {version}" if version else "{}"))
    target.run("INSERT INTO t VALUES (1, NULL, 'a'), (2, 'x', 'b')")


def hint(report: Report) -> str:
    assert report.error is not None
    return report.error.hint or ""


def hazard(report: Report) -> HazardLine:
    [found] = [line for step in report.steps for line in step.hazards if line.name == "drop-column"]
    return found


@pytest.mark.parametrize(
    ("database", "folder", "approved", "counts"),
    [
        ("2.2.0", "2.3.0", "2.3.0", True),
        ("2.1.0", "2.4.0", "2.3.0", True),
        ("2.3.0-rc.1", "v2.3.0", "2.3.0", True),
        ("2.3.0", "2.3.0", "2.3.0", False),
        ("2.3.0", "2.4.0", "2.3.0", False),
        ("2.2.0", "2.3.0", "2.4.0", False),
        ("2.2.0", "2.3.0-rc.1", "2.3.0", False),
        (None, "2.3.0", "2.3.0", False),
        ("spring", "summer", "summer", True),
        ("spring", "summer", "spring", False),
        ("summer", "summer", "summer", False),
        ("spring", "2.3.0", "2.3.0", True),
        ("spring", "2.3.0", "2.2.0", False),
        ("2.2.0", "summer", "summer", True),
        ("2.2.0", "summer", "2.3.0", False),
    ],
)
def test_approval_in_the_manifest_counts_for_databases_below_its_version(
    in_file: DatabaseUnderTest, tmp_path: Path, database: str | None, folder: str, approved: str, counts: bool
) -> None:
    at_version(in_file, tmp_path / "before", database)
    manifest = f"schema_version: {folder}\napprove:\n  {approved}: [drop-column:t.note]\n"
    after = project(tmp_path / "after", WITHOUT_NOTE, manifest)
    plan = in_file.plan(after)
    assert (plan.status, plan.exit_code) == ((Status.PLANNED, 0) if counts else (Status.BLOCKED, 5))
    assert hazard(plan).approved is counts
    assert hazard(plan).approved_by == (f"manifest approve {approved}" if counts else None)
    deployed = in_file.deploy(after)
    assert deployed.status is (Status.DEPLOYED if counts else Status.BLOCKED)
    if not counts:
        assert "does not count" in hint(deployed)
        assert deployed.error == plan.error


def test_approval_in_the_manifest_is_reviewed_applied_and_needs_no_cleaning_up(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    at_version(target, tmp_path / "before", "2.2.0")
    manifest = "schema_version: 2.3.0\napprove:\n  2.3.0:\n    - drop-column:t.note\n"
    after = project(tmp_path / "after", WITHOUT_NOTE, manifest)
    report = target.deploy(after)
    assert report.status is Status.DEPLOYED
    assert hazard(report).approved_by == "manifest approve 2.3.0"
    assert "approved (manifest approve 2.3.0): drop-column t.note" in {
        annotation.message.partition(": the")[0] for annotation in annotations_of(report)
    }
    parse_report(json.dumps(report.as_json()))
    # The entry stays in the folder: it neither shows up again nor approves the column if that returns by hand.
    again = target.deploy(after)
    assert (again.status, again.notices, again.annotated) == (Status.UNCHANGED, (), ())
    target.run("ALTER TABLE t ADD COLUMN note TEXT", "UPDATE t SET note = 'kept'")
    later = project(
        tmp_path / "later", WITHOUT_NOTE, manifest.replace("schema_version: 2.3.0", "schema_version: 2.4.0")
    )
    assert target.deploy(later).status is Status.BLOCKED
    assert target.value("SELECT count(note) FROM t") == 2


def test_requests_stay_three_with_an_approval_in_the_manifest(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    at_version(on_sqld, tmp_path / "before", "2.2.0")
    manifest = "schema_version: 2.3.0\napprove: {2.3.0: [drop-column:t.note]}\n"
    assert on_sqld.deploy(project(tmp_path / "after", WITHOUT_NOTE, manifest)).requests == 3


def test_lines_of_the_hint_make_the_manifest_approve(target: DatabaseUnderTest, tmp_path: Path) -> None:
    columns = ("plain", "odd, name", "with # hash", 'say "hi"', "it's: so", "a.b")
    names = ", ".join('"' + name.replace('"', '""') + '" TEXT' for name in columns)
    before = f"CREATE TABLE t (id INTEGER PRIMARY KEY, {names});"
    target.deploy(project(tmp_path / "before", before, "schema_version: 1.0.0"))
    target.run(f"INSERT INTO t VALUES (1{', 1' * len(columns)})")
    after, manifest = "CREATE TABLE t (id INTEGER PRIMARY KEY);", "schema_version: 1.1.0\n"
    blocked = target.plan(project(tmp_path / "after", after, manifest))
    head, _, lines = hint(blocked).partition("/after/manifest.yml:\n")
    assert "To approve it with this version, add to" in head
    assert lines.startswith("approve:\n  1.1.0:\n    - drop-column:t.plain\n")
    approved = project(tmp_path / "after", after, manifest + lines)
    assert target.plan(approved).status is Status.PLANNED
    # The same lines work in `allow-hazards`, except for those that YAML has to quote.
    plain = "\n".join(line for line in lines.splitlines() if line.startswith("    - drop"))
    assert {approval.object for approval in parse_approvals(plain)} == {
        *("t.plain", "t.odd, name", 't."say ""hi"""', 't."a.b"')
    }


def test_hint_adds_to_the_approvals_that_are_there(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    at_version(in_file, tmp_path / "before", "2.2.0")
    other = project(tmp_path / "after", WITHOUT_NOTE, "schema_version: 2.3.0\napprove:\n  2.2.0: [drop-table:old]\n")
    assert "after/manifest.yml:2:\n  2.3.0:\n    - drop-column:t.note" in hint(in_file.plan(other))
    same = project(tmp_path / "after", WITHOUT_NOTE, "schema_version: 2.3.0\napprove:\n  2.3.0: [drop-table:old]\n")
    assert hint(in_file.plan(same)).endswith("after/manifest.yml:3:\n    - drop-column:t.note")


def test_hint_shows_the_flag_and_the_lines_of_the_manifest(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    at_version(in_file, tmp_path / "before", "2.2.0")
    text = hint(in_file.plan(project(tmp_path / "after", WITHOUT_NOTE, "schema_version: 2.3.0")))
    assert "(input `allow-hazards`): --allow-hazards drop-column:t.note\n" in text
    assert text.endswith("approve:\n  2.3.0:\n    - drop-column:t.note")


def test_hint_says_why_an_approval_in_the_manifest_would_not_count(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    at_version(in_file, tmp_path / "before", "2.2.0")
    same = in_file.plan(project(tmp_path / "after", WITHOUT_NOTE, "schema_version: 2.2.0"))
    assert hint(same).endswith(
        "An approval in the manifest would not count: the database is at 2.2.0 already.\n"
        "To approve it there, raise `schema_version` first."
    )
    none = in_file.plan(project(tmp_path / "after", WITHOUT_NOTE, "{}"))
    assert hint(none).endswith("To approve it in the manifest, set `schema_version` there first.")


def test_database_without_a_history_needs_allow_hazards(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    in_file.run(WITH_NOTE, "INSERT INTO t VALUES (1, NULL, 'a')")
    manifest = "schema_version: 2.3.0\napprove: {2.3.0: [drop-column:t.note]}\n"
    after = project(tmp_path / "after", WITHOUT_NOTE, manifest)
    assert "the version of the database is not known" in hint(in_file.plan(after))
    allowed = in_file.deploy(after, approvals=parse_approvals("drop-column:t.note"))
    assert (allowed.status, hazard(allowed).approved_by) == (Status.DEPLOYED, "allow-hazards")


def test_left_over_approvals_are_annotations(target: DatabaseUnderTest, tmp_path: Path) -> None:
    at_version(target, tmp_path / "before", "2.2.0")
    manifest = "schema_version: 2.3.0\napprove:\n  2.3.0:\n    - drop-column:t.note\n    - drop-table:misspelt\n"
    report = target.plan(
        project(tmp_path / "after", WITHOUT_NOTE, manifest), parse_approvals("drop-column:t.note,drop-table:gone")
    )
    assert report.status is Status.PLANNED
    notices = {one.message: one.place for one in annotations_of(report) if one.level is Level.NOTICE}
    assert set(notices) == set(report.notices)
    assert [text.split()[2] for text in notices] == ["drop-table:gone", "drop-table:misspelt"]
    of_input, in_manifest = notices.values()
    assert of_input is None
    assert in_manifest is not None
    assert (in_manifest.file.endswith("manifest.yml"), in_manifest.line) == (True, 5)


def test_comparison_of_folders_counts_the_approvals_of_the_manifest(tmp_path: Path) -> None:
    with (
        project(tmp_path / "base", WITH_NOTE, "schema_version: 2.2.0") as base,
        project(
            tmp_path / "head", WITHOUT_NOTE, "schema_version: 2.3.0\napprove: {2.3.0: [drop-column:t.note]}"
        ) as head,
    ):
        assert preview.compare(head, base).blocked_by is None
    with (
        project(tmp_path / "base", WITH_NOTE, "schema_version: 2.2.0") as base,
        project(tmp_path / "head", WITHOUT_NOTE, "schema_version: 2.3.0") as head,
    ):
        blocked = preview.compare(head, base).blocked_by
    assert blocked is not None
    assert (blocked.hint or "").endswith("    - drop-column:t.note")


def test_overwritten_rows_are_approved_in_the_manifest(target: DatabaseUnderTest, tmp_path: Path) -> None:
    sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);"
    files = {"tables.sql": sql, "seeds/t.csv": "id,name\n1,one\n", "manifest.yml": "schema_version: 1.0.0"}
    target.deploy(write_project(tmp_path / "before", files))
    target.run("UPDATE t SET name = 'mine'")
    files |= {"seeds/t.csv": "id,name\n1,two\n", "manifest.yml": "schema_version: 1.1.0"}
    assert target.deploy(write_project(tmp_path / "after", files)).status is Status.BLOCKED
    files["manifest.yml"] += "\napprove: {1.1.0: [overwrite-rows:t]}"
    assert target.deploy(write_project(tmp_path / "after", files)).status is Status.DEPLOYED
    assert target.value("SELECT name FROM t") == "two"


def test_deleted_rows_are_approved_in_the_manifest(target: DatabaseUnderTest, tmp_path: Path) -> None:
    sql = (
        "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);\n"
        "CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id) ON DELETE CASCADE);"
    )
    target.deploy(write_project(tmp_path / "before", {"tables.sql": sql, "manifest.yml": "schema_version: 1.0.0"}))
    target.run("INSERT INTO parents VALUES (1, 'a')", "INSERT INTO children VALUES (7, 1)")
    files = {
        "tables.sql": sql,
        "scripts/1.sql": "-- @run after\nDELETE FROM parents;",
        "manifest.yml": "schema_version: 1.1.0",
    }
    blocked = target.deploy(write_project(tmp_path / "after", files))
    assert blocked.status is Status.BLOCKED
    assert hint(blocked).endswith("approve:\n  1.1.0:\n    - delete-rows:children")
    files["manifest.yml"] += "\napprove: {1.1.0: [delete-rows:children]}"
    assert target.deploy(write_project(tmp_path / "after", files)).status is Status.DEPLOYED
    assert target.value("SELECT count(*) FROM children") == 0


@pytest.mark.parametrize(
    ("entries", "line", "told"),
    [
        ("  1.1.0: [drop-column:gone.a]", 3, "names the table gone (drop-column:gone.a), which no file defines"),
        ("  1.1.0:\n    - change-type:t.gone", 4, "names the column t.gone (change-type:t.gone)"),
        ("  1.1.0: [change-generated:gone.a]", 3, "the table gone"),
        ("  1.1.0: [overwrite-rows:gone]", 3, "the table gone"),
    ],
)
def test_approval_of_an_unknown_object_is_an_error_at_its_line(
    tmp_path: Path, entries: str, line: int, told: str
) -> None:
    with pytest.raises(ProjectError) as caught:
        project(tmp_path / "schema", WITH_NOTE, f"schema_version: 1.1.0\napprove:\n{entries}\n")
    assert told in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.line == line


def test_approval_of_an_earlier_version_may_name_what_is_gone(tmp_path: Path) -> None:
    manifest = "schema_version: 1.1.0\napprove: {1.0.0: [drop-column:gone.a, overwrite-rows:gone]}"
    assert len(project(tmp_path / "schema", WITH_NOTE, manifest).manifest.approvals) == 2
