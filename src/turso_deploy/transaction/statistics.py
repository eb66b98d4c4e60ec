"""Keep the planner's statistics of rebuilt and renamed tables, which DROP TABLE deletes and RENAME does not update.

ANALYZE gathers them (https://www.sqlite.org/fileformat2.html#stat1tab), and libSQL servers reject ANALYZE: statistics
that are lost cannot be gathered again, and queries use other indexes than before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.core.transaction import TransactionStep, change_step
from turso_deploy.plan.plan import Plan
from turso_deploy.sql.lexer import fold_case, quote_string
from turso_deploy.sql.schema import AnyTable, Table, VirtualTable

_COLUMNS = {"sqlite_stat1": "stat", "sqlite_stat4": "neq, nlt, ndlt, sample"}
"""The columns of the tables of statistics besides `tbl` and `idx`, the names of a table and of its index."""

_KEPT = "turso_deploy_statistics_"
"""The prefix of a table's name under which its statistics are kept while it is rebuilt; no table has it."""


class Statistics(NamedTuple):
    """The statistics of one table: its old and new name, and those of each index whose statistics stay valid."""

    old: str
    new: str
    indexes: tuple[tuple[str, str], ...]


def statistics_to_keep(plan: Plan, live: Catalog) -> list[Statistics]:
    """Return the statistics that the plan would lose; none if ANALYZE never ran."""
    if not _tables_of(live):
        return []
    kept = []
    for name, table in plan.predicted.schema.all_tables.items():
        before = live.schema.all_tables.get(fold_case(plan.old_names.get(name, name)))
        if before is not None and (name in plan.rebuilt_tables or name in plan.old_names):
            indexes = tuple(_indexes(plan, live, before, table))
            kept.append(Statistics(before.name, table.name, indexes))
    return kept


def keep_statistics(kept: list[Statistics], live: Catalog) -> list[TransactionStep]:
    """Return the steps that copy statistics to a name that no table has, before the tables change."""
    return [
        change_step(
            f"INSERT INTO {table} (tbl, idx, {columns}) SELECT {quote_string(_KEPT + item.old)}, idx, {columns} "
            f"FROM {table} WHERE tbl = {quote_string(item.old)} AND (idx IS NULL{_or_indexes(item)})",
            f"keep statistics of {item.old}",
        )
        for table, columns in _tables_of(live).items()
        for item in kept
    ]


def restore_statistics(kept: list[Statistics], live: Catalog) -> list[TransactionStep]:
    """Return the steps that give the statistics to the tables under their new names."""
    stale = ", ".join(sorted({quote_string(name) for item in kept for name in (item.old, item.new)}))
    steps = []
    for table in _tables_of(live) if kept else ():
        steps.append(change_step(f"DELETE FROM {table} WHERE tbl IN ({stale})", "delete outdated statistics"))
        for item in kept:
            renamed = [f"WHEN {quote_string(old)} THEN {quote_string(new)}" for old, new in item.indexes if old != new]
            index = f", idx = CASE idx {' '.join(renamed)} ELSE idx END" if renamed else ""
            kept_name = quote_string(_KEPT + item.old)
            sql = f"UPDATE {table} SET tbl = {quote_string(item.new)}{index} WHERE tbl = {kept_name}"
            steps.append(change_step(sql, f"restore statistics of {item.new}"))
    return steps


def _tables_of(live: Catalog) -> dict[str, str]:
    existing = {fold_case(row.name) for row in live.rows if row.kind == "table"}
    return {table: columns for table, columns in _COLUMNS.items() if table in existing}


def _indexes(plan: Plan, live: Catalog, before: AnyTable, after: AnyTable) -> Iterator[tuple[str, str]]:
    """Yield the old and the new name of each index that the plan keeps."""
    dropped = plan.dropped_indexes
    same_keys = _keys(before) == _keys(after)
    automatic = f"sqlite_autoindex_{before.name}_"
    for row in live.rows:
        if row.kind != "index" or fold_case(row.table) != fold_case(before.name) or fold_case(row.name) in dropped:
            continue
        if row.sql is not None:
            yield row.name, row.name
        elif same_keys:  # numbered by the position of its constraint
            yield row.name, f"sqlite_autoindex_{after.name}_{row.name[len(automatic) :]}"
    # The statistics of a WITHOUT ROWID table name the table as its own index.
    if same_keys and isinstance(after, Table) and after.definition.without_rowid:
        yield before.name, after.name


def _keys(table: AnyTable) -> object:
    if isinstance(table, VirtualTable):
        return None
    definition = table.definition
    return definition.primary_key, definition.uniques, definition.without_rowid


def _or_indexes(item: Statistics) -> str:
    names = ", ".join(quote_string(old) for old, _ in item.indexes)
    return f" OR idx IN ({names})" if names else ""
