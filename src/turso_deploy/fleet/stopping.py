"""End the run of a fleet: no task may begin to write any more, and one that waits for a retry is woken."""

from __future__ import annotations

import time
from threading import Event, Lock

from turso_deploy.core.signals import cancelled


class Stop:
    """The wish to end a run, shared by all of its threads. It is the clock of their retries, too."""

    def __init__(self) -> None:
        self._event = Event()
        self.lock = Lock()

    def set(self) -> None:
        """Ask all tasks to end. After this call none begins to write."""
        with self.lock:
            self._event.set()

    @property
    def is_set(self) -> bool:
        """True if the run is to end."""
        return self._event.is_set()

    def monotonic(self) -> float:
        """Return the time in seconds; it never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        """Wait for some seconds. Raises StoppedError as soon as the run is to end."""
        if self._event.wait(seconds):
            raise cancelled()


class WritePermit:
    """The permit of one task to write. `is_used` is True once it may have written."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self.is_used = False

    def take(self) -> None:
        """Begin to write. Raises StoppedError if the run is to end and the task has written nothing yet."""
        with self._stop.lock:
            if self._stop.is_set and not self.is_used:
                raise cancelled()
            self.is_used = True
