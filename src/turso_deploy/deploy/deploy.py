"""Deploy a project to a database: read, plan, submit, and repeat until everything is committed or cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from enum import Enum, auto

from turso_deploy.core.errors import (
    BlockedError,
    DatabaseError,
    DeployError,
    ErrorCode,
    LostReplyError,
    RejectedError,
    StaleError,
)
from turso_deploy.core.progress import report_step
from turso_deploy.core.signals import StoppedError, cancellable, cancelled
from turso_deploy.core.transaction import Outcome
from turso_deploy.database.engine_messages import NO_REASON, showable
from turso_deploy.database.interface import Database
from turso_deploy.deploy.accept_drift import acceptance_batch, pending_acceptance
from turso_deploy.deploy.batch import Batch, BatchId
from turso_deploy.deploy.batches import describe_batch, split_into_batches
from turso_deploy.deploy.deployment import NO_PROVENANCE, Deployment
from turso_deploy.deploy.failures import (
    combined,
    explain_contradiction,
    explain_failure,
    is_stale,
    with_outcome,
    without_outcome,
)
from turso_deploy.deploy.findings import read_findings
from turso_deploy.deploy.notices import notices_of
from turso_deploy.deploy.report_builder import ReportBuilder
from turso_deploy.deploy.submission import MAX_LOOKUPS, Submission
from turso_deploy.history.entries import Provenance
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.pending.find import check_manifest, find_pending, stopping_errors, with_predictions
from turso_deploy.pending.plan_fingerprint import made_plan
from turso_deploy.pending.rollback import command_of
from turso_deploy.pending.seed_decisions import raise_if_seeds_conflict
from turso_deploy.plan.hazards import Approval, blocking_error, parse_approvals, raise_if_blocked
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status
from turso_deploy.stored_plan.expected_plan import ExpectedPlan
from turso_deploy.transaction.assemble import EVALUATE_LABEL

MAX_STALE_PLANS = 3
"""How many plans in a row may become stale: each time, another client changed the database after it was read."""


def deploy(
    project: Project,
    database: Database,
    *,
    allow_hazards: str | Iterable[str | Approval] = (),
    provenance: Provenance = NO_PROVENANCE,
    show_keys: bool = False,
    expected_plan: ExpectedPlan | None = None,
) -> Report:
    """Bring a database to the project's schema and seeds in one transaction, and return the report, also of a failure.

    Seeds that exceed the request size are deployed in chunks after the schema, each chunk in its own transaction.
    `allow_hazards` are the hazards that may be executed, written as in the setting: `drop-table:old`. `provenance` is
    recorded in the deployment history. With `show_keys` the report names live rows by text keys, too. With an
    `expected_plan` nothing is written if the plan is another one. Raises InputError (`input-invalid`) for an unknown
    hazard and for a project that is closed, before any request.
    """
    project.require_open()
    command, approvals = command_of(project), parse_approvals(allow_hazards)
    deployment = Deployment(project, database, approvals, provenance, show_keys, command, expected=expected_plan)
    return DeploymentRun(deployment).result()


class _Attempt(Enum):
    """The result of one attempt to read, plan and submit."""

    DONE = auto()
    """Nothing is left to deploy."""
    COMMITTED = auto()
    """A batch was committed; the rest has to be planned from what the database is now."""
    STALE = auto()
    """The database changed after it was read, so nothing was committed."""
    LOST = auto()
    """No reply arrived, so a batch may be committed."""
    BUSY = auto()
    """The database was locked, and the time to wait for it has passed."""


class DeploymentRun:
    """The attempts of one deployment, its report, and the transactions whose outcome is not known yet."""

    done = Status.DEPLOYED
    """The status of the report of a run that has committed."""

    def __init__(self, deployment: Deployment) -> None:
        self.report = ReportBuilder(
            deployment.command.split()[0],
            deployment.project,
            deployment.database.address,
            deployment.database,
            show_keys=deployment.show_keys,
        )
        self._given = self.deployment = deployment
        self.submission = Submission(deployment.database)
        self._stale_plans = 0
        self._fewest_rows = math.inf

    def result(self) -> Report:
        """Return the report of the run, also of one that failed."""
        try:
            if self._given.expected:
                self._given.expected.require_database(self._given.database.address)
            return self._complete()
        except StoppedError:
            return self.report.build_failed(cancelled(half_way=self.report.has_committed))
        except DeployError as error:
            return self.report.build_failed(error)

    def find_pending(self) -> PendingChanges:
        """Read the database, and return what the run has to do."""
        deployment = self.deployment
        return find_pending(deployment.project, deployment.database, further=deployment.further_queries)

    def report_pending(self, pending: PendingChanges) -> None:
        """Add what the run has to do to its report."""
        self.report.add_pending(pending, self.deployment.approvals, notices_of(self.deployment, pending))

    def batches(self, pending: PendingChanges) -> Iterator[Batch]:
        """Yield the transactions of the run; each is asked for after the one before it is committed."""
        last_id = self.report.found.deployment_id
        return split_into_batches(self.deployment, pending, self.submission.deadline, last_id)

    def _complete(self) -> Report:
        """Repeat attempts until nothing is left to deploy. Raises the DeployError that ends the deployment."""
        attempt = _Attempt.COMMITTED
        while attempt is not _Attempt.DONE:
            try:
                attempt = self._resolve(self._attempt())
            except DeployError as error:
                attempt = self._resolve_error(error)
        committed = self.report.has_committed
        return self.report.build(self.done if committed else Status.UNCHANGED, committed=committed)

    def _attempt(self) -> _Attempt:
        """Read, plan and submit once."""
        with cancellable():
            pending = self.find_pending()
        self.deployment = self._given.with_manifest(pending.state)
        found = self.submission.match_history(pending.state)
        if found is None:
            self.report.add_state(pending.state)
        elif self.report.found.chunks:
            self._add_committed(found)
        self.report_pending(pending)
        self._require_expected(pending, is_first=found is None and not self.report.has_committed)
        self.deployment = self.deployment._replace(plan_fingerprint=self.report.found.plan_fingerprint)
        self.require_allowed(pending)
        if pending.nothing_to_do:
            if found := self.submission.find_commit():
                self._add_last_found(found)
            return _Attempt.DONE
        if pending.seed_rows < self._fewest_rows:  # another client deploys the same seeds: that is progress, too
            self._stale_plans, self._fewest_rows = 0, pending.seed_rows
        return self._submit_all(pending)

    def _require_expected(self, pending: PendingChanges, *, is_first: bool) -> None:
        """Raise BlockedError unless the plan is the expected one, or after the first transaction a part of it."""
        expected = self._given.expected
        if expected is None:
            return
        made = made_plan(self._given.project, pending, self.deployment.approvals)
        if is_first:
            self.report.add_match(expected, made)
            self._given = self._given._replace(expected=expected.with_content(made))
        else:
            expected.require_rest(made)

    def require_allowed(self, pending: PendingChanges) -> None:
        """Raise the error that stops the deployment before it begins, if there is one.

        A failure precedes a hazard, as in a plan. So the rows are asked for more failures before a hazard blocks.
        """
        deployment = self.deployment
        try:
            check_manifest(deployment.project, pending)
            raise_if_seeds_conflict(pending)
            raise_if_blocked(pending.hazards, deployment.approvals, deployment.advice)
        except BlockedError:
            with cancellable():
                pending = self._with_predictions(pending)
            failed_checks = self.report.add_predicted_checks(pending)
            errors = stopping_errors(deployment.project, pending, failed_checks)
            if blocked := blocking_error(pending.hazards, deployment.approvals, deployment.advice):
                errors.append(blocked)
            raise combined(errors) from None

    def _with_predictions(self, pending: PendingChanges) -> PendingChanges:
        deployment = self.deployment
        return with_predictions(deployment.project, deployment.database, pending, show_keys=deployment.show_keys)

    def _submit_all(self, pending: PendingChanges) -> _Attempt:
        """Submit batch after batch, for as long as each is committed."""
        attempt = _Attempt.COMMITTED
        for batch in self.batches(pending):
            self.report.add_batch(batch, self.deployment.database.request_size)
            report_step(f"deploying: {describe_batch(batch, pending, self.report.found.chunks)}")
            attempt = self._submit(batch, pending)
            if attempt is not _Attempt.COMMITTED:
                break
        return attempt

    def _submit(self, batch: Batch, pending: PendingChanges) -> _Attempt:
        """Submit one batch. Raises DeployError if it failed and would fail again, or if no reply proves its outcome."""
        try:
            outcome = self.submission.send(batch)
        except RejectedError as rejected:
            raise self._error_for_rejection(batch, rejected) from None
        if outcome is None:
            return _Attempt.LOST
        findings = read_findings(batch, outcome, self.report.check_lines)
        checks, approvals, project = findings.checks, self.deployment.approvals, self.deployment.project
        advice = self.deployment.advice
        if findings.contradiction:
            self.report.add_checks(checks)
            committed = self._is_committed(batch)
            if not committed and outcome.failed and findings.are_readable:
                raise explain_failure(batch.assembly, outcome, checks, project, approvals, advice)
            contradiction = findings.contradiction
            raise explain_contradiction(contradiction, batch.assembly, outcome, checks, project, committed=committed)
        if is_stale(batch.assembly, outcome):
            self.submission.add_possible_duplicate(batch)
            return _Attempt.STALE
        if not outcome.committed:
            failure = explain_failure(batch.assembly, outcome, checks, project, approvals, advice)
            if failure.code is ErrorCode.DATABASE_BUSY and self.submission.try_again(failure.message):
                return _Attempt.BUSY
            self.report.add_checks(checks)
            self.report.add_deletions(batch, outcome, approvals, is_last=False)
            raise self._with_failing_row(failure, batch, outcome, pending)
        self.report.add_checks(checks)
        self.report.add_deletions(batch, outcome, approvals, is_last=batch.id.completes)
        self.report.add_committed(batch.id, findings.seeds)
        self.submission.reset()
        return _Attempt.DONE if batch.id.completes else _Attempt.COMMITTED

    def _error_for_rejection(self, batch: Batch, rejected: RejectedError) -> DeployError:
        """Return the error for a request that the server rejected as a whole, with what the history shows of it."""
        try:
            return with_outcome(rejected, committed=True) if self._is_committed(batch, attempts=1) else rejected
        except DatabaseError as unknown:
            return without_outcome(rejected, unknown)

    def _is_committed(self, batch: Batch, attempts: int = MAX_LOOKUPS) -> bool:
        """Look in the deployment history for a batch whose reply does not prove its outcome, and report its commit."""
        found = self.submission.is_committed(batch, attempts)
        if found:
            self._add_committed(found)
        return found is not None

    def _with_failing_row(
        self, failure: DeployError, batch: Batch, outcome: Outcome, pending: PendingChanges
    ) -> DeployError:
        """Return the failure; if an expression cannot be evaluated for a row, the predicted one, which names it."""
        failed = outcome.failed
        if failed is None or failed.position is None or failure.code is not ErrorCode.STATEMENT_FAILED:
            return failure
        label = batch.assembly.steps[failed.position].label
        if not label.startswith(EVALUATE_LABEL) and label not in {step.label for step in pending.plan.steps}:
            return failure
        try:
            found = self._with_predictions(pending).failing_step
        except DeployError:  # the failure itself matters more
            return failure
        if found is None or showable(failed.failure.message) not in (found.reason, NO_REASON):
            return failure
        return found.error if label.startswith(EVALUATE_LABEL) or found.step.label == label else failure

    def _resolve(self, attempt: _Attempt) -> _Attempt:
        """Look a batch without a known outcome up in the deployment history, and count plans without progress.

        Raises LostReplyError if a lost batch is not committed and no time is left to submit it again, StaleError after
        `MAX_STALE_PLANS`.
        """
        if attempt is _Attempt.LOST or (attempt is _Attempt.STALE and self.report.found.chunks):
            if found := self.submission.find_commit():
                return self._add_found(found)
            if attempt is _Attempt.LOST and not self.submission.try_again(
                "the reply was lost, and the deployment history shows no commit"
            ):
                raise self.submission.failure()
        if attempt in (_Attempt.STALE, _Attempt.COMMITTED):
            self._stale_plans += 1
            if self._stale_plans == MAX_STALE_PLANS:
                raise StaleError(
                    ErrorCode.STALE_PLAN,
                    f"The database changed between reading and writing, {MAX_STALE_PLANS} times in a row.",
                    hint="Other clients are deploying to it now. Run again, or let the deployments wait for each other "
                    "(`concurrency:` in the workflow).",
                )
        return attempt

    def _resolve_error(self, error: DeployError) -> _Attempt:
        """Look for a committed batch before the deployment ends with an error, and wait until the answer is final.

        Raises the error, unless the batch that it reports as lost, or the last batch, is committed.
        """
        found = None if error.committed is None else self.submission.resolve()
        if found is None:
            raise error
        attempt = self._add_found(found)
        if attempt is not _Attempt.DONE and not isinstance(error, LostReplyError):
            raise error
        self._stale_plans, self._fewest_rows = 0, math.inf
        return attempt

    def _add_found(self, batch: BatchId) -> _Attempt:
        """Report a batch that is committed according to the deployment history, although its reply was lost."""
        if batch.completes:
            self._add_last_found(batch)
            return _Attempt.DONE
        self._add_committed(batch)
        return _Attempt.COMMITTED

    def _add_last_found(self, batch: BatchId) -> None:
        self._add_committed(batch)
        self.report.add_notice("The server's reply was lost; the deployment history shows that it was committed.")

    def _add_committed(self, batch: BatchId) -> None:
        self.report.add_committed(batch)
        self.submission.reset()


def accept_drift(project: Project, database: Database, *, provenance: Provenance = NO_PROVENANCE) -> Report:
    """Record what others changed in a database as part of it, and return the report, also of a failure.

    A row is added to the deployment history: the deployment before it, with the catalog of the database. No object and
    no other row changes. `project` says which objects are ignored. Raises InputError (`input-invalid`) for a project
    that is closed, before any request.
    """
    project.require_open()
    return _Acceptance(Deployment(project, database, provenance=provenance, command="accept-drift")).result()


class _Acceptance(DeploymentRun):
    """A run that records the catalog of a database, with the guard and the proofs of a deployment."""

    done = Status.ACCEPTED

    def find_pending(self) -> PendingChanges:
        """Read the database, and return a plan without steps."""
        return pending_acceptance(self.deployment)

    def report_pending(self, pending: PendingChanges) -> None:
        """Add nothing: the report has the drift already."""

    def require_allowed(self, pending: PendingChanges) -> None:
        """Allow everything: nothing but the history is written."""

    def batches(self, pending: PendingChanges) -> Iterator[Batch]:
        """Yield the transaction that adds the row."""
        yield acceptance_batch(self.deployment, pending, self.submission.deadline(pending.state))
