"""The story of a run: read, plan, apply, verify, report; functions of project and database that keep nothing global."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from turso_deploy import __version__
from turso_deploy.database.base import (
    Database,
    Failure,
    Outcome,
    Purpose,
    Query,
    Rows,
    Transaction,
    TransactionStep,
)
from turso_deploy.database.failures import explain
from turso_deploy.draft import Draft
from turso_deploy.errors import DatabaseError, DeployError, ErrorCode, LostReplyError, StaleError
from turso_deploy.explain import explain_failed_checks, explain_failure, explain_unread
from turso_deploy.inputs import Pipeline
from turso_deploy.report.document import Report, Status
from turso_deploy.schema import ledger
from turso_deploy.schema.catalog import LEDGER_TABLE
from turso_deploy.schema.checks import (
    Check,
    catalog_check,
    check_steps,
    count_check,
    json_checks,
    row_checks,
)
from turso_deploy.schema.expectations import refuse_a_mismatch
from turso_deploy.schema.live import LIVE_QUERIES, Live, guard_step, live_from
from turso_deploy.schema.plan import Plan, make_plan
from turso_deploy.schema.project import Project
from turso_deploy.schema.seed_steps import seed_results, seed_steps
from turso_deploy.schema.seeds import SeedTable

# Each time, somebody else deployed between our read and our write.
MAXIMUM_PLANS = 3


@dataclass(frozen=True, slots=True)
class Work:
    """What a database lacks: the plan for its schema, the seeds it has not seen, and whether the ledger is behind."""

    live: Live
    plan: Plan
    seeds: tuple[SeedTable, ...]
    ledger_is_behind: bool

    @property
    def nothing_to_do(self) -> bool:
        """Whether the database already is as the project wants it."""
        return not (self.plan.steps or self.seeds or self.ledger_is_behind)


def deploy(project: Project, database: Database, pipeline: Pipeline) -> Report:
    """Bring a database to the project's schema and seeds: everything, or nothing. Failures are told by the report."""
    draft = Draft("deploy", project, database)
    try:
        for _ in range(MAXIMUM_PLANS):
            work = _find_work(project, database, draft)
            if work.nothing_to_do:
                return draft.finished(Status.UNCHANGED, committed=False)
            if _carry_out(work, project, database, pipeline, draft):
                return draft.finished(Status.DEPLOYED, committed=True)
        raise StaleError(
            ErrorCode.STALE_PLAN,
            f"The database changed between reading and writing, {MAXIMUM_PLANS} times in a row.",
            hint="Others are deploying to it at this moment. Run again, or let the deployments wait for each other "
            "(`concurrency:` in the workflow).",
        )
    except DeployError as error:
        return draft.failed(error)


def plan(project: Project, database: Database) -> Report:
    """Find out what a deployment would do; changes nothing."""
    draft = Draft("plan", project, database)
    try:
        work = _find_work(project, database, draft)
        return draft.finished(Status.UNCHANGED if work.nothing_to_do else Status.PLANNED, committed=False)
    except DeployError as error:
        return draft.failed(error)


def verify(project: Project, database: Database) -> Report:
    """Hold the database against the schema folder and the manifest, in one request that a read-only token may make."""
    draft = Draft("verify", project, database)
    try:
        checks = [*row_checks(project.manifest, project.wanted), *json_checks(project.manifest, project.wanted)]
        answers = database.query([*LIVE_QUERIES, *(check.figures for check in checks)])
        live = _live(answers[: len(LIVE_QUERIES)], project)
        draft.note_schema(live)
        draft.note_answers(checks, answers[len(LIVE_QUERIES) :])
        if not draft.all_hold:
            raise explain_failed_checks(draft.checks, draft.counts, project.manifest_place)
        return draft.finished(Status.VERIFIED, committed=False)
    except DeployError as error:
        return draft.failed(error)


def _find_work(project: Project, database: Database, draft: Draft) -> Work:
    """Read the database in one request, and compare."""
    live = _live(database.query(LIVE_QUERIES), project)
    made = make_plan(project.wanted, live.catalog, project.manifest.ignore)
    draft.note_plan(made)
    refuse_a_mismatch(project.manifest, made.predicted, made.unmanaged, project.manifest_place)
    created = {step.object for step in made.steps if step.kind == "create table"}
    deployed = live.last.seeds if live.last else {}
    seeds = tuple(
        seed for seed in project.seeds if seed.table in created or deployed.get(seed.table) != seed.fingerprint
    )
    draft.note_seeds(project.seeds, pending=seeds)
    return Work(live, made, seeds, _ledger_is_behind(project, live))


