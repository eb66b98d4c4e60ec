"""Whole runs that keep a comment on a pull request, as the events of GitHub start them."""

from __future__ import annotations

import io
import json
import os
import re
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.platform.github import READER, WORKFLOW, WRITER, Github
from tests.platform.server import Answer
from tests.support.databases import QUICK
from tests.support.schema_folders import write_folder
from turso_deploy.cli.run import run

HEAD, MERGED = "a" * 40, "b" * 40
OF_PULL_REQUEST = {"number": 7, "pull_request": {"number": 7, "head": {"sha": HEAD}}}
TABLE = "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT);"
NARROWER = "CREATE TABLE a (id INTEGER PRIMARY KEY);"


@dataclass
class Done:
    """One run: its exit status, its log, its outputs and its summary."""

    status: int
    log: str
    outputs: dict[str, str]
    summary: str

    @property
    def heading(self) -> str:
        return self.summary.partition("\n")[0]


@dataclass
class Workflow:
    """Runs the program on a runner, with its database in a file."""

    github: Github
    folder: Path
    event: dict[str, Any] = field(default_factory=lambda: dict(OF_PULL_REQUEST))
    variables: dict[str, str] = field(default_factory=dict)

    def __call__(self, command: str, schema: str, manifest: str = "schema_version: 1.0.0", **settings: str) -> Done:
        write_folder(self.folder / "schema", {"a.sql": schema, "manifest.yml": manifest})
        outputs, summary, event = (self.folder / name for name in ("outputs", "summary", "event.json"))
        for path in (outputs, summary):
            path.write_text("")
        event.write_text(json.dumps(self.event))
        given = {
            "command": command,
            "schema-path": str(self.folder / "schema"),
            "database-url": f"file:{self.folder / 'a.db'}",
            "comment": "true",
            "github-token": WORKFLOW,
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_WORKSPACE": str(self.folder),
            "GITHUB_API_URL": self.github.url,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "acme/quiz",
            "GITHUB_RUN_ID": "1",
            "GITHUB_SHA": MERGED,
            **self.variables,
            **{f"INPUT_{name.upper()}": value for name, value in given.items()},
        }
        log = io.StringIO()
        status = run({}, environment, log, log, QUICK)
        found = re.findall(r"^(\S+)<<(\S+)\n(.*?)\n?\2$", outputs.read_text(), re.MULTILINE | re.DOTALL)
        return Done(status, log.getvalue(), {name: value for name, _, value in found}, summary.read_text())

    @property
    def comments(self) -> list[str]:
        return [comment["body"] for comment in self.github.comments.get(7, [])]

    @property
    def headings(self) -> list[str]:
        """The first line of each comment after its marker."""
        return [body.split("\n")[1] for body in self.comments]

    def fill(self) -> None:
        with sqlite3.connect(self.folder / "a.db") as connection:
            connection.execute("INSERT INTO a VALUES (1, 'x')")


@pytest.fixture
def workflow(github: Github, tmp_path: Path) -> Workflow:
    return Workflow(github, tmp_path)


def test_one_comment_follows_the_pull_request_from_the_plan_to_the_deployment(workflow: Workflow) -> None:
    first = workflow("plan", TABLE)
    assert (first.status, workflow.headings) == (0, [first.heading])
    workflow("deploy", TABLE, comment="false")
    workflow.fill()

    blocked = workflow("plan", NARROWER, "schema_version: 1.1.0")
    assert (blocked.status, blocked.outputs["blocked"]) == (5, "true")
    assert workflow.headings == [blocked.heading]
    assert "approve:\n  1.1.0:\n    - drop-column:a.name" in workflow.comments[0]

    approved = workflow("plan", NARROWER, "schema_version: 1.1.0\napprove: {1.1.0: [drop-column:a.name]}")
    assert (approved.status, approved.outputs["blocked"]) == (0, "false")
    assert workflow.headings == [approved.heading]

    workflow.github.pull_request(7, HEAD, MERGED)
    workflow.event = {"ref": "refs/heads/main"}
    workflow.variables = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "GITHUB_RUN_ID": "9"}
    deployed = workflow("deploy", NARROWER, "schema_version: 1.1.0\napprove: {1.1.0: [drop-column:a.name]}")
    assert deployed.status == 0
    assert deployed.heading.startswith("## ✅ Deployed 1.0.0 &#45;&#62; 1.1.0")
    assert workflow.headings == [deployed.heading]
    assert "(https://github.com/acme/quiz/actions/runs/9)" in workflow.comments[0]
    assert f"(https://github.com/acme/quiz/commit/{MERGED})" in workflow.comments[0]
    addresses = {one.outputs["comment-url"] for one in (first, blocked, approved, deployed)}
    assert addresses == {"https://github.com/acme/quiz/pull/7#issuecomment-1"}


