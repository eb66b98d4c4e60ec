"""How many rows a plan says that it writes, next to how many the server says that it wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.plan.hazards import parse_approvals
from turso_deploy.report.document import Status

ROWS = 2_000
MANIFEST = {"manifest.yml": "schema_version: 1.0.0\n"}
BEFORE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT{});\nCREATE INDEX by_a ON t (a);\n"
UNIQUE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c TEXT UNIQUE);\nCREATE INDEX by_a ON t (a);\n"
GONE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, c TEXT);\nCREATE INDEX by_a ON t (a);\n"
RENAMED = "-- @renamed from=t\n" + GONE.replace(" t ", " u ")


@pytest.mark.parametrize(
    ("after", "times", "kinds"),
    [
        (BEFORE.format(""), 0, []),
        (BEFORE.format("") + "CREATE INDEX by_c ON t (c);\n", 1, ["create index"]),
        (GONE, 1, ["drop column"]),
        (BEFORE.format(" CHECK (c <> '')"), 2, ["rebuild table", "recreate index"]),
        (UNIQUE, 3, ["rebuild table", "recreate index"]),
        (RENAMED.replace("c TEXT", "c TEXT CHECK (c <> '')"), 2, ["rename table", "rebuild table", "recreate index"]),
        (BEFORE.format(", d TEXT"), 0, ["add column"]),
    ],
)
def test_the_rows_that_a_plan_writes_are_those_that_the_server_wrote(
    on_sqld: DatabaseUnderTest, tmp_path: Path, after: str, times: int, kinds: list[str]
) -> None:
    before = write_project(tmp_path / "before", {**MANIFEST, "t.sql": BEFORE.format("")})
    assert on_sqld.deploy(before).status is Status.DEPLOYED
    numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
    on_sqld.run(f"{numbers} INSERT INTO t SELECT i, 'a' || i, nullif(i % 2, 0), 'c' || i FROM n")
    project = write_project(tmp_path / "after", {**MANIFEST, "t.sql": after})
    plan = on_sqld.plan(project)
    assert [step.kind for step in plan.steps] == kinds
    assert plan.rows_to_write == times * ROWS
    report = on_sqld.deploy(project, approvals=parse_approvals("drop-column"))
    assert report.error is None
    written = _rows_written(json.loads(on_sqld.proxy.replies[-1]))
    assert (
        times * ROWS <= written <= times * ROWS + 100
    )  # the catalog, the deployment history and the figures of the proof


def _rows_written(reply: object) -> int:
    """What the server says of all statements of a reply."""
    if isinstance(reply, list):
        return sum(map(_rows_written, reply))
    if isinstance(reply, dict):
        own = reply.get("rows_written", 0)
        return int(own or 0) + sum(map(_rows_written, reply.values()))
    return 0


def test_a_plan_of_an_index_counts_the_rows_of_its_table_and_a_deployment_asks_no_more(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(write_project(tmp_path / "before", {**MANIFEST, "t.sql": BEFORE.format("")}))
    target.run("INSERT INTO t (a) VALUES (1), (2)")
    after = write_project(
        tmp_path / "after", {**MANIFEST, "t.sql": BEFORE.format("") + "CREATE INDEX by_c ON t (c);\n"}
    )
    plan = target.plan(after)
    assert (plan.rows_to_write, plan.requests) == (2, 2)
    assert target.deploy(after).requests == 2
