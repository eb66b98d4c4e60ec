from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import responses
from msgspec.structs import replace
from responses.matchers import query_param_matcher

from turso_deploy.inputs import Inputs, read_inputs, read_pipeline
from turso_deploy.pull_request import LONGEST_COMMENT, comment_on
from turso_deploy.report.document import Report, Status, StepLine

COMMENTS = "https://api.github.com/repos/acme/quiz/issues/7/comments"
ONE = "https://api.github.com/repos/acme/quiz/issues/comments/42"
PULL_REQUEST = read_pipeline({"GITHUB_REF": "refs/pull/7/merge", "GITHUB_REPOSITORY": "acme/quiz"})
PUSH = read_pipeline({"GITHUB_REF": "refs/heads/main", "GITHUB_REPOSITORY": "acme/quiz"})
PLAN = Report(
    "plan",
    Status.PLANNED,
    committed=False,
    database="libsql://quiz.turso.io",
    steps=(StepLine("create table", "users", "CREATE TABLE users (id)"),),
    requests=1,
    duration_ms=120,
)


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def inputs(**changed: object) -> Inputs:
    return read_inputs({"comment": True, "github_token": "ghs_token", **changed})


def sent(api: responses.RequestsMock, call: int) -> str:
    return str(json.loads(api.calls[call].request.body or "{}")["body"])


def left_behind(api: responses.RequestsMock) -> str:
    """The comment that a first run leaves."""
    api.get(COMMENTS, json=[])
    api.post(COMMENTS, status=201, json={"id": 42})
    assert comment_on(PLAN, inputs(), PULL_REQUEST) == PLAN
    body = sent(api, 1)
    api.reset()
    return body


def test_the_first_run_writes_the_plan(api: responses.RequestsMock) -> None:
    body = left_behind(api)
    assert body.startswith("<!-- turso-deploy ")
    assert "Planned: 1 object to create" in body


def test_a_run_that_finds_the_same_writes_nothing(api: responses.RequestsMock) -> None:
    body = left_behind(api)
    api.get(COMMENTS, json=[{"id": 1, "body": "Nice."}, {"id": 42, "body": body}])
    comment_on(replace(PLAN, duration_ms=999, requests=2), inputs(), PULL_REQUEST)
    assert [call.request.method for call in api.calls] == ["GET"]


def test_a_run_that_finds_something_else_changes_that_comment(api: responses.RequestsMock) -> None:
    body = left_behind(api)
    api.get(COMMENTS, json=[{"id": 42, "body": body}])
    api.patch(ONE, json={"id": 42})
    comment_on(replace(PLAN, status=Status.UNCHANGED, steps=()), inputs(), PULL_REQUEST)
    assert "Unchanged" in sent(api, 1)


def test_the_comment_is_found_behind_a_hundred_others(api: responses.RequestsMock) -> None:
    body = left_behind(api)
    others = [{"id": number, "body": "Nice."} for number in range(100)]
    first, second = (query_param_matcher({"per_page": "100", "page": page}) for page in "12")
    api.get(COMMENTS, json=others, match=[first])
    api.get(COMMENTS, json=[{"id": 42, "body": body}], match=[second])
    comment_on(PLAN, inputs(), PULL_REQUEST)
    assert len(api.calls) == 2


def test_another_database_has_its_own_comment(api: responses.RequestsMock) -> None:
    body = left_behind(api)
    api.get(COMMENTS, json=[{"id": 42, "body": body}])
    api.post(COMMENTS, status=201, json={"id": 43})
    comment_on(replace(PLAN, database="libsql://other.turso.io"), inputs(), PULL_REQUEST)
    assert len(api.calls) == 2


def test_a_comment_stays_within_its_size(api: responses.RequestsMock) -> None:
    api.get(COMMENTS, json=[])
    api.post(COMMENTS, status=201, json={"id": 42})
    steps = tuple(StepLine("create table", f"t{n}", f"CREATE TABLE t{n} (name TEXT)") for n in range(5000))
    comment_on(replace(PLAN, steps=steps), inputs(), PULL_REQUEST)
    assert 1000 < len(sent(api, 1).encode()) <= LONGEST_COMMENT


@pytest.mark.parametrize("status", [401, 403, 404])
def test_without_permission_there_is_a_notice_and_no_failure(api: responses.RequestsMock, status: int) -> None:
    api.get(COMMENTS, json=[])
    api.post(COMMENTS, status=status, json={"message": "Resource not accessible by integration"})
    told = comment_on(PLAN, inputs(), PULL_REQUEST)
    assert (told.status, told.exit_code) == (Status.PLANNED, 0)
    assert "Resource not accessible by integration" in told.notices[0]
    assert "pull-requests: write" in told.notices[0]


def test_without_a_token_there_is_a_notice(api: responses.RequestsMock) -> None:
    told = comment_on(PLAN, inputs(github_token=None), PULL_REQUEST)
    assert "takes a GitHub token" in told.notices[0]


def test_a_server_that_does_not_answer_is_a_notice(api: responses.RequestsMock) -> None:
    told = comment_on(PLAN, inputs(), PULL_REQUEST)  # nothing is mocked: the connection is refused
    assert "could not be reached" in told.notices[0]


def test_a_push_has_no_comment_and_says_nothing(api: responses.RequestsMock) -> None:
    assert comment_on(PLAN, inputs(), PUSH) is PLAN