@pytest.mark.parametrize(
    ("sql", "settings"),
    [
        ("CREATE TABLE a (id INTEGER PRIMARY KEY", {}),
        (TABLE, {"allow_hazards": "drop-tabel"}),
        (TABLE, {"timeout": "soon"}),
        (TABLE, {"sql": "true", "dry_run": "true"}),
        (TABLE, {"version_from_tag": "true"}),
    ],
)
def test_run_that_fails_early_replaces_the_comment_and_is_replaced(
    workflow: Workflow, sql: str, settings: dict[str, str]
) -> None:
    workflow("plan", TABLE)
    failed = workflow("plan", sql, **settings)
    assert failed.status == 2
    assert workflow.headings == [failed.heading]
    assert "Failed" in failed.heading
    assert "a.db</code> · schema <code>" in workflow.comments[0]
    assert failed.outputs["comment-url"].endswith("#issuecomment-1")
    again = workflow("plan", TABLE)
    assert workflow.headings == [again.heading]
    assert "Planned" in again.heading


def test_comment_says_what_the_summary_says(workflow: Workflow) -> None:
    for sql in (TABLE, NARROWER, "CREATE VIEW v AS SELECT 1 AS one;\n" + TABLE):
        for command in ("plan", "deploy", "plan", "verify"):
            done = workflow(command, sql)
            assert workflow.comments[0].partition("\n")[2].startswith(done.summary.rstrip("\n"))


@pytest.mark.parametrize(
    ("name", "ref", "event"),
    [
        ("pull_request_target", "refs/heads/main", OF_PULL_REQUEST),
        ("pull_request", "refs/heads/main", OF_PULL_REQUEST),
        ("merge_group", f"refs/heads/gh-readonly-queue/main/pr-7-{HEAD}", {"merge_group": {"head_sha": HEAD}}),
        ("issue_comment", "refs/heads/main", {"issue": {"number": 7, "pull_request": {}}}),
        ("workflow_run", "refs/heads/main", {"workflow_run": {"head_sha": HEAD, "pull_requests": [{"number": 7}]}}),
    ],
)
def test_events_about_a_pull_request_have_the_comment(
    workflow: Workflow, name: str, ref: str, event: dict[str, Any]
) -> None:
    workflow.event, workflow.variables = event, {"GITHUB_EVENT_NAME": name, "GITHUB_REF": ref}
    done = workflow("plan", TABLE)
    assert workflow.headings == [done.heading]
    assert "No comment" not in done.summary


def test_workflow_run_of_a_fork_finds_its_pull_request_by_the_commit(workflow: Workflow) -> None:
    workflow.github.pull_request(7, HEAD)
    workflow.event = {"workflow_run": {"head_sha": HEAD, "pull_requests": []}}
    workflow.variables = {"GITHUB_EVENT_NAME": "workflow_run"}
    assert [workflow("plan", TABLE).heading] == workflow.headings


@pytest.mark.parametrize("name", ["schedule", "issue_comment", "push"])
def test_run_without_a_pull_request_says_why_there_is_no_comment(workflow: Workflow, name: str) -> None:
    workflow.event, workflow.variables = {"issue": {"number": 7}}, {"GITHUB_EVENT_NAME": name}
    done = workflow("plan", TABLE)
    assert (done.status, workflow.comments, done.outputs["comment-url"]) == (0, [], "")
    assert "comment" in done.summary.lower()


