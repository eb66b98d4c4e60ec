"""The event of a run: the pull request that it is about, or why there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from turso_deploy.github.context import read_context
from turso_deploy.github.event import RunSubject, commit_of_files, subject_of

HEAD, OTHER, TESTED = "a" * 40, "b" * 40, "c" * 40
PULL_REQUEST = {"number": 7, "pull_request": {"number": 7, "merged": True, "head": {"sha": HEAD}}}
ON_BRANCH = "refs/heads/main"


def subject(folder: Path, name: str, event: Any = None, ref: str = ON_BRANCH, **variables: str) -> RunSubject:
    path = folder / "event.json"
    if event is not None:
        path.write_bytes(event if isinstance(event, bytes) else json.dumps(event).encode())
    return subject_of(
        read_context(
            {
                "GITHUB_ACTIONS": "true",
                "GITHUB_EVENT_NAME": name,
                "GITHUB_EVENT_PATH": str(path),
                "GITHUB_REF": ref,
                "GITHUB_SHA": TESTED,
                **variables,
            }
        )
    )


@pytest.mark.parametrize(
    ("name", "event", "ref", "number", "commit"),
    [
        ("pull_request", PULL_REQUEST, "refs/pull/7/merge", 7, HEAD),
        ("pull_request", PULL_REQUEST, ON_BRANCH, 7, HEAD),  # closed: the ref is the branch
        ("pull_request_target", PULL_REQUEST, ON_BRANCH, 7, HEAD),
        ("pull_request_review", PULL_REQUEST, "refs/pull/7/merge", 7, HEAD),
        ("issue_comment", {"issue": {"number": 7, "pull_request": {"url": "x"}}}, ON_BRANCH, 7, None),
        (
            "merge_group",
            {"merge_group": {"head_ref": f"refs/heads/gh-readonly-queue/main/pr-7-{OTHER}", "head_sha": HEAD}},
            f"refs/heads/gh-readonly-queue/main/pr-7-{OTHER}",
            7,
            HEAD,
        ),
        ("merge_group", {}, f"refs/heads/gh-readonly-queue/release/2.x/pr-7-{OTHER}", 7, TESTED),
        ("workflow_run", {"workflow_run": {"head_sha": HEAD, "pull_requests": [{"number": 7}]}}, ON_BRANCH, 7, HEAD),
        (
            "workflow_run",
            {
                "repository": {"id": 1},
                "workflow_run": {
                    "head_sha": HEAD,
                    "pull_requests": [
                        {"number": 3, "base": {"repo": {"id": 2}}},
                        {"number": 7, "base": {"repo": {"id": 1}}},
                    ],
                },
            },
            ON_BRANCH,
            7,
            HEAD,
        ),
    ],
)
def test_number_of_the_pull_request_comes_from_the_event(
    tmp_path: Path, name: str, event: Any, ref: str, number: int, commit: str | None
) -> None:
    assert subject(tmp_path, name, event, ref) == RunSubject(number, commit)


@pytest.mark.parametrize(
    ("name", "event", "commit"),
    [
        ("push", {"ref": "refs/heads/main"}, TESTED),
        ("workflow_dispatch", {}, TESTED),
        ("release", {"release": {}}, TESTED),
        ("workflow_run", {"workflow_run": {"head_sha": HEAD, "pull_requests": []}}, HEAD),
    ],
)
def test_commit_of_another_event_may_belong_to_a_pull_request(
    tmp_path: Path, name: str, event: Any, commit: str
) -> None:
    found = subject(tmp_path, name, event)
    assert (found.number, found.commit, found.may_belong) == (None, commit, True)


@pytest.mark.parametrize(
    ("name", "event", "reason"),
    [
        ("schedule", {"schedule": "0 0 * * *"}, "a run of `schedule` belongs to no pull request"),
        ("issue_comment", {"issue": {"number": 7}}, "the comment that started this run is on an issue"),
        ("merge_group", {"merge_group": {"head_ref": "refs/heads/x"}}, "the event file names no pull request"),
        ("pull_request", {}, "the event file names no pull request"),
        (
            "workflow_run",
            {"workflow_run": {"head_sha": HEAD, "pull_requests": [{"number": 7}, {"number": 9}]}},
            "the run belongs to several pull requests (#7, #9)",
        ),
        ("pull_request_target", None, "the event file cannot be read (No such file or directory)"),
        ("pull_request_target", b'{"pull_request": {"number": 7', "the event file is no JSON, or is cut"),
        ("pull_request_target", b"", "the event file is no JSON, or is cut"),
        ("pull_request_target", b"\xff\xfe{}", "the event file is no JSON, or is cut"),
        ("pull_request_target", b"[" * 100_000, "the event file is no JSON, or is cut"),
        ("pull_request_target", [7], "the event file is no JSON object"),
        ("pull_request_target", "text", "the event file is no JSON object"),
        ("workflow_run", b"{", "the event file is no JSON, or is cut"),
    ],
)
def test_run_without_a_pull_request_says_why(tmp_path: Path, name: str, event: Any, reason: str) -> None:
    found = subject(tmp_path, name, event)
    assert (found.number, found.may_belong) == (None, False)
    assert found.reason.startswith(reason)


@pytest.mark.parametrize(
    "event",
    [{"pull_request": {"number": number}} for number in ("7", True, 0, -7, 7.0, None, [7], {"number": 7})]
    + [{"pull_request": 7}, {"pull_request": [7]}, {"issue": [], "workflow_run": {"pull_requests": 7}}, None, b"{"],
)
def test_event_of_another_form_is_no_failure_and_the_ref_counts(tmp_path: Path, event: Any) -> None:
    assert subject(tmp_path, "pull_request", event, "refs/pull/9/merge").number == 9
    assert subject(tmp_path, "pull_request", event).number is None


def test_event_path_that_is_a_folder_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "event.json").mkdir()
    assert "cannot be read" in subject(tmp_path, "pull_request_target").reason


def test_run_without_an_event_path_says_so(tmp_path: Path) -> None:
    assert "GITHUB_EVENT_PATH" in subject(tmp_path, "pull_request_target", GITHUB_EVENT_PATH="").reason


@pytest.mark.parametrize(
    ("checked_out", "ref", "head", "commit"),
    [
        (None, "refs/pull/7/merge", HEAD, HEAD),
        (None, ON_BRANCH, None, None),
        (TESTED, "refs/pull/7/merge", HEAD, HEAD),  # the merge of the head, which GitHub makes for the test
        (HEAD, "refs/pull/7/merge", HEAD, HEAD),
        (OTHER, "refs/pull/7/merge", HEAD, OTHER),
        (TESTED, ON_BRANCH, HEAD, TESTED),  # pull_request_target without a ref: the files are those of the branch
        (HEAD, ON_BRANCH, HEAD, HEAD),
        (HEAD, ON_BRANCH, None, HEAD),  # issue_comment, whose event names no commit
        ("main", ON_BRANCH, HEAD, HEAD),
    ],
)
def test_commit_is_that_of_the_files_that_were_read(
    tmp_path: Path, checked_out: str | None, ref: str, head: str | None, commit: str | None
) -> None:
    if checked_out:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git/HEAD").write_text(f"{checked_out}\n")
    workspace = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path), "GITHUB_REF": ref, "GITHUB_SHA": TESTED}
    assert commit_of_files(read_context(workspace), head) == commit
