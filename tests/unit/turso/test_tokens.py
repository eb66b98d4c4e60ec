from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.sqld import sign
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.turso.token_claims import LEEWAY, Claims, Rule
from turso_deploy.turso.tokens import check_access, read_claims, read_platform_claims

NOW = datetime(2026, 5, 1, tzinfo=UTC)
TOKEN = sign(Ed25519PrivateKey.generate(), {"a": "rw"})
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")


def test_the_claims_of_a_database_token_are_read() -> None:
    claims = {
        "a": "ro",
        "exp": NOW,
        "iat": NOW - timedelta(days=1),
        "id": "4b1d",
        "perm": [{"t": ["users"], "a": ["data_read"]}],
    }
    assert read_claims(sign(Ed25519PrivateKey.generate(), claims)) == Claims(
        access="ro",
        expires_at=NOW,
        issued_at=NOW - timedelta(days=1),
        database_id="4b1d",
        restrictions=[Rule(tables=["users"], actions=["data_read"])],
    )


def signed(payload: str) -> str:
    return jwt.api_jws.encode(payload.encode(), Ed25519PrivateKey.generate(), algorithm="EdDSA")


def test_a_foreign_claim_with_the_name_of_a_field_is_not_read() -> None:
    rule = {"tables": ["users"], "actions": ["data_read"]}
    foreign = {"access": "ro", "expires_at": 1, "key_id": "x", "restrictions": [], "not_before": 1, "perm": [rule]}
    assert read_claims(signed(json.dumps(foreign))) == Claims(restrictions=[Rule()])
    assert read_claims(signed(json.dumps({**foreign, "a": "rw", "perm": None}))) == Claims(access="rw")


@pytest.mark.parametrize(
    ("written", "key"), [('"k"', "k"), ("7", "7"), ("1.5", "1.5"), ("true", "True"), ("null", None)]
)
def test_a_key_id_may_be_a_number(written: str, key: str | None) -> None:
    assert read_claims(signed(f'{{"kid": {written}}}')).key_id == key


@pytest.mark.parametrize(
    "payload",
    ['{"a": ' + "[" * 100_000, '{"a": ' + "[" * 1_000 + "]" * 1_000 + "}", r'{"kid": "\ud800"}', "{", "1" * 5_000],
)
def test_a_token_without_valid_json_is_malformed(payload: str) -> None:
    with pytest.raises(InputError, match="second part of the database token is not JSON") as caught:
        read_claims(signed(payload))
    assert caught.value.code is ErrorCode.TOKEN_MALFORMED
    assert read_platform_claims(signed(payload)) == Claims()


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "no characters"),
        (" \n", "only white space"),
        (f"{TOKEN}\n", "a trailing newline"),
        (f"{HEADER}.\n{PAYLOAD}.{SIGNATURE}", "a newline inside"),
        (f" {TOKEN}", "white space around it"),
        (f"{HEADER}. {PAYLOAD}.{SIGNATURE}", "white space inside"),
        (f'"{TOKEN}"', "quotes around it"),
        (f"'{TOKEN}'", "quotes around it"),
        (f"Bearer {TOKEN}", "the word `Bearer`"),
        (f"{TOKEN}=", "a `=` at the end"),
        (f"TURSO_AUTH_TOKEN={TOKEN}", "`NAME=value`"),
        ("libsql://db-org.turso.io", "a URL"),
        (f"{HEADER}.{PAYLOAD}", "this one has 2"),
        (f"{TOKEN}.{SIGNATURE}", "this one has 4"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE}é", "third part .* not base64url"),
        (f"{HEADER}.!.{SIGNATURE}", "second part .* not base64url"),
        (f"{HEADER[:-5]}.{PAYLOAD}.{SIGNATURE}", "first part"),
        (f"{HEADER}.WzFd.{SIGNATURE}", "second part .* not a JSON object"),
    ],
)
def test_a_token_that_was_stored_wrongly_is_told_and_not_repeated(token: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        read_claims(token)
    assert caught.value.code is ErrorCode.TOKEN_MALFORMED
    assert caught.value.hint
    told = f"{caught.value.message} {caught.value.hint}"
    assert not any(part in told for part in (HEADER, PAYLOAD, SIGNATURE))


@pytest.mark.parametrize(
    ("claims", "names"),
    [
        ({"a": "rw", "exp": "soon"}, "`exp`"),
        ({"exp": 10**20}, "`exp`"),
        ({"exp": True, "iat": "1780000000"}, "`exp`, `iat`"),
        ({"a": 1}, "`a`"),
        ({"perm": 7}, "`perm`"),
        ({"perm": [{"a": ["data_read", 7]}]}, "`perm.0.a.1`"),
        ({"p": 7}, "`p`"),
    ],
)
def test_a_claim_of_another_form_is_named(claims: dict[str, Any], names: str) -> None:
    key = Ed25519PrivateKey.generate()
    with pytest.raises(InputError, match=rf"has an invalid form \({names}\)$"):
        read_claims(jwt.api_jws.encode(json.dumps(claims).encode(), key, algorithm="EdDSA"))


def test_a_platform_token_is_told_apart() -> None:
    by_algorithm = jwt.encode({"sub": "user"}, "k" * 32, algorithm="HS256")
    by_claims = sign(Ed25519PrivateKey.generate(), {"organization": "org", "scopes": ["read"]})
    for token in (by_algorithm, by_claims):
        with pytest.raises(InputError, match="Platform API"):
            read_claims(token)


def test_an_expired_token_is_refused() -> None:
    with pytest.raises(InputError, match="expired at 2026-05-01 00:00:00 UTC") as caught:
        check_access(Claims(expires_at=NOW), needs_write=False, now=NOW + LEEWAY)
    assert caught.value.code is ErrorCode.TOKEN_EXPIRED
    check_access(Claims(expires_at=NOW), needs_write=True, now=NOW + LEEWAY - timedelta(seconds=1))


@pytest.mark.parametrize("claims", [Claims(access="ro"), Claims(access="roa"), Claims(scopes={"ro": {"ns": ["db"]}})])
def test_a_read_only_token_is_refused_only_for_writing(claims: Claims) -> None:
    check_access(claims, needs_write=False, now=NOW)
    with pytest.raises(InputError) as caught:
        check_access(claims, needs_write=True, now=NOW)
    assert caught.value.code is ErrorCode.TOKEN_READ_ONLY


@pytest.mark.parametrize(
    "claims", [Claims(), Claims(access="rw"), Claims(access="ro", scopes={"rw": {"ns": ["db"]}}), Claims(scopes={})]
)
def test_a_token_that_may_write_is_left_to_the_server(claims: Claims) -> None:
    check_access(claims, needs_write=True, now=NOW)
