"""Compare a project with what was last deployed: the schema by meaning, seeds, scripts and version, without a plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from turso_deploy.catalog.diff import Difference, diff
from turso_deploy.core.text import enumerated
from turso_deploy.history.drift import Drift
from turso_deploy.history.last_deployment import LastDeployment, managed_names
from turso_deploy.project.project import Project
from turso_deploy.project.scripts import NEEDED
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import target_of, title


class Undeployed(NamedTuple):
    """What a project has and the last deployment had not.

    `difference` compares the schema of the folder with the one that was deployed; its extra objects are those that the
    next deployment drops. `seeds` are the tables whose seeds are not deployed, `scripts` the names of scripts that have
    not run. `other` is True if only the record in the deployment history differs: the version, the managed objects, or
    the checks of rows.
    """

    difference: Difference
    seeds: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    other: bool = False

    @property
    def exists(self) -> bool:
        """True if there is something to deploy."""
        return bool(any(self.difference) or self.seeds or self.scripts or self.other)

    def concerns(self, table: str) -> bool:
        """Return True if a deployment may change the rows of a table, or create it."""
        changed = {target_of(change.object) for changes in self.difference for change in changes}
        return bool(self.scripts) or fold_case(table) in changed | set(map(fold_case, self.seeds))

    def notices(self) -> Iterator[str]:
        """Yield sentences about what the changes of objects do not show."""
        if self.seeds:
            yield f"Seeds that are not deployed: {enumerated(self.seeds, 'table')}."
        if self.scripts:
            yield f"Scripts that have not run: {enumerated(self.scripts, 'script')}."


def find_undeployed(project: Project, last: LastDeployment | None, drift: Drift) -> Undeployed:
    """Compare a project with the last deployment; with the database if it is not known what was deployed."""
    deployed = drift.after if drift.before is None else drift.before
    found = diff(project.wanted, deployed)
    if last is None:
        seeds = tuple(seed.table for seed in project.seeds if any(found))
        return Undeployed(found._replace(extra=()), seeds)
    managed = {fold_case(name) for name in last.managed}
    dropped = tuple(change for change in found.extra if fold_case(title(change.object)) in managed)
    return Undeployed(
        found._replace(extra=dropped),
        tuple(seed.table for seed in project.seeds if last.seeds.get(seed.table) != seed.fingerprint),
        tuple(script.name for script in project.scripts if last.scripts.get(script.name, NEEDED) == NEEDED),
        (last.schema_version, last.managed) != (project.manifest.schema_version, managed_names(project.wanted))
        or has_other_checks(project, last),
    )


def has_other_checks(project: Project, last: LastDeployment) -> bool:
    """Return True if the manifest has checks of rows, and others than those that the last deployment made.

    Without any there is nothing to make, as in a folder that `pull` wrote.
    """
    wanted = project.manifest.checks_fingerprint
    return bool(project.earlier is None and wanted and last.checks is not None and last.checks != wanted)
