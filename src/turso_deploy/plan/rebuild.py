"""The SQL of a table rebuild: create the wanted table under a temporary name, copy the rows, drop, and rename.

The statements are those of https://www.sqlite.org/lang_altertable.html#otheralter, in an order that a libSQL server
accepts: foreign keys are off for the whole transaction, and views and triggers are dropped before, because RENAME fails
while one of them names a table that does not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from turso_deploy.plan.table_change import TableChange
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.identifiers import identifiers_in, with_table_name
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string

TEMPORARY_PREFIX = "turso_deploy_new_"
"""The beginning of the name of a table while it is rebuilt."""


def rebuild(change: TableChange, taken: Collection[str]) -> tuple[str, ...]:
    """Return the statements that rebuild an ordinary table. `taken` are the folded names in use in the database."""
    new = temporary_name(change.wanted.name, taken)
    return (
        with_table_name(change.wanted.sql, new),
        _copy_table(change, new),
        *_copy_autoincrement(change, new),
        *replace_table(change.live.name, new, change.wanted.name),
    )


def replace_table(old: str, new: str, name: str) -> tuple[str, str]:
    """Return the statements that drop a table and give another one its name."""
    return (
        f"DROP TABLE {quote_identifier(old)}",
        f"ALTER TABLE {quote_identifier(new)} RENAME TO {quote_identifier(name)}",
    )


def copy_rows(new: str, columns: Sequence[str], values: Sequence[str], live: str, insert: str = "INSERT") -> str:
    """Return the statement that copies rows into the table `new`. `columns` and `values` are SQL."""
    target = f"{quote_identifier(new)} ({', '.join(columns)})"
    return f"{insert} INTO {target} SELECT {', '.join(values)} FROM {quote_identifier(live)}"


def temporary_name(name: str, taken: Collection[str]) -> str:
    """Return a free name for the new table while the old one exists."""
    candidate, number = f"{TEMPORARY_PREFIX}{name}", 1
    while fold_case(candidate) in taken:
        number += 1
        candidate = f"{TEMPORARY_PREFIX}{name}_{number}"
    return candidate


def _copy_table(change: TableChange, new: str) -> str:
    """Return the statement that copies the rows.

    If no value, order or rowid changes, `SELECT *` lets SQLite copy whole records without decoding them:
    https://www.sqlite.org/src/file?name=src/insert.c (xferOptimization).
    """
    insert = _insert(change)
    if change.keeps_records:
        return f"{insert} INTO {quote_identifier(new)} SELECT * FROM {change.live_name}"
    columns, values = [quote_identifier(name) for name in change.sources], list(change.sources.values())
    if not columns:  # every wanted column is new, and an INSERT has to name one of them
        first = next(column for column in change.new.columns if column.generated is None)
        columns, values = [quote_identifier(first.name)], [f"({' '.join(first.default)})" if first.default else "NULL"]
    if change.rowid:
        columns, values = [change.rowid, *columns], [change.rowid, *values]
    return copy_rows(new, columns, values, change.live.name, insert)


def _insert(change: TableChange) -> str:
    """Return the INSERT that overrides conflict clauses, which could skip or replace rows without an error.

    https://www.sqlite.org/lang_conflict.html
    """
    return "INSERT OR ABORT" if "conflict" in identifiers_in(change.wanted.sql) else "INSERT"


def _copy_autoincrement(change: TableChange, new: str) -> tuple[str, ...]:
    """Return the statements that copy the AUTOINCREMENT counter, so that no number of a deleted row is used again.

    https://www.sqlite.org/autoinc.html
    """
    if not all(_has_autoincrement(table) for table in (change.new, change.old)):
        return ()
    counter = f"SELECT seq FROM sqlite_sequence WHERE name = {quote_string(change.live.name)}"
    return (
        f"INSERT INTO sqlite_sequence (name, seq) SELECT {quote_string(new)}, 0 "
        f"WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = {quote_string(new)})",
        f"UPDATE sqlite_sequence SET seq = max(seq, coalesce(({counter}), 0)) WHERE name = {quote_string(new)}",
    )


def _has_autoincrement(table: TableDefinition) -> bool:
    return table.primary_key is not None and table.primary_key.autoincrement
