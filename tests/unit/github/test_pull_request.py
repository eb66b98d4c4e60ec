from __future__ import annotations

import json
from dataclasses import replace

import pytest
from responses import RequestsMock
from responses.matchers import header_matcher, query_param_matcher

from tests.support import broken_servers
from turso_deploy.core.secret import Secret
from turso_deploy.github.context import API_URL, RunContext, read_context
from turso_deploy.github.pull_request import MAX_COMMENT_SIZE, comment_on
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.document import Report, Status, StepLine

COMMENTS = f"{API_URL}/repos/acme/quiz/issues/7/comments"
ONE = f"{API_URL}/repos/acme/quiz/issues/comments/42"
PLACE = {"GITHUB_REF": "refs/pull/7/merge", "GITHUB_REPOSITORY": "acme/quiz"}
PULL_REQUEST = read_context(PLACE)
PUSH = read_context({**PLACE, "GITHUB_REF": "refs/heads/main"})
TOKEN = Secret("ghs_token")
PLAN = Report(
    "plan",
    Status.PLANNED,
    committed=False,
    database="libsql://quiz.turso.io",
    steps=(StepLine(StepKind.CREATE_TABLE, "users", "CREATE TABLE users (id)"),),
    requests=1,
    duration_ms=120,
)


def commented(report: Report, context: RunContext = PULL_REQUEST, token: Secret | None = TOKEN) -> Report:
    return comment_on(report, context, token, "schema", timeout=5)


def written(replies: RequestsMock) -> str:
    """The comment that the last request sent."""
    return str(json.loads(replies.calls[-1].request.body or "")["body"])


@pytest.fixture(scope="module")
def first_comment() -> str:
    """The comment that a first run leaves."""
    with RequestsMock() as replies:
        with_token = header_matcher({"Authorization": "Bearer ghs_token"})
        replies.get(COMMENTS, json=[], match=[with_token])
        replies.post(COMMENTS, json={"id": 42}, status=201, match=[with_token])
        assert commented(PLAN) == PLAN
        return written(replies)


def test_the_first_run_writes_the_plan(first_comment: str) -> None:
    assert first_comment.startswith("<!-- turso-deploy ")
    assert "Planned: 1 object to create" in first_comment


def test_a_run_that_finds_the_same_writes_nothing(replies: RequestsMock, first_comment: str) -> None:
    replies.get(COMMENTS, json=[{"id": 1, "body": "Nice."}, {"id": 42, "body": first_comment}])
    commented(replace(PLAN, duration_ms=999, requests=2))
    assert len(replies.calls) == 1


def test_a_run_that_finds_something_else_changes_that_comment(replies: RequestsMock, first_comment: str) -> None:
    replies.get(COMMENTS, json=[{"id": 42, "body": first_comment}])
    replies.patch(ONE, json={"id": 42})
    commented(replace(PLAN, status=Status.UNCHANGED, steps=()))
    assert "Unchanged" in written(replies)


def test_the_comment_is_found_behind_a_hundred_others(replies: RequestsMock, first_comment: str) -> None:
    pages = [[{"id": number, "body": "Nice."} for number in range(100)], [{"id": 42, "body": first_comment}]]
    for number, comments in enumerate(pages, 1):
        page = query_param_matcher({"per_page": "100", "page": str(number)})
        replies.get(COMMENTS, json=comments, match=[page])
    commented(PLAN)
    assert len(replies.calls) == 2


def test_another_database_has_its_own_comment(replies: RequestsMock, first_comment: str) -> None:
    replies.get(COMMENTS, json=[{"id": 42, "body": first_comment}])
    replies.post(COMMENTS, json={"id": 43}, status=201)
    commented(replace(PLAN, database="libsql://other.turso.io"))
    assert len(replies.calls) == 2


def test_a_comment_stays_within_its_size(replies: RequestsMock) -> None:
    replies.get(COMMENTS, json=[])
    replies.post(COMMENTS, json={"id": 42}, status=201)
    steps = tuple(StepLine(StepKind.CREATE_TABLE, f"t{n}", f"CREATE TABLE t{n} (name TEXT)") for n in range(5000))
    commented(replace(PLAN, steps=steps))
    assert 1000 < len(written(replies).encode()) <= MAX_COMMENT_SIZE


@pytest.mark.parametrize("status", [401, 403, 404])
def test_without_permission_there_is_a_notice_and_no_failure(replies: RequestsMock, status: int) -> None:
    replies.get(COMMENTS, json=[])
    replies.post(COMMENTS, json={"message": "Resource not accessible by integration"}, status=status)
    told = commented(PLAN)
    assert (told.status, told.exit_code) == (Status.PLANNED, 0)
    assert "Resource not accessible by integration" in told.notices[0]
    assert "pull-requests: write" in told.notices[0]


def test_without_a_token_there_is_a_notice(replies: RequestsMock) -> None:
    assert "needs a GitHub token" in commented(PLAN, token=None).notices[0]


@pytest.mark.parametrize(
    ("document", "names"),
    [({}, ""), ([{"body": "x"}], " (`0.id`)"), ([{"id": 1}, {"id": "2", "body": 3}], " (`1.id`, `1.body`)")],
)
def test_comments_of_another_form_are_a_notice_that_names_the_values(
    replies: RequestsMock, document: object, names: str
) -> None:
    replies.get(COMMENTS, json=document)
    [notice] = commented(PLAN).notices
    assert f"Reading the comments failed: the answer of GitHub's API cannot be read{names}. Check" in notice


def test_a_server_that_does_not_answer_is_a_notice() -> None:
    with broken_servers.closed_port() as url:
        told = commented(PLAN, read_context({**PLACE, "GITHUB_API_URL": url}))
    assert "could not be reached" in told.notices[0]


def test_a_push_has_no_comment_and_says_nothing(replies: RequestsMock) -> None:
    assert commented(PLAN, PUSH) is PLAN
