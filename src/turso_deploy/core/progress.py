"""Report the progress of a run to a listener: the terminal, the log of a runner, or none.

Code that may take a while reports its step here; the listener is set where the run begins. It belongs to the current
context (https://docs.python.org/3/library/contextvars.html), so that parallel runs in one process have separate ones.
"""

from __future__ import annotations

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


class _Silent:
    """Listener that ignores everything."""

    def report_step(self, what: str) -> None:
        """Ignore the step."""

    def report_wait(self, why: str) -> AbstractContextManager[None]:
        """Ignore the wait."""
        return nullcontext()


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
    _listener.get().report_step(what)


def report_wait(why: str) -> AbstractContextManager[None]:
    """Report that the current step waits inside the block; `why` is a sentence that names the lock or the retry."""
    return _listener.get().report_wait(why)
