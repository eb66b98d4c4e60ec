"""Turso Cloud, where it is known to differ from sqld: its answers as recorded in public, before and after a write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from requests import PreparedRequest
from responses import RequestsMock

from tests.support.databases import DatabaseUnderTest, InterceptedDatabase, quick_retries
from tests.support.schema_folders import write_project
from tests.support.sqld import Sqld, exchange
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.deploy.deploy import deploy
from turso_deploy.http.backoff import MAX_ATTEMPTS
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status

URL = "https://quiz-acme.turso.io"
BLOCKED = {
    "message": "Operation was blocked: SQL write operations are forbidden "
    "(writes are blocked, do you need to upgrade your plan?)",
    "code": "BLOCKED",
}
Answer = tuple[int, dict[str, str], str]


class Cloud:
    """The HTTP side of Turso Cloud before a real engine. `change` may put another answer in place of the engine's."""

    def __init__(self, sqld: Sqld) -> None:
        self._sqld = sqld
        self.bodies: list[Any] = []
        self.change: Callable[[int, Callable[[], Answer]], Answer] = lambda number, forward: forward()

    def answer(self, request: PreparedRequest) -> Answer:
        assert request.headers["Authorization"] == "Bearer token"
        self.bodies.append(json.loads(request.body or ""))
        return self.change(len(self.bodies), self._forward)

    def _forward(self) -> Answer:
        headers = {"Authorization": f"Bearer {self._sqld.token()}"}
        status, content = exchange("POST", f"{self._sqld.url}/v3/pipeline", self.bodies[-1], headers)
        return status, {}, content.decode()


@pytest.fixture
def cloud(sqld: Sqld) -> Iterator[Cloud]:
    found = Cloud(sqld)
    with RequestsMock() as replies:
        replies.add_callback("POST", f"{URL}/v3/pipeline", found.answer)
        replies.add_passthru("http://127.0.0.1:")  # what a test does on the engine itself
        yield found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path / "schema")


def deploy_to(
    project: Project, after_query: Callable[[int], None] = lambda number: None, timeout: float = 30
) -> Report:
    database = InterceptedDatabase(
        HranaDatabase(URL, "token", timeout, retry_budget=quick_retries(timeout)), after_query
    )
    report = deploy(project, database)
    database.close()
    return report


def without_schema_version(number: int, forward: Callable[[], Answer]) -> Answer:
    """The pragma that tells the version of the schema is not served: an error of that step alone."""
    status, headers, text = forward()
    document = json.loads(text)
    result = document["results"][0]["response"]["result"]
    if number % 2:  # a read
        result["step_results"][0] = None
        result["step_errors"][0] = {"message": "SQL not allowed statement: pragma", "code": "SQL_PARSE_ERROR"}
    return status, headers, json.dumps(document)


def guard_of(body: Any) -> str:
    sql: str = body["requests"][0]["batch"]["steps"][3]["stmt"]["sql"]
    return sql


@pytest.mark.parametrize("deployed_before", [False, True])
def test_where_the_schema_version_is_not_served_the_catalog_guards(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project, deployed_before: bool
) -> None:
    cloud.change = without_schema_version
    if deployed_before:
        on_sqld.deploy(project)
        on_sqld.run("DROP VIEW v_books")
    report = deploy_to(project)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 2)
    assert "pragma_schema_version" not in guard_of(cloud.bodies[1])
    assert "sqlite_master" in guard_of(cloud.bodies[1])
    assert deploy_to(project).status is Status.UNCHANGED


@pytest.mark.parametrize(
    "meddling",
    [
        "CREATE TABLE other_1 (a)",
        "DROP TABLE other_0",
        "DROP INDEX other_i",
        "ALTER TABLE other_0 ADD COLUMN b",
        "ALTER TABLE other_0 RENAME TO other_1",
    ],
)
def test_the_catalog_guards_against_every_change_of_schema(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project, meddling: str
) -> None:
    cloud.change = without_schema_version
    on_sqld.run("CREATE TABLE other_0 (a UNIQUE, c)", "CREATE INDEX other_i ON other_0 (c)")

    def meddle(number: int) -> None:
        if number == 1:
            on_sqld.run(meddling)

    report = deploy_to(project, meddle)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 4)


