"""The story of a run: read, plan, apply, verify, report; functions of project and database that keep nothing global."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from turso_deploy.database.base import Database, Outcome, Purpose, TransactionStep
from turso_deploy.database.failures import explain
from turso_deploy.delivery import Delivery
from turso_deploy.draft import Draft, FolderSubject
from turso_deploy.errors import DatabaseError, DeployError, ErrorCode, LostReplyError, StaleError
from turso_deploy.explain import explain_failed_checks, explain_failure
from turso_deploy.inputs import Pipeline
from turso_deploy.progress import doing
from turso_deploy.report.document import Report, Status
from turso_deploy.schema.checks import json_checks, row_checks
from turso_deploy.schema.expectations import refuse_a_mismatch
from turso_deploy.schema.hazards import Permission, refuse_hazards
from turso_deploy.schema.live import LIVE_QUERIES
from turso_deploy.schema.project import Project
from turso_deploy.schema.script_text import as_script
from turso_deploy.schema.seed_steps import seed_results
from turso_deploy.work import Work, as_if_deployed, find_work, put_together, understand, work_for

# Each time, somebody else deployed between our read and our write.
MAXIMUM_PLANS = 3


def deploy(project: Project, database: Database, pipeline: Pipeline, permissions: Sequence[Permission] = ()) -> Report:
    """Bring a database to the project's schema and seeds: everything, or nothing. Failures are told by the report."""
    draft = Draft("deploy", project, database)
    delivery = Delivery(database)
    try:
        try:
            return _deployed(project, database, pipeline, permissions, draft, delivery)
        except DeployError as error:
            if error.committed is not None and (found := delivery.committed(finally_=True)):
                return _found_in_the_ledger(found, draft)
            raise
    except DeployError as error:
        return draft.failed(error)


def _deployed(
    project: Project,
    database: Database,
    pipeline: Pipeline,
    permissions: Sequence[Permission],
    draft: Draft,
    delivery: Delivery,
) -> Report:
    """Plan and send, again where the database has changed in between, or was busy, or did not reply."""
    plans_left = MAXIMUM_PLANS
    while plans_left:
        work = _planned(project, database, draft, permissions)
        refuse_hazards(work.plan.hazards, permissions)
        if work.nothing_to_do:
            found = delivery.committed()
            return _found_in_the_ledger(found, draft) if found else draft.finished(Status.UNCHANGED, committed=False)
        match _carry_out(work, project, pipeline, draft, delivery):
            case _Step.DONE:
                return draft.finished(Status.DEPLOYED, committed=True)
            case _Step.LOST if found := delivery.committed():
                return _found_in_the_ledger(found, draft)
            case _Step.LOST if not delivery.try_again("the reply was lost, and the ledger shows no commit"):
                raise delivery.failure()
            case _Step.STALE:
                plans_left -= 1
    raise StaleError(
        ErrorCode.STALE_PLAN,
        f"The database changed between reading and writing, {MAXIMUM_PLANS} times in a row.",
        hint="Others are deploying to it at this moment. Run again, or let the deployments wait for each other "
        "(`concurrency:` in the workflow).",
    )


def _found_in_the_ledger(deployment_id: str, draft: Draft) -> Report:
    draft.deployment_id = deployment_id
    draft.notices.append("The server's reply was lost; the ledger shows that the deployment was committed.")
    return draft.finished(Status.DEPLOYED, committed=True)


def plan(
    project: Project,
    database: Database,
    pipeline: Pipeline,
    permissions: Sequence[Permission] = (),
    *,
    rehearse: bool = False,
) -> Report:
    """Find out what a deployment would do; changes nothing.

    With `rehearse` the whole transaction runs on the database and is rolled back at its end: the real engine, the real
    rows, nothing left behind.
    """
    draft = Draft("plan", project, database)
    try:
        work = _planned(project, database, draft, permissions)
        if work.changes_nothing:
            return draft.finished(Status.UNCHANGED, committed=False)
        if rehearse:
            refuse_hazards(work.plan.hazards, permissions)
            _rehearse(work, project, database, pipeline, draft)
        return draft.finished(Status.PLANNED, committed=False)
    except DeployError as error:
        return draft.failed(error)


def script(
    project: Project, database: Database, pipeline: Pipeline, permissions: Sequence[Permission] = ()
) -> tuple[Report, str]:
    """The report of `plan`, and the transaction of a deployment as a script; empty where there is none.

    A script needs the same permissions as the deployment that it stands for.
    """
    draft = Draft("plan", project, database)
    try:
        work = _planned(project, database, draft, permissions)
        if work.changes_nothing:
            return draft.finished(Status.UNCHANGED, committed=False), ""
        refuse_hazards(work.plan.hazards, permissions)
        assembly, _ = put_together(work, project, pipeline)
        text = as_script(assembly.transaction)
        return draft.finished(Status.PLANNED, committed=False), text
    except DeployError as error:
        return draft.failed(error), ""


