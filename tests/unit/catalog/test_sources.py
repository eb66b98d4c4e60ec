"""Statements of schema files that are no definitions: what is skipped with a notice, and what is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from turso_deploy.catalog.sources import MAX_FAULTS
from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder, SkipReason
from turso_deploy.project.loader import load_project
from turso_deploy.project.sql_files import Sources, read_sources

Read = Callable[..., Sources]
FTS5 = """CREATE VIRTUAL TABLE docs USING fts5(title, body)
/* docs(title,body) */;
CREATE TABLE IF NOT EXISTS 'docs_data'(id INTEGER PRIMARY KEY, block BLOB);
CREATE TABLE IF NOT EXISTS 'docs_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS 'docs_content'(id INTEGER PRIMARY KEY, c0, c1);
CREATE TABLE IF NOT EXISTS 'docs_docsize'(id INTEGER PRIMARY KEY, sz BLOB);
CREATE TABLE IF NOT EXISTS 'docs_config'(k PRIMARY KEY, v) WITHOUT ROWID;
"""
DUMP = """PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE author (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
INSERT INTO author VALUES(1,'Ada; Grace');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('author',2);
COMMIT;
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write files below `schema` and read the folder."""

    def read(sql: str, **others: str) -> Sources:
        folder = tmp_path / "schema"
        folder.mkdir(exist_ok=True)
        for name, text in {"a": sql, **others}.items():
            (folder / f"{name}.sql").write_text(text)
        return read_sources(SchemaFolder.open(folder, "schema"))

    return read


def error(read: Read, sql: str, **others: str) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        read(sql, **others)
    return caught.value


def names(sources: Sources) -> list[str]:
    return [source.description.name or "" for source in sources.definitions]


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA foreign_keys=OFF",
        "pragma foreign_keys = on",
        "PRAGMA main.foreign_keys(0)",
        "PRAGMA foreign_keys",
        "BEGIN",
        "BEGIN IMMEDIATE TRANSACTION",
        "COMMIT",
        "COMMIT TRANSACTION",
        "END",
        "DROP TABLE IF EXISTS t",
        'DROP TABLE IF EXISTS main."T"',
        "drop view if exists v",
        "DROP INDEX IF EXISTS i",
        "DROP TRIGGER IF EXISTS r",
    ],
)
def test_statement_that_a_deployment_makes_needless_is_skipped(read: Read, statement: str) -> None:
    sources = read(
        f"{statement};\nCREATE TABLE t (a);\nCREATE VIEW v AS SELECT 1;\nCREATE INDEX i ON t (a);\n"
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;"
    )
    assert names(sources) == ["t", "i", "v", "r"]
    [skipped] = sources.skipped
    assert (str(skipped.place), skipped.reason) == ("schema/a.sql:1:1", SkipReason.OF_DEPLOYMENT)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE t; CREATE TABLE t (a)",
        "CREATE TABLE t (a); DROP TABLE IF EXISTS t",
        "CREATE TABLE t (a); DROP TABLE IF EXISTS u",
        "DROP VIEW IF EXISTS t; CREATE TABLE t (a)",
        "DROP TABLE IF EXISTS other.t; CREATE TABLE t (a)",
    ],
)
def test_drop_of_anything_but_a_later_definition_of_the_file_is_an_error(read: Read, sql: str) -> None:
    found = error(read, sql)
    assert found.code is ErrorCode.SQL_FORBIDDEN
    assert found.message.startswith("A schema file cannot hold DROP ")


def test_drop_of_what_another_file_creates_is_an_error(read: Read) -> None:
    assert error(read, "DROP TABLE IF EXISTS t;", b="CREATE TABLE t (a);").code is ErrorCode.SQL_FORBIDDEN


def test_shadow_tables_in_the_output_of_the_shell_are_skipped(read: Read) -> None:
    sources = read(FTS5)
    assert names(sources) == ["docs"]
    assert [item.title for item in sources.skipped] == [
        "table docs_data",
        "table docs_idx",
        "table docs_content",
        "table docs_docsize",
        "table docs_config",
    ]
    assert {item.reason for item in sources.skipped} == {SkipReason.OF_SQLITE}


@pytest.mark.parametrize(
    ("sql", "kept", "skipped"),
    [
        ("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE sqlite_sequence(name,seq)", ["t"], 1),
        ("CREATE TABLE t (a); CREATE TABLE sqlite_stat1(tbl,idx,stat)", ["t"], 1),
        ("CREATE TABLE t (a); CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)", ["t"], 1),
        (
            "CREATE VIRTUAL TABLE f USING fts4(a); CREATE TABLE 'f_content'(docid INTEGER PRIMARY KEY, 'c0a'); CREATE "
            "TABLE 'f_segments'(blockid INTEGER PRIMARY KEY, block BLOB); CREATE TABLE 'f_segdir'(level INTEGER,idx "
            "INTEGER,start_block INTEGER,leaves_end_block INTEGER,end_block INTEGER,root BLOB,PRIMARY KEY(level, idx));"
            "CREATE TABLE 'f_docsize'(docid INTEGER PRIMARY KEY, size BLOB); CREATE TABLE 'f_stat'(id INTEGER PRIMARY "
            "KEY, value BLOB)",
            ["f"],
            5,
        ),
        (
            'CREATE VIRTUAL TABLE Box USING rtree(id, x0, x1); CREATE TABLE "Box_rowid"(rowid INTEGER PRIMARY KEY, '
            'nodeno); CREATE TABLE "Box_node"(nodeno INTEGER PRIMARY KEY,data); CREATE TABLE "Box_parent"(nodeno '
            "INTEGER PRIMARY KEY,parentnode)",
            ["Box"],
            3,
        ),
        (
            "CREATE TABLE m (e F32_BLOB(3)); CREATE INDEX i ON m (libsql_vector_idx(e)); CREATE TABLE IF NOT EXISTS "
            "i_shadow (index_key INTEGER, data BLOB, PRIMARY KEY (index_key)); CREATE INDEX i_shadow_idx ON i_shadow "
            "(index_key); CREATE TABLE libsql_vector_meta_shadow (name TEXT PRIMARY KEY, metadata BLOB) WITHOUT ROWID",
            ["m", "i"],
            3,
        ),
        (
            "CREATE VIRTUAL TABLE f USING fts5(a, content='f_content'); CREATE TABLE f_content (id INTEGER PRIMARY "
            "KEY, a); CREATE TABLE f_config(k PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE f_notes (a)",
            ["f_content", "f_notes", "f"],
            1,
        ),
        (
            "CREATE TABLE t (a); CREATE TABLE schema_deployments (number INTEGER PRIMARY KEY, id TEXT, "
            "schema_fingerprint TEXT, seeds_fingerprint TEXT, managed_objects TEXT)",
            ["t"],
            1,
        ),
        ("DROP TABLE IF EXISTS docs_data;" + FTS5, ["docs"], 6),
    ],
)
def test_what_the_engine_creates_is_skipped_and_nothing_else(
    read: Read, sql: str, kept: list[str], skipped: int
) -> None:
    sources = read(sql)
    assert (names(sources), len(sources.skipped)) == (kept, skipped)


def test_own_table_with_the_name_of_a_shadow_table_is_an_error_at_it(read: Read) -> None:
    found = error(read, "CREATE VIRTUAL TABLE docs USING fts5(title);\nCREATE TABLE docs_data (id INTEGER, mine TEXT);")
    assert found.code is ErrorCode.DUPLICATE_OBJECT
    assert str(found.place) == "schema/a.sql:2:1"
    assert "for the virtual table docs" in found.message


def test_dump_with_rows_is_one_error_that_names_pull(read: Read) -> None:
    found = error(read, DUMP)
    assert found.code is ErrorCode.SQL_FORBIDDEN
    assert str(found.place) == "schema/a.sql"
    assert "a dump of a database with its rows (3 statements besides definitions, from line 4 on)" in found.message
    assert "turso-deploy pull" in (found.hint or "")
    assert not found.causes
    assert "Ada" not in found.message


@pytest.mark.parametrize(
    "sql",
    [
        DUMP.replace("PRAGMA foreign_keys=OFF;\n", ""),
        DUMP.replace("BEGIN TRANSACTION;\n", "").replace("COMMIT;\n", ""),
        DUMP.replace("COMMIT;", "ROLLBACK; -- due to errors"),
        DUMP.replace("COMMIT;", "PRAGMA writable_schema=ON;\nINSERT INTO sqlite_schema VALUES('table');\nCOMMIT;"),
        DUMP.replace("COMMIT;", "ANALYZE sqlite_schema;\nINSERT INTO sqlite_stat1 VALUES('a');\nCOMMIT;"),
    ],
)
def test_every_form_of_a_dump_is_one_error(read: Read, sql: str) -> None:
    found = error(read, sql)
    assert "a dump of a database" in found.message
    assert not found.causes


def test_dump_without_rows_is_loaded(read: Read) -> None:
    sources = read(
        "".join(line for line in DUMP.splitlines(keepends=True) if "sequence" not in line and "Ada" not in line)
    )
    assert names(sources) == ["author"]
    assert len(sources.skipped) == 3


def test_rows_without_a_dump_around_them_belong_into_seeds(read: Read) -> None:
    found = error(read, "CREATE TABLE t (a);\nINSERT INTO t VALUES ('secret');")
    assert found.message == "A schema file cannot hold INSERT."
    assert found.hint == "Put the rows into seeds/, one file for each table."


@pytest.mark.parametrize("sql", ["DELETE FROM sqlite_sequence;", "INSERT INTO 'sqlite_stat1' VALUES ('t', NULL, '5');"])
def test_writes_to_the_tables_of_sqlite_have_to_go(read: Read, sql: str) -> None:
    assert error(read, f"CREATE TABLE t (a);\n{sql}").hint == "Remove it: SQLite keeps this table itself."


def test_all_faults_of_a_folder_are_reported_at_once_with_their_places(read: Read) -> None:
    found = error(
        read,
        "CREATE TABLE t (a);\n.mode column it's\nATTACH 'x.db' AS x;\nCREATE TABLE x.u (a);\nSELEKT 1;\n",
        b="CREATE TEMP TABLE v (a);\nCREATE TABLE w AS SELECT 1;\nUPDATE t SET a = 'secret';",
        c="CREATE TABLE y (a DEFAULT 'open);",
        d=DUMP,
    )
    assert found.code is ErrorCode.SQL_FORBIDDEN
    assert [(str(cause.place), cause.message) for cause in found.causes] == [
        ("schema/a.sql:2:1", "the dot command .mode: remove the line: only the shell of SQLite reads it"),
        ("schema/a.sql:3:1", "ATTACH: remove it: a deployment changes one database"),
        (
            "schema/a.sql:4:1",
            "an object of the schema x: remove `x.` before its name: a deployment changes one database",
        ),
        ("schema/a.sql:5:1", 'the SQL cannot be read: near "SELEKT": syntax error: correct the statement here'),
        (
            "schema/b.sql:1:1",
            "CREATE TEMP: remove it: temporary objects exist for one connection only, and libSQL servers reject them",
        ),
        (
            "schema/b.sql:2:1",
            "CREATE TABLE … AS SELECT: list the columns instead, and put rows into seeds/: it copies rows and loses "
            "types and constraints",
        ),
        ("schema/b.sql:3:1", "UPDATE: put it into a one-time script in scripts/"),
        (
            "schema/c.sql:1:27",
            "the SQL cannot be read: ' opens a string or a name that is not closed: correct the statement here",
        ),
        (
            "schema/d.sql",
            "a dump of a database with its rows (3 statements besides definitions, from line 4 on): run "
            "`turso-deploy pull` with an empty folder, which writes the definitions of the database; put rows "
            "that belong to the schema into seeds/, one file for each table",
        ),
    ]
    assert all(str(cause.place) in found.message for cause in found.causes)
    assert "secret" not in found.message


def test_thousands_of_faults_are_counted_and_the_first_are_named(read: Read) -> None:
    found = error(read, "CREATE TABLE t (a);\n" + "INSERT INTO t VALUES (1);\n" * 1234)
    assert len(found.causes) == MAX_FAULTS
    assert "holds 1,234 statements" in found.message
    assert found.message.endswith("and 1,134 more")


def test_notices_name_what_is_skipped_by_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(f"PRAGMA foreign_keys=OFF;\nBEGIN;\n{FTS5}COMMIT;\n")
    with load_project(tmp_path) as project:
        of_deployment, of_sqlite = project.notices
    assert of_deployment == (
        f"Skipped in the schema folder, because {SkipReason.OF_DEPLOYMENT}: PRAGMA foreign_keys "
        f"({tmp_path}/a.sql:1:1), BEGIN ({tmp_path}/a.sql:2:1), COMMIT ({tmp_path}/a.sql:10:1)."
    )
    assert f"because {SkipReason.OF_SQLITE}: table docs_data ({tmp_path}/a.sql:5:1), " in of_sqlite