ANSWERS = [
    (400, "JWT error: InvalidToken", "token-rejected"),
    (401, '{"error":"Unauthorized: `empty JWT token`"}', "token-rejected"),
    (401, '{"error":"can\'t be decoded with any of the existing keys"}', "token-rejected"),
    (401, '{"error":"token does not have the permissions to access the database"}', "token-rejected"),
    (401, '{"error":"Unauthorized: `The JWT has expired`"}', "token-expired"),
    (403, '{"error":"Authorization forbidden: Write permission to namespace"}', "token-read-only"),
    (403, '{"message":"access is blocked","code":"BLOCKED"}', "access-blocked"),
    (404, '{"error":"database not found"}', "database-not-found"),
    (404, "", "database-not-found"),
    (429, "<html>Too many requests</html>", "rate-limited"),
    (413, "", "server-error"),
    (302, "", "unexpected-reply"),
    (505, "", "server-error"),
    (408, "request timeout", "timeout"),
    (500, '{"error":"internal error"}', "server-error"),
    (502, "<html>Bad gateway</html>", "server-error"),
    (503, "", "server-error"),
    (200, "<html>Welcome</html>", "unexpected-reply"),
    (200, "", "unexpected-reply"),
    (200, '{"baton":null,"results":[]}', "unexpected-reply"),
]


def attempts(status: int, body: str) -> int:
    """How often a request is sent that gets this answer each time."""
    if status == 404:
        return 2
    return MAX_ATTEMPTS if status in (408, 429, 500, 502, 503) or (status == 200 and "<html>" not in body) else 1


@pytest.mark.parametrize(("status", "body", "code"), ANSWERS)
def test_a_read_that_is_refused_changed_nothing(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project, status: int, body: str, code: str
) -> None:
    cloud.change = lambda number, forward: (status, {}, body)
    report = deploy_to(project)
    assert report.error is not None
    assert (report.error.code, report.committed) == (code, False)
    assert report.requests == attempts(status, body)
    assert len(report.notices) == report.requests - 1
    assert report.error.hint
    assert on_sqld.names() == set()


@pytest.mark.parametrize(("status", "body", "code"), [answer for answer in ANSWERS if 300 <= answer[0] < 500])
def test_a_write_that_is_refused_changed_nothing(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project, status: int, body: str, code: str
) -> None:
    cloud.change = lambda number, forward: (status, {}, body) if number >= 2 else forward()
    report = deploy_to(project, timeout=1)
    assert report.error is not None
    if status == 408:
        assert (report.error.code, report.committed) == (
            "outcome-unknown",
            None,
        )  # nor is the deployment history's answer given
    else:  # nothing proves it, as the deployment history cannot be read either
        assert (report.error.code, report.committed) == (code, None)
        assert "The deployment history could not be read" in report.error.message
    assert on_sqld.names() == set()


@pytest.mark.parametrize("has_run", [False, True])
@pytest.mark.parametrize(
    ("status", "body", "code"), [answer for answer in ANSWERS if answer[0] in (302, 401, 403, 413)]
)
def test_write_that_a_server_rejects_is_looked_up_in_the_history(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project, status: int, body: str, code: str, *, has_run: bool
) -> None:
    def change(number: int, forward: Callable[[], Answer]) -> Answer:
        if number != 2:
            return forward()
        if has_run:
            forward()
        return status, {}, body

    cloud.change = change
    report = deploy_to(project)
    assert report.error is not None
    assert (report.error.code, report.committed, report.requests) == (code, has_run, 3)
    assert report.status is Status.FAILED
    assert bool(on_sqld.names()) is has_run


@pytest.mark.parametrize(
    ("status", "body"), [(status, body) for status, body, _ in ANSWERS if not 300 <= status < 500 or status == 408]
)
def test_a_write_that_may_have_run_is_sent_again_when_the_history_does_not_know_it(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project, status: int, body: str
) -> None:
    cloud.change = lambda number, forward: (status, {}, body) if number == 2 else forward()
    report = deploy_to(project)
    assert (report.error, report.status, report.committed, report.requests) == (None, Status.DEPLOYED, True, 5)
    assert any("the deployment history shows no commit" in notice for notice in report.notices)
    assert on_sqld.rows("SELECT id FROM schema_deployments") == [(report.deployment_id,)]


