"""Dependents of changed tables: views and triggers to drop and recreate, and tables that foreign keys connect."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from types import MappingProxyType
from typing import NamedTuple

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.diff import Difference, Managed
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.plan.steps import KINDS_THAT_DROP_ROWS, Step, StepKind, Verb, objects_of
from turso_deploy.sql.identifiers import identifiers_in, names_and_strings_in, with_readers
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import Index, Schema, SchemaObject, Trigger, View, VirtualTable, key_of

# RENAME and DROP COLUMN check every view and trigger, and fail if one of them is broken meanwhile:
# https://www.sqlite.org/lang_altertable.html#altertabrename
_KINDS_THAT_CHECK_DEPENDENTS = frozenset({StepKind.REBUILD_TABLE, StepKind.REPLACE_TABLE, StepKind.DROP_COLUMN})


class Dependencies(NamedTuple):
    """The tables that refer to each table by a foreign key, in one schema or several; by folded names."""

    children: Mapping[str, Set[str]]

    @classmethod
    def of(cls, schema: Schema) -> Dependencies:
        """Return the dependencies of one schema."""
        children: dict[str, set[str]] = defaultdict(set)
        for name, table in schema.tables.items():
            for key in table.definition.foreign_keys:
                children[key.parent].add(name)
        return cls(dict(children))

    def __or__(self, other: Dependencies) -> Dependencies:
        """Return the dependencies of both."""
        parents = self.children.keys() | other.children.keys()
        return Dependencies({parent: self.children_of(parent) | other.children_of(parent) for parent in parents})

    def children_of(self, table: str) -> Set[str]:
        """Return the tables that refer to a table."""
        return self.children.get(table, frozenset())

    def parents_of(self, tables: Set[str]) -> Set[str]:
        """Return the tables to which one of the tables refers."""
        return {parent for parent, children in self.children.items() if children & tables}

    def with_descendants(self, tables: Set[str]) -> Set[str]:
        """Return the tables, and those that refer to them directly or through others."""
        return reachable_from(tables, self.children)


class DroppedForRenames(NamedTuple):
    """The views and triggers that are dropped before columns are renamed.

    `rows` maps each to True if it is recreated unchanged. `order` numbers all views and triggers in the order of their
    creation, by kind and folded name.
    """

    rows: Mapping[CatalogRow, bool] = MappingProxyType({})
    order: Mapping[tuple[str, str], int] = MappingProxyType({})

    @property
    def steps(self) -> list[Step]:
        """The steps that drop them."""
        return [
            _drop(row, Verb.DROP_TEMPORARILY if self.rows[row] else Verb.DROP) for row in _triggers_first(self.rows)
        ]


def dependents_blocking_renames(
    wanted: Schema, now: Catalog, difference: Difference, managed: Managed, renames: Sequence[Step], scratch: Scratch
) -> DroppedForRenames:
    """Return the views and triggers that change and could make a RENAME COLUMN fail, and their readers.

    RENAME COLUMN also renames the column of a view that shows it, and then fails because a reader of the view uses the
    old name. It does not rename a column by which a view joins, and it fails if a view is missing:
    https://www.sqlite.org/lang_altertable.html#altertabrename
    `scratch` holds the catalog `now`, and `difference` compares it with the wanted schema.
    """
    changing = set(map(key_of, difference.removed(managed))) | _changed(difference)
    views = now.schema.views.keys()
    rows = _views_and_triggers(now)
    named = {row.key: identifiers_in(row.sql or "") for row in rows}
    blocking_names = views | {"using", "natural"}
    # A dependent that stays and contains the old name of a column may read it through a view. SQLite handles an
    # unmanaged one that reads the column of the table itself: it would be recreated unchanged otherwise.
    defined = set(map(key_of, wanted.objects()))
    columns = {(fold_case(step.object), fold_case(step.old_name or "")) for step in renames}
    old_names = {column for _, column in columns}
    staying = [
        key
        for key, names in named.items()
        if names & old_names and key not in changing and (key in defined or not _may_read(key, names, columns, scratch))
    ]
    by_view = {name: names for (kind, name), names in named.items() if kind == "view"}  # ignored views included
    read = reachable_from((name for key in staying for name in named[key]), by_view)
    blocking = {
        row.key
        for row in rows
        if row.key in changing
        and (
            named[row.key] & (blocking_names - {fold_case(row.name)})
            or (row.kind == "view" and fold_case(row.name) in read)
        )
    }
    dropped = with_readers(blocking, named)
    return DroppedForRenames(
        {row: row.key not in blocking for row in rows if row.key in dropped},
        {row.key: number for number, row in enumerate(rows)},
    )


def _may_read(key: tuple[str, str], names: Set[str], columns: Set[tuple[str, str]], scratch: Scratch) -> bool:
    """Return True if a view or trigger reads, or may read, one of the columns from its table, and not from a view.

    `names` are the identifiers in its SQL, and `columns` are pairs of table and column.
    """
    kind, name = key
    if names.isdisjoint(table for table, _ in columns):
        return False
    try:
        return kind == "trigger" or not columns.isdisjoint(scratch.columns_read_by(name))
    except ScratchError:
        return True


class DroppedDependents(NamedTuple):
    """The views and triggers that are dropped while tables change.

    `rows` are dropped now, and `dropped_for_renames` were dropped before the renames. `changed` are recreated from the
    schema folder, and `removed` are not recreated: views, triggers and tables, by kind and folded name.
    """

    rows: Sequence[CatalogRow]
    dropped_for_renames: DroppedForRenames
    changed: Set[tuple[str, str]]
    removed: Set[tuple[str, str]]

    def drops(self) -> Iterator[tuple[CatalogRow, Step]]:
        """Yield each dependent to drop now, and the step that drops it."""
        for row in _triggers_first(self.rows):
            is_dropped = row.key in self.changed or row.key in self.removed or self._is_dropped_with_its_table(row)
            yield row, _drop(row, Verb.DROP if is_dropped else Verb.DROP_TEMPORARILY)

    def creates(self, kind: str, wanted: Schema, missing: Iterable[SchemaObject]) -> Iterator[Step]:
        """Yield the steps that create the views or the triggers, as `kind` says.

        The dropped ones come first, in their old order, because SQLite fires triggers in the order of their creation;
        then the `missing` ones, which the live schema does not have.
        """
        items = wanted.views if kind == "view" else wanted.triggers
        rows = self._in_old_order()
        for row in rows:
            if row.kind != kind or row.key in self.removed:
                continue
            item, was_dropped = items.get(fold_case(row.name)), self.dropped_for_renames.rows.get(row) is False
            if item is None and (was_dropped or self._is_dropped_with_its_table(row)):
                continue
            verb = Verb.CREATE if was_dropped or row.key in self.changed else Verb.RECREATE
            sql = item.sql if item else row.sql or ""
            yield Step(StepKind.of(verb, kind), row.name, (sql,), place=item.place if item else None)
        created = {row.key for row in rows}
        for new in missing:
            if new.kind == kind and key_of(new) not in created:
                yield Step(StepKind.of(Verb.CREATE, kind), new.name, (new.sql,), place=new.place)

    def _in_old_order(self) -> Sequence[CatalogRow]:
        before = self.dropped_for_renames
        if not before.rows:
            return self.rows
        return sorted((*before.rows, *self.rows), key=lambda row: before.order.get(row.key, 0))

    def _is_dropped_with_its_table(self, row: CatalogRow) -> bool:
        """Return True for a trigger whose table is dropped: the hazard of the table lists it."""
        return row.kind == "trigger" and ("table", fold_case(row.table)) in self.removed


def dependents_to_drop(
    before: Catalog,
    difference: Difference,
    removed: Iterable[SchemaObject],
    table_steps: Iterable[Step],
    dropped_for_renames: DroppedForRenames,
) -> DroppedDependents:
    """Return the views and triggers to drop while tables change: all if SQLite checks them, else those that change.

    `removed` are the managed objects that the schema folder no longer defines.
    """
    existing = _views_and_triggers(before)
    changed, removed_keys = _changed(difference), set(map(key_of, removed))
    rows = existing
    if not any(step.kind in _KINDS_THAT_CHECK_DEPENDENTS for step in table_steps):
        changing = changed | removed_keys
        later = _later_triggers(existing, changed)
        # DROP VIEW also drops the INSTEAD OF triggers of the view.
        rows = [
            row
            for row in existing
            if row.key in changing or ("view", fold_case(row.table)) in changing or row.key in later
        ]
    return DroppedDependents(rows, dropped_for_renames, changed, removed_keys)


def reachable_from(names: Iterable[str], edges: Mapping[str, Set[str]]) -> Set[str]:
    """Return the names, and all names that edges lead to from them directly or through others."""
    found = set(names)
    waiting = list(found)
    while waiting:
        new = edges.get(waiting.pop(), frozenset()) - found
        found |= new
        waiting += new
    return found


def rows_to_simulate(
    wanted: Schema, live: Catalog, difference: Difference, managed: Managed, dependencies: Dependencies
) -> list[CatalogRow]:
    """Return the live objects that a plan without renames can change or break.

    These are all views, triggers and virtual tables with the objects that they name; the tables that differ, or have an
    index that differs; and what can be part of a key of the tables that refer to them. Without the other objects, the
    time of a simulation depends on the size of the change and not on that of the database.
    """
    changes = (*difference.missing, *difference.changed)
    items = [
        *difference.removed(managed),
        *(item for change in changes for item in (change.wanted, change.live) if item),
    ]
    changed = {name for item in items for name in (fold_case(item.name), fold_case(_table_of(item)))}
    affected = changed.union(*_named_by_readers(wanted, live))
    children = {child for name in affected for child in dependencies.children_of(name)}
    return [
        row
        for row in live.rows
        if _reads_other_tables(row)
        or fold_case(row.name) in affected
        or fold_case(row.table) in affected
        or (fold_case(row.table) in children and _can_hold_a_key(row))
    ]


def tables_to_verify(
    steps: Sequence[Step], before: Schema, after: Schema, dependencies: Dependencies, broken: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tables whose rows to verify, and those of them whose foreign keys to verify, in the schema `after`.

    Rows: the rebuilt tables, the tables that refer to a rebuilt or dropped one directly or through others, and the
    parents of both. Only tables that exist before and after and store their rows themselves.
    `broken` are the faults before the plan: SQLite cannot check a key that refers to no key.
    """
    rebuilt, dropped = objects_of(steps, StepKind.REBUILD_TABLE), objects_of(steps, *KINDS_THAT_DROP_ROWS)
    if not (rebuilt or dropped):
        return (), ()
    related = dependencies.with_descendants(rebuilt | dropped) | dependencies.parents_of(rebuilt | dropped)
    rows = [
        table.name
        for name, table in after.all_tables.items()
        if name in before.all_tables and name in related - dropped
        if not any(_shows_rows_of_another(schema, name) for schema in (before, after))
    ]
    with_keys = [name for name in rows if _has_foreign_keys(after, name) or _has_foreign_keys(before, name)]
    return tuple(rows), tuple(name for name in with_keys if not _is_mismatch(name, broken))


