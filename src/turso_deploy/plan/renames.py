"""Renames of tables and columns that `-- @renamed from=old` comments ask for. Renames are never guessed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from turso_deploy.catalog.diff import Managed, PresentNames
from turso_deploy.core.errors import ErrorCode, Place, PlanError
from turso_deploy.core.transaction import Query
from turso_deploy.plan.plan import UnmatchedRename, old_names_of
from turso_deploy.plan.steps import Step, StepKind
from turso_deploy.plan.table_change import FormerNames
from turso_deploy.sql.definitions import ROWID_NAMES
from turso_deploy.sql.identifiers import with_projected_names
from turso_deploy.sql.lexer import column_title, fold_case, projected_name, quote_identifier
from turso_deploy.sql.schema import AnyTable, Schema, Table, VirtualTable


class Renames(NamedTuple):
    """The steps of the renames, and the managed objects under their new names."""

    steps: tuple[Step, ...]
    managed: Managed
    old_names: Mapping[str, str]
    """The old names of the renamed tables, by folded new name."""

    @property
    def former_names(self) -> FormerNames:
        """The names of renamed tables and columns before the renames."""
        tables = {(name, None): old for name, old in self.old_names.items()}
        columns = (step for step in self.steps if step.kind is StepKind.RENAME_COLUMN)
        return tables | {
            (fold_case(step.object), fold_case(step.column or "")): step.old_name or "" for step in columns
        }

    @property
    def columns(self) -> frozenset[str]:
        """The new titles of the renamed columns."""
        return frozenset(step.title for step in self.steps if step.kind is StepKind.RENAME_COLUMN)


def plan_renames(
    wanted: Schema,
    managed: Managed,
    live: Callable[[], Schema],
    run: Callable[[Step], None],
    drop_dependents: Callable[[Sequence[Step]], list[Step]],
    present: PresentNames,
) -> Renames:
    """Plan the renames that are not done yet, tables before columns, and run each in the scratch database.

    `live` returns the schema after the steps so far, `run` runs a step in the scratch database, and `drop_dependents`
    returns the steps that must come before the renames of columns. A rename that is done already, or whose table never
    existed in this database, is skipped. `present` are the names of what the deployment history knows under the names
    of the wanted schema; they come before the directives.
    Raises PlanError (`rename-invalid`) if a rename cannot be carried out.
    """
    steps: list[Step] = []
    wanted = _without_known(wanted, present)
    for step in [*_known_tables(wanted, present, live()), *_table_renames(wanted, managed, live())]:
        run(step)
        steps.append(step)
        if f"table {step.old_name}" in managed:
            managed |= {f"table {step.object}"}
    columns = [*_known_columns(wanted, present, live()), *_column_renames(wanted, live())]
    for step in [*(drop_dependents(columns) if columns else ()), *columns]:
        run(step)
        steps.append(step)
    return Renames(tuple(steps), managed, old_names_of(steps))


def with_moved_columns(wanted: Schema, live: Schema, present: PresentNames) -> Schema:
    """Return the wanted schema with directives for the columns in `present` that only a table rebuild can rename."""
    directives = {}
    for name, columns in present.columns.items():
        table, existing = wanted.tables.get(name), live.tables.get(present.tables.get(name, name))
        if table is None or existing is None:
            continue
        new_columns, live_columns = table.definition.by_name, existing.definition.by_name
        moved = {
            column: table.directives.of(column)._replace(renamed_from=live_columns[old].name)
            for column, old in columns.items()
            if column in new_columns and old in live_columns and _is_moved(existing, column, old)
        }
        if moved:
            at_columns = {**table.directives.columns, **moved}
            directives[name] = table.directives._replace(columns=at_columns)
    return wanted.with_directives(directives) if directives else wanted


def _is_moved(table: Table, *names: str) -> bool:
    """Return True if only a rebuild can rename a column: SQLite 3.54 renames none from or to the rowid's names."""
    return not table.definition.without_rowid and not {*map(fold_case, names)}.isdisjoint(ROWID_NAMES)


