"""Seeds that do not fit one request, cut into chunks that do: parents before children, and no row before its parent."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from turso_deploy.core.transaction import Value
from turso_deploy.seeds.steps import CHUNK_BYTES, Reference, in_order
from turso_deploy.seeds.tables import SeedGroup, SeedTable
from turso_deploy.seeds.upsert import upsert_sql
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema

Chunk = tuple[SeedTable, ...]

_STEP = 250  # bytes: more than the protocol puts around a statement


def exceed(seeds: Sequence[SeedTable], limit: int) -> bool:
    """Whether the rows alone take more than `limit` bytes in a request."""
    return sum(run.weight for seed in seeds for group in seed.groups for run in group.rows.runs) > limit


def cut(seeds: Sequence[SeedTable], wanted: Schema, limit: int) -> tuple[Chunk, ...]:
    """The seeds in chunks of at most `limit` bytes, each of which a database takes when it has those before it.

    One that is larger cannot be cut: a single row, or rows that refer to each other both ways.
    """
    ordered, references, _ = in_order(seeds, wanted)
    widest = max((_statement(seed, group) for seed in seeds for group in seed.groups), default=0)
    limit -= widest * (1 + limit // CHUNK_BYTES)
    chunks: list[Chunk] = []
    start = end = taken = 0
    for position, added in _pieces(ordered, _reach(ordered, references), limit):
        if end > start and taken + added > limit:
            chunks.append(_between(ordered, start, end))
            start, taken = end, 0
        end, taken = position, taken + added
    return (*chunks, _between(ordered, start, end)) if end > start else tuple(chunks)


def _between(ordered: Sequence[SeedTable], start: int, stop: int) -> Chunk:
    """The rows from one position to another, counted through all tables."""
    parts = []
    first = 0
    for seed in ordered:
        count = seed.row_count
        if max(start, first) < min(stop, first + count):
            parts.append(seed.part(max(0, start - first), min(count, stop - first)))
        first += count
    return tuple(parts)


def _pieces(ordered: Sequence[SeedTable], reach: Sequence[int] | None, limit: int) -> Iterator[tuple[int, int]]:
    """Where a chunk may end, as positions through all tables, and the bytes from each to the one before."""
    position = taken = 0
    for seed in ordered:
        for group in seed.groups:
            for length, added in _runs(group, _statement(seed, group), limit):
                position, taken = position + length, taken + added
                if reach is None or reach[position - 1] < position:
                    yield position, taken
                    taken = 0


def _statement(seed: SeedTable, group: SeedGroup) -> int:
    """The bytes that a statement takes besides its rows, at most."""
    return len(json.dumps(upsert_sql(seed.table, group.columns, group.key, group.columns))) + _STEP


def _runs(group: SeedGroup, statement: int, limit: int) -> Iterator[tuple[int, int]]:
    """Runs of rows: how many they are, and the bytes that they take; single rows, where they are large."""
    for piece in group.rows.pieces(limit):
        yield piece.length, piece.weight + statement
        statement = 0


def _reach(ordered: Sequence[SeedTable], references: Mapping[str, Sequence[Reference]]) -> list[int] | None:
    """For each row, the last position that it, or any row before it, refers to; None where all refer to rows before.

    A chunk that ends in between would leave a row without its parent.
    """
    numbers = {fold_case(seed.table): number for number, seed in enumerate(ordered)}
    firsts = [0, *accumulate(seed.row_count for seed in ordered)]
    forward = [
        (number, numbers[fold_case(reference.parent)], reference)
        for number, seed in enumerate(ordered)
        for reference in references[fold_case(seed.table)]
        if numbers.get(fold_case(reference.parent), -1) >= number
    ]
    if not forward:
        return None
    reach = list(range(firsts[-1]))
    for child, parent, reference in forward:
        places = {key: firsts[parent] + at for at, key in _keys(ordered[parent], reference.parent_columns)}
        for at, key in _keys(ordered[child], reference.columns):
            position = firsts[child] + at
            reach[position] = max(reach[position], places.get(key, 0))
    return list(accumulate(reach, max))


def _keys(seed: SeedTable, columns: Sequence[str]) -> Iterator[tuple[int, tuple[str | float, ...]]]:
    """The rows that give these columns, none of them NULL: position and values, as loosely as any collation has it.

    What is taken for the same and is not makes a chunk larger than it need be, and nothing worse.
    """
    first = 0
    for group in seed.groups:
        given = {fold_case(name): place for place, name in enumerate(group.columns)}
        if given.keys() >= {fold_case(name) for name in columns}:
            places = [given[fold_case(name)] for name in columns]
            for at, row in enumerate(group.rows, first):
                if all(row[place] is not None for place in places):
                    yield at, tuple(_loosely(row[place]) for place in places)
        first += len(group.rows)


def _loosely(value: Value) -> str | float:
    """A value such that all that some collation or affinity may take for it are the same."""
    text = str(value).strip().casefold()
    try:
        number = float(text)
    except ValueError:
        return text
    return text if math.isnan(number) else number
