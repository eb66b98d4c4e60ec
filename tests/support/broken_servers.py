"""Servers on loopback that no answer comes from, each in one way."""

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

from tests.support.sqld import free_port

Server = Callable[[], AbstractContextManager[str]]
"""The URL of a server, for as long as it is there."""

MAX_WAIT = 30  # seconds


@contextmanager
def that_refuses() -> Iterator[str]:
    """The URL of nobody."""
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def that_cannot_be_reached() -> Iterator[str]:
    """The URL of a server whose queue of connections is full: no more are taken, and none is refused."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def that_is_silent() -> Iterator[str]:
    """The URL of a server that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def that_answers_half() -> AbstractContextManager[str]:
    """The URL of a server that closes the connection half way through its answer."""
    return that_says(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{")


def that_answers_half_a_chunk() -> AbstractContextManager[str]:
    """The URL of a server that closes the connection half way through a part of its answer."""
    return that_says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5a\r\n{")


def that_answers_what_is_not_packed() -> AbstractContextManager[str]:
    """The URL of a server that calls its answer compressed, which it is not."""
    return that_says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")


def that_says(answer: bytes) -> AbstractContextManager[str]:
    """The URL of a server that reads the request, says this, and closes the connection."""
    return _answering(lambda connection: connection.sendall(answer))


def that_says_forever(begin: bytes, again: bytes) -> AbstractContextManager[str]:
    """The URL of a server that begins with one thing, and says another again and again, a hundred times a second."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        for _ in range(MAX_WAIT * 100):
            connection.sendall(again)
            time.sleep(0.01)

    return _answering(answer)


@contextmanager
def that_resets() -> Iterator[str]:
    """The URL of a server that reads the request, and resets the connection."""

    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with _answering(reset) as url:
        yield url


@contextmanager
def that_ends_a_handshake() -> Iterator[str]:
    """The https URL of a server that closes the connection before it is secure."""
    with _serving(lambda connection: None) as url:
        yield url.replace("http:", "https:")


@contextmanager
def that_ends_a_secure_connection(certificate: Path) -> Iterator[str]:
    """The https URL of a server that reads the request, and goes without a word."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
            _read_request(secured)

    with _serving(serve) as url:
        yield url.replace("http:", "https:")


def _answering(answer: Callable[[socket.socket], None]) -> AbstractContextManager[str]:
    """The URL of a server that reads a request, answers so, and closes the connection."""

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
    """The URL of a server that does this with each connection, and closes it."""
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
