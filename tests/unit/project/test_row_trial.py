"""Expressions that fail for every row are errors of the schema folder, and others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.schema_folders import write_project
from turso_deploy.core.errors import ErrorCode, ProjectError

DATES = [
    "date('now')",
    "datetime('NOW', '-1 day')",
    "julianday()",
    "strftime('%Y')",
    "unixepoch('subsec')",
    "timediff('now', a)",
    "datetime(a, 'localtime')",
    "time(b, 'unixepoch', 'utc')",
    "date(coalesce(a, 'now'))",
    "CASE b WHEN 'x' THEN date('now') ELSE 1 END",
    "coalesce(a, date('now'))",
    "upper(iif(b = 7, date(a), date('now')))",
]

FORMS = [
    "CREATE TABLE t (a TEXT, b,\n CHECK ({} > 1))",
    "CREATE TABLE t (a TEXT, b,\n c AS ({}))",
    "CREATE TABLE t (a TEXT, b,\n c AS ({}) STORED)",
    "CREATE TABLE t (a TEXT, b);\nCREATE INDEX i ON t ({})",
    "CREATE TABLE t (a TEXT, b);\nCREATE INDEX i ON t (a) WHERE {} > 1",
]


def load(tmp_path: Path, sql: str) -> None:
    write_project(tmp_path, {"t.sql": f"{sql};"}).close()


@pytest.mark.parametrize("call", DATES)
@pytest.mark.parametrize("form", FORMS)
def test_current_time_where_values_must_stay_is_an_error(tmp_path: Path, form: str, call: str) -> None:
    with pytest.raises(ProjectError, match="can never be evaluated: non-deterministic use of ") as raised:
        load(tmp_path, form.format(call))
    assert raised.value.code is ErrorCode.SQL_INVALID
    assert raised.value.place is not None
    assert raised.value.place.line == 2
    assert "Store the time in a column" in str(raised.value.hint)


def test_every_expression_with_the_current_time_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as raised:
        load(tmp_path, "CREATE TABLE t (a CHECK (a > date('now')), b AS (time()), c AS (date(a)), d AS (datetime(b)))")
    assert [cause.message.partition(":")[2] for cause in raised.value.causes] == [
        " a CHECK can never be evaluated: non-deterministic use of date()",
        " the generated column b can never be evaluated: non-deterministic use of time()",
        " the generated column d can never be evaluated: non-deterministic use of time()",
    ]


def test_expression_that_fails_for_every_row_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="a CHECK can never be evaluated: FLAGS parameter to json_valid"):
        load(tmp_path, "CREATE TABLE t (a CHECK (json_valid(a, 77)))")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a DEFAULT (date('now')), b DEFAULT CURRENT_TIMESTAMP)",
        "CREATE TABLE t (a CHECK (a <= CURRENT_TIMESTAMP), b CHECK (random() > 3 OR b > upper(a)))",
        "CREATE TABLE t (a CHECK (date(a) IS NOT NULL), b AS (strftime('%Y-%m', a, '+1 day')))",
        "CREATE TABLE t (a CHECK (json_extract(a, '$.x') > 1), b AS (json_extract(a, 'no path')))",
        "CREATE TABLE t (a CHECK (a REGEXP 'x'), b AS (vector_extract(a)))",
        "CREATE TABLE t (now, date, time AS (date(now)), CHECK (date(time) > date))",
        "CREATE TABLE t (a); CREATE VIEW v AS SELECT * FROM t WHERE a > date('now')",
        "CREATE TABLE t (a); CREATE TRIGGER r AFTER INSERT ON t WHEN new.a > date('now') BEGIN SELECT 1; END",
    ],
)
def test_expression_that_can_be_evaluated_is_none(tmp_path: Path, sql: str) -> None:
    load(tmp_path, sql)


def test_default_with_a_wrong_number_of_arguments_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"a DEFAULT can never be evaluated: unknown function: upper\(\)"):
        load(tmp_path, "CREATE TABLE t (a DEFAULT (upper('x', 2)), b DEFAULT (uuid(1, 2)))")


def test_many_tables_with_expressions_are_tried(tmp_path: Path) -> None:
    load(tmp_path, ";\n".join(f"CREATE TABLE t{n} (a CHECK (length(a) > 1))" for n in range(300)))
