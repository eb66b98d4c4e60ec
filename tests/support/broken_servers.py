"""Servers on loopback that fail to send a reply, each in one way. Each context manager yields the URL."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from tests.support.certificates import server_context
from tests.support.sqld import free_port

Server = Callable[[], AbstractContextManager[str]]
"""A context manager that yields the URL of a running server."""

MAX_WAIT = 30  # seconds


@contextmanager
def closed_port() -> Iterator[str]:
    """A port on which no server listens."""
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def unreachable() -> Iterator[str]:
    """A server whose connection queue is full: it neither accepts nor refuses another connection."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def silent() -> Iterator[str]:
    """A server that accepts connections and never replies."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def truncated_reply() -> AbstractContextManager[str]:
    """A server that closes the connection in the middle of its reply."""
    return fixed_reply(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{")


def truncated_chunk() -> AbstractContextManager[str]:
    """A server that closes the connection in the middle of a chunk of its reply."""
    return fixed_reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5a\r\n{")


def invalid_gzip() -> AbstractContextManager[str]:
    """A server that declares its reply as gzip, which it is not."""
    return fixed_reply(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")


def fixed_reply(answer: bytes) -> AbstractContextManager[str]:
    """A server that reads the request, sends this reply, and closes the connection."""
    return _answering(lambda connection: connection.sendall(answer))


def endless_reply(begin: bytes, again: bytes) -> AbstractContextManager[str]:
    """A server whose reply starts with `begin` and goes on with `again`, a hundred times a second."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        for _ in range(MAX_WAIT * 100):
            connection.sendall(again)
            time.sleep(0.01)

    return _answering(answer)


@contextmanager
def reset_connection() -> Iterator[str]:
    """A server that reads the request and resets the connection."""

    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with _answering(reset) as url:
        yield url


@contextmanager
def aborted_handshake() -> Iterator[str]:
    """A server that closes the connection during the TLS handshake."""
    with _serving(lambda connection: None) as url:
        yield url.replace("http:", "https:")


@contextmanager
def aborted_tls_connection(certificate: Path) -> Iterator[str]:
    """A TLS server that reads the request and closes the connection without a reply."""
    context = server_context(certificate)

    def serve(connection: socket.socket) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
            _read_request(secured)

    with _serving(serve) as url:
        yield url.replace("http:", "https:")


def _answering(answer: Callable[[socket.socket], None]) -> AbstractContextManager[str]:
    """A server that reads a request, calls `answer`, and closes the connection."""

    def serve(connection: socket.socket) -> None:
        _read_request(connection)
        answer(connection)

    return _serving(serve)


def _read_request(connection: socket.socket) -> None:
    with connection.makefile("rb") as stream:
        stream.readline()
        stream.read(int(http.client.parse_headers(stream).get("Content-Length", 0)))


@contextmanager
def _serving(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that calls `serve` for each connection and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            with suppress(OSError):  # the test is over
                while True:
                    connection, _ = server.accept()
                    with suppress(OSError), connection:
                        connection.settimeout(MAX_WAIT)
                        serve(connection)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
