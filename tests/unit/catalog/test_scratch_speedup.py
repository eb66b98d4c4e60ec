"""Many objects are made in a scratch database whose catalog is kept short, and nobody can tell."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import apsw
import pytest

from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.catalog.scratch_speedup import MAX_NEW_ROWS, ShortCatalog
from turso_deploy.core.transaction import Query
from turso_deploy.sqlite.connection import Connection

TABLES = [
    sql
    for number in range(MAX_NEW_ROWS)
    for sql in (
        f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, other REFERENCES t0)",
        f"CREATE UNIQUE INDEX i{number} ON t{number} (name, id)",
    )
]


def filled() -> Scratch:
    scratch = Scratch()
    for sql in TABLES:
        scratch.run(sql)
    return scratch


def test_the_catalog_is_the_one_that_plain_sqlite_has() -> None:
    with closing(sqlite3.connect(":memory:")) as plain:
        for sql in TABLES:
            plain.execute(sql)
        query = "SELECT rowid, type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid"
        assert filled().query(Query(query)).rows == tuple(plain.execute(query).fetchall())


def test_rows_that_are_away_are_back_for_whatever_else_runs() -> None:
    scratch = filled()
    scratch.run("ALTER TABLE t0 RENAME TO first")
    scratch.run("CREATE VIEW v AS SELECT first.name FROM first JOIN t1 ON first.other = t1.id")
    scratch.run("INSERT INTO t1 (name) VALUES ('a')")
    assert scratch.query(Query("SELECT count(*) FROM sqlite_master WHERE tbl_name = 'first'")).rows == ((3,),)
    assert scratch.connection.execute("PRAGMA integrity_check").rows == (("ok",),)


def test_a_table_that_is_rewritten_is_the_one_that_alter_table_makes() -> None:
    altered, rewritten = filled(), filled()
    for number in (0, 7, MAX_NEW_ROWS - 1):
        altered.run(f"ALTER TABLE t{number} ADD COLUMN more TEXT DEFAULT 'x'")
        assert rewritten.rewrite(f"t{number}", altered.sql_of(f"t{number}"))
    for scratch in (altered, rewritten):
        scratch.run("CREATE INDEX on_more ON t7 (more)")
        scratch.run("INSERT INTO t0 (name) VALUES ('a')")
    everything = Query("SELECT rowid, * FROM sqlite_master ORDER BY rowid")
    assert rewritten.query(everything) == altered.query(everything)
    row = Query("SELECT * FROM t0")
    assert rewritten.query(row) == altered.query(row)
    assert rewritten.connection.execute("PRAGMA integrity_check").rows == (("ok",),)


def test_a_table_without_its_random_rowid_is_not_rewritten() -> None:
    scratch = Scratch()
    scratch.run("CREATE TABLE t (a) RANDOM ROWID")
    assert not scratch.rewrite("t", "CREATE TABLE t (a, b) RANDOM ROWID")


def test_a_refused_definition_takes_nothing_away() -> None:
    scratch = filled()
    with pytest.raises(ScratchError, match="no such column: missing"):
        scratch.run("CREATE INDEX wrong ON t0 (missing)")
    scratch.run("CREATE TABLE more (a)")
    assert (
        len(scratch.rows()) == 3 * MAX_NEW_ROWS + 2
    )  # each table has an index of its own, and sqlite_sequence is one more


def test_the_catalog_cannot_be_written_by_what_runs_in_it() -> None:
    with pytest.raises(ScratchError, match="may not be modified"):
        filled().run("DELETE FROM sqlite_master")


def test_where_the_catalog_can_never_be_written_it_stays_long() -> None:
    with closing(Connection.in_memory()) as connection:
        connection._connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        catalog = ShortCatalog(connection)
        for sql in TABLES:
            connection.execute(sql)
            catalog.count_created()
        assert not catalog.rewrite("t0", "CREATE TABLE t0 (a)")
        catalog.restore()
        assert connection.execute("SELECT count(*) FROM sqlite_master").number() == 3 * MAX_NEW_ROWS + 1
