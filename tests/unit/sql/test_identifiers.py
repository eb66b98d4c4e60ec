"""Statements tell the names in them, and a table can be written under another name."""

import sqlite3

import pytest

from turso_deploy.sql.identifiers import (
    counts_columns_of,
    find_positional_use,
    identifiers_in,
    names_behind_from,
    takes_every_column,
    with_columns,
    with_table_name,
)
from turso_deploy.sql.lexer import SqlTextError, canonical_tokens
from turso_deploy.sql.parser import parse


def test_names_are_found_in_every_quote_style_and_never_in_strings_or_comments() -> None:
    names = identifiers_in('CREATE VIEW v AS SELECT \'no\' FROM One, [TWO], `three`, "fo""ur" -- not me')
    assert {"v", "one", "two", "three", 'fo"ur'} <= names
    assert not {"no", "me"} & names


def test_a_table_under_another_name_keeps_the_rest_and_refers_to_itself() -> None:
    sql = """create table if not exists main.[Node] ( -- Node
        id INTEGER PRIMARY KEY, parent REFERENCES node (id),
        node TEXT DEFAULT 'node' CHECK ("NODE".node <> node), other REFERENCES nodes,
        FOREIGN KEY (id) REFERENCES 'Node'(id)) -- node"""
    expected = """create table if not exists main.@ ( -- Node
        id INTEGER PRIMARY KEY, parent REFERENCES @ (id),
        node TEXT DEFAULT 'node' CHECK (@.node <> node), other REFERENCES nodes,
        FOREIGN KEY (id) REFERENCES @(id)) -- node"""
    assert with_table_name(sql, 'new "one"') == expected.replace("@", '"new ""one"""')


def test_the_engine_turns_the_renamed_table_into_the_same_table_again() -> None:
    sql = "CREATE TABLE node(id INTEGER PRIMARY KEY, parent REFERENCES node, x CHECK (node.x > 0))"
    connection = sqlite3.connect(":memory:")
    connection.execute(with_table_name(sql, "node new"))
    connection.execute('ALTER TABLE "node new" RENAME TO node')
    stored = connection.execute("SELECT sql FROM sqlite_schema").fetchone()[0]
    assert parse(stored) == parse(sql)


@pytest.mark.parametrize("sql", ["CREATE VIEW v AS SELECT 1", "CREATE VIRTUAL TABLE f USING fts5(a)", "CREATE THING a"])
def test_only_a_create_table_can_take_another_name(sql: str) -> None:
    with pytest.raises(SqlTextError, match="not a CREATE TABLE"):
        with_table_name(sql, "x")


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("INSERT INTO t VALUES (1)", {"t"}),
        ("INSERT INTO main . [The T] AS x SELECT 1", {"the t"}),
        ("insert or replace into t (a) values (1)", set()),
        ("INSERT INTO t AS x (a) VALUES (1)", set()),
        ("REPLACE INTO a VALUES (1); INSERT INTO b(x) SELECT 1; INSERT INTO c SELECT 1", {"a", "c"}),
    ],
)
def test_an_insert_without_columns_goes_by_their_order(sql: str, tables: set[str]) -> None:
    assert counts_columns_of(sql) == tables


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("(SELECT x FROM t WHERE t.a = b)", {"t"}),
        ('(SELECT x FROM main . "T t" AS n, [u] JOIN main.v USING (w))', {"t t", "u", "v"}),
        ("(SELECT x, y FROM (SELECT 1 FROM t))", {"y", "t"}),
        ("(SELECT 1 FROM t)", {"t"}),
        ("a + b", set()),
    ],
)
def test_what_a_subquery_reads_stands_behind_from_join_or_a_comma(sql: str, tables: set[str]) -> None:
    assert names_behind_from(sql) == tables


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM t", True),
        ("SELECT DISTINCT * FROM t", True),
        ("SELECT 1, t.* FROM t", True),
        ("SELECT count(*), 2 * 3, a*b FROM t", False),
        ("SELECT 1 WHERE EXISTS (SELECT * FROM t) OR NOT EXISTS(SELECT * FROM u)", False),
        ("SELECT 1 WHERE a IN (SELECT * FROM t)", True),
    ],
)
def test_a_star_that_multiplies_or_counts_takes_no_columns(sql: str, expected: bool) -> None:
    assert takes_every_column(sql) is expected


