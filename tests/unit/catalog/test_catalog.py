"""Catalog rows sorted: what counts, and what is internal, a shadow, the deployment history or ignored."""

from __future__ import annotations

import pytest

from tests.support.catalogs import catalog_of
from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.core.errors import ErrorCode, InternalError
from turso_deploy.history.table import create_step
from turso_deploy.project.expectations import actual_counts


def counted(catalog: Catalog) -> set[str]:
    return {f"{item.kind} {item.name}" for item in catalog.schema.objects()}


def table(name: str) -> CatalogRow:
    return CatalogRow("table", name, name, f'CREATE TABLE "{name}" (a)')


def test_what_sqlite_makes_by_itself_never_counts() -> None:
    catalog = catalog_of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE)",
        "CREATE TABLE u (id TEXT PRIMARY KEY, a, UNIQUE (a))",
        "CREATE INDEX i ON u (a)",
        "ANALYZE",
    )
    assert counted(catalog) == {"table t", "table u", "index i"}
    assert {("table", "sqlite_sequence"), ("table", "sqlite_stat1")} < catalog.uncounted
    assert ("index", "sqlite_autoindex_u_2") in catalog.uncounted


@pytest.mark.parametrize(
    "name",
    """sqlite_stat4 _litestream_seq _litestream_lock libsql_wasm_func_table libsql_vector_meta_shadow turso_cdc
    turso_cdc_version turso_sync_last_change_id __turso_internal_seq LIBSQL_WASM_FUNC_TABLE""".split(),
)
def test_tables_of_the_engine_and_of_the_platform_never_count(name: str) -> None:
    catalog = read_catalog([table(name), table("mine")])
    assert counted(catalog) == {"table mine"}
    assert catalog.uncounted == {("table", name)}


def test_tables_whose_names_only_resemble_internal_ones_count() -> None:
    names = "litestream_seq my_sqlite_x tursoid sqliteish libsqlx turso_databases libsql_sizes _litestream_x __turso_x"
    rows = [table(name) for name in names.split()]
    assert len(read_catalog(rows).schema.all_tables) == len(rows)


def test_the_history_never_counts_with_whatever_stands_on_it() -> None:
    catalog = catalog_of(
        create_step().query.sql,
        "CREATE INDEX mine ON schema_deployments (ref)",
        "CREATE TRIGGER watch AFTER INSERT ON schema_deployments BEGIN SELECT 1; END",
    )
    assert counted(catalog) == set()
    assert catalog.has_history
    assert not catalog_of("CREATE TABLE t (a)").has_history
    assert not catalog_of("CREATE VIEW schema_deployments AS SELECT 1").has_history


def test_table_of_a_user_with_the_name_of_the_history_counts() -> None:
    catalog = catalog_of(
        "CREATE TABLE schema_deployments (id INTEGER PRIMARY KEY, note TEXT)",
        "CREATE INDEX n ON schema_deployments (note)",
    )
    assert not catalog.has_history
    assert counted(catalog) == {"table schema_deployments", "index n"}


def test_of_a_virtual_table_only_the_table_counts() -> None:
    catalog = catalog_of(
        "CREATE VIRTUAL TABLE docs USING fts5 (title, body)",
        "CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1)",
        "CREATE TABLE docs_extra (a)",
    )
    assert counted(catalog) == {"table docs", "table boxes", "table docs_extra"}
    shadows = {"docs_data", "docs_idx", "docs_content", "docs_docsize", "docs_config"}
    shadows |= {"boxes_node", "boxes_rowid", "boxes_parent"}
    assert catalog.shadows == shadows
    assert {("table", name) for name in shadows} <= catalog.uncounted


def test_table_that_an_index_reads_counts_although_it_is_called_like_a_shadow() -> None:
    catalog = catalog_of(
        "CREATE TABLE docs_content (body)",
        "CREATE VIRTUAL TABLE docs USING fts5 (body, content='docs_content')",
        'CREATE VIRTUAL TABLE notes USING fts4 (body, content="notes_content")',
        "CREATE TABLE notes_content (body)",
        "CREATE VIRTUAL TABLE small USING fts5 (body, columnsize=0)",
        "CREATE TABLE small_docsize (n)",
    )
    own = {"table docs_content", "table notes_content", "table small_docsize"}
    assert counted(catalog) == own | {"table docs", "table notes", "table small"}
    assert {"docs_data", "docs_docsize", "notes_segments", "small_content"} < catalog.shadows


