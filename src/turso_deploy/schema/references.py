"""Names that lead nowhere: SQLite accepts views, triggers and foreign keys without looking for what they name."""

from __future__ import annotations

from collections.abc import Iterator

from turso_deploy.database.base import Query
from turso_deploy.errors import ErrorCode, Place, ProjectError
from turso_deploy.schema.model import Schema, SchemaObject, Table, Trigger
from turso_deploy.schema.scratch import Scratch, ScratchError, locate
from turso_deploy.sql.ddl import TableDefinition
from turso_deploy.sql.lexer import fold, position, quote


def refuse_broken_references(wanted: Schema, scratch: Scratch) -> None:
    """Try every foreign key, view and trigger of the wanted schema, which stands in the scratch database.

    Raises ProjectError (`missing-reference`) with the file and line of the object that names something missing.
    """
    for table in wanted.tables.values():
        _try_foreign_keys(table, wanted, scratch)
    for view in wanted.views.values():
        _try(view, f"SELECT * FROM {quote(view.name)} LIMIT 0", scratch)
    for trigger in wanted.triggers.values():
        for sql in _firing(trigger, wanted, scratch):
            _try(trigger, sql, scratch)


def _try_foreign_keys(table: Table, wanted: Schema, scratch: Scratch) -> None:
    if not isinstance(table.definition, TableDefinition) or not table.definition.foreign_keys:
        return
    for key in table.definition.foreign_keys:
        if fold(key.parent) not in wanted.tables:
            raise _missing(table, f"no such table: {key.parent}")
    # Says "foreign key mismatch" where the parent's columns are no key: https://www.sqlite.org/foreignkeys.html#fk_indexes
    _try(table, f"PRAGMA foreign_key_check({quote(table.name)})", scratch)


def _firing(trigger: Trigger, wanted: Schema, scratch: Scratch) -> Iterator[str]:
    """A statement that compiles the trigger and, under EXPLAIN, does not run it (https://www.sqlite.org/lang_explain.html)."""
    target = quote(trigger.table)
    event = trigger.definition.event
    if event == "INSERT":
        yield f"EXPLAIN INSERT INTO {target} DEFAULT VALUES"
    elif event == "DELETE":
        yield f"EXPLAIN DELETE FROM {target}"
    else:
        columns = sorted(trigger.definition.update_of) or _columns(trigger.table, wanted, scratch)
        yield f"EXPLAIN UPDATE {target} SET {quote(columns[0])} = NULL"


def _columns(name: str, wanted: Schema, scratch: Scratch) -> list[str]:
    table = wanted.tables.get(fold(name))
    if table and isinstance(table.definition, TableDefinition):
        return [column.name for column in table.definition.columns if column.generated is None]
    return list(scratch.query(Query(f"SELECT * FROM {quote(name)} LIMIT 0")).columns)


def _try(item: SchemaObject, sql: str, scratch: Scratch) -> None:
    try:
        scratch.run(sql)
    except ScratchError as error:
        raise _missing(item, error.message) from None


def _missing(item: SchemaObject, message: str) -> ProjectError:
    return ProjectError(
        ErrorCode.MISSING_REFERENCE,
        f"{item.kind} {item.name}: {message}.",
        hint="Define it in the schema folder, or correct the name.",
        place=_place(item, message),
    )


def _place(item: SchemaObject, message: str) -> Place | None:
    """The line in the object's own text where the missing name stands, or the object's first line."""
    offset = locate(item.sql, message)
    if item.place is None or item.place.line is None or offset is None:
        return item.place
    return Place(item.place.file, item.place.line + position(item.sql, offset)[0] - 1)
