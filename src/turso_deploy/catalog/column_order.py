"""Whose columns' order matters: views and triggers that take columns by their places, and not by their names.

Otherwise a table means the same in any order, and ADD COLUMN, which appends, is as good as any other way to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from functools import lru_cache

from turso_deploy.sql.identifiers import counts_columns_of, identifiers_in, takes_every_column
from turso_deploy.sql.schema import Schema, Table, Trigger, View

# Each joins rows by the places of their columns, or gives names to them by these.
_BY_PLACE = frozenset({"union", "intersect", "except", "with"})
_MOST_TEXTS = 4_096


def go_by_order(items: Iterable[View | Trigger], tables: Set[str]) -> Iterator[View | Trigger]:
    """Those that would take other columns than before, once the columns of `tables` stand in another order."""
    return (item for item in items if _used_by_order(item) & tables)


def tables_in_order(schema: Schema) -> frozenset[str]:
    """The folded names of the tables whose columns have to stand in their order for the views and triggers."""
    items: tuple[View | Trigger, ...] = (*schema.views.values(), *schema.triggers.values())
    return frozenset(name for item in items for name in _used_by_order(item))


def stand_in_order(wanted: Table, live: Table) -> bool:
    """Whether the columns of two tables that have the same ones stand in the same order."""
    return list(wanted.definition.by_name) == list(live.definition.by_name)


def _used_by_order(item: View | Trigger) -> frozenset[str]:
    if "*" not in item.sql and isinstance(item, View):
        return frozenset()
    return _tables_by_order(item.sql, isinstance(item, Trigger) or item.definition.columns is not None)


@lru_cache(_MOST_TEXTS)
def _tables_by_order(sql: str, gives_names: bool) -> frozenset[str]:
    """Of a trigger that inserts without naming columns, or reads `*`; of a view that names or joins what `*` gives."""
    inserted, names = counts_columns_of(sql), identifiers_in(sql)
    if takes_every_column(sql) and (gives_names or names & _BY_PLACE):
        return names | inserted
    return inserted
