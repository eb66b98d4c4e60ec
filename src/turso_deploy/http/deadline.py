"""A total deadline for a request, and whether it may have been sent.

The timeout of a socket applies to each wait: a server that sends a byte now and then would never exceed it. The sockets
here give each operation the time that is left of the request that the current thread sends.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_SHORTEST = 0.001  # seconds; 0 would mean that a socket does not wait at all


class CurrentRequest:
    """A request that may take `seconds` from now. `is_sent` is True once a byte of it may have been sent."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.is_sent = False

    @property
    def is_late(self) -> bool:
        """True if the deadline has passed."""
        return time.monotonic() + _SHORTEST >= self.end


_current: ContextVar[CurrentRequest] = ContextVar("current")


@contextmanager
def sending(seconds: float) -> Iterator[CurrentRequest]:
    """Make a request the current one of this thread for the block that sends it."""
    request = CurrentRequest(seconds)
    token = _current.set(request)
    try:
        yield request
    finally:
        _current.reset(token)


def mark_sent() -> None:
    """Note that the current request is being sent from now on."""
    _current.get().is_sent = True


def time_left() -> float:
    """Return the seconds until the deadline of the current request. Raises TimeoutError if it has passed."""
    if _current.get().is_late:
        raise TimeoutError
    return _current.get().end - time.monotonic()


def _timed(operation: str) -> Any:
    """Return the operation of a socket, with the time that is left as its timeout."""

    def call(self: TimedSocket, *arguments: Any) -> Any:
        self.settimeout(time_left())
        return getattr(super(TimedSocket, self), operation)(*arguments)

    call.__doc__ = f"Do what `{operation}` of a socket does, until the deadline."
    return call


class TimedSocket(socket.socket):
    """A socket that raises TimeoutError after the deadline; timeouts that others set have no effect."""

    recv, recv_into, send, sendall = map(_timed, ("recv", "recv_into", "send", "sendall"))

    def gettimeout(self) -> float:
        """Return the timeout of a TLS handshake on this socket, for which `ssl` asks."""
        return max(_current.get().end - time.monotonic(), _SHORTEST)


class TimedTlsSocket(TimedSocket, ssl.SSLSocket):
    """A TLS socket that raises TimeoutError after the deadline."""

    def send(self, *arguments: Any) -> int:
        """Send until the deadline; a connection that the server closed is a broken pipe, as without TLS."""
        try:
            return int(super().send(*arguments))
        except ssl.SSLEOFError as error:
            raise BrokenPipeError from error
