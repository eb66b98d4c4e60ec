"""Requests and their answers: what is sent, what is read, and what is told when an answer is not whole."""

from __future__ import annotations

import gzip
import re
import signal
import socket
import ssl
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from tests.support import broken_servers
from tests.support.broken_servers import Server
from tests.support.canned_server import CannedServer, canned_server
from tests.support.http_clients import TOKEN, ask, failure, write
from turso_deploy.core.errors import ErrorCode, LostReplyError
from turso_deploy.http.client import HttpClient, Response
from turso_deploy.http.errors import TransportError, TransportErrorKind

if TYPE_CHECKING:
    from _typeshed import TraceFunction


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


def test_server_that_never_reads_the_request_is_given_up_in_time() -> None:
    with broken_servers.silent() as url:
        client = HttpClient(url, TOKEN, timeout=0.5)
        begun = time.monotonic()
        with pytest.raises(TransportError) as caught:
            client.request("POST", "/", bytes(1 << 25))
        assert time.monotonic() - begun < 5
        client.close()
    assert (caught.value.kind, caught.value.request_sent) == (TransportErrorKind.NOT_ANSWERED_IN_TIME, True)


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
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\n{}", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 4\r\n\r\n{}", id="two lengths in one header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}", id="no length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n{}", id="a length too long"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            id="a length and chunks",
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
        b"HTTP/1.1 200 OK\r\nContent-Length: 2 \t\r\nContent-Length:2\r\n\r\n{}",
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


@pytest.mark.parametrize("host", ["db.example\\.localhost", "db.example\\@127.0.0.1"])
def test_address_in_which_two_parsers_find_two_hosts_is_unusable_and_nothing_is_sent(host: str) -> None:
    error = failure(f"http://{host}")
    assert (error.kind, error.request_sent) == (TransportErrorKind.UNUSABLE_ADDRESS, False)


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


@pytest.mark.parametrize("operation", ["get", "put"])
def test_interrupt_within_the_queue_of_connections_does_not_lock_it(server: CannedServer, operation: str) -> None:
    server.to("POST", "/", {})
    client = HttpClient(server.url, TOKEN, timeout=5)
    client.request("POST", "/", b"{}")

    def interrupt(frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        if event == "return":
            sys.settrace(None)
            raise KeyboardInterrupt
        locks = frame.f_code is threading.Condition.__enter__.__code__
        return interrupt if locks and frame.f_back and frame.f_back.f_code.co_name == operation else None

    sys.settrace(interrupt)
    try:
        with suppress(KeyboardInterrupt):
            client.request("POST", "/", b"{}")
    finally:
        sys.settrace(None)
    with ThreadPoolExecutor(1) as executor:
        executor.submit(client.close).result(timeout=5)


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


@pytest.mark.parametrize(("host", "ascii_name"), [("bücher", "xn--bcher-kva"), ("faß", "xn--fa-hia")])
def test_a_host_beyond_ascii_is_asked_for_by_its_ascii_name(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch, host: str, ascii_name: str
) -> None:
    """As browsers do it: https://www.unicode.org/reports/tr46/."""
    server.to("GET", "/d%C3%BCr", {})
    monkeypatch.setenv("HTTP_PROXY", server.url)
    ask(f"http://{host}.example:8080", "/dür")
    assert server.asked[0].headers["Host"] == f"{ascii_name}.example:8080"


@pytest.mark.parametrize("host", ["a" * 64, "a..b", "\N{SNOWMAN}" * 60])
def test_a_host_that_cannot_exist_gets_nothing(host: str) -> None:
    error = failure(f"http://{host}")
    assert not error.request_sent
    assert not error.retryable
    assert error.kind in (TransportErrorKind.UNUSABLE_ADDRESS, TransportErrorKind.UNKNOWN_HOST)


@pytest.mark.parametrize("token", ["", TOKEN])
def test_client_sends_no_credentials_of_a_netrc_file(
    server: CannedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    server.to("GET", "/", {})
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    client = HttpClient(server.url, token, timeout=5)
    client.request("GET", "/")
    client.close()
    assert server.asked[0].headers.get("Authorization") == (f"Bearer {token}" if token else None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_client_follows_no_redirect(server: CannedServer, status: int) -> None:
    with canned_server() as other:
        server.to("POST", "/", status=status, headers={"Location": other.url})
        client = HttpClient(server.url, TOKEN, timeout=5)
        assert client.request("POST", "/", b"{}").status == status
        client.close()
        assert other.asked == []
    assert len(server.asked) == 1


def test_cookie_that_python_cannot_parse_does_no_harm(server: CannedServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.to("GET", "/", {}, headers={"Set-Cookie": f"a=b; expires=Mon, 01 Jan {'9' * 5_000} 00:00:00 GMT"})
    ask(server.url)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("", None), ("soon", None), ("9" * 5_000, None)])
def test_pause_that_a_server_asks_for_is_a_number_of_seconds(header: str, seconds: int | None) -> None:
    assert Response(429, {"Retry-After": header}, b"").retry_after == seconds


def test_client_sends_no_cookie_back(server: CannedServer) -> None:
    server.to("GET", "/", {}, headers={"Set-Cookie": "session=1; Path=/"})
    client = HttpClient(server.url, TOKEN, timeout=5)
    client.request("GET", "/")
    client.request("GET", "/")
    client.close()
    assert [request.headers.get("Cookie") for request in server.asked] == [None, None]


def test_client_logs_each_request_without_what_may_be_secret(
    server: CannedServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.to("POST", "/v1/tokens", {"jwt": "secret"}, status=201)
    caplog.set_level("DEBUG", "turso_deploy")
    client = HttpClient(server.url, TOKEN, timeout=5)
    client.request("POST", "/v1/tokens?key=secret", b'{"password": "secret"}')
    client.close()
    with broken_servers.closed_port() as url:
        failure(url)
    logged = [record.getMessage() for record in caplog.records if record.name == "turso_deploy.http"]
    assert re.fullmatch(r"POST /v1/tokens: HTTP 201, 17 bytes, \d+ ms", logged[0])
    assert re.fullmatch(r"POST /: refused, \d+ ms", logged[1])
    assert len(logged) == 2
