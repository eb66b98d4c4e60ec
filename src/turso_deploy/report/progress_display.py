"""Display of progress: one updated line on a terminal, or a few lines in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO

from turso_deploy.core.progress import listening
from turso_deploy.core.text import capitalized, inert, printable

UPDATE_INTERVAL = 0.25
"""Seconds between two updates of the display. A step that ends before the first update is never shown."""

SLOW_STEP = 10.0
"""Seconds after which a log reports that a step is slow."""

# Erase to the end of the line (EL), and no wrapping (DECAWM): the terminal cuts off a line that is too long.
# https://invisible-island.net/xterm/ctlseqs/ctlseqs.html. No colour, so NO_COLOR has nothing to forbid.
_ERASED = "\r\x1b[K"
_UNWRAPPED = "\x1b[?7l{}\x1b[?7h"


def display_progress(
    log: TextIO,
    terminal: TextIO | None,
    *,
    on_runner: bool,
    update_interval: float = UPDATE_INTERVAL,
    slow_step: float = SLOW_STEP,
) -> AbstractContextManager[None]:
    """Display the progress of a run inside the context: in a runner's log, otherwise on a terminal if there is one.

    `update_interval` and `slow_step` are seconds.
    """
    if on_runner:
        return _displaying(_LogLines(log, slow_step), update_interval)
    if terminal is not None and terminal.isatty():
        return _displaying(_TerminalLine(terminal), update_interval)
    return nullcontext()


class _Display:
    """Display of the current step and its start time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._step = ("", 0.0)

    def report_step(self, what: str) -> None:
        self._step = (what, time.monotonic())

    def report_progress(self, how_far: str) -> None:
        self._step = (how_far, self._step[1])

    def report_line(self, what: str) -> None:
        """Show a line in a log; a terminal has the current step only."""

    def update(self) -> None:
        """Update the display. A thread calls it at intervals, because the run itself is busy."""
        what, since = self._step
        if what:
            self._show(what, since)

    def end(self) -> None:
        """Remove what is displayed."""

    def _show(self, what: str, since: float) -> None:
        raise NotImplementedError

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _TerminalLine(_Display):
    """A line on a terminal with the current step and its duration, erased at the end."""

    _drawn = False

    @contextmanager
    def report_wait(self, why: str) -> Iterator[None]:
        before = self._step
        self.report_step(why)
        try:
            yield
        finally:
            self._step = before

    def _show(self, what: str, since: float) -> None:
        text = f"{printable(what)} … {time.monotonic() - since:.0f} s"
        self._write(_ERASED + _UNWRAPPED.format(text))
        self._drawn = True

    def end(self) -> None:
        if self._drawn:
            self._write(_ERASED)


class _LogLines(_Display):
    """Lines in a log: one for each retry, and one for each slow step."""

    def __init__(self, stream: TextIO, slow_step: float) -> None:
        super().__init__(stream)
        self._slow_step = slow_step
        self._reported = 0.0

    def report_progress(self, how_far: str) -> None:
        """Show nothing: the log gets a line for each part that has ended."""

    def report_line(self, what: str) -> None:
        self._print(what)

    @contextmanager
    def report_wait(self, why: str) -> Iterator[None]:
        self._print(why)
        yield

    def _show(self, what: str, since: float) -> None:
        if since != self._reported and time.monotonic() - since >= self._slow_step:
            self._reported = since
            self._print(f"{capitalized(what)} takes longer than {self._slow_step:.0f} s.")

    def _print(self, text: str) -> None:
        """Write one line in a single call: the run may print at the same moment, for example a mask."""
        self._write(f"{inert(printable(text))}\n")


@contextmanager
def _displaying(display: _TerminalLine | _LogLines, update_interval: float) -> Iterator[None]:
    over = threading.Event()

    def update_regularly() -> None:
        while not over.wait(update_interval):
            display.update()

    thread = threading.Thread(target=update_regularly, daemon=True)
    thread.start()
    try:
        with listening(display):
            yield
    finally:
        over.set()
        thread.join()
        display.end()
