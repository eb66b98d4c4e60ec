"""Seeds cut into chunks: all rows once, in order, and no chunk that lacks a parent."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.seeds import load_csv_seeds
from turso_deploy.seeds.chunks import Chunk, exceeds, split_into_chunks
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.schema import Schema

Load = Callable[..., tuple[tuple[SeedTable, ...], Schema]]

PARENT = "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT)"
CHILD = "CREATE TABLE child (id INTEGER PRIMARY KEY, up INTEGER REFERENCES parent)"
TREE = "CREATE TABLE tree (id TEXT PRIMARY KEY NOT NULL, up TEXT REFERENCES tree (id))"
NUMBERS = "CREATE TABLE tree (id INTEGER PRIMARY KEY, up TEXT REFERENCES tree (id))"
LIMIT = 8_000


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Make a schema, and load CSV seeds by table."""

    def load(*schema: str, **files: str) -> tuple[tuple[SeedTable, ...], Schema]:
        loaded = load_csv_seeds(tmp_path / "schema", schema, files)
        return loaded.seeds, loaded.schema

    return load


def numbers(count: int, up: Callable[[int], object]) -> str:
    return "".join(f"{number},{up(number)}\n" for number in range(count))


def places(chunks: tuple[Chunk, ...]) -> list[list[tuple[str, int, int]]]:
    return [[(seed.table, seed.before, seed.before + seed.row_count) for seed in chunk] for chunk in chunks]


def test_all_rows_come_once_and_in_order_parents_first(load: Load) -> None:
    parents, children = numbers(500, lambda n: f"name {n}"), numbers(700, lambda n: n % 500)
    seeds, wanted = load(CHILD, PARENT, parent=f"id,name\n{parents}", child=f"id,up\n{children}")
    chunks = split_into_chunks(seeds, wanted, LIMIT)
    assert len(chunks) > 5
    parts = [part for chunk in places(chunks) for part in chunk]
    for table, count in (("parent", 500), ("child", 700)):
        own = [(start, stop) for name, start, stop in parts if name == table]
        assert (own[0][0], own[-1][1]) == (0, count)
        assert all(before[1] == after[0] for before, after in pairwise(own))
    assert [name for name, *_ in parts] == sorted((name for name, *_ in parts), reverse=True)
    rows = [row for chunk in chunks for seed in chunk if seed.table == "child" for row in seed.groups[0].rows]
    assert rows == list(seeds[0].groups[0].rows)


def test_small_tables_share_a_chunk(load: Load) -> None:
    seeds, wanted = load(CHILD, PARENT, parent="id,name\n1,a\n2,b\n", child="id,up\n1,1\n")
    assert places(split_into_chunks(seeds, wanted, LIMIT)) == [[("parent", 0, 2), ("child", 0, 1)]]


def test_the_rest_of_a_table_is_cut_like_the_whole(load: Load) -> None:
    seeds, wanted = load(PARENT, parent=f"id,name\n{numbers(500, lambda n: f'name {n}')}")
    rest = split_into_chunks((seeds[0].slice(333),), wanted, LIMIT)
    parts = [part for chunk in places(rest) for part in chunk]
    assert (parts[0][1], parts[-1][2]) == (333, 500)
    assert [row[0] for chunk in rest for seed in chunk for row in seed.groups[0].rows] == list(range(333, 500))


@pytest.mark.parametrize(
    ("up", "chunks"),
    [
        (lambda n: n - 1 if n else "", 7),  # the parent stands above
        (lambda n: n + 1 if n < 999 else "", 1),  # below
        (lambda n: n - n % 100 + 99, 7),  # at the end of each hundred
        (lambda n: f" {n - 1}.0 " if n else "", 7),  # spelt in another way
        (lambda n: "", 7),
    ],
)
def test_rows_are_not_cut_off_from_a_parent_that_follows_them(
    load: Load, up: Callable[[int], object], chunks: int
) -> None:
    seeds, wanted = load(NUMBERS, tree=f"id,up\n{numbers(1_000, up)}")
    found = split_into_chunks(seeds, wanted, LIMIT)
    assert (len(found) > 3) == (chunks > 3)
    there: set[float] = set()
    for chunk in found:
        rows = list(chunk[0].groups[0].rows)
        there |= {float(str(row[0])) for row in rows}
        assert all(row[1] is None or float(str(row[1])) in there for row in rows)


def test_tables_that_refer_to_each_other_are_cut_where_both_ends_are_there(load: Load) -> None:
    """Each row of the one has its partner in the other, so all of the first table waits for the second."""
    ends = [
        "CREATE TABLE a (id INTEGER PRIMARY KEY, other INTEGER REFERENCES b (id))",
        "CREATE TABLE b (id INTEGER PRIMARY KEY, other INTEGER REFERENCES a (id))",
    ]
    rows = numbers(500, lambda n: n)
    seeds, wanted = load(*ends, a=f"id,other\n{rows}", b=f"id,other\n{rows}")
    first, *others = split_into_chunks(seeds, wanted, LIMIT)
    assert first[0].row_count == 500
    assert first[1].row_count == 500
    assert not others


def test_a_key_that_is_no_number_is_not_taken_for_one(load: Load) -> None:
    rows = "".join(f"k{number},{'nan' if number < 900 else ''}\n" for number in range(999)) + "nan,\n"
    seeds, wanted = load(TREE, tree=f"id,up\n{rows}")
    assert len(split_into_chunks(seeds, wanted, LIMIT)) == 1


def test_seeds_exceed_a_limit_by_what_they_take_in_a_request(load: Load) -> None:
    seeds, _ = load(PARENT, parent='id,name\n1,"a ""b"""\n')
    taken = len('[1,\\"a \\\\\\"b\\\\\\"\\"]') + 1
    assert not exceeds(seeds, taken)
    assert exceeds(seeds, taken - 1)


def test_row_and_a_later_one_whose_unique_value_it_gets_come_together(load: Load) -> None:
    seeds, wanted = load(PARENT, parent=f"id,name\n{numbers(500, lambda n: f'name {n}')}")
    assert len(split_into_chunks(seeds, wanted, LIMIT)) > 2
    for rest in (seeds, (seeds[0].slice(100),)):
        found = split_into_chunks(rest, wanted, LIMIT, {"parent": {110: 480, 20: 30}})
        assert any(start <= 110 and stop > 480 for chunk in places(found) for _, start, stop in chunk)
        assert found[-1][-1].before + found[-1][-1].row_count == 500
