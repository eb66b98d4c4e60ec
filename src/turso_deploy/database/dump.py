"""Dump of a server's database: SQL that creates its objects and rows, read in pages of one read transaction."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from turso_deploy.catalog.catalog import Catalog, is_internal, read_catalog
from turso_deploy.catalog.rows import CATALOG_QUERY, SHADOW_QUERY, CatalogRow, catalog_rows
from turso_deploy.core.errors import DatabaseError
from turso_deploy.core.transaction import Failure, Query, Rows, Value
from turso_deploy.database.engine_errors import explain
from turso_deploy.sql.definitions import TableDefinition, VirtualTableDefinition
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string
from turso_deploy.sql.parser import parse

MAX_ROWS = 500
"""The number of rows that are read at once; less where they are large."""

Read = Callable[[Sequence[Query]], list[Rows | Failure]]


def dump(read: Read) -> Iterator[str]:
    """Yield the lines of a script for an empty database. All reads have to be of one transaction.

    Tables come first with their rows, then indexes, views and triggers, so that no trigger runs. The statistics of
    ANALYZE are left out, because libSQL servers reject it. Raises DatabaseError if something cannot be read.
    """
    answer, shadow_answer = read([CATALOG_QUERY, SHADOW_QUERY])
    shadows = [] if isinstance(shadow_answer, Failure) else [str(name) for (name,) in shadow_answer.rows]
    catalog = read_catalog(catalog_rows(_rows(answer)), shadows)
    objects = [row for row in catalog.rows if _is_dumped(row, catalog)]
    yield "PRAGMA foreign_keys = off;\nBEGIN;\n"
    tables = [row for row in objects if row.kind == "table"]
    virtual = [row for row in tables if isinstance(parse(row.sql or ""), VirtualTableDefinition)]
    for row in tables:
        if row not in virtual:
            yield f"{row.sql};\n"
            yield from _inserts(row, parse(row.sql or ""), read, catalog)
    if any(fold_case(row.name) == "sqlite_sequence" for row in catalog.rows):
        yield "DELETE FROM sqlite_sequence;\n"
        yield from _pages("SELECT name, seq FROM sqlite_sequence ORDER BY rowid", "sqlite_sequence (name, seq)", read)
    yield from (f"{row.sql};\n" for row in objects if row.kind == "index")
    for row in virtual:
        yield f"{row.sql};\n"
        yield from _inserts(row, parse(row.sql or ""), read, catalog)
    for kind in ("view", "trigger"):
        yield from (f"{row.sql};\n" for row in objects if row.kind == kind)
    yield "COMMIT;\n"


def _is_dumped(row: CatalogRow, catalog: Catalog) -> bool:
    """Return True for an object that a script has to create: SQLite makes internal ones and shadow tables itself."""
    names = fold_case(row.name), fold_case(row.table)
    return row.sql is not None and not any(is_internal(name) or name in catalog.shadows for name in names)


def _inserts(row: CatalogRow, definition: object, read: Read, catalog: Catalog) -> Iterator[str]:
    """Yield the statements that insert the rows of a table."""
    table = quote_identifier(row.name)
    if isinstance(definition, TableDefinition):
        stored = [quote_identifier(column.name) for column in definition.columns if column.generated is None]
        names = [*definition.rowid_names[:1], *stored]
        if not definition.without_rowid and definition.rowid_names:
            order = f"ORDER BY {definition.rowid_names[0]}"
        else:
            keys = definition.primary_key.parts if definition.without_rowid and definition.primary_key else ()
            order = f"ORDER BY {', '.join(quote_identifier(key.column or '') for key in keys)}" if keys else ""
        select = f"SELECT {', '.join(map(_with_infinities, names))} FROM {table} {order}"
        yield from _pages(select, f"{table} ({', '.join(names)})", read)
    elif isinstance(definition, VirtualTableDefinition) and definition.has_own_rows:
        if definition.is_contentless or definition.has_external_content:
            yield from _index_tables(row, read, catalog)
            return
        [answer] = read([Query("SELECT name FROM pragma_table_info(?1)", (row.name,))])
        names = ["rowid", *(quote_identifier(str(name)) for (name,) in _rows(answer).rows)]
        values = ", ".join(map(_with_infinities, names))
        yield from _pages(f"SELECT {values} FROM {table} ORDER BY rowid", f"{table} ({', '.join(names)})", read)


# https://www.sqlite.org/fts5.html#fts5_data_structures, https://www.sqlite.org/fts3.html#shadow_tables
_INDEX_TABLES = ("data", "idx", "content", "docsize", "config", "segments", "segdir", "stat")


def _index_tables(row: CatalogRow, read: Read, catalog: Catalog) -> Iterator[str]:
    """Yield the statements that fill the tables of a full-text index which does not keep its content.

    No row of it can be read back, and its content may have changed since, so that it would become another one.
    """
    ours = {f"{fold_case(row.name)}_{ending}" for ending in _INDEX_TABLES} & catalog.shadows
    for shadow in catalog.rows:
        if shadow.kind == "table" and fold_case(shadow.name) in ours:
            yield f"DELETE FROM {quote_identifier(shadow.name)};\n"
            yield from _inserts(shadow, parse(shadow.sql or ""), read, catalog)


def _pages(select: str, target: str, read: Read) -> Iterator[str]:
    """Yield an INSERT for each row of a query. A page that the server does not answer is halved."""
    first, size = 0, MAX_ROWS
    while True:
        [answer] = read([Query(f"{select} LIMIT ?1 OFFSET ?2", (size, first))])
        if isinstance(answer, Failure) and size > 1 and "too large" in answer.message.lower():
            size //= 2
            continue
        rows = _rows(answer).rows
        for row in rows:
            yield f"INSERT INTO {target} VALUES ({', '.join(map(_literal, row))});\n"
        if len(rows) < size:
            return
        first += len(rows)


# JSON has no infinite numbers, so that a server sends NULL for them: these blobs, which no other dump has, stand in.
_INFINITY, _MINUS_INFINITY = os.urandom(16), os.urandom(16)


def _with_infinities(name: str) -> str:
    """Return the expression for a column, in which blobs stand in for infinite numbers."""
    return (
        f"CASE WHEN typeof({name}) <> 'real' THEN {name} WHEN {name} = 9e999 THEN x'{_INFINITY.hex()}' "
        f"WHEN {name} = -9e999 THEN x'{_MINUS_INFINITY.hex()}' ELSE {name} END"
    )


def _literal(value: Value) -> str:
    """Return a value as SQL in one line that no shell alters."""
    match value:
        case None:
            return "NULL"
        case str() if any(character in value for character in "\r\n\0"):
            return f"CAST(x'{value.encode().hex()}' AS TEXT)"
        case str():
            return quote_string(value)
        case bytes() if value in (_INFINITY, _MINUS_INFINITY):
            return "9e999" if value == _INFINITY else "-9e999"
        case bytes():
            return f"x'{value.hex()}'"
        case _:
            return repr(value)


def _rows(answer: Rows | Failure) -> Rows:
    if isinstance(answer, Failure):
        raise explain(answer).error(DatabaseError, "The restore point could not be made: {}.")
    return answer
