"""Assemble the steps of a deployment into one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.catalog.compilation import Compilation
from turso_deploy.core.errors import ErrorCode, PlanError
from turso_deploy.core.transaction import (
    Outcome,
    Purpose,
    Query,
    Rows,
    Transaction,
    TransactionStep,
    Value,
    change_step,
)
from turso_deploy.history.entries import HistoryEntry, entry_steps, read_back_step
from turso_deploy.history.table import table_steps
from turso_deploy.plan.hazards import Hazard, loss_guards
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.steps import Step
from turso_deploy.project.scripts import Moment, Script, scripts_at
from turso_deploy.seeds.steps import SeedPlan
from turso_deploy.seeds.upsert import STAGING_TABLE
from turso_deploy.sql.lexer import column_title, fold_case, quote_identifier
from turso_deploy.sql.schema import title
from turso_deploy.transaction.checks import Check
from turso_deploy.transaction.database_state import DatabaseState, guard_step
from turso_deploy.transaction.deletion_checks import (
    DeletionCheck,
    begin_counting,
    check_names_are_free,
    end_counting,
    with_deletions_by_scripts,
    with_deletions_by_seeds,
)
from turso_deploy.transaction.deletions import PossibleDeletion
from turso_deploy.transaction.row_verification import (
    check_name_is_free,
    count_references_before,
    count_rows_before,
    count_violations_after,
    drop_figures,
    foreign_key_checks,
    row_count_checks,
    with_written_rows,
)
from turso_deploy.transaction.statistics import keep_statistics, restore_statistics, statistics_to_keep

COMPILE_LABEL = "compile "
"""The beginning of the label of a step that compiles an object; its title follows."""


EVALUATE_LABEL = "evaluate "
"""The beginning of the label of a step that reads a new virtual column; its title follows."""


class Assembly(NamedTuple):
    """A transaction for a plan, and the position of each check's figures in it."""

    transaction: Transaction
    checks: tuple[tuple[int, Check], ...]
    seeds: SeedPlan
    plan: Plan
    deletion_checks: tuple[DeletionCheck, ...] = ()

    @property
    def steps(self) -> tuple[TransactionStep, ...]:
        """The steps of the transaction."""
        return self.transaction.steps

    def details(self, outcome: Outcome) -> dict[str, tuple[str, ...]]:
        """Return the details of the checks, by their labels; `_Steps.add_checks` puts their step after the figures."""
        return {
            check.label: tuple(_detail(*row) for row in answer.rows)
            for index, check in self.checks
            if check.details and (answer := outcome.results[index + 1])
        }

    def figures(self, outcome: Outcome) -> list[tuple[Check, Rows | None]]:
        """Return each check with its figures, None if they were not read."""
        return [(check, outcome.results[index]) for index, check in self.checks]

    def deletions(self, outcome: Outcome) -> tuple[Hazard, ...]:
        """Return the hazards of deleted rows whose rows the transaction has counted, with their numbers."""
        figures = dict(self.figures(outcome))
        return tuple(
            counted.hazard._replace(rows=rows.number())
            for counted in self.deletion_checks
            if (rows := figures[counted.check])
        )


def _detail(text: Value) -> str:
    if isinstance(text, str):
        return text
    raise ValueError("not the detail of a check")