def _without_known(wanted: Schema, present: PresentNames) -> Schema:
    """Return the wanted schema without the renames in directives whose present names are known."""
    directives = {}
    for name in present.tables.keys() | present.columns.keys():
        table = wanted.all_tables.get(name)
        if table is None:
            continue
        known = present.columns.get(name, {})
        columns = {
            column: found._replace(renamed_from=None) if column in known and found.renamed_from else found
            for column, found in table.directives.columns.items()
        }
        at_table = table.directives.table
        directives[name] = table.directives._replace(
            table=at_table._replace(renamed_from=None) if name in present.tables else at_table, columns=columns
        )
    return wanted.with_directives(directives) if directives else wanted


def _known_tables(wanted: Schema, present: PresentNames, live: Schema) -> Iterator[Step]:
    """Yield the steps that give tables the names that the deployment history knows."""
    known = {
        name: old
        for name, old in present.tables.items()
        if name in wanted.all_tables and old in live.all_tables and _can_be_renamed(live.all_tables[old])
    }
    taken = live.all_tables.keys() | live.views.keys() | live.indexes.keys()
    for old, new in _in_order(known, taken, "table "):
        before = live.all_tables[old].name if old in live.all_tables else old
        table = wanted.all_tables.get(new)
        after, place = (table.name, table.place) if table else (new, None)
        sql = f"ALTER TABLE {quote_identifier(before)} RENAME TO {quote_identifier(after)}"
        yield Step(StepKind.RENAME_TABLE, after, (sql,), place=place, old_name=before)


def _known_columns(wanted: Schema, present: PresentNames, live: Schema) -> Iterator[Step]:
    """Yield the steps that give columns the names that the deployment history knows. `live` has the new table names."""
    for table_name, columns in present.columns.items():
        table, existing = wanted.tables.get(table_name), live.tables.get(table_name)
        if table is None or existing is None:
            continue
        new_columns, live_columns = table.definition.by_name, existing.definition.by_name
        known = {
            name: old
            for name, old in columns.items()
            if name in new_columns and old in live_columns and not _is_moved(existing, name, old)
        }
        for old, new in _in_order(known, live_columns.keys(), f"column {table.name}."):
            before = live_columns[old].name if old in live_columns else old
            after = new_columns[new].name if new in new_columns else new
            rename = f"RENAME COLUMN {quote_identifier(before)} TO {quote_identifier(after)}"
            sql = f"ALTER TABLE {quote_identifier(table.name)} {rename}"
            place = table.place_of(new)
            yield Step(StepKind.RENAME_COLUMN, table.name, (sql,), place=place, old_name=before, column=after)


_INTERMEDIATE = "turso_deploy_renamed"


def _in_order(known: Mapping[str, str], taken: Collection[str], title: str) -> Iterator[tuple[str, str]]:
    """Yield pairs of old and new name in an order in which each new name is free; names that change places need three.

    `title` begins the name of one in a message. Raises PlanError (`rename-invalid`) if another object, which is not
    renamed, has one of the names.
    """
    left, names = dict(known), set(taken)
    while left:
        free = [name for name in left if name not in names]
        if not free:
            present = set(left.values())
            blocked = [name for name in left if name not in present]
            if blocked:
                raise _taken(title + blocked[0], left[blocked[0]])
            name = next(iter(left))
            old, left[name] = left[name], _INTERMEDIATE
            yield old, _INTERMEDIATE
            names = names - {old} | {_INTERMEDIATE}
            continue
        name = free[0]
        old = left.pop(name)
        yield old, name
        names = names - {old} | {name}


def _taken(title: str, present: str) -> PlanError:
    return PlanError(
        ErrorCode.RENAME_INVALID,
        f"A rename cannot be undone: {title} is called {present} now, and its name was given to something else since.",
        hint="Go back in two steps: first to the deployment that gave the name away, as `turso-deploy history` shows "
        "it, and then to this one.",
    )


def check_renames(wanted: Schema) -> None:
    """Check that each old name is renamed once, and that the schema folder does not define it any more.

    Otherwise it could not be known if the rename was done.
    Raises PlanError (`rename-invalid`).
    """
    renamed: set[str] = set()
    for table in wanted.all_tables.values():
        old = table.directives.table.renamed_from
        if old is not None:
            subject = f"table {table.name} cannot be renamed from {old}"
            if fold_case(old) == fold_case(table.name):
                raise _same_name(subject, table.place)
            if fold_case(old) in wanted.all_tables:
                raise _invalid(f"{subject}, which the schema folder still defines", table.place)
            if fold_case(old) in renamed:
                raise _invalid(f"{subject}, because another table has the same `@renamed`", table.place)
            renamed.add(fold_case(old))
        if isinstance(table, Table):
            _check_column_renames(table)


