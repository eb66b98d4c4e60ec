from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from nacl.public import PrivateKey, SealedBox
from responses import RequestsMock

from turso_deploy.core.errors import ErrorCode, InputError, PlatformError
from turso_deploy.github.context import API_URL
from turso_deploy.github.secrets import (
    GithubSecrets,
    SecretPlace,
    parse_place,
    seal,
    usable_secret_name,
)

SECRETS = f"{API_URL}/repos/acme/quiz/actions/secrets"
KEY = PrivateKey.generate()
PUBLIC_KEY = base64.b64encode(bytes(KEY.public_key)).decode()


@pytest.fixture
def secrets() -> Iterator[GithubSecrets]:
    client = GithubSecrets(SecretPlace("repository", "acme/quiz"), "github_pat", timeout=5)
    yield client
    client.close()


def test_only_the_owner_of_the_key_opens_what_is_sealed() -> None:
    sealed = seal("value", PUBLIC_KEY)
    assert SealedBox(KEY).decrypt(base64.b64decode(sealed)) == b"value"
    assert seal("value", PUBLIC_KEY) != sealed


@pytest.mark.parametrize("key", ["", "short", "!!!", base64.b64encode(b"x" * 31).decode()])
def test_a_public_key_that_is_none_is_told(key: str) -> None:
    with pytest.raises(PlatformError, match="public key"):
        seal("value", key)


@pytest.mark.parametrize(
    ("text", "place", "path"),
    [
        ("repository", SecretPlace("repository", "acme/quiz"), "/repos/acme/quiz/actions/secrets"),
        (
            "environment:pro/d 1",
            SecretPlace("environment", "acme/quiz", "pro/d 1"),
            "/repos/acme/quiz/environments/pro%2Fd%201/secrets",
        ),
        ("organization:acme", SecretPlace("organization", "acme"), "/orgs/acme/actions/secrets"),
    ],
)
def test_a_place_is_read_and_leads_to_its_path(text: str, place: SecretPlace, path: str) -> None:
    assert parse_place(text, "acme/quiz") == place
    assert place.path == path


@pytest.mark.parametrize(
    "text", ["", "repo", "environment", "environment:", "environment: ", "environment:a\nb", "organization:a/b"]
)
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="secret-scope"):
        parse_place(text, "acme/quiz")


@pytest.mark.parametrize("repository", [None, "", "quiz", "acme/quiz/more", "acme/qu iz"])
def test_a_repository_that_is_not_known_is_told(repository: str | None) -> None:
    with pytest.raises(InputError, match="repository of the secret is unknown"):
        parse_place("repository", repository)


@pytest.mark.parametrize("name", ["", "1ST", "GITHUB_TOKEN", "github_x", "A-B", "A B", "A/B", "É"])
def test_a_name_that_no_secret_has_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        usable_secret_name(name)


@pytest.mark.parametrize(
    ("status", "document", "headers", "code", "hint"),
    [
        (401, {"message": "Bad credentials"}, {}, ErrorCode.API_TOKEN_REJECTED, "Renew"),
        (403, {"message": "Resource not accessible by integration"}, {}, ErrorCode.API_FORBIDDEN, "Secrets: write"),
        (403, {"message": "API rate limit exceeded"}, {}, ErrorCode.RATE_LIMITED, "Wait a while"),
        (403, {"message": "secondary"}, {"Retry-After": "30"}, ErrorCode.RATE_LIMITED, "Wait 30 seconds"),
        (429, {}, {}, ErrorCode.RATE_LIMITED, "Wait"),
        (404, {"message": "Not Found"}, {}, ErrorCode.NOT_FOUND, "access to it"),
        (422, {"message": "Validation Failed"}, {}, ErrorCode.UNEXPECTED_REPLY, "again"),
        (503, None, {}, ErrorCode.SERVER_ERROR, "githubstatus"),
    ],
)
def test_each_refusal_of_a_write_says_what_to_do(
    secrets: GithubSecrets,
    replies: RequestsMock,
    status: int,
    document: Any,
    headers: dict[str, str],
    code: ErrorCode,
    hint: str,
) -> None:
    replies.get(f"{SECRETS}/public-key", json={"key_id": "1", "key": PUBLIC_KEY})
    replies.get(f"{SECRETS}/TOKEN", status=404)
    replies.put(f"{SECRETS}/TOKEN", json=document, status=status, headers=headers)
    with pytest.raises(PlatformError, match=f"Storing the secret TOKEN failed: .*HTTP {status}") as caught:
        secrets.store("TOKEN", "value", interval=0)
    assert caught.value.code is code
    assert hint in (caught.value.hint or "")
    assert {call.request.headers["Authorization"] for call in replies.calls} == {"Bearer github_pat"}
    # Behind any error the secret may be stored, so it is looked up.
    assert len(replies.calls) == (8 if status >= 500 else 4)
    sent = json.loads(replies.calls[2].request.body or "")
    assert sent["key_id"] == "1"
    assert SealedBox(KEY).decrypt(base64.b64decode(sent["encrypted_value"])) == b"value"


@pytest.mark.parametrize(
    ("document", "names"),
    [({}, " (`key_id`, `key`)"), ({"key_id": 1, "key": PUBLIC_KEY}, " (`key_id`)"), ([], ""), (None, "")],
)
def test_a_reply_without_a_public_key_names_what_is_wrong(
    secrets: GithubSecrets, replies: RequestsMock, document: Any, names: str
) -> None:
    replies.get(f"{SECRETS}/public-key", json=document)
    with pytest.raises(PlatformError) as caught:
        secrets.check("TOKEN")
    action = "Reading the public key of the repository acme/quiz"
    assert caught.value.message == f"{action} failed: the answer of GitHub's API cannot be read{names}."


def test_a_message_keeps_the_case_of_a_repository(replies: RequestsMock) -> None:
    place = parse_place("repository", "Acme/QuizApp")
    replies.get(f"{API_URL}/repos/Acme/QuizApp/actions/secrets/public-key", json={})
    client = GithubSecrets(place, "github_pat", timeout=5)
    with pytest.raises(PlatformError, match="Reading the public key of the repository Acme/QuizApp failed"):
        client.check("TOKEN")
    client.close()
