"""Makes the plan in the scratch database, where each step is run on a copy of the live schema as soon as it is planned.

The order: renames; what stands in the way comes down (triggers, views, indexes); tables; indexes; views; triggers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from msgspec.structs import replace

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.column_order import tables_with_significant_order
from turso_deploy.catalog.diff import Difference, Managed, case_differences, diff
from turso_deploy.catalog.integrity import broken_objects, find_reference_fault
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import ErrorCode, InternalError
from turso_deploy.core.transaction import Query
from turso_deploy.plan.backfills import in_reading_order, passed_over, refuse_broken_expressions
from turso_deploy.plan.dependents import (
    DroppedDependents,
    DroppedForRenames,
    dependents_blocking_renames,
    dependents_to_drop,
)
from turso_deploy.plan.foreign_keys import left_behind
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.plan import Plan, Step, impossible, objects_of
from turso_deploy.plan.relatives import children_of, to_be_proven, to_be_rehearsed, with_foreign_keys
from turso_deploy.plan.renames import (
    counting_before_renames,
    nothing_to_rename,
    old_rows_under_new_names,
    plan_renames,
    refuse_contradictions,
)
from turso_deploy.plan.step_kinds import StepKind, Verb
from turso_deploy.plan.table_change import TableChange, count_duplicates
from turso_deploy.plan.table_steps import change_table, change_virtual_table, create_table, drop_table
from turso_deploy.plan.unmanaged import refuse_what_breaks, refuse_what_goes, refuse_what_means_something_else
from turso_deploy.plan.virtual_tables import (
    build_again,
    built_again,
    built_again_behind_views,
    content_holder,
)
from turso_deploy.sql.comments import NO_TABLE_DIRECTIVES, TableDirectives
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import AnyTable, Index, Schema, SchemaObject, Table, Trigger, key_of, title

_CAN_BREAK_OTHERS = frozenset({Verb.REBUILD, Verb.REPLACE, Verb.RENAME, Verb.DROP})


def make_plan(
    wanted: Schema,
    live: Catalog,
    *,
    directives: Mapping[str, TableDirectives] | None = None,
    managed: Managed = frozenset(),
    ignore: Sequence[str] = (),
) -> Plan:
    """Plan how the live database becomes the wanted one, and rehearse it.

    `directives` are those of the schema folder, `managed` is what the history says we made, `ignore` the manifest's.
    Raises BlockedError where something stands in the way, InternalError where the plan does not converge.
    """
    refuse_contradictions(wanted, directives or {})
    difference = diff(wanted, live.schema)
    if not (difference.missing or difference.changed or difference.removed(managed)):
        extra = tuple(change.object for change in difference.extra)
        return Plan((), (), live, extra, respelt=case_differences(wanted, live.schema))
    planner = _Planner(wanted, live, directives or {}, managed, ignore)
    try:
        return planner.plan()
    finally:
        planner.scratch.close()


class _Planner:
    """Plans in stages. `steps` grows, and `scratch` holds the live schema as it is after the steps so far."""

    def __init__(
        self,
        wanted: Schema,
        live: Catalog,
        directives: Mapping[str, TableDirectives],
        managed: Managed,
        ignore: Sequence[str],
    ) -> None:
        self.wanted = wanted
        self.live = live
        self.directives = directives
        self.managed = managed
        self.ignore = ignore
        self.steps: list[Step] = []
        self.changes: dict[str, TableChange] = {}
        self.children: Mapping[str, Set[str]] = {}
        self.ordered = tables_with_significant_order(wanted)
        self.cleared = DroppedForRenames()
        self._catalog: Catalog | None = None
        self.scratch = Scratch()
        # As in the transaction of a rebuild. A key may refer to columns that become a key in a later step only.
        self.scratch.run("PRAGMA foreign_keys = off")
        # What plain SQLite cannot hold (a module that only the server has) is not ours and stays as it is.
        rehearsed = self._rows_to_rehearse()
        in_scratch = set(rehearsed).difference(self.scratch.load(rehearsed, live.shadows))
        self.beyond_scratch = [row for row in live.rows if row not in in_scratch]

    def plan(self) -> Plan:
        """All stages, in order."""
        broken_before = broken_objects(self.live.with_ignored, self.scratch)
        renames = plan_renames(
            self.wanted, self.directives, self.managed, lambda: self._now().schema, self._rehearse, self._clear_the_way
        )
        before = self._now()
        difference = diff(self.wanted, before.schema)
        removed = difference.removed(renames.managed)
        going = {fold_case(item.name) for item in removed if isinstance(item, AnyTable)}
        found = children_of(self.wanted, before.with_ignored)
        self.children = {parent: children - going for parent, children in found.items()}
        down = self._indexes_in_the_way(difference, removed)
        tables = self._table_steps(difference, removed, before, down)
        aside = dependents_to_drop(before, difference, removed, tables, self.cleared)
        self._take_down(aside)
        for index in down:
            self._add(Step(StepKind.DROP_INDEX, index.name, (f"DROP INDEX {quote_identifier(index.name)}",)))
        # An index of another's content is built from it, which may be a view, when that is as it is wanted.
        late = [
            step
            for step in tables
            if len(step.statements) > 1 and content_holder(self.wanted.virtual_tables.get(fold_case(step.object)))
        ]
        for step in tables:
            if step not in late:
                self._add(step)
        made_anew = {fold_case(step.object) for step in tables if step.column is None}
        for step in build_again(built_again(before.with_ignored, self.changes, made_anew), self.wanted):
            self._add(step)
        self._create_indexes(difference, before, tables, down)
        missing = [change.object for change in difference.missing]
        for step in aside.back("view", self.wanted, missing):
            self._add(step)
        shown = built_again_behind_views(
            before.with_ignored, self._now().with_ignored, difference, self.changes, made_anew
        )
        for step in (*build_again(shown, self.wanted), *late):
            self._add(step)
        for step in aside.back("trigger", self.wanted, missing):
            self._add(step)
        predicted = self._now()
        self._refuse_what_breaks_others(predicted.with_ignored, broken_before, renames.steps)
        refuse_what_goes(before.with_ignored, predicted.with_ignored, removed, self.steps)
        unmanaged = self._prove_convergence(predicted)
        proven, related = to_be_proven(tables, before.with_ignored, predicted.with_ignored, broken_before)
        renamed = {step.title for step in renames.steps if step.kind is StepKind.RENAME_COLUMN}
        under_new_names = old_rows_under_new_names(self.live.schema, before.schema, renames.old_names)
        return Plan(
            renames.steps,
            tuple(counting_before_renames(step, under_new_names) for step in self.steps),
            predicted,
            unmanaged=unmanaged,
            proven=proven,
            related=related,
            places={name: table.place for name, table in self.wanted.all_tables.items()},
            keyed=with_foreign_keys(predicted.with_ignored, broken_before),
            respelt=case_differences(self.wanted, predicted.schema),
            nothing_to_rename=tuple(nothing_to_rename(self.wanted, self.directives, before.schema)),
            passed_over=tuple(passed_over(self.wanted, before.schema, self.directives, renamed)),
            renamed=before.schema if renames.steps else None,
        )

    def _rows_to_rehearse(self) -> Sequence[CatalogRow]:
        """All that the plan can touch: with a rename, or an expression of somebody's making, that may be anything."""
        if any(directives.reach_further for directives in self.directives.values()):
            return self.live.rows
        return to_be_rehearsed(self.wanted, self.live, self.managed)

    def _now(self) -> Catalog:
        if self._catalog is None:
            rows = [*self.scratch.rows(), *self.beyond_scratch]
            self._catalog = read_catalog(rows, {*self.scratch.shadows(), *self.live.shadows}, self.ignore)
        return self._catalog

    def _rehearse(self, step: Step) -> None:
        self._catalog = None
        if step.altered and self.scratch.rewrite(step.altered.table, step.altered.sql):
            return
        for sql in step.statements:
            try:
                self.scratch.run(sql)
            except ScratchError as error:
                raise impossible(f"{step.kind} {step.title}", error.message, step.place) from None

    def _add(self, step: Step) -> None:
        self._rehearse(step)
        self.steps.append(step)

    def _clear_the_way(self, renames: Sequence[Step]) -> list[Step]:
        self.cleared = dependents_blocking_renames(self.wanted, self._now(), self.managed, renames, self.scratch)
        return self.cleared.steps

    def _indexes_in_the_way(self, difference: Difference, removed: Sequence[SchemaObject]) -> list[Index]:
        """Indexes that change or go: they come down first, because a column that an index needs cannot be dropped."""
        changed = [change.live for change in difference.changed if isinstance(change.live, Index)]
        return [*changed, *(item for item in removed if isinstance(item, Index))]

    def _table_steps(
        self, difference: Difference, removed: Sequence[SchemaObject], before: Catalog, down: Sequence[Index]
    ) -> list[Step]:
        steps = []
        holders = before.schema.all_tables.keys() | before.schema.views.keys()
        for change in difference.missing:
            if isinstance(change.wanted, AnyTable):
                steps.append(create_table(change.wanted, filled=content_holder(change.wanted) in holders))
        taken = {fold_case(row.name) for row in before.rows}
        standing = _indexes_by_table(before, down)
        for change in difference.changed:
            if isinstance(change.wanted, Table) and isinstance(change.live, Table):
                self._find_change(change.wanted, change.live, before.with_ignored)
        # What shows the rows of another table is copied before that changes, and what reads them for a value is, too.
        order = in_reading_order(self.changes)
        for change in sorted(
            difference.changed,
            key=lambda item: (not content_holder(item.live), order.get(fold_case(item.object.name), 0)),
        ):
            if isinstance(change.wanted, AnyTable) and isinstance(change.live, AnyTable):
                indexes = standing.get(fold_case(change.live.name), [])
                steps += self._change_table(change.wanted, change.live, indexes, taken, before.schema)
        new = [change.wanted for change in difference.missing if isinstance(change.wanted, AnyTable)]
        along = _not_ours_by_table(before, difference, removed)
        for item in removed:
            if isinstance(item, AnyTable):
                steps.append(drop_table(item, along.get(fold_case(item.name), []), new))
        return steps

    def _find_change(self, wanted: Table, live: Table, before: Schema) -> None:
        at_table = self.directives.get(fold_case(wanted.name), NO_TABLE_DIRECTIVES)
        change = TableChange(wanted, live, at_table, self.wanted, before, self.changes)
        refuse_broken_expressions(change, self.scratch)
        self.changes[fold_case(wanted.name)] = change

    def _change_table(
        self, wanted: AnyTable, live: AnyTable, indexes: Sequence[str], taken: Set[str], before: Schema
    ) -> list[Step]:
        change = self.changes.get(fold_case(wanted.name))
        if change is None:
            # A view is set aside meanwhile, and a column may be known by another name now.
            content = content_holder(live)
            readable = not content or (
                content in before.all_tables and find_reference_fault(live, before, self.scratch) is None
            )
            return [change_virtual_table(wanted, live, taken, readable=readable)]
        *steps, last = change_table(change, indexes, taken, in_order=fold_case(wanted.name) in self.ordered)
        hazards = left_behind(change, sorted(self.children.get(fold_case(wanted.name), ())))
        return [*steps, replace(last, hazards=(*last.hazards, *hazards))]

    def _take_down(self, aside: DroppedDependents) -> None:
        unknown = set(self.beyond_scratch)
        for row, step in aside.drops():
            if row not in unknown:
                self._rehearse(step)
            self.steps.append(step)
        taken_down = set(aside.rows)
        self.beyond_scratch = [row for row in self.beyond_scratch if row not in taken_down]
        self._catalog = None

    def _create_indexes(
        self, difference: Difference, before: Catalog, tables: Sequence[Step], down: Sequence[Index]
    ) -> None:
        made_anew = objects_of(tables, StepKind.REBUILD_TABLE)
        gone = {fold_case(index.name) for index in down}
        for change in (*difference.missing, *difference.changed):
            if isinstance(change.wanted, Index):
                hazards = self._unique_hazard(change.wanted, before)
                self._add(
                    Step(StepKind.CREATE_INDEX, change.wanted.name, (change.wanted.sql,), hazards, change.wanted.place)
                )
        for index in before.schema.indexes.values():
            if fold_case(index.table) in made_anew and fold_case(index.name) not in gone:
                wanted = self.wanted.indexes.get(fold_case(index.name), index)
                table = self.changes.get(fold_case(index.table))
                again = table is not None and not table.changed_columns.isdisjoint(identifiers_in(wanted.sql))
                hazards = self._unique_hazard(wanted, before) if again else ()
                self._add(Step(StepKind.RECREATE_INDEX, index.name, (wanted.sql,), hazards, wanted.place))
        for row in before.rows:  # those that are ignored, too, go with the old table
            if (
                row.kind == "index"
                and row.sql
                and fold_case(row.table) in made_anew
                and (row.kind, row.name) in before.uncounted
            ):
                self._add(Step(StepKind.RECREATE_INDEX, row.name, (row.sql,)))

    def _unique_hazard(self, index: Index, before: Catalog) -> tuple[Hazard, ...]:
        """A unique index on a table that has rows, or may have, needs them to be unique."""
        definition = index.definition
        table = before.schema.tables.get(definition.table)
        if not definition.unique or table is None:
            return ()
        change = self.changes.get(definition.table)
        if change is not None:
            count = change.count_duplicates(definition.parts, definition.where)
        else:
            count = count_duplicates(quote_identifier(table.name), table.definition, definition.parts, definition.where)
        return (Hazard(HazardName.ADD_UNIQUE, index.name, Query(count), index.place),)

    def _refuse_what_breaks_others(
        self, schema: Schema, broken_before: Mapping[str, str], renames: Sequence[Step]
    ) -> None:
        """A view, a trigger or a table that is not ours and worked before has to work afterwards."""
        # A new column breaks who counts them, or calls it by a name that is ambiguous now; it breaks no key.
        steps = (*renames, *self.steps)
        if not any(step.kind.verb in _CAN_BREAK_OTHERS for step in steps) and not (schema.views or schema.triggers):
            return
        refuse_what_breaks(schema, self.scratch, broken_before)
        refuse_what_means_something_else(schema, self.wanted, self.changes, renames)

    def _prove_convergence(self, predicted: Catalog) -> tuple[SchemaObject, ...]:
        """After all steps nothing differs but what is not ours, which is returned."""
        left = diff(self.wanted, predicted.schema)
        if left.missing or left.changed:
            names = ", ".join(title(change.object) for change in (*left.missing, *left.changed))
            raise InternalError(
                ErrorCode.INTERNAL,
                f"The plan did not pass its rehearsal: after it, these still differ: {names}.",
                hint="This is a bug of turso-deploy: please report it with the two definitions of what is named here. "
                "Nothing was sent.",
                place=(*left.missing, *left.changed)[0].object.place,
            )
        return tuple(change.object for change in left.extra)


def _not_ours_by_table(
    catalog: Catalog, difference: Difference, removed: Sequence[SchemaObject]
) -> Mapping[str, list[str]]:
    """The indexes and triggers of others, those that are ignored last, by the folded name of their table."""
    gone = set(map(key_of, removed))
    extra = (change.object for change in difference.extra if key_of(change.object) not in gone)
    ignored = (row for row in catalog.rows if row.sql and (row.kind, row.name) in catalog.uncounted)
    found: dict[str, list[str]] = {}
    for item in (*extra, *ignored):
        if isinstance(item, Index | Trigger | CatalogRow) and item.kind in ("index", "trigger"):
            found.setdefault(fold_case(item.table), []).append(f"{item.kind} {item.name}")
    return found


def _indexes_by_table(catalog: Catalog, down: Sequence[Index]) -> Mapping[str, list[str]]:
    """The SQL of the indexes that stay up while tables change, by the folded name of their table."""
    going = {fold_case(index.name) for index in down}
    found: dict[str, list[str]] = {}
    for row in catalog.rows:
        if row.kind == "index" and row.sql and fold_case(row.name) not in going:
            found.setdefault(fold_case(row.table), []).append(row.sql)
    return found
