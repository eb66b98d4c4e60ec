"""Before the real deployment: the whole of it on a branch of the database, and a way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from turso_deploy.cli.credentials import DEPLOYMENT_LIFETIME, Credentials, HostedDatabase, lifetime_of
from turso_deploy.cli.settings import Settings
from turso_deploy.core.errors import DeployError, ErrorCode, InputError
from turso_deploy.core.progress import report_step
from turso_deploy.database.open import open_database
from turso_deploy.deploy.deploy import deploy
from turso_deploy.deploy.deployment import Deployment
from turso_deploy.deploy.preview import plan
from turso_deploy.github.context import RunContext
from turso_deploy.report.document import Report, Status
from turso_deploy.transaction.history import Provenance

if TYPE_CHECKING:
    from turso_deploy.turso.restore_points import RestorePoint


def deploy_safely(
    deployment: Deployment,
    access: Credentials,
    inputs: Settings,
    mask: Callable[[str], None],
) -> Report:
    """Rehearse on a branch and make a backup where the settings ask for it, and then deploy.

    What was rehearsed or saved for nothing, because there is nothing to deploy, is not done at all.
    """
    hosting = _hosting(access, inputs)
    if hosting is None:
        return deploy(deployment)
    notices = list[str]()
    if inputs.trial_branch or inputs.restore_point == "branch":
        needed = plan(deployment).status is Status.PLANNED
        if needed and inputs.trial_branch:
            failed = _deploy_to_trial_branch(deployment, hosting, inputs, mask, notices)
            if failed:
                return replace(failed, notices=(*notices, *failed.notices))
        if not needed:  # an error is told by the deployment, which meets it too
            return deploy(deployment)
    backup = _back_up(hosting, inputs, access)
    provenance = replace(deployment.provenance, restore_point=backup.reference if backup else None)
    return _with_restore_point(deploy(replace(deployment, provenance=provenance)), backup, notices)


def provenance_of(context: RunContext) -> Provenance:
    """Return what the deployment history records of a run."""
    return Provenance(context.commit_sha, context.ref, context.run_url, context.actor)


def _back_up(hosting: HostedDatabase, inputs: Settings, access: Credentials) -> RestorePoint | None:
    """The way back that the settings ask for. Raises PlatformError when a branch cannot be made."""
    from turso_deploy.turso.restore_points import branch_restore_point, timestamp_restore_point

    match inputs.restore_point:
        case "timestamp":
            return timestamp_restore_point(hosting.platform, hosting.database, datetime.now(UTC))
        case "branch":
            return branch_restore_point(hosting.platform, hosting.database, access.now, keep=inputs.keep_restore_points)
        case _:
            return None


def _hosting(access: Credentials, inputs: Settings) -> HostedDatabase | None:
    if access.hosting is None and (inputs.trial_branch or inputs.restore_point == "branch"):
        setting = "trial-branch" if inputs.trial_branch else "restore-point: branch"
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`{setting}` creates a branch of the database, which needs the Turso Platform API.",
            hint="Set `api-token`, `organization` and `database`.",
        )
    return access.hosting


def _deploy_to_trial_branch(
    deployment: Deployment,
    hosting: HostedDatabase,
    inputs: Settings,
    mask: Callable[[str], None],
    notices: list[str],
) -> Report | None:
    """Deploy to a branch. The report of a failure, told as one that left the database itself alone; None otherwise."""
    from turso_deploy.turso.branches import temporary_branch

    lifetime = lifetime_of(inputs, DEPLOYMENT_LIFETIME)
    report_step("creating the trial branch")
    try:
        with temporary_branch(
            hosting.platform,
            hosting.database,
            mask,
            notices,
            lifetime=lifetime,
            timeout=inputs.timeout,
            keep=inputs.keep_trial_branch,
        ) as branch:
            name = branch.database.name
            database = open_database(branch.database.address, branch.token, inputs.timeout, inputs.request_size)
            try:
                report = deploy(replace(deployment, database=database))
            finally:
                database.close()
    except DeployError as error:
        hint = " ".join([error.hint or "", *notices]).strip()
        raise type(error)(error.code, f"The trial branch failed: {error.message}", hint=hint) from None
    if report.succeeded:
        notices.insert(
            0, f"The deployment succeeded on the trial branch {name}: every step ran and every check passed."
        )
        return None
    notices.insert(0, f"The deployment failed on the trial branch {name}. The database itself was not changed.")
    return replace(report, committed=False, deployment_id=None, database=hosting.database.address.display)


def _with_restore_point(report: Report, backup: RestorePoint | None, notices: Sequence[str]) -> Report:
    """The report with how to get back: told when something may have been written, or a branch was made for it."""
    if backup is None:
        return replace(report, notices=(*notices, *report.notices))
    told = report.committed is not False or backup.kind == "branch"
    return replace(
        report,
        notices=(*notices, *report.notices, *backup.notices),
        restore_point=backup.lines if told else (),
    )
