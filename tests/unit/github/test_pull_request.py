from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support import broken_servers
from tests.support.canned_server import CannedServer, canned_server
from turso_deploy.cli.settings import Settings
from turso_deploy.cli.settings_reader import read_settings
from turso_deploy.github.context import RunContext, read_context
from turso_deploy.github.pull_request import MAX_COMMENT_SIZE, comment_on
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.document import Report, Status, StepLine

COMMENTS = "/repos/acme/quiz/issues/7/comments"
ONE = "/repos/acme/quiz/issues/comments/42"
PUSH = read_context({"GITHUB_REF": "refs/heads/main", "GITHUB_REPOSITORY": "acme/quiz"})
PLAN = Report(
    "plan",
    Status.PLANNED,
    committed=False,
    database="libsql://quiz.turso.io",
    steps=(StepLine(StepKind.CREATE_TABLE, "users", "CREATE TABLE users (id)"),),
    requests=1,
    duration_ms=120,
)


@pytest.fixture
def api() -> Iterator[CannedServer]:
    with canned_server() as replies:
        yield replies


@pytest.fixture
def pull_request(api: CannedServer) -> RunContext:
    return on_pull_request(api.url)


def on_pull_request(api_url: str) -> RunContext:
    where = {"GITHUB_REF": "refs/pull/7/merge", "GITHUB_REPOSITORY": "acme/quiz", "GITHUB_API_URL": api_url}
    return read_context(where)


def inputs(**changed: object) -> Settings:
    return read_settings({"comment": True, "github_token": "ghs_token", **changed}, {})


def commented(report: Report, inputs: Settings, context: RunContext) -> Report:
    return comment_on(report, context, inputs.github_token, inputs.schema_path, inputs.timeout)


def sent(api: CannedServer, call: int) -> str:
    return str(api.asked[call].body["body"])


def left_behind(api: CannedServer, pull_request: RunContext) -> str:
    """The comment that a first run leaves."""
    api.to("GET", COMMENTS, [])
    api.to("POST", COMMENTS, {"id": 42}, 201)
    assert commented(PLAN, inputs(), pull_request) == PLAN
    body = sent(api, 1)
    api.forget()
    return body


def test_the_first_run_writes_the_plan(api: CannedServer, pull_request: RunContext) -> None:
    body = left_behind(api, pull_request)
    assert body.startswith("<!-- turso-deploy ")
    assert "Planned: 1 object to create" in body


def test_a_run_that_finds_the_same_writes_nothing(api: CannedServer, pull_request: RunContext) -> None:
    body = left_behind(api, pull_request)
    api.to("GET", COMMENTS, [{"id": 1, "body": "Nice."}, {"id": 42, "body": body}])
    commented(replace(PLAN, duration_ms=999, requests=2), inputs(), pull_request)
    assert [request.method for request in api.asked] == ["GET"]


def test_a_run_that_finds_something_else_changes_that_comment(api: CannedServer, pull_request: RunContext) -> None:
    body = left_behind(api, pull_request)
    api.to("GET", COMMENTS, [{"id": 42, "body": body}])
    api.to("PATCH", ONE, {"id": 42})
    commented(replace(PLAN, status=Status.UNCHANGED, steps=()), inputs(), pull_request)
    assert "Unchanged" in sent(api, 1)


def test_the_comment_is_found_behind_a_hundred_others(api: CannedServer, pull_request: RunContext) -> None:
    body = left_behind(api, pull_request)
    others = [{"id": number, "body": "Nice."} for number in range(100)]
    api.to("GET", COMMENTS, others, query={"per_page": "100", "page": "1"})
    api.to("GET", COMMENTS, [{"id": 42, "body": body}], query={"per_page": "100", "page": "2"})
    commented(PLAN, inputs(), pull_request)
    assert len(api.asked) == 2


def test_another_database_has_its_own_comment(api: CannedServer, pull_request: RunContext) -> None:
    body = left_behind(api, pull_request)
    api.to("GET", COMMENTS, [{"id": 42, "body": body}])
    api.to("POST", COMMENTS, {"id": 43}, 201)
    commented(replace(PLAN, database="libsql://other.turso.io"), inputs(), pull_request)
    assert len(api.asked) == 2


def test_a_comment_stays_within_its_size(api: CannedServer, pull_request: RunContext) -> None:
    api.to("GET", COMMENTS, [])
    api.to("POST", COMMENTS, {"id": 42}, 201)
    steps = tuple(StepLine(StepKind.CREATE_TABLE, f"t{n}", f"CREATE TABLE t{n} (name TEXT)") for n in range(5000))
    commented(replace(PLAN, steps=steps), inputs(), pull_request)
    assert 1000 < len(sent(api, 1).encode()) <= MAX_COMMENT_SIZE


@pytest.mark.parametrize("status", [401, 403, 404])
def test_without_permission_there_is_a_notice_and_no_failure(
    api: CannedServer, pull_request: RunContext, status: int
) -> None:
    api.to("GET", COMMENTS, [])
    api.to("POST", COMMENTS, {"message": "Resource not accessible by integration"}, status)
    told = commented(PLAN, inputs(), pull_request)
    assert (told.status, told.exit_code) == (Status.PLANNED, 0)
    assert "Resource not accessible by integration" in told.notices[0]
    assert "pull-requests: write" in told.notices[0]


def test_without_a_token_there_is_a_notice(api: CannedServer, pull_request: RunContext) -> None:
    told = commented(PLAN, inputs(github_token=None), pull_request)
    assert "needs a GitHub token" in told.notices[0]


def test_a_server_that_does_not_answer_is_a_notice() -> None:
    with broken_servers.closed_port() as url:
        told = commented(PLAN, inputs(), on_pull_request(url))
    assert "could not be reached" in told.notices[0]


def test_a_push_has_no_comment_and_says_nothing(api: CannedServer) -> None:
    assert commented(PLAN, inputs(), PUSH) is PLAN
