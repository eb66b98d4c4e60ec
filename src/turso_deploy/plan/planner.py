"""Build the plan in the scratch database, where each step runs on a copy of the live schema as soon as it is planned.

The order of the steps: renames; drops of triggers, views and indexes that would block changes of tables; tables;
indexes; views; triggers. If scripts run between, new tables and columns come directly after the renames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import replace

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.column_order import tables_with_significant_order
from turso_deploy.catalog.diff import NO_PRESENT_NAMES, Difference, Managed, PresentNames, case_differences, diff
from turso_deploy.catalog.engine import Engine
from turso_deploy.catalog.integrity import Target, compiled_by_engine, find_reference_fault
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import ErrorCode, InternalError
from turso_deploy.core.transaction import Query
from turso_deploy.plan.backfills import (
    check_backfills,
    order_of_backfills,
    unused_backfills,
)
from turso_deploy.plan.dependents import (
    Dependencies,
    DroppedDependents,
    DroppedForRenames,
    dependents_blocking_renames,
    dependents_to_drop,
    indexes_by_table,
    indexes_to_drop,
    rows_to_simulate,
    tables_to_verify,
    tables_with_foreign_keys,
)
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.renames import (
    Renames,
    check_renames,
    counted_before_renames,
    old_rows_under_new_names,
    plan_renames,
    unmatched_renames,
    with_moved_columns,
)
from turso_deploy.plan.steps import Step, StepKind, Verb, impossible, objects_of
from turso_deploy.plan.table_change import FormerNames, TableChange
from turso_deploy.plan.table_hazards import (
    columns_read_by,
    count_duplicates,
    count_duplicates_after,
    hazards_of_children,
    remedy_for_live_rows,
    remedy_for_rows,
)
from turso_deploy.plan.table_steps import add_columns, change_table, drop_table
from turso_deploy.plan.unmanaged import (
    Faults,
    check_history_name_is_free,
    check_meaning_stays,
    check_names_are_not_taken,
    check_names_are_not_taken_elsewhere,
    check_nothing_breaks,
    check_nothing_is_lost,
    check_parents_exist,
    drop_index_of_others,
    faults_before,
    indexes_on_dropped_columns,
    unmanaged_by_table,
)
from turso_deploy.plan.virtual_tables import (
    change_virtual_table,
    content_table,
    create_table,
    indexes_of_changed_tables,
    indexes_of_changed_views,
    rebuild_indexes,
)
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import AnyTable, Index, Schema, SchemaObject, Table, place_in, title

_VERBS_THAT_MAY_BREAK_OTHERS = frozenset({Verb.REBUILD, Verb.REPLACE, Verb.RENAME, Verb.DROP})
_KINDS_OF_WHOLE_TABLES = (StepKind.CREATE_TABLE, StepKind.REBUILD_TABLE, StepKind.REPLACE_TABLE, StepKind.DROP_TABLE)


def make_plan(
    wanted: Schema,
    live: Catalog,
    *,
    managed: Managed = frozenset(),
    ignore: Sequence[str] = (),
    without_scripts: Plan | None = None,
    engine: Engine | None = None,
    present: PresentNames = NO_PRESENT_NAMES,
) -> Plan:
    """Plan the steps from the live schema to the wanted one, and run them in the scratch database.

    `managed` are the objects that the deployment history lists, and `ignore` the patterns of the manifest. If scripts
    run between, `without_scripts` is the plan without them: its hazards count the rows as they are now. `engine` is
    what the database runs on, if that is known. `present` are the present names of what the deployment history knows
    under the names of the wanted schema.
    Raises PlanError if a step cannot be carried out, InternalError if the steps do not lead to the wanted schema.
    """
    check_renames(wanted)
    wanted = with_moved_columns(wanted, live.schema, present)
    difference = diff(wanted, live.schema)
    if not (difference.missing or difference.changed or difference.removed(managed) or any(present)):
        check_history_name_is_free(live)
        unmanaged = tuple(change.object for change in difference.extra)
        return Plan((), (), live, unmanaged, case_differences=case_differences(wanted, live.schema), extended=live)
    planner = _Planner(wanted, live, difference, managed, ignore, engine, present)
    try:
        plan = planner.plan(adds_first=without_scripts is not None)
    finally:
        planner.scratch.close()
    return plan if without_scripts is None else plan.with_counts_of(without_scripts)


class _Planner:
    """The state of planning: `steps` grows, and `scratch` holds the live schema after the steps so far.

    `difference` compares the wanted schema with the live one.
    """

    def __init__(
        self,
        wanted: Schema,
        live: Catalog,
        difference: Difference,
        managed: Managed,
        ignore: Sequence[str],
        engine: Engine | None,
        present: PresentNames,
    ) -> None:
        self.wanted = wanted
        self.present = present
        self.live = live
        self.managed = managed
        self.ignore = ignore
        self.steps: list[Step] = []
        self.additions: tuple[Step, ...] = ()
        self.prepared: dict[str, Set[str]] = {}
        self.changes: dict[str, TableChange] = {}
        self.former_names: FormerNames = {}
        self.dropped_for_renames = DroppedForRenames()
        self.dependencies = Dependencies.of(live.with_ignored)
        self._catalog: Catalog | None = None
        self._difference: Difference | None = difference
        self.scratch = Scratch(engine)
        # As in the transaction of a rebuild: a foreign key may refer to columns that a later step makes a key.
        self.scratch.run("PRAGMA foreign_keys = off")
        # Objects that plain SQLite cannot hold, for example of a module that only the server has, are unmanaged and
        # stay as they are.
        rows = self._rows_to_simulate(difference)
        self.scratch.load(rows, live.shadows)
        in_scratch = {row.key for row in self.scratch.rows()}  # with the shadow tables that virtual tables have made
        self.not_in_scratch = [row for row in live.rows if row.key not in in_scratch]

    def plan(self, *, adds_first: bool) -> Plan:
        """Run all stages in order. With `adds_first`, new tables and columns come before all other changes."""
        faults = faults_before(self.live.with_ignored, self.wanted, self._difference_now(), self.scratch)
        renames = plan_renames(
            self.wanted,
            self.managed,
            lambda: self._now().schema,
            self._run,
            self._drop_dependents_of_renames,
            self.present,
        )
        self.former_names = renames.former_names
        renamed = before = self._now()
        if adds_first:
            self._make_additions(before, self._difference_now(), renames.managed)
            before = self._now()
        difference = self._difference_now()
        if renames.steps or self.additions:
            self.dependencies = Dependencies.of(before.with_ignored)
        removed = difference.removed(renames.managed)
        check_names_are_not_taken(before, difference, removed)
        check_names_are_not_taken_elsewhere(self.wanted, difference, removed, renames.managed)
        self._find_table_changes(difference, before)
        lost = indexes_on_dropped_columns(before.with_ignored, self.wanted, removed, self.changes)
        indexes = [*indexes_to_drop(difference, removed), *lost]
        table_steps = self._table_steps(difference, removed, before, indexes)
        dependents = dependents_to_drop(before, difference, removed, table_steps, self.dropped_for_renames)
        self._drop_dependents(dependents)
        self._drop_indexes(indexes, lost)
        self._change_tables(table_steps, before, difference, indexes, dependents)
        predicted = self._now()
        check_history_name_is_free(predicted)
        check_parents_exist(predicted.with_ignored, (*difference.missing, *difference.changed))
        self._check_unmanaged(predicted.with_ignored, faults, renames.steps)
        check_nothing_is_lost(before.with_ignored, predicted.with_ignored, removed, self.steps)
        plan = self._finished(renames, table_steps, renamed, before, predicted, faults)
        return replace(plan, additions=self.additions, extended=before) if adds_first else plan

    def _rows_to_simulate(self, difference: Difference) -> Sequence[CatalogRow]:
        """Return the live objects to load: all if there are directives, because a rename may affect any object."""
        if any(self.present) or any(table.directives.affect_other_objects for table in self.wanted.all_tables.values()):
            return self.live.rows
        return rows_to_simulate(self.wanted, self.live, difference, self.managed, self.dependencies)

    def _now(self) -> Catalog:
        """Return the catalog after the steps so far."""
        if self._catalog is None:
            rows = [*self.scratch.rows(), *self.not_in_scratch]
            self._catalog = read_catalog(rows, {*self.scratch.shadows(), *self.live.shadows}, self.ignore)
        return self._catalog

    def _difference_now(self) -> Difference:
        """Return the difference between the wanted schema and the schema after the steps so far."""
        if self._difference is None:
            self._difference = diff(self.wanted, self._now().schema)
        return self._difference

    def _run(self, step: Step) -> None:
        """Run a step in the scratch database. Raises PlanError (`plan-impossible`)."""
        self._catalog = self._difference = None
        if step.altered and self.scratch.rewrite(step.altered.table, step.altered.sql):
            return
        for sql in step.statements:
            try:
                self.scratch.run(sql)
            except ScratchError as error:
                offset = (
                    error.offset if step.kind.verb is Verb.CREATE else None
                )  # whose SQL keeps the lines of its file
                place = place_in(sql, offset, step.place)
                raise impossible(f"{step.kind} {step.title}", error.message, place) from None

    def _add(self, steps: Iterable[Step]) -> None:
        """Run steps in the scratch database, and add them to the plan."""
        for step in steps:
            self._run(step)
            self.steps.append(step)

    def _make_additions(self, before: Catalog, difference: Difference, managed: Managed) -> None:
        """Create the new tables with their indexes, and add the new columns: what the scripts between may use.

        The index of a full-text search follows its content, and a new table an object that has its name now.
        """
        taken = {fold_case(row.name) for row in before.rows}
        missing = [
            change.wanted
            for change in difference.missing
            if change.wanted and fold_case(change.wanted.name) not in taken
        ]
        tables = [item for item in missing if isinstance(item, AnyTable) and not content_table(item)]
        self._add(map(create_table, tables))
        created = {fold_case(table.name) for table in tables}
        for item in missing:
            if isinstance(item, Index) and fold_case(item.table) in created:
                self._add([Step(StepKind.CREATE_INDEX, item.name, (item.sql,), place=item.place)])
        dropped = indexes_to_drop(difference, difference.removed(managed))
        indexes, in_order = indexes_by_table(before, dropped), tables_with_significant_order(self.wanted)
        for change in difference.changed:
            if isinstance(change.wanted, Table) and isinstance(change.live, Table):
                name = fold_case(change.wanted.name)
                found = TableChange(change.wanted, change.live, self.wanted, before.with_ignored)
                steps, self.prepared[name] = add_columns(found, indexes.get(name, []), in_order=name in in_order)
                self._add(steps)
        self.additions, self.steps = tuple(self.steps), []

    def _drop_dependents_of_renames(self, renames: Sequence[Step]) -> list[Step]:
        """Return the steps that drop the views and triggers which would make the renames of columns fail."""
        self.dropped_for_renames = dependents_blocking_renames(
            self.wanted, self._now(), self._difference_now(), self.managed, renames, self.scratch
        )
        return self.dropped_for_renames.steps

    def _find_table_changes(self, difference: Difference, before: Catalog) -> None:
        """Find the changes of ordinary tables, and check their backfills."""
        for change in difference.changed:
            if isinstance(change.wanted, Table) and isinstance(change.live, Table):
                prepared = self.prepared.get(fold_case(change.wanted.name), frozenset())
                found = TableChange(
                    change.wanted,
                    change.live,
                    self.wanted,
                    before.with_ignored,
                    self.changes,
                    prepared,
                    self.former_names,
                )
                check_backfills(found, self.scratch)
                self.changes[fold_case(change.wanted.name)] = found

    def _table_steps(
        self, difference: Difference, removed: Sequence[SchemaObject], before: Catalog, dropped: Sequence[Index]
    ) -> list[Step]:
        """Return the steps that create, change and drop tables. `dropped` are the indexes that are dropped before."""
        existing = before.schema.all_tables.keys() | before.schema.views.keys()
        new = [change.wanted for change in difference.missing if isinstance(change.wanted, AnyTable)]
        steps = [create_table(table, filled=content_table(table) in existing) for table in new]
        taken = {fold_case(row.name) for row in before.rows}
        indexes = indexes_by_table(before, dropped)
        in_order = tables_with_significant_order(self.wanted)
        children = (self.dependencies | Dependencies.of(self.wanted)).children
        going = {fold_case(item.name) for item in removed if isinstance(item, AnyTable)}
        # A full-text index is copied before its content changes, and so is a table whose backfill reads another table.
        order = order_of_backfills(self.changes)
        for change in sorted(
            difference.changed,
            key=lambda item: (not content_table(item.live), order.get(fold_case(item.object.name), 0)),
        ):
            if not (isinstance(change.wanted, AnyTable) and isinstance(change.live, AnyTable)):
                continue
            name = fold_case(change.wanted.name)
            if (table := self.changes.get(name)) is None:
                readable = self._is_readable(change.live, before.schema)
                steps.append(change_virtual_table(change.wanted, change.live, taken, readable=readable))
                continue
            *first, last = change_table(table, indexes.get(name, []), taken, in_order=name in in_order)
            hazards = hazards_of_children(table, sorted(children.get(name, set()) - going))
            steps += [*first, last._replace(hazards=(*last.hazards, *hazards))]
        unmanaged = unmanaged_by_table(before, difference, removed)
        for item in removed:
            if isinstance(item, AnyTable):
                steps.append(drop_table(item, unmanaged.get(fold_case(item.name), []), new))
        return steps

    def _is_readable(self, live: AnyTable, before: Schema) -> bool:
        """Return True if a virtual table can be read while tables change: no view is there, columns may be renamed."""
        content = content_table(live)
        return not content or (
            content in before.all_tables and find_reference_fault(live, before, self.scratch) is None
        )

    def _drop_dependents(self, dependents: DroppedDependents) -> None:
        unknown = set(self.not_in_scratch)
        for row, step in dependents.drops():
            if row not in unknown:
                self._run(step)
            self.steps.append(step)
        dropped = set(dependents.rows)
        self.not_in_scratch = [row for row in self.not_in_scratch if row not in dropped]
        self._catalog = self._difference = None

    def _drop_indexes(self, indexes: Iterable[Index], lost: Sequence[Index]) -> None:
        """Drop indexes; `lost` are those that are not managed."""
        self._add(
            drop_index_of_others(index, self.changes[fold_case(index.table)])
            if index in lost
            else Step(StepKind.DROP_INDEX, index.name, (f"DROP INDEX {quote_identifier(index.name)}",))
            for index in indexes
        )

    def _change_tables(
        self,
        table_steps: Sequence[Step],
        before: Catalog,
        difference: Difference,
        dropped: Sequence[Index],
        dependents: DroppedDependents,
    ) -> None:
        """Add the steps for tables, and then those that create indexes, views and triggers."""
        # A full-text index of a view is built after the view is created.
        late = [
            step
            for step in table_steps
            if len(step.statements) > 1 and content_table(self.wanted.virtual_tables.get(fold_case(step.object)))
        ]
        whole_tables = objects_of(table_steps, *_KINDS_OF_WHOLE_TABLES)
        missing = [change.object for change in difference.missing]
        self._add(step for step in table_steps if step not in late)
        changed = indexes_of_changed_tables(before.with_ignored, self.changes, whole_tables)
        self._add(rebuild_indexes(changed, self.wanted))
        self._create_indexes(difference, before, objects_of(table_steps, StepKind.REBUILD_TABLE), dropped)
        self._add(dependents.creates("view", self.wanted, missing))
        changed = indexes_of_changed_views(
            before.with_ignored, self._now().with_ignored, difference, self.changes, whole_tables
        )
        self._add([*rebuild_indexes(changed, self.wanted), *late])
        self._add(dependents.creates("trigger", self.wanted, missing))

    def _create_indexes(
        self, difference: Difference, before: Catalog, rebuilt: Set[str], dropped: Sequence[Index]
    ) -> None:
        """Create the indexes that are missing or changed, and recreate the other indexes of rebuilt tables."""
        gone = {fold_case(index.name) for index in dropped}
        for change in (*difference.missing, *difference.changed):
            if isinstance(change.wanted, Index):
                index = change.wanted
                hazards = self._unique_hazard(index, before)
                self._add([Step(StepKind.CREATE_INDEX, index.name, (index.sql,), hazards, index.place)])
        for index in before.schema.indexes.values():
            if fold_case(index.table) in rebuilt and fold_case(index.name) not in gone:
                wanted = self.wanted.indexes.get(fold_case(index.name), index)
                table = self.changes.get(fold_case(index.table))
                is_affected = table is not None and not table.changed_columns.isdisjoint(identifiers_in(wanted.sql))
                hazards = self._unique_hazard(wanted, before) if is_affected else ()
                self._add([Step(StepKind.RECREATE_INDEX, index.name, (wanted.sql,), hazards, wanted.place)])
        for row in before.rows:  # ignored indexes are dropped with the old table, too
            is_ignored = row.kind == "index" and (row.kind, row.name) in before.uncounted
            if is_ignored and fold_case(row.name) not in gone and row.sql and fold_case(row.table) in rebuilt:
                self._add([Step(StepKind.RECREATE_INDEX, row.name, (row.sql,))])

    def _unique_hazard(self, index: Index, before: Catalog) -> tuple[Hazard, ...]:
        """Return the hazard of a unique index on a table that exists, whose rows may share a key."""
        definition = index.definition
        table = before.schema.tables.get(definition.table)
        if not definition.unique or table is None:
            return ()
        change = self.changes.get(definition.table)
        goal = f"no two rows share a key of the index {index.name}"
        read = columns_read_by(definition.parts, definition.where)
        if change is not None:
            count = count_duplicates_after(change, definition.parts, definition.where)
            remedy = remedy_for_rows(change, read, goal)
        else:
            count = count_duplicates(table, definition.parts, definition.where)
            columns = [column.name for name, column in table.definition.by_name.items() if name in read]
            remedy = remedy_for_live_rows(table.name, columns, goal, self.former_names)
        return (Hazard(HazardName.ADD_UNIQUE, index.name, Query(count), index.place, remedy=remedy),)

    def _check_unmanaged(self, schema: Schema, faults: Faults, renames: Sequence[Step]) -> None:
        """Check that new views, triggers and tables work, and unmanaged ones that worked before still do.

        A new column can break a view or a trigger that counts columns, or in which its name is ambiguous; it breaks no
        foreign key.
        """
        may_break = any(step.kind.verb in _VERBS_THAT_MAY_BREAK_OTHERS for step in (*renames, *self.steps))
        has_readers = bool(may_break or schema.views or schema.triggers)
        check_nothing_breaks(schema, self.wanted, self.scratch, faults, only_tables=not has_readers)
        if has_readers:
            check_meaning_stays(schema, self.wanted, self.changes, renames)

    def _finished(
        self,
        renames: Renames,
        table_steps: Sequence[Step],
        renamed: Catalog,
        before: Catalog,
        predicted: Catalog,
        faults: Faults,
    ) -> Plan:
        """Return the plan, after checking that the steps lead to the wanted schema.

        `renamed` is the catalog after the renames, and `before` that after the additions, too.
        """
        unmanaged = self._check_convergence()
        dependencies = self.dependencies | Dependencies.of(predicted.with_ignored)
        with_rows, with_keys = tables_to_verify(
            table_steps, before.with_ignored, predicted.with_ignored, dependencies, faults.before
        )
        with_clause = old_rows_under_new_names(self.live.schema, renamed.schema, renames.old_names)
        compiled = Target(self.live.with_ignored, predicted.with_ignored, self.wanted, renames.old_names)
        return Plan(
            renames.steps,
            tuple(counted_before_renames(step, with_clause) for step in self.steps),
            predicted,
            unmanaged=unmanaged,
            tables_with_verified_rows=with_rows,
            tables_with_verified_keys=with_keys,
            places={name: table.place for name, table in self.wanted.all_tables.items()},
            tables_with_keys=tables_with_foreign_keys(predicted.with_ignored, faults.before),
            case_differences=case_differences(self.wanted, predicted.schema),
            unmatched_renames=tuple(unmatched_renames(self.wanted, renamed.schema)),
            unused_backfills=tuple(unused_backfills(self.wanted, renamed.schema, renames.columns)),
            renamed=renamed.schema if renames.steps else None,
            changes=self.changes,
            former_names=self.former_names,
            with_clause=with_clause,
            compilations=tuple(compiled_by_engine(compiled, self._changed_objects(predicted), self.scratch)),
            broken=faults.of_others,
        )

    def _changed_objects(self, predicted: Catalog) -> set[tuple[str, str]]:
        """Return kind and folded name of each object that is created, or whose SQL changes."""
        before = {(row.key, row.sql) for row in self.live.rows}
        return {row.key for row in predicted.rows if (row.key, row.sql) not in before}

    def _check_convergence(self) -> tuple[SchemaObject, ...]:
        """Check that only unmanaged objects differ after all steps, and return them. Raises InternalError."""
        left = self._difference_now()
        if left.missing or left.changed:
            names = ", ".join(title(change.object) for change in (*left.missing, *left.changed))
            raise InternalError(
                ErrorCode.INTERNAL,
                f"The plan failed in the scratch database: after all steps these objects still differ: {names}.",
                hint="This is a bug of turso-deploy: please report it with both definitions of these objects. Nothing "
                "was sent to the database.",
                place=(*left.missing, *left.changed)[0].object.place,
            )
        return tuple(change.object for change in left.extra)