def compare(project: Project, other: Project, permissions: Sequence[Permission] = ()) -> Report:
    """What would change in a database to which `other` was deployed; asks no database, and knows no live row."""
    draft = Draft("plan", project, FolderSubject(other.folder))
    try:
        work = work_for(project, as_if_deployed(other, project.manifest.ignore))
        _note(work, project, draft, permissions)
        return draft.finished(Status.UNCHANGED if work.changes_nothing else Status.PLANNED, committed=False)
    except DeployError as error:
        return draft.failed(error)


def verify(project: Project, database: Database) -> Report:
    """Hold the database against the schema folder and the manifest, in one request that a read-only token may make."""
    draft = Draft("verify", project, database)
    try:
        checks = [*row_checks(project.manifest, project.wanted), *json_checks(project.manifest, project.wanted)]
        doing("checking the database")
        answers = database.query([*LIVE_QUERIES, *(check.figures for check in checks)])
        draft.note_schema(understand(answers[: len(LIVE_QUERIES)], project))
        draft.note_answers(zip(checks, answers[len(LIVE_QUERIES) :], strict=True))
        if not draft.all_hold:
            raise explain_failed_checks(draft.checks, draft.counts, project, draft.differing)
        return draft.finished(Status.VERIFIED, committed=False)
    except DeployError as error:
        return draft.failed(error)


def _planned(project: Project, database: Database, draft: Draft, permissions: Sequence[Permission]) -> Work:
    """The work, noted in the report and held against the manifest."""
    work = find_work(project, database)
    _note(work, project, draft, permissions)
    return work


def _note(work: Work, project: Project, draft: Draft, permissions: Sequence[Permission]) -> None:
    draft.note_work(work, permissions)
    refuse_a_mismatch(project.manifest, work.plan.predicted, work.plan.unmanaged, project.place_in_manifest)


class _Step(Enum):
    """What became of one transaction that was sent: `AGAIN` after a pause that was waited."""

    DONE = auto()
    STALE = auto()
    LOST = auto()
    AGAIN = auto()


def _carry_out(work: Work, project: Project, pipeline: Pipeline, draft: Draft, delivery: Delivery) -> _Step:
    """Send the transaction. Raises DeployError when it failed, and would fail again."""
    deadline = delivery.deadline(work.live)
    assembly, deployment_id = put_together(work, project, pipeline, deadline=deadline)
    doing(f"deploying: {work.in_words}")
    outcome = delivery.send(assembly.transaction, deployment_id, deadline)
    if outcome is None:
        return _Step.LOST
    if _guard_failed(assembly.steps, outcome):
        delivery.note_stale(deployment_id)
        return _Step.STALE
    draft.note_answers(assembly.figures(outcome), assembly.details(outcome))
    if not outcome.committed:
        failure = explain_failure(assembly, outcome, draft.checks, project)
        if failure.code is ErrorCode.DATABASE_BUSY and delivery.try_again(failure.message):
            draft.checks = ()
            return _Step.AGAIN
        raise failure
    draft.deployment_id = deployment_id
    draft.note_written(seed_results(work.seeds, assembly.steps, outcome.results))
    return _Step.DONE


def _rehearse(work: Work, project: Project, database: Database, pipeline: Pipeline, draft: Draft) -> None:
    """Send the transaction with ROLLBACK as its last word."""
    assembly, _ = put_together(work, project, pipeline, commit=False)
    doing(f"rehearsing on the database: {work.in_words}")
    try:
        outcome = database.apply(assembly.transaction)
    except LostReplyError as lost:  # whatever became of it, it could not commit
        raise DatabaseError(lost.code, lost.message, hint=lost.hint, committed=False) from None
    if _guard_failed(assembly.steps, outcome):
        raise StaleError(
            ErrorCode.STALE_PLAN,
            "The database changed between reading and rehearsing.",
            hint="Somebody else is deploying to it at this moment. Run again.",
        )
    draft.note_answers(assembly.figures(outcome), assembly.details(outcome))
    if outcome.failed:
        raise explain_failure(assembly, outcome, draft.checks, project)
    draft.notices.append("Rehearsed on the database itself, and rolled back: every step and every check held.")


def _guard_failed(steps: Sequence[TransactionStep], outcome: Outcome) -> bool:
    """Whether the guard stopped it; its own complaint, and not a lost lock, is what a new plan can help."""
    failed = outcome.failed
    return (
        failed is not None
        and failed.index is not None
        and steps[failed.index].purpose is Purpose.GUARD
        and explain(failed.failure).code is ErrorCode.STATEMENT_FAILED
    )