@pytest.mark.parametrize("content", [None, b"", b'{"pull_request": {"num', b"[]", b"\xff", b"7"])
def test_event_file_that_cannot_be_used_fails_no_run(
    workflow: Workflow, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = workflow.folder / "other.json"
    if content is not None:
        path.write_bytes(content)
    workflow.variables = {"GITHUB_EVENT_PATH": str(path), "GITHUB_REF": "refs/heads/main"}
    done = workflow("deploy", TABLE)
    assert (done.status, done.outputs["status"], workflow.comments) == (0, "deployed", [])
    assert "No comment was written: the event file" in done.summary
    path.unlink(missing_ok=True)
    path.mkdir()
    assert "cannot be read (it is not a regular file)" in workflow("plan", TABLE).log
    path.rmdir()
    path.touch()
    os.truncate(path, 33 * 1024 * 1024)
    assert "cannot be read (File too large)" in workflow("plan", TABLE).log
    workflow.variables["GITHUB_REF"] = "refs/pull/7/merge"
    workflow("plan", TABLE)
    assert len(workflow.comments) == 1


def test_comment_of_an_outsider_is_neither_updated_nor_believed(workflow: Workflow) -> None:
    done = workflow("plan", TABLE)
    [body] = workflow.comments
    workflow.github.comments.clear()
    workflow.github.comment(7, "mallory", body)
    again = workflow("plan", TABLE)
    assert [one["user"]["login"] for one in workflow.github.comments[7]] == ["mallory", "github-actions[bot]"]
    assert again.heading == done.heading
    workflow("plan", NARROWER)
    assert workflow.comments[0] == body
    assert len(workflow.comments) == 2


def test_runs_at_the_same_time_leave_one_comment(workflow: Workflow) -> None:
    workflow("plan", TABLE)
    workflow.github.comment(7, "github-actions[bot]", workflow.comments[0])
    workflow.github.comment(7, "github-actions[bot]", "hello\n## of another program")
    done = workflow("plan", "CREATE TABLE a (")
    assert len(workflow.comments) == 2
    assert workflow.headings[0] == done.heading
    assert workflow.comments[1] == "hello\n## of another program"


def test_comment_of_another_token_needs_its_author(workflow: Workflow) -> None:
    done = workflow("plan", TABLE, github_token=WRITER)
    assert "comment-author" in done.summary
    assert "::warning" in done.log
    for _ in range(2):
        done = workflow("plan", TABLE, github_token=WRITER, comment_author="octocat")
        assert "comment-author" not in done.summary
    assert len(workflow.comments) == 1


def test_comment_without_permission_is_an_annotation(workflow: Workflow) -> None:
    done = workflow("plan", TABLE, github_token=READER)
    assert (done.status, done.outputs["comment-url"]) == (0, "")
    [line] = [line for line in done.log.splitlines() if line.startswith("::warning")]
    assert "pull-requests: write" in line


def test_secondary_rate_limit_is_waited_for(workflow: Workflow) -> None:
    limited = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}
    workflow.github.faults.add("(GET|POST) .*comments", Answer(403, limited, {"Retry-After": "0"}), times=2)
    done = workflow("plan", TABLE)
    assert workflow.headings == [done.heading]
    workflow.github.faults.add("GET .*comments", Answer(403, limited))
    limited_run = workflow("plan", TABLE, timeout="5")
    [line] = [line for line in limited_run.log.splitlines() if line.startswith("::warning")]
    assert "rate limit" in line
    assert "pull-requests: write" not in line


@pytest.mark.parametrize("commented", ["true", "false"])
def test_report_file_is_the_json_report(workflow: Workflow, commented: str) -> None:
    done = workflow("plan", TABLE, comment=commented)
    report = json.loads((workflow.folder / done.outputs["report-path"]).read_text())
    assert (report["status"], report["plan_fingerprint"]) == ("planned", done.outputs["plan-fingerprint"])
    assert (report["comment_url"] or "") == done.outputs["comment-url"]
    failed = workflow("plan", "CREATE", comment=commented)
    assert json.loads((workflow.folder / failed.outputs["report-path"]).read_text())["exit_code"] == failed.status == 2
    assert failed.outputs["report-path"] != done.outputs["report-path"]
