"""Clients that this project did not write read what it deployed, from a real sqld and from a file."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.support.databases import DatabaseUnderTest
from tests.support.other_clients import OTHER_CLIENTS, OtherClient, OtherClientError, Row
from tests.support.schema_folders import SHIPPED, shipped_project, write_project
from turso_deploy.core.transaction import Value
from turso_deploy.report.document import Status

CATALOG = """\
SELECT type, name, tbl_name, sql FROM sqlite_master
WHERE name NOT LIKE 'sqlite%' AND tbl_name <> 'schema_deployments' ORDER BY name"""

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1
EVERY_BYTE = bytes(range(256))
UNICODE = "".join(map(chr, (*range(1, 0xD800), *range(0xE000, 0x10000), *range(0x10000, 0x110000, 0x101), 0x10FFFF)))

EXTREMES: dict[str, Value] = {
    "above 2**53": 2**53 + 1,
    "below -2**53": -(2**53) - 1,
    "highest integer": MAX_INTEGER,
    "lowest integer": MIN_INTEGER,
    "largest number": 1.7976931348623157e308,
    "smallest number": 5e-324,
    "negative zero": -0.0,
    "fraction": 0.1,
    "whole number": 3.0,
    "null": None,
    "empty text": "",
    "number as text": "9007199254740993",
    "unicode": UNICODE,
}
BLOBS: dict[str, bytes] = {"every byte": EVERY_BYTE, "no byte": b"", "one byte": b"\x00", "two bytes": b"\xff\x00"}
FOLDER = {
    "tables.sql": """\
CREATE TABLE extremes (name TEXT PRIMARY KEY NOT NULL, value ANY) STRICT;
CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE);
CREATE TABLE log (child INTEGER, parent INTEGER, name TEXT);
""",
    "views.sql": "CREATE VIEW v_extremes AS SELECT name, typeof(value) AS type FROM extremes;\n",
    "triggers.sql": """\
CREATE TRIGGER trg_children AFTER INSERT ON children BEGIN
  INSERT INTO log SELECT new.id, id, name FROM parents WHERE id = new.parent;
END;
""",
    "seeds/extremes.jsonl": "".join(json.dumps({"name": k, "value": v}) + "\n" for k, v in EXTREMES.items()),
    "seeds/parents.csv": f"id,name\n{MIN_INTEGER},lowest\n{MAX_INTEGER},highest\n",
    "seeds/children.csv": f"id,parent\n1,{MIN_INTEGER}\n2,{MAX_INTEGER}\n",
    "scripts/blobs.sql": "-- @run after\n"
    + "".join(
        f"INSERT INTO extremes (name, value) VALUES ('{name}', x'{blob.hex()}');\n" for name, blob in BLOBS.items()
    )
    + "INSERT INTO extremes (name, value) VALUES ('text with U+0000', 'a' || char(0) || 'b');\n",
}
TYPES = {int: "integer", float: "real", str: "text", bytes: "blob", type(None): "null"}


class Reader(NamedTuple):
    """A database, and another client that reads it."""

    database: DatabaseUnderTest
    client: OtherClient

    def execute(self, *statements: str) -> list[list[Row]]:
        url = self.database.direct_url
        if not self.database.is_file:
            url = url.replace("http:", f"{self.client.scheme}:")
        return self.client.execute_at(url, self.database.token, statements)

    def rows(self, sql: str) -> list[Row]:
        [rows] = self.execute(sql)
        return rows


@pytest.fixture(params=OTHER_CLIENTS, ids=str)
def reader(request: pytest.FixtureRequest) -> Reader:
    """An empty database and one of the other clients."""
    client: OtherClient = request.param
    return Reader(request.getfixturevalue("in_file" if client.scheme == "file" else "on_sqld"), client)


@pytest.fixture
def extremes(reader: Reader, tmp_path: Path) -> Reader:
    """A database with a deployed schema of extreme values."""
    report = reader.database.deploy(write_project(tmp_path / "extremes", FOLDER))
    assert (report.status, report.error) == (Status.DEPLOYED, None)
    return reader


@pytest.fixture
def by_hand() -> Iterator[sqlite3.Connection]:
    """A database in memory with the shipped schema and its seeds, made by Python's own modules."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for path in sorted(SHIPPED.glob("*.sql")):
            connection.executescript(path.read_text(encoding="utf-8"))
        for path in sorted(SHIPPED.glob("seeds/*")):
            for row in seed_rows(path):
                values = [compact(v) if isinstance(v, (list, dict)) else v for v in row.values()]
                holders = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {path.stem} ({', '.join(row)}) VALUES ({holders})", values)
        yield connection


