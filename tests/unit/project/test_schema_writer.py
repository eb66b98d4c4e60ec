"""What a schema folder made of a database looks like: statements that end, files that any system takes, a manifest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.catalogs import catalog_of
from tests.support.records_of_tools import RECORDS_OF_TOOLS
from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.scratch import ScratchError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.project.manifest import Manifest
from turso_deploy.project.manifest_file import load_manifest
from turso_deploy.project.schema_writer import file_names, records_of_other_tools, schema_files
from turso_deploy.sql.splitter import split, terminated

writable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def files_of(*statements: str) -> dict[str, str]:
    catalog = catalog_of(*statements)
    ignore = records_of_other_tools(catalog)
    return schema_files(read_catalog(catalog.rows, catalog.shadows, ignore).schema, "0.1.0", ignore)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE VIEW v AS SELECT 1",
        "CREATE VIEW v AS SELECT 1 -- one",
        "CREATE VIEW v AS SELECT 1 /* one */",
        "CREATE VIEW v AS SELECT 1 /* one",
        "CREATE VIEW v AS SELECT 1 /*/",
        "CREATE VIEW v AS SELECT '-- one'",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; END",
    ],
)
def test_a_statement_ends_with_a_semicolon_that_no_comment_swallows(sql: str) -> None:
    first, second = split(f"{terminated(sql)}\nCREATE VIEW w AS SELECT 2;")
    assert sql.startswith(first.text)
    assert second.text == "CREATE VIEW w AS SELECT 2"


def test_a_table_has_a_file_with_its_indexes_and_triggers_and_views_have_one_with_theirs() -> None:
    files = files_of(
        "CREATE TABLE a (x)",
        "CREATE TABLE b (y)",
        "CREATE INDEX i ON a (x)",
        "CREATE INDEX j ON A (x DESC)",
        "CREATE VIEW v AS SELECT x FROM a",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
        "CREATE TRIGGER u INSTEAD OF INSERT ON v BEGIN SELECT 2; END",
    )
    assert list(files) == ["a.sql", "b.sql", "views.sql", "manifest.yml", "manifest.schema.json"]
    assert files["a.sql"] == (
        "CREATE TABLE a (x);\n\nCREATE INDEX i ON a (x);\nCREATE INDEX j ON A (x DESC);\n\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;\n"
    )
    assert files["b.sql"] == "CREATE TABLE b (y);\n"
    assert files["views.sql"] == (
        "CREATE VIEW v AS SELECT x FROM a;\n\nCREATE TRIGGER u INSTEAD OF INSERT ON v BEGIN SELECT 2; END;\n"
    )


@pytest.mark.parametrize("tool", RECORDS_OF_TOOLS)
def test_record_of_another_tool_is_ignored(tool: str) -> None:
    statements = RECORDS_OF_TOOLS[tool]
    files = files_of("CREATE TABLE a (x)", *statements)
    assert list(files) == ["a.sql", "manifest.yml", "manifest.schema.json"]
    assert "\nignore:\n" in files["manifest.yml"]


def test_database_without_records_of_other_tools_has_nothing_to_ignore() -> None:
    assert "\nignore:" not in files_of("CREATE TABLE a (x)")["manifest.yml"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE migrations (id INTEGER PRIMARY KEY, bird TEXT, season TEXT)",
        "CREATE TABLE migrations (id INTEGER PRIMARY KEY, timestamp, name, comment)",
        "CREATE TABLE migration (version TEXT)",
        "CREATE TABLE VersionInfo (id INTEGER PRIMARY KEY, text TEXT)",
        "CREATE VIEW migrations AS SELECT 1 AS id",
    ],
)
def test_table_of_the_application_with_the_name_of_a_record_is_written(sql: str) -> None:
    files = files_of("CREATE TABLE a (x)", sql)
    assert sql in "".join(files.values())
    assert "\nignore:" not in files["manifest.yml"]


@pytest.mark.parametrize(
    "adopted",
    [
        "CREATE TABLE a (x REFERENCES schema_migrations)",
        "CREATE VIEW v AS SELECT max(version) FROM Schema_Migrations",
        "CREATE VIRTUAL TABLE f USING fts5 (version, content = 'schema_migrations')",
    ],
)
def test_what_is_adopted_keeps_the_record_of_another_tool_that_it_names(adopted: str) -> None:
    files = files_of("CREATE TABLE schema_migrations (version PRIMARY KEY)", "CREATE TABLE d1_migrations (id)", adopted)
    assert files["schema_migrations.sql"] == "CREATE TABLE schema_migrations (version PRIMARY KEY);\n"
    assert files["manifest.yml"].endswith("ignore:\n  - d1_migrations\n")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("users", "users.sql"),
        ("a/b\\c", "a_b_c.sql"),
        ("../../etc/passwd", "______etc_passwd.sql"),
        ("Größe", "Größe.sql"),
        ("con", "table_con.sql"),
        ("views", "views-2.sql"),
        ("", "table.sql"),
        ("😀", "table.sql"),
        (".hidden", "_hidden.sql"),
        ("x" * 300, "x" * 80 + ".sql"),
    ],
)
def test_a_name_that_is_odd_for_a_file_is_made_safe(name: str, file: str) -> None:
    assert file_names([name], taken=["views"]) == [file]


@settings(deadline=None)
@given(st.lists(st.text(), max_size=8))
def test_file_names_are_unique_on_systems_that_ignore_case(names: list[str]) -> None:
    files = file_names(names)
    assert len(files) == len(names)
    assert len({file.casefold() for file in files}) == len(files)
    assert all(Path(file).name == file and not file.startswith((".", "-sql")) for file in files)


@settings(deadline=None)
@given(st.lists(writable, min_size=1, max_size=5, unique=True))
def test_the_manifest_reads_back_every_name(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    tables = [f'CREATE TABLE "{name.replace(chr(34), chr(34) * 2)}" (x)' for name in names]
    try:
        catalog = catalog_of(*tables)
    except ScratchError:  # reserved, or the same name for SQLite
        return
    assume(catalog.schema.all_tables)  # a name may be internal, as those of Litestream are, and nothing is no schema
    folder = tmp_path_factory.mktemp("schema")
    text = schema_files(catalog.schema, "1.0", names)["manifest.yml"]
    (folder / "manifest.yml").write_text(with_conditions(text), encoding="utf-8", newline="")
    manifest = load_manifest(SchemaFolder(folder, "schema"))
    assert list(manifest.ignore) == names
    assert list(manifest.rows) == [item.name for item in catalog.schema.all_tables.values()][:1]
    assert manifest.schema_version == "1.0"


def with_conditions(manifest: str) -> str:
    """Return the text of a manifest with the conditions that it holds as comments."""
    return manifest.replace("\n# expect:", "\nexpect:").replace("\n# rows:", "\nrows:")


def test_manifest_holds_no_condition_that_a_new_table_contradicts(tmp_path: Path) -> None:
    text = files_of("CREATE TABLE a (x)", "CREATE INDEX i ON a (x)", "CREATE VIEW v AS SELECT 1")["manifest.yml"]
    (tmp_path / "manifest.yml").write_text(text, encoding="utf-8")
    assert load_manifest(SchemaFolder(tmp_path, "schema")) == Manifest(schema_version="0.1.0")


def test_manifest_holds_the_counts_of_the_database_as_a_comment(tmp_path: Path) -> None:
    text = files_of("CREATE TABLE a (x)", "CREATE INDEX i ON a (x)", "CREATE VIEW v AS SELECT 1")["manifest.yml"]
    (tmp_path / "manifest.yml").write_text(with_conditions(text), encoding="utf-8")
    expect = load_manifest(SchemaFolder(tmp_path, "schema")).expect
    assert [str(bound) for bound in (expect.tables, expect.indexes, expect.views, expect.triggers)] == list("1110")


@pytest.mark.parametrize("name", ["no", "null", "1", "1e5", "0x1", "true", "~", "a: b", "- a", "#", "'", "é", "*"])
def test_a_name_that_yaml_reads_as_something_else_is_quoted(tmp_path: Path, name: str) -> None:
    text = files_of(f'CREATE TABLE "{name}" (x)')["manifest.yml"]
    (tmp_path / "manifest.yml").write_text(with_conditions(text), encoding="utf-8")
    assert list(load_manifest(SchemaFolder(tmp_path, "schema")).rows) == [name]
