"""A deployment history with records of seeded rows that are damaged: nothing is overwritten because of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status
from turso_deploy.sql.lexer import quote_string

_ROW = [["a"], "x"]
_GROUP = {"key": ["id"], "columns": ["id", "name"], "rows": [_ROW]}
DAMAGED: dict[str, Any] = {
    "no JSON": "nonsense",
    "a word": '"nonsense"',
    "a number": "4711",
    "null": "null",
    "a list": "[1, 2]",
    "nothing": "",
    "another type of a table": json.dumps({"courses": "nonsense"}),
    "groups that are words": json.dumps({"courses": ["nonsense"]}),
    "a group without anything": json.dumps({"courses": [{}]}),
    "a key that is a word": json.dumps({"courses": [{**_GROUP, "key": "id"}]}),
    "a key that is null": json.dumps({"courses": [{**_GROUP, "key": None}]}),
    "columns that are a word": json.dumps({"courses": [{**_GROUP, "columns": "id"}]}),
    "columns that are null": json.dumps({"courses": [{**_GROUP, "columns": None}]}),
    "columns that are numbers": json.dumps({"courses": [{**_GROUP, "columns": [1, None, {}]}]}),
    "rows that are a word": json.dumps({"courses": [{**_GROUP, "rows": "id"}]}),
    "rows that are words": json.dumps({"courses": [{**_GROUP, "rows": ["a", None, {}, []]}]}),
    "keys that are words": json.dumps({"courses": [{**_GROUP, "rows": [["a", "x"], [{}, "x"], [None, "x"]]}]}),
    "hashes that are numbers": json.dumps({"courses": [{**_GROUP, "rows": [[["a"], 1], [["b"], None], [["c"]]]}]}),
    "partial records that are words": json.dumps({"courses\n0": "x", "courses\n": [], "\n": {}, "": 1}),
    "another table": json.dumps({"nothing": [_GROUP]}),
}
TABLE = "CREATE TABLE courses (id TEXT PRIMARY KEY NOT NULL, name TEXT);\n"
OVERWRITE = (Approval(HazardName.OVERWRITE_ROWS),)


def project(folder: Path, first: str) -> Project:
    return write_project(folder, {"t.sql": TABLE, "seeds/courses.csv": f"id,name\na,{first}\nb,Beta\n"})


def damage(target: DatabaseUnderTest, folder: Path, text: str) -> None:
    """Deploy the seeds, let the application edit one row, and damage the record."""
    report = target.deploy(project(folder / "first", "Alpha"))
    assert report.status is Status.DEPLOYED
    target.run(
        "UPDATE courses SET name = 'Live' WHERE id = 'a'",
        f"UPDATE schema_deployments SET seed_rows = {quote_string(text)}",
    )


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_damaged_record_overwrites_nothing_and_is_replaced_by_the_next_deployment(
    target: DatabaseUnderTest, tmp_path: Path, text: str
) -> None:
    damage(target, tmp_path, text)
    edited = project(tmp_path / "second", "Alpha 2")
    for report in (target.plan(edited), target.deploy(edited)):
        require_stopped(report)
    assert target.rows("SELECT name FROM courses ORDER BY id") == [("Live",), ("Beta",)]
    report = target.deploy(edited, approvals=OVERWRITE)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    report = target.deploy(project(tmp_path / "third", "Alpha 3"))
    assert (report.error, report.status) == (None, Status.DEPLOYED)


def require_stopped(report: Report) -> None:
    """Assert that a report is that of a deployment that would overwrite one row of the application."""
    assert (report.status, report.committed, report.exit_code) == (Status.BLOCKED, False, 5)
    assert [(hazard.name, hazard.rows) for hazard in report.hazards] == [("overwrite-rows", 1)]
