"""The way to a server, and what breaks on it: what is told, and whether a write may have run."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests import breaking
from tests.breaking import Server
from tests.certificates import make_certificate
from tests.replies import Replies, replying
from turso_deploy.database.base import Purpose, Query, Transaction, TransactionStep
from turso_deploy.database.connection import Connection, NoAnswerError, Trouble
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.errors import DatabaseError, ErrorCode, LostReplyError

WRITE = Transaction((TransactionStep(Query("CREATE TABLE t (a)"), Purpose.CHANGE, "t"),))
TOKEN = "hunter2"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Replies]:
    with replying() as replies:
        yield replies


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


def write(url: str, timeout: float = 5) -> DatabaseError:
    """The error that a write to the server ends with."""
    database = HranaDatabase(url, TOKEN, timeout)
    with pytest.raises(DatabaseError) as caught:
        database.apply(WRITE)
    database.close()
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


def ask(url: str, path: str = "/", body: bytes | None = None) -> bytes:
    connection = Connection(url, TOKEN, timeout=5)
    try:
        return connection.request("POST" if body else "GET", path, body).body
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("server", "code", "lost", "told"),
    [
        (breaking.that_cannot_be_reached, ErrorCode.TIMEOUT, False, "could not be reached within 0.3 s"),
        (breaking.that_is_silent, ErrorCode.TIMEOUT, True, "did not answer within 0.3 s"),
        (breaking.that_refuses, ErrorCode.UNREACHABLE, False, "does not accept connections"),
        (breaking.that_answers_half, ErrorCode.UNREACHABLE, True, "connection broke"),
        (breaking.that_answers_half_a_chunk, ErrorCode.UNREACHABLE, True, "connection broke"),
        (breaking.that_answers_what_is_not_packed, ErrorCode.UNREACHABLE, True, "connection broke"),
        (breaking.that_resets, ErrorCode.UNREACHABLE, True, "connection broke"),
        (breaking.that_ends_a_handshake, ErrorCode.UNREACHABLE, False, "conn"),
    ],
)
def test_a_broken_connection_is_told_by_when_it_broke(server: Server, code: ErrorCode, lost: bool, told: str) -> None:
    with server() as url:
        error = write(url, timeout=0.3)
    assert isinstance(error, LostReplyError) is lost
    assert error.code is code
    assert told in error.message


def test_a_certificate_that_nobody_signed_is_told_and_nothing_was_sent(certificate: Path) -> None:
    with breaking.that_ends_a_secure_connection(certificate) as url:
        error = write(url)
    assert not isinstance(error, LostReplyError)
    assert error.message == "No secure connection to the server could be made."


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_secure_connection_that_ends_after_the_request_leaves_the_outcome_open(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    with breaking.that_ends_a_secure_connection(certificate) as url:
        error = write(url)
    assert isinstance(error, LostReplyError)
    assert "connection broke" in error.message


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
def test_a_folder_of_certificates_is_believed(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    hashed = tmp_path / "authorities"
    hashed.mkdir()
    # https://docs.openssl.org/master/man1/openssl-rehash/: the name is a hash of the subject, here of CN=127.0.0.1
    (hashed / "88d0bdcb.0").write_bytes(certificate.read_bytes())
    monkeypatch.setenv(variable, str(hashed))
    with breaking.that_ends_a_secure_connection(certificate) as url:
        assert isinstance(write(url), LostReplyError)


def test_a_machine_without_authorities_is_told(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with breaking.that_ends_a_secure_connection(certificate) as url:
        error = write(url)
    assert not isinstance(error, LostReplyError)
    assert "this machine has no certificate of an authority" in error.message
    assert "ca-certificates" in str(error.hint)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_bundle_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with breaking.that_refuses() as url:
        error = write(url.replace("http:", "https:"))
    assert not isinstance(error, LostReplyError)
    assert "REQUESTS_CA_BUNDLE" in error.message


def test_a_proxy_that_cannot_be_reached_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with breaking.that_refuses() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.replace("http://", f"http://user:{TOKEN}@"))
        for url in ("http://db.example", "https://db.example"):
            error = write(url, timeout=0.3)
            assert not isinstance(error, LostReplyError)
            assert error.message == "The proxy could not be reached."
            assert "HTTPS_PROXY" in str(error.hint)


def test_a_proxy_that_refuses_a_tunnel_is_told_and_nothing_was_sent(
    server: Replies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    error = write("https://db.example", timeout=0.3)
    assert not isinstance(error, LostReplyError)
    assert error.message == "The proxy could not be reached."
    assert {(request.method, request.bearer) for request in server.asked} == {("CONNECT", "")}


def test_a_reply_that_is_lost_behind_a_tunnel_leaves_the_outcome_open_and_the_proxy_sees_no_token(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with breaking.that_ends_a_secure_connection(certificate) as url, tunnelling() as (proxy, seen):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        error = write(url)
    assert isinstance(error, LostReplyError)
    assert "connection broke" in error.message
    assert seen[0].startswith(b"CONNECT 127.0.0.1:")
    assert TOKEN.encode() not in b"".join(seen)


@contextmanager
def tunnelling() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that makes one tunnel, and all that it gets to see of the client."""
    seen: list[bytes] = []

    def pass_on(source: socket.socket, target: socket.socket, keep: list[bytes]) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                keep.append(piece)
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as background:

        def tunnel() -> None:
            with listening.accept()[0] as client:
                seen.append(client.recv(65536))
                host, _, port = seen[0].split()[1].decode().partition(":")
                with socket.create_connection((host, int(port))) as server, ThreadPoolExecutor(1) as back:
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    back.submit(pass_on, server, client, [])
                    pass_on(client, server, seen)

        background.submit(tunnel)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen


