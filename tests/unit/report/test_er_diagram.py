from __future__ import annotations

from pathlib import Path

from tests.support.schema_folders import write_project
from turso_deploy.report.document import Diagram, Entity, EntityColumn, Relation
from turso_deploy.report.er_diagram import MAX_TABLES_SHOWN, diagram_of, diagram_of_changes, mermaid
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


def columns(diagram: Diagram, table: str) -> dict[str, str]:
    return next(
        {column.name: column.effect for column in item.columns} for item in diagram.entities if item.name == table
    )


def test_what_a_change_does_to_tables_columns_and_relations_is_marked(tmp_path: Path) -> None:
    diagram = diagram_of_changes(schema(tmp_path, BEFORE), schema(tmp_path, AFTER))
    assert {item.name: item.effect for item in diagram.entities} == {
        "authors": "",
        "books": "changed",
        "old": "removed",
        "shelves": "added",
    }
    assert columns(diagram, "authors") == {"id": ""}
    assert columns(diagram, "books") == {
        "id": "",
        "pages": "changed",
        "year": "added",
        "shelf": "added",
        "author": "removed",
    }
    assert set(diagram.relations) == {
        Relation("books", "shelves", "shelf", optional=True, single=True, effect="added"),
        Relation("books", "authors", "author", optional=False, effect="removed"),
    }


def test_a_relation_that_goes_leads_between_the_tables_as_they_are_called_now(tmp_path: Path) -> None:
    authors = "CREATE TABLE Authors (id INTEGER PRIMARY KEY);"
    before = schema(tmp_path, f"{authors} CREATE TABLE Books (id, author REFERENCES Authors);")
    after = schema(tmp_path, f"{authors.lower()} CREATE TABLE books (id, author);")
    diagram = diagram_of_changes(before, after)
    assert [item.name for item in diagram.entities] == ["authors", "books"]
    assert diagram.relations == (Relation("books", "authors", "author", effect="removed"),)


def test_a_new_table_is_shown_with_all_its_columns(tmp_path: Path) -> None:
    diagram = diagram_of_changes(NOTHING, schema(tmp_path, AFTER))
    assert columns(diagram, "shelves") == {"id": "", "room": ""}


def test_of_a_large_schema_the_neighbourhood_of_a_change_is_shown(tmp_path: Path) -> None:
    many = "".join(f"CREATE TABLE t{number} (id TEXT);\n" for number in range(MAX_TABLES_SHOWN))
    diagram = diagram_of_changes(schema(tmp_path, many + BEFORE), schema(tmp_path, many + AFTER))
    assert {item.name for item in diagram.entities} == {"authors", "books", "old", "shelves"}
    assert diagram.left_out == MAX_TABLES_SHOWN


def test_relation_to_a_table_outside_of_the_schema_is_left_out(tmp_path: Path) -> None:
    many = "".join(f"CREATE TABLE t{number} (id TEXT);\n" for number in range(MAX_TABLES_SHOWN))
    others = "CREATE TABLE other (id INTEGER PRIMARY KEY); CREATE TABLE t (id TEXT"
    references = ", other REFERENCES other);"
    files = {"manifest.yml": "ignore: [other]"}
    before = write_project(tmp_path / "before", {"t.sql": f"{many}{others});", **files}).wanted
    after = write_project(tmp_path / "after", {"t.sql": f"{many}{others}{references}", **files}).wanted
    for diagram in (diagram_of_changes(before, after), diagram_of(after, ["t", "other"])):
        assert [entity.name for entity in diagram.entities] == ["t"]
        assert '"other"' not in mermaid(diagram)


def test_a_part_of_a_schema_has_the_relations_inside_of_it(tmp_path: Path) -> None:
    whole = schema(tmp_path, BEFORE)
    assert len(diagram_of(whole).relations) == 1
    part = diagram_of(whole, ["books", "old"])
    assert [item.name for item in part.entities] == ["books", "old"]
    assert (part.relations, part.left_out) == ((), 1)


def test_a_rename_is_no_loss(tmp_path: Path) -> None:
    after = schema(
        tmp_path, "CREATE TABLE writers (id INTEGER PRIMARY KEY, name TEXT);\nCREATE TABLE B (Y TEXT, z TEXT);"
    )
    diagram = diagram_of_changes(after, after, [("writers", None), ("B", "Y")])
    assert {item.name: item.effect for item in diagram.entities} == {"writers": "renamed", "B": "changed"}
    assert columns(diagram, "B") == {"Y": "renamed"}


AUTHORS = Entity("authors", (EntityColumn("id", "INTEGER", ("PK",)), EntityColumn("name", "VARCHAR(20)")))
BOOKS = Entity("books", (EntityColumn("author", "INTEGER", ("FK",), "added"),), "changed")
WRITTEN_BY = Relation("books", "authors", "author", optional=False, effect="added")


def test_what_a_run_does_is_marked_in_words() -> None:
    assert mermaid(Diagram((AUTHORS, BOOKS), (WRITTEN_BY,))).splitlines() == [
        "erDiagram",
        '    "authors" {',
        "        INTEGER id PK",
        "        VARCHAR_20 name",
        "    }",
        '    "books (changed)" {',
        '        INTEGER author FK "added"',
        "    }",
        '    "authors" ||--o{ "books (changed)" : "author (added)"',
    ]


def test_a_name_cannot_break_out_of_the_diagram() -> None:
    hostile = 'x" { }\n```\n<b> %% |'
    text = mermaid(
        Diagram((Entity(hostile, (EntityColumn(hostile, hostile),)),), (Relation(hostile, hostile, hostile),))
    )
    assert "```" not in text
    assert "<" not in text
    assert "%" not in text
    assert text.count("\n") == 4
    assert text.count('"') == 8


def test_tables_whose_plain_names_are_equal_stay_two() -> None:
    text = mermaid(Diagram((Entity("a|b", ()), Entity("a<b", ())), ()))
    assert text.splitlines()[1:] == ['    "a_b"', '    "a_b_"']


def test_a_column_named_like_a_key_is_not_taken_for_one() -> None:
    assert "TEXT pk_" in mermaid(Diagram((Entity("t", (EntityColumn("pk", "TEXT"),)),), ()))
    assert "any c_1st" in mermaid(Diagram((Entity("t", (EntityColumn("1st", ""),)),), ()))


def test_what_does_not_fit_loses_ordinary_columns_first_and_then_all() -> None:
    diagram = Diagram((AUTHORS,), ())
    whole = mermaid(diagram)
    keys = mermaid(diagram, len(whole) - 1)
    assert "name" not in keys
    assert "id PK" in keys
    assert mermaid(diagram, len(keys) - 1) == 'erDiagram\n    "authors"'
    assert mermaid(diagram, 5) == ""


def test_an_optional_parent_and_an_only_child_are_drawn_as_such() -> None:
    text = mermaid(Diagram((AUTHORS, BOOKS), (Relation("books", "authors", "author", single=True, logical=True),)))
    assert '"authors" |o..o| "books (changed)"' in text
