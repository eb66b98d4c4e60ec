"""Before the real deployment: the whole of it on a branch of the database, and a way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from turso_deploy import deploy as story
from turso_deploy.access import DEPLOYMENT_LIFETIME, Access, Hosting, lifetime_of
from turso_deploy.database.base import Database
from turso_deploy.database.connect import open_database
from turso_deploy.errors import ErrorCode, InputError
from turso_deploy.inputs import Inputs, Pipeline
from turso_deploy.report.document import Report, Status
from turso_deploy.schema.hazards import Permission
from turso_deploy.schema.project import Project
from turso_deploy.turso.backups import Backup, bookmark, branch_backup
from turso_deploy.turso.branches import temporary_branch


def deploy_safely(
    project: Project,
    database: Database,
    access: Access,
    inputs: Inputs,
    pipeline: Pipeline,
    permissions: Sequence[Permission],
    mask: Callable[[str], None],
) -> Report:
    """Rehearse on a branch and make a backup where the settings ask for it, and then deploy.

    What was rehearsed or saved for nothing, because there is nothing to deploy, is not done at all.
    """
    hosting, notices, backup = _hosting(access, inputs), list[str](), None
    if hosting and (inputs.rehearse == "branch" or inputs.backup == "branch"):
        outlook = story.plan(project, database, pipeline, permissions)
        if outlook.status is Status.PLANNED:
            if inputs.rehearse == "branch":
                failed = _rehearse(project, hosting, inputs, pipeline, permissions, mask, notices)
                if failed:
                    return replace(failed, notices=(*failed.notices, *notices))
            if inputs.backup == "branch":
                backup = branch_backup(hosting.platform, hosting.database, access.now, keep=inputs.backup_keep)
    if hosting and inputs.backup == "bookmark":
        backup = bookmark(hosting.platform, hosting.database, access.now)
    report = story.deploy(
        project, database, replace(pipeline, backup=backup.reference if backup else None), permissions
    )
    return _with_way_back(report, backup, notices)


def _hosting(access: Access, inputs: Inputs) -> Hosting | None:
    if access.hosting is None and (inputs.rehearse == "branch" or inputs.backup == "branch"):
        setting = "rehearse" if inputs.rehearse == "branch" else "backup"
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"`{setting}: branch` makes a branch of the database, which takes the Turso Platform API.",
            hint="Give `api-token`, `organization` and `database`.",
        )
    return access.hosting


def _rehearse(
    project: Project,
    hosting: Hosting,
    inputs: Inputs,
    pipeline: Pipeline,
    permissions: Sequence[Permission],
    mask: Callable[[str], None],
    notices: list[str],
) -> Report | None:
    """Deploy to a branch. The report of a failure, told as one that left the database itself alone; None otherwise."""
    with temporary_branch(
        hosting.platform,
        hosting.database,
        mask,
        notices,
        lifetime=lifetime_of(inputs, DEPLOYMENT_LIFETIME),
        timeout=inputs.timeout,
        keep=inputs.keep_branch,
    ) as branch:
        name = branch.database.name
        database = open_database(branch.database.address, branch.token, inputs.timeout)
        try:
            report = story.deploy(project, database, pipeline, permissions)
        finally:
            database.close()
    if report.status is not Status.FAILED:
        notices.insert(0, f"Rehearsed on the branch {name}: every step and every check held.")
        return None
    notices.insert(0, f"This was the rehearsal on the branch {name}; the database itself was not touched.")
    return replace(report, committed=False, deployment_id=None, database=hosting.database.address.display)


def _with_way_back(report: Report, backup: Backup | None, notices: Sequence[str]) -> Report:
    """The report with how to get back, when something may have been written."""
    lines = backup.lines if backup and report.committed is not False else ()
    more = backup.notices if backup else ()
    return replace(report, notices=(*notices, *report.notices, *more), way_back=lines)
