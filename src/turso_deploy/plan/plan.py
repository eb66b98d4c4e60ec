"""A plan: the steps from the live schema to the wanted one, what they may cost, and the catalog they lead to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.core.errors import BlockedError, ErrorCode, Place
from turso_deploy.plan.hazards import Hazard
from turso_deploy.plan.step_kinds import StepKind
from turso_deploy.sql.lexer import column_title, fold_case
from turso_deploy.sql.schema import Schema, SchemaObject

DROPS_ROWS = (StepKind.DROP_TABLE, StepKind.REPLACE_TABLE)
"""The kinds of steps that drop a table with its rows."""


class Altered(Struct, frozen=True):
    """What a step makes of a table: the SQL that SQLite stores for it afterwards."""

    table: str
    sql: str


class Step(Struct, frozen=True):
    """What brings the live schema closer to the wanted one: one action on one object, in one or more statements.

    `kind` says what it does ("create table"), `object` and `column` to what: a column is one of a table. `hazards` is
    what it may cost, `old_name` what is renamed was called. A step that `keeps_values` makes a table anew that has
    every value of the old one, and `fills` are the columns for which it follows an `@using`. `altered` is there where
    planning the step has shown what SQLite makes of it, and nothing else is concerned.
    """

    kind: StepKind
    object: str
    statements: tuple[str, ...]
    hazards: tuple[Hazard, ...] = ()
    place: Place | None = None
    old_name: str | None = None
    column: str | None = None
    keeps_values: bool = False
    fills: tuple[str, ...] = ()
    altered: Altered | None = None

    @property
    def title(self) -> str:
        """The object, or the column, as it is told."""
        return self.object if self.column is None else column_title(self.object, self.column)

    @property
    def label(self) -> str:
        """What it does, as an error tells it: the expressions of somebody's making may be at fault."""
        expressions = f" with @using at {', '.join(self.fills)}" if self.fills else ""
        return f"{self.kind} {self.title}{expressions}"

    @property
    def sql(self) -> str:
        """All statements as one text."""
        return ";\n".join(self.statements)


class UnusedBackfill(Struct, frozen=True):
    """A column that changes without its `@using`; also because its table is `replaced`, so that no row is left."""

    column: str
    place: Place | None
    replaced: bool = False


class UnmatchedRename(Struct, frozen=True):
    """A table or a column that is made, because nothing has the name from which it is said to be renamed."""

    kind: str
    title: str
    old_name: str
    place: Place | None


class Plan(Struct, frozen=True, dict=True):
    """The steps, in order, and the catalog that they lead to, as the rehearsal showed it.

    `renames` run first: what they name is known by its new name in all that follows. `proven` are the live tables whose
    rows must all be there afterwards, by the name they have after the renames, `related` those whose foreign keys are
    counted before and after; both are empty unless a table is made anew or dropped. `respelt` are names that differ in
    case only, `passed_over` and `nothing_to_rename` the comments that ask for what is not done.
    """

    renames: tuple[Step, ...]
    steps: tuple[Step, ...]
    predicted: Catalog
    unmanaged: tuple[SchemaObject, ...] = ()
    proven: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    places: Mapping[str, Place | None] = {}
    """Where the schema folder defines the tables, by their folded name."""
    keyed: tuple[str, ...] = ()
    """All tables that have foreign keys afterwards, in place of `related` where rows are written, too."""
    respelt: tuple[str, ...] = ()
    passed_over: tuple[UnusedBackfill, ...] = ()
    nothing_to_rename: tuple[UnmatchedRename, ...] = ()
    renamed: Schema | None = None
    """The live schema under its new names, when there are renames."""

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """Renames and all that follows."""
        return self.renames + self.steps

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """Everything that the steps may cost."""
        return tuple(hazard for step in self.all_steps for hazard in step.hazards)

    @property
    def keeps_foreign_keys_on(self) -> bool:
        """Whether foreign keys can be enforced while the steps run: dropping a table would fire their actions.

        https://www.sqlite.org/foreignkeys.html#fk_schemacommands
        """
        return not (self.rebuilt_tables or self.dropped_tables)

    @cached_property
    def created_tables(self) -> frozenset[str]:
        """The folded names of the tables that the plan creates."""
        return objects_of(self.steps, StepKind.CREATE_TABLE)

    @cached_property
    def rebuilt_tables(self) -> frozenset[str]:
        """The folded names of the tables that are rebuilt, so that their rows are copied."""
        return objects_of(self.steps, StepKind.REBUILD_TABLE)

    @cached_property
    def dropped_tables(self) -> frozenset[str]:
        """The folded names of the tables whose rows are dropped, with those that are created again without rows."""
        return objects_of(self.steps, *DROPS_ROWS)

    @cached_property
    def dropped_indexes(self) -> frozenset[str]:
        """The folded names of the indexes that are dropped, with those that are created again in another form."""
        return objects_of(self.steps, StepKind.DROP_INDEX)

    @property
    def old_names(self) -> Mapping[str, str]:
        """What each table that is renamed is called before, by its folded new name."""
        return {
            fold_case(step.object): step.old_name or "" for step in self.renames if step.kind is StepKind.RENAME_TABLE
        }

    def old_columns(self, table: str, live: Schema) -> Mapping[str, str]:
        """What the columns of a table that are renamed are called in the `live` schema, by their new names."""
        before = live.tables.get(fold_case(self.old_names.get(fold_case(table), table)))
        after = self.renamed.tables.get(fold_case(table)) if self.renamed else None
        if before is None or after is None:
            return {}
        columns = zip(before.definition.columns, after.definition.columns, strict=True)
        return {new.name: old.name for old, new in columns if new.name != old.name}

    def with_hazards(self, counted: Sequence[Hazard]) -> Plan:
        """The same plan with its hazards counted; they come in the order of `hazards`."""
        left = iter(counted)

        def recounted(steps: tuple[Step, ...]) -> tuple[Step, ...]:
            return tuple(replace(step, hazards=tuple(next(left) for _ in step.hazards)) for step in steps)

        return replace(self, renames=recounted(self.renames), steps=recounted(self.steps))


def objects_of(steps: Iterable[Step], *kinds: StepKind) -> frozenset[str]:
    """Return the folded names of the objects of the steps of these kinds."""
    return frozenset(fold_case(step.object) for step in steps if step.kind in kinds)


def impossible(step: str, reason: str, place: Place | None) -> BlockedError:
    """The error for a step that SQLite refused in the rehearsal: something unmanaged stands in its way."""
    return BlockedError(
        ErrorCode.PLAN_IMPOSSIBLE,
        f"The plan cannot be carried out: {step}: {reason}.",
        hint="Look at what is named here: often an index, a view or a trigger that the schema folder does not define "
        "still needs what the plan changes. Change or drop it by hand, or define it in the schema folder.",
        place=place,
    )
