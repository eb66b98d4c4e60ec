"""Texts in double quotes: a file may hold them, `pull` writes them in single quotes, and a folder is told the cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import DatabaseUnderTest, run_program

LIVE = (
    'CREATE TABLE f (id INTEGER PRIMARY KEY, n INTEGER, "state" TEXT CHECK ("state" IN ("open", \'closed\')))',
    "CREATE TABLE g (a TEXT, b TEXT UNIQUE, open INTEGER)",
    'CREATE INDEX f_state ON f (n) WHERE "state" <> "it\'s new"',
    """CREATE TRIGGER f_g AFTER INSERT ON f WHEN NEW."state" <> "closed" BEGIN
      INSERT INTO g (a, b) VALUES (NEW."id", "") ON CONFLICT DO UPDATE SET a = "open";
    END""",
    'CREATE VIEW v AS SELECT "n" AS "closed", "Open" AS label FROM f WHERE "state" = "new"',
)


def test_texts_in_double_quotes_are_pulled_in_single_quotes(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    in_file.run(*LIVE)
    schema = tmp_path / "schema"
    pulled = run_program("pull", schema, in_file.url)
    assert pulled.error is None
    [notice] = [notice for notice in pulled.document["notices"] if "double quotes" in notice]
    assert notice.endswith(": table f, index f_state, view v, trigger f_g.")
    written = "".join(file.read_text(encoding="utf-8") for file in schema.glob("*.sql"))
    for text in (
        "CHECK (\"state\" IN ('open', 'closed'))",
        "WHERE \"state\" <> 'it''s new'",
        "WHEN NEW.\"state\" <> 'closed'",
        "VALUES (NEW.\"id\", '')",
        'SELECT "n" AS "closed", \'Open\' AS label FROM f WHERE "state" = \'new\'',
    ):
        assert text in written
    # g has a column called `open`, so that this is no text.
    assert 'SET a = "open"' in written
    planned = run_program("plan", schema, in_file.url).document
    assert (planned["error"], planned["steps"]) == (None, [])
    assert run_program("verify", schema, in_file.url).error is None
    (schema / "g.sql").write_text("CREATE TABLE g (a TEXT, b TEXT UNIQUE, open INTEGER NOT NULL);", encoding="utf-8")
    assert run_program("deploy", schema, in_file.url).error is None
    assert run_program("plan", schema, in_file.url).document["status"] == "unchanged"


@pytest.mark.parametrize(
    "sql",
    [
        'CREATE TABLE t (a TEXT CHECK (a <> "nope"));',
        'CREATE TABLE t (a TEXT);\nCREATE VIEW v AS SELECT a FROM t WHERE a = "nope";',
        'CREATE TABLE t (a TEXT);\nCREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = "nope"; END;',
    ],
)
def test_text_in_double_quotes_in_a_folder_is_an_error_that_names_the_cause(
    target: DatabaseUnderTest, tmp_path: Path, sql: str
) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema/t.sql").write_text(sql, encoding="utf-8")
    stopped = run_program("plan", tmp_path / "schema", target.url, target.token)
    assert (stopped.status, stopped.error["code"]) == (2, "missing-reference")
    assert "write it in single quotes: 'nope'" in stopped.error["hint"]
