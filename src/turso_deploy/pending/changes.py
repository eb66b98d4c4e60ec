"""The pending changes of a database, as a value with the figures that reports need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from turso_deploy.core.errors import DeployError
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Answers, Failure, Query, Rows
from turso_deploy.pending.write_estimate import RewrittenTable
from turso_deploy.plan.hazards import Hazard, HazardName
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.steps import StepFailure
from turso_deploy.project.scripts import Script, SkippedScript
from turso_deploy.seeds.decisions import Decision
from turso_deploy.seeds.records import RecordedRow
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.transaction.checks import Check
from turso_deploy.transaction.database_state import DatabaseState
from turso_deploy.transaction.deletions import PossibleDeletion


class PendingChanges(NamedTuple):
    """The difference between a project and a database: schema plan, seeds, scripts, and an outdated history.

    If a deployment was interrupted, `seeds` are the rows that are left, possibly none. `skipped` are scripts that
    this database does not need. `rewritten` are the tables of which every row is written, and
    `other_hazards` those of seeds, scripts and versions, which belong to no step of the plan. `deletions` are the rows
    that seeds and scripts may make triggers and foreign keys delete. `decisions` say what happens to the seed rows of
    each table that had rows before; the seeds of any other table are inserted.
    With a preview, `predicted_checks` are the checks of rows with the answers that a deployment would get now,
    `predicted_failures` the errors of what would fail on the rows, `failing_step` the first step of the plan among
    that, and `undecided` sentences about what only a deployment can decide.
    """

    state: DatabaseState
    plan: Plan
    seeds: tuple[SeedTable, ...]
    scripts: tuple[Script, ...]
    skipped: tuple[SkippedScript, ...]
    history_is_outdated: bool
    rewritten: tuple[RewrittenTable, ...] = ()
    other_hazards: tuple[Hazard, ...] = ()
    deletions: tuple[PossibleDeletion, ...] = ()
    predicted_checks: tuple[tuple[Check, Rows | Failure], ...] = ()
    predicted_failures: tuple[DeployError, ...] = ()
    failing_step: StepFailure | None = None
    undecided: tuple[str, ...] = ()
    is_new: bool = False
    """True for a database without a deployment history and without any table of the folder."""
    decisions: Mapping[str, Decision] = MappingProxyType({})
    recorded: Mapping[str, Mapping[str, RecordedRow]] = MappingProxyType({})
    further_answers: Answers = ()
    """The answers to the `further` queries of `find_pending`."""

    @property
    def hazards(self) -> tuple[Hazard, ...]:
        """The hazards of the plan, and those of seeds, scripts and versions."""
        return self.plan.hazards + self.other_hazards

    @property
    def changes_nothing(self) -> bool:
        """True if no object and no row would change."""
        return not (self.plan.all_steps or self.seeds or self.scripts)

    @property
    def description(self) -> str:
        """A phrase for the long-running work: `rewriting orders (1,000,000 rows), 12 seed rows, 3 steps`."""
        rewritten = [hazard for hazard in self.plan.hazards if hazard.name is HazardName.REWRITE_TABLE]
        rows = self.seed_rows
        phrases = [
            *(f"rewriting {one.object}" + (f" ({count_of(one.rows, 'row')})" if one.rows else "") for one in rewritten),
            count_of(rows, "seed row") if rows else "",
            count_of(steps, "step") if (steps := len(self.plan.all_steps) + len(self.scripts)) else "",
        ]
        return ", ".join(phrase for phrase in phrases if phrase) or "the deployment history"

    @property
    def changes_schema(self) -> bool:
        """True if there is more to do than to deploy seeds and to run the scripts that follow them."""
        runs_first = any(script.runs_before for script in self.scripts)
        return bool(self.plan.all_steps or runs_first or self.skipped or self.state.last_deployment is None)

    @property
    def seed_rows(self) -> int:
        """The number of seed rows that are left to deploy."""
        return sum(seed.row_count for seed in self.seeds)

    @property
    def rows_to_write(self) -> int | None:
        """An estimate of the rows and index entries that steps and seeds write; None if a table was not counted.

        The writes of scripts and triggers are unknown, and not included.
        """
        known = [table.times * table.rows for table in self.rewritten if table.rows is not None]
        return sum(known) + sum(map(self._rows_to_seed, self.seeds)) if len(known) == len(self.rewritten) else None

    def _rows_to_seed(self, seed: SeedTable) -> int:
        """Return the number of rows that are inserted or updated."""
        decision = self.decisions.get(seed.table)
        return decision.inserted + decision.updated if decision else seed.row_count

    @property
    def nothing_to_do(self) -> bool:
        """True if the database is as the project wants it, and its deployment history records that."""
        return self.changes_nothing and not self.history_is_outdated


class Inquiry(NamedTuple):
    """Queries about the rows of a database, and the function that adds their answers to the pending changes."""

    queries: tuple[Query, ...]
    add: Callable[[PendingChanges, Answers], PendingChanges]


NO_INQUIRY = Inquiry((), lambda pending, _: pending)
"""The inquiry that asks nothing."""
