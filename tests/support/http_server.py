"""A real HTTP server on loopback, for as long as a test needs it."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # an idle kept-alive connection must not hold up the end of a test

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Report errors, except those of clients that close the connection, which many tests do on purpose."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _LoopbackServer(_Server):
    """A server at every address of loopback (127.0.0.0/8), and of no other interface."""

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
        super().server_bind()


@contextmanager
def listening(
    handler: type[BaseHTTPRequestHandler], tls: SSLContext | None = None, *, all_loopback: bool = False
) -> Iterator[str]:
    """Run a server whose requests the handler answers; yield its URL.

    With `all_loopback` it has as many addresses as loopback (127.0.0.1, 127.0.0.2, …), so that each can be a host.
    """
    server = _LoopbackServer(("0.0.0.0", 0), handler) if all_loopback else _Server(("127.0.0.1", 0), handler)  # noqa: S104
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
