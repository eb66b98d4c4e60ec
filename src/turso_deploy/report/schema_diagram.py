"""A schema, or what a deployment does to one, as tables and relations for a diagram."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from msgspec.structs import replace

from turso_deploy.report.document import Entity, EntityColumn, Picture, Relation
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.parser import ForeignKey, TableDefinition
from turso_deploy.sql.schema import Schema, Table

LARGE = 10
"""More tables than this are too many for one picture: then only what changes is shown, with what it refers to."""


def picture_of(schema: Schema, tables: Iterable[str] | None = None) -> Picture:
    """The schema as it stands, or some of its tables by their folded names, with all columns."""
    shown = set(schema.tables if tables is None else tables)
    found = [table for name, table in schema.tables.items() if name in shown]
    entities = tuple(_entity(table, None, "") for table in found)
    relations = tuple(
        relation for table in found for _, relation in _relations(schema, table) if _is_within(relation, shown)
    )
    return Picture(entities, relations, len(schema.tables) - len(found))


def picture_of_change(before: Schema, after: Schema, renamed: Iterable[tuple[str, str | None]] = ()) -> Picture:
    """What becomes of `before` on its way to `after`, with what is added, changed or removed marked.

    Of a table that is there before and after, the keys and what changes are shown. Of a large schema, the tables that
    change and those next to them are.

    `before` has new names already; `renamed` says of which tables, and of which columns of a table, they are new.
    """
    new_names = {(fold_case(table), column and fold_case(column)) for table, column in renamed}
    effects = {
        name: _effect(before.tables.get(name), after.tables.get(name)) or _renaming(name, new_names)
        for name in (*before.tables, *after.tables)
    }
    relations = tuple(_marked_relations(before, after))
    shown = set(effects)
    if len(shown) > LARGE:
        changed = {name for name, effect in effects.items() if effect}
        ends = [{fold_case(relation.child), fold_case(relation.parent)} for relation in relations]
        shown = changed.union(*(pair for pair in ends if pair & changed))
    entities = tuple(
        _entity(after.tables.get(name) or before.tables[name], before.tables.get(name), effect, new_names)
        for name, effect in effects.items()
        if name in shown
    )
    near = tuple(relation for relation in relations if _is_within(relation, shown))
    return Picture(entities, near, len(effects) - len(shown))


def _effect(before: Table | None, after: Table | None) -> str:
    if before is None or after is None:
        return "added" if before is None else "removed"
    return "" if before.definition == after.definition else "changed"


def _renaming(table: str, new_names: Set[tuple[str, str | None]]) -> str:
    if (table, None) in new_names:
        return "renamed"
    return "changed" if any(name == table for name, _ in new_names) else ""


def _entity(
    table: Table, before: Table | None, effect: str, new_names: Set[tuple[str, str | None]] = frozenset()
) -> Entity:
    definition = table.definition
    if not isinstance(definition, TableDefinition):
        return Entity(table.name, (), effect)
    key = fold_case(table.name)
    columns = [
        EntityColumn(
            column.name,
            column.type,
            tuple(_keys(name, definition)),
            _column_effect(name, definition, before) or ("renamed" if (key, name) in new_names else ""),
        )
        for name, column in definition.by_name.items()
    ]
    if effect == "changed" and before and isinstance(before.definition, TableDefinition):
        gone = [column for name, column in before.definition.by_name.items() if name not in definition.by_name]
        columns += [EntityColumn(column.name, column.type, (), "removed") for column in gone]
    if before is not None and effect != "removed":  # what stays as it is only tells where the rest belongs
        columns = [column for column in columns if column.keys or column.effect]
    return Entity(table.name, tuple(columns), effect)


def _column_effect(name: str, definition: TableDefinition, before: Table | None) -> str:
    if before is None or not isinstance(before.definition, TableDefinition):
        return ""
    old = before.definition.by_name.get(name)
    if old is None:
        return "added"
    return "" if old == definition.by_name[name] else "changed"


def _keys(column: str, definition: TableDefinition) -> Iterator[str]:
    if definition.primary_key and column in [part.column for part in definition.primary_key.parts]:
        yield "PK"
    if any(column in key.columns for key in definition.foreign_keys):
        yield "FK"
    if any([part.column for part in unique.parts] == [column] for unique in definition.uniques):
        yield "UK"


def _relations(schema: Schema, table: Table) -> Iterator[tuple[ForeignKey, Relation]]:
    definition = table.definition
    if not isinstance(definition, TableDefinition):
        return
    for key in definition.foreign_keys:
        parent = schema.tables.get(key.parent)
        columns = [definition.by_name[name] for name in key.columns]
        optional = not all(column.not_null for column in columns)
        single = _is_unique(key.columns, definition)
        names = ", ".join(column.name for column in columns)
        yield key, Relation(table.name, parent.name if parent else key.parent, names, optional, single)


def _is_unique(columns: tuple[str, ...], definition: TableDefinition) -> bool:
    return any({part.column for part in key.parts} == set(columns) for key in definition.keys)


def _marked_relations(before: Schema, after: Schema) -> Iterator[Relation]:
    """The relations of `after`, the new ones marked, and those of `before` that go, between tables as they are shown.

    A table that is made anew may get a name in another case.
    """
    names = {name: table.name for schema in (before, after) for name, table in schema.tables.items()}
    old = {(fold_case(table.name), key) for table in before.tables.values() for key, _ in _relations(before, table)}
    new = {(fold_case(table.name), key) for table in after.tables.values() for key, _ in _relations(after, table)}
    for schema, known, effect in ((after, old, "added"), (before, new, "removed")):
        for table in schema.tables.values():
            for key, relation in _relations(schema, table):
                if (fold_case(table.name), key) not in known:
                    child, parent = (names.get(fold_case(end), end) for end in (relation.child, relation.parent))
                    yield replace(relation, child=child, parent=parent, effect=effect)
                elif schema is after:
                    yield relation


def _is_within(relation: Relation, shown: Set[str]) -> bool:
    return {fold_case(relation.child), fold_case(relation.parent)} <= shown
