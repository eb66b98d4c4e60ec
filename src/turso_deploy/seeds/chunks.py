"""Split seeds that exceed the size of a request into chunks, with no row before its parent."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType

from turso_deploy.core.transaction import Value
from turso_deploy.seeds.records import MAX_RECORDED_ROWS
from turso_deploy.seeds.tables import Reference, SeedGroup, SeedTable, parents_first
from turso_deploy.seeds.upsert import CHUNK_BYTES, upsert_sql
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema

Chunk = tuple[SeedTable, ...]

_NO_WAITS: Mapping[str, Mapping[int, int]] = MappingProxyType({})
_RECORD_BYTES = 45  # about what the record of a row takes in the deployment history
_STAGING_BYTES = 1_200  # more than the statements that create, check and drop the staging table
_STEP_BYTES = 250  # more than the protocol adds to a statement


def exceeds(seeds: Sequence[SeedTable], limit: int) -> bool:
    """Return True if the rows alone take more than `limit` bytes in a request."""
    return sum(block.request_bytes for seed in seeds for group in seed.groups for block in group.rows.blocks) > limit


def split_into_chunks(
    seeds: Sequence[SeedTable], wanted: Schema, limit: int, waits: Mapping[str, Mapping[int, int]] = _NO_WAITS
) -> tuple[Chunk, ...]:
    """Return the seeds in chunks of at most `limit` bytes; all parents of a chunk are in it or in those before it.

    `waits` maps the position of a row in the file, by table, to that of a later row that must not be in a later chunk.
    A larger chunk is one that cannot be split: a single row, or rows that refer to each other.
    """
    ordered, references, _ = parents_first(seeds, wanted)
    largest_statement = max((_statement_bytes(seed, group) for seed in seeds for group in seed.groups), default=0)
    limit -= largest_statement * (1 + limit // CHUNK_BYTES) + _STAGING_BYTES
    chunks: list[Chunk] = []
    start = end = size = 0
    for position, added in _possible_ends(ordered, _last_referred_positions(ordered, references, waits), limit):
        if end > start and size + added > limit:
            chunks.append(_between(ordered, start, end))
            start, size = end, 0
        end, size = position, size + added
    return (*chunks, _between(ordered, start, end)) if end > start else tuple(chunks)


def _between(ordered: Sequence[SeedTable], start: int, stop: int) -> Chunk:
    """Return the rows between two positions, counted through all tables."""
    slices = []
    first = 0
    for seed in ordered:
        count = seed.row_count
        if max(start, first) < min(stop, first + count):
            slices.append(seed.slice(max(0, start - first), min(count, stop - first)))
        first += count
    return tuple(slices)


def _possible_ends(
    ordered: Sequence[SeedTable], last_referred: Sequence[int] | None, limit: int
) -> Iterator[tuple[int, int]]:
    """Yield positions at which a chunk may end, counted through all tables, and the bytes since the previous one."""
    position = size = 0
    for seed in ordered:
        record_bytes = _RECORD_BYTES if seed.before + seed.row_count <= MAX_RECORDED_ROWS else 0
        for group in seed.groups:
            for row_count, added in _block_sizes(group, _statement_bytes(seed, group), record_bytes, limit):
                position, size = position + row_count, size + added
                if last_referred is None or last_referred[position - 1] < position:
                    yield position, size
                    size = 0


def _statement_bytes(seed: SeedTable, group: SeedGroup) -> int:
    """Return the maximum bytes of the statements that stage, write and verify rows, without the rows."""
    upsert = len(json.dumps(upsert_sql(seed.table, group.columns, group.key, group.columns, group.blob_columns)))
    return 2 * upsert + 4 * _STEP_BYTES


def _block_sizes(group: SeedGroup, statement_bytes: int, record_bytes: int, limit: int) -> Iterator[tuple[int, int]]:
    """Yield the number of rows and the bytes of each block; the first includes the bytes of the statement.

    `record_bytes` is what each row takes in the deployment history.
    """
    for block in group.rows.blocks_for(limit):
        yield block.row_count, block.request_bytes + block.row_count * record_bytes + statement_bytes
        statement_bytes = 0


def _last_referred_positions(
    ordered: Sequence[SeedTable], references: Mapping[str, Sequence[Reference]], waits: Mapping[str, Mapping[int, int]]
) -> list[int] | None:
    """Return, for each row, the last position to which it or an earlier row refers; None if no row refers forward.

    A chunk must not end between a row and its parent, or between a row and one that it waits for.
    """
    numbers = {fold_case(seed.table): number for number, seed in enumerate(ordered)}
    firsts = [0, *accumulate(seed.row_count for seed in ordered)]
    forward = [
        (number, numbers[fold_case(reference.parent)], reference)
        for number, seed in enumerate(ordered)
        for reference in references[fold_case(seed.table)]
        if numbers.get(fold_case(reference.parent), -1) >= number
    ]
    if not forward and not any(waits.get(seed.table) for seed in ordered):
        return None
    last = list(range(firsts[-1]))
    for number, seed in enumerate(ordered):
        for at, later in waits.get(seed.table, {}).items():
            if seed.before <= at < seed.before + seed.row_count:
                last[firsts[number] + at - seed.before] = firsts[number] + later - seed.before
    for child, parent, reference in forward:
        places = {key: firsts[parent] + at for at, key in _keys(ordered[parent], reference.parent_columns)}
        for at, key in _keys(ordered[child], reference.columns):
            position = firsts[child] + at
            last[position] = max(last[position], places.get(key, 0))
    return list(accumulate(last, max))


def _keys(seed: SeedTable, columns: Sequence[str]) -> Iterator[tuple[int, tuple[str | float, ...]]]:
    """Yield position and key of the rows that have all these columns and no NULL in them.

    Keys that some collation or affinity treats as equal are equal here. A false match only makes a chunk larger.
    """
    first = 0
    for group in seed.groups:
        given = {fold_case(name): place for place, name in enumerate(group.columns)}
        if given.keys() >= {fold_case(name) for name in columns}:
            places = [given[fold_case(name)] for name in columns]
            for at, row in enumerate(group.rows, first):
                if all(row[place] is not None for place in places):
                    yield at, tuple(_comparable(row[place]) for place in places)
        first += len(group.rows)


def _comparable(value: Value) -> str | float:
    """Return the same for all values that some collation or affinity treats as equal."""
    text = str(value).strip().casefold()
    try:
        number = float(text)
    except ValueError:
        return text
    return text if math.isnan(number) else number
