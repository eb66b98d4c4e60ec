"""A total deadline for a request.

The timeout of a socket applies to each wait: a server that sends a byte now and then would never exceed it.
"""

from __future__ import annotations

import io
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Deadline:
    """A deadline that is `seconds` after its creation, or after the last `restart`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Set the deadline again, counted from now."""
        self._end = time.monotonic() + self._seconds

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def reader(self, line: socket.socket) -> io.BufferedReader:
        """Return a reader of a socket, like `socket.makefile("rb")`, that raises TimeoutError after the deadline."""
        return io.BufferedReader(_DeadlineStream(line, self))


class _DeadlineStream(io.RawIOBase):
    """A raw stream over a socket that allows each read the time that is left."""

    def __init__(self, line: socket.socket, deadline: Deadline) -> None:
        self._line = line
        self._deadline = deadline
        self._source = line.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        self._line.settimeout(self._deadline.left())
        return self._source.readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()
