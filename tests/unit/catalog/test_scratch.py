"""The scratch database: libSQL's own DDL loads and is given back as it was, and a refusal knows its place."""

from __future__ import annotations

import pytest

from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.error_location import locate
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.catalog.scratch import Scratch, ScratchError, find_syntax_error
from turso_deploy.core.transaction import Query
from turso_deploy.sql.lexer import position

TABLES = ("CREATE TABLE c (x INT, nope2 INT)",)


@pytest.fixture
def scratch() -> Scratch:
    return Scratch()


def stored(scratch: Scratch, name: str) -> str | None:
    return next(row.sql for row in scratch.rows() if row.name == name)


def place_of_refusal(*statements: str) -> tuple[int, int] | None:
    scratch = Scratch()
    for sql in statements[:-1]:
        scratch.run(sql)
    with pytest.raises(ScratchError) as caught:
        scratch.run(statements[-1])
    return None if caught.value.offset is None else position(statements[-1], caught.value.offset)


def test_vector_columns_and_indexes_load(scratch: Scratch) -> None:
    scratch.run("CREATE TABLE movies (title TEXT, embedding F32_BLOB(3) DEFAULT (vector32('[1, 2, 3]')))")
    index = "CREATE INDEX by_meaning ON movies (libsql_vector_idx(embedding, 'metric=cosine'))"
    scratch.run(index)
    scratch.run("CREATE VIEW near AS SELECT vector_distance_cos(embedding, vector32('[0, 0, 1]')) AS d FROM movies")
    assert scratch.query(Query("SELECT * FROM near")).columns == ("d",)
    assert stored(scratch, "by_meaning") == index


def test_a_function_that_only_the_server_has_gets_a_stand_in_once(scratch: Scratch) -> None:
    scratch.run("CREATE TABLE t (a CHECK (its_own(a) > 0), b AS (its_own(a, 1) || other(a)))")
    scratch.run("INSERT INTO t (a) VALUES (1)")
    assert scratch.query(Query("SELECT its_own(1), b FROM t")).rows == ((None, None),)


@pytest.mark.parametrize(
    "options",
    [
        " RANDOM ROWID",
        "RANDOM ROWID",
        "\n  random  rowid",
        " STRICT, RANDOM ROWID",
        " STRICT ,RANDOM\tROWID",
        " RANDOM ROWID, STRICT",
        "RANDOM ROWID,STRICT",
        " /* why, oh */ RANDOM /* a ( */ ROWID /* b */ , /* c */ strict",
        " -- RANDOM ROWID\n RANDOM ROWID",
    ],
)
def test_random_rowid_loads_and_is_stored_as_it_was_written(scratch: Scratch, options: str) -> None:
    sql = f"CREATE TABLE t (id INTEGER, random TEXT, rowid TEXT CHECK (random <> rowid)){options}"
    scratch.run(sql)
    assert stored(scratch, "t") == sql
    [table] = read_catalog(scratch.rows()).schema.all_tables.values()
    assert getattr(table.definition, "random_rowid") is True  # noqa: B009


@pytest.mark.parametrize("tail", ["", " ", "\n-- the end", " /* the end */\n"])
@pytest.mark.parametrize("options", [" RANDOM ROWID", " STRICT, RANDOM ROWID", " RANDOM ROWID, STRICT"])
def test_what_a_server_stored_behind_random_rowid_stays(scratch: Scratch, options: str, tail: str) -> None:
    sql = f"CREATE TABLE t (id INTEGER){options}{tail}"
    assert scratch.load([CatalogRow("table", "t", "t", sql)]) == []
    assert stored(scratch, "t") == sql


def test_random_rowid_is_kept_through_alter_table(scratch: Scratch) -> None:
    scratch.run("CREATE TABLE t (id INTEGER) RANDOM ROWID")
    scratch.run("CREATE TABLE other (id INTEGER) STRICT, RANDOM ROWID")
    scratch.run("ALTER TABLE t ADD COLUMN b")
    assert stored(scratch, "t") == "CREATE TABLE t (id INTEGER, b) RANDOM ROWID"
    scratch.run("ALTER TABLE t RENAME TO u")
    assert stored(scratch, "u") == 'CREATE TABLE "u" (id INTEGER, b) RANDOM ROWID'
    scratch.run("DROP TABLE u")
    scratch.run("CREATE TABLE u (id INTEGER)")
    assert stored(scratch, "u") == "CREATE TABLE u (id INTEGER)"
    assert stored(scratch, "other") == "CREATE TABLE other (id INTEGER) STRICT, RANDOM ROWID"