def test_a_reply_that_a_proxy_loses_leaves_the_outcome_open(monkeypatch: pytest.MonkeyPatch) -> None:
    with breaking.that_answers_half() as half, breaking.that_resets() as resetting:
        for proxy in (half, resetting):
            monkeypatch.setenv("HTTP_PROXY", proxy)
            error = write("http://db.example")
            assert isinstance(error, LostReplyError)
            assert "connection broke" in error.message


@pytest.mark.parametrize("proxy", [f"http://user:{TOKEN}@", "socks5://127.0.0.1:1", "http://[::1", "http://a b"])
def test_a_proxy_whose_address_cannot_be_used_is_told_and_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    error = write("http://db.example")
    assert not isinstance(error, LostReplyError)
    assert error.code is ErrorCode.UNREACHABLE


def test_credentials_of_the_proxy_are_for_the_proxy_alone(server: Replies, monkeypatch: pytest.MonkeyPatch) -> None:
    server.to("GET", "/", {})
    monkeypatch.setenv("HTTP_PROXY", server.url.replace("http://", "http://user:p%40ss%E2%82%AC@"))
    ask("http://db.example")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    ask(server.url)
    through, direct = server.asked
    assert through.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz4oKs"
    assert through.bearer == direct.bearer == TOKEN
    assert "proxy-authorization" not in direct.headers


@pytest.mark.parametrize(
    ("named", "passed_by"),
    [
        ("*", True),
        ("127.0.0.1", True),
        ("127.0.0.1:{port}", True),
        ("10.0.0.0/8, 127.0.0.0/8", True),
        ("db.example,.1", True),
        ("127.0.0.2", False),
        ("127.0.0.1:1", False),
        ("10.0.0.0/8", False),
        ("/,a/b", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_what_no_proxy_names_is_asked_directly(
    server: Replies, monkeypatch: pytest.MonkeyPatch, variable: str, named: str, passed_by: bool
) -> None:
    server.to("GET", "/", {"directly": True})
    with replying() as proxy:
        if not passed_by:
            proxy.to("GET", "/", {"directly": False})
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))
        monkeypatch.setenv(variable, named.format(port=server.url.rpartition(":")[2]))
        assert json.loads(ask(server.url)) == {"directly": passed_by}
        server.forget()


def test_a_compressed_answer_is_read(server: Replies) -> None:
    server.to("GET", "/", gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})
    assert ask(server.url) == b'{"a": 1}'
    assert "gzip" in server.asked[0].headers["Accept-Encoding"]


def test_requests_share_a_connection_until_the_server_closes_it() -> None:
    """One that was closed in between is not written to: the answer would be lost."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as background:
        connection = Connection(f"http://127.0.0.1:{listening.getsockname()[1]}", TOKEN, timeout=10)

        def exchange(accepted: socket.socket | None = None) -> socket.socket:
            asked = background.submit(connection.request, "POST", "/", b"{}")
            accepted = accepted or listening.accept()[0]
            received = b""
            while not received.endswith(b"{}"):
                received += accepted.recv(65536)
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nread")
            assert asked.result().body == b"read"
            return accepted

        with exchange() as first:
            exchange(first)
        exchange().close()
        connection.close()


def test_a_host_beyond_ascii_is_asked_for_by_its_ascii_name(server: Replies, monkeypatch: pytest.MonkeyPatch) -> None:
    server.to("GET", "/d%C3%BCr", {})
    monkeypatch.setenv("HTTP_PROXY", server.url)
    ask("http://bücher.example:8080", "/dür")
    assert server.asked[0].headers["Host"] == "xn--bcher-kva.example:8080"


@pytest.mark.parametrize("host", ["faß.example", "a" * 64, "a..b", "\N{SNOWMAN}" * 60])
def test_a_host_that_could_be_two_or_none_gets_nothing(host: str) -> None:
    connection = Connection(f"http://{host}", TOKEN, timeout=5)
    with pytest.raises(NoAnswerError) as caught:
        connection.request("POST", "/", b"{}")
    assert not caught.value.sent
    assert not caught.value.passing
    assert caught.value.trouble in (Trouble.UNUSABLE_ADDRESS, Trouble.UNKNOWN_HOST)


def test_certificates_are_not_read_for_http(server: Replies, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object, **keywords: object) -> ssl.SSLContext:
        raise AssertionError

    server.to("GET", "/", {})
    monkeypatch.setattr(ssl, "create_default_context", none)
    ask(server.url)
