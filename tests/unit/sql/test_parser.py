"""Definitions are equal when they mean the same, differ when they do not, and hold the parts that planning needs."""

import sqlite3

import pytest

from turso_deploy.sql.definitions import (
    Check,
    ForeignKey,
    Generated,
    IndexDefinition,
    KeyPart,
    PrimaryKey,
    TableDefinition,
    TriggerDefinition,
    Unique,
    ViewDefinition,
    VirtualTableDefinition,
)
from turso_deploy.sql.lexer import SqlTextError
from turso_deploy.sql.parser import parse

LIBSQL_ONLY = ("RANDOM", "libsql_vector_idx")


def table(sql: str) -> TableDefinition:
    definition = parse(sql)
    assert isinstance(definition, TableDefinition)
    return definition


def accepted_by_the_engine(sql: str) -> None:
    """The statement runs in SQLite, so that no test is about SQL that does not exist."""
    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE x(a, b, e); CREATE TABLE p(a PRIMARY KEY, b)")
    if not any(word in sql for word in LIBSQL_ONLY):
        connection.execute(sql)


SAME = [
    # spelling
    ("CREATE TABLE t(a TEXT)", 'create  table if not exists "T" ( [A]  text ) -- why'),
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE main.`t`(/* a */'a' 'text');"),
    ("CREATE TABLE t(a TEXT)", "CREATE TEMP TABLE t(a TEXT)"),
    ("CREATE TABLE t(a INT, b INT)", "CREATE TABLE t(b INT, a INT)"),
    (
        "CREATE TABLE t(a DOUBLE PRECISION, b DECIMAL(10,2))",
        "CREATE TABLE t(a double\n precision, b decimal ( 10 , 2 ))",
    ),
    ("CREATE TABLE t(key, CHECK (key > 0))", 'CREATE TABLE t("key", CHECK ("KEY" > 0))'),
    ("CREATE TABLE t(a, CHECK (a == 1 AND a != 0X2))", "CREATE TABLE t(a, CHECK ((A = 1 and A <> 0x2)))"),
    # constraints in another order, at another place, under another name
    (
        "CREATE TABLE t(a TEXT NOT NULL DEFAULT 'x' COLLATE NOCASE)",
        "CREATE TABLE t(a TEXT COLLATE nocase DEFAULT 'x' NOT NULL)",
    ),
    ("CREATE TABLE t(a TEXT PRIMARY KEY)", "CREATE TABLE t(a TEXT, PRIMARY KEY (`a`))"),
    ("CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT)", "CREATE TABLE t(a INTEGER, PRIMARY KEY (a AUTOINCREMENT))"),
    ("CREATE TABLE t(a, b UNIQUE)", "CREATE TABLE t(a, b, CONSTRAINT u UNIQUE (b))"),
    ("CREATE TABLE t(a CHECK (a > 0))", "CREATE TABLE t(a, CONSTRAINT c CHECK (a > 0))"),
    ("CREATE TABLE t(a REFERENCES p(b))", "CREATE TABLE t(a, FOREIGN KEY (a) REFERENCES p(b))"),
    (
        "CREATE TABLE t(a, UNIQUE (a), CHECK (a > 0))",
        "CREATE TABLE t(a, CONSTRAINT x CHECK (a > 0) UNIQUE (a) CONSTRAINT y)",
    ),
    ("CREATE TABLE t(a, CHECK (a > 0))", "CREATE TABLE t(a, CHECK (a > 0) ON CONFLICT IGNORE)"),
    # what holds without being written
    ("CREATE TABLE t(a)", "CREATE TABLE t(a NULL DEFAULT NULL COLLATE BINARY)"),
    ("CREATE TABLE t(a)", "CREATE TABLE t(a DEFAULT (NULL))"),
    ("CREATE TABLE t(a DEFAULT 1)", "CREATE TABLE t(a DEFAULT ((1)))"),
    ("CREATE TABLE t(a DEFAULT (2 + 1), b)", "CREATE TABLE t(b, a DEFAULT ((2 + 1)))"),
    ("CREATE TABLE t(a DEFAULT 'Abc')", 'CREATE TABLE t(a DEFAULT "Abc")'),
    ("CREATE TABLE t(a DEFAULT 'Abc')", "CREATE TABLE t(a DEFAULT Abc)"),
    ("CREATE TABLE t(a DEFAULT CURRENT_TIMESTAMP)", "CREATE TABLE t(a DEFAULT (current_timestamp))"),
    ("CREATE TABLE t(a NOT NULL UNIQUE)", "CREATE TABLE t(a NOT NULL ON CONFLICT ABORT UNIQUE ON CONFLICT ABORT)"),
    ("CREATE TABLE t(a INTEGER PRIMARY KEY)", "CREATE TABLE t(a INTEGER NOT NULL PRIMARY KEY ASC)"),
    ("CREATE TABLE t(a INTEGER PRIMARY KEY)", "CREATE TABLE t(a INTEGER, PRIMARY KEY (a COLLATE NOCASE DESC))"),
    ("CREATE TABLE t(a TEXT PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE t(a TEXT NOT NULL PRIMARY KEY) without rowid"),
    ("CREATE TABLE t(a TEXT PRIMARY KEY) STRICT", "CREATE TABLE t(a TEXT NOT NULL PRIMARY KEY) STRICT"),
    (
        "CREATE TABLE t(a REFERENCES p)",
        "CREATE TABLE t(a REFERENCES p ON DELETE NO ACTION MATCH SIMPLE ON UPDATE NO ACTION)",
    ),
    (
        "CREATE TABLE t(a INTEGER PRIMARY KEY) WITHOUT ROWID",
        "CREATE TABLE t(a INTEGER, PRIMARY KEY(a COLLATE NOCASE)) WITHOUT ROWID",
    ),
    ("CREATE TABLE t(a REFERENCES p)", "CREATE TABLE t(a REFERENCES p NOT DEFERRABLE INITIALLY DEFERRED)"),
    ("CREATE TABLE t(a REFERENCES p)", "CREATE TABLE t(a REFERENCES p DEFERRABLE INITIALLY IMMEDIATE)"),
    (
        "CREATE TABLE t(a REFERENCES p ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE t(a REFERENCES p ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED)",
    ),
    (
        "CREATE TABLE t(a NOT NULL REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE t(a REFERENCES p NOT NULL DEFERRABLE INITIALLY DEFERRED)",
    ),
    ("CREATE TABLE t(a, b AS (a + 1))", "CREATE TABLE t(a, b GENERATED ALWAYS AS (a + 1) VIRTUAL)"),
    ("CREATE TABLE t(a, b INT AS (a + 1) STORED)", "CREATE TABLE t(a, b INT GENERATED ALWAYS AS ((a + 1)) stored)"),
    (
        "CREATE TABLE t(a INT PRIMARY KEY) STRICT, WITHOUT ROWID",
        "CREATE TABLE t(a INT PRIMARY KEY) without rowid,strict",
    ),
    # indexes, views, triggers, virtual tables
    ("CREATE INDEX i ON x(a)", "create index IF NOT EXISTS main.I on [X] ( (A) asc )"),
    ("CREATE INDEX i ON x(a COLLATE nocase DESC)", "CREATE INDEX i ON x((a COLLATE NOCASE) DESC)"),
    ("CREATE INDEX i ON x(lower(a)) WHERE a > 0", "CREATE INDEX i ON x((LOWER(a))) WHERE (A > 0)"),
    ("CREATE VIEW v(a) AS SELECT a FROM x", "CREATE TEMP VIEW V ([A]) as select `a` FROM x /* all */"),
    (
        "CREATE TRIGGER g INSERT ON x BEGIN SELECT 1; END",
        "CREATE TRIGGER IF NOT EXISTS g BEFORE INSERT ON x FOR EACH ROW BEGIN SELECT 1; END",
    ),
    (
        "CREATE TRIGGER g AFTER UPDATE OF a, b ON x BEGIN SELECT 1; END",
        "CREATE TRIGGER g AFTER UPDATE OF B, a ON x BEGIN select 1; END",
    ),
    (
        "CREATE VIRTUAL TABLE f USING fts5(a, b, prefix='2 3')",
        "create virtual table F using FTS5 ( A, b,prefix = '2 3' )",
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_another_spelling_of_the_same_meaning_is_equal(one: str, other: str) -> None:
    accepted_by_the_engine(one)
    accepted_by_the_engine(other)
    assert parse(one) == parse(other)
    assert hash(parse(one)) == hash(parse(other))


DIFFERENT = [
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE t(a VARCHAR(10))"),
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE t(a)"),
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE t(b TEXT)"),
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE t(a TEXT, b)"),
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE t(a TEXT NOT NULL)"),
    ("CREATE TABLE t(a TEXT NOT NULL)", "CREATE TABLE t(a TEXT NOT NULL ON CONFLICT REPLACE)"),
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE t(a TEXT COLLATE NOCASE)"),
    ("CREATE TABLE t(a DEFAULT 'x')", "CREATE TABLE t(a DEFAULT 'X')"),
    ("CREATE TABLE t(a DEFAULT x)", "CREATE TABLE t(a DEFAULT X)"),
    ("CREATE TABLE t(a DEFAULT 1)", "CREATE TABLE t(a DEFAULT '1')"),
    ("CREATE TABLE t(a DEFAULT TRUE)", 'CREATE TABLE t(a DEFAULT "true")'),
    ("CREATE TABLE t(a DEFAULT 1)", "CREATE TABLE t(a DEFAULT -1)"),
    ("CREATE TABLE t(a TEXT PRIMARY KEY)", "CREATE TABLE t(a TEXT PRIMARY KEY ON CONFLICT IGNORE)"),
    ("CREATE TABLE t(a INTEGER PRIMARY KEY)", "CREATE TABLE t(a INT PRIMARY KEY)"),
    ("CREATE TABLE t(a INTEGER PRIMARY KEY)", "CREATE TABLE t(a INTEGER PRIMARY KEY DESC)"),
    ("CREATE TABLE t(a INTEGER PRIMARY KEY)", "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT)"),
    ("CREATE TABLE t(a INTEGER, b, PRIMARY KEY(a))", "CREATE TABLE t(a INTEGER, b, PRIMARY KEY(a, b))"),
    ("CREATE TABLE t(a, b, PRIMARY KEY(b, a))", "CREATE TABLE t(a, b, PRIMARY KEY(a, b))"),
    ("CREATE TABLE t(a, b, PRIMARY KEY(a, b DESC))", "CREATE TABLE t(a, b, PRIMARY KEY(a, b))"),
    ("CREATE TABLE t(a UNIQUE)", "CREATE TABLE t(a)"),
    ("CREATE TABLE t(a UNIQUE)", "CREATE TABLE t(a UNIQUE ON CONFLICT REPLACE)"),
    ("CREATE TABLE t(a, UNIQUE(a COLLATE NOCASE))", "CREATE TABLE t(a, UNIQUE(a))"),
    ("CREATE TABLE t(a, b, UNIQUE(a), UNIQUE(b))", "CREATE TABLE t(a, b, UNIQUE(a, b))"),
    ("CREATE TABLE t(a CHECK (a > 0))", "CREATE TABLE t(a CHECK (a > 1))"),
    ("CREATE TABLE t(a CHECK (a = 'x'))", "CREATE TABLE t(a CHECK (a = 'X'))"),
    ("CREATE TABLE t(a CHECK (a > 0))", "CREATE TABLE t(a CHECK (a > 0) CHECK (a < 9))"),
    ("CREATE TABLE t(a REFERENCES p)", "CREATE TABLE t(a REFERENCES x)"),
    ("CREATE TABLE t(a REFERENCES p(a))", "CREATE TABLE t(a REFERENCES p(b))"),
    ("CREATE TABLE t(a REFERENCES p ON DELETE CASCADE)", "CREATE TABLE t(a REFERENCES p ON DELETE RESTRICT)"),
    ("CREATE TABLE t(a REFERENCES p ON DELETE CASCADE)", "CREATE TABLE t(a REFERENCES p ON UPDATE CASCADE)"),
    ("CREATE TABLE t(a REFERENCES p)", "CREATE TABLE t(a REFERENCES p DEFERRABLE INITIALLY DEFERRED)"),
    ("CREATE TABLE t(a REFERENCES p)", "CREATE TABLE t(a REFERENCES p MATCH FULL)"),
    ("CREATE TABLE t(a, b AS (a + 1))", "CREATE TABLE t(a, b AS (a + 1) STORED)"),
    ("CREATE TABLE t(a, b AS (a + 1))", "CREATE TABLE t(a, b AS (a + 2))"),
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE t(a TEXT) STRICT"),
    ("CREATE TABLE t(a TEXT PRIMARY KEY)", "CREATE TABLE t(a TEXT PRIMARY KEY) WITHOUT ROWID"),
    (
        "CREATE TABLE t(a INTEGER PRIMARY KEY) WITHOUT ROWID",
        "CREATE TABLE t(a INTEGER, PRIMARY KEY(a DESC)) WITHOUT ROWID",
    ),
    ("CREATE TABLE t(a TEXT)", "CREATE TABLE t(a TEXT) RANDOM ROWID"),
    ("CREATE TABLE t(a, CHECK (a > 'key'))", 'CREATE TABLE t(a, key, CHECK (a > "key"))'),
    ("CREATE INDEX i ON x(a)", "CREATE UNIQUE INDEX i ON x(a)"),
    ("CREATE INDEX i ON x(a)", "CREATE INDEX i ON x(a DESC)"),
    ("CREATE INDEX i ON x(a)", "CREATE INDEX i ON x(a COLLATE NOCASE)"),
    ("CREATE INDEX i ON x(a)", "CREATE INDEX i ON x(a) WHERE a > 0"),
    ("CREATE INDEX i ON x(a, b)", "CREATE INDEX i ON x(b, a)"),
    ("CREATE INDEX i ON x(a)", "CREATE INDEX i ON p(a)"),
    ("CREATE VIEW v AS SELECT a FROM x", "CREATE VIEW v(a) AS SELECT a FROM x"),
    ("CREATE VIEW v AS SELECT x.a FROM x LEFT JOIN p", 'CREATE VIEW v AS SELECT "left".a FROM x "left" JOIN p'),
    ("CREATE VIEW v AS SELECT CURRENT_TIME", 'CREATE VIEW v AS SELECT "current_time"'),
    (
        "CREATE TRIGGER g BEFORE INSERT ON x BEGIN SELECT 1; END",
        "CREATE TRIGGER g AFTER INSERT ON x BEGIN SELECT 1; END",
    ),
    ("CREATE TRIGGER g UPDATE ON x BEGIN SELECT 1; END", "CREATE TRIGGER g UPDATE OF a ON x BEGIN SELECT 1; END"),
    ("CREATE TRIGGER g DELETE ON x BEGIN SELECT 1; END", "CREATE TRIGGER g DELETE ON x WHEN old.a BEGIN SELECT 1; END"),
    ("CREATE TRIGGER g DELETE ON x BEGIN SELECT 1; END", "CREATE TRIGGER g DELETE ON x BEGIN SELECT 1; SELECT 2; END"),
    ("CREATE VIRTUAL TABLE f USING fts5(a)", "CREATE VIRTUAL TABLE f USING fts5(a, b)"),
    (
        "CREATE VIRTUAL TABLE f USING fts5(a, tokenize=\"unicode61 tokenchars 'X'\")",
        "CREATE VIRTUAL TABLE f USING fts5(a, tokenize=\"unicode61 tokenchars 'x'\")",
    ),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_meaning_is_a_difference(one: str, other: str) -> None:
    accepted_by_the_engine(one)
    accepted_by_the_engine(other)
    assert parse(one) != parse(other)


def test_a_table_comes_apart_into_its_columns_and_constraints() -> None:
    definition = table("""CREATE TABLE "Orders" (
        id INTEGER PRIMARY KEY ON CONFLICT REPLACE AUTOINCREMENT,
        "Full Name" varchar ( 20 ) NOT NULL ON CONFLICT FAIL DEFAULT 'n' COLLATE NoCase CHECK (length("Full Name") > 1),
        total AS (id * 2) STORED,
        owner REFERENCES Users(Id) ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED,
        UNIQUE (owner, "Full Name" COLLATE RTRIM DESC) ON CONFLICT IGNORE,
        CHECK (id > 0),
        FOREIGN KEY (owner, id) REFERENCES Pairs
    ) STRICT""")
    assert definition.name == "orders"
    assert [column.name for column in definition.columns] == ["id", "Full Name", "total", "owner"]
    name = definition.by_name["full name"]
    assert (name.type, name.not_null, name.not_null_conflict) == ("VARCHAR(20)", True, "FAIL")
    assert (name.default, name.collation) == (("'n'",), "nocase")
    assert definition.by_name["total"].generated == Generated(("id", "*", "2"), stored=True)
    assert definition.primary_key == PrimaryKey((KeyPart("id"),), "REPLACE", autoincrement=True, rowid_alias=True)
    parts = (KeyPart("owner"), KeyPart("full name", (), "rtrim", descending=True))
    assert definition.uniques == (Unique(parts, "IGNORE"),)
    assert [(check.expression, check.at_column) for check in definition.checks] == [
        (("length", "(", '"full name"', ")", ">", "1"), "full name"),
        (("id", ">", "0"), None),
    ]
    assert definition.foreign_keys == (
        ForeignKey(("owner",), "users", ("id",), "SET NULL", "CASCADE", None, deferred=True, at_column="owner"),
        ForeignKey(("owner", "id"), "pairs", None, None, None, None, deferred=False, at_column=None),
    )
    assert [key.at_column for key in definition.foreign_keys] == ["owner", None]
    assert (definition.strict, definition.without_rowid, definition.random_rowid) == (True, False, False)


def test_columns_keep_their_text_and_place() -> None:
    sql = 'CREATE TABLE t( "a" /* x */ TEXT -- y\n DEFAULT (1, 2) , b, c INT UNIQUE, UNIQUE(b))'.replace(
        "(1, 2)", "(max(1, 2))"
    )
    columns = table(sql).columns
    assert [column.text for column in columns] == ['"a" /* x */ TEXT -- y\n DEFAULT (max(1, 2))', "b", "c INT UNIQUE"]
    assert all(sql[column.start : column.end] == column.text for column in columns)


def test_equal_columns_under_two_names_are_equal_columns() -> None:
    columns = table("CREATE TABLE t(a TEXT NOT NULL, b text not null, c TEXT)").columns
    assert columns[0] == columns[1] != columns[2]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("(1)", 1),
        ("-1", -1),
        ("+ 1.5", 1.5),
        ("- 0x1F", -31),
        ("(1 + 2)", 3),
        ("'it''s'", "it's"),
        ("abc", "abc"),
        ("Key", "Key"),
        ('"A b"', "A b"),
        ("[A b]", "A b"),
        ("TRUE", 1),
        ("(false)", 0),
        ('"true"', "true"),
        ("x'00'", b"\0"),
        ("NULL", None),
        ("(NULL)", None),
        ("1e3", 1000.0),
        ("-null", None),
    ],
)
def test_a_default_holds_the_value_that_the_engine_inserts(written: str, value: object) -> None:
    sql = f"CREATE TABLE t(a DEFAULT {written}, b)"
    connection = sqlite3.connect(":memory:")
    connection.execute(sql)
    connection.execute("INSERT INTO t(b) VALUES (1)")
    assert connection.execute("SELECT a FROM t").fetchone() == (value,)
    default = table(sql).by_name["a"].default
    assert connection.execute(f"SELECT {' '.join(default) if default else 'NULL'}").fetchone() == (value,)


def test_an_index_comes_apart_into_its_parts() -> None:
    assert parse('CREATE UNIQUE INDEX I ON T("Desc", x + desc, lower(a) COLLATE nocase DESC) WHERE a IS NOT NULL') == (
        IndexDefinition(
            "i",
            "t",
            True,
            (
                KeyPart("desc"),
                KeyPart(None, ("x", "+", "DESC")),
                KeyPart(None, ("lower", "(", "a", ")"), "nocase", descending=True),
            ),
            ("a", "IS", "NOT", "NULL"),
        )
    )
    assert parse("CREATE INDEX i ON t(libsql_vector_idx(emb, 'metric=cosine'))") == IndexDefinition(
        "i", "t", False, (KeyPart(None, ("libsql_vector_idx", "(", "emb", ",", "'metric=cosine'", ")")),), None
    )


def test_a_view_comes_apart_into_columns_and_select() -> None:
    assert parse('CREATE VIEW V("A b", C) AS SELECT 1, 2') == ViewDefinition(
        "v", ("a b", "c"), ("SELECT", "1", ",", "2")
    )


def test_a_trigger_comes_apart_even_where_a_column_is_called_begin() -> None:
    sql = """CREATE TRIGGER G INSTEAD OF UPDATE OF B, "End" ON main.V FOR EACH ROW
    WHEN new.begin > CASE WHEN 1 THEN 2 END BEGIN DELETE FROM x WHERE a = old.a; SELECT CASE WHEN 1 THEN 2 END; END"""
    when = tuple("new . BEGIN > CASE WHEN 1 THEN 2 END".split())
    body = tuple("DELETE FROM x WHERE a = old . a ; SELECT CASE WHEN 1 THEN 2 END ;".split())
    assert parse(sql) == TriggerDefinition("g", "INSTEAD OF", "UPDATE", frozenset({"b", "end"}), "v", when, body)


def test_a_virtual_table_comes_apart_into_module_and_arguments() -> None:
    assert parse("CREATE VIRTUAL TABLE F USING Fts5(Title, body UNINDEXED, content='Docs')") == VirtualTableDefinition(
        "f", "fts5", (("title",), ("body", "unindexed"), ("content", "=", "'Docs'"))
    )
    assert parse("CREATE VIRTUAL TABLE f USING m") == parse("CREATE VIRTUAL TABLE f USING m()")


ODD = [
    "CREATE TABLE t(key, 'a b', [order], \"select\", `x``y`, left, indexed, end DATE)",
    "CREATE TABLE t(a UNSIGNED BIG INT, b current_time, c raise, d true(3), e 'var char'(3), f NUMERIC(+1, -2))",
    "CREATE TABLE t(a TEXT GENERATED ALWAYS NOT NULL AS (1) STORED, b)",
    "CREATE TABLE t(a INTEGER GENERATED ALWAYS PRIMARY KEY)",
    "CREATE TABLE t(a GENERATED ALWAYS AS (b), b)",
    "CREATE TABLE t(a CONSTRAINT x CONSTRAINT y NOT NULL CONSTRAINT z)",
    "CREATE TABLE t(a CHECK (a > 0) CHECK (a < 9), CHECK (a > 1) CONSTRAINT x UNIQUE (a) CONSTRAINT y CONSTRAINT z)",
    "CREATE TABLE t(a REFERENCES p ON INSERT SET NULL MATCH FULL NOT NULL NOT DEFERRABLE)",
    "CREATE TABLE t(a DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE t(a, FOREIGN KEY (a) REFERENCES p DEFERRABLE CHECK (a), UNIQUE (a))",
    "CREATE TABLE t(a F32_BLOB(3), b ANY)",
    "CREATE TABLE t(a TEXT, PRIMARY KEY ('a'), UNIQUE ((a) ASC))",
    "CREATE TABLE t(\ufeffa, \u00a0b)",
    "CREATE TABLE t(a NOT NULL ON CONFLICT IGNORE NULL ON CONFLICT FAIL)",
    "CREATE TABLE 'if'(a)",
    'CREATE TABLE "if"(a)',
    "CREATE INDEX desc ON x(a COLLATE 'nocase', CASE a WHEN 1 THEN 2 END DESC, NOT b ASC, +a DESC)",
    "CREATE VIEW v AS WITH c(n) AS (VALUES (1)) SELECT n FROM c UNION ALL SELECT 2 ORDER BY 1 DESC",
    "CREATE TRIGGER before BEFORE DELETE ON x BEGIN WITH c AS (SELECT 1) SELECT * FROM c; END",
    "CREATE TABLE t(a" + ", CHECK (" + "(" * 40 + "a" + ")" * 40 + "))",
]


@pytest.mark.parametrize("sql", ODD)
def test_whatever_the_engine_accepts_and_stores_is_read(sql: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE x(a, b); CREATE TABLE p(a PRIMARY KEY)")
    connection.execute(sql)
    name = parse(sql).name
    stored = connection.execute("SELECT sql FROM sqlite_schema WHERE lower(name) = ?", [name]).fetchone()[0]
    assert parse(stored) == parse(sql)
    if isinstance(parse(sql), TableDefinition):
        columns = [row[0] for row in connection.execute("SELECT name FROM pragma_table_xinfo(?)", [name])]
        assert [column.name for column in table(sql).columns] == columns
        connection.execute(f'ALTER TABLE "{name}" RENAME TO renamed')
        connection.execute(f'ALTER TABLE renamed RENAME TO "{name}"')
        stored = connection.execute("SELECT sql FROM sqlite_schema WHERE lower(name) = ?", [name]).fetchone()[0]
        assert parse(stored) == parse(sql)


@pytest.mark.parametrize(
    ("sql", "offset"),
    [
        ("SELECT 1", 0),
        ("CREATE THING a", 7),
        ("CREATE TABLE t", 14),
        ("CREATE TABLE t AS SELECT 1", 15),
        ("CREATE TABLE t(a", 16),
        ("CREATE TABLE t(a INT oops, b NOT oops)", 33),
        ("CREATE TABLE t(a CHECK (a > 0)", 14),
        ("CREATE INDEX i ON t(a))", 22),
        ("CREATE INDEX i ON t(a) garbage", 23),
        ("CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1;", 50),
    ],
)
def test_text_that_is_no_create_statement_is_refused_at_its_place(sql: str, offset: int) -> None:
    with pytest.raises(SqlTextError) as caught:
        parse(sql)
    assert caught.value.offset == offset


def test_deep_nesting_is_read_in_time_that_grows_with_its_length() -> None:
    deep = "(" * 100_000 + "a" + ")" * 100_000
    assert table(f"CREATE TABLE t(a, CHECK {deep})").checks == (Check(("a",), None),)
    assert parse(f"CREATE INDEX i ON t({deep})") == parse("CREATE INDEX i ON t(a)")
    collated = "(" * 50_000 + "a" + " COLLATE nocase)" * 50_000
    assert parse(f"CREATE INDEX i ON t({collated})") == parse("CREATE INDEX i ON t(a COLLATE nocase)")
