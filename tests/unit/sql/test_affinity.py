"""Operands of comparisons are found and converted as SQLite does it."""

from __future__ import annotations

from contextlib import closing

import pytest

from turso_deploy.sql.affinity import with_numbers_beside
from turso_deploy.sql.lexer import Tokens, canonical_tokens
from turso_deploy.sqlite.connection import Connection

VALUES = ("5", "'5'", "'x'", "'!'", "''", "'05'", "7.5", "'7.50'", "x'35'", "NULL", "'A'", "'a '")
EXPRESSIONS = (
    "n < t",
    "t <= n OR n >= t",
    "n > '5' AND '6' > n",
    "NOT n < t || ''",
    "lower(t) >= r.n",
    "n BETWEEN '4' AND t",
    "t NOT BETWEEN n AND 'b'",
    "CASE WHEN n < t THEN t < 'b' ELSE (n) > (t) END",
    "(n < t) = (t COLLATE NOCASE > n)",
    "n < CASE WHEN t < '6' THEN '6' ELSE t END",
    "t LIKE 'a%' OR t < n",
    "n < t AND t < '6' AND '6' > n",
    "t < n COLLATE BINARY",
)


def _columns(operand: Tokens) -> bool:
    return operand in (("n",), ("r", ".", "n"), ("(", "n", ")"))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_value_beside_a_numeric_column_is_converted_as_its_affinity_does(expression: str) -> None:
    rows = ", ".join(f"({one}, {other})" for one in VALUES for other in VALUES)
    tokens = with_numbers_beside(
        canonical_tokens(expression), _columns, lambda operand: "nocase" if operand == ("t",) else ""
    )
    with closing(Connection.in_memory()) as database:
        database.execute("CREATE TABLE r (n NUMERIC, t TEXT COLLATE NOCASE)")
        database.execute(f"INSERT INTO r VALUES {rows}")
        expected = list(database.rows(f"SELECT {expression} FROM r ORDER BY rowid"))
        without_type = "(SELECT +n AS n, t, rowid AS id FROM r) AS r"
        assert list(database.rows(f"SELECT {' '.join(tokens)} FROM {without_type} ORDER BY id")) == expected
