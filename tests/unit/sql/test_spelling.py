"""Names and expressions are compared in canonical form and shown as they are written."""

import pytest

from turso_deploy.sql.definitions import IndexDefinition
from turso_deploy.sql.lexer import as_written, folded_name, readable_sql
from turso_deploy.sql.parser import parse, parse_table


def test_name_equals_its_other_spellings_and_keeps_its_own() -> None:
    name = folded_name("ownerId")
    assert name == "ownerid"
    assert "ownerid" in {name}
    assert (as_written(name), as_written("ownerid")) == ("ownerId", "ownerid")


def test_definitions_in_other_spellings_are_equal() -> None:
    one, other = (
        parse_table(
            f"CREATE TABLE t (a INT CHECK ({check}), b REFERENCES {parent} COLLATE {collation}, UNIQUE ({key}))"
        )
        for check, parent, collation, key in (
            ("A > 0", "Users (Id)", "NoCase", "A"),
            ('"a">0', "users(ID)", "NOCASE", "a"),
        )
    )
    assert one == other
    assert hash(one.checks[0]) == hash(other.checks[0])
    assert as_written(one.foreign_keys[0].parent) == "Users"


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("kindOf != 'X'", "kindOf != 'X'"),
        ('"kindOf"<>`other`', "kindOf <> other"),
        ('"select" = [two words]', '"select" = "two words"'),
        ("Upper( a )||\n-- why\n b", "Upper(a) || b"),
        ("a in (1,2)", "a in (1, 2)"),
        ("NEW . x is not null", "NEW.x is not null"),
    ],
)
def test_expression_is_shown_as_it_is_written(expression: str, shown: str) -> None:
    index = parse(f"CREATE INDEX i ON t (a) WHERE {expression}")
    assert isinstance(index, IndexDefinition)
    assert readable_sql(index.where or ()) == shown


def test_tokens_without_a_spelling_are_shown_in_canonical_form() -> None:
    assert readable_sql(("upper", "(", "a", ")", "IS", "NULL")) == "upper(a) IS NULL"
