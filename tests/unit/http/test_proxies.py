"""The proxy for a server: which one is used, and what it gets to see."""

from __future__ import annotations

import json
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import broken_servers
from tests.support.canned_server import CannedServer, canned_server
from tests.support.certificates import make_certificate, server_context
from tests.support.forward_proxies import connect_proxy, socks_proxy
from tests.support.http_clients import TOKEN, ask, failure, write
from turso_deploy.core.errors import ErrorCode, LostReplyError
from turso_deploy.http.errors import TransportErrorKind
from turso_deploy.http.proxies import proxy_for


def test_a_proxy_that_cannot_be_reached_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_servers.closed_port() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.replace("http://", f"http://user:{TOKEN}@"))
        for url in ("http://db.example", "https://db.example"):
            error = write(url, timeout=0.3)
            assert not isinstance(error, LostReplyError)
            assert error.message == "The proxy could not be reached."
            assert "HTTPS_PROXY" in str(error.hint)


def test_a_proxy_that_refuses_a_tunnel_is_told_and_nothing_was_sent(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    error = write("https://db.example")
    assert not isinstance(error, LostReplyError)
    assert error.message == "The proxy did not open a connection to the server."
    assert {(request.method, request.bearer) for request in server.asked} == {("CONNECT", "")}


def test_a_reply_that_is_lost_behind_a_tunnel_leaves_the_outcome_open_and_the_proxy_sees_no_token(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with broken_servers.aborted_tls_connection(certificate) as url, connect_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        error = write(url)
    assert isinstance(error, LostReplyError)
    assert "connection broke" in error.message
    assert proxy.targets == [("127.0.0.1", urlsplit(url).port)]
    assert TOKEN.encode() not in b"".join(proxy.received)


def test_a_reply_that_a_proxy_loses_leaves_the_outcome_open(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_servers.truncated_reply() as half, broken_servers.reset_connection() as resetting:
        for proxy in (half, resetting):
            monkeypatch.setenv("HTTP_PROXY", proxy)
            error = write("http://db.example")
            assert isinstance(error, LostReplyError)
            assert "connection broke" in error.message


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://user:{TOKEN}@",
        f"ftp://user:{TOKEN}@127.0.0.1:1",
        "http://[::1",
        "http://a b",
        "http://a:70000",
    ],
)
def test_a_proxy_whose_address_cannot_be_used_is_told_and_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    error = write("http://db.example")
    assert not isinstance(error, LostReplyError)
    assert error.code is ErrorCode.UNREACHABLE
    assert error.message == "The proxy that this machine is set to use is not supported."
    assert "http://HOST:PORT" in str(error.hint)


@pytest.mark.parametrize(
    ("url", "place"),
    [("https://db.example", "db.example:443"), ("https://[::1]:8443", "[::1]:8443"), ("https://[::1]", "[::1]:443")],
)
def test_a_tunnel_is_asked_for_by_host_and_port(monkeypatch: pytest.MonkeyPatch, url: str, place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as background:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{listening.getsockname()[1]}")
        caught = background.submit(failure, url)
        with listening.accept()[0] as proxy:
            asked = proxy.recv(65536).decode()
    assert asked.startswith(f"CONNECT {place} HTTP/1.")
    assert f"\r\nHost: {place}\r\n" in asked
    assert "\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n" in asked
    assert TOKEN not in asked
    assert (caught.result().kind, caught.result().request_sent) == (TransportErrorKind.PROXY, False)


def test_credentials_of_the_proxy_are_for_the_proxy_alone(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.to("GET", "/", {})
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("http://", "http://user:p%40ss%E2%82%AC@"))
    ask("http://db.example")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    ask(server.url)
    through, direct = server.asked
    assert through.headers["Proxy-Authorization"] == "Basic dXNlcjpwQHNz4oKs"
    assert through.bearer == direct.bearer == TOKEN
    assert "Proxy-Authorization" not in direct.headers


def test_credentials_of_the_proxy_may_be_of_any_encoding(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.to("GET", "/", {})
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("http://", "http://us%C3%A9r:p%E9@"))
    ask("http://db.example")
    assert b64decode(server.asked[0].headers["Proxy-Authorization"].split()[1]) == b"us\xc3\xa9r:p\xe9"


@pytest.mark.parametrize(
    ("named", "passed_by"),
    [
        ("*", True),
        ("203.0.113.7", True),
        ("10.0.0.0/8, 203.0.113.0/24", True),
        ("db.example,.7", True),
        ("203.0.113.8", False),
        ("203.0.113.7:1", False),
        ("10.0.0.0/8", False),
        ("/,a/b", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_what_no_proxy_names_is_asked_directly(
    monkeypatch: pytest.MonkeyPatch, variable: str, named: str, passed_by: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:3128")
    monkeypatch.setenv(variable, named)
    proxy = proxy_for("http://203.0.113.7:8080")
    assert proxy == (None if passed_by else "http://127.0.0.1:3128")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_plain_http_to_this_machine_never_leaves_it(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    server.to("GET", "/", {"directly": True})
    with canned_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert json.loads(ask(server.url.replace("127.0.0.1", host))) == {"directly": True}
        assert proxy.asked == []


def test_a_proxy_that_never_comes_to_an_end_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_servers.endless_reply(b"HTTP/1.1 200 OK\r\nA: ", b"a") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        error = write("https://db.example", timeout=0.5)
    assert not isinstance(error, LostReplyError)


@pytest.fixture
def secured(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    """A server whose certificate is believed."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with canned_server(server_context(certificate)) as running:
        running.to("POST", "/", {"read": True})
        yield running


def test_proxy_reached_by_tls_sees_neither_token_nor_request(
    certificate: Path, secured: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect_proxy(server_context(certificate)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.address}")
        assert json.loads(ask(secured.url, body=b"{}")) == {"read": True}
    assert proxy.targets == [("127.0.0.1", urlsplit(secured.url).port)]
    assert secured.asked[0].bearer == TOKEN
    assert TOKEN.encode() not in b"".join(proxy.received)


def test_plain_request_through_a_proxy_reached_by_tls_verifies_the_proxy(
    certificate: Path, secured: CannedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", secured.url)
    assert json.loads(ask("http://db.example", body=b"{}")) == {"read": True}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(make_certificate(tmp_path, "other.pem")))
    error = write("http://db.example")
    assert error.message == "The proxy could not be reached."
    assert "certificate" in str(error.hint)
    assert len(secured.asked) == 1


def test_proxy_reached_by_tls_that_nobody_signed_gets_nothing(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect_proxy(server_context(certificate)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://user:secret@{proxy.address}")
        error = failure("https://db.example")
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.PROXY, False, False)
    assert proxy.received == []


@pytest.mark.parametrize(("scheme", "target"), [("socks5", "127.0.0.1"), ("socks5h", "db.example")])
def test_socks_proxy_resolves_the_name_of_the_server_only_if_its_scheme_says_so(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch, scheme: str, target: str
) -> None:
    server.to("GET", "/", {})
    port = urlsplit(server.url).port
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == "db.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with socks_proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{proxy.address}")
        ask(f"http://db.example:{port}")
    assert proxy.targets == [(target, port)]


def test_socks_proxy_sees_no_token_of_a_request_by_https(
    secured: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socks_proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://{proxy.address}")
        ask(secured.url, body=b"{}")
    assert secured.asked[0].bearer == TOKEN
    assert proxy.received != []
    assert TOKEN.encode() not in b"".join(proxy.received)


def test_socks_proxy_gets_its_credentials_and_the_server_gets_none(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.to("GET", "/", {})
    with socks_proxy(user_and_password=(b"user", b"pass word")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"socks5h://user:pass%20word@{proxy.address}")
        ask(f"http://db.example:{urlsplit(server.url).port}")
        monkeypatch.setenv("HTTP_PROXY", f"socks5h://user:wrong@{proxy.address}")
        error = failure("http://db.example")
    assert proxy.credentials == [b"user", b"pass word", b"user", b"wrong"]
    assert proxy.targets == [("db.example", urlsplit(server.url).port)]
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.PROXY_REFUSED, False, False)


def test_server_that_a_socks_proxy_does_not_reach_was_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socks_proxy(refusal=5) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"socks5h://{proxy.address}")
        error = failure("http://db.example")
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.PROXY_REFUSED, False, True)


def test_reply_that_is_lost_behind_a_socks_proxy_leaves_the_outcome_open(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_servers.truncated_reply() as url, socks_proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"socks5h://{proxy.address}")
        assert isinstance(write(f"http://db.example:{urlsplit(url).port}"), LostReplyError)


def test_socks_proxy_that_stalls_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with socks_proxy(stall=0.3) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"socks5h://{proxy.address}")
        begun = time.monotonic()
        error = write("http://db.example", timeout=0.5)
        assert time.monotonic() - begun < 5
    assert not isinstance(error, LostReplyError)


def test_missing_pysocks_is_reported_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("HTTP_PROXY", "socks5h://127.0.0.1:1")
    error = write("http://db.example")
    assert not isinstance(error, LostReplyError)
    assert error.message == "The proxy that this machine is set to use needs the package PySocks."
    assert "turso-deploy[socks]" in str(error.hint)
