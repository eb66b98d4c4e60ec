"""Watch the work in memory from a thread, and end a process that neither a signal nor a limit can stop.

Python handles signals, and SQLite the limits of its work, between two instructions of SQLite. One call of a function,
such as `instr` with two texts of many megabytes, may take hours.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread, current_thread, main_thread
from typing import NoReturn

from turso_deploy.core.errors import DeployError
from turso_deploy.core.signals import cancelled, may_end_process, signals_received
from turso_deploy.sqlite import limits
from turso_deploy.sqlite.limits import WatchedStatement, WorkLimitError, current_place, work, work_limit_error

_INTERVAL = 0.25  # seconds
_PATIENCE = 0.7
"""Seconds that a signal, or the end of the time of a statement, may remain without effect."""


@contextmanager
def watching(report: Callable[[DeployError], int]) -> Iterator[None]:
    """End the process in the block if a statement in memory goes on after a signal, or after its time.

    `report` publishes the error, and returns the exit status. While the outcome of a write is unknown nothing ends the
    process, nor after the first write. Only the main thread receives signals, and is watched. Where the system has no
    clock of a thread, as macOS, nothing is watched.
    """
    ends = _pipe() if current_thread() is main_thread() and hasattr(time, "pthread_getcpuclockid") else None
    if ends is None:
        yield
        return
    reading, writing = ends
    watcher = Thread(target=_watch, args=(reading, report), name="watcher", daemon=True)
    with suppress(RuntimeError):  # no thread can be started
        watcher.start()
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        os.close(writing)  # which ends the thread
        if watcher.ident is not None:
            watcher.join()
        os.close(reading)


def _pipe() -> tuple[int, int] | None:
    """Return the ends of a pipe into which a signal writes without waiting; None if no more files can be opened."""
    try:
        reading, writing = os.pipe()
    except OSError:
        return None
    os.set_blocking(writing, False)
    return reading, writing


def _watch(wakeups: int, report: Callable[[DeployError], int]) -> None:
    """Watch until the other end of the pipe is closed. Each signal is a byte in it."""
    clock = time.pthread_getcpuclockid(main_thread().ident or 0)
    seen: tuple[WatchedStatement, int] | None = None
    began, signalled, received = 0.0, 0.0, 0
    poll = select.poll()
    poll.register(wakeups, select.POLLIN)
    while True:
        ready = poll.poll(_INTERVAL * 1_000)
        now = time.monotonic()
        if ready:
            if not os.read(wakeups, 64):
                return
            signalled, received = signalled or now, signals_received()
        statement = work.statement
        found = (statement, statement.clock.rows) if statement else None
        if found != seen:
            seen, began = found, time.clock_gettime(clock)
        if statement is None or not may_end_process() or (signalled and signals_received() > received):
            signalled = 0.0  # Python handles it
        elif signalled and now - signalled > _PATIENCE:
            _end(statement, cancelled(), report)
        elif time.clock_gettime(clock) - began > limits.MAX_STATEMENT_SECONDS + _PATIENCE:
            _end(statement, _too_long(), report)


def _too_long() -> WorkLimitError:
    error = work_limit_error(f"takes longer than {limits.MAX_STATEMENT_SECONDS} s")
    error.place = current_place()
    return error


def _end(statement: WatchedStatement, error: DeployError, report: Callable[[DeployError], int]) -> None:
    """End the process with the report of an error, unless the statement has ended meanwhile."""
    work.is_ending = True
    if work.statement is not statement or not may_end_process():
        work.is_ending = False
        return
    _exit(report(error))


def _exit(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(status)
