"""A transaction as a script: arguments written in as values, and nothing that the shell would spoil."""

from __future__ import annotations

import math
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turso_deploy.core.errors import ErrorCode, Place, PlanError
from turso_deploy.core.transaction import Purpose, Query, Transaction, TransactionStep, Value
from turso_deploy.transaction.sql_script import as_script, with_arguments

values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.binary(),
)


def script_of(*steps: TransactionStep, foreign_keys: bool = True, commit: bool = True) -> str:
    return as_script(Transaction(steps, foreign_keys, commit))


def change(sql: str, *arguments: Value, label: str = "a change") -> TransactionStep:
    return TransactionStep(Query(sql, arguments), Purpose.CHANGE, label, Place("schema/a.sql", 3))


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=12))
def test_a_value_means_the_same_as_a_literal(arguments: list[Value]) -> None:
    sql = f"SELECT {', '.join(f'?{number}' for number in range(1, len(arguments) + 1))}"
    found = sqlite3.connect(":memory:").execute(with_arguments(Query(sql, tuple(arguments)))).fetchone()
    assert all(map(_means_the_same, found, arguments)), found


def _means_the_same(found: Value, given: Value) -> bool:
    """Equal and of one type. SQLite reads some very small and very large decimals as the float next to them."""
    if isinstance(found, float) and isinstance(given, float):
        return math.copysign(1, found) == math.copysign(1, given) and math.isclose(found, given, rel_tol=1e-15)
    return (type(found), found) == (type(given), given)


def test_not_a_number_is_null_as_it_is_when_it_is_bound() -> None:
    assert with_arguments(Query("SELECT ?1", (math.nan,))) == "SELECT NULL"


def test_only_a_variable_is_an_argument() -> None:
    sql = """SELECT '?1', "?1", x'01' /* ?1 */, ?2-?1, ?1 -- ?1"""
    assert with_arguments(Query(sql, (-1, "it's ?2"))) == (
        """SELECT '?1', "?1", x'01' /* ?1 */, 'it''s ?2'-(-1), (-1) -- ?1"""
    )


def test_the_shell_stops_at_the_first_error_because_the_script_says_so_first() -> None:
    assert script_of(change("SELECT 1")).startswith(".bail on\n--")


def test_foreign_keys_are_set_before_the_transaction_and_read_back() -> None:
    text = script_of(change("SELECT 1"), foreign_keys=False)
    order = ["PRAGMA foreign_keys = 0;", "BEGIN IMMEDIATE;", "iif(foreign_keys = 0", "SELECT 1;", "COMMIT;"]
    assert sorted(order, key=text.index) == order
    assert text.endswith("\nCOMMIT;\n")
    assert script_of(change("SELECT 1"), commit=False).endswith("\nROLLBACK;\n")


def test_a_step_is_titled_on_one_line_with_its_place() -> None:
    text = script_of(change("DROP TABLE t", label="drop table a\n.shell true"))
    assert "\n-- drop table a .shell true (schema/a.sql:3)\nDROP TABLE t;\n" in text


def test_figures_are_left_out_because_their_check_is_there() -> None:
    figures = TransactionStep(Query("SELECT count(*) FROM a"), Purpose.FIGURES, "rows of a")
    check = TransactionStep(Query("SELECT iif(1, 'ok', json('no'))"), Purpose.CHECK, "rows of a")
    text = script_of(figures, check)
    assert "count(*)" not in text
    assert "SELECT iif(1, 'ok', json('no'));" in text


@pytest.mark.parametrize("sql", ["CREATE TABLE a (\r\n  x\r\n)", "SELECT 'a\r\nb'", "SELECT 'a\0b'"])
def test_what_the_shell_would_not_keep_is_refused_with_its_place(sql: str) -> None:
    with pytest.raises(PlanError) as caught:
        script_of(change(sql))
    assert caught.value.code is ErrorCode.PLAN_IMPOSSIBLE
    assert caught.value.place == Place("schema/a.sql", 3)
