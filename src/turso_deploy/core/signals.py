"""What SIGINT and SIGTERM do: they end a run, but not before it is known what became of a write that is on its way.

Until the first write they end it wherever it is. From then on they end only what says that it may be ended: whatever
stands between a commit and the report of it must not.
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from turso_deploy.core.errors import DeployError, ErrorCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(DeployError):
    """Somebody asked this process to stop."""


class _Stopping:
    """Signals belong to the process, and Python gives them to its main thread: so there is one of this."""

    def __init__(self) -> None:
        self.received = 0
        self.patience: float = 0
        """How many signals wait."""

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The signals that need not wait end what is done."""
        self.received += 1
        if self.received > self.patience:
            raise cancelled()


_stopping = _Stopping()


def cancelled(*, half_way: bool = False) -> StoppedError:
    """The error for a run that was stopped before it changed anything, or with `half_way` after a part of its work."""
    fate = "." if half_way else "; the database was not changed."
    return StoppedError(
        ErrorCode.STOPPED, f"The run was stopped by a signal{fate}", hint="Run it again to deploy.", committed=half_way
    )


@contextmanager
def cancel_on_signals() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise StoppedError, in the main thread."""
    with _patience(0), _handled_by(_stopping.receive):
        yield
    _stopping.received = 0


@contextmanager
def ignore_signals() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM do nothing: what has become of the database is being told."""
    with _handled_by(signal.SIG_IGN):
        yield


def defer_signals() -> None:
    """Let signals wait from now on, to the end of the run."""
    if _is_told_of_signals():
        _stopping.patience = math.inf


@contextmanager
def cancellable() -> Iterator[None]:
    """Inside, a signal ends what is done, and so does one that has waited. Raises StoppedError."""
    with _patience(0):
        stop_if_asked()
        yield


@contextmanager
def cancel_on_second_signal() -> Iterator[None]:
    """Inside, the first signal waits, and one more ends what it waits for. Raises StoppedError."""
    with _patience(1):
        yield


def is_asked_to_stop() -> bool:
    """Whether a signal came."""
    return bool(_stopping.received)


def stop_if_asked() -> None:
    """Raise StoppedError when a signal came and waited."""
    if is_asked_to_stop():
        raise cancelled()


@contextmanager
def _patience(count: float) -> Iterator[None]:
    if not _is_told_of_signals():
        yield
        return
    before, _stopping.patience = _stopping.patience, count
    try:
        yield
    finally:
        _stopping.patience = before


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    if not _is_told_of_signals():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def _is_told_of_signals() -> bool:
    """Only the main thread is: https://docs.python.org/3/library/signal.html#signals-and-threads."""
    return threading.current_thread() is threading.main_thread()
