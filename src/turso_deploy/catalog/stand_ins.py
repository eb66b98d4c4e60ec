"""Stand-ins in the scratch database for functions and table-valued functions that only a server has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice

from turso_deploy.sqlite.table_functions import TableFunction, Value

_MAX_SERIES = 1_000_000


def _series(start: Value, stop: Value, step: Value) -> Iterator[tuple[Value, ...]]:
    """Return the numbers of generate_series: https://www.sqlite.org/series.html."""
    if not isinstance(start, int):
        return iter(())
    by = step if isinstance(step, int) and step else 1
    last = stop if isinstance(stop, int) else 0xFFFFFFFF
    numbers = range(start, last + (1 if by > 0 else -1), by)
    return ((number,) for number in islice(numbers, _MAX_SERIES))


def _nothing(*_: Value) -> Iterable[tuple[Value, ...]]:
    return ()


TABLE_FUNCTIONS = {
    "generate_series": TableFunction(("value",), ("start", "stop", "step"), _series),
    # https://docs.turso.tech/features/ai-and-embeddings#top-k-search
    "vector_top_k": TableFunction(("id",), ("idx", "vector", "k"), _nothing),
}
"""The table-valued functions of libSQL that SQLite does not have by itself."""


def stand_in(name: str) -> Callable[..., Value]:
    """Return the stand-in for a function: a new value where a DEFAULT needs one, else NULL, which passes each CHECK.

    A function without arguments makes keys, as uuid() does, and one of blobs or vectors a blob.
    """
    numbers = count(1)

    def value(*arguments: Value) -> Value:
        if name.endswith("blob"):
            return next(numbers).to_bytes(16, "big")
        if not arguments:
            return f"00000000-0000-4000-8000-{next(numbers):012x}"
        return b"\0" * 16 if name.startswith("vector") and name not in _OF_VECTORS else None

    return value


_OF_VECTORS = ("vector_extract", "vector_distance_cos", "vector_distance_l2")
