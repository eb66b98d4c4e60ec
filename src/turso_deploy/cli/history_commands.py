"""The commands `history`, `status` and `accept-drift`."""

from __future__ import annotations

import time
from dataclasses import replace

from turso_deploy.audit.past_deployments import show_history
from turso_deploy.audit.status import failed_line, status_of, status_report
from turso_deploy.cli.credentials import Credentials, require_database
from turso_deploy.cli.invocation import Invocation
from turso_deploy.core.errors import DeployError
from turso_deploy.deploy.deploy import accept_drift as accept
from turso_deploy.report.document import DatabaseLine, Report
from turso_deploy.settings.reader import NamedDatabase, all_databases


def history(invocation: Invocation) -> Report:
    """List the deployments of the database, or show one."""
    settings = invocation.settings
    with invocation.open_database() as database:
        return show_history(database, number=settings.deployment, limit=settings.limit)


def accept_drift(invocation: Invocation) -> Report:
    """Record what others changed in the database as part of it."""
    with invocation.load_project() as project, invocation.open_database() as database:
        return accept(project, database, provenance=invocation.provenance)


def status(invocation: Invocation) -> Report:
    """Report the state of each database of the settings file. One that cannot be read does not hide the others."""
    started = time.monotonic()
    lines = list[DatabaseLine]()
    for named in all_databases(invocation.sources):
        one = invocation._replace(settings=named.settings, credentials=Credentials())
        lines.append(_line(named, one))
    report = status_report(lines, invocation.credentials.sent.number)
    return replace(report, duration_ms=round((time.monotonic() - started) * 1000))


def _line(named: NamedDatabase, invocation: Invocation) -> DatabaseLine:
    """Return the line of a database."""
    try:
        require_database(named.settings, invocation.context)
        with invocation.load_project() as project, invocation.open_database() as database:
            return status_of(named.name, project, database)
    except DeployError as error:
        return failed_line(named.name, invocation.runner.redacted(named.settings.named_database), error)