def test_the_words_random_rowid_in_other_places_are_left_alone(scratch: Scratch) -> None:
    scratch.run("CREATE TABLE t (random, b DEFAULT 'RANDOM ROWID')")
    scratch.run("CREATE VIEW v AS SELECT random rowid FROM t")
    assert scratch.query(Query("SELECT rowid FROM v")).rows == ()
    assert stored(scratch, "v") == "CREATE VIEW v AS SELECT random rowid FROM t"


def test_each_text_is_stored_as_it_was_written(scratch: Scratch) -> None:
    sql = "CREATE TABLE [a b] (\n  -- why\n  \"c\"  TEXT,   'd' INTEGER\n)"
    scratch.run(sql.replace("CREATE TABLE", "CREATE   TABLE IF NOT EXISTS main ."))
    assert stored(scratch, "a b") == sql


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("CREATE TABLE t (\n  a INTEGER,\n  b TEXT NOT NUL\n)", (3, 14)),
        ("CREATE TABLE t (\n  a TEXT DEFAULT 'x',\n  b TEXT DEFAULT,\n  c TEXT, d TEXT\n)", (3, 17)),
        ("CREATE TABLE t (a TEXT NOT NULL\n  b TEXT)", (2, 3)),
        ("CREATE TABLE t (a CHECK ((a) > (1)), CHECK (a > ), b AS (a))", (1, 49)),
        ("CREATE VIEW v AS SELECT a, b FROM t, FROM u", (1, 38)),
        ("CREATE TABLE t (a 'x' DEFAULT 'x' 'x')", (1, 35)),
        ("CREATE TRIGGER x AFTER INSERT ON c BEGIN\n  SELECT 1;\n  SELECT FROM;\nEND", (3, 10)),
        ("CREATE TABLE t (a RANDOM ROWID, b NOT NUL) RANDOM ROWID, STRICT", (1, 39)),
    ],
)
def test_a_syntax_error_is_placed_at_the_token_that_breaks_the_rule(sql: str, place: tuple[int, int]) -> None:
    assert place_of_refusal(*TABLES, sql) == place


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("CREATE TABLE t (a INT,\n  b TEXT CHECK (b IN ('(', 'y'))", (1, 16)),
        ("CREATE TABLE t (a,\n  b CHECK (b > (1)", (2, 11)),
        ("CREATE VIEW v AS\n  SELECT 1 FROM", (2, 16)),
    ],
)
def test_an_unfinished_statement_is_placed_where_it_stays_open(sql: str, place: tuple[int, int]) -> None:
    assert place_of_refusal(sql) == place


def test_a_parenthesis_that_stays_open_is_called_so(scratch: Scratch) -> None:
    with pytest.raises(ScratchError) as caught:
        scratch.run("CREATE TABLE t (a")
    assert caught.value.message == "incomplete input: this parenthesis is never closed"


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("CREATE INDEX nope ON c (x,\n  nope)", (2, 3)),
        ("CREATE INDEX i ON\n  nope (x)", (2, 3)),
        ("CREATE TABLE a (a,\n  b, A, CHECK (a > 1))", (2, 6)),
        ("CREATE TABLE t (a,\n FOREIGN KEY (zz) REFERENCES c (x))", (2, 15)),
        ("CREATE TABLE t (\n a CHECK (nope > 1))", (2, 11)),
        ("CREATE TABLE t (a COLLATE\n nope)", (2, 2)),
        ("CREATE TABLE t (a INT) RANDOM ROWID,\n STRCT", (2, 2)),
        ("CREATE TABLE t (a INT,\n b) STRICT", (2, 2)),
        ("CREATE TABLE t (a INT,\n b DEFAULT (a))", (2, 2)),
        ("CREATE VIRTUAL TABLE t USING\n nope (a)", (2, 2)),
        ("SELECT x FROM c\n WHERE c.nope = 1", (2, 10)),
        ("SELECT 1 AS nope FROM c AS d\n WHERE d.NOPE = 1", (2, 10)),
    ],
)
def test_a_name_that_leads_nowhere_is_placed(sql: str, place: tuple[int, int]) -> None:
    assert place_of_refusal(*TABLES, sql) == place


def test_a_message_that_names_nothing_has_no_place() -> None:
    assert place_of_refusal("CREATE TABLE t (a INT) WITHOUT ROWID") is None
    assert locate("SELECT 1", "no such column: absent") is None


def test_syntax_error_behind_letters_of_several_bytes_is_placed_by_characters() -> None:
    assert place_of_refusal("CREATE TABLE t (a TEXT DEFAULT 'äöü😀',\n 'é' TEXT NOT NUL)") == (2, 15)