def tables_with_foreign_keys(schema: Schema, broken: Mapping[str, str]) -> tuple[str, ...]:
    """Return all tables with foreign keys that SQLite can check. `broken` as for `tables_to_verify`."""
    return tuple(
        table.name
        for table in schema.tables.values()
        if table.definition.foreign_keys and not _is_mismatch(table.name, broken)
    )


def _views_and_triggers(catalog: Catalog) -> list[CatalogRow]:
    return [row for row in catalog.rows if row.kind in ("view", "trigger")]


def _changed(difference: Difference) -> set[tuple[str, str]]:
    return {key_of(change.object) for change in difference.changed}


def _triggers_first(rows: Iterable[CatalogRow]) -> list[CatalogRow]:
    return sorted(rows, key=lambda row: row.kind)


def _drop(row: CatalogRow, verb: Verb) -> Step:
    return Step(StepKind.of(verb, row.kind), row.name, (f"DROP {row.kind.upper()} {quote_identifier(row.name)}",))


def _later_triggers(existing: Sequence[CatalogRow], changed: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
    """Return the triggers created after a changed trigger of their table: SQLite fires them in that order."""
    later, tables = set(), set()
    for row in existing:
        if row.kind == "trigger" and fold_case(row.table) in tables:
            later.add(row.key)
        if row.kind == "trigger" and row.key in changed:
            tables.add(fold_case(row.table))
    return later


def _table_of(item: SchemaObject) -> str:
    return item.table if isinstance(item, Index | Trigger) else item.name


def _can_hold_a_key(row: CatalogRow) -> bool:
    """Return True for a table or a unique index: https://www.sqlite.org/foreignkeys.html#fk_indexes."""
    return row.kind == "table" or (row.sql or "").startswith("CREATE UNIQUE INDEX")


def _reads_other_tables(row: CatalogRow) -> bool:
    return row.kind in ("view", "trigger") or (row.sql or "").startswith("CREATE VIRTUAL TABLE")


def _named_by_readers(wanted: Schema, live: Catalog) -> Iterator[frozenset[str]]:
    """Yield the names in each view, trigger and virtual table of both schemas."""
    readers: tuple[View | Trigger, ...] = (*wanted.views.values(), *wanted.triggers.values())
    for item in readers:
        yield identifiers_in(item.sql)
    virtual = (table.sql for table in wanted.virtual_tables.values())
    for sql in (*(row.sql or "" for row in live.rows if _reads_other_tables(row)), *virtual):
        yield names_and_strings_in(sql)  # a virtual table may name another in a string: content = 'other'


def _shows_rows_of_another(schema: Schema, name: str) -> bool:
    table = schema.all_tables[name]
    return isinstance(table, VirtualTable) and table.definition.has_external_content


def _has_foreign_keys(schema: Schema, name: str) -> bool:
    table = schema.tables.get(fold_case(name))
    return table is not None and bool(table.definition.foreign_keys)


def _is_mismatch(name: str, broken: Mapping[str, str]) -> bool:
    return "mismatch" in broken.get(f"table {name}", "")


def indexes_to_drop(difference: Difference, removed: Sequence[SchemaObject]) -> list[Index]:
    """Return the indexes that change or are removed. They are dropped first: DROP COLUMN fails on an indexed column."""
    changed = [change.live for change in difference.changed if isinstance(change.live, Index)]
    return [*changed, *(item for item in removed if isinstance(item, Index))]


def indexes_by_table(catalog: Catalog, dropped: Sequence[Index]) -> Mapping[str, list[str]]:
    """Return the SQL of the indexes that exist while tables change, by the folded name of their table."""
    gone = {fold_case(index.name) for index in dropped}
    found: dict[str, list[str]] = {}
    for row in catalog.rows:
        if row.kind == "index" and row.sql and fold_case(row.name) not in gone:
            found.setdefault(fold_case(row.table), []).append(row.sql)
    return found
