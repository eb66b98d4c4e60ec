"""Names that lead nowhere: found in foreign keys, views and triggers, and blamed on the object that has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.schema_folders import write_folder
from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.project.loader import load_project

TABLES = "CREATE TABLE t (a PRIMARY KEY, b, sum AS (b + 1));\n"


def refusal(folder: Path, sql: str) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        load_project(write_folder(folder, {"a.sql": TABLES + sql}))
    assert caught.value.place is not None
    return caught.value


def trigger(name: str, head: str, body: str) -> str:
    return f"CREATE TRIGGER {name} {head}\nBEGIN\n{body};\nEND;\n"


@pytest.mark.parametrize(
    ("sql", "line", "told"),
    [
        ("CREATE TABLE c (\n  x,\n  y REFERENCES nope (id)\n);", 4, "Table c: no such table: nope"),
        ("CREATE TABLE c (x REFERENCES t (b));", 2, "foreign key mismatch"),
        ("CREATE TABLE c (x REFERENCES\n t (zip));", 3, "foreign key mismatch"),
        ("CREATE TABLE c (x, y, FOREIGN KEY (x, y) REFERENCES t (a, b));", 2, "foreign key mismatch"),
        ("CREATE VIEW v AS\nSELECT a\nFROM nope;", 4, "View v: no such table: main.nope"),
        ("CREATE VIEW v AS SELECT a,\n t.zip FROM t;", 3, "View v: no such column: t.zip"),
        (trigger("r", "AFTER INSERT ON t", "INSERT INTO nope VALUES (1)"), 4, "no such table: main.nope"),
        (trigger("r", "AFTER INSERT ON t", "INSERT INTO t (zip) VALUES (1)"), 4, "no column named zip"),
        (trigger("r", "AFTER DELETE ON t", "UPDATE t SET b = old.zip"), 4, "no such column: old.zip"),
        (trigger("r", "AFTER UPDATE ON t\nWHEN new.zip", "SELECT 1"), 3, "no such column: new.zip"),
        (trigger("r", "AFTER UPDATE OF a,\nzip ON t", "SELECT 1"), 3, "no such column: zip"),
        (
            "CREATE VIEW v AS SELECT a FROM t;\n" + trigger("r", "INSTEAD OF UPDATE ON v", "DELETE FROM nope"),
            5,
            "no such table: main.nope",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_placed_at_its_line(tmp_path: Path, sql: str, line: int, told: str) -> None:
    error = refusal(tmp_path, sql)
    assert error.code is ErrorCode.MISSING_REFERENCE
    assert error.place is not None
    assert (error.place.file.rpartition("/")[2], error.place.line) == ("a.sql", line)
    assert told in error.message


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ('CREATE INDEX i ON t ("zip");', 2),
        ('CREATE INDEX i ON t (a)\nWHERE "zip" > 1;', 3),
        ('CREATE TABLE c (x,\n CHECK ("zip" <> x));', 3),
        ('CREATE TABLE c (x,\n y AS ("zip" || x));', 3),
        ('CREATE VIEW v AS SELECT a,\n "zip" FROM t;', 3),
        (trigger("r", "AFTER INSERT ON t", 'INSERT INTO t (a) SELECT "zip" FROM t'), 4),
    ],
)
def test_a_name_in_double_quotes_that_leads_nowhere_is_no_text(tmp_path: Path, sql: str, line: int) -> None:
    error = refusal(tmp_path, sql)
    assert error.code is ErrorCode.MISSING_REFERENCE
    assert error.place is not None
    assert error.place.line == line
    assert "zip" in error.message


def test_double_quotes_may_hold_whatever_is_a_name_or_cannot_be_a_column(tmp_path: Path) -> None:
    sql = """
        CREATE TABLE "odd "" name` of [all]" ("a" TEXT DEFAULT "x" COLLATE "nocase", "b`" AS ("a") CHECK ("b`" <> 'y'));
        CREATE INDEX "i" ON "odd "" name` of [all]" ("a" COLLATE "nocase") WHERE "b`" > 'x';
        CREATE VIEW "v" AS SELECT "o"."a" AS "c" FROM "odd "" name` of [all]" AS "o" ORDER BY "c";
        CREATE TRIGGER "r" INSTEAD OF INSERT ON "v" BEGIN INSERT INTO "t" ("a") VALUES (new."c"); END;
        CREATE VIRTUAL TABLE "f" USING fts5("a", tokenize = "unicode61 remove_diacritics 2");
    """
    project = load_project(write_folder(tmp_path, {"a.sql": TABLES + sql}))
    assert project.wanted.views["v"].sql.startswith('CREATE VIEW "v"')


def test_lines_are_counted_from_the_name_that_the_stored_text_begins_with(tmp_path: Path) -> None:
    error = refusal(tmp_path, "CREATE\nVIEW\nIF NOT EXISTS v\nAS SELECT\nzip FROM t;")
    assert error.place is not None
    assert (error.place.line, error.place.column) == (6, 1)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("CREATE VIEW v (a, b) AS SELECT 1;", "expected 2 columns"),
        ("CREATE VIEW v AS SELECT * FROM w; CREATE VIEW w AS SELECT * FROM v;", "circularly defined"),
        ("CREATE VIEW v AS SELECT a FROM t, t AS u;", "ambiguous column name"),
        (trigger("r", "AFTER INSERT ON t", "INSERT INTO t VALUES (1, 2, 3, 4)"), "4 values"),
    ],
)
def test_what_can_never_work_is_no_missing_reference(tmp_path: Path, sql: str, told: str) -> None:
    error = refusal(tmp_path, sql)
    assert error.code is ErrorCode.SQL_INVALID
    assert told in error.message


def test_the_view_to_blame_is_the_one_that_reads_no_other_broken_view(tmp_path: Path) -> None:
    views = (
        "CREATE VIEW a AS SELECT zip FROM b;\nCREATE VIEW b AS SELECT zip FROM c;\nCREATE VIEW c AS SELECT zip FROM t;"
    )
    error = refusal(tmp_path, views)
    assert "View c: no such column: zip" in error.message


def test_the_trigger_to_blame_is_the_one_with_the_error(tmp_path: Path) -> None:
    triggers = [
        trigger("first", "AFTER INSERT ON t", "DELETE FROM t"),
        trigger("second", "AFTER DELETE ON t", "INSERT INTO nope VALUES (1)"),
        trigger("third", "AFTER INSERT ON t", "SELECT 1"),
    ]
    error = refusal(tmp_path, "".join(triggers))
    assert error.message.startswith("Trigger second:")
    assert error.place is not None
    assert error.place.line == 8


def test_what_holds_together_is_accepted(tmp_path: Path) -> None:
    project = load_project(
        write_folder(
            tmp_path,
            {
                "a.sql": TABLES,
                "b.sql": "CREATE TABLE self (id INTEGER PRIMARY KEY, up REFERENCES self, t REFERENCES T (A));"
                "CREATE VIEW top AS SELECT * FROM middle; CREATE VIEW middle AS SELECT a, its_own(b) AS x FROM t;"
                + trigger("of_generated", "AFTER UPDATE OF sum ON t", "SELECT new.sum, its_own(1)")
                + trigger("on_view", "INSTEAD OF INSERT ON top", "INSERT INTO t (a) VALUES (new.a)")
                + trigger("again", "AFTER INSERT ON t", "UPDATE t SET b = 1 WHERE a = new.a")
                + trigger("updated", "BEFORE UPDATE ON t WHEN new.b IS NOT old.b", "SELECT RAISE(IGNORE)"),
            },
        )
    )
    assert len(project.wanted.triggers) == 4
    stored = project.scratch.connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").rows
    assert [name for (name,) in stored] == list(project.wanted.triggers)
