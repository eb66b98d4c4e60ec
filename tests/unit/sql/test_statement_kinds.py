"""What a statement does can be told without running it."""

import pytest

from turso_deploy.sql.lexer import SqlTextError
from turso_deploy.sql.statement_kinds import Description, StatementKind, describe


@pytest.mark.parametrize(
    ("sql", "description"),
    [
        ("create table a(b)", Description(StatementKind.CREATE_TABLE, "a")),
        (
            "CREATE TABLE IF NOT EXISTS main.[a b](c)",
            Description(StatementKind.CREATE_TABLE, "a b", "main", None, True),
        ),
        ('CREATE TABLE "if"(c)', Description(StatementKind.CREATE_TABLE, "if")),
        ("CREATE TABLE 'Str'(c)", Description(StatementKind.CREATE_TABLE, "Str")),
        ("CREATE VIRTUAL TABLE a USING fts5(b)", Description(StatementKind.CREATE_VIRTUAL_TABLE, "a")),
        ("CREATE UNIQUE INDEX i ON `T`(b)", Description(StatementKind.CREATE_INDEX, "i", None, "T")),
        (
            "CREATE UNIQUE INDEX IF NOT EXISTS main.i ON t(b)",
            Description(StatementKind.CREATE_INDEX, "i", "main", "t", True),
        ),
        ("CREATE VIEW v AS SELECT 1", Description(StatementKind.CREATE_VIEW, "v")),
        (
            "CREATE TRIGGER IF NOT EXISTS g INSTEAD OF UPDATE OF a, b, c, d, e, f ON main.v BEGIN SELECT 1; END",
            Description(StatementKind.CREATE_TRIGGER, "g", None, "v", True),
        ),
        ("CREATE TEMP TABLE a(b)", Description(StatementKind.CREATE_TEMPORARY, "a")),
        ("CREATE TEMPORARY VIEW a AS SELECT 1", Description(StatementKind.CREATE_TEMPORARY, "a")),
        ("CREATE TABLE Temp.a(b)", Description(StatementKind.CREATE_TEMPORARY, "a", "Temp")),
        ("PRAGMA user_version", Description(StatementKind.PRAGMA, "user_version")),
        ("PRAGMA main.user_version = 3", Description(StatementKind.PRAGMA, "user_version", "main", writes=True)),
        ("PRAGMA foreign_keys(1)", Description(StatementKind.PRAGMA, "foreign_keys", writes=True)),
        ("PRAGMA table_info(a)", Description(StatementKind.PRAGMA, "table_info")),
        ("PRAGMA optimize", Description(StatementKind.PRAGMA, "optimize", writes=True)),
    ],
)
def test_created_objects_and_pragmas_are_described(sql: str, description: Description) -> None:
    assert describe(sql)._replace(named_at=0) == description


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("alter table a add b", StatementKind.ALTER),
        ("DROP TABLE a", StatementKind.DROP),
        ("INSERT INTO a VALUES (1)", StatementKind.WRITE),
        ("REPLACE INTO a VALUES (1)", StatementKind.WRITE),
        ("UPDATE a SET b = 1", StatementKind.WRITE),
        ("DELETE FROM a", StatementKind.WRITE),
        ("WITH a AS (SELECT 1), replace(x) AS (SELECT 2) INSERT INTO b SELECT * FROM a", StatementKind.WRITE),
        ("WITH RECURSIVE a AS MATERIALIZED (DELETE) SELECT * FROM a", StatementKind.SELECT),
        ("SELECT 1", StatementKind.SELECT),
        ("VALUES (1)", StatementKind.SELECT),
        ("BEGIN IMMEDIATE", StatementKind.TRANSACTION),
        ("COMMIT", StatementKind.TRANSACTION),
        ("END", StatementKind.TRANSACTION),
        ("ROLLBACK TO a", StatementKind.TRANSACTION),
        ("SAVEPOINT a", StatementKind.TRANSACTION),
        ("RELEASE a", StatementKind.TRANSACTION),
        ("vacuum", StatementKind.VACUUM),
        ("ANALYZE a", StatementKind.ANALYZE),
        ("ATTACH 'a' AS b", StatementKind.ATTACH),
        ("DETACH b", StatementKind.DETACH),
        ("REINDEX a", StatementKind.REINDEX),
        ("EXPLAIN SELECT 1", StatementKind.EXPLAIN),
        ("-- only a comment before\nSELECT 1", StatementKind.SELECT),
        ("CREATE FUNCTION a", StatementKind.OTHER),
        ("nonsense", StatementKind.OTHER),
        ("", StatementKind.OTHER),
    ],
)
def test_other_statements_have_a_kind(sql: str, kind: StatementKind) -> None:
    assert describe(sql).kind is kind


@pytest.mark.parametrize("sql", ["CREATE TABLE", "CREATE INDEX a (b)", "CREATE TRIGGER a AFTER INSERT", "PRAGMA ="])
def test_a_statement_that_breaks_off_is_refused(sql: str) -> None:
    with pytest.raises(SqlTextError, match="expected"):
        describe(sql)