def assemble(
    state: DatabaseState,
    plan: Plan,
    scripts: Sequence[Script],
    seeds: SeedPlan,
    checks: Sequence[Check],
    entry: HistoryEntry,
    *,
    deletions: Sequence[PossibleDeletion] = (),
    deletion_checks: Sequence[DeletionCheck] = (),
    left_rows: Sequence[TransactionStep] = (),
    show_keys: bool = False,
    commit: bool = True,
    deadline: int | None = None,
) -> Assembly:
    """Return the transaction of a deployment, its steps in the order of execution. `deadline` is for the guard.

    `left_rows` are steps that look for seeded rows which left their files, after all scripts.

    Rows are verified before the seeds add any, foreign keys after them, because seeds can violate one while enforcement
    is off. Raises PlanError (`plan-impossible`) if a name that the transaction needs is taken.
    """
    steps = _Steps()
    steps.add(guard_step(state, deadline), *loss_guards(plan.hazards), *seeds.first)
    if scripts or seeds.steps:
        plan = with_written_rows(plan)
    check_name_is_free(plan, state.catalog)
    check_names_are_free(deletions, state.catalog)
    _check_staging_is_free(seeds, state.catalog)
    steps.add(*begin_counting(deletions))
    statistics = statistics_to_keep(plan, state.catalog)
    steps.add(*keep_statistics(statistics, state.catalog))
    first = list(with_deletions_by_scripts(scripts_at(Moment.BEFORE, scripts), deletions))
    if first:  # a violation that such a script causes is a new one, so those before are counted first
        steps.add(*count_references_before(plan, state.catalog.schema), *first)
    steps.add(*_change_steps(plan.renames))
    if not first:
        steps.add(*count_references_before(plan))
    steps.add(*_change_steps(plan.additions))
    steps.add(*with_deletions_by_scripts(scripts_at(Moment.BETWEEN, scripts), deletions))
    steps.add(*count_rows_before(plan))
    # Values that a script or a trigger on a seed deletes must leave no copy in the file.
    steps.add(*_change_steps(plan.steps, leave_copies=not (scripts or seeds.steps)))
    steps.add(*restore_statistics(statistics, state.catalog))
    steps.add(*_compile_steps(plan.compilations))
    steps.add_checks(row_count_checks(plan))
    steps.add(*with_deletions_by_seeds(seeds.steps, deletions))
    steps.add(*with_deletions_by_scripts(scripts_at(Moment.AFTER, scripts), deletions), *left_rows)
    steps.add_checks([counted.check for counted in deletion_checks])
    steps.add(*end_counting(deletions))
    steps.add(*_evaluation_steps(plan))
    steps.add(*count_violations_after(plan))
    steps.add_checks(foreign_key_checks(plan, show_keys=show_keys))
    steps.add(*drop_figures(plan))
    # Nothing is written after the checks, and a trigger on the history could write to any table.
    steps.add(*table_steps(state.catalog), *entry_steps(entry), read_back_step(entry))
    steps.add_checks(checks)
    transaction = Transaction(tuple(steps.steps), plan.keeps_foreign_keys_on, commit)
    return Assembly(transaction, tuple(steps.checks), seeds, plan, tuple(deletion_checks))


def _check_staging_is_free(seeds: SeedPlan, live: Catalog) -> None:
    if seeds.steps and any(fold_case(row.name) == STAGING_TABLE for row in live.rows):
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The database has an object {STAGING_TABLE}, and the transaction needs that name for the seeds.",
            hint="No deployment leaves a table of that name. Look at what it holds, and drop or rename it by hand.",
        )


class _Steps:
    """The steps of a transaction, and the positions of the checks among them."""

    def __init__(self) -> None:
        self.steps: list[TransactionStep] = []
        self.checks: list[tuple[int, Check]] = []

    def add(self, *steps: TransactionStep) -> None:
        self.steps += steps

    def add_checks(self, checks: Sequence[Check]) -> None:
        """Add the figures of all checks, then their raising forms: if one fails, the figures of all are known."""
        for check in checks:
            self.checks.append((len(self.steps), check))
            queries = filter(None, (check.figures, check.details))
            self.steps += [TransactionStep(query, Purpose.FIGURES, check.label) for query in queries]
        self.steps += [TransactionStep(check.raising, Purpose.CHECK, check.label, check.place) for check in checks]


def _compile_steps(items: Sequence[Compilation]) -> list[TransactionStep]:
    return [
        TransactionStep(item.query, Purpose.COMPILE, f"{COMPILE_LABEL}{title(item.objects[0])}", item.objects[0].place)
        for item in items
    ]


def _evaluation_steps(plan: Plan) -> list[TransactionStep]:
    """Return the steps that read each new virtual column over all rows, because adding one evaluates nothing."""
    return [
        TransactionStep(
            Query(f"SELECT count({quote_identifier(column)}) FROM {quote_identifier(change.wanted.name)}"),
            Purpose.CHECK,
            f"{EVALUATE_LABEL}{column_title(change.wanted.name, column)}",
            change.wanted.place_of(column),
        )
        for change in plan.changes.values()
        for column in change.new_virtual_columns
    ]


def _change_steps(steps: Sequence[Step], *, leave_copies: bool = False) -> list[TransactionStep]:
    return [
        change_step(sql, step.label, step.place, leaves_copies=leave_copies and step.keeps_values)
        for step in steps
        for sql in step.statements
    ]
