"""Whole runs that keep an issue about the drift of a database, as a nightly workflow starts them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.platform.github import READER, WORKFLOW, WRITER, Github
from tests.platform.server import Answer
from tests.platform.test_comments import TABLE, Done, Workflow
from turso_deploy.github.drift_issue import LABEL
from turso_deploy.github.posts import MAX_POST_SIZE

NIGHTLY = {"GITHUB_EVENT_NAME": "schedule", "GITHUB_REF": "refs/heads/main", "GITHUB_RUN_ID": "5"}


@pytest.fixture
def workflow(github: Github, tmp_path: Path) -> Workflow:
    nightly = Workflow(github, tmp_path, {"schedule": "23 3 * * *"}, NIGHTLY)
    assert nightly("deploy", TABLE, comment="false").status == 0
    return nightly


def verified(workflow: Workflow, schema: str = TABLE, **settings: str) -> Done:
    return workflow("verify", schema, **{"comment": "false", "issue": "true", **settings})


def by_hand(workflow: Workflow, sql: str) -> None:
    with sqlite3.connect(workflow.folder / "a.db") as connection:
        connection.execute(sql)
    connection.close()


def test_issue_is_opened_updated_and_closed_with_the_drift(workflow: Workflow) -> None:
    quiet = verified(workflow)
    assert (quiet.status, workflow.github.issues, quiet.outputs["issue-url"]) == (0, [], "")

    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    drifted = verified(workflow)
    assert (drifted.status, drifted.outputs["drifted"]) == (4, "true")
    [issue] = workflow.github.issues
    assert (issue["state"], [label["name"] for label in issue["labels"]]) == ("open", [LABEL])
    assert issue["title"].startswith("Database drift: file:")
    assert issue["body"].split("\n")[1] == drifted.heading
    assert "by_hand" in issue["body"]
    assert "(https://github.com/acme/quiz/actions/runs/5)" in issue["body"]
    assert drifted.outputs["issue-url"] == issue["html_url"]

    by_hand(workflow, "ALTER TABLE a ADD COLUMN nickname TEXT")
    verified(workflow)
    assert len(workflow.github.issues) == 1
    assert "nickname" in issue["body"]

    by_hand(workflow, "DROP INDEX by_hand")
    by_hand(workflow, "ALTER TABLE a DROP COLUMN nickname")
    gone = verified(workflow)
    assert (gone.status, gone.outputs["drifted"]) == (0, "false")
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    assert issue["body"].split("\n")[1] == gone.heading
    assert gone.outputs["issue-url"] == issue["html_url"]

    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    verified(workflow)
    assert [issue["state"] for issue in workflow.github.issues] == ["closed", "open"]


def test_changes_that_are_not_deployed_open_no_issue(workflow: Workflow) -> None:
    done = verified(workflow, f"{TABLE} CREATE TABLE b (id INTEGER PRIMARY KEY);")
    assert (done.status, done.outputs["pending"], workflow.github.issues) == (3, "true", [])


def test_run_that_cannot_read_the_database_leaves_the_issue_open(workflow: Workflow) -> None:
    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    verified(workflow)
    body = workflow.github.issues[0]["body"]
    (workflow.folder / "a.db").write_bytes(b"no database" * 200)
    assert verified(workflow).status == 1
    assert (workflow.github.issues[0]["state"], workflow.github.issues[0]["body"]) == ("open", body)


def test_issue_of_another_user_or_database_is_not_touched(workflow: Workflow) -> None:
    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    verified(workflow)
    marker = workflow.github.issues[0]["body"].split("\n")[0]
    workflow.github.issues.clear()
    outsider = workflow.github.issue("mallory", "Database drift", f"{marker}\nnothing to see", [LABEL])
    other = workflow.github.issue("github-actions[bot]", "Database drift", f"{marker[:-6]}00 -->\nother", [LABEL])
    verified(workflow)
    assert (outsider["body"], other["body"]) == (f"{marker}\nnothing to see", f"{marker[:-6]}00 -->\nother")
    assert len(workflow.github.issues) == 3


def test_issue_is_found_on_a_later_page(workflow: Workflow) -> None:
    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    verified(workflow)
    for number in range(120):
        workflow.github.issue("octocat", f"other {number}", "text", [LABEL])
    verified(workflow)
    assert len(workflow.github.issues) == 121


@pytest.mark.parametrize(
    ("token", "reason"), [("", "needs a GitHub token"), (READER, "issues: write"), ("ghs_ended", "does not accept")]
)
def test_issue_that_cannot_be_written_is_a_warning_with_the_reason(token: str, reason: str, workflow: Workflow) -> None:
    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    done = verified(workflow, github_token=token)
    assert (done.status, workflow.github.issues) == (4, [])
    [warning] = [line for line in done.log.splitlines() if line.startswith("::warning") and "issue" in line]
    assert reason in warning


def test_repository_without_issues_is_a_warning(workflow: Workflow) -> None:
    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    workflow.github.faults.add(
        "GET /repos/acme/quiz/issues", Answer(410, {"message": "Issues are disabled for this repo"})
    )
    done = verified(workflow)
    assert done.status == 4
    assert "the repository has no issues" in done.log


def test_issue_by_another_user_than_expected_says_what_to_set(workflow: Workflow) -> None:
    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    done = verified(workflow, github_token=WRITER)
    assert "Set `comment-author: octocat`" in done.log
    verified(workflow, github_token=WRITER, comment_author="octocat")
    assert len(workflow.github.issues) == 1


def test_issue_keeps_the_maximum_size_of_a_post(workflow: Workflow) -> None:
    for number in range(400):
        by_hand(workflow, f"CREATE TABLE byhand_{number}_{'x' * 100} (a, b, c, d, e, f)")
        by_hand(workflow, f"CREATE INDEX index_{number}_{'y' * 100} ON a (name)")
    verified(workflow)
    [issue] = workflow.github.issues
    assert 1000 < len(issue["body"].encode()) <= MAX_POST_SIZE


def test_issue_without_the_setting_is_not_written(workflow: Workflow) -> None:
    by_hand(workflow, "CREATE INDEX by_hand ON a (name)")
    assert workflow("verify", TABLE, comment="false", github_token=WORKFLOW).status == 4
    assert workflow.github.issues == []
