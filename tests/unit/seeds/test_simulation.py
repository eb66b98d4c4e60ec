"""Simulation of seeds: the rows as SQLite stores them, in the order of their keys, with and without triggers."""

from __future__ import annotations

import csv
import io
import json
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.schema_folders import write_folder
from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.transaction import Value
from turso_deploy.seeds.simulation import simulate_seeds
from turso_deploy.seeds.tables import SeedTable, read_seeds


def simulate(folder: Path, schema: Sequence[str], **files: str) -> tuple[tuple[SeedTable, ...], Scratch]:
    """Write seed files (`a__csv` is `a.csv`), and simulate them in a scratch database of these statements."""
    scratch = Scratch()
    for sql in schema:
        scratch.run(sql)
    wanted = read_catalog(scratch.rows(), scratch.shadows()).schema
    write_folder(folder, {f"seeds/{name.replace('__', '.')}": content for name, content in files.items()})
    return simulate_seeds(read_seeds(SchemaFolder(folder, "schema"), wanted), wanted, scratch.connection), scratch


def error(folder: Path, schema: Sequence[str], **files: str) -> str:
    """Return place and message of the error of these files."""
    with pytest.raises(ProjectError) as caught:
        simulate(folder, schema, **files)
    assert caught.value.code is ErrorCode.SEED_INVALID
    assert "SECRET" not in f"{caught.value} {caught.value.hint}"
    return f"{caught.value.place}: {caught.value.message.removeprefix('The seeds cannot be used: ')}"


KEYS = "CREATE TABLE a (id PRIMARY KEY, n INTEGER)"


def test_rows_are_in_the_order_of_their_stored_keys_with_their_lines(tmp_path: Path) -> None:
    (seed,), _ = simulate(tmp_path, [KEYS], a__csv="n,id\n1,b\n2,10\n3,x'00'\n4,9\n5,B\n6,0.5\n7,é\n")
    (group,) = seed.groups
    assert list(group.rows) == [(0.5, 6), (9, 4), (10, 2), ("B", 5), ("b", 1), ("é", 7), (b"\0", 3)]
    assert group.lines == (7, 5, 3, 6, 2, 8, 4)
    assert group.blob_columns == {"id"}


def test_order_is_that_of_bytes_whatever_the_collation_of_the_key(tmp_path: Path) -> None:
    (seed,), _ = simulate(tmp_path, ["CREATE TABLE a (id TEXT COLLATE NOCASE PRIMARY KEY)"], a__csv="id\na\nB\nc\n")
    assert list(seed.groups[0].rows) == [("B",), ("a",), ("c",)]


def test_values_are_those_that_the_column_stores(tmp_path: Path) -> None:
    schema = ["CREATE TABLE a (id INTEGER PRIMARY KEY, r REAL, n NUMERIC, d DECIMAL)"]
    (seed,), _ = simulate(tmp_path, schema, a__csv="id,r,n,d\n1.0,5,1e3,1.50\n")
    assert [[(value, type(value)) for value in row] for row in seed.groups[0].rows] == [
        [(1, int), (5.0, float), (1000, int), (1.5, float)]
    ]


def test_keys_that_are_equal_as_text_are_an_error_of_both_lines(tmp_path: Path) -> None:
    expected = (
        "schema/seeds/a.json:3: `id` is a number here and a text in line 1, or the other way round, "
        "with the same characters."
    )
    assert error(tmp_path, [KEYS], a__json='[{"id": 1},\n{"id": 2},\n{"id": "1"}]') == expected
    assert error(tmp_path, [KEYS], a__json='[{"id": "1", "n": 5},\n{"id": 2},\n{"id": 1}]') == expected


@pytest.mark.parametrize("conflict", ["IGNORE", "REPLACE", "ROLLBACK", "FAIL"])
def test_conflict_clause_of_a_table_leaves_out_and_replaces_no_row(tmp_path: Path, conflict: str) -> None:
    schema = [f"CREATE TABLE a (id INTEGER PRIMARY KEY, slug TEXT UNIQUE ON CONFLICT {conflict})"]
    expected = "schema/seeds/a.csv:3: `a.slug` must be unique, and line 2 has the same."
    assert error(tmp_path, schema, a__csv="id,slug\n1,SECRET\n2,SECRET\n") == expected
    not_null = [f"CREATE TABLE a (id INTEGER PRIMARY KEY, n TEXT NOT NULL ON CONFLICT {conflict} DEFAULT 'x')"]
    expected = "schema/seeds/a.csv:2: `a.n` must have a value (NOT NULL)."
    assert error(tmp_path, not_null, a__csv="id,n\n1,\n") == expected


USERS = (
    "CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE TABLE profile (user INTEGER PRIMARY KEY REFERENCES user (id), theme TEXT NOT NULL DEFAULT 'light')",
    "CREATE TRIGGER user_gets_profile AFTER INSERT ON user BEGIN INSERT INTO profile (user) VALUES (new.id); END",
)


def test_row_that_a_trigger_makes_may_be_a_seed_too(tmp_path: Path) -> None:
    seeds, scratch = simulate(tmp_path, USERS, user__csv="id,name\n2,b\n1,a\n", profile__csv="user,theme\n1,dark\n")
    assert [list(group.rows) for seed in seeds for group in seed.groups] == [[(1, "dark")], [(1, "a"), (2, "b")]]
    assert scratch.connection.execute("SELECT * FROM profile").rows == ((1, "dark"), (2, "light"))


