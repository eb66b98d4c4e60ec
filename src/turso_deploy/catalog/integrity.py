"""Detect broken views, triggers, defaults and foreign keys, which SQLite accepts unchecked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

from turso_deploy.catalog.compilation import (
    Action,
    Columns,
    Compilation,
    actions_on,
    compilations,
    has_call,
    statement,
)
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.transaction import Query
from turso_deploy.sql.lexer import as_written, fold_case, quote_identifier
from turso_deploy.sql.schema import AnyTable, Index, Schema, SchemaObject, Trigger, View, VirtualTable, key_of, title


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
        else find_reference_fault(item, schema, scratch) or find_default_fault(item, scratch)
        for item in items
        if key_of(item) in held
    }
    return {name: reason for name, reason in tried.items() if reason is not None}


class Target(NamedTuple):
    """The schemas between which the engine compiles objects: before the plan and after it, and that of the folder.

    `old_names` are the names of the renamed tables before the plan, by folded new name.
    """

    live: Schema
    predicted: Schema
    wanted: Schema
    old_names: Mapping[str, str]


def compiled_by_engine(target: Target, changed: Set[tuple[str, str]], scratch: Scratch) -> Iterator[Compilation]:
    """Yield the statements that make an engine compile the changed objects, of those that compile here.

    The others fail because of an object that was broken before, when nothing else is broken. `changed` holds kind and
    folded name of the objects, and `scratch` the schema after the plan.
    """
    schema = target.predicted
    own = set(map(key_of, target.wanted.objects()))
    foreign = [item for item in schema.objects() if key_of(item) not in own]

    def columns(name: str) -> list[str]:
        try:
            return _columns(name, schema, scratch)[1]
        except ScratchError:
            return []

    for item in compilations(schema, changed, columns):
        try:
            reached = scratch.reached_by(item.sql)
        except ScratchError:
            continue
        others = tuple(other for other in foreign if _is_compiled_with(other, reached))
        before = _statement_before(item, target, columns) if others else ""
        yield item._replace(before=before, others=others)


def _is_compiled_with(item: SchemaObject, reached: Set[str]) -> bool:
    """Return True if a statement that reaches these tables, views and triggers compiles the SQL of an object."""
    is_part_of_table = isinstance(item, Index) and bool(actions_on(item))
    return fold_case(item.table if isinstance(item, Index) and is_part_of_table else item.name) in reached


def _statement_before(item: Compilation, target: Target, columns: Columns) -> str:
    """Return the statement that does the same before the plan; "" for what is new, or a changed view of the folder."""
    name = fold_case(item.target)
    old = target.old_names.get(name, item.target)
    if table := target.live.tables.get(fold_case(old)):
        names = [column.name for column in table.definition.columns if not column.generated]
        return statement(item.action, old, lambda _: names)
    view = target.live.views.get(name)
    is_same = view == target.predicted.views.get(name) or (name not in target.wanted.views and item.action != "UPDATE")
    return statement(item.action, old, columns) if view and is_same else ""


def find_default_fault(table: AnyTable, scratch: Scratch) -> str | None:
    """Return SQLite's message for a default that calls a missing function, or None if all work."""
    if isinstance(table, VirtualTable) or not any(has_call(column.default) for column in table.definition.columns):
        return None
    return _fault(statement(Action.INSERT, table.name, lambda _: ()), table.sql, scratch)


def find_reference_fault(table: AnyTable, schema: Schema, scratch: Scratch) -> str | None:
    """Return the first message of `find_reference_faults`, or None if the references of a table work."""
    return next(iter(find_reference_faults(table, schema, scratch)), None)


def find_reference_faults(table: AnyTable, schema: Schema, scratch: Scratch) -> list[str]:
    """Return SQLite's messages for the broken references of a table.

    "foreign key mismatch" means that the columns of the parent are no key: https://www.sqlite.org/foreignkeys.html#fk_indexes
    """
    if isinstance(table, VirtualTable):
        return list(filter(None, [_content_fault(table, scratch)]))
    parents = dict.fromkeys(key.parent for key in table.definition.foreign_keys)
    found = [f"no such table: {as_written(parent)}" for parent in parents if parent not in schema.all_tables]
    if parents:
        try:
            scratch.run(f"PRAGMA foreign_key_check({quote_identifier(table.name)})")
        except ScratchError as error:
            found.append(error.message)
    return found


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
    if isinstance(item, View):
        return _fault(statement(Action.SELECT, item.name, lambda _: ()), item.sql, scratch)
    return find_fault_of_event(item, schema, scratch)


def find_fault_of_event(trigger: Trigger, schema: Schema, scratch: Scratch) -> str | None:
    """Return SQLite's message for the event that fires a trigger, if it fails; the trigger may not exist yet."""
    try:
        sql = statement(Action(trigger.definition.event), trigger.table, lambda _: _updated(trigger, schema, scratch))
    except ScratchError as error:  # the view of an INSTEAD OF trigger is broken
        return error.message
    return _fault(sql, trigger.sql, scratch)


def _fault(sql: str, text: str, scratch: Scratch) -> str | None:
    """Return SQLite's message for a statement that reaches an object with this text, or None if it compiles."""
    try:
        scratch.compile(sql, text)
    except ScratchError as error:
        return error.message
    return None


def _updated(trigger: Trigger, schema: Schema, scratch: Scratch) -> list[str]:
    """Return the columns of an UPDATE that fires a trigger."""
    generated, columns = _columns(trigger.table, schema, scratch)
    return sorted(trigger.definition.update_of - generated) or columns[:1]


def _columns(name: str, schema: Schema, scratch: Scratch) -> tuple[frozenset[str], list[str]]:
    """Return the folded generated columns of a table or view, and all the others."""
    table = schema.tables.get(fold_case(name))
    if table is not None:
        columns = table.definition.columns
        generated = frozenset(fold_case(column.name) for column in columns if column.generated)
        return generated, [column.name for column in columns if not column.generated]
    return frozenset(), list(scratch.query(Query(f"SELECT * FROM {quote_identifier(name)} LIMIT 0")).columns)
