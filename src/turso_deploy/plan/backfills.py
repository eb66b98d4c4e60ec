"""What `@using` fills: which expressions cannot be used, and which are passed over although their column changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from turso_deploy.catalog.scratch import Scratch, ScratchError, with_names_only
from turso_deploy.core.errors import BlockedError, ErrorCode
from turso_deploy.plan.plan import UnusedBackfill
from turso_deploy.plan.table_change import TableChange
from turso_deploy.sql.canonical import canonical_tokens
from turso_deploy.sql.comments import TableDirectives
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.identifiers import identifiers_in, names_behind_from
from turso_deploy.sql.lexer import column_title, quote_identifier
from turso_deploy.sql.schema import Schema, Table


def refuse_broken_expressions(change: TableChange, scratch: Scratch) -> None:
    """Try every `@using` that would be used on the live table, which stands in the scratch database.

    Views are set aside while a table is made anew, so that no expression can read one.

    Raises BlockedError (`directive-invalid`) with the line of its column.
    """
    for name, column in change.new.by_name.items():
        if (using := change.using(name)) is None:
            continue
        views = sorted(_read_from(using) & change.before.views.keys())
        reason = f"it reads the view {views[0]}" if views else _fault(using, change.live, scratch)
        if reason is not None:
            title = column_title(change.wanted.name, column.name)
            raise BlockedError(
                ErrorCode.DIRECTIVE_INVALID,
                f"`@using {using}` at the column {title} cannot be used: {reason}.",
                hint="It is an expression over the columns of one row of the table, as it is in the database after "
                "renames. It may read other tables, and no views.",
                place=change.wanted.place_of(name),
            )


def in_reading_order(changes: Mapping[str, TableChange]) -> dict[str, int]:
    """The place of each changed table, by its folded name: before every other whose rows one of its `@using` reads.

    So each expression finds the rows as they were.

    Raises BlockedError (`directive-invalid`) where two tables read each other, at any distance.
    """
    order = TopologicalSorter[str](dict.fromkeys(changes, ()))
    for name, change in changes.items():
        for read in sorted(_read_by(change) & changes.keys() - {name}):
            order.add(read, name)
    try:
        return {name: place for place, name in enumerate(order.static_order())}
    except CycleError as error:
        one, other = (changes[name].wanted for name in error.args[1][:2])
        raise BlockedError(
            ErrorCode.DIRECTIVE_INVALID,
            f"An `@using` in {one.name} and one in {other.name} read rows of each other's table; one is changed first.",
            hint="Carry one of the changes out in a deployment of its own, or with a one-time script.",
            place=one.place,
        ) from None


def _read_by(change: TableChange) -> set[str]:
    used = (change.using(name) for name in change.new.by_name)
    return {name for using in used if using is not None for name in _read_from(using)}


def _read_from(using: str) -> frozenset[str]:
    """What an expression may read besides its row: without a subquery, a name in it is the name of a column."""
    return names_behind_from(using) if "select" in identifiers_in(using) else frozenset()


def _fault(using: str, table: Table, scratch: Scratch) -> str | None:
    """What SQLite says against an expression over a row. An aggregate would make one row of them all.

    WHERE looks at one row at a time and refuses aggregates: https://www.sqlite.org/lang_aggfunc.html
    """
    using = with_names_only(using)
    try:
        scratch.run(f"EXPLAIN SELECT ({using}) FROM {quote_identifier(table.name)}")
    except ScratchError as error:
        return error.message
    try:
        scratch.run(f"EXPLAIN SELECT 1 FROM {quote_identifier(table.name)} WHERE ({using})")
    except ScratchError as error:
        return error.message if "aggregate" in error.message else None
    return None


def passed_over(
    wanted: Schema, live: Schema, directives: Mapping[str, TableDirectives], renamed: Collection[str]
) -> Iterator[UnusedBackfill]:
    """Columns that change, and whose `@using` is not followed: somebody may expect that it is.

    `live` is as after the renames, `renamed` are the titles of the columns that were renamed. A column that does not
    change may keep a comment that has done its work.
    """
    for name, at_table in directives.items():
        new, old = wanted.tables.get(name), live.all_tables.get(name)
        if new is None or old is None:
            continue
        change = TableChange(new, old, at_table, wanted, live) if isinstance(old, Table) else None
        for column, at_column in at_table.columns.items():
            if at_column.using is None:
                continue
            title = column_title(new.name, new.definition.by_name[column].name)
            if change is None:
                yield UnusedBackfill(title, new.place_of(column), replaced=True)
            elif change.using(column) is None and (title in renamed or _differs(column, change)):
                yield UnusedBackfill(title, new.place_of(column))


def _differs(column: str, change: TableChange) -> bool:
    """Whether a column has another definition than it had, or other rules of its table name it."""
    new, old = change.new, change.old
    return new.by_name[column] != old.by_name[column] or _rules(column, new) != _rules(column, old)


def _rules(column: str, table: TableDefinition) -> set[object]:
    word = canonical_tokens(quote_identifier(column))[0]
    return {
        *(check for check in table.checks if word in check.expression),
        *(key for key in table.foreign_keys if column in key.columns),
        *(key for key in table.keys if any(part.column == column for part in key.parts)),
    }
