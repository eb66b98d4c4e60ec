"""Find the views and triggers that use columns by position, and the tables with another order than in the folder.

For all other tables the order of columns has no effect on the schema, so that ADD COLUMN, which appends, is enough. It
has one on statements of applications that name no columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from functools import lru_cache

from turso_deploy.sql.identifiers import counts_columns_of, identifiers_in, takes_every_column
from turso_deploy.sql.schema import Schema, Table, Trigger, View

# Each combines rows by the positions of their columns, or names columns by position.
_BY_PLACE = frozenset({"union", "intersect", "except", "with"})
MAX_CACHED_TEXTS = 4_096


def depending_on_column_order(items: Iterable[View | Trigger], tables: Set[str]) -> Iterator[View | Trigger]:
    """Yield the items that use other columns than before if the columns of `tables` change their order."""
    return (item for item in items if _used_by_order(item) & tables)


def tables_with_significant_order(schema: Schema) -> frozenset[str]:
    """Return the folded names of the tables whose order of columns matters to a view or a trigger."""
    items: tuple[View | Trigger, ...] = (*schema.views.values(), *schema.triggers.values())
    return frozenset(name for item in items for name in _used_by_order(item))


def have_same_column_order(wanted: Table, live: Table) -> bool:
    """Return True if two tables with the same columns have them in the same order."""
    return list(wanted.definition.by_name) == list(live.definition.by_name)


def tables_in_another_order(wanted: Schema, live: Schema) -> list[tuple[Table, Table]]:
    """Return the wanted and the live form of each table that has the same columns in another order."""
    pairs = ((table, live.tables.get(name)) for name, table in wanted.tables.items())
    return [
        (table, other)
        for table, other in pairs
        if other is not None
        and not have_same_column_order(table, other)
        and table.definition.by_name.keys() == other.definition.by_name.keys()
    ]


def _used_by_order(item: View | Trigger) -> frozenset[str]:
    if "*" not in item.sql and isinstance(item, View):
        return frozenset()
    return _tables_by_order(item.sql, isinstance(item, Trigger) or item.definition.columns is not None)


@lru_cache(MAX_CACHED_TEXTS)
def _tables_by_order(sql: str, gives_names: bool) -> frozenset[str]:
    """Return the tables that an INSERT without column names fills, and those that `*` reads by position."""
    inserted, names = counts_columns_of(sql), identifiers_in(sql)
    if takes_every_column(sql) and (gives_names or names & _BY_PLACE):
        return names | inserted
    return inserted