BY_NAME = """\
INSERT INTO t (a, b) VALUES (1, 2)
INSERT INTO t DEFAULT VALUES
INSERT OR IGNORE INTO main.t AS x (a) SELECT count(*) FROM u
INSERT INTO u (a, b) SELECT a, b FROM (SELECT * FROM t)
INSERT INTO u (a, b) SELECT x.a, b FROM (SELECT * FROM t) AS x JOIN (SELECT * FROM z) ON x.a = y.a, (SELECT * FROM q)
INSERT INTO u (a) SELECT a FROM ((SELECT * FROM t) JOIN z)
WITH x AS (SELECT * FROM t) INSERT INTO u (a, b) SELECT a, b FROM x
WITH x AS NOT MATERIALIZED (SELECT * FROM t) INSERT INTO u (a, b) SELECT a, b FROM x
UPDATE t SET a = x.a FROM (SELECT * FROM u) AS x WHERE x.b = t.b
DELETE FROM t WHERE EXISTS (SELECT * FROM u WHERE u.a = t.a)
DELETE FROM t WHERE NOT EXISTS (SELECT * FROM u UNION SELECT * FROM v)
DELETE FROM t WHERE id IN (SELECT * FROM ids)
DELETE FROM t WHERE coalesce(a, b) IN ids OR lower(a) IN (SELECT * FROM ids)
INSERT INTO t (a) VALUES (1) RETURNING a, *
UPDATE t SET a = a * 2, b = 3 * (a + 1)
DELETE FROM t WHERE (a, b) IN (SELECT a, b FROM u)
INSERT INTO "into" (a) VALUES ('INTO t VALUES (*)')
INSERT INTO t (a) SELECT max(a, b) FROM u WHERE true ON CONFLICT (a) DO UPDATE SET b = excluded.b * 2""".splitlines()

BY_POSITION = """\
INSERT INTO ^t VALUES (1, 2)
REPLACE INTO ^t SELECT a, b FROM u
INSERT OR REPLACE INTO ^main . t AS x VALUES (1)
INSERT INTO t (a, b) SELECT ^* FROM u
INSERT INTO t (a, b) SELECT u.^* FROM u
INSERT INTO t (a, b, c) SELECT 1, ^* FROM u
INSERT INTO t (a, b) SELECT a, b FROM v UNION ALL SELECT ^* FROM u
INSERT INTO t (a, b) SELECT a, b FROM (SELECT ^* FROM v UNION ALL SELECT * FROM u)
WITH x AS (SELECT * FROM t) INSERT INTO u (a, b) SELECT ^* FROM x
WITH x (a, b) AS (SELECT ^* FROM t) INSERT INTO u (a, b) SELECT a, b FROM x
WITH x (a, b) AS MATERIALIZED (SELECT ^* FROM t) INSERT INTO u (a, b) SELECT a, b FROM x
UPDATE t SET (a, b) = (SELECT ^* FROM u WHERE u.id = t.id)
DELETE FROM t WHERE (a, b) NOT IN (SELECT ^* FROM u)
DELETE FROM t WHERE (a, b) ^IN u
DELETE FROM t WHERE (SELECT ^* FROM u) = (a, b)
INSERT INTO t (a) VALUES (1) ON CONFLICT DO UPDATE SET (a, b) = (SELECT ^* FROM u)
INSERT INTO ^t""".splitlines()


@pytest.mark.parametrize("sql", BY_NAME)
def test_columns_that_are_used_by_name_are_no_positional_use(sql: str) -> None:
    assert find_positional_use(sql) is None


@pytest.mark.parametrize("sql", BY_POSITION)
def test_positional_use_is_found_at_its_place(sql: str) -> None:
    before, _, behind = sql.partition("^")
    found = find_positional_use(before + behind)
    assert found is not None
    assert found.offset in (len(before), before.rfind("INTO"))


@pytest.mark.parametrize(
    ("expression", "renamed"),
    [
        ('CASE "end" WHEN 1 THEN "end" ELSE "end" END', "CASE x WHEN 1 THEN x ELSE x END"),
        ('CASE WHEN "end" THEN a ELSE (CASE a WHEN b THEN "end" END) END', None),
        ('"like" LIKE "like" AND a NOT LIKE "like" AND NOT "like"', "x LIKE x AND a NOT LIKE x AND NOT x"),
        ('a GLOB "glob" OR "glob" IN (1, "glob")', "a GLOB x OR x IN ( 1 , x )"),
        ('t."match" + "match" > "match"', "t . x + x > x"),
        ("CASE a WHEN 'b' THEN x'31' END", "CASE a WHEN 'b' THEN x'31' END"),
    ],
)
def test_column_called_like_an_operator_is_told_from_it(expression: str, renamed: str | None) -> None:
    names = dict.fromkeys(("end", "like", "glob", "match"), "x")
    if renamed is None:
        renamed = "CASE WHEN x THEN a ELSE ( CASE a WHEN b THEN x END ) END"
    assert with_columns(canonical_tokens(expression), names) == renamed
