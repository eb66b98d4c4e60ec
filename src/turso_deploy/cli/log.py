"""Show the log of a run: each record of the logger `turso_deploy` as one line without secrets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from turso_deploy.core.text import printable


@contextmanager
def showing_log(write: Callable[[str], None], redacted: Callable[[str], str]) -> Iterator[None]:
    """Write each record that is logged inside the block, after `redacted` has masked the secrets in it.

    Loggers of other packages, such as urllib3, are not shown: what they print is not under our control.
    """
    logger, handler = logging.getLogger("turso_deploy"), _Lines(write, redacted)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class _Lines(logging.Handler):
    """Handler that writes the time since the start in seconds, the logger and the message. Tracebacks are left out."""

    def __init__(self, write: Callable[[str], None], redacted: Callable[[str], str]) -> None:
        super().__init__()
        self._write, self._redacted = write, redacted
        self._started = time.time()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. A log that cannot be written must not stop a deployment."""
        with suppress(OSError, ValueError, TypeError):
            line = f"{record.created - self._started:.3f} s {record.name}: {record.getMessage()}"
            self._write(printable(self._redacted(line)))
