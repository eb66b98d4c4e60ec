"""The SQL files: what is found in them, and what is refused with its file, line and column before any request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.unprivileged import without_privileges
from turso_deploy.catalog.sources import Source
from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.project.sql_files import read_sources

Read = Callable[..., list[Source]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write files below `schema` and read the folder."""

    def read(files: dict[str, str | bytes]) -> list[Source]:
        folder = tmp_path / "schema"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_sources(SchemaFolder.open(folder, "schema")).definitions

    return read


def refusal(read: Read, files: dict[str, str | bytes]) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        read(files)
    assert caught.value.hint
    assert caught.value.exit_code == 2
    assert caught.value.committed is False
    return caught.value


def test_statements_come_in_the_order_in_which_they_can_run(read: Read) -> None:
    sources = read(
        {
            "a.sql": "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;\nCREATE VIEW v AS SELECT 1;",
            "b/c.SQL": "CREATE VIRTUAL TABLE f USING fts5 (a); CREATE UNIQUE INDEX i ON t (a);",
            "z.sql": "\n-- the table\nCREATE TABLE IF NOT EXISTS t (a);",
            "seeds/t.sql": "INSERT INTO t VALUES (1);",
            "scripts/run.sql": "DROP TABLE t;",
            "queries/q.sql": "SELECT 1;",
            "notes.md": "CREATE nothing",
        }
    )
    assert [source.key for source in sources] == [
        ("table", "t"),
        ("table", "f"),
        ("index", "i"),
        ("view", "v"),
        ("trigger", "r"),
    ]
    assert [str(source.place) for source in sources] == [
        "schema/z.sql:3:1",
        "schema/b/c.SQL:1:1",
        "schema/b/c.SQL:1:40",
        "schema/a.sql:2:1",
        "schema/a.sql:1:1",
    ]


def test_the_stored_text_begins_at_the_name(read: Read) -> None:
    [source] = read({"a.sql": "\n  CREATE\n  TABLE IF NOT EXISTS\n main . t (\n a)"})
    assert str(source.place) == "schema/a.sql:2:3"
    assert str(source.stored_place) == "schema/a.sql:4:9"


@pytest.mark.parametrize(
    ("sql", "place", "reason"),
    [
        ("CREATE TABLE t (a TEXT DEFAULT 'x);\nCREATE TABLE u (b);\n", "1:32", "is not closed"),
        ("CREATE TABLE t (a);\n\n  CREATE TABEL u (b);", "3:10", 'near "TABEL": syntax error'),
        ("CREATE TABLE t (a);\nSELEKT 1;", "2:1", 'near "SELEKT": syntax error'),
        ("CREATE INDEX i\n  t (a);", "2:3", 'near "t": syntax error'),
        ("CREATE TRIGGER r AFTER INSERT\n  t BEGIN SELECT 1; END;", "2:3", 'near "t": syntax error'),
        ("CREATE;", "1:7", "incomplete input"),
        ("WITH a AS (SELECT 1", "1:11", "never closed"),
        ("CREATE TABLE t (a);\x00", "1:20", "has no meaning"),
        ("CREATE TABLE t (a DEFAULT x'0');", "1:27", "hexadecimal"),
    ],
)
def test_sql_that_cannot_be_read_is_placed(read: Read, sql: str, place: str, reason: str) -> None:
    error = refusal(read, {"a.sql": sql})
    assert error.code is ErrorCode.SQL_SYNTAX
    assert str(error.place) == f"schema/a.sql:{place}"
    assert reason in error.message


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("VACUUM", "VACUUM"),
        ("ANALYZE", "ANALYZE"),
        ("CREATE TEMP TABLE u (a)", "CREATE TEMP"),
        ("CREATE TABLE temp.u (a)", "CREATE TEMP"),
        ("CREATE TEMPORARY TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END", "CREATE TEMP"),
        ("CREATE TABLE other.u (a)", "the schema other"),
        ("ATTACH 'x.db' AS x", "ATTACH"),
        ("DETACH x", "DETACH"),
        ("PRAGMA journal_mode = WAL", "PRAGMA"),
        ("pragma user_version", "PRAGMA"),
        ("ROLLBACK", "ROLLBACK"),
        ("SAVEPOINT s", "SAVEPOINT"),
        ("INSERT INTO t VALUES (1)", "INSERT"),
        ("WITH x AS (SELECT 1) DELETE FROM t", "DELETE"),
        ("REPLACE INTO t VALUES (1)", "REPLACE"),
        (".mode column", "dot command .mode"),
        ("SELECT 1", "SELECT"),
        ("ALTER TABLE t ADD COLUMN b", "ALTER"),
        ("DROP TABLE t", "DROP"),
        ("REINDEX", "REINDEX"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("CREATE TABLE u AS SELECT * FROM t", "AS SELECT"),
        ("create table if not exists main.u as values (1)", "AS SELECT"),
    ],
)
def test_a_statement_that_no_schema_holds_is_refused(read: Read, statement: str, named: str) -> None:
    error = refusal(read, {"a.sql": f"CREATE TABLE t (a);\n -- why\n  {statement};\n"})
    assert error.code is ErrorCode.SQL_FORBIDDEN
    assert str(error.place) == "schema/a.sql:3:3"
    assert named in error.message


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("CREATE TABLE t (a)", "CREATE TABLE t (a)", "as table at schema/a.sql:1:1, and as table here"),
        ("CREATE TABLE Users (a)", 'CREATE TABLE IF NOT EXISTS "uSERS" (b)', "as table at"),
        ("CREATE TABLE t (a)", "CREATE VIEW [T] AS SELECT 1", "as table at schema/a.sql:1:1, and as view here"),
        ("CREATE TABLE t (a)", "CREATE INDEX t ON x (a)", "and as index here"),
        ("CREATE TABLE t (a)", "CREATE VIRTUAL TABLE t USING fts5 (a)", "as table at"),
        (
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
            "CREATE TRIGGER R AFTER DELETE ON t BEGIN SELECT 1; END",
            "as trigger at",
        ),
    ],
)
def test_two_definitions_of_one_name_are_refused_with_both_places(
    read: Read, first: str, second: str, told: str
) -> None:
    error = refusal(read, {"a.sql": f"{first};", "b/b.sql": f"\n{second};"})
    assert error.code is ErrorCode.DUPLICATE_OBJECT
    assert str(error.place) == "schema/b/b.sql:2:1"
    assert told in error.message
    assert "schema/a.sql:1:1" in error.message


