"""Threads that do one database at a time. They do not keep the process alive, so that a stuck one can be left behind.

The threads of `concurrent.futures` are joined at the end of the process, which a server that does not answer would then
delay by the whole timeout.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Task = TypeVar("Task")
Done = TypeVar("Done")


class Workers(Generic[Task, Done]):
    """As many threads as tasks were under way at the same time. `work` does a task and raises nothing.

    Each task runs in an empty context, so that the progress of one database is not displayed.
    """

    def __init__(self, work: Callable[[Task], Done]) -> None:
        self._work = work
        self._tasks = SimpleQueue[Task | None]()
        self._done = SimpleQueue[tuple[Task, Done]]()
        self._threads = 0
        self._under_way = 0

    def begin(self, task: Task) -> None:
        """Begin a task now."""
        self._under_way += 1
        if self._under_way > self._threads:
            Thread(target=self._run, name="fleet", daemon=True).start()
            self._threads += 1
        self._tasks.put(task)

    def next_done(self, timeout: float) -> tuple[Task, Done] | None:
        """Return a task that has ended, with its result; None after `timeout` seconds without one."""
        try:
            found = self._done.get(timeout=timeout)
        except Empty:
            return None
        self._under_way -= 1
        return found

    def close(self) -> None:
        """End the threads that have no task."""
        for _ in range(self._threads):
            self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._done.put((task, Context().run(self._work, task)))
