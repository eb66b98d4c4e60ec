"""Rows that refer to others: which of them would refer to nothing, once the tables are as they are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from turso_deploy.schema.affinity import stored_form
from turso_deploy.schema.directives import NO_TABLE_DIRECTIVES
from turso_deploy.schema.hazards import Hazard, HazardName
from turso_deploy.schema.model import Schema
from turso_deploy.schema.table_change import TableChange
from turso_deploy.sql.ddl import ForeignKey, TableDefinition
from turso_deploy.sql.lexer import fold, quote


def refers_to_nothing(key: ForeignKey, schema: Schema) -> str:
    """A condition on a row called `child`: that its foreign key is given, and leads to no row of the parent."""
    given = " AND ".join(f"child.{quote(name)} IS NOT NULL" for name in key.columns)
    same = " AND ".join(
        f"parent.{quote(parent)} = +child.{quote(name)}"  # + so that the affinity of the parent alone decides
        for parent, name in zip(schema.parent_columns(key), key.columns, strict=False)
    )
    return f"{given} AND NOT EXISTS (SELECT 1 FROM {quote(key.parent)} AS parent WHERE {same})"


def dangling_references(change: TableChange) -> Iterator[Hazard]:
    """What foreign keys may cost that the live table does not have."""
    for key in change.new.foreign_keys:
        if not any(_enforces_the_same(change, key, other) for other in change.old.foreign_keys):
            yield _hazard(change, key, _count_dangling(change, key))


def orphans(change: TableChange, children: Iterable[str]) -> Iterator[Hazard]:
    """What becomes of children that stay as they are where the key that they refer to gets other values.

    `children` are the folded names of those that refer to the table. Rows that have no parent already are no worse off.
    """
    for name in children:
        child, before = change.schema.tables.get(name), change.before.tables.get(name)
        if name in change.others or child is None or before is None:
            continue
        if not isinstance(child.definition, TableDefinition):
            continue
        family = TableChange(child, before, NO_TABLE_DIRECTIVES, change.schema, change.before, change.others)
        for key in child.definition.foreign_keys:
            if key.parent == fold(change.wanted.name) and _becomes_another(change, key):
                count = f"{_count_dangling(family, key)} AND NOT ({refers_to_nothing(key, change.before)})"
                yield _hazard(family, key, count)


def _hazard(change: TableChange, key: ForeignKey, count: str) -> Hazard:
    found = change.hazard(HazardName.ADD_FOREIGN_KEY, ", ".join(key.columns), count)
    return replace(found, parent=key.parent)


def _enforces_the_same(change: TableChange, new: ForeignKey, old: ForeignKey) -> bool:
    columns, others = change.schema.parent_columns(new), change.before.parent_columns(old)
    return (new.columns, new.parent, columns) == (old.columns, old.parent, others)


def _becomes_another(parent: TableChange, key: ForeignKey) -> bool:
    columns = parent.schema.parent_columns(key)
    return columns != parent.before.parent_columns(key) or not parent.changed_columns.isdisjoint(columns)


def _count_dangling(change: TableChange, key: ForeignKey) -> str:
    return f"SELECT count(*) FROM {change.projection} AS child WHERE {_will_refer_to_nothing(change, key)}"


def _will_refer_to_nothing(change: TableChange, key: ForeignKey) -> str:
    """As `refers_to_nothing`, of rows in their wanted form and of a parent in its own."""
    parent = change.others.get(key.parent)
    if parent is None or not parent.changed_columns:
        return refers_to_nothing(key, change.schema)
    columns = change.schema.parent_columns(key)
    names = [quote(parent.new.by_name[column].name) for column in columns]
    child = [f"child.{quote(name)}" for name in key.columns]
    values = [_as_key(parent, column, value) for column, value in zip(columns, child, strict=True)]
    # No column of a list of rows has an index, and NOT EXISTS would read the list for each child.
    keys = f"SELECT {', '.join(names)} FROM {parent.projection} WHERE {' AND '.join(map(_given, names))}"
    return f"{' AND '.join(map(_given, child))} AND ({', '.join(values)}) NOT IN ({keys})"


def _as_key(parent: TableChange, name: str, value: str) -> str:
    """What a child's value is compared as with a column of its parent: https://www.sqlite.org/foreignkeys.html#fk_indexes."""
    column = parent.new.by_name[name]
    return f"({stored_form(value, parent.affinity(column))}) COLLATE {quote(column.collation or 'binary')}"


def _given(value: str) -> str:
    return f"{value} IS NOT NULL"