def test_a_trigger_may_be_called_like_its_table(read: Read) -> None:
    assert len(read({"a.sql": "CREATE TABLE t (a); CREATE TRIGGER t AFTER INSERT ON t BEGIN SELECT 1; END"})) == 2


def test_no_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="There is no schema folder `db/schema`") as caught:
        read_sources(SchemaFolder.open(tmp_path / "db" / "schema", "db/schema"))
    assert caught.value.code is ErrorCode.SCHEMA_NOT_FOUND
    assert "schema-path" in str(caught.value.hint)


@pytest.mark.parametrize("files", [{}, {"a.sql": ""}, {"a.sql": "-- nothing\n;;\n"}, {"seeds/t.csv": "a\n1\n"}])
def test_a_folder_without_a_definition_never_means_an_empty_database(read: Read, files: dict[str, str | bytes]) -> None:
    assert refusal(read, files).code is ErrorCode.SCHEMA_EMPTY


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("CREATE TABLE t (a);\n-- caf\xe9\n".encode("latin-1"), 2),
        ("CREATE TABLE t (a);".encode("utf-16"), 1),
        (b"CREATE TABLE t (a);\n\n\xed\xa0\x80", 3),
    ],
)
def test_a_file_in_another_encoding_is_refused_at_its_line(read: Read, data: bytes, line: int) -> None:
    error = refusal(read, {"a.sql": data})
    assert error.code is ErrorCode.SQL_SYNTAX
    assert str(error.place) == f"schema/a.sql:{line}"
    assert "UTF-8" in error.message


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_matter(read: Read) -> None:
    first, second = read({"a.sql": b"\xef\xbb\xbfCREATE TABLE t (\r\n  a);\r\n  CREATE TABLE u (b);\r\n"})
    assert str(first.place) == "schema/a.sql:1:1"
    assert str(second.place) == "schema/a.sql:3:3"


@pytest.mark.parametrize("target", ["outside/secret.sql", "outside", "nowhere.sql"])
def test_a_link_that_leads_out_of_the_folder_or_nowhere_is_refused(read: Read, tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.sql").write_text("password: hunter2")
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "b.sql").symlink_to(tmp_path / target)
    error = refusal(read, {"a.sql": "CREATE TABLE t (a);"})
    assert error.code is ErrorCode.SCHEMA_NOT_FOUND
    assert str(error.place) == "schema/b.sql"
    assert "hunter2" not in error.message


