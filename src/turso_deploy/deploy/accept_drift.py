"""Accept drift: record the catalog of a database as that of its last deployment, and change nothing else."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from turso_deploy import __version__
from turso_deploy.core.errors import ErrorCode, PlanError
from turso_deploy.core.progress import report_step
from turso_deploy.core.transaction import Transaction
from turso_deploy.deploy.batch import Batch, BatchId, BatchKind
from turso_deploy.deploy.deployment import Deployment
from turso_deploy.history.catalogs import deployed_catalog, store
from turso_deploy.history.drift import find_drift
from turso_deploy.history.entries import HistoryEntry, entry_steps, read_back_step
from turso_deploy.history.last_deployment import LastDeployment
from turso_deploy.history.table import require_reliable, table_steps
from turso_deploy.pending.changes import PendingChanges
from turso_deploy.plan.plan import Plan
from turso_deploy.seeds.steps import SeedPlan
from turso_deploy.transaction.assemble import Assembly
from turso_deploy.transaction.database_state import (
    STATE_QUERIES,
    DatabaseState,
    expected_form,
    guard_step,
    parse_state,
)


def pending_acceptance(deployment: Deployment) -> PendingChanges:
    """Read the database, and return a plan without steps, to record the catalog that the database has.

    Raises PlanError (`plan-impossible`) for a database that was never deployed to.
    """
    ignore = deployment.project.manifest.ignore
    report_step("reading the database")
    with expected_form():
        state = parse_state(deployment.database.query(STATE_QUERIES), ignore)
    require_reliable(state.catalog)
    if state.last_deployment is None:
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            "There is no drift to accept, because nothing was deployed to this database yet.",
            hint="`turso-deploy deploy` makes the first deployment over an existing database.",
        )
    is_known = find_drift(state.last_deployment, state.catalog, ignore).exists is False
    return PendingChanges(state, Plan((), (), state.catalog), (), (), (), history_is_outdated=not is_known)


def acceptance_batch(deployment: Deployment, pending: PendingChanges, deadline: int | None) -> Batch:
    """Return the transaction that adds a row to the deployment history, and changes nothing else."""
    state, last = pending.state, pending.state.last_deployment
    assert last is not None
    batch_id = BatchId(str(uuid.uuid4()), BatchKind.WHOLE)
    entry = _entry(deployment, batch_id.deployment_id, state, last)
    steps = (guard_step(state, deadline), *table_steps(state.catalog), *entry_steps(entry), read_back_step(entry))
    assembly = Assembly(Transaction(steps), (), SeedPlan(), pending.plan)
    return Batch(batch_id, assembly, (), deadline, deployment.database.size(assembly.transaction))


def _entry(deployment: Deployment, deployment_id: str, state: DatabaseState, last: LastDeployment) -> HistoryEntry:
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
        provenance=deployment.provenance,
        command=deployment.command,
        previous_version=last.schema_version,
        started_at=state.started_at,
        checks_fingerprint=last.checks,
        catalog=store(deployed_catalog(state.catalog, deployment.project.manifest.ignore)),
    )
