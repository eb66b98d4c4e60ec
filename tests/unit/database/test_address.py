from __future__ import annotations

import pytest

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.database.address import FileAddress, RemoteAddress, parse_address

SECRET = "eyJhbGciOiJFZERTQSJ9.eyJhIjoicncifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("libsql://db-org.turso.io", "https://db-org.turso.io"),
        ("libsql://db-org.aws-us-east-1.turso.io/", "https://db-org.aws-us-east-1.turso.io"),
        ("LIBSQL://db-org.turso.io", "https://db-org.turso.io"),
        ("turso://db-org.turso.io", "https://db-org.turso.io"),
        ("wss://db-org.turso.io", "https://db-org.turso.io"),
        ("https://db-org.turso.io:8443/base/", "https://db-org.turso.io:8443/base"),
        ("libsql://db-org.turso.io?tls=1", "https://db-org.turso.io"),
        ("libsql://127.0.0.1:8080?tls=0", "http://127.0.0.1:8080"),
        ("ws://localhost:8080", "http://localhost:8080"),
        ("http://db.localhost:8080", "http://db.localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_a_remote_url_leads_to_its_http_server(url: str, leads_to: str) -> None:
    address = parse_address(url)
    assert address == RemoteAddress(leads_to)
    assert address.display == leads_to


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:local.db", "local.db"),
        ("file:./folder/local.db", "./folder/local.db"),
        ("file:/absolute/local.db", "/absolute/local.db"),
        ("file:///absolute/local.db", "/absolute/local.db"),
        ("file://localhost/absolute/local.db", "/absolute/local.db"),
        ("file:with space.db", "with space.db"),
        ("file:with%20space%3F%23%25.db", "with space?#%.db"),
        ("file:n%C3%A9e.db", "née.db"),
    ],
)
def test_a_file_url_names_a_file(url: str, path: str) -> None:
    assert parse_address(url) == FileAddress(path)


def test_plain_http_over_the_network_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(InputError, match="clear text"):
        parse_address("http://sqld:8080")
    assert parse_address("http://sqld:8080", allow_insecure_http=True) == RemoteAddress("http://sqld:8080")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is empty"),
        ("db-org.turso.io", "no scheme"),
        (f"libsql://db-org.turso.io/eyJhbGciOi.{SECRET}", "contains a token"),
        ("sqlite:site.db", "belongs to other tools"),
        ("sqlite3:///site.db", "belongs to other tools"),
        ("db-org.turso.io:443", "no scheme"),
        (SECRET, "no scheme"),
        ("postgres://host/db", "not one of libsql"),
        ("libsql://", "no host"),
        ("libsql:///path", "no host"),
        ("libsql://user:hunter2@db-org.turso.io", "user name or password"),
        (f"libsql://{SECRET}@db-org.turso.io", "user name or password"),
        (f"libsql://db-org.turso.io?authToken={SECRET}", "contains a token"),
        (f"libsql://db-org.turso.io?auth_token={SECRET}", "contains a token"),
        (f"https://db-org.turso.io?jwt={SECRET}", "contains a token"),
        ("libsql://db-org.turso.io?mode=hunter2", "parameters"),
        ("libsql://db-org.turso.io?tls=2", "parameters"),
        ("https://db-org.turso.io?tls=0", "parameters"),
        ("libsql://db-org.turso.io#hunter2", "parameters"),
        ("libsql://127.0.0.1?tls=0", "port"),
        ("libsql://db-org.turso.io:hunter2", "host or port"),
        ("libsql://db-org.turso.io:99999", "host or port"),
        ("libsql://[::1", "host or port"),
        (" libsql://db-org.turso.io", "white space around"),
        ("libsql://db-org.turso.io\n", "white space around"),
        ("libsql://db org.turso.io", "white space inside"),
        ("libsql://db\torg.turso.io", "control character"),
        ("'libsql://db-org.turso.io'", "quotes"),
        (":memory:", "in-memory"),
        ("file::memory:", "in-memory"),
        ("file:%3Amemory%3A", "in-memory"),
        ("file:%3amemory:", "in-memory"),
        ("file:./%3Amemory:", "in-memory"),
        ("file:x/../:memory:", "in-memory"),
        ("file:file%3A%3Amemory%3A", "in-memory"),
        ("file:?mode=memory", "no parameters"),
        ("file:x?mode=memory", "no parameters"),
        ("file:x?vfs=memdb", "no parameters"),
        ("file:/x?vfs=memdb&cache=shared", "no parameters"),
        ("file:#", "does not name a file"),
        ("file://localhost", "does not name a file"),
        ("file:%00", "does not name a file"),
        ("file:", "does not name a file"),
        ("file:%0A::error::x", "does not name a file"),
        ("file:local.db?mode=ro", "no parameters"),
        ("file://host/local.db", "names no host"),
    ],
)
def test_any_other_url_is_refused_with_a_hint_and_not_repeated(url: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_address(url)
    assert caught.value.code is ErrorCode.DATABASE_URL_INVALID
    assert caught.value.hint
    told = f"{caught.value.message} {caught.value.hint}"
    assert "hunter2" not in told
    assert SECRET not in told


def test_a_token_in_the_url_is_to_be_rotated() -> None:
    with pytest.raises(InputError) as caught:
        parse_address(f"libsql://db-org.turso.io?authToken={SECRET}")
    assert caught.value.hint is not None
    assert "rotate" in caught.value.hint
