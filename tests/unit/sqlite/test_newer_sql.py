"""SQL that newer versions of SQLite brought is found, whatever stands around it, and nothing else is taken for it."""

from __future__ import annotations

import time

import pytest

from turso_deploy.sqlite.newer_sql import OLDEST, newer_sql_in


@pytest.mark.parametrize(
    ("sql", "name", "since", "offset"),
    [
        ("CREATE TABLE t (a CHECK (a < 1_000))", "the separator in 1_000", (3, 46), 29),
        ("SELECT 0xFF_FF", "the separator in 0xFF_FF", (3, 46), 7),
        ("SELECT group_concat(a, ',' ORDER BY a) FROM t", "ORDER BY inside group_concat", (3, 44), 27),
        ("SELECT sum(a, CASE WHEN (1) THEN 2 END order by b)", "ORDER BY inside sum", (3, 44), 39),
        ("SELECT a, concat(a, b) AS x FROM t", "the function concat", (3, 44), 10),
        ("SELECT a, concat(a, b) AS materialized FROM t", "the function concat", (3, 44), 10),
        ("SELECT a, concat(a, b) AS 'x' FROM t", "the function concat", (3, 44), 10),
        ("SELECT raise(ABORT, 'a' || b)", "RAISE with an expression", (3, 47), 7),
        ("SELECT raise(ABORT, b)", "RAISE with an expression", (3, 47), 7),
        ("SELECT a ->> -1", "a negative index behind ->>", (3, 47), 9),
        ("SELECT a -> (-1)", "a negative index behind ->", (3, 47), 9),
        ("SELECT strftime('%Y %V', a)", "%V of strftime", (3, 46), 16),
        ("SELECT strftime('%R', a)", "%R of strftime", (3, 44), 16),
        ("SELECT date(a, '+1 month', 'Floor')", "the modifier 'Floor'", (3, 46), 27),
        ("SELECT datetime(a, '-0001-02-03')", "the modifier '-0001-02-03'", (3, 43), 19),
        ("SELECT iif(a, b)", "iif with 2 arguments", (3, 48), 7),
        ("SELECT iif(a, (b, c), d, e)", "iif with 4 arguments", (3, 48), 7),
        ("SELECT json_valid(a, 6)", "json_valid with 2 arguments", (3, 45), 7),
        ("CREATE TABLE t (a DEFAULT (Concat('a')))", "the function concat", (3, 44), 27),
        ('CREATE INDEX i ON t ("if"(a, b, c))', "", (), 0),
        ("SELECT if(a, b, c)", "the function if", (3, 48), 7),
        ("SELECT percentile(a, 50) FROM t", "the function percentile", (3, 51), 7),
        ("SELECT * FROM jsonb_each(a)", "the function jsonb_each", (3, 51), 14),
        ("CREATE VIRTUAL TABLE f USING fts5 (a, locale = 1)", "the FTS5 option locale", (3, 47), 38),
    ],
)
def test_newer_sql_is_found_with_its_version_and_its_offset(
    sql: str, name: str, since: tuple[int, ...], offset: int
) -> None:
    found = next(newer_sql_in(sql, OLDEST), None)
    if not name:  # a name in quotes is called in no SQL that people write
        assert found is None
        return
    assert found is not None
    assert (found.name, found.since, found.offset) == (name, since, offset)
    assert list(newer_sql_in(sql, since)) == []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE concat (a, b)",
        "INSERT INTO concat (a) VALUES (1)",
        "CREATE TABLE t (a REFERENCES unistr (b))",
        "CREATE INDEX i ON concat (a)",
        "CREATE VIEW concat (a) AS SELECT 1",
        "WITH concat (a) AS (SELECT 1) SELECT * FROM concat",
        "WITH x AS (SELECT 1), concat (a) AS (SELECT 2) SELECT * FROM concat",
        "WITH x AS (SELECT 1), concat (a) AS NOT MATERIALIZED (SELECT 2) SELECT * FROM concat",
        "WITH concat (a) AS MATERIALIZED (SELECT 2) SELECT * FROM concat",
        "SELECT concat FROM t",
        "SELECT 'concat(1_0)' -- 1_0",
        "SELECT row_number() OVER (ORDER BY a) FROM t",
        "SELECT sum(a) OVER (PARTITION BY b ORDER BY c) FROM t",
        "SELECT a FROM t WINDOW w AS (ORDER BY a)",
        "SELECT abs((SELECT a FROM t ORDER BY a LIMIT 1))",
        "SELECT group_concat(a, (SELECT b FROM c ORDER BY b)) FROM t",
        "SELECT exists(SELECT 1 FROM t ORDER BY a)",
        "SELECT a IN (SELECT b FROM t ORDER BY 1)",
        "SELECT * FROM (SELECT a FROM t ORDER BY a)",
        "SELECT a -> 'b', a - 1, a ->> 1",
        "SELECT date(a, '-1 day'), strftime('%Y-%m-%d %%G', a)",
        "SELECT iif(1, (2), f(3, 4)), json_valid(a), raise(ABORT, 'a, b')",
        "CREATE VIRTUAL TABLE f USING fts5 (locale, tokenize = porter)",
    ],
)
def test_older_sql_is_no_newer_sql(sql: str) -> None:
    assert list(newer_sql_in(sql, OLDEST)) == []


def test_functions_that_a_server_may_have_as_extensions_are_left_to_it() -> None:
    sql = "SELECT median(a) FROM t"
    assert list(newer_sql_in(sql, (3, 45, 1))) != []
    assert list(newer_sql_in(sql, (3, 45, 1), is_server=True)) == []


def test_order_in_an_aggregate_is_newer_than_the_parser_of_libsql() -> None:
    sql = "SELECT group_concat(a ORDER BY a) FROM t"
    assert list(newer_sql_in(sql, (3, 45, 1))) == []
    assert list(newer_sql_in(sql, (3, 45, 1), is_server=True)) != []
    assert list(newer_sql_in(sql, (3, 47, 0), is_server=True)) == []


def test_long_statements_take_linear_time() -> None:
    def seconds(columns: int) -> float:
        checks = ", ".join(f"c{number} TEXT CHECK (abs(length(c{number})) > 1)" for number in range(columns))
        start = time.process_time()
        assert list(newer_sql_in(f"CREATE TABLE t ({checks})", OLDEST)) == []
        return time.process_time() - start

    seconds(10)
    assert min(seconds(1_600) for _ in range(3)) < 16 * min(seconds(200) for _ in range(3))
