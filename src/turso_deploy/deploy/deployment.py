"""The context of a deployment: what is deployed, to which database, with which approvals, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from turso_deploy.database.interface import Database
from turso_deploy.history.entries import Provenance
from turso_deploy.plan.hazards import Approval
from turso_deploy.project.project import Project

NO_PROVENANCE = Provenance()
"""The provenance of a deployment outside of a pipeline."""


class Deployment(NamedTuple):
    """One project, one database, and the terms of deploying the one to the other.

    `approvals` are the hazards that may be executed, `provenance` is recorded in the deployment history. With
    `show_keys` the report names live rows by text keys, too.
    """

    project: Project
    database: Database
    approvals: Sequence[Approval] = ()
    provenance: Provenance = NO_PROVENANCE
    show_keys: bool = False
    command: str = "deploy"
    """The command, as the deployment history records it."""
