from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from turso_deploy.database.engine_messages import WITHHELD, offset_in, showable


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("SQLite error: UNIQUE constraint failed: t.b", "UNIQUE constraint failed: t.b"),
        ("SQLite error: UNIQUE constraint failed: nn.a, nn.b", "UNIQUE constraint failed: nn.a, nn.b"),
        ("UNIQUE constraint failed: index 'by_lower'", "UNIQUE constraint failed: index 'by_lower'"),
        ("SQLITE_CONSTRAINT: SQLite error: NOT NULL constraint failed: t.b", "NOT NULL constraint failed: t.b"),
        ("SQLite error: CHECK constraint failed: price_is_positive", "CHECK constraint failed: price_is_positive"),
        ("FOREIGN KEY constraint failed", "FOREIGN KEY constraint failed"),
        ("SQLite error: NOT NULL constraint failed", "NOT NULL constraint failed"),
        ("SQLite error: SQL logic error", "SQL logic error"),
        ("unknown tokenizer: klingon", "unknown tokenizer: klingon"),
        ("SQL input error: no such column: nocol (at offset 7)", "no such column: nocol"),
        ("SQL input error: table t already exists (at offset 13)", "table t already exists"),
        ("SQLite error: cannot store TEXT value in INT column z.a", "cannot store TEXT value in INT column z.a"),
        (
            "wrong number of arguments to function count() (at offset 7)",
            "wrong number of arguments to function count()",
        ),
        ('table "kk" has more than one primary key', 'table "kk" has more than one primary key'),
        ("table t has 3 columns but 2 values were supplied", "table t has 3 columns but 2 values were supplied"),
        ("duplicate column name: a at (1, 20)", "duplicate column name: a"),
        ("error in view v: no such table: main.gone", "error in view v: no such table: main.gone"),
        ("error in trigger r after rename: no such column: NEW.x", "error in trigger r: no such column: NEW.x"),
        ("SQL string could not be parsed: unexpected end of input at (1, 11)", "unexpected end of input"),
        ('near FROM, "None": syntax error at (1, 27)', "syntax error"),
    ],
)
def test_what_an_engine_is_known_to_say_is_shown_with_its_names(message: str, shown: str) -> None:
    assert showable(message) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("SQLite error: hunter2", WITHHELD),
        ("SQLite error: the address hunter2 is taken", WITHHELD),
        ('no such column: "hunter2" - should this be a string literal in single-quotes?', "no such column: …"),
        ('near "hunter2": syntax error', "syntax error"),
        ("syntax error around L1:8: `hunter2`", "syntax error"),
        ('unrecognized token: "\'hunter2"', "syntax error"),
        ("bad JSON path: '$.hunter2['", "bad JSON path: …"),
        ("CHECK constraint failed: word <> 'hunter2'", "CHECK constraint failed: …"),
        ("unsupported statement: ATTACH 'hunter2' AS x", "this kind of statement is not accepted"),
        ("SQL not allowed statement: PRAGMA x='hunter2'", "this kind of statement is not accepted"),
        ("error in trigger r: hunter2", f"error in trigger r: {WITHHELD}"),
        ("error in view 'hunter2 x': malformed JSON", "error in view …: malformed JSON"),
        ("no such table: a\n::error::hunter2", "no such table: …"),
    ],
)
def test_data_and_sql_that_a_message_quotes_are_not_shown(message: str, shown: str) -> None:
    assert showable(message) == shown


@given(st.text(min_size=65, alphabet=st.characters(categories=["L", "N"])))
@example("eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9." + "a" * 80 + "." + "b" * 86)
def test_a_long_value_is_never_shown(value: str) -> None:
    for message in (
        value,
        f"no such table: {value}",
        f"error in view {value}: {value}",
        f'near "{value}": syntax error',
    ):
        assert value not in showable(message)


@pytest.mark.parametrize(
    ("sql", "message", "points_at"),
    [
        ("select nocol from t", "no such column: nocol (at offset 7)", "nocol from"),
        ("select 'é' a, nocol", "no such column: nocol (at offset 15)", "nocol"),
        ("alter table t rename to x y", "syntax error around L1:28: `y`", "y"),
        ("select\n 1,\n  2 frm t w", "SQL string could not be parsed: syntax error around L3:10: `t`", "t w"),
        ("select\n 'é' frm t w", "syntax error around L2:12: `t`", "t w"),
        ("select 'open", "SQL string could not be parsed: non-terminated literal at (1, 8)", "'open"),
        ("select 1 +", "unexpected end of input at (1, 11)", ""),
    ],
)
def test_a_position_becomes_characters_into_the_statement(sql: str, message: str, points_at: str) -> None:
    offset = offset_in(sql, message)
    assert offset is not None
    assert sql[offset:].startswith(points_at)
    assert len(points_at) or offset == len(sql)


def test_a_message_without_a_position_points_nowhere() -> None:
    assert offset_in("select 1", "no such table: t") is None


@given(st.text(), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_position_outside_the_statement_stays_in_it(sql: str, line: int, column: int) -> None:
    for message in (
        f"x (at offset {column})",
        f"x at ({line}, {column})",
        f"syntax error around L{line}:{column}: `x`",
    ):
        offset = offset_in(sql, message)
        assert offset is not None
        assert 0 <= offset <= len(sql)
