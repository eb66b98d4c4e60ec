"""A plan: the steps from the live schema to the wanted one, their hazards, and the catalog that they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.compilation import Compilation
from turso_deploy.core.errors import Place
from turso_deploy.plan.hazards import Hazard
from turso_deploy.plan.steps import KINDS_THAT_DROP_ROWS, Step, StepKind, objects_of
from turso_deploy.plan.table_change import FormerNames, TableChange
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, SchemaObject


class UnusedBackfill(NamedTuple):
    """A column that changes without its `@using` expression.

    `replaced` is True if the table is created again without its rows, so that there is nothing to backfill.
    """

    column: str
    place: Place | None
    replaced: bool = False


class UnmatchedRename(NamedTuple):
    """A table or column that is created although it has `@renamed`, because the old name does not exist."""

    kind: str
    title: str
    old_name: str
    place: Place | None


@dataclass(frozen=True)
class Plan:
    """The steps in order, and the catalog that they lead to in the scratch database.

    `renames` run first; all other steps use the new names. `additions` precede the scripts that run between: they
    create tables and add columns, and without such scripts there are none. `tables_with_verified_rows` are the tables
    whose rows must be complete after the plan, `tables_with_verified_keys` those whose foreign-key violations are
    counted before and after; both use the names after the renames, and are empty unless a table is rebuilt or dropped.
    `case_differences` lists names that differ in case only. `unused_backfills` and `unmatched_renames` are directives
    without effect.
    """

    renames: tuple[Step, ...]
    steps: tuple[Step, ...]
    predicted: Catalog
    unmanaged: tuple[SchemaObject, ...] = ()
    tables_with_verified_rows: tuple[str, ...] = ()
    tables_with_verified_keys: tuple[str, ...] = ()
    places: Mapping[str, Place | None] = field(default_factory=dict)
    """The places of the tables in the schema folder, by folded name."""
    tables_with_keys: tuple[str, ...] = ()
    """All tables with foreign keys after the plan: verified in place of the others if rows are written as well."""
    case_differences: tuple[str, ...] = ()
    unused_backfills: tuple[UnusedBackfill, ...] = ()
    unmatched_renames: tuple[UnmatchedRename, ...] = ()
    renamed: Schema | None = None
    """The live schema after the renames; None without renames."""
    changes: Mapping[str, TableChange] = field(default_factory=dict)
    """The changes of ordinary tables, by folded name."""
    former_names: FormerNames = field(default_factory=dict)
    with_clause: str = ""
    """The clause that lets a query use the names after the renames while the database has those before them."""
    additions: tuple[Step, ...] = ()
    extended: Catalog | None = None
    """The catalog after the additions, in which the scripts between run; None if no place is made for them."""
    compilations: tuple[Compilation, ...] = ()
    """The statements that make the engine compile the new and changed objects."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """The objects outside the schema folder that did not work before the plan, each with the reason."""

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The renames, and then the other steps."""
        return self.renames + self.additions + self.steps

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """The hazards of all steps."""
        return tuple(hazard for step in self.all_steps for hazard in step.hazards)

    @cached_property
    def created_tables(self) -> frozenset[str]:
        """The folded names of the tables that are created."""
        return objects_of(self.all_steps, StepKind.CREATE_TABLE)

    @cached_property
    def rebuilt_tables(self) -> frozenset[str]:
        """The folded names of the tables that are rebuilt: their rows are copied into a new table."""
        return objects_of(self.steps, StepKind.REBUILD_TABLE)

    @cached_property
    def dropped_tables(self) -> frozenset[str]:
        """The folded names of the tables whose rows are dropped, including those that are created again."""
        return objects_of(self.steps, *KINDS_THAT_DROP_ROWS)

    @cached_property
    def dropped_indexes(self) -> frozenset[str]:
        """The folded names of the indexes that are dropped, including those that are created again."""
        return objects_of(self.steps, StepKind.DROP_INDEX)

    @property
    def keeps_foreign_keys_on(self) -> bool:
        """True if foreign keys can be enforced while the steps run: DROP TABLE would fire their actions.

        https://www.sqlite.org/foreignkeys.html#fk_schemacommands
        """
        return not (self.rebuilt_tables or self.dropped_tables)

    @property
    def old_names(self) -> Mapping[str, str]:
        """The old names of the renamed tables, by folded new name."""
        return old_names_of(self.renames)

    def moved_columns(self, table: str) -> Mapping[str, str]:
        """Return the old names of the columns that a rebuild of a table renames, by new name."""
        change = self.changes.get(fold_case(table))
        return {change.new.by_name[name].name: old.name for name, old in change.moved.items()} if change else {}

    def old_columns(self, table: str, live: Schema) -> Mapping[str, str]:
        """Return the old names of the renamed columns of a table, by new name. `live` is the schema before the plan."""
        before = live.tables.get(fold_case(self.old_names.get(fold_case(table), table)))
        after = self.renamed.tables.get(fold_case(table)) if self.renamed else None
        if before is None or after is None:
            return self.moved_columns(table)
        columns = zip(before.definition.columns, after.definition.columns, strict=True)
        return {**self.moved_columns(table), **{new.name: old.name for old, new in columns if new.name != old.name}}

    def with_counts_of(self, other: Plan) -> Plan:
        """Return the plan with what another plan for the same change can count beforehand: its hazards and `changes`.

        Each hazard is at the most similar step.
        """
        steps = [step._replace(hazards=()) for step in self.all_steps]
        for step in other.all_steps:
            if step.hazards:
                at = max(range(len(steps)), key=lambda index: (_similarity(steps[index], step), index))
                steps[at] = steps[at]._replace(hazards=steps[at].hazards + step.hazards)
        first, last = len(self.renames), len(self.renames) + len(self.additions)
        return replace(
            self,
            renames=tuple(steps[:first]),
            additions=tuple(steps[first:last]),
            steps=tuple(steps[last:]),
            changes=other.changes,
        )

    def with_hazards(self, counted: Sequence[Hazard]) -> Plan:
        """Return the plan with counted hazards, which are in the order of `hazards`."""
        remaining = iter(counted)

        def recounted(steps: tuple[Step, ...]) -> tuple[Step, ...]:
            return tuple(step._replace(hazards=tuple(next(remaining) for _ in step.hazards)) for step in steps)

        renames, additions = recounted(self.renames), recounted(self.additions)
        return replace(self, renames=renames, additions=additions, steps=recounted(self.steps))


def old_names_of(renames: Sequence[Step]) -> dict[str, str]:
    """Return the names that renamed tables had before all renames, by folded new name: one may be renamed twice."""
    names: dict[str, str] = {}
    for step in renames:
        if step.kind is StepKind.RENAME_TABLE:
            old = step.old_name or ""
            names[fold_case(step.object)] = names.pop(fold_case(old), old)
    return names


def _similarity(one: Step, other: Step) -> tuple[bool, bool]:
    """Return if two steps have the same object, and if they do the same to it."""
    return fold_case(one.object) == fold_case(other.object), (one.kind, one.title) == (other.kind, other.title)
