"""What a run is doing right now, said to whoever watches it: a terminal, a runner's log, or nobody.

Whoever does something that may take a while says so here; who listens is decided where the run begins. The watcher is
that of the current context (https://docs.python.org/3/library/contextvars.html), so of two runs that one process makes
side by side each has its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class ProgressListener(Protocol):
    """Somebody who wants to know. What it is told may quote names, and is not yet fit to be printed."""

    def report_step(self, what: str) -> None:
        """See `report_step`."""
        ...

    def report_wait(self, why: str) -> AbstractContextManager[None]:
        """See `report_wait`."""
        ...


class _Silent:
    def report_step(self, what: str) -> None:
        """Nobody is told."""

    def report_wait(self, why: str) -> AbstractContextManager[None]:
        """Nobody is told."""
        return nullcontext()


_watcher: ContextVar[ProgressListener] = ContextVar("watcher", default=_Silent())  # noqa: B039 (it has no state)


@contextmanager
def listening(watcher: ProgressListener) -> Iterator[None]:
    """Inside, the watcher is told."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def report_step(what: str) -> None:
    """Something has begun that lasts until the next thing does: `reading the database`, `seeding users: 3 of 12`."""
    _watcher.get().report_step(what)


def report_wait(why: str) -> AbstractContextManager[None]:
    """Inside, what was begun stands still, for a reason that is a sentence: a lock, a retry."""
    return _watcher.get().report_wait(why)
