"""Progress for people: one line at the end of a terminal that is kept up to date, or a few plain lines on a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO

from turso_deploy.core.progress import listening
from turso_deploy.core.text import inert, printable

UPDATE_INTERVAL = 0.25
"""Seconds between two updates of the display. A step that ends before the first update is never shown."""

SLOW_STEP = 10.0
"""Seconds after which a log reports that a step is slow."""

# Erase to the end of the line (EL), and no wrapping (DECAWM): the terminal itself cuts off what is too long for it.
# https://invisible-island.net/xterm/ctlseqs/ctlseqs.html. No colour, so NO_COLOR has nothing to forbid.
_ERASED = "\r\x1b[K"
_UNWRAPPED = "\x1b[?7l{}\x1b[?7h"


def shown(
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
        return _watching(_LogLines(log, slow_step), update_interval)
    if terminal is not None and terminal.isatty():
        return _watching(_TerminalLine(terminal), update_interval)
    return nullcontext()


class _Watch:
    """What is being done, and since when."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._step = ("", 0.0)

    def report_step(self, what: str) -> None:
        self._step = (what, time.monotonic())

    def look(self) -> None:
        """Tell how it stands; called now and then, by a thread of its own: the run itself is busy."""
        what, since = self._step
        if what:
            self._tell(what, since)

    def end(self) -> None:
        """Take away what was only for the time being."""

    def _tell(self, what: str, since: float) -> None:
        raise NotImplementedError

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _TerminalLine(_Watch):
    """One line that says what is being done for how long, and is gone in the end."""

    _drawn = False

    @contextmanager
    def report_wait(self, why: str) -> Iterator[None]:
        before = self._step
        self.report_step(why)
        try:
            yield
        finally:
            self._step = before

    def _tell(self, what: str, since: float) -> None:
        text = f"{printable(what)} … {time.monotonic() - since:.0f} s"
        self._write(_ERASED + _UNWRAPPED.format(text))
        self._drawn = True

    def end(self) -> None:
        if self._drawn:
            self._write(_ERASED)


class _LogLines(_Watch):
    """A line for each thing that is tried again, when it happens, and one for each that takes long."""

    def __init__(self, stream: TextIO, slow_step: float) -> None:
        super().__init__(stream)
        self._slow_step = slow_step
        self._reported = 0.0

    @contextmanager
    def report_wait(self, why: str) -> Iterator[None]:
        self._print(why)
        yield

    def _tell(self, what: str, since: float) -> None:
        if since != self._reported and time.monotonic() - since >= self._slow_step:
            self._reported = since
            self._print(f"{what[:1].upper()}{what[1:]} takes longer than {self._slow_step:.0f} s.")

    def _print(self, text: str) -> None:
        """One line in one piece: the run may print at the same moment, a mask for example."""
        self._write(f"{inert(printable(text))}\n")


@contextmanager
def _watching(watch: _TerminalLine | _LogLines, update_interval: float) -> Iterator[None]:
    over = threading.Event()

    def keep_looking() -> None:
        while not over.wait(update_interval):
            watch.look()

    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        with listening(watch):
            yield
    finally:
        over.set()
        thread.join()
        watch.end()
