"""A total deadline for a request, and whether it may have been sent.

The timeout of a socket applies to each wait: a server that sends a byte now and then would never exceed it. The sockets
here give each operation the time that is left of the request that the current thread sends.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextvars import ContextVar
from typing import Any

_SHORTEST = 0.001  # seconds; 0 would mean that a socket does not wait at all


class Request:
    """A request that may take `seconds` from now. `is_sent` is True once a byte of it may have been sent."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.is_sent = False

    @property
    def is_late(self) -> bool:
        """True if the deadline has passed."""
        return time.monotonic() + _SHORTEST >= self._end

    @property
    def time_left(self) -> float:
        """The seconds until the deadline, at least the shortest timeout of a socket."""
        return max(self._end - time.monotonic(), _SHORTEST)


current_request: ContextVar[Request] = ContextVar("current_request")
"""The request that this thread sends."""


def _timed(operation: str) -> Any:
    """Return the operation of a socket, with the time that is left as its timeout."""

    def call(self: TimedSocket, *arguments: Any) -> Any:
        if current_request.get().is_late:
            raise TimeoutError
        self.settimeout(current_request.get().time_left)
        return getattr(super(TimedSocket, self), operation)(*arguments)

    call.__doc__ = f"Do what `{operation}` of a socket does, until the deadline."
    return call


class TimedSocket(socket.socket):
    """A socket that raises TimeoutError after the deadline; timeouts that others set have no effect."""

    recv, recv_into, send, sendall = map(_timed, ("recv", "recv_into", "send", "sendall"))

    def gettimeout(self) -> float:
        """Return the timeout of a TLS handshake on this socket, for which `ssl` asks."""
        return current_request.get().time_left


class TimedTlsSocket(TimedSocket, ssl.SSLSocket):
    """A TLS socket that raises TimeoutError after the deadline."""

    def send(self, *arguments: Any) -> int:
        """Send until the deadline; a connection that the server closed is a broken pipe, as without TLS."""
        try:
            return int(super().send(*arguments))
        except ssl.SSLEOFError as error:
            raise BrokenPipeError from error
