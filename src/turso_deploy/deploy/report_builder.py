"""Build the report of a run step by step, so that the report of a failure holds everything found until then."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from turso_deploy.core.errors import BlockedError, DeployError, Place
from turso_deploy.core.progress import log
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Failure, Outcome, Rows
from turso_deploy.database.interface import Database
from turso_deploy.deploy.batch import Batch, BatchId, BatchKind
from turso_deploy.deploy.failures import explain_failed_checks
from turso_deploy.deploy.seed_results import SeedResult
from turso_deploy.history.drift import Drift, find_drift
from turso_deploy.history.last_deployment import LastDeployment
from turso_deploy.pending.approvals import left_over_approvals
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.pending.plan_fingerprint import fingerprint_of_plan
from turso_deploy.pending.plan_memo import remembered
from turso_deploy.pending.undeployed import Undeployed
from turso_deploy.plan.hazards import Approval, HazardName, is_approved
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.steps import Step, Verb
from turso_deploy.project.project import Project
from turso_deploy.project.scripts import Moment, scripts_at
from turso_deploy.report.changes import changes_of, object_changes
from turso_deploy.report.document import CheckLine, ChunksLine, CountLine, ErrorLine, Report, SeedLine, Status, StepLine
from turso_deploy.report.er_diagram import diagram_of_changes
from turso_deploy.report.lines import (
    annotated_line,
    count_lines,
    drift_lines,
    drift_notices,
    error_line,
    failed,
    hazard_line,
    script_line,
)
from turso_deploy.seeds.decisions import Decision, LeftRow
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.sql.table_rows import MAX_NAMED_ROWS
from turso_deploy.stored_plan.expected_plan import ExpectedPlan, MadePlan
from turso_deploy.transaction.checks import Check, CheckResult
from turso_deploy.transaction.database_state import DatabaseState, expected_form
from turso_deploy.transaction.deletions import first_of_each

_EXIT_CODES = {Status.DRIFTED: 4, Status.PENDING: 3}
_NO_DETAILS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class ReportBuilder:
    """A report in progress. The `add_…` methods add to it, `build` and `build_failed` return it.

    `address` names the database without secrets, or the folder in place of one; then `database` is None. `found` holds
    what the run has found so far, without the verdict. `drift` compares the database with its last deployment, None if
    there is none.
    """

    def __init__(
        self,
        command: str,
        project: Project,
        address: str,
        database: Database | None = None,
        *,
        show_keys: bool = False,
    ) -> None:
        self._show_keys = show_keys
        self._project = project
        self._database = database
        self._started = time.monotonic()
        self._schema_is_committed = False
        self._schema_steps: tuple[StepLine, ...] = ()
        self._undecided: dict[str, str] = {}
        self._seeds_done: dict[str, SeedLine] = {}
        self._counted_again: set[str] = set()
        self._left: dict[str, tuple[LeftRow, ...]] = {}
        self._has_lost_numbers = False
        self.drift: Drift | None = None
        version = project.manifest.schema_version
        back_to = project.earlier.number if project.earlier else None
        self.found = Report(command, Status.FAILED, False, address, manifest_version=version, rollback_to=back_to)

    @property
    def has_committed(self) -> bool:
        """True if at least one batch was committed."""
        return self.found.deployment_id is not None

    @property
    def all_passed(self) -> bool:
        """True if every check and every count is as expected."""
        return all(check.ok for check in self.found.checks) and all(count.ok for count in self.found.counts.values())

    def add_state(self, state: DatabaseState) -> None:
        """Add the version of the database before the run, unless a batch of the run is committed already."""
        if not self.has_committed:
            last = state.last_deployment
            version = last.schema_version if last else None
            at = version if self._database else None  # there is no database if folders are compared
            self.found = replace(self.found, schema_version=at, previous_version=version, first_deployment=last is None)
            if last and self._database and not state.is_torn:
                self._add_drift(self._find_drift(last, state))

    def _find_drift(self, last: LastDeployment, state: DatabaseState) -> Drift:
        """Compare a database with its last deployment."""
        project, catalog = self._project, state.catalog

        def find() -> Drift:
            return find_drift(last, catalog, project.manifest.ignore, project.wanted)

        if last.baseline is None:
            return find()
        return remembered("drift", lambda: (id(project), id(catalog), last.baseline), (project, catalog), find)

    def _add_drift(self, drift: Drift) -> None:
        project = self._project
        lines = remembered(
            "drift lines",
            lambda: (id(project), id(drift)),
            (project, drift),
            lambda: drift_lines(drift, project.wanted),
        )
        self.drift = drift
        self.found = replace(self.found, drifted=drift.exists, drift=lines)

    def add_pending(
        self, pending: PendingChanges, approvals: Sequence[Approval], notices: tuple[str, ...] = ()
    ) -> None:
        """Add the steps of a plan, the changes and counts that they lead to, the seeds and the notices."""
        self._add_steps(pending, approvals)
        if pending.plan.all_steps:
            self._add_changes(pending.plan, pending.state)
        counts = count_lines(self._project.manifest, pending.plan.predicted.schema)
        self.found = replace(self.found, counts=counts)
        if self.has_committed:
            return  # the other lines are about the deployment as a whole, as planned before its first batch
        to_write = {seed.table: seed for seed in pending.seeds}
        seeds = tuple(
            _seed_line(seed, to_write.get(seed.table), pending.decisions.get(seed.table), self._show_keys)
            for seed in self._project.seeds
        )
        left_over = left_over_approvals(self._project, pending.hazards, approvals)
        self.found = replace(
            self.found,
            seeds=seeds,
            rows_to_write=pending.rows_to_write,
            pending=not pending.nothing_to_do if self._database else None,
            notices=(*notices, *drift_notices(self.drift, self.found.drift)),
            annotated=tuple(annotated_line("notice", notice) for notice in left_over),
        )
        if self._database:  # without one, no row was counted
            self.found = replace(self.found, plan_fingerprint=fingerprint_of_plan(self._project, pending))

    def add_match(self, expected: ExpectedPlan, made: MadePlan) -> None:
        """Add that the plan is the expected one, by its fingerprint. Raises BlockedError if it is another plan."""
        with expected_form():
            notices = expected.match(made)
        for notice in notices:
            self.add_notice(notice)
        self.found = replace(self.found, plan_fingerprint=expected.fingerprint or made.content.fingerprint)

    def add_plan_file(self, file: Path) -> None:
        """Add the file in which the plan was saved."""
        self.found = replace(self.found, plan_file=str(file))

    def _add_steps(self, pending: PendingChanges, approvals: Sequence[Approval]) -> None:
        plan = pending.plan
        scripts = {moment: [script_line(one) for one in scripts_at(moment, pending.scripts)] for moment in Moment}
        steps = (
            *scripts[Moment.BEFORE],
            *_step_lines((*plan.renames, *plan.additions), approvals),
            *scripts[Moment.BETWEEN],
            *_step_lines(plan.steps, approvals),
        )
        self._schema_steps = (*(self._schema_steps if self.has_committed else ()), *steps)
        hazards = [hazard_line(hazard, approvals) for hazard in pending.other_hazards if hazard.affects_rows]
        # What was approved before the first batch may be done by now, and stays in the report.
        accepted = {
            (line.name, line.object): line for line in self.found.hazards if line.approved and self.has_committed
        }
        hazards = [*accepted.values(), *(line for line in hazards if (line.name, line.object) not in accepted)]
        unapproved = {hazard.object for hazard in pending.other_hazards if is_approved(hazard, approvals) is None}
        self._undecided = {
            f"{deletion}; the transaction counts them, and a dry run shows the result": deletion.table.name
            for deletion in first_of_each(pending.deletions)
            if deletion.table.name in unapproved
        }
        undecided = tuple(self._undecided)
        self.found = replace(
            self.found,
            steps=(*self._schema_steps, *scripts[Moment.AFTER]),
            hazards=tuple(hazards),
            undecided=(*pending.undecided, *undecided),
        )

    def add_deletions(self, batch: Batch, outcome: Outcome, approvals: Sequence[Approval], *, is_last: bool) -> None:
        """Add the numbers of deleted rows, which only a transaction can count, to those of earlier batches.

        A deletion stays undecided unless rows were deleted or the batch `is_last`.
        """
        before = {line.object: line.rows or 0 for line in self.found.hazards if line.name == HazardName.DELETE_ROWS}
        counted = [
            hazard._replace(rows=(hazard.rows or 0) + before.get(hazard.object, 0))
            for hazard in batch.assembly.deletions(outcome)
        ]
        decided = {hazard.object: hazard for hazard in counted if hazard.rows or is_last}
        kept = (
            line for line in self.found.hazards if line.name != HazardName.DELETE_ROWS or line.object not in decided
        )
        lines = (hazard_line(hazard, approvals) for hazard in decided.values() if hazard.rows)
        undecided = tuple(text for text in self.found.undecided if self._undecided.get(text) not in decided)
        self.found = replace(self.found, hazards=(*kept, *lines), undecided=undecided)

    def _add_changes(self, plan: Plan, state: DatabaseState) -> None:
        before = plan.renamed or state.catalog.schema
        renamed = [(step.object, step.column) for step in plan.renames if step.kind.verb is Verb.RENAME]
        changes, diagram = remembered(
            "changes",
            lambda: (id(plan.predicted), id(state.catalog), id(before), tuple(renamed)),
            (plan.predicted, state.catalog, before),
            lambda: (
                object_changes(plan, state.catalog.schema),
                diagram_of_changes(before, plan.predicted.schema, renamed),
            ),
        )
        self.found = replace(self.found, changes=changes, diagram=diagram)

    def add_blocking_error(self, error: BlockedError | None) -> None:
        """Add the error with which a deployment would be blocked."""
        self.found = replace(self.found, blocked_by=error_line(error) if error else None)

    def add_compared(
        self, undeployed: Undeployed, counts: dict[str, CountLine], lines: Sequence[CheckLine], notices: tuple[str, ...]
    ) -> None:
        """Add what the folder has and the last deployment had not, the counts and checks of a database, and notices."""
        changes = changes_of(undeployed.difference)
        self.found = replace(self.found, changes=changes, pending=undeployed.exists, counts=counts, notices=notices)
        self.add_checks(lines)

    def check_lines(
        self,
        answers: Iterable[tuple[Check, Rows | Failure | None]],
        details: Mapping[str, tuple[str, ...]] = _NO_DETAILS,
    ) -> tuple[CheckLine, ...]:
        """Return the lines of checks without adding them. A check whose answer is None was not executed: no line.

        `details` hold what is wrong, by the labels of the checks.
        """
        lines: list[CheckLine] = []
        for check, answer in answers:
            results: Iterable[CheckResult] = ()
            if isinstance(answer, Rows):
                results = check.results(answer)
            elif isinstance(answer, Failure):
                results = check.unread()
            lines += [
                self._check_line(result, result.details or details.get(check.label, ()), check.place)
                for result in results
            ]
        return tuple(lines)

    def add_checks(self, lines: Sequence[CheckLine]) -> None:
        """Add the lines of checks, in place of earlier ones with the same name."""
        replaced = {line.name for line in lines}
        kept = (line for line in self.found.checks if line.name not in replaced)
        self.found = replace(self.found, checks=(*kept, *lines))

    def add_decided(self) -> None:
        """Add that nothing is left to decide, after a dry run of all changes."""
        self.found = replace(self.found, undecided=())

    def _check_line(self, result: CheckResult, details: tuple[str, ...], place: Place | None) -> CheckLine:
        """Return the line of a check. If it failed, its place is its cause or the key of the manifest."""
        if not result.ok and place is None and result.key:
            place = self._project.place_in_manifest(result.key)
        return CheckLine(
            result.name,
            result.ok,
            result.expected,
            result.actual,
            details,
            section=str(result.key[0]) if result.key else "",
            place=str(place) if place and not result.ok else None,
        )

    def add_predicted_checks(self, pending: PendingChanges) -> DeployError | None:
        """Add the checks of rows that a plan predicts, and return the error for those that fail; None if none does."""
        with expected_form():
            checks = self.check_lines(pending.predicted_checks)
        self.add_checks(checks)
        if all(check.ok for check in checks):
            return None
        return explain_failed_checks(checks, {}, self._project, plan=pending.plan)

    def add_batch(self, batch: Batch, request_size: int | None) -> None:
        """Add the number of chunks that are left before a batch, and a notice if its request exceeds the limit."""
        sent = self.found.chunks.sent if self.found.chunks else 0
        total = sent + batch.id.chunks_left
        self.found = replace(self.found, chunks=ChunksLine(sent, total) if total else None)
        if request_size and batch.size > request_size:
            reason = (
                "all changes of the schema are one transaction"
                if batch.id.holds_schema
                else "a single row is that large, or rows refer to each other"
            )
            self.add_notice(f"A request takes {batch.size:,} bytes, more than `request-size`: {reason}.")

    def add_committed(self, batch: BatchId, written: Sequence[SeedResult] = ()) -> None:
        """Add a committed batch, and the numbers of rows that it wrote of each seed if they are known."""
        log(f"committed the deployment {batch.deployment_id}")
        chunks = self.found.chunks
        if batch.kind is BatchKind.SCHEMA:
            self._schema_is_committed = True
        elif chunks and batch.chunks_left:
            chunks = replace(chunks, sent=chunks.sent + 1)
        self._has_lost_numbers |= not written and batch.kind is not BatchKind.SCHEMA
        self._add_seed_results(written)
        version = self.found.manifest_version if batch.completes else self.found.schema_version
        self.found = replace(self.found, deployment_id=batch.deployment_id, schema_version=version, chunks=chunks)

    def _add_seed_results(self, written: Sequence[SeedResult]) -> None:
        for result in written:
            done = self._seeds_done.setdefault(result.table, SeedLine(result.table, 0))
            kept = result.kept or 0
            self._seeds_done[result.table] = replace(
                done,
                inserted=done.inserted + result.inserted,
                updated=done.updated + result.updated,
                unchanged=done.unchanged + result.unwritten - kept,
                kept=done.kept + kept,
            )
            if result.kept is not None:
                self._counted_again.add(result.table)
            if result.left is not None:
                self._left[result.table] = result.left

    def add_dry_run(self, results: Sequence[SeedResult]) -> None:
        """Add what a complete transaction that was rolled back did with the seeds, in place of the predictions."""
        self._add_seed_results(results)
        self.found = replace(self.found, seeds=self._seeds_written())
        self.add_decided()

    def add_notice(self, text: str) -> None:
        """Add a sentence for the user, once."""
        if text not in self.found.notices:
            self.found = replace(self.found, notices=(*self.found.notices, text))

    def build(self, status: Status, *, committed: bool) -> Report:
        """Return the report of a run that succeeded."""
        if self.found.command in ("deploy", "rollback") and not self._has_lost_numbers:
            self.found = replace(self.found, seeds=self._seeds_written())
        pending = False if status is Status.DEPLOYED else self.found.pending
        code = _EXIT_CODES.get(status, 0) if self.found.command == "verify" else 0
        return replace(self._report(status), status=status, committed=committed, pending=pending, exit_code=code)

    def build_failed(self, error: DeployError) -> Report:
        """Return the report of a run that failed. Batches that were committed before stay committed."""
        report = replace(failed(self._report(error.code), error), error=self._error_line(error), blocked_by=None)
        if self.has_committed and error.committed is False:
            return replace(report, status=Status.FAILED, committed=True, seeds=self._seeds_written(), exit_code=1)
        return report

    def _seeds_written(self) -> tuple[SeedLine, ...]:
        """Return the lines of the seeds with what this run has committed, where it is not all that was planned."""
        lines = []
        for line in self.found.seeds:
            done = self._seeds_done.get(line.table) or SeedLine(line.table, 0)
            if done.written != line.written or line.table in self._counted_again:
                line = replace(
                    line, inserted=done.inserted, updated=done.updated, unchanged=done.unchanged, kept=done.kept
                )
            if line.table in self._left:
                left = self._left[line.table]
                line = replace(line, left=len(left), left_keys=_keys_to_show(left, self._show_keys))
            lines.append(line)
        return tuple(lines)

    def _report(self, verdict: str) -> Report:
        found, duration = self.found, round((time.monotonic() - self._started) * 1000)
        requests, retries = (self._database.requests, self._database.retries) if self._database else (0, [])
        log(f"{found.command}: {verdict}; {count_of(requests, 'request')} in {duration:,} ms")
        return replace(
            found,
            notices=(*found.notices, *_chunks_notices(found.chunks), *retries),
            requests=requests,
            duration_ms=duration,
        )

    def _error_line(self, error: DeployError) -> ErrorLine:
        """Return the line of an error, which names what earlier batches have committed."""
        line = error_line(error)
        chunks = self.found.chunks
        if not self.has_committed or chunks is None:
            return line
        schema = "the schema and " if self._schema_is_committed else ""
        seeds = f"{chunks.sent:,} of {count_of(chunks.total, 'chunk')} of the seeds"
        committed = f"Committed before that: {schema}{seeds}. The next run resumes from there."
        return replace(line, message=f"{line.message} {committed}")


def _step_lines(steps: Iterable[Step], approvals: Sequence[Approval]) -> list[StepLine]:
    return [
        StepLine(
            step.kind,
            step.title,
            step.sql,
            tuple(hazard_line(hazard, approvals) for hazard in step.hazards if hazard.affects_rows),
            str(step.place) if step.place else None,
        )
        for step in steps
    ]


def _seed_line(seed: SeedTable, left: SeedTable | None, decision: Decision | None, show_keys: bool) -> SeedLine:
    """Return the line of a table's seeds, of which `left` are still to be deployed."""
    if left is None:
        return SeedLine(seed.table, seed.row_count, deployed_before=seed.row_count)
    if decision is None:
        return SeedLine(seed.table, seed.row_count, left.row_count, deployed_before=left.before)
    return SeedLine(
        seed.table,
        seed.row_count,
        decision.inserted,
        decision.updated,
        decision.unchanged,
        decision.kept_count,
        left.before,
        len(decision.left),
        _keys_to_show(decision.left, show_keys),
    )


def _keys_to_show(left: Sequence[LeftRow], show_keys: bool) -> tuple[str, ...]:
    """Return the keys of the first rows: integers, and other keys only with `show_keys`."""
    shown = (row.key for row in left if show_keys or all(isinstance(value, int) for value in row.key))
    return tuple(", ".join(map(str, key)) for key in islice(shown, MAX_NAMED_ROWS))


def _chunks_notices(chunks: ChunksLine | None) -> Iterator[str]:
    """Yield a notice if the seeds are deployed in several transactions."""
    if chunks:
        yield (
            f"The seeds exceed the size of one request. They are deployed in {count_of(chunks.total, 'chunk')} after "
            "the schema, each in its own transaction. A run that stops half way is resumed by the next one."
        )