def test_row_that_a_trigger_leaves_out_is_an_error_at_its_line(tmp_path: Path) -> None:
    schema = [
        "CREATE TABLE a (id INTEGER PRIMARY KEY, n TEXT)",
        "CREATE TRIGGER no_tests BEFORE INSERT ON a WHEN new.n LIKE '%test%' BEGIN SELECT RAISE(IGNORE); END",
    ]
    expected = "schema/seeds/a.csv:3: a trigger leaves out the row of `a`, or deletes it."
    assert error(tmp_path, schema, a__csv="id,n\n1,plain\n2,a test\n") == expected


def test_row_that_a_trigger_of_another_table_deletes_is_an_error_at_its_line(tmp_path: Path) -> None:
    schema = [*USERS[:2], "CREATE TRIGGER tidy AFTER INSERT ON profile BEGIN DELETE FROM user WHERE id > 1; END"]
    expected = "schema/seeds/user.csv:3: a trigger leaves out the row of `user`, or deletes it."
    assert error(tmp_path, schema, user__csv="id\n1\n2\n", profile__csv="user\n1\n") == expected


def test_row_that_a_trigger_rejects_is_an_error_with_the_text_of_the_trigger(tmp_path: Path) -> None:
    schema = [
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TRIGGER t BEFORE INSERT ON a WHEN new.id > 5 BEGIN SELECT RAISE(ROLLBACK, 'it''s too large'); END",
    ]
    assert (
        error(tmp_path, schema, a__csv="id\n9\n1\n")
        == "schema/seeds/a.csv:2: a trigger rejects the row, it's too large."
    )


def test_columns_that_a_trigger_assigns_keep_the_values_of_the_file_in_the_seeds(tmp_path: Path) -> None:
    schema = [
        "CREATE TABLE a (id INTEGER PRIMARY KEY, n TEXT)",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET n = upper(n) WHERE id = new.id; END",
    ]
    (seed,), scratch = simulate(tmp_path, schema, a__csv="id,n\n1,text\n")
    assert list(seed.groups[0].rows) == [(1, "text")]
    assert scratch.connection.execute("SELECT n FROM a").rows == (("TEXT",),)


def test_simulation_leaves_nothing_of_its_own_behind(tmp_path: Path) -> None:
    _, scratch = simulate(tmp_path, USERS, user__csv="id\n1\n", profile__csv="user\n1\n")
    assert scratch.connection.execute("SELECT name FROM sqlite_temp_master").rows == ()
    assert [row.name for row in scratch.rows() if row.kind == "trigger"] == ["user_gets_profile"]


TYPES = ("INTEGER", "REAL", "DECIMAL", "BOOLEAN", "TEXT", "DATE", "BLOB", "")
NUMBERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number != 0)
WORDS = st.sampled_from(["", "a", "it's", "two words", "ä\n", "2024-01-01", "yes", ",", '"', "null "])
OF_TYPE = {
    "INTEGER": NUMBERS,
    "REAL": FLOATS,
    "DECIMAL": NUMBERS | FLOATS,
    "BOOLEAN": st.booleans(),
    "TEXT": WORDS,
    "DATE": WORDS,
    "BLOB": NUMBERS | st.binary(max_size=4),
    "": NUMBERS | FLOATS | WORDS | st.booleans() | st.binary(max_size=4),
}
ROWS = st.lists(st.tuples(*(st.none() | OF_TYPE[name] for name in TYPES)), min_size=1, max_size=6)


def as_literal(value: Value) -> Value:
    return f"x'{value.hex()}'" if isinstance(value, bytes) else value


def as_csv_field(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    return str(value) if isinstance(value, int | float) else '"' + str(as_literal(value)).replace('"', '""') + '"'


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 99))
def test_same_rows_have_one_fingerprint_in_every_format_and_order(rows: list[tuple[Value, ...]], seed: int) -> None:
    columns = ["id", *(f"c{number}" for number in range(len(TYPES)))]
    schema = [f"CREATE TABLE a (id INTEGER PRIMARY KEY, {', '.join(f'c{n} {name}' for n, name in enumerate(TYPES))})"]
    numbered = [(number, *row) for number, row in enumerate(rows)]
    found = {}
    for form in ("csv", "json", "jsonl", "yaml"):
        random.Random(f"{seed}{form}").shuffle(numbered)
        objects = [json.dumps(dict(zip(columns, map(as_literal, row), strict=True))) for row in numbered]
        lines = [",".join(map(as_csv_field, row)) for row in numbered]
        content = {
            "csv": "\n".join([",".join(columns), *lines]),
            "json": f"[{','.join(objects)}]",
            "jsonl": "\n".join(objects),
            "yaml": "- " + "\n- ".join(objects),
        }[form]
        with tempfile.TemporaryDirectory() as folder:
            (table,), _ = simulate(Path(folder), schema, **{f"a__{form}": content})
        found[form] = table.fingerprint, list(table.groups[0].rows)
    assert len({fingerprint for fingerprint, _ in found.values()}) == 1, found


def test_csv_written_by_python_is_read_with_its_values(tmp_path: Path) -> None:
    written = io.StringIO()
    rows = [(1, 'say "hi"', "a,b"), (2, "two\nlines", ""), (3, " x ", "é")]
    csv.writer(written, quoting=csv.QUOTE_NONNUMERIC).writerows([("id", "a", "b"), *rows])
    (seed,), _ = simulate(
        tmp_path, ["CREATE TABLE a (id INTEGER PRIMARY KEY, a TEXT, b TEXT)"], a__csv=written.getvalue()
    )
    assert list(seed.groups[0].rows) == rows
