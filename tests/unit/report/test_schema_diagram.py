from __future__ import annotations

from pathlib import Path

from tests.support.schema_folders import write_project
from turso_deploy.report.document import Picture, Relation
from turso_deploy.report.schema_diagram import LARGE, picture_of, picture_of_change
from turso_deploy.sql.schema import Schema

NOTHING = Schema({}, {}, {}, {})
BEFORE = """\
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE books (id TEXT PRIMARY KEY, title TEXT, pages TEXT, author INTEGER NOT NULL REFERENCES authors);
CREATE TABLE old (id TEXT);
"""
AFTER = """\
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE books (id TEXT PRIMARY KEY, title TEXT, pages INTEGER, year INTEGER, shelf TEXT UNIQUE REFERENCES shelves);
CREATE TABLE shelves (id TEXT PRIMARY KEY, room TEXT);
"""


def schema(folder: Path, sql: str) -> Schema:
    return write_project(folder / "schema", {"tables.sql": sql}).wanted


def columns(picture: Picture, table: str) -> dict[str, str]:
    return next(
        {column.name: column.effect for column in item.columns} for item in picture.entities if item.name == table
    )


def test_what_a_change_does_to_tables_columns_and_relations_is_marked(tmp_path: Path) -> None:
    picture = picture_of_change(schema(tmp_path, BEFORE), schema(tmp_path, AFTER))
    assert {item.name: item.effect for item in picture.entities} == {
        "authors": "",
        "books": "changed",
        "old": "removed",
        "shelves": "added",
    }
    assert columns(picture, "authors") == {"id": ""}
    assert columns(picture, "books") == {
        "id": "",
        "pages": "changed",
        "year": "added",
        "shelf": "added",
        "author": "removed",
    }
    assert set(picture.relations) == {
        Relation("books", "shelves", "shelf", optional=True, single=True, effect="added"),
        Relation("books", "authors", "author", optional=False, effect="removed"),
    }


def test_a_relation_that_goes_leads_between_the_tables_as_they_are_called_now(tmp_path: Path) -> None:
    authors = "CREATE TABLE Authors (id INTEGER PRIMARY KEY);"
    before = schema(tmp_path, f"{authors} CREATE TABLE Books (id, author REFERENCES Authors);")
    after = schema(tmp_path, f"{authors.lower()} CREATE TABLE books (id, author);")
    picture = picture_of_change(before, after)
    assert [item.name for item in picture.entities] == ["authors", "books"]
    assert picture.relations == (Relation("books", "authors", "author", effect="removed"),)


def test_a_new_table_is_shown_with_all_its_columns(tmp_path: Path) -> None:
    picture = picture_of_change(NOTHING, schema(tmp_path, AFTER))
    assert columns(picture, "shelves") == {"id": "", "room": ""}


def test_of_a_large_schema_the_neighbourhood_of_a_change_is_shown(tmp_path: Path) -> None:
    many = "".join(f"CREATE TABLE t{number} (id TEXT);\n" for number in range(LARGE))
    picture = picture_of_change(schema(tmp_path, many + BEFORE), schema(tmp_path, many + AFTER))
    assert {item.name for item in picture.entities} == {"authors", "books", "old", "shelves"}
    assert picture.left_out == LARGE


def test_a_part_of_a_schema_has_the_relations_inside_of_it(tmp_path: Path) -> None:
    whole = schema(tmp_path, BEFORE)
    assert len(picture_of(whole).relations) == 1
    part = picture_of(whole, ["books", "old"])
    assert [item.name for item in part.entities] == ["books", "old"]
    assert (part.relations, part.left_out) == ((), 1)


def test_a_rename_is_no_loss(tmp_path: Path) -> None:
    after = schema(
        tmp_path, "CREATE TABLE writers (id INTEGER PRIMARY KEY, name TEXT);\nCREATE TABLE B (Y TEXT, z TEXT);"
    )
    picture = picture_of_change(after, after, [("writers", None), ("B", "Y")])
    assert {item.name: item.effect for item in picture.entities} == {"writers": "renamed", "B": "changed"}
    assert columns(picture, "B") == {"Y": "renamed"}
