"""The commands `plan` (also as a script or between two folders) and `verify`; they change nothing."""

from __future__ import annotations

from pathlib import Path

from turso_deploy.cli.invocation import Invocation
from turso_deploy.cli.output import print_script
from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.deploy import preview
from turso_deploy.deploy.deployment import Deployment
from turso_deploy.deploy.verify import verify as verify_database
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Report
from turso_deploy.stored_plan.file import require_writable


def plan(invocation: Invocation) -> Report:
    """Plan a deployment; with `sql` print it as a script, with `dry-run` run it and roll it back."""
    settings = invocation.settings
    if settings.save is not None:
        require_writable(Path(settings.save))
    with invocation.load_project() as project, invocation.open_database() as database:
        approvals, provenance, show_keys = settings.allow_hazards, invocation.provenance, settings.show_keys
        if not settings.sql:
            return preview.plan(
                project,
                database,
                allow_hazards=approvals,
                provenance=provenance,
                show_keys=show_keys,
                dry_run=settings.dry_run,
                save=settings.save,
            )
        report, script = preview.script(Deployment(project, database, approvals, provenance, show_keys))
        print_script(script, invocation.runner, invocation.output)
        return report


def verify(invocation: Invocation) -> Report:
    """Check the database against the schema folder and the manifest."""
    with invocation.load_project() as project, invocation.open_database() as database:
        return verify_database(project, database, show_keys=invocation.settings.show_keys)


def compare(invocation: Invocation, folder: str) -> Report:
    """Plan the change from the schema in `folder` to the schema folder. Uses no database."""
    settings = invocation.settings
    if not Path(folder).is_dir():
        raise InputError(
            ErrorCode.SCHEMA_NOT_FOUND,
            f"There is no schema folder `{folder}` to compare with.",
            hint="Set --compare-to (input `compare-to`) to a folder, relative to the working directory.",
        )
    with (
        load_project(settings.schema_path, may_dangle=True) as project,
        load_project(folder, scripts_have_run=True, may_dangle=True) as other,
    ):
        return preview.compare(project, other, settings.allow_hazards)
