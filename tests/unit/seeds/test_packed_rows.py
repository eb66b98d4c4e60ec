"""Rows kept as JSON: what is packed comes out again, whole or in parts, in order."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from turso_deploy.seeds.packed_rows import SeedRow, pack

VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
# Enough rows for several runs of them, which lists alone would seldom be.
ROWS = st.builds(lambda rows, times: rows * times, st.lists(st.tuples(VALUES, VALUES)), st.integers(1, 60))


@given(ROWS)
def test_what_was_packed_is_unpacked_the_same(rows: list[SeedRow]) -> None:
    packed = pack(rows)
    assert list(packed) == rows
    assert len(packed) == len(rows)


@given(ROWS, st.integers(0, 300), st.integers(0, 300))
def test_a_part_is_what_a_slice_of_the_rows_would_be(rows: list[SeedRow], start: int, stop: int) -> None:
    part = pack(rows).slice(start, stop)
    assert list(part) == rows[start:stop]
    assert list(part.slice(1, 70)) == rows[start:stop][1:70]


@given(ROWS, st.integers(1, 3_000))
def test_chunks_are_arrays_of_all_rows_within_the_limit(rows: list[SeedRow], limit: int) -> None:
    chunks = list(pack(rows).chunks(limit))
    unpacked = [json.loads(chunk.text) for chunk in chunks]
    assert [tuple(row) for chunk in unpacked for row in chunk] == rows
    assert [chunk.first for chunk in chunks] == [sum(map(len, unpacked[:number])) for number in range(len(chunks))]
    assert all(len(chunk.text.encode()) <= limit or len(json.loads(chunk.text)) == 1 for chunk in chunks)
    assert [chunk.row_count for chunk in chunks] == list(map(len, unpacked))


@given(ROWS)
def test_the_weight_of_rows_is_what_they_take_in_a_request(rows: list[SeedRow]) -> None:
    for block in pack(rows).blocks:
        assert block.request_bytes - 1 == len(json.dumps(block.text)) - 2
