"""The number of requests of a run, wherever in it they are sent. A connection to a local file counts as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class RequestCount:
    """The number of requests so far, with those that got no reply."""

    number: int = 0


_counts: ContextVar[tuple[RequestCount, ...]] = ContextVar("counts of requests", default=())


@contextmanager
def counting_requests(count: RequestCount) -> Iterator[None]:
    """Add each request that is sent inside the context to a count."""
    outer = _counts.set((*_counts.get(), count))
    try:
        yield
    finally:
        _counts.reset(outer)


def count_request() -> None:
    """Count a request, which is about to be sent, or a connection to a local file."""
    for count in _counts.get():
        count.number += 1