def test_a_write_that_surely_did_not_run_is_sent_again_without_asking(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project
) -> None:
    cloud.change = lambda number, forward: (429, {"Retry-After": "0"}, "") if number == 2 else forward()
    report = deploy_to(project)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 3)
    assert any("too many requests" in notice for notice in report.notices)


def test_a_server_that_asks_for_more_time_than_there_is_is_given_up_at_once(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project
) -> None:
    cloud.change = lambda number, forward: (429, {"Retry-After": "100"}, "")
    report = deploy_to(project)
    assert report.error is not None
    assert (report.error.code, report.requests, report.notices) == ("rate-limited", 1, ())


@pytest.mark.parametrize(
    ("status", "body"), [(status, body) for status, body, _ in ANSWERS if status in (200, 408, 502)]
)
def test_a_write_that_ran_although_the_answer_is_an_error_is_found_in_the_history(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project, status: int, body: str
) -> None:
    def change(number: int, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        return (status, {}, body) if number == 2 else answer

    cloud.change = change
    report = deploy_to(project)
    assert (report.error, report.status, report.committed, report.requests) == (None, Status.DEPLOYED, True, 3)
    assert on_sqld.rows("SELECT id FROM schema_deployments") == [(report.deployment_id,)]


def test_a_write_that_is_blocked_step_by_step_changed_nothing(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project
) -> None:
    def change(number: int, forward: Callable[[], Answer]) -> Answer:
        if number == 1:
            return forward()
        steps = cloud.bodies[-1]["requests"][0]["batch"]["steps"]
        empty = {"cols": [], "rows": [], "affected_row_count": 0, "last_insert_rowid": None}
        result = {
            "step_results": [empty, empty, *[None] * (len(steps) - 2)],
            "step_errors": [None, None, BLOCKED, *[None] * (len(steps) - 3)],
        }
        closed = {"type": "ok", "response": {"type": "close"}}
        batch = {"type": "ok", "response": {"type": "batch", "result": result}}
        return 200, {}, json.dumps({"baton": None, "base_url": None, "results": [batch, closed]})

    cloud.change = change
    report = deploy_to(project)
    assert report.error is not None
    assert (report.error.code, report.committed, report.requests) == ("access-blocked", False, 2)
    assert on_sqld.names() == set()


def test_a_batch_that_is_blocked_as_a_whole_changed_nothing(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project
) -> None:
    blocked = {"results": [{"type": "error", "error": BLOCKED}, {"type": "ok", "response": {"type": "close"}}]}
    cloud.change = lambda number, forward: (200, {}, json.dumps(blocked)) if number == 2 else forward()
    report = deploy_to(project)
    assert report.error is not None
    assert (report.error.code, report.committed, report.requests) == ("access-blocked", False, 3)
    assert on_sqld.names() == set()


def test_a_database_whose_reads_are_blocked_is_told(cloud: Cloud, project: Project) -> None:
    blocked = {**BLOCKED, "message": BLOCKED["message"].replace("write", "read")}
    answer = {"results": [{"type": "error", "error": blocked}, {"type": "ok", "response": {"type": "close"}}]}
    cloud.change = lambda number, forward: (200, {}, json.dumps(answer))
    report = deploy_to(project)
    assert report.error is not None
    assert (report.error.code, report.committed, report.requests) == ("access-blocked", False, 1)


def test_where_shadow_tables_cannot_be_told_the_rest_is_read_all_the_same(
    cloud: Cloud, on_sqld: DatabaseUnderTest, project: Project
) -> None:
    def change(number: int, forward: Callable[[], Answer]) -> Answer:
        status, headers, text = forward()
        document = json.loads(text)
        if number == 1:
            result = document["results"][0]["response"]["result"]
            result["step_results"][3] = None
            result["step_errors"][3] = {"message": "no such table: pragma_table_list", "code": "SQLITE_ERROR"}
        return status, headers, json.dumps(document)

    cloud.change = change
    assert deploy_to(project).status is Status.DEPLOYED
    assert {"authors", "books"} <= on_sqld.names()
