from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from responses import RequestsMock
from responses.matchers import json_params_matcher, query_param_matcher

from tests.support import broken_servers
from tests.support.broken_servers import Server
from turso_deploy.core.errors import ErrorCode, InputError, PlatformError
from turso_deploy.turso.platform import API_URL, Platform, PlatformDatabase

DATABASES = f"{API_URL}/v1/organizations/acme/databases"
SECRET = "an-api-token-that-nobody-may-see"
QUIZ = PlatformDatabase(name="quiz", id="0a1b", hostname="quiz-acme.aws-us-east-1.turso.io", group="default")


@pytest.fixture
def platform() -> Iterator[Platform]:
    client = Platform(SECRET, "acme", timeout=5)
    yield client
    client.close()


def entry(**fields: Any) -> dict[str, Any]:
    return {"Name": "quiz", "DbId": "0a1b", "Hostname": QUIZ.hostname, "group": "default", **fields}


def test_a_database_is_read_out_of_mixed_cases(platform: Platform, replies: RequestsMock) -> None:
    shown = entry(block_writes=True, sleeping=True, parent={"id": "99", "name": "origin"})
    replies.get(f"{DATABASES}/quiz", json={"database": shown})
    found = platform.database("quiz")
    assert found == QUIZ.model_copy(update={"block_writes": True, "sleeping": True, "parent_id": "99"})
    assert found.asleep
    assert found.address.url == f"https://{QUIZ.hostname}"
    headers = replies.calls[0].request.headers
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert headers["User-Agent"].startswith("turso-deploy/")


def test_every_page_of_branches_is_read(platform: Platform, replies: RequestsMock) -> None:
    first = {"databases": [entry(Name="a")], "pagination": {"next": "c1"}}
    second = {"databases": [entry(Name="b", name="b")], "pagination": {"next": None}}
    replies.get(DATABASES, json=first, match=[query_param_matcher({"parent": "0a1b"})])
    replies.get(DATABASES, json=second, match=[query_param_matcher({"parent": "0a1b", "cursor": "c1"})])
    assert [found.name for found in platform.branches("0a1b")] == ["a", "b"]


def test_a_token_is_minted_without_a_body(platform: Platform, replies: RequestsMock) -> None:
    replies.post(f"{DATABASES}/quiz/auth/tokens", json={"jwt": "h.p.s"})
    assert platform.mint("quiz", timedelta(minutes=15), read_only=True) == "h.p.s"
    [(request, _)] = replies.calls
    assert request.body is None
    assert request.url == f"{DATABASES}/quiz/auth/tokens?expiration=15m&authorization=read-only"


@pytest.mark.parametrize("document", [{}, {"jwt": None}, {"jwt": ""}, {"jwt": 7}, {"jwt": [SECRET]}, [], None])
def test_a_mint_reply_without_a_token_is_told(platform: Platform, replies: RequestsMock, document: Any) -> None:
    replies.post(f"{DATABASES}/quiz/auth/tokens", json=document)
    with pytest.raises(PlatformError, match=r"Minting a token for quiz failed: the answer .* cannot be read") as caught:
        platform.mint("quiz", timedelta(minutes=15), read_only=True)
    assert caught.value.code is ErrorCode.UNEXPECTED_REPLY
    assert caught.value.message.endswith("cannot be read (`jwt`)." if isinstance(document, dict) else "cannot be read.")


@pytest.mark.parametrize(
    ("status", "text", "code", "hint"),
    [
        (400, "Invalid expiration format", ErrorCode.INPUT_INVALID, "durations"),
        (401, "unauthorized", ErrorCode.API_TOKEN_REJECTED, "turso auth api-tokens mint"),
        (402, "payment required", ErrorCode.PLAN_LIMIT, "turso plan show"),
        (403, "forbidden", ErrorCode.API_FORBIDDEN, "`db:mint-token`"),
        (403, "reads are blocked, do you need to upgrade your plan?", ErrorCode.ACCESS_BLOCKED, "quota"),
        (404, "could not find database", ErrorCode.DATABASE_NOT_FOUND, "turso db list"),
        (409, "exists", ErrorCode.NAME_TAKEN, "another name"),
        (422, "unavailable", ErrorCode.NAME_TAKEN, "another name"),
        (429, "slow down", ErrorCode.RATE_LIMITED, "Wait 7 seconds"),
        (500, "oops", ErrorCode.SERVER_ERROR, "later"),
        (502, "archived", ErrorCode.SERVER_ERROR, "turso group unarchive"),
        (302, "", ErrorCode.UNEXPECTED_REPLY, "api-url"),
        (418, "", ErrorCode.UNEXPECTED_REPLY, "api-url"),
    ],
)
def test_each_refusal_says_what_to_do(
    platform: Platform, replies: RequestsMock, status: int, text: str, code: ErrorCode, hint: str
) -> None:
    replies.post(f"{DATABASES}/quiz/auth/tokens", json={"error": text}, status=status, headers={"Retry-After": "7"})
    with pytest.raises(PlatformError, match=f"HTTP {status}") as caught:
        platform.mint("quiz", timedelta(minutes=15), read_only=False)
    assert (caught.value.code, caught.value.committed) == (code, False)
    assert hint in (caught.value.hint or "")
    assert text in caught.value.message


