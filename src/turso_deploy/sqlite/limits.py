"""Limits of the work in a database in memory, so that no schema folder can keep a run busy or exhaust the memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from typing import NamedTuple, TypeVar

from turso_deploy.core.errors import ErrorCode, Place, ProjectError

T = TypeVar("T")
Row = TypeVar("Row", bound=Sequence[object])

MAX_STATEMENT_SECONDS = 10
"""Maximum processor time of one statement, or of one row of a statement that is given many or finds many."""
MAX_SECONDS = 120
"""Maximum processor time of all statements in one database."""
MAX_MEMORY = 512 * 1024 * 1024
"""Maximum memory of SQLite in bytes, for all databases in memory together."""
MAX_VALUE = 64_000_000
"""Maximum size of one value or row in bytes."""
MAX_PATTERN = 1_000
"""Maximum size of a pattern of LIKE or GLOB in bytes; SQLite compares its whole length at every position."""


class WorkLimitError(ProjectError):
    """SQL that takes longer than a limit, or more memory. It passes through the handlers of rejected statements."""


def work_limit_error(reason: str) -> WorkLimitError:
    """Return the error for SQL that exceeds a limit. `reason` continues a sentence about it."""
    return WorkLimitError(
        ErrorCode.SQL_INVALID,
        f"SQLite was stopped in memory, because the SQL {reason}",
        hint="Look for a recursion that never ends, for joins without a condition, and for values that grow.",
    )


_places: list[Place] = []


@contextmanager
def limited_at(place: Place) -> Iterator[None]:
    """Give the place of a statement to the error of a limit that is exceeded in the block."""
    _places.append(place)
    try:
        yield
    except WorkLimitError as error:
        error.place = error.place or place
        raise
    finally:
        _places.pop()


def current_place() -> Place | None:
    """Return the place of the statement that runs in memory, if it is known."""
    return _places[-1] if _places else None


def limited_in_size(rows: Iterable[Row], max_bytes: int) -> Iterator[Row]:
    """Yield rows of limited size. Raises WorkLimitError for the row that is too much."""
    size = 0
    for row in rows:
        size += size_of([row])
        if size > max_bytes:
            raise work_limit_error(f"finds more than {max_bytes:,} bytes")
        yield row


def size_of(rows: Iterable[Sequence[object]]) -> int:
    """Return the size of rows: the length of texts and blobs, and 8 for every other value and for the row."""
    return sum(8 + sum(len(value) if isinstance(value, str | bytes) else 8 for value in row) for row in rows)


class Clock:
    """The processor time that the statements of one database take; a busy machine changes nothing in it."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._began = 0.0
        self._checked_at = 0.0
        self.rows = 0
        """The number of rows that statements were given or have found."""
        self._checked_rows = 0

    def begin(self) -> None:
        """Begin a statement."""
        self._began = self._checked_at = time.thread_time()

    def each(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield the rows that a statement is given or finds; each has the time of a statement."""
        for row in rows:
            self.rows += 1
            yield row

    def check(self) -> None:
        """Raise WorkLimitError if the statement takes too long, or all of them together do."""
        now = time.thread_time()
        self._spent += now - self._checked_at
        self._checked_at = now
        if self.rows != self._checked_rows:
            self._began, self._checked_rows = now, self.rows
        if now - self._began > MAX_STATEMENT_SECONDS:
            raise work_limit_error(f"takes longer than {MAX_STATEMENT_SECONDS} s")
        if self._spent > MAX_SECONDS:
            raise work_limit_error(f"takes longer than {MAX_SECONDS} s in all")


class WatchedStatement(NamedTuple):
    """A statement in memory that the main thread runs, and the clock that counts its rows."""

    number: int
    clock: Clock


class Work:
    """The innermost statement in memory of the main thread, None while there is none.

    `is_ending` is True while another thread ends the process, because neither a limit nor a signal stops the statement.
    """

    def __init__(self) -> None:
        self.statement: WatchedStatement | None = None
        self.count = 0
        self.is_ending = False


work = Work()
_INTERVAL = 0.25  # seconds


@contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Let a watcher know the statement of the block. Those of other threads than the main one are not watched."""
    if current_thread() is not main_thread():
        yield
        return
    outer, work.count = work.statement, work.count + 1
    work.statement = WatchedStatement(work.count, clock)
    try:
        yield
    finally:
        work.statement = outer
        while work.is_ending:  # only one thread may report; a signal changes nothing any more
            with suppress(Exception):
                time.sleep(_INTERVAL)
