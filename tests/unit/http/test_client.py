"""The way to a server, and what breaks on it: what is told, and whether a write may have run."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import broken_servers
from tests.support.broken_servers import Server
from tests.support.canned_server import CannedServer, canned_server
from tests.support.certificates import make_certificate
from tests.support.databases import quick_retries
from turso_deploy.core.errors import DatabaseError, ErrorCode, LostReplyError
from turso_deploy.core.transaction import Purpose, Query, Transaction, TransactionStep
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.http.client import HttpClient
from turso_deploy.http.errors import TransportError, TransportErrorKind
from turso_deploy.http.proxies import proxy_for

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
def server() -> Iterator[CannedServer]:
    with canned_server() as replies:
        yield replies


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


def write(url: str, timeout: float = 5) -> DatabaseError:
    """The error that a write to the server ends with."""
    database = HranaDatabase(url, TOKEN, timeout, retry_budget=quick_retries(timeout))
    with pytest.raises(DatabaseError) as caught:
        database.apply(WRITE)
    database.close()
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


def ask(url: str, path: str = "/", body: bytes | None = None) -> bytes:
    connection = HttpClient(url, TOKEN, timeout=5)
    try:
        return connection.request("POST" if body else "GET", path, body).body
    finally:
        connection.close()


def failure(
    url: str, path: str = "/", body: bytes | None = b"{}", headers: dict[str, str] | None = None
) -> TransportError:
    """Why there is no answer."""
    connection = HttpClient(url, TOKEN, timeout=5, headers=headers)
    with pytest.raises(TransportError) as caught:
        connection.request("POST" if body else "GET", path, body)
    connection.close()
    return caught.value


@pytest.mark.parametrize(
    ("server", "code", "lost", "told"),
    [
        (broken_servers.unreachable, ErrorCode.TIMEOUT, False, "could not be reached within 0.3 s"),
        (broken_servers.silent, ErrorCode.TIMEOUT, True, "did not answer within 0.3 s"),
        (broken_servers.closed_port, ErrorCode.UNREACHABLE, False, "does not accept connections"),
        (broken_servers.truncated_reply, ErrorCode.UNREACHABLE, True, "connection broke"),
        (broken_servers.truncated_chunk, ErrorCode.UNREACHABLE, True, "connection broke"),
        (broken_servers.invalid_gzip, ErrorCode.UNREACHABLE, True, "connection broke"),
        (broken_servers.reset_connection, ErrorCode.UNREACHABLE, True, "connection broke"),
        (broken_servers.aborted_handshake, ErrorCode.UNREACHABLE, False, "conn"),
    ],
)
def test_a_broken_connection_is_told_by_when_it_broke(server: Server, code: ErrorCode, lost: bool, told: str) -> None:
    with server() as url:
        error = write(url, timeout=0.3 if code is ErrorCode.TIMEOUT else 30)
    assert isinstance(error, LostReplyError) is lost
    assert error.code is code
    assert told in error.message


def test_a_certificate_that_nobody_signed_is_told_and_nothing_was_sent(certificate: Path) -> None:
    with broken_servers.aborted_tls_connection(certificate) as url:
        error = write(url)
    assert not isinstance(error, LostReplyError)
    assert error.message == "No secure connection to the server could be made."


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_secure_connection_that_ends_after_the_request_leaves_the_outcome_open(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(certificate))
    with broken_servers.aborted_tls_connection(certificate) as url:
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
    with broken_servers.aborted_tls_connection(certificate) as url:
        assert isinstance(write(url), LostReplyError)


def test_a_machine_without_authorities_is_told(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with broken_servers.aborted_tls_connection(certificate) as url:
        error = write(url)
    assert not isinstance(error, LostReplyError)
    assert "this machine has no trusted certificate authority" in error.message
    assert "ca-certificates" in str(error.hint)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_bundle_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with broken_servers.closed_port() as url:
        error = write(url.replace("http:", "https:"))
    assert not isinstance(error, LostReplyError)
    assert "REQUESTS_CA_BUNDLE" in error.message


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
    with broken_servers.aborted_tls_connection(certificate) as url, tunnelling() as (proxy, seen):
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
    assert " HTTP/1.0\r\n" in asked or f"\r\nHost: {place}\r\n" in asked
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


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        pytest.param(HEAD + b"Content-Length: 1000000\r\n\r\n", b" ", id="body"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", id="chunks"),
        pytest.param(HEAD + b"A: ", b"a", id="header"),
        pytest.param(b"", b"HTTP/1.1 102 Processing\r\n\r\n", id="interim answers"),
        pytest.param(HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"", mtime=0), id="empty gzip members"),
    ],
)
def test_a_server_that_never_comes_to_an_end_is_given_up_in_time(begin: bytes, again: bytes) -> None:
    with broken_servers.endless_reply(begin, again) as url:
        started = time.monotonic()
        error = write(url, timeout=0.5)
        assert time.monotonic() - started < 20  # and not for ever
    assert isinstance(error, LostReplyError)
    assert error.code is ErrorCode.TIMEOUT
    assert "did not answer within 0.5 s" in error.message


def test_a_proxy_that_never_comes_to_an_end_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with broken_servers.endless_reply(b"HTTP/1.1 200 OK\r\nA: ", b"a") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        error = write("https://db.example", timeout=0.5)
    assert not isinstance(error, LostReplyError)


def test_a_server_that_goes_away_within_a_handshake_may_come_back() -> None:
    with broken_servers.aborted_handshake() as url:
        error = failure(url)
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.BROKEN, False, True)


def test_a_name_server_that_does_not_answer_for_now_is_no_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*arguments: object, **keywords: object) -> list[object]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", busy)
    error = failure("http://db.example")
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.NO_NAME_SERVER, False, True)


def test_a_compressed_answer_is_read(server: CannedServer) -> None:
    server.to("GET", "/", gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"})
    assert ask(server.url) == b'{"a": 1}'
    assert "gzip" in server.asked[0].headers["Accept-Encoding"]


def test_a_compressed_answer_may_have_parts(server: CannedServer) -> None:
    parts = gzip.compress(b'{"a"') + gzip.compress(b": 1}")
    server.to("GET", "/", parts, headers={"Content-Encoding": "GZip"})
    assert ask(server.url) == b'{"a": 1}'


def test_a_compressed_answer_that_fills_the_memory_is_not_read_to_its_end() -> None:
    with broken_servers.fixed_reply(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(1 << 27))
    ) as url:
        error = failure(url)
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.TOO_LONG, True, False)


# gzip writes the time into its header, unless it is told one.
GZIPPED = gzip.compress(b"{}", mtime=0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-server\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 99999 No\r\n\r\n", id="no status"),
        pytest.param(b"HTTP/1.1 200 " + b"O" * 70_000, id="a long reason"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000, id="a long header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"A: a\r\n" * 200 + b"\r\n", id="many headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000\r\n\r\n{}", id="a length never reached"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n", id="a chunk without size"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n{}", id="a huge chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", id="no last chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIPPED[:-1], id="gzip cut short"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIPPED[:-8] + bytes(8), id="gzip of another sum"
        ),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\n\r\n", id="an interim answer alone"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", id="a switch of protocols"),
    ],
)
def test_what_is_no_whole_answer_leaves_the_outcome_open(answer: bytes) -> None:
    with broken_servers.fixed_reply(answer) as url:
        error = failure(url)
    assert (error.kind, error.request_sent) == (TransportErrorKind.BROKEN, True)


def test_answers_in_every_framing_are_read() -> None:
    for framed in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;a=b\r\n}\r\n0\r\nTrailer: t\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
    ):
        with broken_servers.fixed_reply(framed) as url:
            assert ask(url) == b"{}"


def test_interim_answers_are_passed_over() -> None:
    interim = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    )
    with broken_servers.fixed_reply(interim + b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}") as url:
        connection = HttpClient(url, TOKEN, timeout=5)
        answer = connection.request("POST", "/", b"{}")
        connection.close()
    assert (answer.status, answer.headers.get("LINK"), answer.body) == (404, None, b"{}")


@pytest.mark.parametrize("secure", [False, True])
def test_an_answer_that_comes_before_the_request_is_read_is_heard(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, secure: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as background:
        scheme = "https" if secure else "http"
        connection = HttpClient(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}", TOKEN, timeout=10)
        asked = background.submit(connection.request, "POST", "/", bytes(1 << 25))
        accepted = listening.accept()[0]
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            accepted = context.wrap_socket(accepted, server_side=True)
        with accepted:
            accepted.recv(1)
            accepted.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            time.sleep(0.5)  # for the line to be full, so that the client is in the middle of its request
        assert asked.result().status == 413


@pytest.mark.parametrize("header", ["a\r\nX-Other: 1", "a\nb", "\N{SNOWMAN}"])
def test_a_header_that_would_be_two_is_not_sent(server: CannedServer, header: str) -> None:
    error = failure(server.url, headers={"X-One": header})
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.UNUSABLE_ADDRESS, False, False)
    assert server.asked == []


def test_a_path_stays_a_path(server: CannedServer) -> None:
    server.to("GET", "/base/a%20b%0D%0AX-Other:%201%23c%2Fd", {})
    ask(f"{server.url}/base", "/a b\r\nX-Other: 1#c%2Fd")
    assert "X-Other" not in server.asked[0].headers


@pytest.mark.parametrize(
    "url", ["http://", "http:///a", "ftp://a", "http://a:b", "http://a:70000", "http://[a]", "http://a b"]
)
def test_an_address_that_cannot_be_used_is_told_and_nothing_was_sent(url: str) -> None:
    error = failure(url)
    assert (error.kind, error.request_sent, error.retryable) == (TransportErrorKind.UNUSABLE_ADDRESS, False, False)


def test_a_request_to_do_something_says_that_no_body_follows(server: CannedServer) -> None:
    server.to("POST", "/", {})
    connection = HttpClient(server.url, TOKEN, timeout=5)
    connection.request("POST", "/")
    connection.close()
    assert server.asked[0].headers["Content-Length"] == "0"
    assert "Content-Type" not in server.asked[0].headers


def test_what_did_not_reach_the_server_was_not_sent_with_or_without_a_body() -> None:
    with broken_servers.closed_port() as url:
        assert not failure(url, body=b"{}").request_sent
        assert not failure(url, body=None).request_sent
    with broken_servers.reset_connection() as url:
        assert failure(url, body=None).request_sent


def test_a_request_on_a_kept_connection_that_breaks_is_not_sent_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as background:
        connection = HttpClient(f"http://127.0.0.1:{listening.getsockname()[1]}", TOKEN, timeout=10)
        asked = background.submit(connection.request, "POST", "/", b"{}")
        with listening.accept()[0] as accepted:
            read_to(accepted, b"{}")
            accepted.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert asked.result().status == 204
            again = background.submit(connection.request, "POST", "/", b"[]")
            read_to(accepted, b"[]")
        with pytest.raises(TransportError) as caught:
            again.result()
        listening.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listening.accept()
    assert (caught.value.kind, caught.value.request_sent) == (TransportErrorKind.BROKEN, True)


def test_an_interrupted_request_leaves_no_connection_for_the_next_one() -> None:
    def interrupt(*signal_and_frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as background:
        connection = HttpClient(f"http://127.0.0.1:{listening.getsockname()[1]}", TOKEN, timeout=10)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            with pytest.raises(KeyboardInterrupt):
                connection.request("POST", "/", b"{}")
        finally:
            signal.signal(signal.SIGALRM, before)
        with listening.accept()[0] as first:
            read_to(first, b"{}")
            assert first.recv(1) == b""
            first.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        asked = background.submit(connection.request, "POST", "/", b"[]")
        with listening.accept()[0] as second:
            read_to(second, b"[]")
            second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nread")
            assert asked.result().body == b"read"
        connection.close()


def read_to(line: socket.socket, end: bytes) -> None:
    received = b""
    while not received.endswith(end):
        received += line.recv(65536)


def test_requests_share_a_connection_until_the_server_closes_it() -> None:
    """One that was closed in between is not written to: the answer would be lost."""
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as background:
        connection = HttpClient(f"http://127.0.0.1:{listening.getsockname()[1]}", TOKEN, timeout=10)

        def exchange(accepted: socket.socket | None = None) -> socket.socket:
            asked = background.submit(connection.request, "POST", "/", b"{}")
            accepted = accepted or listening.accept()[0]
            read_to(accepted, b"{}")
            accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nread")
            assert asked.result().body == b"read"
            return accepted

        with exchange() as first:
            exchange(first)
        exchange().close()
        connection.close()


def test_a_host_beyond_ascii_is_asked_for_by_its_ascii_name(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.to("GET", "/d%C3%BCr", {})
    monkeypatch.setenv("HTTP_PROXY", server.url)
    ask("http://bücher.example:8080", "/dür")
    assert server.asked[0].headers["Host"] == "xn--bcher-kva.example:8080"


@pytest.mark.parametrize("host", ["faß.example", "a" * 64, "a..b", "\N{SNOWMAN}" * 60])
def test_a_host_that_could_be_two_or_none_gets_nothing(host: str) -> None:
    error = failure(f"http://{host}")
    assert not error.request_sent
    assert not error.retryable
    assert error.kind in (TransportErrorKind.UNUSABLE_ADDRESS, TransportErrorKind.UNKNOWN_HOST)


def test_certificates_are_not_read_for_http(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: object, **keywords: object) -> ssl.SSLContext:
        raise AssertionError

    server.to("GET", "/", {})
    monkeypatch.setattr(ssl, "create_default_context", none)
    ask(server.url)
    assert len(server.asked) == 1
