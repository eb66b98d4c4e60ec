"""The lexer reads what SQLite's tokenizer reads, and refuses what it refuses."""

import contextlib
import re
import sqlite3

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from turso_deploy.sql.lexer import (
    _FALLBACK,
    RESERVED,
    SqlTextError,
    Token,
    TokenKind,
    canonical_tokens,
    column_title,
    fold_case,
    position,
    quote_identifier,
    quote_string,
    read_column_title,
    scan,
    tokenize,
    unquote,
)


def kinds(sql: str) -> list[tuple[str, str]]:
    return [(token.kind.name, token.text) for token in scan(sql)]


def test_every_kind_of_token_is_told_apart() -> None:
    assert kinds(
        """a "b""c" `d` [e]] 'it''s' X'0aFF' 0x1F 1_000 1.5e-3 .5 ?1 :v @v $v->>'$.x' -- end""".replace("]]", "]")
    ) == [
        ("WORD", "a"),
        ("QUOTED", '"b""c"'),
        ("QUOTED", "`d`"),
        ("QUOTED", "[e]"),
        ("STRING", "'it''s'"),
        ("BLOB", "X'0aFF'"),
        ("NUMBER", "0x1F"),
        ("NUMBER", "1_000"),
        ("NUMBER", "1.5e-3"),
        ("NUMBER", ".5"),
        ("VARIABLE", "?1"),
        ("VARIABLE", ":v"),
        ("VARIABLE", "@v"),
        ("VARIABLE", "$v"),
        ("OPERATOR", "->>"),
        ("STRING", "'$.x'"),
        ("COMMENT", "-- end"),
    ]


def test_tokens_know_where_they_stand() -> None:
    assert tokenize("a /* b */ + 'c'") == [
        Token(TokenKind.WORD, "a", 0),
        Token(TokenKind.OPERATOR, "+", 10),
        Token(TokenKind.STRING, "'c'", 12),
    ]
    assert tokenize("a  bc")[1].end == 5


def test_lines_and_columns_count_from_one() -> None:
    assert [position("ab\nc\n", offset) for offset in range(5)] == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]


def test_an_unfinished_block_comment_ends_with_the_text() -> None:
    assert kinds("a /* b") == [("WORD", "a"), ("COMMENT", "/* b")]
    assert kinds("a /*") == [("WORD", "a"), ("OPERATOR", "/"), ("OPERATOR", "*")]


@pytest.mark.parametrize(
    ("sql", "offset"),
    [
        ("a 'b", 2),
        ('a "b', 2),
        ("a `b", 2),
        ("a [b", 2),
        ("x'abc'", 0),
        ("1 2a", 2),
        ("a ! b", 2),
        ("a\0b", 1),
        ("1e", 0),
    ],
)
def test_text_that_sqlite_cannot_read_is_refused_where_it_begins(sql: str, offset: int) -> None:
    with pytest.raises(SqlTextError) as caught:
        tokenize(sql)
    assert caught.value.offset == offset


@given(
    st.lists(st.sampled_from([*"ab xX01.9eE$_+-*/%=<>|&~!,()'\"`[]?:@#\n\t\\é\ufeff", "/*", "*/", "--"])).map("".join)
)
@example("1/*")
@example("/*/")
@example("/**/'")
@example("/***/'")
@example("x'0'")
@settings(deadline=None)
def test_what_the_engine_does_not_recognize_is_refused_and_nothing_that_it_accepts(text: str) -> None:
    assume(not re.search(r"[0-9a-f]_[0-9a-f]", text, re.IGNORECASE))  # digits in groups came with SQLite 3.46
    sql = "EXPLAIN SELECT " + text
    engine_error = ""
    try:
        sqlite3.connect(":memory:").execute(sql)
    except sqlite3.OperationalError as error:
        engine_error = str(error)
    except sqlite3.ProgrammingError:
        pass  # variables without values
    try:
        tokenize(sql)
    except SqlTextError:
        assert engine_error
    else:
        assert not engine_error.startswith("unrecognized token")


@pytest.mark.parametrize(
    "text", ["(", " ", "'", "-", "/*", "a.", "$a(", "1_", '"a', "[", "x'", "::", "\n", "*/", "1e1"]
)
def test_hostile_text_is_read_in_time_that_grows_with_its_length(text: str) -> None:
    # Quadratic work on text of this size would not end within the patience of any test run.
    with contextlib.suppress(SqlTextError):
        tokenize(text * 300_000)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
@settings(deadline=None)
def test_quoted_names_and_strings_survive_the_engine(text: str) -> None:
    cursor = sqlite3.connect(":memory:").execute(f"SELECT {quote_string(text)} AS {quote_identifier(text)}")
    assert (cursor.fetchone()[0], cursor.description[0][0]) == (text, text)
    assert unquote(tokenize(quote_identifier(text))[0]) == unquote(tokenize(quote_string(text))[0]) == text


@pytest.mark.parametrize("table", ["a", "a.b", 'say "a"', '"', "", ".", '"a".b'])
def test_the_title_of_a_column_tells_both_whatever_they_are_called(table: str) -> None:
    for column in ("b.c", "c", '"', '"."', "a.b.c", '"c"'):
        assert read_column_title(column_title(table, column)) == (table, column)


@pytest.mark.parametrize("title", ['"a"b', '"a"?b', '"a', '"'])
def test_a_quoted_table_ends_at_its_full_stop(title: str) -> None:
    assert read_column_title(title) == (title, "")


def test_several_columns_are_told_apart() -> None:
    assert column_title("a.b", "c", "d.e") == '"a.b".c, "d.e"'


def test_columns_have_the_same_title_only_where_they_are_one() -> None:
    assert column_title("a", "b.c") == 'a."b.c"'
    assert column_title("a.b", "c") == '"a.b".c'
    assert column_title("odd table", "a column") == "odd table.a column"


def test_names_fold_in_ascii_only_as_the_engine_compares_them() -> None:
    assert fold_case("ÄBC") == "Äbc"
    assert fold_case("\u212a") == "\u212a"  # the Kelvin sign, which lower() would make a k


@pytest.mark.parametrize("keyword", sorted(_FALLBACK))
def test_a_keyword_that_may_be_a_name_is_the_same_quoted_or_not(keyword: str) -> None:
    sqlite3.connect(":memory:").execute(f"CREATE TABLE t (a, {keyword})")
    assert canonical_tokens(keyword.lower()) == canonical_tokens(f'"{keyword}"') == (keyword,)


@pytest.mark.parametrize("keyword", sorted(RESERVED))
def test_a_reserved_word_is_never_the_quoted_name(keyword: str) -> None:
    assert canonical_tokens(keyword.lower()) == (keyword,)
    assert canonical_tokens(f"[{keyword}]") == (quote_identifier(keyword.lower()),)


def test_spelling_is_no_difference_in_canonical_writing() -> None:
    one = canonical_tokens("select  [A] , `b c`, \"Key\" from T where x != 0X1F and y == X'AB' -- why")
    other = canonical_tokens("SELECT a, \"B C\", key /* c */ FROM t WHERE x <> 0x1f AND y = x'ab'")
    assert one == other
    assert " ".join(one) == "SELECT a , \"b c\" , KEY FROM t WHERE x <> 0x1f AND y = x'ab'"


def test_letters_that_only_look_like_a_keyword_in_upper_case_are_a_name() -> None:
    assert canonical_tokens("\u017felect l\u0131mit") == ("\u017felect", "l\u0131mit")