def test_a_protected_database_is_not_deleted_and_it_is_told(platform: Platform, replies: RequestsMock) -> None:
    replies.delete(f"{DATABASES}/quiz", json={"error": "database has delete protection enabled"}, status=400)
    with pytest.raises(PlatformError) as caught:
        platform.delete("quiz")
    assert caught.value.code is ErrorCode.DELETE_PROTECTED


def test_no_secret_in_a_reply_is_repeated(platform: Platform, replies: RequestsMock) -> None:
    leaked = "eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c2lnbmF0dXJl"
    replies.get(f"{DATABASES}/quiz", json={"error": f"bad token {leaked}\x1b[31m {'x' * 500}"}, status=401)
    with pytest.raises(PlatformError) as caught:
        platform.database("quiz")
    assert leaked not in caught.value.message
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 400


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (broken_servers.unreachable, ErrorCode.TIMEOUT),
        (broken_servers.silent, ErrorCode.TIMEOUT),
        (broken_servers.closed_port, ErrorCode.UNREACHABLE),
        (broken_servers.truncated_chunk, ErrorCode.UNREACHABLE),
    ],
)
def test_an_api_that_does_not_answer_is_told(server: Server, code: ErrorCode) -> None:
    with server() as url:
        platform = Platform(SECRET, "acme", timeout=0.2 if code is ErrorCode.TIMEOUT else 30, url=url)
        with pytest.raises(PlatformError) as caught:
            platform.database("quiz")
        platform.close()
    assert caught.value.code is code
    assert SECRET not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"database": null}', '{"database": {"Name": "quiz"}}'])
def test_a_reply_that_is_no_database_is_told(platform: Platform, replies: RequestsMock, body: str) -> None:
    replies.get(f"{DATABASES}/quiz", body=body)
    with pytest.raises(PlatformError, match="cannot be read"):
        platform.database("quiz")


def test_a_branch_is_asked_for_by_both_names_that_are_documented(platform: Platform, replies: RequestsMock) -> None:
    def seeded(key: str) -> Any:
        return {"name": "quiz-b", "group": "default", "seed": {"type": "database", key: "quiz"}}

    missing = {"error": "seed.value is missing"}
    replies.post(DATABASES, json=missing, status=400, match=[json_params_matcher(seeded("name"))])
    made = {"DbId": "77", "Hostname": "quiz-b-acme.turso.io", "Name": "quiz-b"}
    replies.post(DATABASES, json={"database": made}, match=[json_params_matcher(seeded("value"))])
    assert platform.create_branch("quiz-b", QUIZ).id == "77"


@pytest.mark.parametrize(("exp", "expected"), [(-1, None), (1777593600, datetime(2026, 5, 1, tzinfo=UTC))])
def test_the_end_of_the_api_token_is_read(
    platform: Platform, replies: RequestsMock, exp: int, expected: datetime | None
) -> None:
    replies.get(f"{API_URL}/v1/auth/validate", json={"exp": exp})
    assert platform.token_expires_at() == expected


def test_an_end_of_another_form_is_told(platform: Platform, replies: RequestsMock) -> None:
    replies.get(f"{API_URL}/v1/auth/validate", json={"exp": "soon"})
    with pytest.raises(PlatformError, match="cannot be read"):
        platform.token_expires_at()


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../x", "https://x", "né", "a?b", "-a", "a\n", "x" * 101, "'quiz'"])
def test_an_odd_name_is_refused_before_anything_is_sent(platform: Platform, name: str) -> None:
    with pytest.raises(InputError, match="name of the organization"):
        Platform(SECRET, name, timeout=5)
    with pytest.raises(InputError, match="name of the database"):
        platform.database(name)


@pytest.mark.parametrize("token", ["", "with space", "line\nbreak", "né"])
def test_a_token_that_cannot_be_sent_is_refused(token: str) -> None:
    with pytest.raises(InputError) as caught:
        Platform(token, "acme", timeout=5)
    assert caught.value.code is ErrorCode.TOKEN_MALFORMED


def test_the_token_never_travels_in_clear_text() -> None:
    with pytest.raises(InputError, match="https"):
        Platform(SECRET, "acme", timeout=5, url="http://api.example.com")
    with pytest.raises(InputError):
        PlatformDatabase(name="quiz", id="0a1b", hostname="user:secret@evil.example").address  # noqa: B018
