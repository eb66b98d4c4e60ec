"""Drift: the difference between a database and the catalog that its last deployment left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.diff import diff
from turso_deploy.history.catalogs import DeployedCatalog, deployed_catalog, restore
from turso_deploy.history.last_deployment import LastDeployment, managed_names, schema_fingerprint
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, title


class Drift(NamedTuple):
    """A comparison of a database with its last deployment.

    `before` is the schema that the deployment left, `after` that of the database; both are without ignored objects.
    `before` is None if it is not known, and `unknown` says why, or which objects could not be compared.
    """

    before: Schema | None
    after: Schema
    unknown: str = ""
    is_damaged: bool = False
    """True if the catalog in the deployment history is damaged, or gone."""

    @property
    def exists(self) -> bool | None:
        """True if the database is not as it was last deployed; None if that is not known."""
        if self.before is None:
            return None
        if self.before is not self.after and any(diff(self.before, self.after)):
            return True
        return None if self.unknown else False


OLDER_HISTORY = "a version of turso-deploy without catalogs in its history made the last deployment"


def find_drift(last: LastDeployment, live: Catalog, ignore: Sequence[str], wanted: Schema | None = None) -> Drift:
    """Compare a database with its last deployment.

    Objects that the manifest ignores, now or when it was deployed, are left out. If the history has no catalog, the
    managed objects are compared with the folder (`wanted`), provided that it was the last one deployed, or with the
    recorded fingerprint of the schema.
    """
    if last.baseline is None:
        return _without_catalog(last, live.schema, wanted)
    fingerprint, content = last.baseline
    if content is None:
        reason = "the catalog after the last deployment is in no row of the deployment history"
        return Drift(None, live.schema, reason, is_damaged=True)
    try:
        return compare_with(restore(fingerprint, content), live, ignore)
    except ValueError as error:
        reason = f"the catalog in the deployment history is damaged: {error}"
        return Drift(None, live.schema, reason, is_damaged=True)


def compare_with(deployed: DeployedCatalog, live: Catalog, ignore: Sequence[str]) -> Drift:
    """Compare a database with a catalog of its history. Raises ValueError if SQL in that cannot be read."""
    patterns = tuple(dict.fromkeys((*ignore, *deployed.ignored)))
    if len(patterns) > len(ignore):
        live = read_catalog(live.rows, live.shadows, patterns)
    if sorted(deployed_catalog(live, ()).rows) == sorted(deployed.rows):
        return Drift(live.schema, live.schema)
    return Drift(deployed.read(patterns).schema, live.schema)


def _without_catalog(last: LastDeployment, live: Schema, wanted: Schema | None) -> Drift:
    """Compare the managed objects only. What others created, or changed of theirs, is not known."""
    managed = _restricted(live, last.managed)
    if wanted is not None and schema_fingerprint(wanted) == last.schema_fingerprint:
        return Drift(wanted, _restricted(live, managed_names(wanted) | last.managed), OLDER_HISTORY)
    if schema_fingerprint(managed) == last.schema_fingerprint:
        return Drift(managed, managed, OLDER_HISTORY)
    return Drift(None, live, OLDER_HISTORY)


def _restricted(schema: Schema, names: frozenset[str]) -> Schema:
    """Return the schema with the objects of these names, such as `table users`, only."""
    kept = {fold_case(name) for name in names}
    return replace(
        schema,
        all_tables={key: item for key, item in schema.all_tables.items() if fold_case(title(item)) in kept},
        indexes={key: item for key, item in schema.indexes.items() if fold_case(title(item)) in kept},
        views={key: item for key, item in schema.views.items() if fold_case(title(item)) in kept},
        triggers={key: item for key, item in schema.triggers.items() if fold_case(title(item)) in kept},
    )
