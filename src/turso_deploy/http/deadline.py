"""A time by which a request has to be done, however slowly the other side speaks.

The time-out of a socket is for each wait: who sends a byte now and then is never late.
"""

from __future__ import annotations

import io
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Deadline:
    """So many `seconds` from now on, and from each `restart`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.restart()

    def restart(self) -> None:
        """Begin again to count."""
        self._end = time.monotonic() + self._seconds

    def left(self) -> float:
        """The seconds that are left. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def reader(self, line: socket.socket) -> io.BufferedReader:
        """What comes on a line, as `socket.makefile("rb")` gives it, until the deadline."""
        return io.BufferedReader(_Reading(line, self))


class _Reading(io.RawIOBase):
    """Reads from a socket with the time that is left. The socket stays open until it is closed here, too."""

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