def _check_column_renames(table: Table) -> None:
    renamed: set[str] = set()
    for column, at_column in table.directives.columns.items():
        old = at_column.renamed_from
        if old is None:
            continue
        title = column_title(table.name, table.definition.by_name[column].name)
        subject = f"column {title} cannot be renamed from {old}"
        if fold_case(old) == column:
            raise _same_name(subject, table.place_of(column))
        if fold_case(old) in table.definition.by_name:
            raise _invalid(f"{subject}, which the table still has", table.place_of(column))
        if fold_case(old) in renamed:
            raise _invalid(f"{subject}, because another column has the same `@renamed`", table.place_of(column))
        renamed.add(fold_case(old))


def _table_renames(wanted: Schema, managed: Managed, live: Schema) -> Iterator[Step]:
    """Yield a step for each rename of a table."""
    for name, table in wanted.all_tables.items():
        old = table.directives.table.renamed_from
        if old is None:
            continue
        existing = live.all_tables.get(fold_case(old))
        if not _can_be_renamed(existing):
            continue  # the old one is dropped, and the new one is created
        if existing is None:
            leftover = [item for item in live.all_tables.values() if f"table {item.name}" in managed]
            if name not in live.all_tables and any(fold_case(item.name) not in wanted.all_tables for item in leftover):
                # The old name is probably misspelt, and one of the leftover tables is meant.
                raise _invalid(f"table {table.name} is renamed from {old}, and there is no table {old}", table.place)
            continue
        if name in live.all_tables:
            if f"table {existing.name}" in managed:
                raise _invalid(f"table {existing.name} cannot be renamed to {table.name}: both exist", table.place)
            continue
        _check_name_is_free(existing, table, live)
        sql = f"ALTER TABLE {quote_identifier(existing.name)} RENAME TO {quote_identifier(table.name)}"
        yield Step(StepKind.RENAME_TABLE, table.name, (sql,), place=table.place, old_name=existing.name)


def _can_be_renamed(table: AnyTable | None) -> bool:
    """Return False for a virtual table without rows of its own: its module does not take another name."""
    return not isinstance(table, VirtualTable) or table.definition.has_own_rows


def _check_name_is_free(existing: AnyTable, table: AnyTable, live: Schema) -> None:
    name = fold_case(table.name)
    for other in (live.views.get(name), live.indexes.get(name)):
        if other is not None:
            raise _invalid(
                f"table {existing.name} cannot be renamed to {table.name}, which is the name of "
                f"{'a view' if other.kind == 'view' else 'an index'}",
                table.place,
                f"Drop the {other.kind} first, in a deployment of its own (by hand if it is not managed), and rename "
                "the table after that.",
            )


def _column_renames(wanted: Schema, live: Schema) -> Iterator[Step]:
    for name, table in wanted.tables.items():
        existing = live.tables.get(name)
        if existing is None:
            continue
        for column, at_column in table.directives.columns.items():
            if at_column.renamed_from is not None:
                yield from _column_rename(table, existing, column, at_column.renamed_from)


def _column_rename(table: Table, existing: Table, column: str, old: str) -> Iterator[Step]:
    wanted_columns, live_columns = table.definition.by_name, existing.definition.by_name
    new, place = wanted_columns[column].name, table.place_of(column)
    new_exists, old_exists = column in live_columns, fold_case(old) in live_columns
    if new_exists and old_exists:
        raise _invalid(f"column {column_title(table.name, old)} cannot be renamed to {new}: both exist", place)
    if not new_exists and not old_exists:
        leftover = [name for name in live_columns if name not in wanted_columns]
        if leftover:  # the old name is probably misspelt, and one of these is meant
            title = column_title(table.name, new)
            raise _invalid(f"column {title} is renamed from {old}, and there is no column {old}", place)
        return
    if old_exists and not _is_moved(existing, old, column):
        rename = f"RENAME COLUMN {quote_identifier(old)} TO {quote_identifier(new)}"
        sql = f"ALTER TABLE {quote_identifier(table.name)} {rename}"
        yield Step(StepKind.RENAME_COLUMN, table.name, (sql,), place=place, old_name=old, column=new)


