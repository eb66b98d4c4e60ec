"""Values by the declared types of their columns: each is stored as it is written, or an error names the rule."""

from __future__ import annotations

import re
import sqlite3
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from turso_deploy.core.text import Unquoted
from turso_deploy.core.transaction import Value
from turso_deploy.seeds.values import Number, ValueRuleError, Written, conversion

NO_NUMBER = "the text is not a number, and the column is"
TOO_LARGE = "the integer does not fit into 64 bits"
LOST_DIGITS = "the number has more digits than a double keeps"
NUMERIC = "SQLite would store the text as another number, because the type"


def of_csv(type_name: str, text: str | None, *, strict: bool = False) -> Value:
    convert = conversion(type_name, strict=strict, is_typed=False)
    return convert(text) if convert else text


def of_typed(type_name: str, written: Written, *, strict: bool = False) -> Value:
    convert = conversion(type_name, strict=strict, is_typed=True)
    assert convert is not None
    return convert(written)


def same(found: Value, expected: Value) -> bool:
    return (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("type_name", "text", "expected"),
    [
        ("INTEGER", "5", 5),
        ("INTEGER", "-5", -5),
        ("INT", "9223372036854775807", 2**63 - 1),
        ("BIGINT", "-9223372036854775808", -(2**63)),
        ("INTEGER", "1e3", 1000),
        ("INTEGER", "2.0", 2),
        ("INTEGER", "-0", 0),
        ("INTEGER", "true", 1),
        ("TINYINT(1)", "FALSE", 0),
        ("REAL", "1.10", 1.1),
        ("REAL", "5", 5.0),
        ("DOUBLE", "1e300", 1e300),
        ("FLOAT", "0.30000000000000004", 0.30000000000000004),
        ("FLOAT", "0.10000000000000001", 0.1),
        ("REAL", "5e-324", 5e-324),
        ("REAL", "True", 1),
        ("DECIMAL(10,2)", "1.10", 1.1),
        ("NUMERIC", "7", 7),
        ("BOOLEAN", "true", 1),
        ("BOOL", "False", 0),
        ("BOOLEAN", "1", 1),
        ("TEXT", "02134", "02134"),
        ("VARCHAR(20)", "true", "true"),
        ("TEXT", "x'00'", "x'00'"),
        ("STRING", "five", "five"),
        ("STRING", "true", "true"),
        ("JSON", "true", "true"),
        ("UUID", "0e8b", "0e8b"),
        ("DATE", "2024-01-01", "2024-01-01"),
        ("DATETIME", "1700000000", 1700000000),
        ("DATETIME", "2460000.5", 2460000.5),
        ("DATE", "true", 1),
        ("POINT", "POINT(1 2)", "POINT(1 2)"),
        ("INTERVAL", "1 day", "1 day"),
        ("", "5", 5),
        ("", "0.5", 0.5),
        ("", "1.10", "1.10"),
        ("", "007", "007"),
        ("", "-0", "-0"),
        ("", "1e3", "1e3"),
        ("", "9223372036854775808", "9223372036854775808"),
        ("", "text", "text"),
        ("", "true", 1),
        ("BLOB", "x'48656c6C'", b"Hell"),
        ("BLOB", "X''", b""),
        ("BLOB", "xylophone", "xylophone"),
        ("", "x'00'", b"\0"),
        ("INTEGER", None, None),
    ],
)
def test_csv_field_becomes_the_value_that_its_column_means(type_name: str, text: str | None, expected: Value) -> None:
    for strict in (False, True):
        assert same(of_csv(type_name, text, strict=strict), expected)


