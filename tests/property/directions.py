"""Ways from one random schema to another that the comments of the second one tell: `@renamed` and `@using`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hypothesis import strategies as st

from tests.property.schemas import Column, Schema, Table, two_schemas

_NEW_TABLE, _NEW_COLUMN = "Neuer Name", "new name"
_CONSTANTS = ("7", "'u'", "x'01'", "coalesce(1, (SELECT count(*) FROM anchor))")
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Way:
    """Two schemas; what a table or a column (by its table's new name) of the second is called in the first."""

    first: Schema
    second: Schema
    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def back(self) -> Way:
        """From the second to the first, which has no comments: the history knows what was renamed."""
        columns = {(self.tables.get(table, table), old): new for (table, new), old in self.columns.items()}
        return Way(self.second, self.first, {old: new for new, old in self.tables.items()}, columns)


@st.composite
def ways(draw: st.DrawFn) -> Way:
    """Two schemas; often, what both have is renamed in the second, or filled by an expression."""
    first, second = draw(two_schemas())
    way = Way(first, second)
    shared = [name for name in second.tables if name in first.tables]
    renames_column, renames_table, fills = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    if shared and renames_column:
        way = _with_renamed_column(way, draw(st.sampled_from(shared)), draw(st.integers(0, 6)))
    if shared and renames_table:
        way = _with_renamed_table(way, draw(st.sampled_from(shared)))
    if shared and fills:
        table = draw(st.sampled_from(list(way.second.tables)))
        way = _with_using(way, table, draw(st.sampled_from(_CONSTANTS)), draw(st.integers(0, 6)))
    return way


def _with_renamed_column(way: Way, name: str, choice: int) -> Way:
    table, old = way.second.tables[name], way.first.tables[name]
    shared = [column for column in table.columns if column in old.columns]
    if not shared:
        return way
    column = shared[choice % len(shared)]
    second = _rename_column(way.second, name, column)
    return replace(way, second=second, columns={(name, _NEW_COLUMN): column})


def _with_renamed_table(way: Way, name: str) -> Way:
    columns = {(_NEW_TABLE if table == name else table, column): old for (table, column), old in way.columns.items()}
    return Way(way.first, _rename_table(way.second, name), {_NEW_TABLE: name}, columns)


def _with_using(way: Way, name: str, expression: str, choice: int) -> Way:
    table = way.second.tables[name]
    plain = [column for column in table.columns.values() if not column.generated]
    if not plain:
        return way
    column = replace(plain[choice % len(plain)], using=expression)
    table = replace(table, columns={**table.columns, column.name: column})
    return replace(way, second=replace(way.second, tables={**way.second.tables, name: table}))


def _rename_column(schema: Schema, name: str, old: str) -> Schema:
    def new(column: str) -> str:
        return _NEW_COLUMN if column == old else column

    def moved(column: Column, own: bool) -> Column:
        if own and column.name == old:
            column = replace(column, name=_NEW_COLUMN, renamed_from=old)
        if own and column.generated:
            column = replace(column, generated=(column.generated[0], new(column.generated[1]), column.generated[2]))
        if column.reference and column.reference.parent == name and column.reference.column == old:
            column = replace(column, reference=replace(column.reference, column=_NEW_COLUMN))
        return column

    def table(item: Table) -> Table:
        own = item.name == name
        columns = {column.name: column for column in (moved(column, own) for column in item.columns.values())}
        if not own:
            return replace(item, columns=columns)
        pair = item.pair and (item.pair[0], (new(item.pair[1][0]), new(item.pair[1][1])), item.pair[2])
        return replace(item, columns=columns, unique=tuple(map(new, item.unique)), pair=pair)

    indexes = {
        key: replace(
            item, parts=tuple((new(column), text) for column, text in item.parts), where=item.where and new(item.where)
        )
        if item.table == name
        else item
        for key, item in schema.indexes.items()
    }
    views = {
        key: replace(item, columns=tuple(map(new, item.columns))) if item.source == name else item
        for key, item in schema.views.items()
    }
    triggers = {
        key: replace(item, body=(name, new(item.body[1]))) if item.body[0] == name else item
        for key, item in schema.triggers.items()
    }
    searches = {
        key: replace(item, columns=tuple(map(new, item.columns))) if item.content == name else item
        for key, item in schema.searches.items()
    }
    return Schema(_each(schema.tables, table), indexes, views, triggers, searches)


def _rename_table(schema: Schema, old: str) -> Schema:
    def new(name: str) -> str:
        return _NEW_TABLE if name == old else name

    def table(item: Table) -> Table:
        columns = {
            name: replace(column, reference=replace(column.reference, parent=new(column.reference.parent)))
            if column.reference
            else column
            for name, column in item.columns.items()
        }
        pair = item.pair and (new(item.pair[0]), item.pair[1], item.pair[2])
        renamed_from = old if item.name == old else None
        return replace(item, name=new(item.name), columns=columns, pair=pair, renamed_from=renamed_from)

    return Schema(
        {new(name): table(item) for name, item in schema.tables.items()},
        {name: replace(item, table=new(item.table)) for name, item in schema.indexes.items()},
        {name: replace(item, source=new(item.source)) for name, item in schema.views.items()},
        {
            name: replace(item, on=new(item.on), body=(new(item.body[0]), item.body[1]))
            for name, item in schema.triggers.items()
        },
        {name: replace(item, content=item.content and new(item.content)) for name, item in schema.searches.items()},
    )


def _each(items: Mapping[str, _Item], change: object) -> dict[str, _Item]:
    return {name: change(item) for name, item in items.items()}  # type: ignore[operator]


def old_columns(way: Way, name: str) -> list[tuple[str, str]]:
    """The columns of a table of the second schema whose values have to be as in the first, by new and old name."""
    new, old = way.second.tables[name], way.first.tables[way.tables.get(name, name)]
    found = []
    for column in new.stored_columns:
        was = way.columns.get((name, column), column)
        if was in old.stored_columns and not _is_filled(new, old, column, was):
            found.append((column, was))
    return found


def _is_filled(new: Table, old: Table, column: str, was: str) -> bool:
    """Whether `@using` may have filled the column: it is of another kind than it was."""
    now, before = new.columns.get(column), old.columns.get(was)
    if now is None or before is None or now.using is None:
        return False
    in_key = (column in new.key_columns, was in old.key_columns)  # which may imply NOT NULL, or the rowid
    kinds = [(item.type, item.not_null, item.generated) for item in (now, before)]
    return kinds[0] != kinds[1] or new.strict != old.strict or new.without_rowid != old.without_rowid or any(in_key)
