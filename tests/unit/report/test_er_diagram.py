from __future__ import annotations

from turso_deploy.report.document import Entity, EntityColumn, Picture, Relation
from turso_deploy.report.er_diagram import diagram

AUTHORS = Entity("authors", (EntityColumn("id", "INTEGER", ("PK",)), EntityColumn("name", "VARCHAR(20)")))
BOOKS = Entity("books", (EntityColumn("author", "INTEGER", ("FK",), "added"),), "changed")
WRITTEN_BY = Relation("books", "authors", "author", optional=False, effect="added")


def test_what_a_run_does_is_marked_in_words() -> None:
    assert diagram(Picture((AUTHORS, BOOKS), (WRITTEN_BY,))).splitlines() == [
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


def test_a_name_cannot_break_out_of_the_picture() -> None:
    hostile = 'x" { }\n```\n<b> %% |'
    text = diagram(
        Picture((Entity(hostile, (EntityColumn(hostile, hostile),)),), (Relation(hostile, hostile, hostile),))
    )
    assert "```" not in text
    assert "<" not in text
    assert "%" not in text
    assert text.count("\n") == 4
    assert text.count('"') == 8


def test_tables_whose_plain_names_are_equal_stay_two() -> None:
    text = diagram(Picture((Entity("a|b", ()), Entity("a<b", ())), ()))
    assert text.splitlines()[1:] == ['    "a_b"', '    "a_b_"']


def test_a_column_named_like_a_key_is_not_taken_for_one() -> None:
    assert "TEXT pk_" in diagram(Picture((Entity("t", (EntityColumn("pk", "TEXT"),)),), ()))
    assert "any c_1st" in diagram(Picture((Entity("t", (EntityColumn("1st", ""),)),), ()))


def test_what_does_not_fit_loses_ordinary_columns_first_and_then_all() -> None:
    picture = Picture((AUTHORS,), ())
    whole = diagram(picture)
    keys = diagram(picture, len(whole) - 1)
    assert "name" not in keys
    assert "id PK" in keys
    assert diagram(picture, len(keys) - 1) == 'erDiagram\n    "authors"'
    assert diagram(picture, 5) == ""


def test_an_optional_parent_and_an_only_child_are_drawn_as_such() -> None:
    text = diagram(Picture((AUTHORS, BOOKS), (Relation("books", "authors", "author", single=True, logical=True),)))
    assert '"authors" |o..o| "books (changed)"' in text
