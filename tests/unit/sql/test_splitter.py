"""A script falls into the statements that SQLite itself would run."""

import sqlite3

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from turso_deploy.sql.lexer import SqlTextError, tokenize
from turso_deploy.sql.splitter import Statement, split

WORDS = [
    *("create temporary TEMP trigger END end explain query plan begin case if table x 1 :end creates ( ) , .".split()),
    *(";", " ", "\n", "-- c;\n", "/* ; */", "'a;b'", '"trigger"', "[end]", "`;`"),
]


def texts(script: str) -> list[str]:
    return [statement.text for statement in split(script)]


def test_statements_end_at_semicolons_and_the_last_may_lack_its_own() -> None:
    assert texts("a; b ;; \n ; c") == ["a", "b", "c"]
    assert texts(" -- nothing here\n ; /* nor here */") == []


def test_semicolons_in_strings_names_and_comments_end_nothing() -> None:
    script = """a ';' ";" [;] `;` /* ; */ -- ;
    b"""
    assert texts(script) == [script]


@pytest.mark.parametrize(
    "trigger",
    [
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END",
        "create temp trigger t after insert on a begin select case when 1 then 2 end; end",
        "CREATE TRIGGER t AFTER UPDATE ON a BEGIN SELECT CASE 1 WHEN 1 THEN CASE WHEN 2 THEN 3 END END; END",
        "CREATE /* ; */ TRIGGER t AFTER INSERT ON \"begin\" WHEN new.end > ';' BEGIN -- ; end;\nSELECT 1; END",
        "EXPLAIN CREATE TEMPORARY TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
        "EXPLAIN QUERY PLAN CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
    ],
)
def test_a_trigger_with_its_statements_stays_one_statement(trigger: str) -> None:
    assert texts(f"x; {trigger}; y;") == ["x", trigger, "y"]
    assert texts(trigger) == [trigger]


def test_the_word_trigger_elsewhere_starts_no_trigger() -> None:
    assert texts("SELECT trigger; END; CREATE TABLE trigger(a); x") == [
        "SELECT trigger",
        "END",
        "CREATE TABLE trigger(a)",
        "x",
    ]


def test_statements_know_their_place_and_keep_the_comments_inside() -> None:
    script = "-- top\n\nCREATE TABLE a -- inside\n(b); /* c */ x\r\n  ; y"
    assert split(script) == [
        Statement("CREATE TABLE a -- inside\n(b)", 8, 3, 1),
        Statement("x", 46, 4, 14),
        Statement("y", 53, 5, 5),
    ]
    assert all(script[each.offset :].startswith(each.text) for each in split(script))


def test_comments_directly_above_a_statement_belong_to_it() -> None:
    script = """-- the file

-- one
/* two
   lines */
a; -- behind a
-- three
b;
-- far away

c"""
    above = [[comment.text for comment in statement.comments] for statement in split(script)]
    assert above == [["one", "two\n   lines"], ["three"], []]
    assert script[split(script)[1].comments[0].start :].startswith("-- three")


def test_text_that_cannot_be_read_is_refused_at_its_place_in_the_script() -> None:
    with pytest.raises(SqlTextError) as caught:
        split("a; b;\n'c")
    assert caught.value.offset == 6


def test_many_statements_on_one_line_have_their_columns() -> None:
    statements = split("a;" * 100_000)
    assert (statements[-1].line, statements[-1].column) == (1, 199_999)


@given(st.lists(st.sampled_from(WORDS)).map(" ".join))
@example("create trigger x ; end ;")
@example("explain x create temp trigger ; ; end ; x")
@example("create trigger ; end end ; ; end ;")
@settings(deadline=None, max_examples=500)
def test_statements_end_where_sqlite3_complete_says_so(script: str) -> None:
    ends = [
        token.end for token in tokenize(script) if token.text == ";" and sqlite3.complete_statement(script[: token.end])
    ]
    pieces = [script[start:end] for start, end in zip([0, *ends], [*ends, len(script)], strict=True)]
    expected = [[token.text for token in tokenize(piece)] for piece in pieces]
    expected = [
        words[:-1] if piece.endswith(";") and words else words for piece, words in zip(pieces, expected, strict=True)
    ]
    # An unfinished trigger at the end of the script keeps its last semicolon: it is a part of the trigger.
    if pieces[-1].rstrip().endswith(";"):
        expected[-1] = [token.text for token in tokenize(pieces[-1])]
    assert [[token.text for token in tokenize(text)] for text in texts(script)] == [
        words for words in expected if words
    ]
