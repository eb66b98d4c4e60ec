"""The planner's statistics of tables that are made anew or renamed, which DROP TABLE deletes and RENAME leaves behind.

ANALYZE gathered them (https://www.sqlite.org/fileformat2.html#stat1tab), and libSQL servers refuse that: what is lost
there does not come again, and queries take other ways than before.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.core.transaction import Purpose, Query, TransactionStep
from turso_deploy.plan.plan import Plan
from turso_deploy.sql.lexer import fold_case, quote_string
from turso_deploy.sql.schema import AnyTable, Table, VirtualTable

_COLUMNS = {"sqlite_stat1": "stat", "sqlite_stat4": "neq, nlt, ndlt, sample"}
"""What the tables of statistics hold besides `tbl` and `idx`, the names of a table and of its index."""

_ASIDE = "turso_deploy_statistics_"


class Statistics(Struct, frozen=True):
    """Those of one table: its name before and after, and that of each index that they are true of afterwards, too."""

    old: str
    new: str
    indexes: tuple[tuple[str, str], ...]


def statistics_to_keep(plan: Plan, live: Catalog) -> list[Statistics]:
    """What would be lost with the plan; nothing where nobody has ever gathered any."""
    if not _tables_of(live):
        return []
    found = []
    for name, table in plan.predicted.schema.all_tables.items():
        before = live.schema.all_tables.get(fold_case(plan.old_names.get(name, name)))
        if before is not None and (name in plan.rebuilt_tables or name in plan.old_names):
            indexes = tuple(_indexes(plan, live, before, table))
            found.append(Statistics(before.name, table.name, indexes))
    return found


def set_aside(kept: list[Statistics], live: Catalog) -> list[TransactionStep]:
    """The steps that note statistics under a name which no table has, before the tables change."""
    return [
        _step(
            f"INSERT INTO {table} (tbl, idx, {columns}) SELECT {quote_string(_ASIDE + item.old)}, idx, {columns} "
            f"FROM {table} WHERE tbl = {quote_string(item.old)} AND (idx IS NULL{_among(item)})",
            f"set statistics of {item.old} aside",
        )
        for table, columns in _tables_of(live).items()
        for item in kept
    ]


def bring_back(kept: list[Statistics], live: Catalog) -> list[TransactionStep]:
    """The steps that give the statistics to the tables as they are called afterwards."""
    stale = ", ".join(sorted({quote_string(name) for item in kept for name in (item.old, item.new)}))
    steps = []
    for table in _tables_of(live) if kept else ():
        steps.append(_step(f"DELETE FROM {table} WHERE tbl IN ({stale})", "delete statistics of what is gone"))
        for item in kept:
            renamed = [f"WHEN {quote_string(old)} THEN {quote_string(new)}" for old, new in item.indexes if old != new]
            index = f", idx = CASE idx {' '.join(renamed)} ELSE idx END" if renamed else ""
            sql = f"UPDATE {table} SET tbl = {quote_string(item.new)}{index} WHERE tbl = {quote_string(_ASIDE + item.old)}"
            steps.append(_step(sql, f"bring back statistics of {item.new}"))
    return steps


def _tables_of(live: Catalog) -> dict[str, str]:
    there = {fold_case(row.name) for row in live.rows if row.kind == "table"}
    return {table: columns for table, columns in _COLUMNS.items() if table in there}


def _indexes(plan: Plan, live: Catalog, before: AnyTable, after: AnyTable) -> Iterator[tuple[str, str]]:
    """Old and new name of each index that means afterwards what it did."""
    gone = plan.dropped_indexes
    same_keys = _keys(before) == _keys(after)
    automatic = f"sqlite_autoindex_{before.name}_"
    for row in live.rows:
        if row.kind != "index" or fold_case(row.table) != fold_case(before.name) or fold_case(row.name) in gone:
            continue
        if row.sql is not None:
            yield row.name, row.name
        elif same_keys:  # it is numbered by where its constraint stands
            yield row.name, f"sqlite_autoindex_{after.name}_{row.name[len(automatic) :]}"
    # A table WITHOUT ROWID is called an index of its own.
    if same_keys and isinstance(after, Table) and after.definition.without_rowid:
        yield before.name, after.name


def _keys(table: AnyTable) -> object:
    if isinstance(table, VirtualTable):
        return None
    definition = table.definition
    return definition.primary_key, definition.uniques, definition.without_rowid


def _among(item: Statistics) -> str:
    names = ", ".join(quote_string(old) for old, _ in item.indexes)
    return f" OR idx IN ({names})" if names else ""


def _step(sql: str, label: str) -> TransactionStep:
    return TransactionStep(Query(sql), Purpose.CHANGE, label)
