"""A REAL has the same text here, on servers and in programs with an older SQLite, and LIKE matches a blob as there."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from turso_deploy.core.errors import ProjectError
from turso_deploy.core.transaction import Query, Rows, Value
from turso_deploy.project.project import Project
from turso_deploy.report.document import Status
from turso_deploy.sqlite.connection import Connection

FORMS = [
    "CAST(?1 AS TEXT)",
    "?1 || ''",
    "length(?1)",
    "upper(?1)",
    "hex(?1)",
    "instr(?1, '0')",
    "replace(?1, '0', '')",
    "printf('%s', ?1)",
    "?1 LIKE '%0000%'",
    "(SELECT group_concat(x) FROM (SELECT ?1 AS x))",
]
SUM = 0.1 + 0.2
"""A number whose shortest exact text has 17 digits; with 15 it is 0.3."""


def reals() -> list[float]:
    random = Random(20)
    bits = (struct.unpack("d", struct.pack("Q", random.getrandbits(64)))[0] for _ in range(100))
    drawn = [number for number in bits if number - number == 0]  # neither NaN nor infinite
    return [SUM, 1 / 3, 1e15, 1e16, 1e21, 1e23, 5e-324, 2.5e-5, 123456789012345.6, *drawn]


def test_real_has_the_text_of_servers_and_of_older_sqlite(on_sqld: DatabaseUnderTest) -> None:
    numbers = reals()
    for form in FORMS:
        sql = f"SELECT {form}"
        with closing(on_sqld.open()) as database:
            answers = database.query([Query(sql, (number,)) for number in numbers])
        theirs = [answer.rows[0][0] for answer in answers if isinstance(answer, Rows)]
        with closing(Connection.in_memory()) as ours, closing(sqlite3.connect(":memory:")) as older:
            assert theirs == [ours.execute(sql, (number,)).rows[0][0] for number in numbers], form
            assert theirs == [older.execute(sql, (number,)).fetchone()[0] for number in numbers], form


def project_of(tmp_path: Path, columns: str, **files: str) -> Project:
    tables = f"CREATE TABLE p (id INTEGER PRIMARY KEY, {columns});\n"
    return write_project(tmp_path / "schema", {"s.sql": tables, **files})


def deploys_once(target: DatabaseUnderTest, project: Project) -> None:
    report = target.deploy(project)
    assert (report.status, report.error) == (Status.DEPLOYED, None)
    assert target.deploy(project).status is Status.UNCHANGED
    assert target.plan(project).status is Status.UNCHANGED


def test_seeds_with_text_of_reals_are_deployed_once(target: DatabaseUnderTest, tmp_path: Path) -> None:
    columns = (
        "price REAL CHECK (length(price || '') < 6), name TEXT, shown TEXT AS (price || ' €') STORED, "
        "untyped, CHECK (name <> price || '')"
    )
    seeds = f'[{{"id": 1, "price": {SUM}, "name": {SUM}, "untyped": {SUM}}}]'
    deploys_once(target, project_of(tmp_path, columns, **{"seeds/p.json": seeds}))
    assert target.rows("SELECT name, shown, untyped FROM p") == [(str(SUM), "0.3 €", SUM)]
    more = seeds.replace("}]", f'}}, {{"id": 2, "price": {SUM + 1}, "name": "x", "untyped": "{SUM}"}}]')
    report = target.deploy(project_of(tmp_path, columns, **{"seeds/p.json": more}))
    assert [(one.inserted, one.updated, one.unchanged) for one in report.seeds] == [(1, 0, 1)], report.error


def test_keys_with_one_text_of_two_reals_are_an_error_of_the_folder(tmp_path: Path) -> None:
    columns = "price REAL UNIQUE, shown TEXT AS (price || '') STORED UNIQUE"
    seeds = f'[{{"id": 1, "price": {SUM}}}, {{"id": 2, "price": 0.3}}]'
    with pytest.raises(ProjectError, match="must be unique"):
        project_of(tmp_path, columns, **{"seeds/p.json": seeds})


def test_changed_type_keeps_the_text_that_the_database_has(target: DatabaseUnderTest, tmp_path: Path) -> None:
    target.deploy(project_of(tmp_path, "price REAL", **{"seeds/p.json": f'[{{"id": 1, "price": {SUM}}}]'}))
    columns = "price REAL, shown TEXT NOT NULL CHECK (length(shown) < 6) -- @using price || ''\n"
    deploys_once(
        target, write_project(tmp_path / "b", {"s.sql": f"CREATE TABLE p (id INTEGER PRIMARY KEY, {columns});"})
    )
    assert target.rows("SELECT shown FROM p") == [("0.3",)]


def test_index_of_another_program_over_text_of_reals_stays_sound(in_file: DatabaseUnderTest, tmp_path: Path) -> None:
    """An entry that is looked for by another text than it was written with is a corrupt index to SQLite."""
    columns, index = "price REAL, n INTEGER", "CREATE INDEX shown ON p (price || '');"
    with closing(sqlite3.connect(in_file.file)) as theirs:
        theirs.executescript(
            f"CREATE TABLE p (id INTEGER PRIMARY KEY, {columns}); {index} INSERT INTO p VALUES (1, {SUM!r}, 1);"
        )
    project = write_project(tmp_path / "b", {"s.sql": f"CREATE TABLE p (id INTEGER PRIMARY KEY, {columns}); {index}"})
    in_file.deploy(project)
    in_file.run("UPDATE p SET price = 0.7 WHERE id = 1", f"INSERT INTO p VALUES (2, {SUM!r}, 1)")
    with closing(sqlite3.connect(in_file.file)) as theirs:
        assert theirs.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        theirs.execute("DELETE FROM p")
        assert theirs.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_blob_that_a_check_matches_is_deployed_where_the_engine_matches_it(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    columns = "content BLOB CHECK (content LIKE 'PK%' OR content GLOB 'GIF*'), name TEXT CHECK (name LIKE '_%')"
    seeds = "id,content,name\n1,x'504b0304',a\n2,x'47494638',b\n3,PK as text,c\n"
    deploys_once(on_sqld, project_of(tmp_path, columns, **{"seeds/p.csv": seeds}))


def test_blob_that_a_check_does_not_match_is_an_error_of_the_transaction(
    in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    project = project_of(
        tmp_path, "content BLOB CHECK (content LIKE 'PK%')", **{"seeds/p.csv": "id,content\n1,x'504b0304'\n"}
    )
    report = in_file.deploy(project)
    assert report.error is not None
    assert "CHECK constraint failed" in report.error.message
    assert not in_file.names()


def values(sql: str, *arguments: Value) -> tuple[Value, ...]:
    with closing(Connection.in_memory()) as connection:
        connection.match_blobs()
        return connection.execute(sql, arguments).rows[0]


def test_matching_of_blobs_leaves_all_other_matches_as_they_are() -> None:
    sql = (
        "SELECT 'A_b' LIKE 'a\\_B' ESCAPE '\\', NULL LIKE 'a', 'A' GLOB 'a', 12 LIKE '1_', ?1 LIKE '0.3', 'ä' LIKE 'Ä'"
    )
    with closing(Connection.in_memory()) as plain:
        assert values(sql, SUM) == plain.execute(sql, (SUM,)).rows[0]
    assert values("SELECT x'ff41' LIKE '_A', x'41' GLOB 'A', 'a' LIKE x'41'") == (1, 1, 1)