@pytest.mark.parametrize(
    ("type_name", "text", "reason"),
    [
        *[("INTEGER", text, f"{NO_NUMBER} INTEGER") for text in ("five", "1,234", "02134", " 5", "5 ", "+5")],
        *[("INTEGER", text, f"{NO_NUMBER} INTEGER") for text in ("0x1F", "", "yes", "t", "\u0665", "1_000")],
        *[("INTEGER", text, f"{NO_NUMBER} INTEGER") for text in ("5.", ".5", "inf", "nan")],
        ("INTEGER", "9223372036854775808", TOO_LARGE),
        ("INTEGER", "-9223372036854775809", TOO_LARGE),
        ("INTEGER", "1e400", TOO_LARGE),
        ("INTEGER", "1.5", "the number has a fraction, and the column is INTEGER"),
        ("INTEGER", "1e-400", "the number has a fraction, and the column is INTEGER"),
        ("INTEGER", "1" * 500, "the number has too many digits"),
        ("INTEGER", "1.0e99999999999999999999", "the exponent has too many digits"),
        *[("REAL", text, f"{NO_NUMBER} REAL") for text in ("five", "1,5", "inf", "NaN", "01.5", "")],
        ("REAL", "1e400", "the number is not finite as a double, which SQLite stores"),
        ("REAL", "3.14159265358979323846", LOST_DIGITS),
        ("REAL", "9007199254740993", LOST_DIGITS),
        ("REAL", "1e-400", LOST_DIGITS),
        ("DECIMAL", "9223372036854775808", TOO_LARGE),
        ("DECIMAL", "12345678901234567.89", LOST_DIGITS),
        ("NUMERIC", "02134", f"{NO_NUMBER} NUMERIC"),
        ("BOOLEAN", "yes", f"{NO_NUMBER} BOOLEAN"),
        *[("STRING", text, f"{NUMERIC} STRING has numeric affinity") for text in ("02134", "1.10", "1e5", " 5", "1.0")],
        *[("DATE", text, f"{NUMERIC} DATE has numeric affinity") for text in ("+5", ".5", "5.", "-0", "1e400")],
        ("UUID", "12345678901234567890", f"{NUMERIC} UUID has numeric affinity"),
        ("POINT", "007", f"{NUMERIC} POINT has numeric affinity"),
        ("BLOB", "x'4'", "the blob has malformed hexadecimal digits"),
        ("", "x'SECRET'", "the blob has malformed hexadecimal digits"),
    ],
)
def test_csv_field_that_its_column_would_not_keep_is_an_error(type_name: str, text: str, reason: str) -> None:
    with pytest.raises(ValueRuleError) as caught:
        of_csv(type_name, text)
    assert str(caught.value) == reason
    assert len(text) < 3 or text not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("type_name", "written", "expected"),
    [
        ("TEXT", Number("1.10"), "1.10"),
        ("TEXT", Unquoted("02134"), "02134"),
        ("TEXT", True, "true"),
        ("TEXT", None, None),
        ("INTEGER", Number("1e3"), 1000),
        ("INTEGER", "5", 5),
        ("INTEGER", Unquoted("True"), 1),
        ("INTEGER", False, 0),
        ("REAL", Number("1.50"), 1.5),
        ("DATETIME", Number("1700000000.0"), 1700000000.0),
        ("STRING", Number("1.10"), 1.1),
        ("STRING", True, "true"),
        ("DATE", True, 1),
        ("", Number("1.0"), 1.0),
        ("", Number("1e3"), 1000.0),
        ("", Unquoted("1.10"), "1.10"),
        ("", Unquoted("5"), 5),
        ("", "5", "5"),
        ("", "true", "true"),
        ("", True, 1),
        ("", b"\0", b"\0"),
        ("BLOB", "x'00'", b"\0"),
    ],
)
def test_value_of_a_typed_file_keeps_what_its_quotes_say(type_name: str, written: Written, expected: Value) -> None:
    assert same(of_typed(type_name, written), expected)


@pytest.mark.parametrize(
    ("type_name", "written", "reason"),
    [
        ("INTEGER", "true", f"{NO_NUMBER} INTEGER"),
        ("INTEGER", "[1]", f"{NO_NUMBER} INTEGER"),
        ("BOOLEAN", Unquoted("yes"), f"{NO_NUMBER} BOOLEAN"),
        ("INTEGER", Unquoted("02134"), f"{NO_NUMBER} INTEGER"),
        ("", Number("9223372036854775808"), TOO_LARGE),
        ("", Number("1e400"), "the number is not finite as a double, which SQLite stores"),
        ("STRING", Unquoted("1.10"), f"{NUMERIC} STRING has numeric affinity"),
        ("TEXT", b"\0", "a blob needs a column of type BLOB"),
        ("INTEGER", b"\0", "a blob needs a column of type BLOB, and this one is INTEGER"),
        ("DATE", b"\0", "a blob needs a column of type BLOB, and this one is DATE"),
    ],
)
def test_value_of_a_typed_file_that_its_column_would_not_keep_is_an_error(
    type_name: str, written: Written, reason: str
) -> None:
    with pytest.raises(ValueRuleError, match=re.escape(reason)):
        of_typed(type_name, written)


TYPES = ["INTEGER", "REAL", "NUMERIC", "BOOLEAN", "STRING", "DATE", "TEXT", "BLOB", "", "ANY"]
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.decimals(allow_nan=False)
TEXTS = st.text(string.digits + "-+.eE xX' truefals", max_size=8) | NUMBERS.map(str)


@pytest.mark.parametrize("type_name", TYPES)
@pytest.mark.parametrize("is_typed", [True, False])
@given(text=TEXTS)
@example(text="1e5")
@example(text=" 5")
@example(text="9223372036854775808")
def test_sqlite_stores_each_converted_value_as_it_is(type_name: str, is_typed: bool, text: str) -> None:
    convert = conversion(type_name, strict=False, is_typed=is_typed)
    try:
        value = convert(text) if convert else text
    except ValueRuleError:
        return
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE t (v {type_name})")
        connection.execute("INSERT INTO t VALUES (?)", (value,))
        ((stored,),) = connection.execute("SELECT v FROM t")
    assert stored == value
    if isinstance(value, str):
        assert (stored, type(stored)) == (text, str)
    connection.close()
