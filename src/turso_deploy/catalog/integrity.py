"""Detect broken views, triggers and foreign keys, which SQLite accepts unchecked."""

from __future__ import annotations

from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.transaction import Query
from turso_deploy.sql.lexer import as_written, fold_case, quote_identifier
from turso_deploy.sql.schema import AnyTable, Schema, Trigger, View, VirtualTable, key_of, title


def broken_objects(schema: Schema, scratch: Scratch) -> dict[str, str]:
    """Return the tables, views and triggers that would fail in use, each with SQLite's message.

    `scratch` holds the schema, or the part of it to check.
    """
    held = {row.key for row in scratch.rows()}
    items: tuple[View | Trigger | AnyTable, ...] = (
        *schema.views.values(),
        *schema.triggers.values(),
        *schema.all_tables.values(),
    )
    tried = {
        title(item): find_fault(item, schema, scratch)
        if isinstance(item, View | Trigger)
        else find_reference_fault(item, schema, scratch)
        for item in items
        if key_of(item) in held
    }
    return {name: reason for name, reason in tried.items() if reason is not None}


def find_reference_fault(table: AnyTable, schema: Schema, scratch: Scratch) -> str | None:
    """Return SQLite's message for a broken reference of a table, or None if its references work.

    "foreign key mismatch" means that the columns of the parent are no key: https://www.sqlite.org/foreignkeys.html#fk_indexes
    """
    if isinstance(table, VirtualTable):
        return _content_fault(table, scratch)
    if not table.definition.foreign_keys:
        return None
    for key in table.definition.foreign_keys:
        if key.parent not in schema.all_tables:
            return f"no such table: {as_written(key.parent)}"
    try:
        scratch.run(f"PRAGMA foreign_key_check({quote_identifier(table.name)})")
    except ScratchError as error:
        return error.message
    return None


def _content_fault(table: VirtualTable, scratch: Scratch) -> str | None:
    """Return SQLite's message for a virtual table whose content is missing, which shows when a row is read.

    https://www.sqlite.org/fts5.html#external_content_tables, https://www.sqlite.org/fts5.html#the_fts5vocab_virtual_table_module
    """
    if not (table.definition.has_external_content or table.definition.module == "fts5vocab"):
        return None
    try:
        scratch.run(f"SELECT * FROM {quote_identifier(table.name)} LIMIT 1")
    except ScratchError as error:
        return error.message
    return None


def find_fault(item: View | Trigger, schema: Schema, scratch: Scratch) -> str | None:
    """Return SQLite's message for a broken view or trigger, or None if it works. No row is read or written.

    A fault of another trigger of the same table and event, or of a view that the item reads, is reported here too.
    """
    try:
        scratch.run(
            f"SELECT * FROM {quote_identifier(item.name)} LIMIT 0"
            if isinstance(item, View)
            else _fire(item, schema, scratch)
        )
    except ScratchError as error:
        return error.message
    return None


def _fire(trigger: Trigger, schema: Schema, scratch: Scratch) -> str:
    """Return a statement that compiles the trigger; EXPLAIN does not run it (https://www.sqlite.org/lang_explain.html)."""
    target = quote_identifier(trigger.table)
    match trigger.definition.event:
        case "INSERT":
            return f"EXPLAIN INSERT INTO {target} DEFAULT VALUES"
        case "DELETE":
            return f"EXPLAIN DELETE FROM {target}"
        case _:
            generated, columns = _columns(trigger.table, schema, scratch)
            updated = sorted(trigger.definition.update_of - generated) or columns[:1]
            return (
                f"EXPLAIN UPDATE {target} SET {', '.join(f'{quote_identifier(column)} = NULL' for column in updated)}"
            )


def _columns(name: str, schema: Schema, scratch: Scratch) -> tuple[frozenset[str], list[str]]:
    """Return the folded generated columns of a table or view, and all the others."""
    table = schema.tables.get(fold_case(name))
    if table is not None:
        columns = table.definition.columns
        generated = frozenset(fold_case(column.name) for column in columns if column.generated)
        return generated, [column.name for column in columns if not column.generated]
    return frozenset(), list(scratch.query(Query(f"SELECT * FROM {quote_identifier(name)} LIMIT 0")).columns)