VECTOR_TABLE = CatalogRow("table", "movies", "movies", "CREATE TABLE movies (e F32_BLOB(3))")
VECTOR_INDEX = CatalogRow("index", "Movies_e", "movies", "CREATE INDEX Movies_e ON movies (libsql_vector_idx(e))")


def test_the_storage_of_a_vector_index_never_counts() -> None:
    storage = [
        table("libsql_vector_meta_shadow"),
        table("Movies_e_shadow"),
        CatalogRow(
            "index", "Movies_e_shadow_idx", "Movies_e_shadow", "CREATE INDEX Movies_e_shadow_idx ON Movies_e_shadow (a)"
        ),
    ]
    catalog = read_catalog([VECTOR_TABLE, VECTOR_INDEX, *storage])
    assert counted(catalog) == {"table movies", "index Movies_e"}
    assert {(row.kind, row.name) for row in storage} == catalog.uncounted


def test_the_storage_of_a_vector_index_is_known_before_it_is_there() -> None:
    """A plan that makes the index is checked on a server that makes the storage with it."""
    catalog = read_catalog([VECTOR_TABLE, VECTOR_INDEX])
    assert catalog.uncounted == {
        ("table", "libsql_vector_meta_shadow"),
        ("table", "Movies_e_shadow"),
        ("index", "Movies_e_shadow_idx"),
    }


@pytest.mark.parametrize(
    "index",
    [
        "CREATE INDEX x ON t (a)",
        "CREATE INDEX x ON t (a /* not libsql_vector_idx */)",
        "CREATE INDEX x ON t (a) WHERE a <> 'libsql_vector_idx'",
    ],
)
def test_a_table_called_shadow_counts_where_no_vector_index_is(index: str) -> None:
    catalog = catalog_of("CREATE TABLE t (a)", "CREATE TABLE x_shadow (a)", index)
    assert counted(catalog) == {"table t", "table x_shadow", "index x"}


def test_an_ignored_table_takes_its_indexes_and_triggers_along() -> None:
    statements = (
        "CREATE TABLE Blog_Posts (a)",
        "CREATE INDEX by_a ON blog_posts (a)",
        "CREATE TRIGGER stamp AFTER INSERT ON blog_posts BEGIN SELECT 1; END",
        "CREATE TABLE posts (a)",
        "CREATE INDEX blog_idx ON posts (a)",
        "CREATE VIEW recent AS SELECT * FROM posts",
        "CREATE TRIGGER v_stamp INSTEAD OF INSERT ON recent BEGIN SELECT 1; END",
    )
    catalog = catalog_of(*statements, ignore=["blog_*", "recen?"])
    assert counted(catalog) == {"table posts"}
    assert catalog.ignored == {"Blog_Posts", "by_a", "stamp", "blog_idx", "recent", "v_stamp"}
    assert len(counted(catalog_of(*statements))) == 7


def test_objects_are_found_by_their_folded_name_in_the_order_of_creation() -> None:
    catalog = catalog_of("CREATE TABLE B (x)", "CREATE TABLE a (x)", "CREATE TABLE [C d] (x)")
    assert list(catalog.schema.all_tables) == ["b", "a", "c d"]
    assert [table.name for table in catalog.schema.all_tables.values()] == ["B", "a", "C d"]


def test_counts_are_of_what_counts() -> None:
    catalog = catalog_of(
        "CREATE TABLE parent (a, b, PRIMARY KEY (a, b))",
        "CREATE TABLE child (id INTEGER PRIMARY KEY AUTOINCREMENT, a, b, c REFERENCES child, "
        "FOREIGN KEY (a, b) REFERENCES parent (a, b))",
        "CREATE INDEX child_a ON child (a)",
        "CREATE VIRTUAL TABLE search USING fts5 (text)",
        "CREATE VIEW both AS SELECT * FROM child JOIN parent",
        "CREATE TRIGGER t AFTER INSERT ON child BEGIN SELECT 1; END",
        create_step().query.sql,
    )
    assert actual_counts(catalog.schema) == {
        "tables": 3,
        "indexes": 1,
        "views": 1,
        "triggers": 1,
        "foreign_keys": 2,
    }


def test_a_definition_that_is_beyond_us_is_named() -> None:
    with pytest.raises(InternalError, match="definition of the table odd") as caught:
        read_catalog([CatalogRow("table", "odd", "odd", "CREATE TABLE odd (")])
    assert caught.value.code is ErrorCode.INTERNAL