def seed_rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    match path.suffix:
        case ".csv":
            return [{k: v or None for k, v in row.items()} for row in csv.DictReader(text.splitlines())]
        case ".jsonl":
            return [json.loads(line) for line in text.splitlines()]
        case _:
            rows: list[dict[str, Any]] = yaml.safe_load(text)
            return rows


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def exact(rows: Iterable[Row]) -> list[str]:
    """Return rows as text in which 1 and 1.0 differ, and 0.0 and -0.0."""
    return [repr(row) for row in rows]


def test_another_client_reads_the_shipped_schema_and_its_seeds(reader: Reader, by_hand: sqlite3.Connection) -> None:
    assert reader.database.deploy(shipped_project()).status is Status.DEPLOYED
    catalog = by_hand.execute(CATALOG).fetchall()
    assert exact(reader.rows(CATALOG)) == exact(catalog)
    names = [name for kind, name, *_ in catalog if kind in ("table", "view")]
    assert len(names) == 15
    queries = [f"SELECT * FROM {name} ORDER BY 1" for name in names]
    expected = [by_hand.execute(query).fetchall() for query in queries]
    assert sum(map(len, expected)) > 100
    for query, found, rows in zip(queries, reader.execute(*queries), expected, strict=True):
        assert exact(found) == exact(rows), query


def test_a_trigger_of_the_shipped_schema_fires_for_another_client(reader: Reader) -> None:
    reader.database.deploy(shipped_project())
    stamp = "SELECT id, last_updated FROM questions WHERE last_updated IS NOT NULL"
    before, _, after = reader.execute(stamp, "UPDATE questions SET is_new = 0 WHERE id = 'q-two-sum'", stamp)
    assert before == []
    [(question, updated)] = after
    assert question == "q-two-sum"
    assert str(updated).endswith("Z")


def test_another_client_reads_extreme_values_exactly(extremes: Reader) -> None:
    values = "SELECT name, value FROM extremes WHERE name <> 'text with U+0000' ORDER BY name"
    view = "SELECT name, type FROM v_extremes WHERE name <> 'text with U+0000' ORDER BY name"
    found, types, parents = extremes.execute(values, view, "SELECT id, name FROM parents ORDER BY id")
    expected = sorted((EXTREMES | BLOBS).items())
    assert exact(found) == exact(expected)
    assert types == [(name, TYPES[type(value)]) for name, value in expected]
    assert exact(parents) == exact([(MIN_INTEGER, "lowest"), (MAX_INTEGER, "highest")])


def test_another_client_reads_a_text_with_the_character_0(extremes: Reader) -> None:
    [(text, content)] = extremes.rows("SELECT value, hex(value) FROM extremes WHERE name = 'text with U+0000'")
    assert content == b"a\x00b".hex()
    ends_at_0 = str(extremes.client) == "npm-file"
    assert text == ("a" if ends_at_0 else "a\x00b")


def test_a_trigger_fires_at_the_insert_of_another_client(extremes: Reader) -> None:
    log = "SELECT child, parent, name FROM log ORDER BY child"
    insert = f"INSERT INTO children VALUES (3, {MAX_INTEGER})"
    before, _, after = extremes.execute(log, insert, log)
    assert exact(before) == exact([(1, MIN_INTEGER, "lowest"), (2, MAX_INTEGER, "highest")])
    assert exact(after) == exact([*before, (3, MAX_INTEGER, "highest")])


ORPHAN = "INSERT INTO children VALUES (7, 7)"
WITHOUT_FOREIGN_KEYS = ["libsql-client-file"]


def clients(*, with_foreign_keys: bool) -> pytest.MarkDecorator:
    chosen = [client for client in OTHER_CLIENTS if with_foreign_keys is (str(client) not in WITHOUT_FOREIGN_KEYS)]
    return pytest.mark.parametrize("reader", chosen, indirect=True, ids=str)


@clients(with_foreign_keys=True)
def test_a_foreign_key_rejects_and_deletes_rows_of_another_client(extremes: Reader) -> None:
    with pytest.raises(OtherClientError, match="FOREIGN KEY constraint failed"):
        extremes.execute(ORPHAN)
    _, children = extremes.execute(f"DELETE FROM parents WHERE id = {MAX_INTEGER}", "SELECT id FROM children")
    assert children == [(1,)]


@clients(with_foreign_keys=False)
def test_a_broken_foreign_key_is_found_by_a_client_that_cannot_enforce_it(extremes: Reader) -> None:
    _, broken = extremes.execute(ORPHAN, "PRAGMA foreign_key_check")
    assert broken == [("children", 7, "parents", 0)]
