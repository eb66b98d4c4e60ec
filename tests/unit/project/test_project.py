"""A schema folder as a whole: everything in it is tried before any request, and what is wrong has its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.schema_folders import SMALL, shipped_project, write_folder, write_project
from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.project.expectations import actual_counts
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project


@pytest.fixture(autouse=True)
def _in_a_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(**files: str) -> Project:
    """Load a folder `schema`; `a_sql` is the file `a.sql`."""
    return load_project(write_folder(Path("schema"), {name.replace("_", "."): text for name, text in files.items()}))


def refusal(**files: str) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        load(**files)
    assert caught.value.hint
    return caught.value


def test_a_project_is_its_schema_its_manifest_and_its_seeds() -> None:
    project = write_project(Path("schema"))
    assert list(project.wanted.all_tables) == ["authors", "books"]
    assert str(project.wanted.all_tables["books"].place) == "schema/tables.sql:6:14"
    assert project.manifest.schema_version == "1.0.0"
    assert [seed.table for seed in project.seeds] == ["authors", "books"]
    assert project.scratch.connection.execute("SELECT count(*) FROM books").number() == 2
    assert str(project.manifest_place) == "schema/manifest.yml"


def test_the_shipped_schema_has_what_its_manifest_expects() -> None:
    project = shipped_project()
    assert actual_counts(project.wanted) == {
        "tables": 12,
        "indexes": 33,
        "views": 3,
        "triggers": 2,
        "foreign_keys": 3,
    }


def test_files_load_in_any_order() -> None:
    project = load(
        a_sql="CREATE VIEW above AS SELECT * FROM below; CREATE INDEX i ON t (a);"
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM u; END;",
        b_sql="CREATE VIEW below AS SELECT a FROM t; CREATE TABLE u (t REFERENCES t);",
        c_sql="CREATE TABLE t (a PRIMARY KEY);",
    )
    assert list(project.wanted.views) == ["above", "below"]


TEN_LINES = "-- one\n" * 8 + "CREATE TABLE ok (a);\n"


@pytest.mark.parametrize(
    ("sql", "place", "code"),
    [
        (TEN_LINES + "CREATE TABLE t (\n  a INTEGER,\n  b TEXT NOT NUL\n);", "12:14", ErrorCode.SQL_SYNTAX),
        ("CREATE TABLE u (x);  CREATE TABLE t (a b, NOT);", "1:43", ErrorCode.SQL_SYNTAX),
        ("CREATE TABLE t (\n  a TEXT DEFAULT 'x',\n  b TEXT DEFAULT,\n  c TEXT\n);", "3:17", ErrorCode.SQL_SYNTAX),
        ("CREATE TABLE t (\n  a TEXT NOT NULL\n  b TEXT\n);", "3:3", ErrorCode.SQL_SYNTAX),
        ("CREATE TABLE ok (a);\nCREATE TABLE t (\n  a CHECK (a IN ('(')\n;\n", "3:11", ErrorCode.SQL_SYNTAX),
        ("CREATE TABLE t (a);\nCREATE VIEW v AS SELECT\n", "2:24", ErrorCode.SQL_SYNTAX),
        ("CREATE TABLE t (a);\n CREATE INDEX i ON t (a, nope);", "2:26", ErrorCode.MISSING_REFERENCE),
        ("CREATE TABLE t (a);\n CREATE INDEX i ON nope (a);", "2:20", ErrorCode.MISSING_REFERENCE),
        ("CREATE TRIGGER r AFTER INSERT\n ON nope BEGIN SELECT 1; END;", "2:5", ErrorCode.MISSING_REFERENCE),
        ("CREATE TABLE t (a,\n  a);", "2:3", ErrorCode.SQL_INVALID),
        ("CREATE TABLE t (a) WITHOUT ROWID;", "1:1", ErrorCode.SQL_INVALID),
        ("CREATE TABLE sqlite_t (a);", "1:1", ErrorCode.SQL_INVALID),
    ],
)
def test_a_definition_that_sqlite_refuses_is_placed(sql: str, place: str, code: ErrorCode) -> None:
    error = refusal(a_sql=sql)
    assert (error.code, str(error.place)) == (code, f"schema/a.sql:{place}")


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("CREATE TABLE sqlite_t (a);", "Rename the object"),
        ("CREATE INDEX i ON missing (a); CREATE TABLE t (a);", "Define the table in the schema folder"),
        ("CREATE TABLE t (a, a);", "Correct the statement here."),
    ],
)
def test_hint_about_a_definition_that_sqlite_rejects_says_what_helps(sql: str, hint: str) -> None:
    assert (refusal(a_sql=sql).hint or "").startswith(hint)


@pytest.mark.parametrize("name", ["schema_deployments", "turso_deploy_x", "libsql_wasm_func_table", "_litestream_seq"])
@pytest.mark.parametrize("ignore", ["[]", "['*s*', '*x']"])
def test_a_definition_that_would_never_be_deployed_is_refused(name: str, ignore: str) -> None:
    error = refusal(a_sql=f"CREATE TABLE t (a);\nCREATE TABLE {name} (a);", manifest_yml=f"ignore: {ignore}")
    assert (error.code, str(error.place)) == (ErrorCode.SQL_INVALID, "schema/a.sql:2:1")
    assert "its name is reserved" in error.message
    assert ("@renamed from=" in (error.hint or "")) is (name in ("schema_deployments", "turso_deploy_x"))


def test_ignored_definition_is_no_part_of_the_wanted_schema() -> None:
    project = load(
        a_sql="CREATE TABLE t (a);",
        app_sql="CREATE TABLE App_cache (a);\nCREATE INDEX i ON app_cache (a);\nCREATE TRIGGER app_t AFTER INSERT ON t "
        "BEGIN SELECT 1; END;",
        manifest_yml="ignore: ['app_*']",
    )
    assert list(project.wanted.all_tables) == ["t"]
    assert not project.wanted.indexes
    assert not project.wanted.triggers
    assert [(item.title, str(item.place)) for item in project.ignored] == [
        ("table App_cache", "schema/app.sql:1:1"),
        ("index i", "schema/app.sql:2:1"),
        ("trigger app_t", "schema/app.sql:3:1"),
    ]


def test_ignored_definition_serves_the_references_of_managed_ones() -> None:
    project = load(
        a_sql="CREATE TABLE t (a REFERENCES other, b REFERENCES other (id)); CREATE VIEW v AS SELECT id FROM other;"
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM other; END;",
        other_sql="CREATE TABLE other (id INTEGER PRIMARY KEY);",
        manifest_yml="ignore: [other]",
    )
    assert (list(project.wanted.all_tables), list(project.wanted.views)) == (["t"], ["v"])


def test_seeds_of_an_ignored_table_are_left_out() -> None:
    files = {"a.sql": "CREATE TABLE t (a PRIMARY KEY); CREATE TABLE other (id INTEGER PRIMARY KEY);"}
    files |= {"seeds/Other.csv": "id\n1\n", "seeds/t.csv": "a\n1\n", "manifest.yml": "ignore: [other]"}
    project = load_project(write_folder(Path("schema"), files))
    assert [seed.table for seed in project.seeds] == ["t"]
    assert [item.title for item in project.ignored] == ["table other", "seeds of Other"]
    del files["a.sql"]
    with pytest.raises(ProjectError, match="the schema has no table `Other`"):
        load_project(write_folder(Path("schema"), files | {"b.sql": "CREATE TABLE t (a PRIMARY KEY);"}))


def test_folder_with_ignored_definitions_only_is_an_error() -> None:
    error = refusal(a_sql="CREATE TABLE t (a);", manifest_yml="ignore: ['*']")
    assert (error.code, str(error.place)) == (ErrorCode.SCHEMA_EMPTY, "schema/a.sql:1:1")


def test_condition_on_an_ignored_table_is_an_error_at_its_line() -> None:
    error = refusal(
        a_sql="CREATE TABLE t (a); CREATE TABLE other (a);", manifest_yml="ignore: [other]\nrows:\n  other: 1\n"
    )
    assert str(error.place) == "schema/manifest.yml:3"
    assert "the table other, which `ignore:` covers" in error.message


@pytest.mark.parametrize(
    ("manifest", "line", "named"),
    [
        ("rows:\n  users: 1\n  # more\n  nope: '>=2'\n", 4, "the table nope"),
        ("json_columns:\n  users: [profile]\n  nope: [a]\n", 3, "the table nope"),
        ("json_columns:\n  users:\n    - profile\n    - prefile\n", 4, "the column users.prefile"),
        ("json_columns:\n  search: [profile]\n", 2, "the table search"),
        ("rows: {v: 1}\n", 1, "the table v"),
        ("seeds:\n  users: {existing: keep}\n  user: {existing: keep}\n", 3, "the table user,"),
        ("seeds: {search: {existing: update}}\n", 1, "the table search"),
    ],
)
def test_a_name_in_the_manifest_that_leads_nowhere_is_placed(manifest: str, line: int, named: str) -> None:
    error = refusal(
        a_sql="CREATE TABLE Users (Profile); CREATE VIRTUAL TABLE search USING fts5 (profile);"
        "CREATE VIEW v AS SELECT 1;",
        manifest_yml=manifest,
    )
    assert (error.code, str(error.place)) == (ErrorCode.MANIFEST_INVALID, f"schema/manifest.yml:{line}")
    assert named in error.message


def test_the_manifest_names_tables_and_columns_in_any_case() -> None:
    load(
        a_sql="CREATE TABLE Users (Profile);",
        manifest_yml="rows: {USERS: 0}\njson_columns: {users: [PROFILE]}\nseeds: {USERS: {existing: keep}}\n",
    )


def test_a_bad_seed_is_found_before_any_request() -> None:
    broken = SMALL | {"seeds/books.jsonl": '{"id": "b1", "author": 1}\n'}
    with pytest.raises(ProjectError) as caught:
        write_project(Path("schema"), broken)
    assert (caught.value.code, str(caught.value.place)) == (ErrorCode.SEED_INVALID, "schema/seeds/books.jsonl:1")


def test_places_name_the_folder_as_the_user_did() -> None:
    write_folder(Path("db/schema"), {"a.sql": "CREATE TABLE t (a"})
    with pytest.raises(ProjectError) as caught:
        load_project(Path("./db/schema/"))
    assert str(caught.value.place) == "db/schema/a.sql:1:16"
