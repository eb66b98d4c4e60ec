"""Rows that refer to others: which of them would refer to nothing, once the tables are as they are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.table_change import TableChange
from turso_deploy.sql.affinity import affinity_of, stored_form
from turso_deploy.sql.comments import NO_TABLE_DIRECTIVES
from turso_deploy.sql.definitions import ForeignKey, TableDefinition
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import Schema, Table


def refers_to_nothing(key: ForeignKey, schema: Schema) -> str:
    """A condition on a row called `child`: that its foreign key is given, and leads to no row of the parent."""
    given = " AND ".join(f"child.{quote_identifier(name)} IS NOT NULL" for name in key.columns)
    same = " AND ".join(
        f"parent.{quote_identifier(parent)} = +child.{quote_identifier(name)}"  # + so that the affinity of the parent alone decides
        for parent, name in zip(schema.parent_columns(key), key.columns, strict=False)
    )
    return f"{given} AND NOT EXISTS (SELECT 1 FROM {quote_identifier(key.parent)} AS parent WHERE {same})"


def dangling_references(change: TableChange) -> Iterator[Hazard]:
    """What foreign keys may cost that the live table does not have."""
    for key in change.new.foreign_keys:
        if not any(_enforces_the_same(change, key, other) for other in change.old.foreign_keys):
            yield _hazard(change, key, _count_dangling(change, key))


def left_behind(parent: TableChange, children: Iterable[str]) -> Iterator[Hazard]:
    """What becomes of children where the key that they refer to is another column, or gets other values.

    `children` are the folded names of those that refer to the table and stay; one that is not ours stays as it is.
    Rows that have no parent already are no worse off.
    """
    for name in children:
        live = parent.before.tables.get(name)
        wanted = parent.schema.all_tables.get(name, live)
        if live is None or not isinstance(wanted, Table):
            continue
        unchanged = TableChange(wanted, live, NO_TABLE_DIRECTIVES, parent.schema, parent.before, parent.others)
        child = parent.others.get(name, unchanged)
        for key in child.new.foreign_keys:
            old = next((old for old in child.old.foreign_keys if _has_the_columns_of(old, key)), None)
            if key.parent != fold_case(parent.wanted.name) or old is None:
                continue
            new_columns, old_columns = parent.schema.parent_columns(key), parent.before.parent_columns(old)
            if not (parent.new.by_name.keys() >= {*new_columns} and parent.old.by_name.keys() >= {*old_columns}):
                continue  # it leads to no key, and SQLite says so when rows are changed
            is_another = new_columns != old_columns
            if child is unchanged and (is_another or not parent.changed_columns.isdisjoint(new_columns)):
                count = f"{_count_dangling(child, key)} AND NOT ({refers_to_nothing(old, parent.before)})"
                yield _hazard(child, key, count)
            if is_another or not parent.revalued_columns.isdisjoint(new_columns):
                count = _count_moved(parent, child, key, old_columns)
                yield child.hazard_of_key(HazardName.CHANGE_PARENT, key.columns, count)


def _has_the_columns_of(one: ForeignKey, other: ForeignKey) -> bool:
    return (one.columns, one.parent) == (other.columns, other.parent)


def _count_moved(parent: TableChange, child: TableChange, key: ForeignKey, old_columns: Sequence[str]) -> str:
    """A query that counts the rows which have a parent, and will have another one."""
    new_columns = parent.schema.parent_columns(key)
    before = [f"turso_deploy_key_{number}" for number in range(len(key.columns))]
    rows = child.projection_with(
        *(f"{quote_identifier(name)} AS {one}" for name, one in zip(key.columns, before, strict=True))
    )
    keys = parent.projection_with(
        *(f"{quote_identifier(name)} AS {one}" for name, one in zip(old_columns, before, strict=True))
    )
    was = [_as_key(parent.old, *pair) for pair in zip(old_columns, before, strict=True)]
    will_be = [_as_key(parent.new, *pair) for pair in zip(new_columns, map(quote_identifier, key.columns), strict=True)]
    new_names = [quote_identifier(name) for name in new_columns]
    return (
        f"SELECT count(*) FROM {rows} WHERE ({', '.join(was)}) IN (SELECT {', '.join(before)} FROM {keys}) "
        f"AND ({', '.join(will_be)}) IN (SELECT {', '.join(new_names)} FROM {keys}) "
        f"AND ({', '.join([*was, *will_be])}) NOT IN (SELECT {', '.join([*before, *new_names])} FROM {keys} "
        f"WHERE {' AND '.join(map(_given, [*before, *new_names]))})"
    )


def _hazard(change: TableChange, key: ForeignKey, count: str) -> Hazard:
    found = change.hazard_of_key(HazardName.ADD_FOREIGN_KEY, key.columns, count)
    return replace(found, parent=key.parent)


def _enforces_the_same(change: TableChange, new: ForeignKey, old: ForeignKey) -> bool:
    columns, others = change.schema.parent_columns(new), change.before.parent_columns(old)
    return (new.columns, new.parent, columns) == (old.columns, old.parent, others)


def _count_dangling(change: TableChange, key: ForeignKey) -> str:
    return f"SELECT count(*) FROM {change.projection} AS child WHERE {_will_refer_to_nothing(change, key)}"


def _will_refer_to_nothing(change: TableChange, key: ForeignKey) -> str:
    """As `refers_to_nothing`, of rows in their wanted form and of a parent in its own."""
    parent = change.others.get(key.parent)
    if parent is None or not parent.changed_columns:
        return refers_to_nothing(key, change.schema)
    columns = change.schema.parent_columns(key)
    names = [quote_identifier(parent.new.by_name[column].name) for column in columns]
    child = [f"child.{quote_identifier(name)}" for name in key.columns]
    values = [_as_key(parent.new, column, value) for column, value in zip(columns, child, strict=True)]
    # No column of a list of rows has an index, and NOT EXISTS would read the list for each child.
    keys = f"SELECT {', '.join(names)} FROM {parent.projection} WHERE {' AND '.join(map(_given, names))}"
    return f"{' AND '.join(map(_given, child))} AND ({', '.join(values)}) NOT IN ({keys})"


def _as_key(parent: TableDefinition, name: str, value: str) -> str:
    """What a child's value is compared as with a column of its parent: https://www.sqlite.org/foreignkeys.html#fk_indexes."""
    column = parent.by_name[name]
    stored = stored_form(value, affinity_of(column.type, strict=parent.strict))
    return f"({stored}) COLLATE {quote_identifier(column.collation or 'binary')}"


def _given(value: str) -> str:
    return f"{value} IS NOT NULL"
