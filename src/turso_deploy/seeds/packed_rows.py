"""Rows stored as JSON text in blocks: less memory than Python values, and ready to be sent.

A blob is stored as an object with its hexadecimal digits, `{"blob":"4869"}`, because JSON has no blobs. It travels in a
parameter of its own, because SQLite before 3.41 cannot decode digits (https://www.sqlite.org/lang_corefunc.html#unhex).
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from turso_deploy.core.transaction import Value, json_bytes
from turso_deploy.seeds.upsert import as_json

SeedRow = tuple[Value, ...]

_BLOCK_ROWS = 64  # rows in a block: a few pages of memory
_BLOB_START = '{"blob":"'  # a quote inside a text is escaped, so no text has this
_BLOB = re.compile(r'\{"blob":"([0-9a-f]*)"\}')


class RowBlock(NamedTuple):
    """Consecutive rows: their JSON arrays with commas between them, their number, and their bytes in a request."""

    text: str
    row_count: int
    request_bytes: int


class RowChunk(NamedTuple):
    """A JSON array of rows, with the position of the first of them.

    In place of a blob it has the array `[start,length]`: its bytes in `blobs`, counted from 1, as `substr` takes them.
    """

    first: int
    row_count: int
    text: str
    blobs: bytes = b""


# Not a NamedTuple, because iterating over it gives its rows.
@dataclass(frozen=True)
class PackedRows:
    """Rows in order: blocks, and the position after the last row of each."""

    blocks: tuple[RowBlock, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def __iter__(self) -> Iterator[SeedRow]:
        """Yield each row, unpacked."""
        return (row for block in self.blocks for row in _unpacked(block.text))

    @property
    def has_blobs(self) -> bool:
        """True if a value is a blob."""
        return any(_BLOB_START in block.text for block in self.blocks)

    def slice(self, start: int, stop: int) -> PackedRows:
        """Return the rows from `start` to before `stop`."""
        first, last = bisect_right(self.ends, start), bisect_left(self.ends, stop)
        blocks = []
        for block, end in zip(self.blocks[first : last + 1], self.ends[first : last + 1], strict=True):
            begin = end - block.row_count
            if start <= begin and end <= stop:
                blocks.append(block)
            elif rows := _unpacked(block.text)[max(0, start - begin) : stop - begin]:
                blocks.append(_block(rows))
        return _packed(blocks)

    def chunks(self, chunk_bytes: int) -> Iterator[RowChunk]:
        """Yield chunks with JSON arrays of at most `chunk_bytes`, or of one larger row."""
        position = first = size = 0
        texts: list[str] = []
        for block in self.blocks_for(chunk_bytes):
            added = len(block.text.encode()) + 1
            if texts and size + added + 1 > chunk_bytes:
                yield _chunk(first, position - first, texts)
                first, size, texts = position, 0, []
            texts.append(block.text)
            position, size = position + block.row_count, size + added
        if texts:
            yield _chunk(first, position - first, texts)

    def blocks_for(self, chunk_bytes: int) -> Iterator[RowBlock]:
        """Yield the blocks; one that is large in relation to the chunks is split into blocks of single rows."""
        for block in self.blocks:
            if block.request_bytes * 16 <= chunk_bytes:
                yield block
            else:
                yield from (_block([row]) for row in _unpacked(block.text))


class RowPacker:
    """Packs rows one by one."""

    def __init__(self) -> None:
        self._pending: list[SeedRow] = []
        self._blocks: list[RowBlock] = []

    def add(self, row: SeedRow) -> None:
        """Add a row."""
        self._pending.append(row)
        if len(self._pending) == _BLOCK_ROWS:
            self._pack()

    def rows(self) -> PackedRows:
        """Return all rows that were added."""
        if self._pending:
            self._pack()
        return _packed(self._blocks)

    def _pack(self) -> None:
        self._blocks.append(_block(self._pending))
        self._pending.clear()


def pack(rows: Iterable[SeedRow]) -> PackedRows:
    """Return the rows, packed."""
    packer = RowPacker()
    for row in rows:
        packer.add(row)
    return packer.rows()


def _chunk(first: int, row_count: int, texts: Sequence[str]) -> RowChunk:
    text = f"[{','.join(texts)}]"
    if _BLOB_START not in text:
        return RowChunk(first, row_count, text)
    blobs = bytearray()

    def moved(found: re.Match[str]) -> str:
        start = len(blobs) + 1
        blobs.extend(bytes.fromhex(found[1]))
        return f"[{start},{len(blobs) - start + 1}]"

    return RowChunk(first, row_count, _BLOB.sub(moved, text), bytes(blobs))


def _packed(blocks: Sequence[RowBlock]) -> PackedRows:
    return PackedRows(tuple(blocks), tuple(accumulate(block.row_count for block in blocks)))


def _block(rows: Sequence[SeedRow]) -> RowBlock:
    text = as_json(rows)[1:-1]
    return RowBlock(text, len(rows), json_bytes(text) + 1)


def _unpacked(text: str) -> list[SeedRow]:
    object_hook = _blob_of if _BLOB_START in text else None
    return [tuple(row) for row in json.loads(f"[{text}]", object_hook=object_hook)]


def _blob_of(members: dict[str, str]) -> bytes:
    return bytes.fromhex(members["blob"])
