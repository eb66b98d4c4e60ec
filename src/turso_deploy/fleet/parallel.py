"""Number of databases at a time: halved when servers are overloaded, and raised again step by step."""

from __future__ import annotations

import time
from collections.abc import Callable

_PAUSE = 1.0
"""Seconds between two changes: the tasks that were under way when it was halved report the same overload."""


class Parallel:
    """The number of databases at a time, at most `most`."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._changed = -_PAUSE
        self._quiet = 0
        self.now = most
        self.lowest = most

    def add_result(self, *, overloaded: bool) -> None:
        """Count a database that has ended; `overloaded` if a server answered that there are too many requests.

        After an overload it grows by one with each full round of databases without another one.
        """
        if overloaded:
            self._quiet = 0
            if self._clock() - self._changed >= _PAUSE:
                self.now = max(1, self.now // 2)
                self.lowest = min(self.lowest, self.now)
                self._changed = self._clock()
            return
        self._quiet += 1
        if self.now < self._most and self._quiet >= self.now:
            self.now, self._quiet = self.now + 1, 0
