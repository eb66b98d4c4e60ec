"""Collect the errors that would stop a deployment of pending changes, for the plan and for a deployment alike."""

from __future__ import annotations

from turso_deploy.core.errors import DeployError
from turso_deploy.deploy.deployment import Deployment
from turso_deploy.deploy.failures import explain_failed_checks
from turso_deploy.deploy.report_builder import ReportBuilder
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.pending.find import check_manifest
from turso_deploy.pending.seed_decisions import conflict_error


def stopping_errors(deployment: Deployment, pending: PendingChanges, report: ReportBuilder) -> list[DeployError]:
    """Return the errors that would stop a deployment, without those of hazards.

    The checks of rows that `pending` predicts are added to the report.
    """
    checks = report.check_lines(pending.predicted_checks)
    report.add_checks(checks)
    errors: list[DeployError] = []
    try:
        check_manifest(deployment.project, pending)
    except DeployError as error:
        errors.append(error)
    errors += pending.predicted_failures
    if not all(check.ok for check in checks):
        errors.append(explain_failed_checks(checks, {}, deployment.project))
    if conflict := conflict_error(pending):
        errors.append(conflict)
    return errors
