"""Renames that the comments ask for: `-- @renamed from=old` at a table or a column. They are never guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.catalog.diff import Managed
from turso_deploy.core.errors import BlockedError, ErrorCode, Place
from turso_deploy.core.transaction import Query
from turso_deploy.plan.plan import Step, UnmatchedRename
from turso_deploy.plan.step_kinds import StepKind
from turso_deploy.sql.comments import TableDirectives
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.lexer import column_title, fold_case, quote_identifier
from turso_deploy.sql.schema import Schema, Table


class Renames(Struct, frozen=True):
    """The steps, and the managed objects as they are called afterwards."""

    steps: tuple[Step, ...]
    managed: Managed
    old_names: Mapping[str, str]
    """What a renamed table was called, by its folded new name."""


def plan_renames(
    wanted: Schema,
    directives: Mapping[str, TableDirectives],
    managed: Managed,
    live: Callable[[], Schema],
    run: Callable[[Step], None],
    clear_the_way: Callable[[Sequence[Step]], list[Step]],
) -> Renames:
    """Plan the renames that are still to be done, tables before columns, and rehearse each.

    `live` gives the schema as it is after the steps so far, `run` rehearses one more, `clear_the_way` gives those that
    have to come before columns are renamed. A rename that is done already, or whose table never stood in this
    database, is passed over.
    Raises BlockedError (`rename-invalid`) where a rename cannot be meant.
    """
    steps: list[Step] = []
    old_names: dict[str, str] = {}
    for step, old, new in _table_renames(wanted, directives, managed, live()):
        run(step)
        steps.append(step)
        old_names[fold_case(new)] = old
        if f"table {old}" in managed:
            managed |= {f"table {new}"}
    columns = list(_column_renames(wanted, directives, live()))
    for step in [*(clear_the_way(columns) if columns else ()), *columns]:
        run(step)
        steps.append(step)
    return Renames(tuple(steps), managed, old_names)


def refuse_contradictions(wanted: Schema, directives: Mapping[str, TableDirectives]) -> None:
    """Refuse a rename from a name that the schema folder still defines, because nobody could tell whether it was done.

    And two renames from one name.

    Raises BlockedError (`rename-invalid`).
    """
    renamed: set[str] = set()
    for name, at_table in directives.items():
        table, old = wanted.all_tables.get(name), at_table.table.renamed_from
        if table is None:
            continue
        if old is not None:
            subject = f"table {table.name} cannot be the renamed {old}"
            if fold_case(old) in wanted.all_tables:
                raise _invalid(f"{subject}, which the schema folder still defines", table.place)
            if fold_case(old) in renamed:
                raise _invalid(f"{subject}, which another table is said to be", table.place)
            renamed.add(fold_case(old))
        if isinstance(table, Table):
            _refuse_column_contradictions(table, at_table)


def _refuse_column_contradictions(table: Table, at_table: TableDirectives) -> None:
    by_name = table.definition.by_name
    renamed: set[str] = set()
    for column, at_column in at_table.columns.items():
        old = at_column.renamed_from
        if old is None:
            continue
        subject = f"column {column_title(table.name, by_name[column].name)} cannot be the renamed {old}"
        if fold_case(old) in by_name:
            raise _invalid(f"{subject}, which the table still has", table.place_of(column))
        if fold_case(old) in renamed:
            raise _invalid(f"{subject}, which another column is said to be", table.place_of(column))
        renamed.add(fold_case(old))


def _table_renames(
    wanted: Schema, directives: Mapping[str, TableDirectives], managed: Managed, live: Schema
) -> Iterator[tuple[Step, str, str]]:
    for name, at_table in directives.items():
        old = at_table.table.renamed_from
        table = wanted.all_tables.get(name)
        if old is None or table is None:
            continue
        standing = live.all_tables.get(fold_case(old))
        if standing is None:
            leftover = [item for item in live.all_tables.values() if f"table {item.name}" in managed]
            if name not in live.all_tables and any(fold_case(item.name) not in wanted.all_tables for item in leftover):
                raise _invalid(  # most likely the old name is misspelt, and one of these is meant
                    f"table {table.name} is said to be the renamed {old}, and there is no table {old}", table.place
                )
            continue
        if name in live.all_tables:
            if f"table {standing.name}" in managed:
                raise _invalid(f"table {standing.name} cannot be renamed to {table.name}: both exist", table.place)
            continue
        for other in (live.views.get(name), live.indexes.get(name)):
            if other is not None:
                raise _invalid(
                    f"table {standing.name} cannot be renamed to {table.name}, which is the name of "
                    f"{'a view' if other.kind == 'view' else 'an index'}",
                    table.place,
                    f"Let the {other.kind} go first, in a deployment of its own (by hand, where it is not managed), "
                    "and rename then.",
                )
        sql = f"ALTER TABLE {quote_identifier(standing.name)} RENAME TO {quote_identifier(table.name)}"
        step = Step(StepKind.RENAME_TABLE, table.name, (sql,), place=table.place, old_name=standing.name)
        yield step, standing.name, table.name


def _column_renames(wanted: Schema, directives: Mapping[str, TableDirectives], live: Schema) -> Iterator[Step]:
    for name, at_table in directives.items():
        table, standing = wanted.tables.get(name), live.tables.get(name)
        if table is None or standing is None:
            continue
        for column, at_column in at_table.columns.items():
            if at_column.renamed_from is not None:
                yield from _column_rename(table, table.definition, standing.definition, column, at_column.renamed_from)


def _column_rename(
    table: Table, wanted: TableDefinition, live: TableDefinition, column: str, old: str
) -> Iterator[Step]:
    new, place = wanted.by_name[column].name, table.place_of(column)
    is_there, was_there = column in live.by_name, fold_case(old) in live.by_name
    if is_there and was_there:
        raise _invalid(f"column {column_title(table.name, old)} cannot be renamed to {new}: both exist", place)
    if not is_there and not was_there:
        leftover = [name for name in live.by_name if name not in wanted.by_name]
        if leftover:  # most likely the old name is misspelt, and one of these is meant
            raise _invalid(
                f"column {column_title(table.name, new)} is said to be the renamed {old}, and there is no column {old}",
                place,
            )
        return
    if was_there:
        sql = f"ALTER TABLE {quote_identifier(table.name)} RENAME COLUMN {quote_identifier(old)} TO {quote_identifier(new)}"
        yield Step(StepKind.RENAME_COLUMN, table.name, (sql,), place=place, old_name=old, column=new)


_CORRECT = "Correct the comment `-- @renamed from=…`; one that has been done everywhere can be removed."


def _invalid(message: str, place: Place | None, hint: str = _CORRECT) -> BlockedError:
    return BlockedError(
        ErrorCode.RENAME_INVALID,
        f"A rename cannot be done: {message}.",
        hint=hint,
        place=Place(place.file, place.line) if place else None,
    )


def nothing_to_rename(
    wanted: Schema, directives: Mapping[str, TableDirectives], before: Schema
) -> Iterator[UnmatchedRename]:
    """What is made although it is said to be renamed: the name may be misspelt. `before` is as after the renames.

    A database that has no other tables is a new one, where nothing could be renamed.
    """
    for name, at_table in directives.items():
        table, standing = wanted.all_tables.get(name), before.all_tables.get(name)
        if table is None:
            continue
        if standing is None:
            old = at_table.table.renamed_from
            if old is not None and before.all_tables.keys() - wanted.all_tables.keys():
                yield UnmatchedRename("table", table.name, old, table.place)
            continue
        if not (isinstance(table, Table) and isinstance(standing, Table)):
            continue
        for column, at_column in at_table.columns.items():
            if at_column.renamed_from is not None and column not in standing.definition.by_name:
                made = column_title(table.name, table.definition.by_name[column].name)
                yield UnmatchedRename("column", made, at_column.renamed_from, table.place_of(column))


def old_rows_under_new_names(live: Schema, renamed: Schema, old_names: Mapping[str, str]) -> str:
    """A WITH clause by which a query that uses the new names can be asked before the renames; "" where none is needed.

    The rows concerned by a hazard are counted while the database still has the old names.
    """
    tables = []
    for name, table in renamed.all_tables.items():
        old = live.all_tables.get(fold_case(old_names.get(name, name)))
        if old is None:
            continue
        if not (isinstance(table, Table) and isinstance(old, Table)):
            if table.name != old.name:
                tables.append(f"{quote_identifier(table.name)} AS (SELECT * FROM main.{quote_identifier(old.name)})")
            continue
        new_columns = [quote_identifier(column.name) for column in table.definition.columns]
        old_columns = [quote_identifier(column.name) for column in old.definition.columns]
        if (table.name, new_columns) != (old.name, old_columns):
            # `main.` because the clause may have the very name of the table: https://www.sqlite.org/lang_with.html
            rowid = old.definition.rowid_names[:1]  # a column may have been called by a name of the rowid
            rowids = table.definition.rowid_names if rowid else ()
            rows = f"SELECT {', '.join([*old_columns, *rowid * len(rowids)])} FROM main.{quote_identifier(old.name)}"
            tables.append(f"{quote_identifier(table.name)} ({', '.join([*new_columns, *rowids])}) AS ({rows})")
    return f"WITH {', '.join(tables)} " if tables else ""


def counting_before_renames(step: Step, under_new_names: str) -> Step:
    """The step with hazards that can be counted before the renames have run."""
    if not under_new_names:
        return step
    hazards = (replace(item, count=Query(under_new_names + item.count.sql)) for item in step.hazards)
    return replace(step, hazards=tuple(hazards))
