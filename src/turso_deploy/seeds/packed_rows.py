"""Rows kept as JSON: a fraction of the memory that Python's own values take, and ready to be sent."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from msgspec import Struct

from turso_deploy.core.transaction import Value, json_bytes
from turso_deploy.seeds.upsert import as_json

SeedRow = tuple[Value, ...]

_RUN = 64  # rows that are packed together: a page of memory or a few


class Run(NamedTuple):
    """Some rows: their arrays with commas between them, how many they are, and the bytes they take in a request."""

    text: str
    length: int
    weight: int


class PackedRows(Struct, frozen=True):
    """Rows in order: runs of them, and up to which row each goes."""

    runs: tuple[Run, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __iter__(self) -> Iterator[SeedRow]:
        """Each row, unpacked."""
        return (row for run in self.runs for row in _unpacked(run.text))

    def part(self, start: int, stop: int) -> PackedRows:
        """The rows from `start` on, without the one at `stop` and what follows it."""
        first, last = bisect_right(self.ends, start), bisect_left(self.ends, stop)
        runs = []
        for run, end in zip(self.runs[first : last + 1], self.ends[first : last + 1], strict=True):
            begin = end - run.length
            if start <= begin and end <= stop:
                runs.append(run)
            elif rows := _unpacked(run.text)[max(0, start - begin) : stop - begin]:
                runs.append(_run(rows))
        return _of(runs)

    def chunks(self, chunk_bytes: int) -> Iterator[tuple[int, str]]:
        """Arrays of rows of at most `chunk_bytes`, or of one larger row, each with the position of its first row."""
        position = first = size = 0
        pieces: list[str] = []
        for piece in self.pieces(chunk_bytes):
            added = len(piece.text.encode()) + 1
            if pieces and size + added + 1 > chunk_bytes:
                yield first, f"[{','.join(pieces)}]"
                first, size, pieces = position, 0, []
            pieces.append(piece.text)
            position, size = position + piece.length, size + added
        if pieces:
            yield first, f"[{','.join(pieces)}]"

    def pieces(self, chunk_bytes: int) -> Iterator[Run]:
        """The runs, and single rows where a run would make chunks of that size uneven."""
        for run in self.runs:
            if run.weight * 16 <= chunk_bytes:
                yield run
            else:
                yield from (_run([row]) for row in _unpacked(run.text))


class Packer:
    """Packs rows as they come."""

    def __init__(self) -> None:
        self._waiting: list[SeedRow] = []
        self._runs: list[Run] = []

    def add(self, row: SeedRow) -> None:
        """One more row."""
        self._waiting.append(row)
        if len(self._waiting) == _RUN:
            self._pack()

    def rows(self) -> PackedRows:
        """All rows that were added."""
        if self._waiting:
            self._pack()
        return _of(self._runs)

    def _pack(self) -> None:
        self._runs.append(_run(self._waiting))
        self._waiting.clear()


def pack(rows: Iterable[SeedRow]) -> PackedRows:
    """Rows that are there already, packed."""
    packer = Packer()
    for row in rows:
        packer.add(row)
    return packer.rows()


def _of(runs: Sequence[Run]) -> PackedRows:
    return PackedRows(tuple(runs), tuple(accumulate(run.length for run in runs)))


def _run(rows: Sequence[SeedRow]) -> Run:
    text = as_json(rows)[1:-1]
    return Run(text, len(rows), json_bytes(text) + 1)


def _unpacked(text: str) -> list[SeedRow]:
    return [tuple(row) for row in json.loads(f"[{text}]")]
