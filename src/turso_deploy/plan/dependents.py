"""Which views and triggers come down while tables and columns change, and how they come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from types import MappingProxyType

from msgspec import Struct

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.diff import Difference, Managed, diff
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.plan.plan import Step
from turso_deploy.plan.relatives import reached_from, with_readers
from turso_deploy.plan.step_kinds import StepKind, Verb
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import Schema, SchemaObject, key_of

# RENAME and DROP COLUMN look at every view and trigger, and fail where one is broken meanwhile:
# https://www.sqlite.org/lang_altertable.html#altertabrename
_NEEDS_A_CLEAR_FIELD = frozenset({StepKind.REBUILD_TABLE, StepKind.REPLACE_TABLE, StepKind.DROP_COLUMN})


class DroppedForRenames(Struct, frozen=True):
    """The views and triggers that come down before columns are renamed, each with whether it comes back as it was.

    `order` numbers all that stood there, by kind and folded name, as they were created.
    """

    rows: Mapping[CatalogRow, bool] = MappingProxyType({})
    order: Mapping[tuple[str, str], int] = MappingProxyType({})

    @property
    def steps(self) -> list[Step]:
        """How they come down."""
        return [
            _drop(row, Verb.DROP_TEMPORARILY if self.rows[row] else Verb.DROP) for row in _triggers_first(self.rows)
        ]


def dependents_blocking_renames(
    wanted: Schema, now: Catalog, managed: Managed, renames: Sequence[Step], scratch: Scratch
) -> DroppedForRenames:
    """The views and triggers that change and could stop a RENAME COLUMN, and who reads them.

    It renames the column of a view that shows it too, and then finds that who reads the view does not know it; it
    renames no column by which a view joins; and it fails where a view is missing:
    https://www.sqlite.org/lang_altertable.html#altertabrename
    `scratch` holds what stands there now.
    """
    difference = diff(wanted, now.schema)
    changing = set(map(key_of, difference.removed(managed))) | _changed(difference)
    views = now.schema.views.keys()
    rows = _standing(now)
    named = {row.key: identifiers_in(row.sql or "") for row in rows}
    stopping = views | {"using", "natural"}
    # Who stays and has the old name of a column may find it in a view. What is not ours and reads the column itself is
    # left to SQLite: it would come back as it was.
    ours = set(map(key_of, wanted.objects()))
    columns = {(fold_case(step.object), fold_case(step.old_name or "")) for step in renames}
    old_names = {column for _, column in columns}
    stays = [
        key
        for key, names in named.items()
        if names & old_names and key not in changing and (key in ours or not _may_read(key, names, columns, scratch))
    ]
    by_view = {name: names for (kind, name), names in named.items() if kind == "view"}  # those that are ignored, too
    read = reached_from((name for key in stays for name in named[key]), by_view)
    going = {
        row.key
        for row in rows
        if row.key in changing
        and (
            named[row.key] & (stopping - {fold_case(row.name)}) or (row.kind == "view" and fold_case(row.name) in read)
        )
    }
    down = with_readers(going, named)
    return DroppedForRenames(
        {row: row.key not in going for row in rows if row.key in down},
        {row.key: number for number, row in enumerate(rows)},
    )


def _may_read(key: tuple[str, str], names: Set[str], columns: Set[tuple[str, str]], scratch: Scratch) -> bool:
    """Whether a view or trigger reads, or may read, one of the columns of tables itself. `names` is what it names."""
    kind, name = key
    if names.isdisjoint(table for table, _ in columns):
        return False
    try:
        return kind == "trigger" or not columns.isdisjoint(scratch.columns_read_by(name))
    except ScratchError:
        return True


class DroppedDependents(Struct, frozen=True):
    """The views and triggers that are down while tables change.

    `rows` come down now, and `cleared` did before the renames; `changed` come back otherwise than they were, and
    `gone` do not: views, triggers and tables, by kind and folded name.
    """

    rows: Sequence[CatalogRow]
    cleared: DroppedForRenames
    changed: Set[tuple[str, str]]
    gone: Set[tuple[str, str]]

    def drops(self) -> Iterator[tuple[CatalogRow, Step]]:
        """How each comes down."""
        for row in _triggers_first(self.rows):
            is_dropped = row.key in self.changed or row.key in self.gone or self._goes_with_its_table(row)
            yield row, _drop(row, Verb.DROP if is_dropped else Verb.DROP_TEMPORARILY)

    def back(self, kind: str, wanted: Schema, missing: Iterable[SchemaObject]) -> Iterator[Step]:
        """How the views or the triggers come back, in their old order, which is the order of firing, and then new ones.

        `missing` are the objects that the live schema lacks.
        """
        items = wanted.views if kind == "view" else wanted.triggers
        down = self._in_old_order()
        for row in down:
            if row.kind != kind or row.key in self.gone:
                continue
            item, was_dropped = items.get(fold_case(row.name)), self.cleared.rows.get(row) is False
            if item is None and (was_dropped or self._goes_with_its_table(row)):
                continue
            verb = Verb.CREATE if was_dropped or row.key in self.changed else Verb.RECREATE
            sql = item.sql if item else row.sql or ""
            yield Step(StepKind.of(verb, kind), row.name, (sql,), place=item.place if item else None)
        taken_down = {row.key for row in down}
        for new in missing:
            if new.kind == kind and key_of(new) not in taken_down:
                yield Step(StepKind.of(Verb.CREATE, kind), new.name, (new.sql,), place=new.place)

    def _in_old_order(self) -> Sequence[CatalogRow]:
        if not self.cleared.rows:
            return self.rows
        return sorted((*self.cleared.rows, *self.rows), key=lambda row: self.cleared.order.get(row.key, 0))

    def _goes_with_its_table(self, row: CatalogRow) -> bool:
        """Whether it is a trigger whose table is dropped, which the hazard of that has told."""
        return row.kind == "trigger" and ("table", fold_case(row.table)) in self.gone


def dependents_to_drop(
    before: Catalog,
    difference: Difference,
    removed: Iterable[SchemaObject],
    tables: Iterable[Step],
    cleared: DroppedForRenames,
) -> DroppedDependents:
    """The views and triggers that change or go, or all of them where a table needs a clear field.

    `removed` are those objects of ours that go, `tables` the steps that tables take, `cleared` is what is down already.
    """
    standing = _standing(before)
    changed, gone = _changed(difference), set(map(key_of, removed))
    aside = standing
    if not any(step.kind in _NEEDS_A_CLEAR_FIELD for step in tables):
        going = changed | gone
        later = _later_triggers(standing, changed)
        # A view takes its INSTEAD OF triggers along.
        aside = [
            row for row in standing if row.key in going or ("view", fold_case(row.table)) in going or row.key in later
        ]
    return DroppedDependents(aside, cleared, changed, gone)


def _standing(catalog: Catalog) -> list[CatalogRow]:
    return [row for row in catalog.rows if row.kind in ("view", "trigger")]


def _changed(difference: Difference) -> set[tuple[str, str]]:
    return {key_of(change.object) for change in difference.changed}


def _triggers_first(rows: Iterable[CatalogRow]) -> list[CatalogRow]:
    return sorted(rows, key=lambda row: row.kind)


def _drop(row: CatalogRow, verb: Verb) -> Step:
    return Step(StepKind.of(verb, row.kind), row.name, (f"DROP {row.kind.upper()} {quote_identifier(row.name)}",))


def _later_triggers(standing: Sequence[CatalogRow], changed: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
    """The triggers that were made after one of their table that changes: the order decides which fires first."""
    later, tables = set(), set()
    for row in standing:
        if row.kind == "trigger" and fold_case(row.table) in tables:
            later.add(row.key)
        if row.kind == "trigger" and row.key in changed:
            tables.add(fold_case(row.table))
    return later
