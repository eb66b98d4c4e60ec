"""Comments find the column they speak of, and directives are read from them."""

import pytest

from turso_deploy.sql.comments import column_comments, description, directives, documentation, without_directives
from turso_deploy.sql.definitions import Directives, TableDefinition
from turso_deploy.sql.lexer import SqlTextError
from turso_deploy.sql.parser import parse
from turso_deploy.sql.splitter import Comment, split


def comments_of(sql: str) -> dict[str, list[str]]:
    table = parse(sql)
    assert isinstance(table, TableDefinition)
    found = column_comments(sql, table)
    assert all(sql[comment.start :].startswith(("--", "/*")) for comments in found.values() for comment in comments)
    return {name: [comment.text for comment in comments] for name, comments in found.items()}


def test_a_comment_belongs_to_the_column_above_which_or_behind_which_it_stands() -> None:
    sql = """CREATE TABLE t ( -- the table, not a column
        -- far away from everything

        -- above a
        -- again above a
        A TEXT, -- behind a
        b INT -- behind b, before the comma
        , "C d" INT -- inside c
            -- inside c, too
            NOT NULL,
        /* before e */ e /* within e */ INT, /* before f */ f INT, -- behind f
        -- above the constraint
        UNIQUE (b), -- behind the constraint
        CHECK (f > 0 /* in the constraint */)
        -- at the end
    )"""
    assert comments_of(sql) == {
        "a": ["above a", "again above a", "behind a"],
        "b": ["behind b, before the comma"],
        "c d": ["inside c", "inside c, too"],
        "e": ["before e", "within e"],
        "f": ["before f", "behind f"],
    }


def test_commas_at_the_start_of_the_line_change_nothing() -> None:
    sql = """CREATE TABLE t (
        a INT -- behind a
        -- above b
        , b INT -- behind b
    )"""
    assert comments_of(sql) == {"a": ["behind a"], "b": ["above b", "behind b"]}


def test_a_table_without_comments_has_none() -> None:
    assert comments_of("CREATE TABLE t(a DEFAULT '-- no comment')") == {}


def test_directives_are_read_and_the_rest_is_documentation() -> None:
    comments = split("""-- What people are called.
        -- @renamed from="Old name"
        -- @using upper("Old name") || '-- x'
        -- @see the handbook
        CREATE TABLE t(a)""")[0].comments
    assert directives(comments) == Directives("Old name", "upper(\"Old name\") || '-- x'")
    assert documentation(comments) == "What people are called.\n@see the handbook"
    assert directives([]) == Directives()


@pytest.mark.parametrize(
    "text", ["@renamed old", "@renamed from=", "@renamed from='a", "@renamed", "@using", "@using 'a"]
)
def test_a_malformed_directive_is_refused_at_its_place(text: str) -> None:
    with pytest.raises(SqlTextError, match=r"@renamed|@using") as caught:
        directives([Comment("fine", 0), Comment(text, 7)])
    assert caught.value.offset == 7


def test_a_statement_without_its_directives_keeps_all_other_comments() -> None:
    sql = """CREATE TABLE t ( -- of people
  -- @renamed from=x
  -- what they are called
  a TEXT, -- @using coalesce(b, 'none')
  b /* @using a */TEXT, -- @user is another's
  -- @using cut('off',
  UNIQUE (a)
)"""
    assert (
        without_directives(sql)
        == """CREATE TABLE t ( -- of people
  -- what they are called
  a TEXT,
  b TEXT, -- @user is another's
  UNIQUE (a)
)"""
    )


@pytest.mark.parametrize(
    ("text", "described"),
    [
        ("-- Plain text", "Plain text"),
        ("-----\n-- People\n-----", ""),
        ("----\n-- People\n----", ""),
        ("--------\n--\n-- People\n--\n--------", ""),
        ("---- People ----", ""),
        ("-- ===== People =====", ""),
        ("-- ──────── People ────────", ""),
        ("-- ------ People", ""),
        ("/*********\n * People\n *********/", ""),
        ("-- #####\n-- People\n-- #####\n-- One row for each person.", "One row for each person."),
        ("-- ---------\n-- One row for each person.\n-- ---------", "One row for each person."),
        ("/**\n * One row.\n * More of it.\n */", "One row.\nMore of it."),
        ("-- People\n-- ------", "People"),
        ("-- - a\n-- - b", "- a\n- b"),
        ("-- see --flag and ***bold***", "see --flag and ***bold***"),
        ("-- a - b -- c", "a - b -- c"),
    ],
)
def test_description_leaves_banners_and_rules_out(text: str, described: str) -> None:
    [statement] = split(f"{text}\nSELECT 1")
    assert description(statement.comments) == described


def test_documentation_keeps_the_heading_of_a_banner() -> None:
    [statement] = split("-----\n-- Top users\n-----\n-- By score.\nSELECT 1")
    assert documentation(statement.comments) == "Top users\nBy score."
