"""The last deployment, as the deployment history records it, and the queries for earlier schemas and versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.core.transaction import Query, Rows, whole_number
from turso_deploy.core.versions import parse_version
from turso_deploy.history.stored_catalog import StoredCatalog
from turso_deploy.sql.lexer import canonical_tokens
from turso_deploy.sql.schema import Schema, key_of, title

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# Fails with "no such table" on a database that was never deployed to, which is read as an empty history.
LAST_DEPLOYMENT_QUERY = Query(
    "SELECT id, schema_version, schema_fingerprint, seeds, managed_objects, scripts, number, deployed_at "
    f"FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1"
)

# Fails with "no such column" on a history of an older form. A catalog is stored once, in the first row that has it.
BASELINE_QUERY = Query(
    f"""SELECT last.id, last.checks_fingerprint, last.catalog_fingerprint, (
  SELECT stored.catalog FROM {HISTORY_TABLE} AS stored
  WHERE stored.catalog_fingerprint = last.catalog_fingerprint AND stored.catalog IS NOT NULL
  ORDER BY stored.number DESC LIMIT 1
) FROM {HISTORY_TABLE} AS last ORDER BY last.number DESC LIMIT 1"""
)

# Gives no row unless the schema ?1 was deployed and is not the last one. If it is the last one, one row is read.
_PAST_SCHEMAS = f"""SELECT schema_fingerprint FROM {HISTORY_TABLE} WHERE number >= (
  SELECT CASE WHEN schema_fingerprint IS NOT ?1
    AND EXISTS (SELECT 1 FROM {HISTORY_TABLE} WHERE schema_fingerprint = ?1)
    THEN (SELECT min(number) FROM {HISTORY_TABLE}) END
  FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1
) ORDER BY number"""


# Candidates for a semantic version, the last one first. If the last deployment has one, no other row is read.
_PAST_VERSIONS = f"""SELECT schema_version FROM {HISTORY_TABLE} WHERE ?1 AND schema_version GLOB '*[0-9].[0-9]*.[0-9]*'
ORDER BY number DESC LIMIT (
  SELECT iif(schema_version GLOB '*[0-9].[0-9]*.[0-9]*' AND NOT schema_version GLOB '*.0[0-9]*', 0, 100)
  FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1
)"""


class LastDeployment(NamedTuple):
    """The last row of the deployment history.

    `seeds` maps a table to the fingerprint of its seed rows, or to a `partial_mark` of it; `scripts` maps each script
    that was ever run to its checksum; `managed` holds the objects that were deployed. `baseline` is the catalog after
    it, and `checks` the fingerprint of the checks of rows that held; each None if an older program wrote the row.
    """

    id: str
    schema_version: str | None
    schema_fingerprint: str
    seeds: Mapping[str, str]
    managed: frozenset[str]
    scripts: Mapping[str, str]
    number: int = 0
    deployed_at: str = ""
    baseline: StoredCatalog | None = None
    checks: str | None = None


def parse_last_deployment(rows: Rows) -> LastDeployment | None:
    """Parse the answer to `LAST_DEPLOYMENT_QUERY`; None for an empty history. Raises ValueError for damaged values."""
    if not rows.rows:
        return None
    *values, number, deployed_at = rows.rows[0]
    known = LastDeployment(*_row_type().validate_python(values))
    return known._replace(number=whole_number(number), deployed_at=str(deployed_at))


@cache
def _row_type() -> TypeAdapter[tuple[Any, ...]]:
    """Return the type of the answer's row, in which three columns are JSON."""
    from pydantic import Json, TypeAdapter

    checksums = Json[dict[str, str]]
    return TypeAdapter(tuple[str, str | None, str, checksums, Json[frozenset[str]], checksums])


def parse_baseline(rows: Rows) -> tuple[str, str | None, StoredCatalog | None]:
    """Parse the answer to `BASELINE_QUERY`: the id of the last deployment, its checks, and the catalog after it.

    A catalog of another type than a blob is damaged, and returned as one without content.
    """
    [[deployment_id, checks, fingerprint, catalog]] = rows.rows
    checks = None if checks is None else str(checks)
    if fingerprint is None:
        return str(deployment_id), checks, None
    stored = catalog if catalog is None or isinstance(catalog, bytes) else b""
    return str(deployment_id), checks, StoredCatalog(str(fingerprint), stored)


def managed_names(schema: Schema) -> frozenset[str]:
    """Return the objects of a schema as the deployment history names them, such as `table users`."""
    return frozenset(map(title, schema.objects()))


def past_schemas_query(fingerprint: str) -> Query:
    """Return the query for the schemas of all deployments, the oldest first.

    It returns none if the schema with this fingerprint is the last of them or was never deployed. Like
    `LAST_DEPLOYMENT_QUERY` it fails on a database that was never deployed to.
    """
    return Query(_PAST_SCHEMAS, (fingerprint,))


def past_version_query(version: str | None) -> Query:
    """Return the query for earlier versions, the last one first, if the last deployment has no semantic one.

    It returns none if `version`, that of the folder, is not semantic, because then no versions are compared.
    """
    return Query(_PAST_VERSIONS, (int(parse_version(version) is not None),))


def schema_fingerprint(schema: Schema) -> str:
    """Return a SHA-256 over the definitions of all objects, independent of their order and of spelling."""
    return _sha256(sorted([*key_of(item), *canonical_tokens(item.sql)] for item in schema.objects()))


def seeds_fingerprint(seeds: Mapping[str, str]) -> str:
    """Return a SHA-256 over the fingerprints of all seeded tables."""
    return _sha256(sorted(seeds.items()))


def _sha256(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()