def test_a_link_inside_the_folder_is_a_file_like_any_other(read: Read, tmp_path: Path) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "b.sql").symlink_to("parts/b.txt")
    assert len(read({"a.sql": "CREATE TABLE t (a);", "parts/b.txt": "CREATE TABLE u (a);"})) == 2


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("Seeds/t.csv", "`Seeds/`"),
        ("seed/t.json", "`seed/`"),
        ("SEEDS/other.yaml", "`SEEDS/`"),
        ("_seeds_/t.jsonl", "`_seeds_/`"),
        ("tables/seeds/t.csv", "`tables/seeds/`"),
        ("Seed/more/t.yml", "`Seed/`"),
    ],
)
def test_seeds_in_a_folder_that_is_not_read_are_an_error(read: Read, file: str, named: str) -> None:
    error = refusal(read, {"a.sql": "CREATE TABLE t (a);", file: "a\n1\n"})
    assert error.code is ErrorCode.SEED_INVALID
    assert str(error.place) == f"schema/{file}"
    assert named in error.message
    assert "`seeds/`, directly in the schema folder" in str(error.hint)


@pytest.mark.parametrize("file", ["t.csv", "T.CSV", "data/t.csv", "sedes/t.csv"])
def test_csv_file_that_is_named_for_a_table_and_not_read_is_an_error(read: Read, file: str) -> None:
    error = refusal(read, {"a.sql": "CREATE TABLE T (a);", file: "a\n1\n"})
    assert error.code is ErrorCode.SEED_INVALID
    assert str(error.place) == f"schema/{file}"
    assert "Move it into `seeds/`" in str(error.hint)


@pytest.mark.parametrize("file", ["other.csv", "data/t.json", "feeds/t.yml", ".old/seeds/t.csv", "seed/notes.md"])
def test_file_that_is_hardly_meant_as_seeds_is_no_error(read: Read, file: str) -> None:
    assert len(read({"a.sql": "CREATE TABLE t (a);", file: "a\n1\n"})) == 1


@pytest.mark.parametrize(
    ("file", "sql", "meant"),
    [
        ("Scripts/one.sql", "-- @run after\nDELETE FROM t;", "scripts"),
        ("script/one.sql", "-- @run after\nUPDATE t SET a = 1;", "scripts"),
        ("scrpits/one.sql", "-- @run after\nUPDATE t SET a = 1;", "scripts"),
        ("parts/scripts/one.sql", "-- @run after\nUPDATE t SET a = 1;", "scripts"),
        ("Query/one.sql", "SELECT 1;", "queries"),
        ("seed/t.sql", "INSERT INTO t (a) VALUES (1);", "seeds"),
    ],
)
def test_statement_in_a_misnamed_folder_is_an_error_with_the_right_name(
    read: Read, file: str, sql: str, meant: str
) -> None:
    error = refusal(read, {"a.sql": "CREATE TABLE t (a);", file: sql})
    assert error.code is ErrorCode.SQL_FORBIDDEN
    assert f"its name has to be `{meant}/`" in str(error.hint)


def test_definitions_may_be_in_a_folder_of_any_name(read: Read) -> None:
    files: dict[str, str | bytes] = {"script/a.sql": "CREATE TABLE t (a);", "parts/seeds/b.sql": "CREATE TABLE u (a);"}
    assert len(read(files)) == 2


@pytest.mark.parametrize("comment", ["/* all of it: CREATE TABLE u (a);", "/*", "/*/", "/* -- */ /* and"])
def test_a_comment_that_is_never_closed_hides_no_definitions(read: Read, comment: str) -> None:
    error = refusal(read, {"a.sql": f"CREATE TABLE t (a);\n  {comment}\nCREATE TABLE v (a);\n"})
    assert error.code is ErrorCode.SQL_SYNTAX
    assert "this comment is never closed" in error.message
    assert str(error.place) == f"schema/a.sql:2:{2 + comment.rindex('/*') + 1}"


def test_what_only_looks_like_an_open_comment_is_none(read: Read) -> None:
    assert len(read({"a.sql": "CREATE TABLE t (a DEFAULT '/*'); -- /*\n/**/CREATE TABLE u (a /* \n**/);/***/"})) == 2


@pytest.mark.parametrize("rights", [0o000, 0o444, 0o111])
@pytest.mark.parametrize("name", [".", "parts", "parts/deep", "scripts", "seeds", "queries"])
def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path, name: str, rights: int) -> None:
    for path in ("a.sql", "parts/b.sql", "parts/deep/c.sql", "scripts/d.sql", "seeds/e.csv", "queries/f.sql"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"CREATE TABLE {Path(path).stem} (x);")
    (tmp_path / name).chmod(rights)
    done = without_privileges("-c", _READ, str(tmp_path))
    (tmp_path / name).chmod(0o755)
    folder = "schema" if name == "." else f"schema/{name}"
    assert done.stdout == f"schema-not-found {folder} The folder cannot be read: Permission denied.\n", done.stderr


_READ = """
import sys
from pathlib import Path
from turso_deploy.core.errors import ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.project.sql_files import read_sources
try:
    print(len(read_sources(SchemaFolder.open(Path(sys.argv[1]), "schema")).definitions))
except ProjectError as error:
    print(error.code, error.place, error.message)
"""
