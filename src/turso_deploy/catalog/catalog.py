"""Read catalog rows into a Schema, and separate internal, shadow, history and ignored objects from it.

The scratch database and the live one are read by the same two queries and the same code, so that equal databases
give equal schemas. The stored SQL is the only source; no other pragma of either engine is needed
(https://www.sqlite.org/schematab.html).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from types import MappingProxyType
from typing import Any

from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.core.errors import ErrorCode, InternalError, Place
from turso_deploy.sql.definitions import (
    IndexDefinition,
    TableDefinition,
    TriggerDefinition,
    ViewDefinition,
    VirtualTableDefinition,
)
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import SqlTextError, fold_case
from turso_deploy.sql.parser import parse
from turso_deploy.sql.schema import Index, Schema, SchemaObject, Table, Trigger, View, VirtualTable

HISTORY_TABLE = "schema_deployments"

# SQLite and Turso's own engine let no user define an object with such a name.
INTERNAL_PREFIXES = ("sqlite_", "__turso_internal_")
# Any other name is a user's, also one that begins like these. docs/guides/existing-database.md lists them all.
INTERNAL_NAMES = frozenset(
    {
        "_litestream_lock",  # this and the next one: replication of libSQL servers
        "_litestream_seq",
        "libsql_vector_meta_shadow",  # vector search; it stays when the last vector index is dropped
        "libsql_wasm_func_table",  # functions in WebAssembly
        "turso_cdc",  # this and the next one: captured changes of Turso's own engine
        "turso_cdc_version",
        "turso_sync_last_change_id",  # Turso's sync
    }
)
_HISTORY_COLUMNS = frozenset({"number", "id", "schema_fingerprint", "managed_objects"})


@dataclass(frozen=True)
class Catalog:
    """The rows of a catalog, its schema, and the names of the objects outside the schema.

    `uncounted` holds kind and exact name of every internal, shadow, history and ignored object.
    """

    rows: tuple[CatalogRow, ...]
    schema: Schema
    uncounted: frozenset[tuple[str, str]] = frozenset()
    ignored: frozenset[str] = frozenset()
    shadows: frozenset[str] = frozenset()
    has_history: bool = False

    @cached_property
    def with_ignored(self) -> Schema:
        """The schema with the objects that the manifest ignores: deployments do not manage them, nor break them."""
        return read_catalog(self.rows, self.shadows).schema if self.ignored else self.schema


def read_catalog(
    rows: Sequence[CatalogRow],
    shadows: Iterable[str] = (),
    ignore: Sequence[str] = (),
    places: Mapping[tuple[str, str], Place] | None = None,
) -> Catalog:
    """Build a Catalog from its rows.

    `shadows` are the names of the shadow tables that the engine reports, `ignore` the manifest's patterns,
    `places` the file and line of each object by (kind, folded name), if known.
    """
    of_vectors = vector_shadows(rows)
    shadow_names = {fold_case(name) for name in shadows} - _tables_named_like_shadows(rows)
    shadow_names |= {fold_case(name) for _, name in of_vectors}
    has_history = any(map(is_history, rows))
    uncounted = set(of_vectors)
    ignored: set[str] = set()
    counted: list[CatalogRow] = []
    ignored_tables: dict[str, CatalogRow] = {}
    patterns = [fold_case(pattern) for pattern in ignore]
    for row in rows:
        names = fold_case(row.name), fold_case(row.table)
        if row.sql is None or any(
            is_internal(name) or name in shadow_names or (has_history and name == HISTORY_TABLE) for name in names
        ):
            uncounted.add((row.kind, row.name))
        elif any(fnmatchcase(name, pattern) for pattern in patterns for name in names):
            uncounted.add((row.kind, row.name))
            ignored.add(row.name)
            if row.kind == "table":
                ignored_tables[fold_case(row.name)] = row
        else:
            counted.append(row)
    return Catalog(
        rows=tuple(rows),
        schema=_with_ignored_parents(_schema(counted, places or {}), ignored_tables),
        uncounted=frozenset(uncounted),
        ignored=frozenset(ignored),
        shadows=frozenset(shadow_names),
        has_history=has_history,
    )


def vector_shadows(rows: Sequence[CatalogRow]) -> set[tuple[str, str]]:
    """Return kind and name of the tables and indexes in which libSQL keeps the vector indexes among the rows."""
    # libSQL lists the storage of a vector index as ordinary tables and an index, and no pragma marks them
    # (libsql-sqlite3/src/vectordiskann.c), so their names follow from the index, whether they are there yet or not.
    found: set[tuple[str, str]] = set()
    for row in rows:
        # The text is searched first, because reading the names of thousands of indexes takes long.
        sql = fold_case(row.sql or "") if row.kind == "index" else ""
        if "libsql_vector_idx" in sql and "libsql_vector_idx" in identifiers_in(sql):
            found |= {("table", f"{row.name}_shadow"), ("index", f"{row.name}_shadow_idx")}
    return found | {("table", "libsql_vector_meta_shadow")} if found else found


def _tables_named_like_shadows(rows: Sequence[CatalogRow]) -> set[str]:
    """Return the folded names that belong to the shadow tables of full-text indexes which do not have that table.

    SQLite marks tables as shadows by their names. An index with external or without content keeps no content itself:
    https://www.sqlite.org/fts5.html#external_content_and_contentless_tables. So `docs_content` may be the table that
    the index `docs` reads, and `docs_docsize` any table.
    """
    found: set[str] = set()
    for row in rows:
        sql = row.sql or ""
        if row.kind != "table" or not sql.startswith("CREATE VIRTUAL TABLE"):
            continue
        definition, name = parse(sql), fold_case(row.name)
        if isinstance(definition, VirtualTableDefinition) and definition.is_full_text_index:
            found |= {f"{name}_{suffix}" for suffix in definition.absent_shadows}
    return found


def is_internal(name: str) -> bool:
    """Return True for the folded name of an object that SQLite, libSQL or Turso has made."""
    return name.startswith(INTERNAL_PREFIXES) or name in INTERNAL_NAMES


def is_history(row: CatalogRow) -> bool:
    """Return True for the deployment history: a table of a user may have its name, and has other columns."""
    if row.kind != "table" or fold_case(row.name) != HISTORY_TABLE:
        return False
    return identifiers_in(row.sql or "") >= _HISTORY_COLUMNS


def _with_ignored_parents(schema: Schema, ignored: Mapping[str, CatalogRow]) -> Schema:
    """Return the schema with those ignored tables to which its foreign keys refer. No other one is parsed."""
    if not ignored:
        return schema
    parents = {key.parent for table in schema.tables.values() for key in table.definition.foreign_keys}
    found = _schema([row for name, row in ignored.items() if name in parents], {})
    return replace(schema, ignored_parents=found.all_tables)


def _schema(rows: Iterable[CatalogRow], places: Mapping[tuple[str, str], Place]) -> Schema:
    found: dict[str, dict[str, Any]] = {"table": {}, "index": {}, "view": {}, "trigger": {}}
    for row in rows:
        kind, name = key = row.key
        place = places.get(key)
        try:
            found[kind][name] = _object(row, row.sql or "", place)
        except SqlTextError as error:
            raise InternalError(
                ErrorCode.INTERNAL,
                f"The definition of the {row.kind} {row.name}, which SQLite accepts, could not be read: "
                f"{error.message}.",
                hint="This is a bug of turso-deploy: please report it, with the definition.",
                place=place,
            ) from None
    return Schema(*map(MappingProxyType, found.values()))


def _object(row: CatalogRow, sql: str, place: Place | None) -> SchemaObject:
    match parse(sql):
        case TableDefinition() as definition:
            return Table(row.name, sql, definition, place)
        case VirtualTableDefinition() as definition:
            return VirtualTable(row.name, sql, definition, place)
        case IndexDefinition() as definition:
            return Index(row.name, row.table, sql, definition, place)
        case ViewDefinition() as definition:
            return View(row.name, sql, definition, place)
        case TriggerDefinition() as definition:
            return Trigger(row.name, row.table, sql, definition, place)
