"""Whole databases as applications have them: pulled, planned, documented, changed and changed back.

The schemas in tests/cases/databases are written in the manner of well-known applications: full-text search with its
triggers, R*Trees, generated columns, references that an old RENAME left behind, and odd quoting.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest, run_program
from turso_deploy.core.transaction import Purpose, Query, Transaction, TransactionStep
from turso_deploy.sql.lexer import quote_identifier
from turso_deploy.sql.splitter import split

DATABASES = Path(__file__).parents[1] / "cases/databases"
CHANGES = {
    "feed-reader": (
        "starred BOOLEAN NOT NULL DEFAULT FALSE",
        "starred BOOLEAN NOT NULL DEFAULT FALSE CHECK (starred < 2)",
    ),
    "photo-library": ("rating\tREAL DEFAULT 0.5,", "rating\tREAL DEFAULT 0.5 CHECK (rating >= 0),"),
    "messenger": ("text TEXT NOT NULL,", "text TEXT NOT NULL CHECK (text <> ''),"),
    "home-automation": ('"true" CHAR(1),', '"true" CHAR(1) CHECK ("true" IN (0, 1)),'),
    "bookkeeping": ("memo NVARCHAR(200) COLLATE RTRIM", "memo NVARCHAR(200) COLLATE NOCASE"),
}
"""A text of each schema, and what replaces it: each makes a table rebuild, with everything that depends on it."""
BROKEN = {
    "photo-library": ("table Albums: no such table: Albums_old", "view old_thumbnails"),
    "home-automation": ("table statistics_runs: no such table: recorder_runs", "trigger lost"),
    "bookkeeping": ("table prices: foreign key mismatch",),
}


def test_every_database_has_a_change() -> None:
    assert {path.stem for path in DATABASES.glob("*.sql")} == CHANGES.keys()


@pytest.mark.parametrize("name", CHANGES)
def test_whole_database_is_pulled_planned_documented_changed_and_changed_back(
    target: DatabaseUnderTest, tmp_path: Path, name: str
) -> None:
    _create(target, (DATABASES / f"{name}.sql").read_text(encoding="utf-8"))
    schema = tmp_path / "schema"

    def run(command: str, **settings: Any) -> Any:
        done = run_program(command, schema, target.url, target.token, **settings)
        assert done.error is None
        return done.document

    notices = " ".join(run("pull")["notices"])
    for text in BROKEN.get(name, ()):
        assert text in notices
    content, objects = rows_of(target), ours(target)
    assert run("plan")["steps"] == []
    run("deploy")
    assert (rows_of(target), ours(target)) == (content, objects)
    run("docs", output=str(tmp_path / "docs"))
    assert run("plan")["status"] == "unchanged"
    old, new = CHANGES[name]
    for before, after in ((old, new), (new, old)):
        [file] = [path for path in schema.glob("*.sql") if before in path.read_text(encoding="utf-8")]
        file.write_text(file.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
        assert run("plan")["steps"] != []
        assert run("deploy")["status"] == "deployed"
        assert run("plan")["status"] == "unchanged"
        assert rows_of(target) == content
        assert target.rows("PRAGMA integrity_check") == [("ok",)]
    assert {(kind, name) for kind, name, _ in ours(target)} == {(kind, name) for kind, name, _ in objects}


def _create(target: DatabaseUnderTest, sql: str) -> None:
    """Run a schema and its rows without foreign keys, as the applications that left them behind do."""
    steps = tuple(TransactionStep(Query(each.text), Purpose.CHANGE, each.text) for each in split(sql))
    with closing(target.open()) as database:
        outcome = database.apply(Transaction(steps, foreign_keys=False))
    assert outcome.committed, outcome.failed


def ours(target: DatabaseUnderTest) -> list[tuple[Any, ...]]:
    """Kind, name and SQL of all objects, without the deployment history."""
    return target.rows(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name NOT IN ('schema_deployments', 'sqlite_sequence') "
        "AND sql IS NOT NULL ORDER BY 1, 2"
    )


def rows_of(target: DatabaseUnderTest) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of all tables that are no shadows."""
    tables = target.rows(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') "
        "AND name NOT LIKE 'sqlite%' AND name <> 'schema_deployments' ORDER BY 1"
    )
    names = [str(name) for (name,) in tables]
    return {name: target.rows(f"SELECT * FROM {quote_identifier(name)} ORDER BY 1") for name in names}
