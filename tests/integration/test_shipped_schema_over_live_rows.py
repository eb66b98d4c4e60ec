"""The shipped schema over the owners' live database: everything missing is added, and no row is changed."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.live_database import SeededRows, build, dump
from tests.support.schema_folders import SHIPPED, shipped_project
from turso_deploy.core.transaction import Value
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, SeedLine, Status

ADDED = {"create index": 32, "create view": 3, "create trigger": 2}
DECISION = re.compile(r"^seeds:\n(?:  .*\n)+", re.MULTILINE)
Dump = dict[str, list[tuple[Value, ...]]]


@pytest.fixture
def seeded(target: DatabaseUnderTest) -> dict[str, SeededRows]:
    """The live database in place, and which of the seeds it holds."""
    return build(target)


def lines(report: Report) -> dict[str, SeedLine]:
    return {line.table: line for line in report.seeds}


def without_decision(folder: Path, **edited: tuple[str, str]) -> Project:
    """The shipped folder without its decision about existing rows, and with edited seed files."""
    shutil.copytree(SHIPPED, folder)
    manifest = folder / "manifest.yml"
    text, found = DECISION.subn("", manifest.read_text(encoding="utf-8"))
    assert found == 1
    manifest.write_text(text, encoding="utf-8")
    for table, (old, new) in edited.items():
        [file] = (folder / "seeds").glob(f"{table}.*")
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
    return load_project(folder)


def assert_only_added(before: Dump, after: Dump, added: dict[str, int]) -> None:
    """Every row from before is there with the same bytes, and each table has only the added rows more."""
    assert set(after) - set(before) == {"schema_deployments"}
    for table, rows in before.items():
        if table == "sqlite_sequence":
            assert set(rows) <= set(after[table])
        elif table:
            old = set(rows)
            assert [row for row in after[table] if row in old] == rows, table
            assert len(after[table]) - len(rows) == added.get(table, 0), table
    assert [row for row in after[""] if row[0] != "schema_deployments"] == before[""]


def test_shipped_schema_over_the_live_database_changes_no_row(
    target: DatabaseUnderTest, seeded: dict[str, SeededRows]
) -> None:
    before = dump(target)
    assert sum(len(rows) for rows in before.values()) > 8_000
    reader = replace(target, token=target.read_only_token or target.token)
    planned = reader.plan(shipped_project())
    assert (planned.error, planned.status, planned.hazards) == (None, Status.PLANNED, ())
    assert planned.undecided == ()
    assert dump(target) == before

    report = target.deploy(shipped_project())
    assert (report.error, report.status, report.requests, report.hazards) == (None, Status.DEPLOYED, 3, ())
    assert Counter(step.kind for step in report.steps) == Counter(step.kind for step in planned.steps) == ADDED
    assert lines(report) == lines(planned)
    assert all(all(rows[:2]) for rows in seeded.values())
    assert sum(rows.missing for rows in seeded.values()) > 20
    for table, (same, changed, missing) in seeded.items():
        assert lines(report)[table] == SeedLine(table, missing + same + changed, missing, 0, same, changed)
    after = dump(target)
    assert_only_added(before, after, {table: rows.missing for table, rows in seeded.items()})

    again = target.deploy(shipped_project())
    assert (again.status, again.requests) == (Status.UNCHANGED, 1)
    assert target.verify(shipped_project()).status is Status.VERIFIED
    assert dump(target) == after


def test_live_rows_block_the_shipped_schema_without_its_decision(
    target: DatabaseUnderTest, seeded: dict[str, SeededRows], tmp_path: Path
) -> None:
    before = dump(target)
    undecided = without_decision(tmp_path / "schema")
    for report in (target.plan(undecided), target.deploy(undecided)):
        assert (report.status, report.exit_code, report.error and report.error.code) == (
            Status.BLOCKED,
            5,
            "hazard-blocked",
        )
        assert {(hazard.name, hazard.object): hazard.rows for hazard in report.hazards} == {
            ("overwrite-rows", table): rows.changed for table, rows in seeded.items()
        }
    assert dump(target) == before


def test_decision_can_be_removed_after_the_first_deployment(
    target: DatabaseUnderTest, seeded: dict[str, SeededRows], tmp_path: Path
) -> None:
    target.deploy(shipped_project())
    before = dump(target)
    edited = without_decision(
        tmp_path / "schema",
        certifications=(
            "Builds and runs data pipelines on AWS and keeps their data sound and safe.",
            "Builds pipelines.",
        ),
    )
    planned, report = target.plan(edited), target.deploy(edited)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 3)
    same, changed, missing = seeded["certifications"]
    expected = SeedLine("certifications", missing + same + changed, 0, 1, missing + same - 1, changed)
    assert lines(report)["certifications"] == lines(planned)["certifications"] == expected
    after = dump(target)
    assert len(set(after["certifications"]) - set(before["certifications"])) == 1
    assert {**after, "certifications": (), "schema_deployments": (), "sqlite_sequence": ()} == {
        **before,
        "certifications": (),
        "schema_deployments": (),
        "sqlite_sequence": (),
    }
