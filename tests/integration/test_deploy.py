"""A whole deployment, on a real sqld and in a file: what it leaves, what it costs, what it writes down."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import SHIPPED, SMALL, shipped_project, write_project
from turso_deploy import __version__
from turso_deploy.history.entries import Provenance
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import CountLine, Report, Status

ROOT = Path(__file__).parents[2]
DRIZZLE = (ROOT / "tests" / "cases" / "drizzle-2.2.0.sql").read_text(encoding="utf-8")


def objects(target: DatabaseUnderTest) -> dict[str, int]:
    """How many objects of each kind there are, without the deployment history and what SQLite makes by itself."""
    names = "sql IS NOT NULL AND name NOT LIKE 'sqlite%' AND name <> 'schema_deployments'"
    rows = target.rows(f"SELECT type, count(*) FROM sqlite_master WHERE {names} GROUP BY type")
    return {str(kind): int(str(count)) for kind, count in rows}


def counts(report: Report) -> dict[str, int | None]:
    return {kind: line.actual for kind, line in report.counts.items()}


def statements(body: Any) -> list[str]:
    """The SQL that one request carried."""
    return [step["stmt"]["sql"] for step in body["requests"][0]["batch"]["steps"]]


def drizzle_statements() -> list[str]:
    text = "\n".join(line for line in DRIZZLE.splitlines() if not line.startswith("--"))
    return [statement for statement in text.split(";") if statement.strip()]


def test_the_shipped_schema_deploys_with_its_seeds(target: DatabaseUnderTest) -> None:
    report = target.deploy(shipped_project())
    assert (report.status, report.committed, report.error) == (Status.DEPLOYED, True, None)
    assert counts(report) == {"tables": 12, "indexes": 33, "views": 3, "triggers": 2, "foreign_keys": 3}
    assert objects(target) == {"table": 12, "index": 33, "view": 3, "trigger": 2}
    for line in report.seeds:
        assert target.value(f'SELECT count(*) FROM "{line.table}"') == line.rows == line.written
    assert {line.table for line in report.seeds} == {seed.table for seed in shipped_project().seeds}
    assert report.checks
    assert all(check.ok for check in report.checks)


def test_a_deployment_is_two_requests_and_an_unchanged_database_is_one(target: DatabaseUnderTest) -> None:
    first = target.deploy(shipped_project())
    assert first.requests == 2
    at_the_proxy = target.proxy.requests
    second = target.deploy(shipped_project())
    assert (second.status, second.committed, second.requests) == (Status.UNCHANGED, False, 1)
    if not target.is_file:
        assert (at_the_proxy, target.proxy.requests) == (2, 3)


def test_an_unchanged_database_is_only_read(target: DatabaseUnderTest) -> None:
    target.deploy(shipped_project())
    before = target.dump()
    content = target.file.read_bytes() if target.is_file else b""
    assert target.deploy(shipped_project()).status is Status.UNCHANGED
    assert target.dump() == before
    if target.is_file:
        assert target.file.read_bytes() == content
    else:
        assert all(sql.startswith("SELECT ") for sql in statements(target.proxy.bodies[-1]))
        reply = json.loads(target.proxy.replies[-1])["results"][0]["response"]["result"]
        assert [result["rows_written"] for result in reply["step_results"]] == [0] * 11


def test_a_manifest_that_does_not_hold_leaves_an_empty_database_empty(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    folder = shutil.copytree(SHIPPED, tmp_path / "schema")
    manifest = folder / "manifest.yml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("tables: 12", "tables: 13"), encoding="utf-8")
    report = target.deploy(load_project(folder))
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, False, 1)
    assert report.counts["tables"] == CountLine("13", 12, ok=False)
    assert report.error is not None
    assert report.error.code == "manifest-mismatch"
    assert "tables: expected 13, would be 12" in report.error.message
    assert target.names() == set()
    if target.is_file:
        assert not target.file.exists()


def test_a_database_of_drizzle_is_only_added_to(target: DatabaseUnderTest) -> None:
    row = "INSERT INTO questions (id, question, answer, explanation, difficulty, channel, sub_channel, tags) "
    target.run(
        *drizzle_statements(),
        "CREATE TABLE coding_challenges (id TEXT PRIMARY KEY, title TEXT)",
        "CREATE INDEX idx_coding_challenges_title ON coding_challenges (title)",
        "INSERT INTO coding_challenges VALUES ('c1', 'two sum')",
        "INSERT INTO users (id, username, password) VALUES ('u1', 'ada', 'x')",
        row + "VALUES ('mine', 'q', 'a', 'e', 'easy', 'c', 's', '[]')",
        "INSERT INTO bot_runs (id, bot_name, started_at) VALUES (41, 'b', '2026-01-01T00:00:00.000Z')",
    )
    before = target.dump()
    report = target.deploy(shipped_project())
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 3)
    assert Counter(step.kind for step in report.steps) == {"create index": 32, "create view": 3, "create trigger": 2}
    after = target.dump()
    assert set(before["catalog"]) < set(after["catalog"])
    for table in ("coding_challenges", "users", "bot_runs"):
        assert after[table] == before[table]
    for table in ("questions", "sqlite_sequence"):
        assert set(before[table]) < set(after[table])
    assert target.deploy(shipped_project()).status is Status.UNCHANGED


def test_thousands_of_statements_are_still_two_requests(target: DatabaseUnderTest, tmp_path: Path) -> None:
    tables = (
        f"CREATE TABLE t{n} (a INTEGER PRIMARY KEY, b TEXT, c TEXT);\n"
        f"CREATE INDEX b{n} ON t{n} (b);\nCREATE INDEX c{n} ON t{n} (c);\n"
        for n in range(700)
    )
    report = target.deploy(write_project(tmp_path / "schema", {"tables.sql": "".join(tables)}))
    assert (report.status, len(report.steps), report.requests) == (Status.DEPLOYED, 2100, 2)
    assert target.proxy.requests == (0 if target.is_file else 2)
    assert objects(target) == {"table": 700, "index": 1400}


def test_the_history_says_what_was_deployed_by_whom(target: DatabaseUnderTest, tmp_path: Path) -> None:
    started = datetime.now(UTC)
    context = Provenance("c0ffee", "refs/heads/main", "https://github.com/o/r/actions/runs/7", "ada")
    report = target.deploy(write_project(tmp_path / "schema"), context)
    [row] = target.rows(
        "SELECT id, deployed_at, schema_version, schema_fingerprint, seeds_fingerprint, seeds, commit_sha, ref, "
        "run_url, actor, tool_version, managed_objects, plan_summary FROM schema_deployments"
    )
    identity, deployed_at, version, schema, seeds_fingerprint, seeds, *pipeline_columns, tool, managed, summary = row
    assert identity == report.deployment_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(deployed_at))
    assert abs((datetime.fromisoformat(str(deployed_at)) - started).total_seconds()) < 60
    assert version == report.schema_version == "1.0.0"
    fingerprint = re.compile("[0-9a-f]{64}")
    assert all(fingerprint.fullmatch(str(text)) for text in (schema, seeds_fingerprint))
    assert {table: bool(fingerprint.fullmatch(text)) for table, text in json.loads(str(seeds)).items()} == {
        "authors": True,
        "books": True,
    }
    assert pipeline_columns == ["c0ffee", "refs/heads/main", "https://github.com/o/r/actions/runs/7", "ada"]
    assert tool == __version__
    assert json.loads(str(managed)) == [
        "index idx_books_author",
        "table authors",
        "table books",
        "trigger trg_books_title",
        "view v_books",
    ]
    assert json.loads(str(summary)) == {"create table": 2, "create index": 1, "create view": 1, "create trigger": 1}


def test_outside_of_a_pipeline_the_history_leaves_the_pipeline_open(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    assert target.rows("SELECT commit_sha, ref, run_url, actor FROM schema_deployments") == [(None,) * 4]


def test_each_deployment_is_a_row_of_the_history_and_an_unchanged_one_is_none(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    first = target.deploy(write_project(tmp_path / "schema"))
    target.deploy(write_project(tmp_path / "schema"))
    second = target.deploy(write_project(tmp_path / "schema", views=SMALL["views.sql"] + "CREATE VIEW w AS SELECT 1;"))
    assert second.error is not None
    assert second.error.code == "manifest-mismatch"
    manifest = SMALL["manifest.yml"].replace("views: 1", "views: 2")
    views = SMALL["views.sql"] + "CREATE VIEW w AS SELECT 1 AS one;"
    third = target.deploy(write_project(tmp_path / "schema", views=views, manifest=manifest))
    assert third.status is Status.DEPLOYED
    ids = [identity for (identity,) in target.rows("SELECT id FROM schema_deployments ORDER BY number")]
    assert ids == [first.deployment_id, third.deployment_id]


def test_a_new_version_of_the_manifest_alone_is_written_down(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(write_project(tmp_path / "schema"))
    newer = write_project(tmp_path / "schema", manifest=SMALL["manifest.yml"].replace("1.0.0", "1.0.1"))
    report = target.deploy(newer)
    assert (report.status, report.requests, report.steps) == (Status.DEPLOYED, 2, ())
    assert target.deploy(newer).status is Status.UNCHANGED
    assert target.rows("SELECT schema_version FROM schema_deployments ORDER BY number") == [("1.0.0",), ("1.0.1",)]


def program(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The program as people and pipelines start it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TURSO_", "INPUT_", "GITHUB_"))}
    return subprocess.run(
        [sys.executable, "-m", "turso_deploy", *arguments],
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_program_deploys_and_exits_as_it_says(on_sqld: DatabaseUnderTest) -> None:
    place = {"TURSO_DATABASE_URL": on_sqld.url, "TURSO_AUTH_TOKEN": on_sqld.token, "TURSO_SCHEMA_PATH": str(SHIPPED)}
    pending = program("plan", "--check", **place)
    assert (pending.returncode, pending.stderr) == (3, "")
    assert on_sqld.names() == set()
    deployed = program("deploy", "--json", **place)
    assert (deployed.returncode, deployed.stderr) == (0, "")
    document = json.loads(deployed.stdout)
    assert (document["status"], document["committed"], document["requests"]) == ("deployed", True, 2)
    assert document["counts"]["indexes"] == {"expected": "33", "actual": 33, "ok": True}
    assert document["error"] is None
    assert program("plan", "--check", **place).returncode == 0
    verified = program("verify", **{**place, "TURSO_AUTH_TOKEN": on_sqld.read_only_token})
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "12" in verified.stdout
    on_sqld.run("DROP INDEX idx_questions_channel")
    broken = program("verify", **place)
    assert (broken.returncode, broken.stderr) == (4, "")
    assert "idx_questions_channel" in broken.stdout


@pytest.mark.parametrize("arguments", [("deploy", "--schema-path", "nowhere"), ("deploy", "--timeout", "soon")])
def test_wrong_input_exits_with_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    finished = program(*arguments, "--database-url", f"file:{tmp_path / 'database.db'}")
    assert (finished.returncode, finished.stderr) == (2, "")
    assert "Traceback" not in finished.stdout
    assert list(tmp_path.iterdir()) == []
