"""Answers that a real sqld does not give: those of Turso Cloud, of proxies and of web sites."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from responses import RequestsMock

from tests.support.databases import quick_retries
from turso_deploy.core.errors import DatabaseError, ErrorCode, LostReplyError
from turso_deploy.core.transaction import Failure, Purpose, Query, Transaction, TransactionStep
from turso_deploy.database.hrana import HranaDatabase

URL = "https://quiz-acme.turso.io"
WRITE = Transaction((TransactionStep(Query("CREATE TABLE t (a)"), Purpose.CHANGE, "t"),))
CLOSED = {"type": "ok", "response": {"type": "close"}}


@pytest.fixture
def database() -> Iterator[HranaDatabase]:
    opened = HranaDatabase(URL, "hunter2", timeout=5, retry_budget=quick_retries(5))
    yield opened
    opened.close()


def answer(replies: RequestsMock, content: Any = "", status: int = 200, **more: Any) -> None:
    """Register a reply of the database: text as it is, anything else as JSON."""
    body = content if isinstance(content, str) else json.dumps(content)
    replies.post(f"{URL}/v3/pipeline", body, status=status, **more)


def jwt_error(text: str) -> dict[str, str]:
    return {"error": f"Unauthorized: `unauthorized access attempt on database: {text}`"}


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": "JWT error: InvalidToken"}, ErrorCode.TOKEN_REJECTED),
        (400, {"error": "JWT error: Base64 error: Invalid symbol 61, offset 0"}, ErrorCode.TOKEN_REJECTED),
        (400, {"error": "JWT error: ExpiredSignature"}, ErrorCode.TOKEN_EXPIRED),
        (401, jwt_error("empty JWT token"), ErrorCode.TOKEN_REJECTED),
        (401, jwt_error("invalid JWT token: can't be decoded with any of the existing keys"), ErrorCode.TOKEN_REJECTED),
        (401, jwt_error("token does not have the permissions to access the database"), ErrorCode.TOKEN_REJECTED),
        (401, {"message": "The JWT has expired", "code": "AUTH"}, ErrorCode.TOKEN_EXPIRED),
        (401, "", ErrorCode.TOKEN_REJECTED),
        (403, {"error": "Operation was blocked: SQL read operations are forbidden"}, ErrorCode.ACCESS_BLOCKED),
        (403, {"error": "Authorization forbidden: … Read permission"}, ErrorCode.TOKEN_REJECTED),
        (403, "", ErrorCode.ACCESS_BLOCKED),
        (404, {"error": 'route not found: ["v3", "pipeline"]'}, ErrorCode.DATABASE_NOT_FOUND),
        (401, "<html>Sign in</html>", ErrorCode.TOKEN_REJECTED),
        (407, "<html>Sign in to the proxy</html>", ErrorCode.UNREACHABLE),
        (413, "", ErrorCode.SERVER_ERROR),
        (413, "<html>Request Entity Too Large</html>", ErrorCode.SERVER_ERROR),
        (429, {"error": "Too many concurrent requests"}, ErrorCode.RATE_LIMITED),
        (429, "<html>slow down</html>", ErrorCode.RATE_LIMITED),
        (301, "", ErrorCode.UNEXPECTED_REPLY),
    ],
)
def test_a_refused_write_surely_did_not_run(
    replies: RequestsMock, database: HranaDatabase, status: int, body: Any, code: ErrorCode
) -> None:
    answer(replies, body, status)
    with pytest.raises(DatabaseError) as caught:
        database.apply(WRITE)
    assert not isinstance(caught.value, LostReplyError)
    assert (caught.value.code, caught.value.committed) == (code, False)
    assert caught.value.hint
    assert replies.calls[0].request.headers["Authorization"] == "Bearer hunter2"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (408, "", ErrorCode.TIMEOUT),
        (500, {"error": "hunter2"}, ErrorCode.SERVER_ERROR),
        (502, "Bad Gateway", ErrorCode.SERVER_ERROR),
        (503, {"message": "out of resources", "code": "UNAVAILABLE"}, ErrorCode.SERVER_ERROR),
        (504, "<html>Gateway Timeout</html>", ErrorCode.SERVER_ERROR),
        (500, "[" * 100_000, ErrorCode.SERVER_ERROR),
        (202, "", ErrorCode.UNEXPECTED_REPLY),
        (203, {"results": [CLOSED]}, ErrorCode.UNEXPECTED_REPLY),
        (303, "", ErrorCode.UNEXPECTED_REPLY),
        (400, "Received an invalid baton", ErrorCode.UNEXPECTED_REPLY),
        (400, {"error": "The stream has expired", "code": "STREAM_EXPIRED"}, ErrorCode.UNEXPECTED_REPLY),
        (404, {"error": "stream not found: 1:2"}, ErrorCode.UNEXPECTED_REPLY),
        (404, "<html>no such page</html>", ErrorCode.UNEXPECTED_REPLY),
        (418, [1, 2], ErrorCode.UNEXPECTED_REPLY),
        (200, "", ErrorCode.UNEXPECTED_REPLY),
        (200, "<!doctype html><title>Sign in</title>", ErrorCode.UNEXPECTED_REPLY),
        (200, '{"results": [', ErrorCode.UNEXPECTED_REPLY),
        (200, "[]", ErrorCode.UNEXPECTED_REPLY),
        (200, {"results": None}, ErrorCode.UNEXPECTED_REPLY),
        (200, {"results": [CLOSED]}, ErrorCode.UNEXPECTED_REPLY),
        (200, {"results": [CLOSED, CLOSED]}, ErrorCode.UNEXPECTED_REPLY),
        (200, {"results": [None, CLOSED]}, ErrorCode.UNEXPECTED_REPLY),
    ],
)
def test_a_write_whose_answer_cannot_be_read_may_have_run(
    replies: RequestsMock, database: HranaDatabase, status: int, body: Any, code: ErrorCode
) -> None:
    answer(replies, body, status)
    with pytest.raises(LostReplyError) as caught:
        database.apply(WRITE)
    assert (caught.value.code, caught.value.committed) == (code, None)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("status", [200, 408, 500])
def test_a_read_never_leaves_the_outcome_open(replies: RequestsMock, database: HranaDatabase, status: int) -> None:
    answer(replies, status=status)
    with pytest.raises(DatabaseError) as caught:
        database.query([Query("SELECT 1")])
    assert not isinstance(caught.value, LostReplyError)
    assert caught.value.committed is False


def test_a_host_that_no_name_server_knows_is_told() -> None:
    database = HranaDatabase(
        "http://database.invalid", "token", timeout=5, retry_budget=quick_retries(5)
    )  # RFC 6761: never resolves
    with pytest.raises(DatabaseError, match="host of the database URL does not exist") as caught:
        database.apply(WRITE)
    database.close()
    assert not isinstance(caught.value, LostReplyError)


def test_a_redirect_is_not_followed(replies: RequestsMock, database: HranaDatabase) -> None:
    answer(replies, status=307, headers={"Location": f"{URL}/elsewhere"})
    with pytest.raises(DatabaseError, match="redirect"):
        database.query([Query("SELECT 1")])
    assert len(replies.calls) == 1


def test_the_wait_that_a_server_asks_for_is_passed_on(replies: RequestsMock, database: HranaDatabase) -> None:
    answer(replies, status=429, headers={"Retry-After": "17"})
    with pytest.raises(DatabaseError) as caught:
        database.query([Query("SELECT 1")])
    assert caught.value.hint is not None
    assert "17 seconds" in caught.value.hint


def in_band(message: str, code: str) -> dict[str, Any]:
    error = {"message": message, "code": code}
    return {"baton": None, "base_url": None, "results": [{"type": "error", "error": error}, CLOSED]}


def test_a_batch_that_is_blocked_as_a_whole_did_not_run(replies: RequestsMock, database: HranaDatabase) -> None:
    failure = Failure("SQL write operations are forbidden", "BLOCKED")
    answer(replies, in_band(failure.message, failure.code))
    outcome = database.apply(WRITE)
    assert not outcome.committed
    assert outcome.failed is not None
    assert (outcome.failed.position, outcome.failed.failure) == (None, failure)


def test_a_batch_that_is_refused_for_an_unknown_reason_may_have_run(
    replies: RequestsMock, database: HranaDatabase
) -> None:
    answer(replies, in_band("Response is too large", "RESPONSE_TOO_LARGE"))
    with pytest.raises(LostReplyError):
        database.apply(WRITE)


def test_a_parse_refusal_stays_known_when_its_step_cannot_be_found(
    replies: RequestsMock, database: HranaDatabase
) -> None:
    answer(replies, in_band("SQL not allowed statement: VACUUM", "SQL_PARSE_ERROR"))
    answer(replies, status=503)
    outcome = database.apply(WRITE)
    assert outcome.failed is not None
    assert (outcome.failed.position, outcome.failed.failure.code) == (None, "SQL_PARSE_ERROR")
