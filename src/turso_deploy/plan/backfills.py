"""Backfills: validate and order the `@using` expressions, and report those that are not applied."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import ErrorCode, PlanError
from turso_deploy.plan.plan import UnusedBackfill
from turso_deploy.plan.table_change import TableChange
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.identifiers import identifiers_in, names_behind_from
from turso_deploy.sql.lexer import canonical_tokens, column_title, quote_identifier
from turso_deploy.sql.schema import Schema, Table


def check_backfills(change: TableChange, scratch: Scratch) -> None:
    """Compile every `@using` expression of a change against the live table in the scratch database.

    An expression cannot read a view, because views are dropped while a table is rebuilt.

    Raises PlanError (`directive-invalid`) with the line of the column.
    """
    for name, column in change.new.by_name.items():
        if (using := change.backfill(name)) is None:
            continue
        views = sorted(_read_from(using) & change.before.views.keys())
        reason = f"it reads the view {views[0]}" if views else _error_in(using, change.live, scratch)
        if reason is not None:
            title, place = column_title(change.wanted.name, column.name), change.wanted.place_of(name)
            given = f"`@using {using}` at the column {title}" if place else f"`--backfill` for the column {title}"
            raise PlanError(
                ErrorCode.DIRECTIVE_INVALID,
                f"{given} cannot be used: {reason}.",
                hint="It must be an expression over the columns of one row of the table, as the database has it after "
                "renames. It may read other tables, but no views.",
                place=place,
            )


def order_of_backfills(changes: Mapping[str, TableChange]) -> dict[str, int]:
    """Return the position of each changed table, by folded name: before every table that its `@using` reads.

    So each expression reads the rows as they were before the plan.

    Raises PlanError (`directive-invalid`) if tables read each other, directly or through others.
    """
    order = TopologicalSorter[str](dict.fromkeys(changes, ()))
    for name, change in changes.items():
        for read in sorted(_read_by(change) & changes.keys() - {name}):
            order.add(read, name)
    try:
        return {name: place for place, name in enumerate(order.static_order())}
    except CycleError as error:
        one, other = (changes[name].wanted for name in error.args[1][:2])
        raise PlanError(
            ErrorCode.DIRECTIVE_INVALID,
            f"An `@using` in {one.name} and one in {other.name} read rows of each other's table, so neither can be "
            "changed first.",
            hint="Deploy one of the changes first, or use a one-time script for it.",
            place=one.place,
        ) from None


def _read_by(change: TableChange) -> set[str]:
    used = (change.backfill(name) for name in change.new.by_name)
    return {name for using in used if using is not None for name in _read_from(using)}


def _read_from(using: str) -> frozenset[str]:
    """Return the names of the tables that an expression may read. Without a subquery, all its names are columns."""
    return names_behind_from(using) if "select" in identifiers_in(using) else frozenset()


def _error_in(using: str, table: Table, scratch: Scratch) -> str | None:
    """Return SQLite's message if an expression over a row does not compile or is an aggregate, otherwise None.

    An aggregate would turn all rows into one. SQLite rejects it in WHERE: https://www.sqlite.org/lang_aggfunc.html
    """
    try:
        scratch.compile(f"SELECT ({using}) FROM {quote_identifier(table.name)}")
    except ScratchError as error:
        return error.message
    try:
        scratch.compile(f"SELECT 1 FROM {quote_identifier(table.name)} WHERE ({using})")
    except ScratchError as error:
        return error.message if "aggregate" in error.message else None
    return None


def unused_backfills(wanted: Schema, live: Schema, renamed: Collection[str]) -> Iterator[UnusedBackfill]:
    """Yield the columns that change and whose `@using` is not applied, although the author may expect it.

    `live` is the schema after the renames, and `renamed` are the titles of the renamed columns. A column that does not
    change may keep an `@using` that was applied before.
    """
    for name, new in wanted.tables.items():
        old = live.all_tables.get(name)
        columns = [column for column, at_column in new.directives.columns.items() if at_column.using is not None]
        if old is None or not columns:
            continue
        change = TableChange(new, old, wanted, live) if isinstance(old, Table) else None
        for column in columns:
            title = column_title(new.name, new.definition.by_name[column].name)
            if change is None:
                yield UnusedBackfill(title, new.place_of(column), replaced=True)
            elif change.backfill(column) is None and (title in renamed or _differs(column, change)):
                yield UnusedBackfill(title, new.place_of(column))


def _differs(column: str, change: TableChange) -> bool:
    """Return True if the definition of a column changes, or a constraint of its table that names it."""
    new, old = change.new, change.old
    return new.by_name[column] != change.live_column(column) or _constraints(column, new) != _constraints(column, old)


def _constraints(column: str, table: TableDefinition) -> set[object]:
    word = canonical_tokens(quote_identifier(column))[0]
    return {
        *(check for check in table.checks if word in check.expression),
        *(key for key in table.foreign_keys if column in key.columns),
        *(key for key in table.keys if any(part.column == column for part in key.parts)),
    }