def _live(answers: Sequence[Rows | Failure], project: Project) -> Live:
    live = live_from(answers, project.manifest.ignore)
    if isinstance(live, Failure):
        raise explain_unread(live)
    return live


def _ledger_is_behind(project: Project, live: Live) -> bool:
    last = live.last
    return (
        last is None
        or last.schema_version != project.manifest.schema_version
        or last.managed != ledger.managed_names(project.wanted)
    )


def _carry_out(work: Work, project: Project, database: Database, pipeline: Pipeline, draft: Draft) -> bool:
    """Send the transaction. False when the database had changed since it was read, so that nothing was done."""
    entry = _entry(work, project, pipeline)
    seeds = seed_steps(work.seeds, project.wanted, project.rehearsed.connection)
    checks = _checks(work, project)
    changes = [guard_step(work.live), *_change_steps(work.plan), *seeds.steps]
    make_ledger = [] if work.live.catalog.has_ledger else [ledger.create_step()]
    steps = (*changes, *check_steps(checks), *make_ledger, ledger.entry_step(entry))
    outcome = _apply(Transaction(steps), entry.id, database)
    if outcome is None:  # committed, but what the steps answered is lost
        draft.deployment_id = entry.id
        draft.notices.append("The server's reply was lost; the ledger shows that the deployment was committed.")
        return True
    draft.note_answers(checks, outcome.results[len(changes) : len(changes) + len(checks)])
    if outcome.committed:
        draft.deployment_id = entry.id
        draft.note_written(seed_results(work.seeds, steps, outcome.results))
        return True
    if _guard_failed(steps, outcome):
        draft.checks = ()
        return False
    raise explain_failure(steps, outcome, seeds, draft.checks, project.manifest_place)


def _change_steps(plan: Plan) -> list[TransactionStep]:
    return [
        TransactionStep(Query(step.sql), Purpose.CHANGE, f"{step.kind} {step.object}", step.place)
        for step in plan.steps
    ]


def _guard_failed(steps: Sequence[TransactionStep], outcome: Outcome) -> bool:
    """Whether the guard stopped it; its own complaint, and not a lost lock, is what a new plan can help."""
    failed = outcome.failed
    return (
        failed is not None
        and failed.index is not None
        and steps[failed.index].purpose is Purpose.GUARD
        and explain(failed.failure).code is ErrorCode.STATEMENT_FAILED
    )


def _checks(work: Work, project: Project) -> list[Check]:
    predicted = work.plan.predicted
    before = {(row.key, row.sql) for row in work.live.catalog.rows}
    changed = [
        row
        for row in predicted.rows
        if (row.key, row.sql) not in before and (row.kind, row.name) not in predicted.uncounted
    ]
    return [
        *count_check(project.manifest, predicted.uncounted),
        *catalog_check(changed),
        *row_checks(project.manifest, project.wanted),
        *json_checks(project.manifest, project.wanted),
    ]


def _entry(work: Work, project: Project, pipeline: Pipeline) -> ledger.Entry:
    return ledger.Entry(
        id=str(uuid.uuid4()),
        deployed_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        schema_version=project.manifest.schema_version,
        schema_fingerprint=ledger.schema_fingerprint(project.wanted),
        seeds={seed.table: seed.fingerprint for seed in project.seeds},
        managed=ledger.managed_names(project.wanted),
        tool_version=__version__,
        plan_summary=dict(Counter(step.kind for step in work.plan.steps)),
        commit_sha=pipeline.commit_sha,
        ref=pipeline.ref,
        run_url=pipeline.run_url,
        actor=pipeline.actor,
    )


def _apply(transaction: Transaction, deployment_id: str, database: Database) -> Outcome | None:
    """Apply, and when the reply is lost, ask the ledger. None: it committed, and the reply is lost."""
    try:
        return database.apply(transaction)
    except LostReplyError as lost:
        if _is_recorded(deployment_id, database, lost):
            return None
        raise DatabaseError(
            lost.code, f"{lost.message} The ledger shows that nothing was committed.", hint=lost.hint, committed=False
        ) from None


def _is_recorded(deployment_id: str, database: Database, lost: LostReplyError) -> bool:
    try:
        (answer,) = database.query([ledger.lookup_query(deployment_id)])
    except DatabaseError as error:
        raise DatabaseError(
            ErrorCode.OUTCOME_UNKNOWN,
            f"{lost.message} Asking the ledger failed too: {error.message}",
            hint=f"Look for the deployment {deployment_id} in {LEDGER_TABLE}, or run again: nothing is done twice.",
            committed=None,
        ) from None
    return isinstance(answer, Rows) and bool(answer.rows)
