"""The gate on a pull request, on a real runner: red, approved in the manifest, green, merged, deployed."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.act import run_workflow
from tests.e2e.engine import ROOT
from tests.platform.github import WORKFLOW, Github, running_github
from tests.support.sqld import Sqld
from turso_deploy.core.transaction import Query, Rows
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.github.outputs import OUTPUTS

pytestmark = pytest.mark.container

HEAD = "a" * 40
PULL_REQUEST = {
    "number": 7,
    "pull_request": {"number": 7, "head": {"ref": "change", "sha": HEAD}, "base": {"ref": "main"}},
}
PUSH = {"ref": "refs/heads/main"}
WIDE = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, nickname TEXT);"
NARROW = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);"
APPROVED = "schema_version: 1.1.0\\napprove:\\n  1.1.0:\\n    - drop-column:users.nickname\\n"


@dataclass
class Stage:
    """One run of the gate: the result of its job, and what a later step saw of the Action."""

    result: str
    outputs: dict[str, Any]

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = self.outputs["report"]
        return found


@dataclass
class Gate:
    """Runs the workflow on an event, with the schema folder of a stage."""

    sqld: Sqld
    github: Github
    folder: Path

    def __call__(self, event: str, payload: dict[str, Any], command: str, tables: str, manifest: str) -> Stage:
        run = run_workflow(
            ROOT / "tests/e2e/gate.yml",
            event,
            self.folder,
            *("--env", f"GITHUB_API_URL={self.github.url}", "--env", "GITHUB_REPOSITORY=acme/quiz"),
            payload=payload,
            variables={
                "COMMAND": command,
                "TABLES": tables,
                "MANIFEST": manifest,
                "DATABASE_URL": self.sqld.url,
            },
            secrets={"DATABASE_TOKEN": self.sqld.token(), "WORKFLOW_TOKEN": WORKFLOW},
        )
        shown = [
            message
            for step in run.steps.values()
            for _, properties, message in step.annotations
            if properties == "title=outputs"
        ]
        assert len(shown) == 1, run.log
        return Stage(run.jobs["gate"], json.loads(base64.b64decode(shown[0])))

    @property
    def comments(self) -> list[str]:
        return [comment["body"] for comment in self.github.comments.get(7, [])]


def test_pull_request_is_red_until_its_hazard_is_approved_and_the_merge_deploys_it(sqld: Sqld, tmp_path: Path) -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    database = HranaDatabase(sqld.url, sqld.token(), timeout=30)
    with running_github() as github:
        gate = Gate(sqld, github, tmp_path)
        github.pull_request(7, HEAD, commit.stdout.strip())
        github.pull_requests[commit.stdout.strip()][0]["number"] = 6  # the pull request before this one

        first = gate("push", PUSH, "deploy", WIDE, "schema_version: 1.0.0")
        assert first.result == "success"
        assert {name: first.outputs[name] for name in ("status", "changed", "would-change", "blocked", "pending")} == {
            **{"status": "deployed", "changed": "true", "would-change": "true", "blocked": "false", "pending": "false"}
        }
        [answer] = database.query([Query("INSERT INTO users VALUES (1, 'Ada', 'ada') RETURNING id")])
        assert isinstance(answer, Rows)

        red = gate("pull_request", PULL_REQUEST, "plan", NARROW, "schema_version: 1.1.0")
        assert red.result == "failure"
        assert {name: red.outputs[name] for name in ("database", "schema-path", "manifest-version")} == {
            **{"database": sqld.url, "schema-path": "gate", "manifest-version": "1.1.0"}
        }
        assert red.outputs["plan-fingerprint"].startswith(red.outputs["plan-fingerprint-short"])
        assert set(OUTPUTS) <= set(red.outputs)
        assert {name: red.outputs[name] for name in ("status", "error-code", "changed", "would-change", "blocked")} == {
            **{"status": "blocked", "error-code": "hazard-blocked", "changed": "false"},
            **{"would-change": "true", "blocked": "true"},
        }
        assert red.outputs["pending"] == "true"
        assert json.loads(red.outputs["changes"])["changed"] == 1
        [hazard] = [one for one in json.loads(red.outputs["hazards"]) if one["severity"] == "needs approval"]
        assert (hazard["name"], hazard["object"], hazard["rows"]) == ("drop-column", "users.nickname", 1)
        assert red.outputs["report-path"].endswith("plan-1.json")
        assert (red.outputs["same_owner"], red.report["status"], red.report["exit_code"]) == (True, "blocked", 5)
        assert red.report["plan_fingerprint"] == red.outputs["plan-fingerprint"]
        assert red.outputs["comment-url"] == github.comments[7][0]["html_url"]
        assert "- drop-column:users.nickname" in gate.comments[0]

        green = gate("pull_request_target", PULL_REQUEST, "plan", NARROW, APPROVED)
        assert green.result == "success"
        assert (green.outputs["status"], green.outputs["blocked"]) == ("planned", "false")
        approvals = {one["approved_by"] for one in json.loads(green.outputs["hazards"])}
        assert "manifest approve 1.1.0" in approvals
        assert green.outputs["plan-fingerprint"] == red.outputs["plan-fingerprint"]

        github.pull_requests[commit.stdout.strip()][0]["number"] = 7
        merged = gate("push", PUSH, "deploy", NARROW, APPROVED)
        assert merged.result == "success"
        assert (merged.outputs["status"], merged.outputs["previous-version"]) == ("deployed", "1.0.0")
        assert merged.outputs["plan-fingerprint"] == green.outputs["plan-fingerprint"]
        assert len(gate.comments) == 1
        assert "Deployed 1.0.0" in gate.comments[0]
        assert merged.outputs["comment-url"] == red.outputs["comment-url"]
    [answer] = database.query([Query("SELECT id, name FROM users")])
    database.close()
    assert isinstance(answer, Rows)
    assert answer.rows == ((1, "Ada"),)


QUEUED = f"refs/heads/gh-readonly-queue/main/pr-7-{'b' * 40}"
ON_PULL_REQUEST: dict[str, dict[str, Any]] = {
    "pull_request_target": PULL_REQUEST,
    "issue_comment": {"issue": {"number": 7, "pull_request": {"url": "of the pull request"}}, "comment": {"id": 1}},
    "merge_group": {"merge_group": {"head_ref": QUEUED, "head_sha": HEAD}},
    "workflow_run": {"workflow_run": {"head_sha": HEAD, "pull_requests": [{"number": 7}]}},
}
"""The payload of each event whose run is about a pull request."""


def test_run_of_each_event_updates_the_comment_of_the_pull_request_in_it(sqld: Sqld, tmp_path: Path) -> None:
    with running_github() as github:
        gate = Gate(sqld, github, tmp_path)
        for number, (event, payload) in enumerate(ON_PULL_REQUEST.items()):
            planned = gate(event, payload, "plan", NARROW, f"schema_version: 1.{number}.0")
            assert planned.outputs["comment-url"] == github.comments[7][0]["html_url"], event
            assert len(gate.comments) == 1
            assert f"Planned 1.{number}.0" in gate.comments[0]
        on_an_issue = gate("issue_comment", {"issue": {"number": 8}}, "plan", NARROW, "schema_version: 1.9.0")
        assert (on_an_issue.result, on_an_issue.outputs["comment-url"]) == ("success", "")
        assert any("on an issue, not on a pull request" in notice for notice in on_an_issue.report["notices"])
        assert set(github.comments) == {7}


def test_run_that_fails_early_has_all_outputs(sqld: Sqld, tmp_path: Path) -> None:
    with running_github() as github:
        gate = Gate(sqld, github, tmp_path)
        failed = gate("pull_request", PULL_REQUEST, "plan", "CREATE TABLE users (", "schema_version: 1.0.0")
        assert failed.result == "failure"
        assert {name: failed.outputs[name] for name in ("status", "error-code", "would-change", "blocked")} == {
            **{"status": "failed", "error-code": "sql-syntax", "would-change": "", "blocked": ""}
        }
        assert (failed.outputs["plan-fingerprint"], failed.outputs["hazards"]) == ("", "[]")
        assert failed.report["error"]["code"] == "sql-syntax"
        assert {name: failed.outputs[name] for name in ("database", "schema-path", "manifest-version")} == {
            **{"database": sqld.url, "schema-path": "gate", "manifest-version": "1.0.0"}
        }
        assert failed.outputs["comment-url"] == github.comments[7][0]["html_url"]
        assert "Failed" in gate.comments[0]
