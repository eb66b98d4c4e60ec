"""Preview a deployment: plan, dry run, SQL script, and comparison of two folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from turso_deploy.core.errors import DatabaseError, DeployError, ErrorCode, LostReplyError, StaleError
from turso_deploy.core.progress import report_step
from turso_deploy.database.interface import Database
from turso_deploy.deploy.batch import Batch, BatchKind
from turso_deploy.deploy.batches import describe_batch, first_batch, single_batch
from turso_deploy.deploy.deployment import NO_PROVENANCE, Deployment, approvals_in_manifest
from turso_deploy.deploy.failures import (
    combined,
    explain_failure,
    is_stale,
)
from turso_deploy.deploy.findings import read_findings
from turso_deploy.deploy.notices import (
    notices_of,
    plan_notices,
)
from turso_deploy.deploy.report_builder import ReportBuilder
from turso_deploy.history.entries import Provenance
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.pending.find import check_manifest, find_pending, pending_for, state_after_deploying, stopping_errors
from turso_deploy.pending.plan_fingerprint import made_plan, plan_content
from turso_deploy.pending.seed_decisions import compare_with_folder
from turso_deploy.plan.hazards import Approval, HazardName, blocking_error, parse_approvals, raise_if_blocked
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status
from turso_deploy.stored_plan.content import PlanContent
from turso_deploy.stored_plan.document import PlannedDatabase, PlanOrigin, canonical_address, store_plan
from turso_deploy.stored_plan.expected_plan import ExpectedPlan
from turso_deploy.stored_plan.file import require_writable, write_plan
from turso_deploy.transaction.sql_script import as_script

_DRY_RUN_NOTICES = {
    BatchKind.WHOLE: "Dry run on the database, rolled back: every step and every check passed.",
    BatchKind.SCHEMA: "Dry run of the schema on the database, rolled back: every step and every check of it passed. "
    "The seeds and the checks of rows depend on it and were not part of the dry run.",
    BatchKind.CHUNK: "Dry run of the first chunk of seeds on the database, rolled back: it passed. The other chunks "
    "and the checks of rows depend on it and were not part of the dry run.",
    BatchKind.LAST: "Dry run on the database, rolled back: every step and every check passed.",
}


def plan(
    project: Project,
    database: Database,
    *,
    allow_hazards: str | Iterable[str | Approval] = (),
    provenance: Provenance = NO_PROVENANCE,
    show_keys: bool = False,
    dry_run: bool = False,
    save: str | os.PathLike[str] | Callable[[PlanContent], None] | None = None,
    expected_plan: ExpectedPlan | None = None,
) -> Report:
    """Report what `deploy` with the same arguments would do, without changing the database.

    The report of a plan that `deploy` would not carry out, because a hazard is not approved or the manifest does not
    hold, has the same error, and the whole plan.

    With `dry_run` the transaction is executed on the database and rolled back at its end. Of several transactions it is
    the first. With `save` a plan that can be deployed is saved in this file, or its content is given to this function;
    hazards in it may still need approval.
    Raises InputError (`input-invalid`) for an unknown hazard and for a project that is closed, before any request.
    """
    project.require_open()
    approvals = parse_approvals(allow_hazards)
    deployment = Deployment(project, database, approvals, provenance, show_keys, expected=expected_plan)
    command = "rollback" if project.earlier else "plan"
    report = ReportBuilder(command, project, database.address, database, show_keys=show_keys)
    file = save if save is None or callable(save) else Path(save)
    try:
        if isinstance(file, Path):
            require_writable(file)
        deployment, pending, failures = _planned(deployment, report)
        if pending.nothing_to_do and not failures:
            _save(deployment, pending, file, report)
            return report.build(Status.UNCHANGED, committed=False)
        batch = first_batch(deployment, pending)
        report.add_batch(batch, database.request_size)
        if blocked := blocking_error(pending.hazards, deployment.approvals, deployment.advice):
            if not failures:
                _save(deployment, pending, file, report)
            failures.append(blocked)
        if failures and not (dry_run and all(isinstance(error, DatabaseError) for error in failures)):
            raise combined(failures)
        if dry_run:
            report_step(
                f"running on the database, to be rolled back: {describe_batch(batch, pending, report.found.chunks)}"
            )
            _dry_run(deployment, batch, report)
        _save(deployment, pending, file, report)
        return report.build(Status.PLANNED, committed=False)
    except DeployError as error:
        return report.build_failed(error)


def _save(
    deployment: Deployment,
    pending: PendingChanges,
    file: Path | Callable[[PlanContent], None] | None,
    report: ReportBuilder,
) -> None:
    """Save the plan, if that is wanted. Raises InputError if the file cannot be written."""
    if file is None:
        return
    if not isinstance(file, Path):
        file(plan_content(deployment.project, pending))
        return
    last, origin = pending.state.last_deployment, deployment.provenance
    plan = store_plan(
        plan_content(deployment.project, pending),
        pending.hazards,
        deployment.approvals,
        PlannedDatabase(
            canonical_address(deployment.database.address),
            last.id if last else None,
            last.number if last else None,
            last.schema_version if last else None,
        ),
        PlanOrigin(origin.commit_sha, origin.ref, origin.run_url, origin.actor),
    )
    write_plan(file, plan)
    report.add_plan_file(file)


def script(deployment: Deployment) -> tuple[Report, str]:
    """Return the report of `plan` and the transaction of the deployment as a script, "" if nothing changes.

    The script needs the same approvals as the deployment.
    """
    database = deployment.database
    report = ReportBuilder("plan", deployment.project, database.address, database, show_keys=deployment.show_keys)
    try:
        deployment, pending, failures = _planned(deployment, report)
        if failures:
            raise combined(failures)
        if pending.nothing_to_do:
            return report.build(Status.UNCHANGED, committed=False), ""
        raise_if_blocked(pending.hazards, deployment.approvals, deployment.advice)
        deployment = deployment._replace(plan_fingerprint=plan_content(deployment.project, pending).fingerprint)
        text = as_script(single_batch(deployment, pending).assembly.transaction)
        return report.build(Status.PLANNED, committed=False), text
    except DeployError as error:
        return report.build_failed(error), ""


def compare(project: Project, base: Project, approvals: Sequence[Approval] = ()) -> Report:
    """Report what `project` would change in a database that `base` was deployed to. No database is read."""
    report = ReportBuilder("plan", project, f"folder {base.folder.shown}")
    try:
        pending = pending_for(project, state_after_deploying(base, project.manifest.ignore))
        pending = compare_with_folder(project, base, pending)
        report.add_state(pending.state)
        in_manifest = approvals_in_manifest(project, pending.state)
        approvals, advice = (*approvals, *in_manifest.counting), in_manifest.advice
        report.add_pending(pending, approvals, plan_notices(project, pending, approvals))
        check_manifest(project, pending)
        report.add_blocking_error(blocking_error(pending.hazards, approvals, advice, counted=False))
        downgrades = [hazard for hazard in pending.other_hazards if hazard.name is HazardName.DOWNGRADE]
        raise_if_blocked(downgrades, approvals)  # they do not depend on the rows of a database
        return report.build(Status.UNCHANGED if pending.nothing_to_do else Status.PLANNED, committed=False)
    except DeployError as error:
        return report.build_failed(error)


def _planned(deployment: Deployment, report: ReportBuilder) -> tuple[Deployment, PendingChanges, list[DeployError]]:
    """Return the deployment with the approvals of the manifest, the pending changes, and what would stop it.

    The pending changes are added to the report.
    """
    if deployment.expected:
        deployment.expected.require_database(deployment.database.address)
    pending = find_pending(
        deployment.project,
        deployment.database,
        preview=True,
        show_keys=deployment.show_keys,
        further=deployment.further_queries,
    )
    deployment = deployment.with_manifest(pending.state)
    report.add_state(pending.state)
    report.add_pending(pending, deployment.approvals, notices_of(deployment, pending))
    if deployment.expected:
        report.add_match(deployment.expected, made_plan(deployment.project, pending, deployment.approvals))
    return deployment, pending, stopping_errors(deployment.project, pending, report.add_predicted_checks(pending))


def _dry_run(deployment: Deployment, batch: Batch, report: ReportBuilder) -> None:
    """Execute a batch that ends with ROLLBACK. Raises DeployError if a step or a check of it fails."""
    try:
        outcome = deployment.database.apply(batch.assembly.transaction)
    except LostReplyError as lost:  # a transaction that ends with ROLLBACK cannot be committed
        raise DatabaseError(lost.code, lost.message, hint=lost.hint, committed=False) from None
    findings = read_findings(batch, outcome, report.check_lines)
    if not findings.are_readable or (findings.contradiction and not outcome.failed):
        raise DatabaseError(
            ErrorCode.UNEXPECTED_REPLY,
            f"The reply of the server does not prove what happened in the dry run: {findings.contradiction}. A dry run "
            "has no COMMIT.",
            hint="The server, or a proxy before it, gave a reply that cannot be. Run again without a proxy in between.",
        )
    if is_stale(batch.assembly, outcome):
        raise StaleError(
            ErrorCode.STALE_PLAN,
            "The database changed between reading and the dry run.",
            hint="Another client is deploying to it now. Run again.",
        )
    report.add_checks(findings.checks)
    report.add_deletions(batch, outcome, deployment.approvals, is_last=batch.id.completes)
    if outcome.failed:
        raise explain_failure(
            batch.assembly, outcome, findings.checks, deployment.project, deployment.approvals, deployment.advice
        )
    report.add_notice(_DRY_RUN_NOTICES[batch.id.kind])
    if batch.id.completes:
        report.add_dry_run(findings.seeds)
