"""What SIGINT and SIGTERM do: they end a run, but not before it is known what became of a write that is on its way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from turso_deploy.errors import DeployError, ErrorCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(DeployError):
    """Somebody asked this process to stop."""


class _Stopping:
    """Signals belong to the process, and Python gives them to its main thread: so there is one of this."""

    def __init__(self) -> None:
        self.received = 0
        self.held_back = 0

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The first signal waits for what `held_back` says; a second one does not."""
        self.received += 1
        if not self.held_back or self.received > 1:
            raise stopped()


_stopping = _Stopping()


def stopped(*, half_way: bool = False) -> StoppedError:
    """The error for a run that was stopped before it changed anything, or with `half_way` after a part of its work."""
    fate = "." if half_way else "; the database was not changed."
    return StoppedError(
        ErrorCode.STOPPED, f"The run was stopped by a signal{fate}", hint="Run it again to deploy.", committed=half_way
    )


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise StoppedError, in the main thread."""
    with _handled_by(_stopping.receive):
        yield
    _stopping.received = 0


@contextmanager
def unstoppable() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM do nothing: what has become of the database is being told."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    """Signals can be handled in the main thread only: https://docs.python.org/3/library/signal.html#signal.signal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


@contextmanager
def held_back() -> Iterator[None]:
    """Inside, the first signal waits; it is for `stop_if_asked` to follow it."""
    _stopping.held_back += 1
    try:
        yield
    finally:
        _stopping.held_back -= 1


def is_asked_to_stop() -> bool:
    """Whether a signal came that was held back."""
    return bool(_stopping.received)


def stop_if_asked() -> None:
    """Raise StoppedError when a signal was held back."""
    if is_asked_to_stop():
        raise stopped()
