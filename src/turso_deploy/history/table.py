"""The table of the deployment history: its columns, its upgrade from older forms, and what makes it unreliable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE, Catalog, is_history
from turso_deploy.core.errors import BlockedError, DatabaseError, ErrorCode
from turso_deploy.core.transaction import Purpose, Query, TransactionStep
from turso_deploy.seeds.trigger_effects import writes_of
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.lexer import SqlTextError, canonical_tokens, fold_case
from turso_deploy.sql.parser import parse

_FIRST_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "number": "INTEGER PRIMARY KEY",
        "id": "TEXT NOT NULL UNIQUE",
        "deployed_at": "TEXT NOT NULL",
        "schema_version": "TEXT",
        "schema_fingerprint": "TEXT NOT NULL",
        "seeds_fingerprint": "TEXT NOT NULL",
        "seeds": "TEXT NOT NULL",
        "commit_sha": "TEXT",
        "ref": "TEXT",
        "run_url": "TEXT",
        "actor": "TEXT",
        "tool_version": "TEXT NOT NULL",
        "managed_objects": "TEXT NOT NULL",
        "scripts": "TEXT NOT NULL",
        "plan_summary": "TEXT NOT NULL",
        "backup": "TEXT",
    }
)
"""The columns of the first form of the table."""

# The long ones are last, so that SQLite reads the others without following overflow pages.
ADDED_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "seed_rows": "TEXT",
        "command": "TEXT",
        "previous_version": "TEXT",
        "started_at": "TEXT",
        "duration_ms": "INTEGER",
        "approved_hazards": "TEXT",
        "renames": "TEXT",
        "backfills": "TEXT",
        "plan_fingerprint": "TEXT",
        "checks_fingerprint": "TEXT",
        "catalog_fingerprint": "TEXT",
        "catalog": "BLOB",
    }
)
"""The columns that older forms of the table lack, in the order in which they are added."""


class HistoryForm(NamedTuple):
    """The columns by which the deployment history of a database differs from the form that this program writes."""

    missing: tuple[str, ...] = ()
    """Columns of the first form. Without them nothing can be recorded."""
    to_add: tuple[str, ...] = ()
    """Columns that an older program did not know."""
    unknown: tuple[str, ...] = ()
    """Columns that this program does not know: a later one has added them."""


def history_form(catalog: Catalog) -> HistoryForm:
    """Return the form of the deployment history of a database; a database without one needs nothing added.

    Raises DatabaseError (`history-damaged`) if the definition of the table cannot be read.
    """
    sql = next((row.sql for row in catalog.rows if is_history(row)), None)
    try:
        definition = parse(sql) if sql else None
    except SqlTextError as error:
        raise DatabaseError(
            ErrorCode.HISTORY_DAMAGED,
            f"The definition of {HISTORY_TABLE}, the deployment history of the database, cannot be read: "
            f"{error.message}.",
            hint="Look at its row in sqlite_master: was it changed or damaged? If SQLite can use the table, this is a "
            "bug of turso-deploy: please report it, with the definition.",
        ) from None
    if not isinstance(definition, TableDefinition):
        return HistoryForm()
    found = definition.by_name
    known = {**_FIRST_COLUMNS, **ADDED_COLUMNS}
    return HistoryForm(
        tuple(name for name in _FIRST_COLUMNS if name not in found),
        tuple(name for name in ADDED_COLUMNS if name not in found),
        tuple(column.name for name, column in found.items() if name not in known),
    )


def create_step() -> TransactionStep:
    """Return the step that creates the table of the deployment history."""
    columns = ",\n".join(f"  {name} {rule}" for name, rule in {**_FIRST_COLUMNS, **ADDED_COLUMNS}.items())
    sql = f"CREATE TABLE {HISTORY_TABLE} (\n{columns}\n)"
    return TransactionStep(Query(sql), Purpose.HISTORY, f"create {HISTORY_TABLE}")


def table_steps(catalog: Catalog) -> list[TransactionStep]:
    """Return the steps that create the table of the deployment history, or add the columns that an older one lacks."""
    if not catalog.has_history:
        return [create_step()]
    return [
        TransactionStep(
            Query(f"ALTER TABLE {HISTORY_TABLE} ADD COLUMN {name} {ADDED_COLUMNS[name]}"),
            Purpose.HISTORY,
            f"add {name} to {HISTORY_TABLE}",
        )
        for name in history_form(catalog).to_add
    ]


def with_current_form(catalog: Catalog) -> Catalog:
    """Return the catalog after a deployment, whose history has all columns."""
    if not history_form(catalog).to_add:
        return catalog
    sql = create_step().query.sql
    return replace(catalog, rows=tuple(row._replace(sql=sql) if is_history(row) else row for row in catalog.rows))


def require_reliable(catalog: Catalog) -> None:
    """Raise an error if the deployment history may not record what is deployed, so that scripts could run twice.

    It is DatabaseError with the code `history-newer` for a column of a later program, whose meaning is not known, or
    `history-damaged` for a missing column, and BlockedError (`history-trigger`) if a trigger is on the history or
    writes to it, or if a unique index is on it.
    """
    form = history_form(catalog)
    if form.unknown:
        raise DatabaseError(
            ErrorCode.HISTORY_NEWER,
            f"The deployment history of the database has columns that this version of turso-deploy does not know: "
            f"{', '.join(form.unknown)}.",
            hint="A later version of turso-deploy has deployed to this database. Use that version, or a later one. "
            f"Columns that another program added to {HISTORY_TABLE} have to be dropped.",
        )
    if form.missing:
        raise DatabaseError(
            ErrorCode.HISTORY_DAMAGED,
            f"The deployment history of the database lacks columns: {', '.join(form.missing)}.",
            hint=f"Another program has changed {HISTORY_TABLE}. Add the columns again, as docs/concepts/"
            "deployment-history.md lists them, or restore the table.",
        )
    if names := writing_triggers(catalog):
        raise BlockedError(
            ErrorCode.HISTORY_TRIGGER,
            f"Triggers of another program are on {HISTORY_TABLE}, or write to it: {', '.join(names)}.",
            hint="Drop these triggers. Nothing else may write to the deployment history, because a script whose record "
            "is lost would run again.",
        )
    if names := unique_indexes(catalog):
        raise BlockedError(
            ErrorCode.HISTORY_TRIGGER,
            f"Unique indexes of another program are on {HISTORY_TABLE}: {', '.join(names)}.",
            hint="Drop these indexes. They may reject the row of a deployment, which then fails.",
        )


_UNIQUE = "create unique "  # SQLite stores these words in this form: https://www.sqlite.org/schematab.html


def unique_indexes(catalog: Catalog) -> list[str]:
    """Return the names of the unique indexes on the history table. No deployment creates one."""
    return [
        row.name
        for row in catalog.rows
        if row.kind == "index"
        and fold_case(row.table) == HISTORY_TABLE
        and fold_case(row.sql or "").startswith(_UNIQUE)
    ]


def writing_triggers(catalog: Catalog) -> list[str]:
    """Return the names of the triggers on the history table, and of those on other tables that write to it.

    No deployment creates one. The manifest's `ignore` does not hide them.
    """
    return [
        row.name
        for row in catalog.rows
        if row.kind == "trigger" and (fold_case(row.table) == HISTORY_TABLE or _writes_to_history(row.sql or ""))
    ]


def _writes_to_history(sql: str) -> bool:
    if HISTORY_TABLE not in fold_case(sql):
        return False
    try:
        return any(table == HISTORY_TABLE for table, _ in writes_of(canonical_tokens(sql)))
    except SqlTextError:
        return True
