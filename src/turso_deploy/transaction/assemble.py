"""Everything that one deployment does, put together as the steps of one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from turso_deploy.core.transaction import Outcome, Purpose, Query, Rows, Transaction, TransactionStep
from turso_deploy.plan.hazards import loss_guards
from turso_deploy.plan.plan import Plan, Step
from turso_deploy.project.scripts import Script
from turso_deploy.seeds.steps import SeedPlan
from turso_deploy.transaction import history
from turso_deploy.transaction.checks import Check
from turso_deploy.transaction.database_state import DatabaseState, guard_step
from turso_deploy.transaction.row_proofs import (
    forget_figures,
    note_references,
    note_rows,
    note_violations,
    reference_proofs,
    refuse_a_taken_name,
    row_proofs,
    with_written_rows,
)
from turso_deploy.transaction.statistics import bring_back, set_aside, statistics_to_keep


class Assembly(Struct, frozen=True):
    """A transaction, and where in it the figures of each check stand."""

    transaction: Transaction
    checks: tuple[tuple[int, Check], ...]
    seeds: SeedPlan

    @property
    def steps(self) -> tuple[TransactionStep, ...]:
        """The steps of the transaction."""
        return self.transaction.steps

    def details(self, outcome: Outcome) -> dict[str, tuple[str, ...]]:
        """What the checks have to say of what is wrong, by their labels; `_Parts.check` puts it behind the figures."""
        return {
            check.label: tuple(str(text) for (text,) in answer.rows)
            for index, check in self.checks
            if check.details and (answer := outcome.results[index + 1])
        }

    def figures(self, outcome: Outcome) -> list[tuple[Check, Rows | None]]:
        """Each check with what its figures step answered."""
        return [(check, outcome.results[index]) for index, check in self.checks]


def assemble(
    live: DatabaseState,
    plan: Plan,
    scripts: Sequence[Script],
    seeds: SeedPlan,
    checks: Sequence[Check],
    entry: history.Entry,
    *,
    commit: bool = True,
    deadline: int | None = None,
) -> Assembly:
    """The whole of a deployment, in the order in which it runs. `deadline` is for the guard.

    Rows are proven before the seeds add any; foreign keys afterwards, because the seeds may be what breaks one while
    enforcement is off.

    Raises BlockedError (`plan-impossible`) where the figures of the proof have no room.
    """
    parts = _Parts()
    parts.add(guard_step(live, deadline), *loss_guards(plan.hazards))
    if scripts or seeds.steps:
        plan = with_written_rows(plan)
    refuse_a_taken_name(plan, live.catalog)
    statistics = statistics_to_keep(plan, live.catalog)
    parts.add(*set_aside(statistics, live.catalog))
    first = [step for script in scripts if script.runs_before for step in script.steps()]
    if first:  # what they break is no violation that was there before
        parts.add(*note_references(plan, live.catalog.schema), *first)
    parts.add(*_change_steps(plan.renames))
    if not first:
        parts.add(*note_references(plan))
    parts.add(*note_rows(plan))
    # What a script, or a trigger at a seed, deletes or changes has to be gone from the file, copies included.
    parts.add(*_change_steps(plan.steps, leave_copies=not (scripts or seeds.steps)))
    parts.add(*bring_back(statistics, live.catalog))
    parts.check(row_proofs(plan))
    parts.add(*seeds.steps)
    parts.add(*(step for script in scripts if not script.runs_before for step in script.steps()))
    parts.add(*note_violations(plan))
    parts.check(reference_proofs(plan))
    parts.add(*forget_figures(plan))
    parts.check(checks)
    if not live.catalog.has_history:
        parts.add(history.create_step())
    parts.add(history.entry_step(entry))
    transaction = Transaction(tuple(parts.steps), plan.keeps_foreign_keys_on, commit)
    return Assembly(transaction, tuple(parts.checks), seeds)


class _Parts:
    """The steps so far, and the checks among them."""

    def __init__(self) -> None:
        self.steps: list[TransactionStep] = []
        self.checks: list[tuple[int, Check]] = []

    def add(self, *steps: TransactionStep) -> None:
        self.steps += steps

    def check(self, checks: Sequence[Check]) -> None:
        """All figures first, then all raising forms: when one check fails, the figures of all are known."""
        for check in checks:
            self.checks.append((len(self.steps), check))
            queries = filter(None, (check.figures, check.details))
            self.steps += [TransactionStep(query, Purpose.FIGURES, check.label) for query in queries]
        self.steps += [TransactionStep(check.raising, Purpose.CHECK, check.label, check.place) for check in checks]


def _change_steps(steps: Sequence[Step], *, leave_copies: bool = False) -> list[TransactionStep]:
    return [
        TransactionStep(
            Query(sql),
            Purpose.CHANGE,
            step.label,
            step.place,
            leaves_copies=leave_copies and step.keeps_values,
        )
        for step in steps
        for sql in step.statements
    ]
