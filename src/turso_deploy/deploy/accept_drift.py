"""Accept drift: record the catalog of a database as that of its last deployment, without changing anything else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from turso_deploy import __version__
from turso_deploy.core.errors import ErrorCode, PlanError
from turso_deploy.core.progress import report_step
from turso_deploy.core.transaction import Transaction
from turso_deploy.database.interface import Database
from turso_deploy.deploy.batch import Batch, BatchId, BatchKind
from turso_deploy.deploy.deploy import DeploymentRun
from turso_deploy.deploy.deployment import NO_PROVENANCE, Deployment
from turso_deploy.history.catalogs import deployed_catalog, store
from turso_deploy.history.drift import find_drift
from turso_deploy.history.entries import HistoryEntry, Provenance, entry_steps, read_back_step
from turso_deploy.history.last_deployment import LastDeployment
from turso_deploy.history.table import require_reliable, table_steps
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.plan.plan import Plan
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status
from turso_deploy.seeds.steps import SeedPlan
from turso_deploy.transaction.assemble import Assembly
from turso_deploy.transaction.database_state import (
    STATE_QUERIES,
    DatabaseState,
    expected_form,
    guard_step,
    parse_state,
)


def accept_drift(project: Project, database: Database, *, provenance: Provenance = NO_PROVENANCE) -> Report:
    """Record what others changed in a database as part of it, and return the report, also of a failure.

    A row is added to the deployment history: the deployment before it, with the catalog of the database. No object and
    no other row changes. `project` says which objects are ignored. Raises InputError (`input-invalid`) for a project
    that is closed, before any request.
    """
    project.require_open()
    return _Acceptance(Deployment(project, database, provenance=provenance, command="accept-drift")).result()


class _Acceptance(DeploymentRun):
    """A deployment of the catalog that the database has."""

    done = Status.ACCEPTED

    def find_pending(self) -> PendingChanges:
        """Read the database, and return a plan without steps.

        Raises PlanError (`plan-impossible`) for a database that was never deployed to.
        """
        ignore = self.deployment.project.manifest.ignore
        report_step("reading the database")
        with expected_form():
            state = parse_state(self.deployment.database.query(STATE_QUERIES), ignore)
        require_reliable(state.catalog)
        if state.last_deployment is None:
            raise PlanError(
                ErrorCode.PLAN_IMPOSSIBLE,
                "There is no drift to accept, because nothing was deployed to this database yet.",
                hint="`turso-deploy deploy` makes the first deployment over an existing database.",
            )
        is_known = find_drift(state.last_deployment, state.catalog, ignore).exists is False
        return PendingChanges(state, Plan((), (), state.catalog), (), (), (), history_is_outdated=not is_known)

    def report_pending(self, pending: PendingChanges) -> None:
        """Add nothing: the report has the drift already."""

    def require_allowed(self, pending: PendingChanges) -> None:
        """Allow everything: nothing but the history is written."""

    def batches(self, pending: PendingChanges) -> Iterator[Batch]:
        """Yield the transaction that adds the row."""
        state, last = pending.state, pending.state.last_deployment
        assert last is not None
        batch_id = BatchId(str(uuid.uuid4()), BatchKind.WHOLE)
        entry = self._entry(batch_id.deployment_id, state, last)
        deadline = self.submission.deadline(state)
        steps = (
            guard_step(state, deadline),
            *table_steps(state.catalog),
            *entry_steps(entry),
            read_back_step(entry),
        )
        assembly = Assembly(Transaction(steps), (), SeedPlan(), pending.plan)
        size = self.deployment.database.size(assembly.transaction)
        yield Batch(batch_id, assembly, (), deadline, size)

    def _entry(self, deployment_id: str, state: DatabaseState, last: LastDeployment) -> HistoryEntry:
        """Return the row: that of the last deployment, with the catalog of the database."""
        return HistoryEntry(
            id=deployment_id,
            deployed_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            schema_version=last.schema_version,
            schema_fingerprint=last.schema_fingerprint,
            seeds=last.seeds,
            managed=last.managed,
            scripts=last.scripts,
            tool_version=__version__,
            plan_summary={},
            provenance=self.deployment.provenance,
            command=self.deployment.command,
            previous_version=last.schema_version,
            started_at=state.started_at,
            catalog=store(deployed_catalog(state.catalog, self.deployment.project.manifest.ignore)),
        )