def test_only_what_the_parser_refuses_is_a_syntax_error() -> None:
    assert find_syntax_error("SELECT nope FROM nowhere") is None
    found = find_syntax_error("CREATE TABEL t (a)")
    assert found is not None
    assert (found.message, found.offset) == ('near "TABEL": syntax error', 7)


def test_an_explain_is_compiled_anew_after_the_schema_changed(scratch: Scratch) -> None:
    scratch.run("CREATE TABLE t (a)")
    scratch.run("EXPLAIN INSERT INTO t DEFAULT VALUES")
    scratch.run("CREATE TRIGGER broken AFTER INSERT ON t BEGIN INSERT INTO nope VALUES (1); END")
    with pytest.raises(ScratchError, match="nope"):
        scratch.run("EXPLAIN INSERT INTO t DEFAULT VALUES")


def test_a_name_in_double_quotes_is_never_a_string(scratch: Scratch) -> None:
    with pytest.raises(ScratchError, match="misspelt"):
        scratch.run('CREATE TABLE t (a CHECK (a <> "misspelt"))')
    scratch.run("CREATE TABLE t (a)")
    with pytest.raises(ScratchError, match="misspelt"):
        scratch.query(Query('SELECT "misspelt" FROM t'))


def live_rows(*statements: str) -> tuple[list[CatalogRow], list[str]]:
    other = Scratch()
    for sql in statements:
        other.connection.execute(sql)
    rows, shadows = other.rows(), other.shadows()
    other.close()
    return rows, shadows


def test_a_copy_of_a_database_has_the_same_catalog(scratch: Scratch) -> None:
    rows, shadows = live_rows(
        "CREATE TABLE p (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE)",
        "CREATE VIEW v AS SELECT * FROM later",
        "CREATE VIRTUAL TABLE docs USING fts5 (body)",
        "CREATE TABLE later (b)",
        "CREATE INDEX i ON later (b)",
        "CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END",
    )
    assert scratch.load(rows, shadows) == []
    assert sorted(scratch.rows(), key=lambda row: row.key) == sorted(rows, key=lambda row: row.key)


def test_what_nobody_can_create_is_given_back(scratch: Scratch) -> None:
    """Statistics and the storage of vector indexes would be counted if they were lost on the way."""
    rows, shadows = live_rows("CREATE TABLE t (a)", "CREATE INDEX i ON t (a)", "ANALYZE")
    statistics = [row for row in rows if row.name.startswith("sqlite_stat")]
    unknown = CatalogRow("table", "geo", "geo", "CREATE VIRTUAL TABLE geo USING their_module (a)")
    vector_storage = CatalogRow("table", "i_shadow", "i_shadow", "CREATE TABLE i_shadow (a)")
    found = scratch.load([*rows, unknown, vector_storage], [*shadows, "i_shadow"])
    assert statistics
    assert found == [*statistics, unknown, vector_storage]


def test_a_database_that_takes_double_quotes_for_strings_can_be_copied(scratch: Scratch) -> None:
    row = CatalogRow("table", "t", "t", 'CREATE TABLE t (a CHECK (a <> "old style"))')
    assert scratch.load([row]) == []


def test_what_a_query_gets_is_told_with_its_columns(scratch: Scratch) -> None:
    rows = scratch.query(Query("SELECT ?1 AS a, ?2 AS b", (1, b"\x00")))
    assert (rows.columns, rows.rows) == (("a", "b"), ((1, b"\x00"),))
    with pytest.raises(ScratchError, match="no such column: nope"):
        scratch.query(Query("SELECT nope"))


def test_a_closed_scratch_is_gone(scratch: Scratch) -> None:
    scratch.close()
    with pytest.raises(ScratchError, match="the connection is closed"):
        scratch.run("SELECT 1")


def test_the_columns_that_a_view_reads_itself_are_told_apart_from_those_of_a_view_that_it_reads() -> None:
    scratch = Scratch()
    scratch.run("CREATE TABLE T (id INTEGER PRIMARY KEY, a, b)")
    scratch.run("CREATE VIEW v AS SELECT id, a FROM T")
    scratch.run("CREATE VIEW W AS SELECT v.a FROM v WHERE id IN (SELECT B FROM t)")
    assert scratch.columns_read_by("w") == {("v", "a"), ("v", "id"), ("t", "b")}
    scratch.run("DROP VIEW v")
    with pytest.raises(ScratchError, match=r"no such table: main\.v"):
        scratch.columns_read_by("w")
    assert scratch.query(Query("SELECT count(*) FROM t")).rows == ((0,),)
