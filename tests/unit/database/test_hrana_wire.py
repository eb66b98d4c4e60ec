from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turso_deploy.core.transaction import Failure, Query, Rows, Value
from turso_deploy.database.hrana_wire import decode, encode, read_batch, read_failure, step

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.binary(),
)


@given(VALUES)
def test_a_value_survives_the_wire(value: Value) -> None:
    back = decode(json.loads(json.dumps(encode(value))))
    assert back == value
    assert type(back) is type(value)


def test_blobs_are_read_with_padding_and_without() -> None:
    assert decode({"type": "blob", "base64": "AP8"}) == decode({"type": "blob", "base64": "AP8="}) == b"\x00\xff"


@pytest.mark.parametrize("value", ["null", "NaN", "1e999", "-Infinity"])
def test_a_float_that_is_no_number_reads_as_null(value: str) -> None:
    assert decode(json.loads(f'{{"type": "float", "value": {value}}}')) is None


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"type": "integer"},
        {"type": "integer", "value": "x"},
        {"type": "integer", "value": "1_0"},
        {"type": "integer", "value": " 1"},
        {"type": "integer", "value": str(2**63)},
        {"type": "integer", "value": "9" * 5_000},
        {"type": "float", "value": True},
        {"type": "other", "value": 1},
    ],
)
def test_anything_else_is_no_value(value: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        decode(value)


def test_steps_are_read_in_order_as_rows_failures_and_skips() -> None:
    sent = [step(Query(f"SELECT {number}")) for number in range(3)]
    rows = {"cols": [{"name": "n"}], "rows": [[{"type": "integer", "value": "1"}]], "affected_row_count": 0}
    error = {"message": "no such column: x (at offset 7)", "code": "SQL_INPUT_ERROR", "extended_code": "SQLITE_ERROR"}
    result = {"step_results": [rows, None, None], "step_errors": [None, error, None]}
    assert read_batch({"type": "ok", "response": {"type": "batch", "result": result}}, sent) == [
        Rows(("n",), ((1,),), 0),
        Failure("no such column: x (at offset 7)", "SQL_INPUT_ERROR", 7),
        None,
    ]


@pytest.mark.parametrize("code", [None, "", "hunter2", "A::B"])
def test_a_code_that_does_not_look_like_one_is_not_passed_on(code: str | None) -> None:
    assert read_failure({"message": "m", "code": code}).code == "UNKNOWN"


def test_fewer_steps_than_were_sent_are_no_answer() -> None:
    result = {"step_results": [None], "step_errors": [None]}
    with pytest.raises(ValueError, match=r"longer|shorter"):
        read_batch({"type": "ok", "response": {"result": result}}, [step(Query("SELECT 1")), step(Query("SELECT 2"))])
