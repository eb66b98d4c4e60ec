"""The story of a run: read, plan, apply, verify, report; functions of project and database that keep nothing global."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum, auto

from msgspec.structs import replace

from turso_deploy.core.errors import DatabaseError, DeployError, ErrorCode, LostReplyError, StaleError
from turso_deploy.core.progress import report_step
from turso_deploy.core.signals import StoppedError, cancellable, cancelled
from turso_deploy.core.text import count_of
from turso_deploy.core.transaction import Outcome, Purpose, TransactionStep
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.interface import Database
from turso_deploy.deploy.batches import Batch, BatchId, BatchKind, first_batch, single_batch, split_into_batches
from turso_deploy.deploy.failures import explain_failed_checks, explain_failure
from turso_deploy.deploy.pending import PendingChanges, find_pending, parse_state, pending_for, state_after_deploying
from turso_deploy.deploy.report_builder import FolderSubject, ReportBuilder
from turso_deploy.deploy.submission import Submission
from turso_deploy.plan.hazards import Approval, blocking_error, raise_if_blocked
from turso_deploy.project.expectations import require_expectations
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status
from turso_deploy.seeds.steps import seed_results
from turso_deploy.transaction.checks import json_checks, row_checks
from turso_deploy.transaction.database_state import LIVE_QUERIES
from turso_deploy.transaction.history import Provenance
from turso_deploy.transaction.sql_script import as_script

_EVERYTHING = "every step and every check held."
_REHEARSED = {
    BatchKind.WHOLE: f"Rehearsed on the database itself, and rolled back: {_EVERYTHING}",
    BatchKind.SCHEMA: "The schema was rehearsed on the database itself, and rolled back: every step and every check of "
    "it held. The seeds, and the checks of rows, come after it and were not rehearsed there.",
    BatchKind.CHUNK: "The first chunk of the seeds was rehearsed on the database itself, and rolled back: it held. The "
    "others, and the checks of rows, stand on it and were not rehearsed there.",
    BatchKind.LAST: f"Rehearsed on the database itself, and rolled back: {_EVERYTHING}",
}

# Each time, somebody else deployed between our read and our write.
MAXIMUM_PLANS = 3


def deploy(
    project: Project, database: Database, provenance: Provenance, permissions: Sequence[Approval] = ()
) -> Report:
    """Bring a database to the project's schema and seeds: everything, or nothing. Failures are told by the report.

    Seeds that do not fit one request are the exception: they go in chunks, each of which is everything or nothing.
    """
    draft = ReportBuilder("deploy", project, database)
    delivery = Submission(database)
    try:
        while True:
            try:
                return _deployed(project, database, provenance, permissions, draft, delivery)
            except DeployError as error:
                found = None if error.committed is None else delivery.committed(finally_=True)
                if found and found.completes:
                    return _found_in_the_history(found, draft)
                if found:
                    _part_is_committed(found, draft, delivery)
                if not (found and isinstance(error, LostReplyError)):
                    raise
    except StoppedError:
        return draft.failed(cancelled(half_way=draft.has_committed))
    except DeployError as error:
        return draft.failed(error)


def _deployed(
    project: Project,
    database: Database,
    provenance: Provenance,
    permissions: Sequence[Approval],
    draft: ReportBuilder,
    delivery: Submission,
) -> Report:
    """Plan and send, again where the database has changed in between, or was busy, or did not reply."""
    stale, least = 0, math.inf
    while stale < MAXIMUM_PLANS:
        with cancellable():
            work = find_pending(project, database)
        if draft.chunks and (found := delivery.recognised(work.live)):
            _part_is_committed(found, draft, delivery)
        _note(work, project, draft, permissions)
        raise_if_blocked(work.plan.hazards, permissions)
        if work.nothing_to_do:
            found = delivery.committed()
            if found:
                return _found_in_the_history(found, draft)
            status = Status.DEPLOYED if draft.has_committed else Status.UNCHANGED
            return draft.finished(status, committed=draft.has_committed)
        if work.seed_rows < least:  # somebody brings in the same seeds: that is no reason to give up
            stale, least = 0, work.seed_rows
        step = _carry_out(work, project, database, provenance, draft, delivery)
        if step is _Step.DONE:
            return draft.finished(Status.DEPLOYED, committed=True)
        may_be_there = step is _Step.LOST or (step is _Step.STALE and draft.chunks)
        if may_be_there and (found := delivery.committed()):
            if found.completes:
                return _found_in_the_history(found, draft)
            _part_is_committed(found, draft, delivery)
        elif step is _Step.LOST and not delivery.try_again(
            "the reply was lost, and the deployment history shows no commit"
        ):
            raise delivery.failure()
        elif step in (_Step.STALE, _Step.MORE):
            stale += 1
    raise StaleError(
        ErrorCode.STALE_PLAN,
        f"The database changed between reading and writing, {MAXIMUM_PLANS} times in a row.",
        hint="Others are deploying to it at this moment. Run again, or let the deployments wait for each other "
        "(`concurrency:` in the workflow).",
    )


def _found_in_the_history(part: BatchId, draft: ReportBuilder) -> Report:
    draft.note_committed(part)
    draft.notices.append("The server's reply was lost; the deployment history shows that the deployment was committed.")
    if any(line.to_seed for line in draft.seeds):
        draft.notices.append("How many seed rows it had to write stood in that reply: they are missing in the figures.")
    return draft.finished(Status.DEPLOYED, committed=True)


def _part_is_committed(part: BatchId, draft: ReportBuilder, delivery: Submission) -> None:
    draft.note_committed(part)
    delivery.settle()


def plan(
    project: Project,
    database: Database,
    provenance: Provenance,
    permissions: Sequence[Approval] = (),
    *,
    rehearse: bool = False,
) -> Report:
    """Find out what a deployment would do; changes nothing.

    With `rehearse` the whole transaction runs on the database and is rolled back at its end: the real engine, the real
    rows, nothing left behind.
    """
    draft = ReportBuilder("plan", project, database)
    try:
        work = _planned(project, database, draft, permissions)
        if work.changes_nothing:
            return draft.finished(Status.UNCHANGED, committed=False)
        draft.note_refusal(blocking_error(work.plan.hazards, permissions))
        first = first_batch(work, project, provenance, database)
        _note_part(first, database, draft)
        if rehearse:
            raise_if_blocked(work.plan.hazards, permissions)
            report_step(f"rehearsing on the database: {_in_words(first, work, draft)}")
            _rehearse(first, project, database, draft)
        return draft.finished(Status.PLANNED, committed=False)
    except DeployError as error:
        return draft.failed(error)


def script(
    project: Project, database: Database, provenance: Provenance, permissions: Sequence[Approval] = ()
) -> tuple[Report, str]:
    """The report of `plan`, and the transaction of a deployment as a script; empty where there is none.

    A script needs the same permissions as the deployment that it stands for.
    """
    draft = ReportBuilder("plan", project, database)
    try:
        work = _planned(project, database, draft, permissions)
        if work.changes_nothing:
            return draft.finished(Status.UNCHANGED, committed=False), ""
        raise_if_blocked(work.plan.hazards, permissions)
        text = as_script(single_batch(work, project, provenance, database).assembly.transaction)
        return draft.finished(Status.PLANNED, committed=False), text
    except DeployError as error:
        return draft.failed(error), ""


def compare(project: Project, other: Project, permissions: Sequence[Approval] = ()) -> Report:
    """What would change in a database to which `other` was deployed; asks no database, and knows no live row."""
    draft = ReportBuilder("plan", project, FolderSubject(other.folder.shown))
    try:
        work = pending_for(project, state_after_deploying(other, project.manifest.ignore))
        _note(work, project, draft, permissions)
        draft.note_refusal(blocking_error(work.plan.hazards, permissions, counted=False))
        return draft.finished(Status.UNCHANGED if work.changes_nothing else Status.PLANNED, committed=False)
    except DeployError as error:
        return draft.failed(error)


def verify(project: Project, database: Database) -> Report:
    """Hold the database against the schema folder and the manifest, in one request that a read-only token may make."""
    draft = ReportBuilder("verify", project, database)
    try:
        checks = [*row_checks(project.manifest, project.wanted), *json_checks(project.manifest, project.wanted)]
        report_step("checking the database")
        answers = database.query([*LIVE_QUERIES, *(check.figures for check in checks)])
        draft.note_schema(parse_state(answers[: len(LIVE_QUERIES)], project.manifest.ignore))
        draft.note_answers(zip(checks, answers[len(LIVE_QUERIES) :], strict=True))
        if not draft.all_hold:
            raise explain_failed_checks(draft.checks, draft.counts, project, draft.differing)
        return draft.finished(Status.VERIFIED, committed=False)
    except DeployError as error:
        return draft.failed(error)


def _planned(
    project: Project, database: Database, draft: ReportBuilder, permissions: Sequence[Approval]
) -> PendingChanges:
    """The work, noted in the report and held against the manifest."""
    work = find_pending(project, database, estimates=True)
    _note(work, project, draft, permissions)
    return work


def _note(work: PendingChanges, project: Project, draft: ReportBuilder, permissions: Sequence[Approval]) -> None:
    draft.note_work(work, permissions)
    require_expectations(project.manifest, work.plan.predicted, work.plan.unmanaged, project.place_in_manifest)


class _Step(Enum):
    """What became of what was sent: `AGAIN` after a pause that was waited, `MORE` when a part of it was committed."""

    DONE = auto()
    MORE = auto()
    STALE = auto()
    LOST = auto()
    AGAIN = auto()


def _carry_out(
    work: PendingChanges,
    project: Project,
    database: Database,
    provenance: Provenance,
    draft: ReportBuilder,
    delivery: Submission,
) -> _Step:
    """Send the work, in one part or in several. Raises DeployError when one failed, and would fail again."""
    for part in split_into_batches(work, project, provenance, database, delivery.deadline, draft.deployment_id):
        _note_part(part, database, draft)
        report_step(f"deploying: {_in_words(part, work, draft)}")
        step = _send(part, project, draft, delivery)
        if step is not _Step.MORE:
            return step
    return _Step.MORE


def _in_words(part: Batch, work: PendingChanges, draft: ReportBuilder) -> str:
    """What the part does and may take a while."""
    match part.name.kind:
        case BatchKind.WHOLE:
            return work.in_words
        case BatchKind.SCHEMA:
            return replace(work, seeds=()).in_words
        case _:
            sent, total = (draft.chunks.sent, draft.chunks.total) if draft.chunks else (0, 0)
            rows = count_of(sum(seed.row_count for seed in part.seeds), "seed row")
            return f"chunk {min(sent + 1, total):,} of {total:,}, {rows}"


def _note_part(part: Batch, database: Database, draft: ReportBuilder) -> None:
    draft.note_chunks(part.name.chunks)
    if database.request_size and part.size > database.request_size:
        draft.note_large(part.size, holds_schema=part.name.kind in (BatchKind.WHOLE, BatchKind.SCHEMA))


def _send(part: Batch, project: Project, draft: ReportBuilder, delivery: Submission) -> _Step:
    outcome = delivery.send(part)
    if outcome is None:
        return _Step.LOST
    if _guard_failed(part.assembly.steps, outcome):
        delivery.note_stale(part)
        return _Step.STALE
    checks_before = draft.checks
    draft.note_answers(part.assembly.figures(outcome), part.assembly.details(outcome))
    if not outcome.committed:
        failure = explain_failure(part.assembly, outcome, draft.checks, project)
        if failure.code is ErrorCode.DATABASE_BUSY and delivery.try_again(failure.message):
            draft.checks = checks_before
            return _Step.AGAIN
        raise failure
    draft.note_committed(part.name, seed_results(part.seeds, part.assembly.steps, outcome.results))
    delivery.settle()
    return _Step.DONE if part.name.completes else _Step.MORE


def _rehearse(part: Batch, project: Project, database: Database, draft: ReportBuilder) -> None:
    """Send the transaction, which ends with ROLLBACK; of several it is the first, on which the others stand."""
    try:
        outcome = database.apply(part.assembly.transaction)
    except LostReplyError as lost:  # whatever became of it, it could not commit
        raise DatabaseError(lost.code, lost.message, hint=lost.hint, committed=False) from None
    if _guard_failed(part.assembly.steps, outcome):
        raise StaleError(
            ErrorCode.STALE_PLAN,
            "The database changed between reading and rehearsing.",
            hint="Somebody else is deploying to it at this moment. Run again.",
        )
    draft.note_answers(part.assembly.figures(outcome), part.assembly.details(outcome))
    if outcome.failed:
        raise explain_failure(part.assembly, outcome, draft.checks, project)
    draft.notices.append(_REHEARSED[part.name.kind])


def _guard_failed(steps: Sequence[TransactionStep], outcome: Outcome) -> bool:
    """Whether the guard stopped it; its own complaint, and not a lost lock, is what a new plan can help."""
    failed = outcome.failed
    return (
        failed is not None
        and failed.index is not None
        and steps[failed.index].purpose is Purpose.GUARD
        and explain(failed.failure).code is ErrorCode.STATEMENT_FAILED
    )
