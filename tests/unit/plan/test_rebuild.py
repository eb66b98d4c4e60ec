"""The rows of a table that is made anew: whole records where nothing in them changes, else column by column."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.support.catalogs import catalog_of
from turso_deploy.plan.planner import make_plan

CHECKED = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, CHECK (id > 0))"


def copy_of(live: str, wanted: str) -> tuple[str, list[str]]:
    """The statement that copies the rows, and the operations that SQLite makes of it."""
    plan = make_plan(catalog_of(wanted).schema, catalog_of(live))
    create, copy = plan.steps[0].statements[:2]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(live)
        connection.execute(create)
        return copy, [operation for _, operation, *_ in connection.execute(f"EXPLAIN {copy}")]


def test_records_are_copied_whole_where_only_rules_go() -> None:
    copy, operations = copy_of(CHECKED, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    assert copy == 'INSERT INTO "turso_deploy_new_t" SELECT * FROM "t"'
    assert "MakeRecord" not in operations


def test_a_rule_that_comes_is_still_applied_to_every_row() -> None:
    _, operations = copy_of("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", CHECKED)
    assert {"MakeRecord", "Halt"} <= set(operations)


@pytest.mark.parametrize(
    ("live", "wanted", "columns"),
    [
        (CHECKED, "CREATE TABLE t (name TEXT, id INTEGER PRIMARY KEY)", '("name", "id") SELECT "name", "id"'),
        (CHECKED, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, more)", '("id", "name") SELECT "id", "name"'),
        (
            "CREATE TABLE t (a, b AS (a), CHECK (a > 0))",
            "CREATE TABLE t (a, b AS (a))",
            '(rowid, "a") SELECT rowid, "a"',
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b AS (a), CHECK (a > 0))",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b AS (a))",
            '("id", "a") SELECT "id", "a"',
        ),
        ("CREATE TABLE t (a, CHECK (a > 0))", "CREATE TABLE t (a)", '(rowid, "a") SELECT rowid, "a"'),
    ],
    ids=["another order", "a new column", "generated, with a rowid", "generated", "an implicit rowid"],
)
def test_what_is_not_the_same_record_is_copied_by_column(live: str, wanted: str, columns: str) -> None:
    copy, _ = copy_of(live, wanted)
    assert copy == f'INSERT INTO "turso_deploy_new_t" {columns} FROM "t"'
