"""Report the progress of a run to a listener (the terminal, the log of a runner, or none) and to the logger.

Code that may take a while reports its step here; the listener is set where the run begins. It belongs to the current
context (https://docs.python.org/3/library/contextvars.html), so that parallel runs in one process have separate ones.
The logger is that of Python's `logging`, with the name `turso_deploy`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Protocol


class ProgressListener(Protocol):
    """Receiver of progress. The texts may contain names of the database and must be escaped before they are printed."""

    def report_step(self, what: str) -> None:
        """Handle `report_step`."""
        ...

    def report_wait(self, why: str) -> AbstractContextManager[None]:
        """Handle `report_wait`."""
        ...

    def report_progress(self, how_far: str) -> None:
        """Handle `report_progress`."""
        ...

    def report_line(self, what: str) -> None:
        """Handle `report_line`."""
        ...


class _Silent:
    """Listener that ignores everything."""

    def report_step(self, what: str) -> None:
        """Ignore the step."""

    def report_wait(self, why: str) -> AbstractContextManager[None]:
        """Ignore the wait."""
        return nullcontext()

    def report_progress(self, how_far: str) -> None:
        """Ignore the progress."""

    def report_line(self, what: str) -> None:
        """Ignore the line."""


_listener: ContextVar[ProgressListener] = ContextVar("listener", default=_Silent())  # noqa: B039 (it has no state)


@contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Report the progress inside the block to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_step(what: str) -> None:
    """Report that a step has started: `reading the database`. It lasts until the next call."""
    log(what)
    _listener.get().report_step(what)


def report_wait(why: str) -> AbstractContextManager[None]:
    """Report that the current step waits inside the block; `why` is a sentence that names the lock or the retry."""
    log(why)
    return _listener.get().report_wait(why)


def report_progress(how_far: str) -> None:
    """Report how far the current step is, which a terminal shows: `120 of 1,000 databases`."""
    _listener.get().report_progress(how_far)


def report_line(what: str) -> None:
    """Report that a part of the step has ended, which a log keeps as a line."""
    log(what)
    _listener.get().report_line(what)


def log(text: str) -> None:
    """Log what a run does or has done, if this process has loaded `logging`: loading it takes longer than a small run.

    A program that shows a log has loaded it; another thread may be loading it now.
    """
    if get_logger := getattr(sys.modules.get("logging"), "getLogger", None):
        get_logger("turso_deploy").info(text)
