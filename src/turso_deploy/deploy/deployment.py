"""The context of a deployment: what is deployed, to which database, with which approvals, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from turso_deploy.core.transaction import Query
from turso_deploy.database.interface import Database
from turso_deploy.history.entries import Provenance
from turso_deploy.pending.approvals import ManifestApprovals
from turso_deploy.plan.hazards import Advice, Approval, no_advice
from turso_deploy.project.project import Project
from turso_deploy.stored_plan.expected_plan import ExpectedPlan
from turso_deploy.transaction.database_state import DatabaseState

NO_PROVENANCE = Provenance()
"""The provenance of a deployment outside of a pipeline."""


class Deployment(NamedTuple):
    """One project, one database, and the terms of deploying the one to the other.

    `approvals` are the hazards that may be executed, `provenance` is recorded in the deployment history. With
    `show_keys` the report names live rows by text keys, too. `advice` says how to approve a hazard in the manifest.
    """

    project: Project
    database: Database
    approvals: Sequence[Approval] = ()
    provenance: Provenance = NO_PROVENANCE
    show_keys: bool = False
    command: str = "deploy"
    """The command, as the deployment history records it."""
    advice: Advice = no_advice
    expected: ExpectedPlan | None = None
    """The plan that the deployment has to have; None if it may have any."""
    plan_fingerprint: str | None = None
    """The fingerprint of its plan, as the deployment history records it."""

    @property
    def further_queries(self) -> Sequence[Query]:
        """What the expected plan asks of the database, in the request that reads it."""
        return self.expected.queries if self.expected else ()

    def with_manifest(self, state: DatabaseState) -> Deployment:
        """Return the deployment with the approvals in the manifest that count for a database in this state."""
        found = approvals_in_manifest(self.project, state)
        return self._replace(approvals=(*self.approvals, *found.counting), advice=found.advice)


def approvals_in_manifest(project: Project, state: DatabaseState) -> ManifestApprovals:
    """Return the approvals in the manifest of a project, with regard to a database in this state."""
    last = state.last_deployment
    return ManifestApprovals(project, last.schema_version if last else None)
