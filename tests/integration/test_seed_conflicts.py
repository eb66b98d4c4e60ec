"""Seed rows whose UNIQUE values live rows have: conflicts are found before anything is written, exchanges go in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from turso_deploy.core.errors import ProjectError
from turso_deploy.core.transaction import Value
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Status

OVERWRITE = (Approval(HazardName.OVERWRITE_ROWS),)


def folder(path: Path, table: str, seeds: str, *, manifest: str = "{}\n", name: str = "items.csv") -> Project:
    files = {"schema.sql": f"{table}\n", f"seeds/{name}": seeds, "manifest.yml": manifest}
    return load_project(write_folder(path / f"schema{len(list(path.iterdir()))}", files))


def statements(table: str) -> list[str]:
    return [statement for statement in table.split(";") if statement.strip()]


CONFLICTS = {
    "partial index": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT, on_sale INTEGER);"
        "CREATE UNIQUE INDEX i ON items (slug) WHERE on_sale = '1';",
        "(9, 'a', 1)",
        "id,slug,on_sale\n1,a,0\n2,a,1\n",
    ),
    "index on an expression": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT); CREATE UNIQUE INDEX i ON items (lower(slug), id > 0);",
        "(9, 'Pro')",
        "id,slug\n1,basic\n2,PRO\n",
    ),
    "index with another collation": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT); CREATE UNIQUE INDEX i ON items (slug COLLATE NOCASE);",
        "(9, 'Pro')",
        "id,slug\n1,basic\n2,PRO\n",
    ),
    "column that the file leaves out, of an existing row": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT, shop INTEGER DEFAULT 1, UNIQUE (slug, shop));",
        "(2, 'b', 7), (9, 'a', 7)",
        "id,slug\n1,c\n2,a\n",
    ),
    "column that the file leaves out, of a new row": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT, shop INTEGER DEFAULT 7, UNIQUE (slug, shop));",
        "(9, 'a', 7)",
        "id,slug\n1,c\n2,a\n",
    ),
    "default of a new row": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT, shop INTEGER UNIQUE DEFAULT 7);",
        "(1, 'x', 8), (9, 'a', 7)",
        '[{"id": 1, "slug": "x", "shop": 8},\n{"id": 2, "slug": "a"}]\n',
    ),
    "live row without a value in the key": (
        "CREATE TABLE items (code TEXT UNIQUE, slug TEXT UNIQUE);",
        "(NULL, 'a')",
        "code,slug\nx,c\ny,a\n",
    ),
    "number of a text": (
        "CREATE TABLE items (id PRIMARY KEY, slug TEXT);",
        "('2', 'live')",
        "id,slug\n1,c\n2,a\n",
    ),
    "row of the file that keeps its value": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT, pos INTEGER UNIQUE);",
        "(2, 'b', 5), (3, 'c', 6)",
        '[{"id": 3, "slug": "z"},\n{"id": 2, "pos": 6}]\n',
    ),
}


@pytest.mark.parametrize("policy", ["compare", "keep"])
@pytest.mark.parametrize("case", CONFLICTS)
def test_conflict_is_found_before_anything_is_written(
    target: DatabaseUnderTest, tmp_path: Path, case: str, policy: str
) -> None:
    table, live, seeds = CONFLICTS[case]
    target.run(*statements(table), f"INSERT INTO items VALUES {live}")
    before = target.rows("SELECT * FROM items")
    name = "items.json" if seeds.startswith("[") else "items.csv"
    manifest = "seeds: {items: {existing: keep}}\n" if policy == "keep" else "{}\n"
    project = folder(tmp_path, table, seeds, manifest=manifest, name=name)
    if policy == "keep" and ("of an existing row" in case or "row of the file" in case):
        assert target.deploy(project).status is Status.DEPLOYED
        return
    for report in (target.plan(project, OVERWRITE), target.deploy(project, approvals=OVERWRITE)):
        assert report.error is not None
        assert (report.error.code, report.error.line) == ("seed-invalid", 2 if name.endswith("json") else 3)
        assert "schema" in str(report.error.file)
    assert target.rows("SELECT * FROM items") == before


def test_index_with_another_collation_than_its_column_is_no_key(tmp_path: Path) -> None:
    table = "CREATE TABLE items (slug TEXT, name TEXT); CREATE UNIQUE INDEX i ON items (slug COLLATE NOCASE);"
    with pytest.raises(ProjectError, match="needs a key"):
        folder(tmp_path, table, "slug,name\na,A\n")


EXCHANGES: dict[str, tuple[str, list[tuple[Value, ...]], list[tuple[Value, ...]]]] = {
    "partial index": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT NOT NULL, shop INTEGER);"
        "CREATE UNIQUE INDEX i ON items (slug) WHERE shop > 0;",
        [(1, "a", 1), (2, "b", 1)],
        [(1, "b", 1), (2, "a", 1)],
    ),
    "partial index that a row leaves": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT NOT NULL, shop INTEGER NOT NULL);"
        "CREATE UNIQUE INDEX i ON items (slug) WHERE shop = 1;",
        [(1, "b", 1), (2, "a", 1)],
        [(1, "a", 1), (2, "a", 0)],
    ),
    "index on an expression": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT NOT NULL, shop INTEGER);"
        "CREATE UNIQUE INDEX i ON items (lower(slug));",
        [(1, "a", 1), (2, "b", 1)],
        [(1, "B", 1), (2, "A", 1)],
    ),
    "one column of several": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT NOT NULL, shop INTEGER NOT NULL, UNIQUE (shop, slug));",
        [(1, "a", 1), (2, "b", 1), (3, "a", 2)],
        [(1, "b", 1), (2, "a", 1), (3, "b", 2)],
    ),
    "several columns with NULL": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT, shop INTEGER, UNIQUE (slug, shop));",
        [(1, "a", 1), (2, "b", 1), (3, None, 1), (4, None, 1)],
        [(1, "b", 1), (2, "a", 1), (3, None, 1), (4, "c", None)],
    ),
    "table without a rowid": (
        "CREATE TABLE items (id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, shop INTEGER UNIQUE) WITHOUT ROWID;",
        [("x", "a", 1), ("y", "b", 2)],
        [("x", "b", 2), ("y", "a", 1)],
    ),
    "numbers with a rule": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT, shop INTEGER NOT NULL UNIQUE CHECK (shop > 0));",
        [(1, "a", 1), (2, "b", 2), (3, "c", 3)],
        [(1, "a", 2), (2, "b", 3), (3, "c", 1)],
    ),
    "strict table with blobs": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug BLOB NOT NULL UNIQUE, shop REAL NOT NULL UNIQUE) STRICT;",
        [(1, b"a", 1.0), (2, b"b", 2.5)],
        [(1, b"b", 2.5), (2, b"a", 1.0)],
    ),
    "rows that others refer to": (
        "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT NOT NULL UNIQUE, shop INTEGER);"
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, item TEXT REFERENCES items (slug) ON UPDATE CASCADE,"
        " other TEXT REFERENCES items (slug));",
        [(1, "a", 1), (2, "b", 1)],
        [(1, "b", 1), (2, "a", 1)],
    ),
}


def as_csv(rows: list[tuple[Value, ...]]) -> str:
    def text(value: Value) -> str:
        return f"x'{value.hex()}'" if isinstance(value, bytes) else "" if value is None else str(value)

    return "id,slug,shop\n" + "".join(",".join(map(text, row)) + "\n" for row in rows)


@pytest.mark.parametrize("policy", ["compare", "update"])
@pytest.mark.parametrize("case", EXCHANGES)
def test_rows_exchange_values(target: DatabaseUnderTest, tmp_path: Path, case: str, policy: str) -> None:
    table, before, after = EXCHANGES[case]
    manifest = "seeds: {items: {existing: update}}\n" if policy == "update" else "{}\n"
    target.deploy(folder(tmp_path, table, as_csv(before), manifest=manifest))
    if "notes" in table:
        target.run("INSERT INTO notes VALUES (1, 'a', 'a'), (2, 'b', 'b')")
    project = folder(tmp_path, table, as_csv(after), manifest=manifest)
    planned, report = target.plan(project), target.deploy(project)
    assert (planned.error, report.error, report.requests) == (None, None, 3)
    assert planned.seeds == report.seeds
    assert target.rows("SELECT * FROM items ORDER BY id") == after
    if "notes" in table:
        assert target.rows("SELECT item, other FROM notes ORDER BY id") == [("b", "a"), ("a", "b")]
    assert target.deploy(project).status is Status.UNCHANGED


def test_rows_with_other_columns_or_keys_exchange_values(target: DatabaseUnderTest, tmp_path: Path) -> None:
    table = "CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT UNIQUE, pos INTEGER NOT NULL UNIQUE, name TEXT);"
    first = '[{"id": 1, "slug": "a", "pos": 1, "name": "A"},\n{"slug": "b", "pos": 2},\n{"id": 7, "pos": 3}]\n'
    second = '[{"id": 1, "slug": "a", "pos": 2, "name": "A"},\n{"slug": "b", "pos": 3},\n{"id": 7, "pos": 1}]\n'
    target.deploy(folder(tmp_path, table, first, name="items.json"))
    project = folder(tmp_path, table, second, name="items.json")
    assert target.plan(project).status is Status.PLANNED
    report = target.deploy(project)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert target.rows("SELECT slug, pos FROM items ORDER BY pos") == [(None, 1), ("a", 2), ("b", 3)]


@pytest.mark.parametrize("approvals", [(), OVERWRITE])
def test_rows_of_a_large_table_exchange_values(
    in_file: DatabaseUnderTest, tmp_path: Path, approvals: tuple[Approval, ...]
) -> None:
    table = "CREATE TABLE items (id INTEGER PRIMARY KEY, pos INTEGER NOT NULL UNIQUE);"
    count = 12_000
    manifest = "{}\n" if approvals else "seeds: {items: {existing: update}}\n"
    rows = [(number, number) for number in range(1, count)]
    in_file.deploy(folder(tmp_path, table, "id,pos\n" + "".join(f"{a},{b}\n" for a, b in rows), manifest=manifest))
    rows[0], rows[-1] = (1, count - 1), (count - 1, 1)
    project = folder(tmp_path, table, "id,pos\n" + "".join(f"{a},{b}\n" for a, b in rows), manifest=manifest)
    report = in_file.deploy(project, approvals=approvals)
    assert (report.error, report.seeds[0].updated) == (None, 2)
    assert in_file.rows("SELECT * FROM items WHERE id <> pos ORDER BY id") == [rows[0], rows[-1]]


def test_rows_that_exchange_values_are_in_one_chunk(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    table = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, pos INTEGER NOT NULL UNIQUE CHECK (pos < 100000));"
    target, count = replace(on_sqld, request_size=20_000), 1_500
    text = "a long text in each of the rows"
    rows = [(number, number) for number in range(1, count)]

    def project() -> Project:
        return folder(tmp_path, table, "id,name,pos\n" + "".join(f"{a},{text} {a},{b}\n" for a, b in rows))

    assert target.deploy(project()).error is None
    at = count // 2
    rows[at], rows[at + 200] = (rows[at][0], rows[at + 200][1]), (rows[at + 200][0], rows[at][1])
    changed = project()
    assert target.plan(changed).status is Status.PLANNED
    report = target.deploy(changed)
    assert (report.error, report.chunks is not None, report.seeds[0].updated) == (None, True, 2)
    assert target.rows("SELECT id, pos FROM items ORDER BY id") == rows


@pytest.mark.parametrize(
    ("column", "index", "rows"),
    [
        ("twice TEXT AS (slug || slug)", "twice", [(1, "c"), (2, "d")]),
        ("token TEXT DEFAULT (hex(randomblob(8)))", "token, slug", [(1, "c"), (2, "d")]),
        ("code TEXT", "lower(slug)", [(1, "b"), (2, "a")]),
    ],
)
def test_what_cannot_be_compared_is_undecided(
    in_file: DatabaseUnderTest, tmp_path: Path, column: str, index: str, rows: list[tuple[int, str]]
) -> None:
    table = (
        f"CREATE TABLE items (id INTEGER PRIMARY KEY, slug TEXT, {column}); CREATE UNIQUE INDEX i ON items ({index});"
    )
    in_file.deploy(folder(tmp_path, table, "id,slug\n1,a\n2,b\n"))
    project = folder(tmp_path, table, "id,slug\n" + "".join(f"{a},{b}\n" for a, b in rows))
    report = in_file.plan(project)
    assert (report.error, len(report.undecided)) == (None, 1)
    assert report.undecided[0].startswith("the seeds of items: ")
    deployed = in_file.deploy(project)
    assert (deployed.error, deployed.undecided) == (None, ())
    assert in_file.rows("SELECT id, slug FROM items ORDER BY id") == rows
