"""The comment on a pull request: which one is ours, what it says, and what happens if GitHub does not take it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from responses import RequestsMock
from responses.matchers import header_matcher, query_param_matcher

from tests.support import broken_servers
from tests.support.clocks import PausingClock
from turso_deploy.core.secret import Secret
from turso_deploy.github.annotations import Level, annotations_of
from turso_deploy.github.context import API_URL, RunContext, read_context
from turso_deploy.github.posts import DEFAULT_AUTHOR, MAX_POST_SIZE, PostSettings
from turso_deploy.github.pull_request import comment_on
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.plan.steps import StepKind
from turso_deploy.report.document import ErrorLine, Report, Status, StepLine
from turso_deploy.report.job_summary import summary

COMMENTS = f"{API_URL}/repos/acme/quiz/issues/7/comments"
ONE = f"{API_URL}/repos/acme/quiz/issues/comments/42"
URL = "https://github.com/acme/quiz/pull/7#issuecomment-42"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PULLS = f"{API_URL}/repos/acme/quiz/commits/{COMMIT}/pulls"
PLACE = {
    "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_REPOSITORY": "acme/quiz",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_RUN_ID": "5",
    "GITHUB_SHA": COMMIT,
}
PULL_REQUEST = read_context(PLACE)
PUSH = read_context({**PLACE, "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push"})
OURS = {"login": DEFAULT_AUTHOR}
PLAN = Report(
    "plan",
    Status.PLANNED,
    committed=False,
    database="libsql://quiz.turso.io",
    steps=(StepLine(StepKind.CREATE_TABLE, "users", "CREATE TABLE users (id)"),),
    requests=1,
    duration_ms=120,
)
UNCHANGED = replace(PLAN, status=Status.UNCHANGED, steps=())
FAILED = Report(
    "plan",
    Status.FAILED,
    committed=False,
    database="",
    error=ErrorLine("sql-syntax", "incomplete input"),  # type: ignore[arg-type]
    exit_code=2,
)
SETTINGS = PostSettings(
    "schema", "libsql://quiz.turso.io", Secret("ghs_token"), DEFAULT_AUTHOR, 5, RetryBudget(60, clock=PausingClock())
)


def commented(report: Report, context: RunContext = PULL_REQUEST, **changed: Any) -> Report:
    budget = RetryBudget(60, clock=PausingClock())
    return comment_on(report, context, SETTINGS._replace(**{"budget": budget, **changed}))


def written(replies: RequestsMock) -> str:
    """The comment that the last request sent."""
    return str(json.loads(replies.calls[-1].request.body or "")["body"])


def as_stored(body: str, user: dict[str, str] = OURS) -> dict[str, object]:
    return {"id": 42, "body": body, "user": user, "html_url": URL}


@pytest.fixture(scope="module")
def first_comment() -> str:
    """The comment that a first run leaves."""
    with RequestsMock() as replies:
        with_token = header_matcher({"Authorization": "Bearer ghs_token"})
        replies.get(COMMENTS, json=[], match=[with_token])
        replies.post(COMMENTS, json=as_stored(""), status=201, match=[with_token])
        assert commented(PLAN) == replace(PLAN, comment_url=URL)
        return written(replies)


@pytest.mark.parametrize("report", [PLAN, UNCHANGED, FAILED, replace(PLAN, command="deploy", status=Status.BLOCKED)])
def test_comment_says_what_the_summary_says(replies: RequestsMock, report: Report) -> None:
    replies.get(COMMENTS, json=[])
    replies.post(COMMENTS, json=as_stored(""), status=201)
    commented(report)
    marker, _, rest = written(replies).partition("\n")
    assert marker.startswith("<!-- turso-deploy ")
    assert rest.startswith(summary(report))
    assert rest.removeprefix(summary(report)).strip() == (
        f"commit [<code>{COMMIT[:7]}</code>](https://github.com/acme/quiz/commit/{COMMIT}) · "
        "[workflow run](https://github.com/acme/quiz/actions/runs/5) · "
        "database <code>libsql&#58;&#47;&#47;quiz.turso.io</code> · schema <code>schema</code>"
    )


def test_run_that_finds_the_same_text_writes_nothing(replies: RequestsMock, first_comment: str) -> None:
    replies.get(COMMENTS, json=[{"id": 1, "body": "Nice.", "user": OURS}, as_stored(first_comment)])
    assert commented(PLAN).comment_url == URL
    assert len(replies.calls) == 1


@pytest.mark.parametrize("report", [UNCHANGED, FAILED, replace(PLAN, command="deploy", status=Status.DEPLOYED)])
def test_later_run_replaces_the_comment_whatever_it_reached(
    replies: RequestsMock, first_comment: str, report: Report
) -> None:
    replies.get(COMMENTS, json=[as_stored(first_comment)])
    replies.patch(ONE, json=as_stored(""))
    commented(report)
    assert written(replies).partition("\n")[2].startswith(summary(report))


def test_second_comment_of_runs_at_the_same_time_is_deleted(replies: RequestsMock, first_comment: str) -> None:
    marker = first_comment.partition("\n")[0]
    stranger = {"id": 43, "body": f"{marker}\nhello", "user": {"login": "mallory"}}
    listed = [as_stored(first_comment), stranger, {**as_stored(f"{marker}\nsecond"), "id": 44}]
    replies.get(COMMENTS, json=listed)
    replies.patch(ONE, json=as_stored(""))
    replies.delete(f"{API_URL}/repos/acme/quiz/issues/comments/44", status=204)
    report = commented(UNCHANGED)
    assert (report.comment_url, report.notices) == (URL, ())
    assert [call.request.method for call in replies.calls] == ["GET", "PATCH", "DELETE"]


def test_second_comment_that_cannot_be_deleted_is_a_warning(replies: RequestsMock, first_comment: str) -> None:
    replies.get(COMMENTS, json=[as_stored(first_comment), {**as_stored(first_comment), "id": 44}])
    replies.delete(f"{API_URL}/repos/acme/quiz/issues/comments/44", status=403)
    report = commented(PLAN)
    assert report.comment_url == URL
    [notice] = report.notices
    assert notice.startswith("A second comment of an earlier run is left. Deleting a second comment failed")
    assert [line.level for line in report.annotated] == ["warning"]


@pytest.mark.parametrize("path", ["./schema", "schema/", "other/../schema"])
def test_folder_is_the_same_however_it_is_written(replies: RequestsMock, first_comment: str, path: str) -> None:
    replies.get(COMMENTS, json=[as_stored(first_comment)])
    replies.patch(ONE, json=as_stored(""))
    assert commented(PLAN, schema_path=path).comment_url == URL


def test_comment_of_an_earlier_commit_is_replaced_even_if_the_report_is_the_same(
    replies: RequestsMock, first_comment: str
) -> None:
    replies.get(COMMENTS, json=[as_stored(first_comment)])
    replies.patch(ONE, json=as_stored(""))
    commented(PLAN, PULL_REQUEST._replace(commit_sha="f" * 40))
    assert "<code>fffffff</code>" in written(replies)


def test_the_comment_is_found_behind_a_hundred_others(replies: RequestsMock, first_comment: str) -> None:
    pages = [
        [{"id": number, "body": "Nice.", "user": OURS} for number in range(100)],
        [as_stored(first_comment)],
    ]
    for number, comments in enumerate(pages, 1):
        page = query_param_matcher({"per_page": "100", "page": str(number)})
        replies.get(COMMENTS, json=comments, match=[page])
    commented(PLAN)
    assert len(replies.calls) == 2


@pytest.mark.parametrize("changed", [{"database": "libsql://other.turso.io"}, {"schema_path": "db"}])
def test_another_database_or_folder_has_its_own_comment(
    replies: RequestsMock, first_comment: str, changed: dict[str, Any]
) -> None:
    replies.get(COMMENTS, json=[as_stored(first_comment)])
    replies.post(COMMENTS, json=as_stored(""), status=201)
    commented(PLAN, **changed)
    assert len(replies.calls) == 2


@pytest.mark.parametrize("user", [{"login": "mallory"}, {"login": "github-actions"}, None])
def test_comment_of_somebody_else_with_our_marker_is_not_ours(
    replies: RequestsMock, first_comment: str, user: dict[str, str] | None
) -> None:
    replies.get(COMMENTS, json=[{"id": 1, "body": first_comment, "user": user}])
    replies.post(COMMENTS, json=as_stored(""), status=201)
    commented(PLAN)
    assert replies.calls[-1].request.method == "POST"


def test_comment_of_an_api_that_names_no_users_is_known_by_its_marker(
    replies: RequestsMock, first_comment: str
) -> None:
    replies.get(COMMENTS, json=[{"id": 42, "body": first_comment}])
    replies.patch(ONE, json={})
    assert commented(UNCHANGED) == UNCHANGED


def test_comment_of_the_author_in_the_settings_is_ours(replies: RequestsMock, first_comment: str) -> None:
    replies.get(COMMENTS, json=[as_stored(first_comment, {"login": "Acme-Bot[bot]"})])
    replies.patch(ONE, json=as_stored("", {"login": "Acme-Bot[bot]"}))
    assert commented(UNCHANGED, author="acme-bot[bot]").notices == ()


def test_comment_as_another_author_names_the_setting(replies: RequestsMock) -> None:
    replies.get(COMMENTS, json=[])
    replies.post(COMMENTS, json=as_stored("", {"login": "octocat"}), status=201)
    report = commented(PLAN)
    [notice] = report.notices
    assert "written as octocat" in notice
    assert "`comment-author: octocat`" in notice
    assert report.comment_url == URL


@pytest.mark.parametrize(("sql", "size"), [("CREATE TABLE t{n} (name TEXT)", 5000), ("ü" * 500, 400)])
def test_a_comment_stays_within_its_size(replies: RequestsMock, sql: str, size: int) -> None:
    replies.get(COMMENTS, json=[])
    replies.post(COMMENTS, json=as_stored(""), status=201)
    steps = tuple(StepLine(StepKind.CREATE_TABLE, f"t{n}", sql) for n in range(size))
    commented(replace(PLAN, steps=steps))
    assert 1000 < len(written(replies).encode()) <= MAX_POST_SIZE
    assert written(replies).endswith("schema <code>schema</code>\n")


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (403, "Resource not accessible by integration", "pull-requests: write"),
        (404, "Not Found", "pull-requests: write"),
        (401, "Bad credentials", "GitHub does not accept the token"),
        (403, "Unable to create comment because issue is locked.", "Unlock it"),
        (422, "Validation Failed", "GitHub did not accept the request"),
        (500, "", "HTTP 500"),
    ],
)
def test_comment_that_is_not_accepted_is_an_annotation_and_no_failure(
    replies: RequestsMock, status: int, message: str, told: str
) -> None:
    replies.get(COMMENTS, json=[])
    replies.post(COMMENTS, json={"message": message}, status=status)
    report = commented(PLAN)
    assert (report.status, report.exit_code, report.comment_url) == (Status.PLANNED, 0, None)
    [notice] = report.notices
    assert message in notice
    assert told in notice
    assert ("pull-requests: write" in notice) is ("pull-requests: write" in told)
    [warning] = [one for one in annotations_of(report) if one.level is Level.WARNING]
    assert warning.message == notice


@pytest.mark.parametrize(
    ("status", "message", "headers", "pause"),
    [
        (403, "You have exceeded a secondary rate limit.", {"Retry-After": "3"}, 3),
        (429, "", {"Retry-After": "3"}, 3),
        (403, "", {"Retry-After": "3"}, 3),
        (403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}, 0),
        (403, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.", {}, 60),
        (403, "You have triggered an abuse detection mechanism.", {}, 60),
        (429, "", {"Retry-After": "9" * 5000}, 60),
        (429, "", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60),
    ],
)
def test_rate_limit_is_waited_for_and_the_comment_written(
    replies: RequestsMock, status: int, message: str, headers: dict[str, str], pause: int
) -> None:
    limited: dict[str, Any] = {"json": {"message": message}, "status": status, "headers": headers}
    replies.get(COMMENTS, **limited)
    replies.get(COMMENTS, json=[])
    replies.post(COMMENTS, **limited)
    replies.post(COMMENTS, json=as_stored(""), status=201)
    clock = PausingClock()
    report = commented(PLAN, budget=RetryBudget(300, clock=clock))
    assert (report.notices, report.comment_url) == ((), URL)
    assert len(clock.pauses) == 2
    assert all(pause <= seconds < pause + 1 for seconds in clock.pauses)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "7200"}])
def test_rate_limit_beyond_the_timeout_is_told_apart_from_a_missing_permission(
    replies: RequestsMock, headers: dict[str, str]
) -> None:
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    replies.get(COMMENTS, json={"message": message}, status=403, headers=headers)
    clock = PausingClock()
    report = commented(PLAN, budget=RetryBudget(30, clock=clock))
    [notice] = report.notices
    assert "GitHub's rate limit is reached" in notice
    assert "permission" not in notice
    assert clock.pauses == []
    assert [one.message for one in annotations_of(report)] == [notice]


def test_rate_limit_that_stays_is_given_up_when_the_time_is_over(replies: RequestsMock) -> None:
    replies.get(COMMENTS, json={"message": "secondary rate limit"}, status=429, headers={"Retry-After": "20"})
    clock = PausingClock()
    [notice] = commented(PLAN, budget=RetryBudget(60, clock=clock)).notices
    assert "allowed in 20 s" in notice
    assert 1 <= len(clock.pauses) <= 3
    assert sum(clock.pauses) <= 60


def test_without_a_token_there_is_a_notice() -> None:
    assert "needs a GitHub token" in commented(PLAN, token=None).notices[0]


@pytest.mark.parametrize(
    ("document", "names"),
    [({}, ""), ([{"body": "x"}], " (`0.id`)"), ([{"id": 1}, {"id": "2", "body": 3}], " (`1.body`, `1.id`)")],
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


def pull_request(number: int, merged: str | None, head: str, repository: str = "acme/quiz") -> dict[str, object]:
    return {
        "number": number,
        "merge_commit_sha": merged,
        "head": {"sha": head},
        "base": {"repo": {"full_name": repository}},
    }


@pytest.mark.parametrize(
    "listed",
    [
        [pull_request(7, COMMIT, "b" * 40)],
        [pull_request(9, None, "c" * 40), pull_request(7, COMMIT, "b" * 40), pull_request(8, None, COMMIT)],
        [pull_request(9, "e" * 40, "c" * 40), pull_request(7, "d" * 40, COMMIT)],
        [pull_request(3, COMMIT, "b" * 40, "fork/quiz"), pull_request(7, COMMIT, "b" * 40, "Acme/Quiz")],
    ],
    ids=["merged by it", "merged, among others", "its head", "of this repository"],
)
def test_push_updates_the_comment_of_the_pull_request_that_it_merged(
    replies: RequestsMock, first_comment: str, listed: list[dict[str, object]]
) -> None:
    replies.get(PULLS, json=listed)
    replies.get(COMMENTS, json=[as_stored(first_comment)])
    replies.patch(ONE, json=as_stored(""))
    deployed = replace(PLAN, command="deploy", status=Status.DEPLOYED, committed=True)
    assert commented(deployed, PUSH).comment_url == URL
    assert "Deployed" in written(replies)


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ([], "belongs to no pull request"),
        (
            [pull_request(8, COMMIT, "b" * 40), pull_request(9, COMMIT, "b" * 40)],
            "belongs to several pull requests (#8, #9)",
        ),
    ],
)
def test_push_without_one_pull_request_says_so_and_writes_nothing(
    replies: RequestsMock, listed: list[dict[str, object]], told: str
) -> None:
    replies.get(PULLS, json=listed)
    report = commented(PLAN, PUSH)
    assert report.notices == (f"No comment was written: the commit {COMMIT[:7]} {told}.",)
    assert report.annotated == ()


@pytest.mark.parametrize(("status", "told"), [(403, "pull-requests: write"), (404, "pull-requests: write")])
def test_push_whose_pull_request_may_not_be_looked_up_says_why(replies: RequestsMock, status: int, told: str) -> None:
    replies.get(PULLS, json={"message": "Resource not accessible by integration"}, status=status)
    [notice] = commented(PLAN, PUSH).notices
    assert f"Finding the pull request of the commit {COMMIT[:7]} failed" in notice
    assert told in notice


def test_run_of_another_kind_says_why_there_is_no_comment() -> None:
    context = read_context({**PLACE, "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "schedule"})
    report = commented(PLAN, context)
    assert report.notices == ("No comment was written: a run of `schedule` belongs to no pull request.",)
    assert report.annotated == ()
