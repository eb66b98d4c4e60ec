"""Memory of plans: what follows from a project and a catalog alone is made once for all databases that are alike.

Only a run for many databases has one. What depends on the rows of a database, on its clock, or on which of its
deployments was the last is never remembered.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")

MAX_ENTRIES = 64
"""How many values of each kind are remembered: those that were used last."""


class _Entry:
    """A value, and the lock under which the first thread makes it. `kept` are the objects whose ids are in the key."""

    def __init__(self, kept: tuple[object, ...]) -> None:
        self.kept = kept
        self.lock = Lock()
        self.made: tuple[Any] | None = None


class PlanMemo:
    """The memory of one run, to be shared by its threads. `hits` and `misses` count its use."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: dict[str, OrderedDict[Hashable, _Entry]] = defaultdict(OrderedDict)
        self.hits = self.misses = 0

    def get(self, kind: str, key: Hashable, kept: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return the value for a key, made by one thread while the others wait. A failure is not remembered."""
        with self._lock:
            entries = self._entries[kind]
            entry = entries.get(key)
            if entry is None:
                entry = entries[key] = _Entry(kept)
            entries.move_to_end(key)
            if len(entries) > MAX_ENTRIES:
                entries.popitem(last=False)
        with entry.lock:
            if entry.made is None:
                self.misses += 1
                entry.made = (make(),)
            else:
                self.hits += 1
            value: T = entry.made[0]
            return value


_memo: ContextVar[PlanMemo | None] = ContextVar("plan_memo", default=None)


@contextmanager
def remembering(memo: PlanMemo | None) -> Iterator[None]:
    """Remember plans in `memo` inside the block."""
    token = _memo.set(memo)
    try:
        yield
    finally:
        _memo.reset(token)


def hashable(value: object) -> Hashable:
    """Return a value with tuples in place of its mappings and sequences, equal to that of an equal value."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, hashable(item)) for key, item in value.items()))
    if isinstance(value, tuple | list):
        return tuple(map(hashable, value))
    if isinstance(value, Hashable):
        return value
    raise TypeError(f"{type(value).__name__} is not part of a key")


def remembered(kind: str, key: Callable[[], Hashable], kept: tuple[object, ...], make: Callable[[], T]) -> T:
    """Return what `make` returns, remembered if this run remembers. Objects in `kept` may be named by their ids."""
    memo = _memo.get()
    return make() if memo is None else memo.get(kind, key(), kept, make)
