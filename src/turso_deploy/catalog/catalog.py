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

# Made by SQLite, by libSQL's replication and vector search, and by Turso's own engine and sync.
INTERNAL_PREFIXES = ("sqlite_", "_litestream_", "libsql_", "turso_", "__turso_")


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
    vector_shadows = _vector_shadows(rows)
    shadow_names = {fold_case(name) for name in shadows} | {fold_case(name) for _, name in vector_shadows}
    uncounted = set(vector_shadows)
    ignored: set[str] = set()
    counted: list[CatalogRow] = []
    ignored_tables: dict[str, CatalogRow] = {}
    patterns = [fold_case(pattern) for pattern in ignore]
    for row in rows:
        names = fold_case(row.name), fold_case(row.table)
        if row.sql is None or any(_is_internal(name) or name in shadow_names for name in names):
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
        has_history=any(row.kind == "table" and fold_case(row.name) == HISTORY_TABLE for row in rows),
    )


def _vector_shadows(rows: Sequence[CatalogRow]) -> set[tuple[str, str]]:
    # libSQL lists the storage of a vector index as ordinary tables and an index, and no pragma marks them
    # (libsql-sqlite3/src/vectordiskann.c), so their names follow from the index, whether they are there yet or not.
    found: set[tuple[str, str]] = set()
    for row in rows:
        # The text is searched first, because reading the names of thousands of indexes takes long.
        sql = fold_case(row.sql or "") if row.kind == "index" else ""
        if "libsql_vector_idx" in sql and "libsql_vector_idx" in identifiers_in(sql):
            found |= {("table", f"{row.name}_shadow"), ("index", f"{row.name}_shadow_idx")}
    return found | {("table", "libsql_vector_meta_shadow")} if found else found


def _is_internal(name: str) -> bool:
    return name.startswith(INTERNAL_PREFIXES) or name == HISTORY_TABLE


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