_HINT = "Correct the comment `-- @renamed from=…`, or remove it if every database has the new name."


def _invalid(message: str, place: Place | None, hint: str = _HINT) -> PlanError:
    return PlanError(
        ErrorCode.RENAME_INVALID,
        f"A rename cannot be carried out: {message}.",
        hint=hint,
        place=Place(place.file, place.line) if place else None,
    )


def _same_name(subject: str, place: Place | None) -> PlanError:
    return _invalid(
        f"{subject}, which SQLite takes for the same name: it does not tell capital letters from small ones",
        place,
        "Remove the comment `-- @renamed from=…`: a database that has the name in another case is as the folder wants "
        "it, and keeps its spelling.",
    )


def unmatched_renames(wanted: Schema, before: Schema) -> Iterator[UnmatchedRename]:
    """Yield the tables and columns that are created although they have `@renamed`: the old name may be misspelt.

    `before` is the schema after the renames. A database that has only tables of the schema folder is a new one, in
    which there was nothing to rename.
    """
    for name, table in wanted.all_tables.items():
        existing = before.all_tables.get(name)
        if existing is None:
            old = table.directives.table.renamed_from
            others = before.all_tables.keys() - wanted.all_tables.keys()
            if old is not None and others and _can_be_renamed(table):
                yield UnmatchedRename("table", table.name, old, table.place)
            continue
        if not (isinstance(table, Table) and isinstance(existing, Table)):
            continue
        for column, at_column in table.directives.columns.items():
            old, names = at_column.renamed_from, existing.definition.by_name
            if old is not None and column not in names and fold_case(old) not in names:
                title = column_title(table.name, table.definition.by_name[column].name)
                yield UnmatchedRename("column", title, old, table.place_of(column))


def old_rows_under_new_names(live: Schema, renamed: Schema, old_names: Mapping[str, str]) -> str:
    """Return a WITH clause that lets a query use the new names before the renames; "" if it is not needed.

    The rows that a hazard affects are counted while the database has the old names.
    """
    tables: list[str] = []
    others: list[str] = []
    for name, table in renamed.all_tables.items():
        old = live.all_tables.get(fold_case(old_names.get(name, name)))
        if old is None:
            continue
        if not (isinstance(table, Table) and isinstance(old, Table)):
            if table.name != old.name:
                tables.append(f"{quote_identifier(table.name)} AS (SELECT * FROM main.{quote_identifier(old.name)})")
            continue
        new_columns = [quote_identifier(projected_name(column.name)) for column in table.definition.columns]
        old_columns = [quote_identifier(column.name) for column in old.definition.columns]
        is_renamed = (table.name, list(table.definition.by_name)) != (old.name, list(old.definition.by_name))
        if is_renamed or new_columns != old_columns:
            # `main.` because the clause may have the same name as the table: https://www.sqlite.org/lang_with.html
            rowid = old.definition.rowid_names[:1]  # an old column may have one of the names of the rowid
            rowids = table.definition.rowid_names if rowid else ()
            rows = f"SELECT {', '.join([*old_columns, *rowid * len(rowids)])} FROM main.{quote_identifier(old.name)}"
            text = f"{quote_identifier(table.name)} ({', '.join([*new_columns, *rowids])}) AS ({rows})"
            (tables if is_renamed else others).append(text)
    return f"WITH {', '.join([*tables, *others])} " if tables else ""


def before_renames(with_clause: str, sql: str) -> str:
    """Return a query by the new names in a form for the database before the renames, by `old_rows_under_new_names`."""
    return with_clause + with_projected_names(sql) if with_clause else sql


def counted_before_renames(step: Step, with_clause: str) -> Step:
    """Return the step with hazards that can be counted before the renames, by `old_rows_under_new_names`."""
    if not with_clause:
        return step
    hazards = (
        item._replace(count_query=Query(before_renames(with_clause, item.count_query.sql)))
        if item.count_query
        else item
        for item in step.hazards
    )
    return step._replace(hazards=tuple(hazards))
