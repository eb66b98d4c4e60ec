"""Estimate the rows that a plan writes: those of each step that rewrites, changes or indexes existing rows.

Turso bills each row of a table and each entry of an index that is written.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from turso_deploy.core.transaction import Query
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.steps import StepKind
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import AnyTable, Schema, VirtualTable

# Measured on two cores: a million rows of four columns and an index take about a second, and the lock is safe for five.
LONG_REWRITE_ROWS = 1_000_000


class RewrittenTable(NamedTuple):
    """A live table of which every row is written `times` over, in the table itself and in its indexes.

    `rows` is the number of its rows, None if it is not known.
    """

    table: str
    times: int
    rows: int | None = None

    @property
    def count_query(self) -> Query:
        """The query that counts its rows."""
        return Query(f"SELECT count(*) FROM {quote_identifier(self.table)}")

    @property
    def is_long(self) -> bool:
        """True if it may take longer than a server grants a transaction while another writer waits for the lock."""
        return (self.rows or 0) >= LONG_REWRITE_ROWS


def rewritten_tables(plan: Plan, live: Schema) -> tuple[RewrittenTable, ...]:
    """Return the tables of which the plan writes every row. A partial index counts as a whole one."""
    if not plan.steps:
        return ()
    indexed = {fold_case(row.name): fold_case(row.table) for row in plan.predicted.rows if row.kind == "index"}
    times: Counter[str] = Counter()
    for step in plan.steps:
        name = fold_case(step.object)
        if step.kind is StepKind.REBUILD_TABLE:
            times[name] += 1 + _automatic_indexes(plan.predicted.schema.all_tables[name])
        elif step.kind is StepKind.DROP_COLUMN:  # https://www.sqlite.org/lang_altertable.html#altertabdropcol
            times[name] += 1
        elif step.kind in (StepKind.CREATE_INDEX, StepKind.RECREATE_INDEX):
            times[indexed[name]] += 1
    old_names = {fold_case(new): fold_case(old) for new, old in plan.old_names.items()}
    tables = {old_names.get(name, name): number for name, number in times.items()}
    return tuple(
        RewrittenTable(live.all_tables[name].name, number) for name, number in tables.items() if name in live.all_tables
    )


def _automatic_indexes(table: AnyTable) -> int:
    """Return the number of indexes that SQLite creates for keys: https://www.sqlite.org/fileformat2.html#intschema."""
    if isinstance(table, VirtualTable):
        return 0
    definition = table.definition
    key = definition.primary_key
    is_the_table = key is not None and (key.rowid_alias or definition.without_rowid)
    return len(definition.keys) - is_the_table
