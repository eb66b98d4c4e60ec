"""Handle SIGINT and SIGTERM: they stop a run, but only where the outcome of a write is known.

Before the first write a signal stops the run at once. After it, a signal stops only code that allows it, so that
nothing can end the run between a commit and its report.
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
    """The process received SIGINT or SIGTERM."""


class _SignalState:
    """The signal state of this process. There is one, because Python delivers signals only to the main thread."""

    def __init__(self) -> None:
        self.received = 0
        self.deferred: float = 0
        """Number of signals to defer before one raises StoppedError."""
        self.has_written = False

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Raise StoppedError unless the signal is deferred."""
        self.received += 1
        if self.received > self.deferred:
            raise cancelled()


_state = _SignalState()


def cancelled(*, half_way: bool = False) -> StoppedError:
    """Return the error for a run that stopped before any change or, with `half_way`, after a part of its changes."""
    outcome = "after a part of its changes." if half_way else "before it changed the database."
    return StoppedError(
        ErrorCode.STOPPED, f"A signal stopped the run {outcome}", hint="Run it again.", committed=half_way
    )


@contextmanager
def cancel_on_signals() -> Iterator[None]:
    """Raise StoppedError in the main thread when SIGINT or SIGTERM arrives inside the block."""
    with _deferring(0), _handled_by(_state.receive):
        yield
    _state.received, _state.has_written = 0, False


@contextmanager
def ignore_signals() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM inside the block, so that the report is always printed."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def deferring_signals() -> Iterator[None]:
    """Defer all signals inside the block, whose code asks for them with `signals_received`."""
    with _deferring(math.inf):
        yield


def defer_signals() -> None:
    """Defer signals until the end of the run."""
    if _receives_signals():
        _state.deferred, _state.has_written = math.inf, True


def may_end_process() -> bool:
    """Return True if a signal ends the run at once, and nothing was written yet."""
    return not (_state.deferred or _state.has_written)


def signals_received() -> int:
    """Return the number of signals that Python has handled."""
    return _state.received


@contextmanager
def cancellable() -> Iterator[None]:
    """Let a signal stop the block, also one that was deferred before it. Raises StoppedError."""
    with _deferring(0):
        stop_if_asked()
        yield


@contextmanager
def cancel_on_second_signal() -> Iterator[None]:
    """Defer the first signal inside the block, and let the second one stop it. Raises StoppedError."""
    with _deferring(1):
        yield


def is_asked_to_stop() -> bool:
    """Return True if a signal was received."""
    return bool(_state.received)


def stop_if_asked() -> None:
    """Raise StoppedError if a signal was received and deferred."""
    if is_asked_to_stop():
        raise cancelled()


@contextmanager
def _deferring(count: float) -> Iterator[None]:
    if not _receives_signals():
        yield
        return
    before, _state.deferred = _state.deferred, count
    try:
        yield
    finally:
        _state.deferred = before


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    if not _receives_signals():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


def _receives_signals() -> bool:
    """Return True for the main thread, which alone receives signals: https://docs.python.org/3/library/signal.html#signals-and-threads."""
    return threading.current_thread() is threading.main_thread()
