"""The commands `deploy` and `rollback`: on a trial branch first and with a restore point, if the settings say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from turso_deploy.cli.credentials import HostedDatabase
from turso_deploy.cli.invocation import Invocation
from turso_deploy.core.errors import DeployError, ErrorCode
from turso_deploy.core.progress import report_step
from turso_deploy.database.open import open_address
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import MAX_STALE_PLANS
from turso_deploy.deploy.deploy import deploy as deploy_project
from turso_deploy.report.document import Report, Status
from turso_deploy.stored_plan.expected_plan import ExpectedPlan, expected_plan
from turso_deploy.stored_plan.file import require_writable

if TYPE_CHECKING:
    from turso_deploy.database.interface import Database
    from turso_deploy.history.entries import Provenance
    from turso_deploy.project.project import Project
    from turso_deploy.settings.settings import Settings
    from turso_deploy.turso.restore_points import RestorePoint


def deploy(invocation: Invocation) -> Report:
    """Deploy the schema folder to the database, with a stored plan exactly that one."""
    expected = expected_plan(invocation.settings.plan, invocation.settings.expect_plan)
    with invocation.load_project() as project, invocation.open_database() as database:
        return _deploy_as_set(project, database, invocation, expected)


def rollback(invocation: Invocation) -> Report:
    """Go back to an earlier deployment; with `dry-run` on the database only, and nothing of it stays."""
    from turso_deploy.rollback.project import Terms, load_earlier

    settings = invocation.settings
    expected = expected_plan(settings.plan, settings.expect_plan)
    if settings.save is not None:
        require_writable(Path(settings.save))
    terms = Terms(frozenset(settings.run_again), frozenset(settings.keep_done), dict(settings.backfill))
    with (
        invocation.open_database() as database,
        load_earlier(database, settings.deployment, settings.to, terms) as project,
    ):
        if settings.dry_run:
            return preview.plan(
                project,
                database,
                allow_hazards=settings.allow_hazards,
                provenance=invocation.provenance,
                show_keys=settings.show_keys,
                dry_run=True,
                save=settings.save,
                expected_plan=expected,
            )
        return _deploy_as_set(project, database, invocation, expected)


def _deploy_as_set(
    project: Project, database: Database, invocation: Invocation, expected: ExpectedPlan | None
) -> Report:
    hosted, settings = invocation.credentials.hosted, invocation.settings
    if hosted is not None:
        report = _deploy_hosted(project, database, hosted, invocation, expected)
    elif settings.restore_point == "file":
        planned = _planned(project, database, invocation, expected)
        report = _deploy_after_copy(project, database, invocation, expected, planned)
    else:
        report = _deploy(project, database, settings, invocation.provenance, expected)
    return replace(report, plan_file=settings.plan)


def _deploy_after_copy(
    project: Project,
    database: Database,
    invocation: Invocation,
    expected: ExpectedPlan | None,
    planned: Report,
    notices: Sequence[str] = (),
) -> Report:
    """Deploy what is `planned`, after the database is copied to a file if that has hazards.

    Without hazards exactly this plan is deployed, because a hazard that appears in between would have no copy; then it
    is planned again.
    """
    settings, provenance = invocation.settings, invocation.provenance
    for attempt in range(MAX_STALE_PLANS):
        if not planned.succeeded:
            return planned
        if planned.hazards or any(step.hazards for step in planned.steps):
            return _deploy_with_copy(project, database, invocation, expected, notices)
        exactly = expected or _exactly(planned)
        report = _deploy(project, database, settings, provenance, exactly)
        is_other = report.error is not None and report.error.code == ErrorCode.PLAN_CHANGED and not report.committed
        if expected or not is_other or attempt == MAX_STALE_PLANS - 1:
            break
        planned = _planned(project, database, invocation, None)
    return _with_restore_point(report, None, notices)


def _exactly(planned: Report) -> ExpectedPlan | None:
    """Return what has to be deployed so that it is what was planned; None if that was nothing."""
    is_known = planned.status is not Status.UNCHANGED and planned.plan_fingerprint is not None
    return ExpectedPlan(str(planned.plan_fingerprint)) if is_known else None


def _deploy_with_copy(
    project: Project,
    database: Database,
    invocation: Invocation,
    expected: ExpectedPlan | None,
    notices: Sequence[str],
) -> Report:
    """Copy the database to a file, and deploy."""
    from turso_deploy.database.snapshots import save_restore_point
    from turso_deploy.turso.restore_points import RestorePoint

    settings, provenance = invocation.settings, invocation.provenance
    report_step("saving the restore point")
    folder, keep = Path(settings.restore_point_folder), settings.keep_restore_points
    name, lines = save_restore_point(database, folder, datetime.now(UTC), keep=keep)
    report = _deploy(project, database, settings, provenance._replace(restore_point=name), expected)
    return _with_restore_point(report, RestorePoint("file", name, lines), notices)


def _planned(project: Project, database: Database, invocation: Invocation, expected: ExpectedPlan | None) -> Report:
    """Plan what will be deployed. A failure is reported as that of the deployment, whose error would be the same."""
    settings = invocation.settings
    planned = preview.plan(
        project,
        database,
        allow_hazards=settings.allow_hazards,
        provenance=invocation.provenance,
        expected_plan=expected,
    )
    return planned if planned.succeeded else replace(planned, command=settings.command)


def _deploy(
    project: Project, database: Database, settings: Settings, provenance: Provenance, expected: ExpectedPlan | None
) -> Report:
    return deploy_project(
        project,
        database,
        allow_hazards=settings.allow_hazards,
        provenance=provenance,
        show_keys=settings.show_keys,
        expected_plan=expected,
    )


def _deploy_hosted(
    project: Project,
    database: Database,
    hosted: HostedDatabase,
    invocation: Invocation,
    expected: ExpectedPlan | None,
) -> Report:
    """Deploy to a trial branch and create a restore point as the settings say, then deploy.

    Creates no branch if there is nothing to deploy.
    """
    settings, provenance = invocation.settings, invocation.provenance
    notices = list[str]()
    planned: Report | None = None
    if settings.trial_branch or settings.restore_point == "branch":
        planned = _planned(project, database, invocation, expected)
        if not planned.succeeded:
            return planned
        if planned.status is Status.UNCHANGED:
            return _deploy(project, database, settings, provenance, expected)
        if settings.trial_branch:
            on_branch = expected.for_copy if expected else None
            failed = _deploy_to_trial_branch(project, hosted, invocation, on_branch, notices)
            if failed:
                return replace(failed, notices=(*notices, *failed.notices))
    if settings.restore_point == "file":
        planned = planned or _planned(project, database, invocation, expected)
        return _deploy_after_copy(project, database, invocation, expected, planned, notices)
    restore_point = _restore_point(hosted, invocation)
    reference = restore_point.reference if restore_point else None
    provenance = provenance._replace(restore_point=reference)
    report = _deploy(project, database, settings, provenance, expected)
    return _with_restore_point(report, restore_point, notices)


def _deploy_to_trial_branch(
    project: Project,
    hosted: HostedDatabase,
    invocation: Invocation,
    expected: ExpectedPlan | None,
    notices: list[str],
) -> Report | None:
    """Deploy to a temporary branch. Return None after a success, and otherwise the report of the failure.

    The report says that the database itself did not change. What happened to the branch is added to `notices`.
    """
    from turso_deploy.turso.branches import temporary_branch
    from turso_deploy.turso.tokens import RUN_LIFETIME

    settings = invocation.settings
    report_step("creating the trial branch")
    try:
        with temporary_branch(
            hosted.platform,
            hosted.database,
            invocation.runner.mask,
            notices,
            lifetime=settings.token_lifetime or RUN_LIFETIME,
            timeout=settings.timeout,
            keep=settings.keep_trial_branch,
        ) as branch:
            name = branch.database.name
            with open_address(
                branch.database.address, branch.token, settings.timeout, request_size=settings.request_size
            ) as database:
                report = _deploy(project, database, settings, invocation.provenance, expected)
    except DeployError as error:
        hint = " ".join([error.hint or "", *notices]).strip()
        raise type(error)(error.code, f"The trial branch failed: {error.message}", hint=hint) from None
    if report.succeeded:
        notices.insert(0, f"The deployment to the trial branch {name} succeeded: every step ran, every check passed.")
        return None
    notices.insert(0, f"The deployment to the trial branch {name} failed. The database itself was not changed.")
    return replace(report, committed=False, deployment_id=None, database=hosted.database.address.display)


def _restore_point(hosted: HostedDatabase, invocation: Invocation) -> RestorePoint | None:
    """Create the restore point of the settings. Raises PlatformError if a branch cannot be created."""
    from turso_deploy.turso.restore_points import branch_restore_point, timestamp_restore_point

    settings = invocation.settings
    match settings.restore_point:
        case "timestamp":
            return timestamp_restore_point(hosted.platform, hosted.database, datetime.now(UTC))
        case "branch":
            now, keep = invocation.credentials.now, settings.keep_restore_points
            return branch_restore_point(hosted.platform, hosted.database, now, keep=keep)
        case _:
            return None


def _with_restore_point(report: Report, restore_point: RestorePoint | None, notices: Sequence[str]) -> Report:
    """Add the notices to a report, and the commands to restore the database if a write or a branch may need them."""
    if restore_point is None:
        return replace(report, notices=(*notices, *report.notices))
    is_shown = report.committed is not False or restore_point.kind != "timestamp"
    return replace(
        report,
        notices=(*notices, *report.notices, *restore_point.notices),
        restore_point=restore_point.lines if is_shown else (),
    )
