"""A row of the deployment history that a deployment writes, and how it is found again.

The row is written in the deployment's own transaction. A deployment of several transactions inserts it in the first of
them and updates it in the others, each time with a new id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.core.transaction import Purpose, Query, Rows, TransactionStep, Value
from turso_deploy.history.last_deployment import seeds_fingerprint
from turso_deploy.history.seed_records import record_steps
from turso_deploy.history.stored_catalog import StoredCatalog

READ_BACK = f"read the deployment back from {HISTORY_TABLE}"
"""The label of the step that proves that a deployment is recorded."""

# The columns that each transaction of one deployment updates.
_UPDATED_COLUMNS = (
    "id",
    "deployed_at",
    "schema_version",
    "seeds_fingerprint",
    "seeds",
    "scripts",
    "checks_fingerprint",
)

# The server's clock when the row is written; `started_at` is the same clock when the database was read.
_DURATION = "CAST(round((julianday('now') - julianday({started_at})) * 86400000) AS INTEGER)"


class Provenance(NamedTuple):
    """The origin of a deployment as its history row records it; what is not known is None."""

    commit_sha: str | None = None
    ref: str | None = None
    run_url: str | None = None
    actor: str | None = None
    restore_point: str | None = None
    """The restore point before the deployment: a timestamp, or the name of a branch."""


class ApprovedHazard(NamedTuple):
    """A hazard that a deployment carried out because it was approved, and where the approval was given."""

    name: str
    object: str
    rows: int | None
    source: str


class RecordedRename(NamedTuple):
    """A rename that a deployment made. `table` is the new name of the table of a column."""

    kind: Literal["table", "column"]
    table: str
    old: str
    new: str


class RecordedBackfill(NamedTuple):
    """An `@using` expression that a deployment followed."""

    table: str
    column: str
    expression: str


class HistoryEntry(NamedTuple):
    """A row of the deployment history to be written.

    `continues` is the id of the last row if that is of the same deployment: it is updated in place of a new row.
    """

    id: str
    deployed_at: str
    schema_version: str | None
    schema_fingerprint: str
    seeds: Mapping[str, str]
    managed: frozenset[str]
    scripts: Mapping[str, str]
    tool_version: str
    plan_summary: Mapping[str, int]
    provenance: Provenance = Provenance()
    continues: str | None = None
    seed_records: Mapping[str, str] = MappingProxyType({})
    """The JSON of the record of each table whose seeds this deployment completes; `null` removes it."""
    completed: frozenset[str] = frozenset()
    """The tables of which this transaction deploys the last seed rows: their earlier records end."""
    command: str = "deploy"
    """The command that made the deployment."""
    previous_version: str | None = None
    started_at: str | None = None
    """The time by the server's clock at which the database was read."""
    approved_hazards: tuple[ApprovedHazard, ...] = ()
    renames: tuple[RecordedRename, ...] = ()
    """In the order in which they were made."""
    backfills: tuple[RecordedBackfill, ...] = ()
    plan_fingerprint: str | None = None
    """The fingerprint of the plan that the deployment carries out."""
    catalog: StoredCatalog | None = None
    """The catalog after the deployment."""
    checks_fingerprint: str | None = None
    """The fingerprint of the checks of rows that held; None if they are not known."""


def entry_steps(entry: HistoryEntry) -> list[TransactionStep]:
    """Return the steps that record a deployment."""
    return [entry_step(entry), *record_steps(entry.seed_records, entry.completed)]


def entry_step(entry: HistoryEntry) -> TransactionStep:
    """Return the step that inserts or updates the row of a deployment, without the records of seeded rows."""
    values = _values(entry)
    query = _insert(values, entry.catalog) if entry.continues is None else _update(values, entry.continues)
    return TransactionStep(query, Purpose.HISTORY, f"record the deployment in {HISTORY_TABLE}")


def _insert(values: Mapping[str, Value], catalog: StoredCatalog | None) -> Query:
    """Return the statement that inserts a row. It stores the catalog unless another row holds the same."""
    terms = {name: f"?{number}" for number, name in enumerate(values, start=1)}
    terms["duration_ms"] = _DURATION.format(started_at=terms["started_at"])
    arguments = [*values.values()]
    if catalog and catalog.content is not None:
        arguments.append(catalog.content)
        content, fingerprint = f"?{len(arguments)}", terms["catalog_fingerprint"]
        # The contents are compared as well, so that a damaged one is replaced.
        same = f"catalog_fingerprint = {fingerprint} AND catalog = {content}"
        terms["catalog"] = f"iif(EXISTS (SELECT 1 FROM {HISTORY_TABLE} WHERE {same}), NULL, {content})"
    sql = f"INSERT INTO {HISTORY_TABLE} ({', '.join(terms)}) VALUES ({', '.join(terms.values())})"
    return Query(sql, tuple(arguments))


def _update(values: Mapping[str, Value], continues: str) -> Query:
    assignments = [f"{name} = ?{number}" for number, name in enumerate(_UPDATED_COLUMNS, start=2)]
    assignments.append(f"duration_ms = {_DURATION.format(started_at='started_at')}")
    sql = f"UPDATE {HISTORY_TABLE} SET {', '.join(assignments)} WHERE id = ?1"
    return Query(sql, (continues, *(values[name] for name in _UPDATED_COLUMNS)))


def _values(entry: HistoryEntry) -> dict[str, Value]:
    """Return the columns of the row of a deployment that are given as arguments."""
    return {
        "id": entry.id,
        "deployed_at": entry.deployed_at,
        "schema_version": entry.schema_version,
        "schema_fingerprint": entry.schema_fingerprint,
        "seeds_fingerprint": seeds_fingerprint(entry.seeds),
        "seeds": _json(dict(sorted(entry.seeds.items()))),
        "commit_sha": entry.provenance.commit_sha,
        "ref": entry.provenance.ref,
        "run_url": entry.provenance.run_url,
        "actor": entry.provenance.actor,
        "tool_version": entry.tool_version,
        "managed_objects": _json(sorted(entry.managed)),
        "scripts": _json(dict(sorted(entry.scripts.items()))),
        "plan_summary": _json(dict(entry.plan_summary)),
        "backup": entry.provenance.restore_point,
        "command": entry.command,
        "previous_version": entry.previous_version,
        "started_at": entry.started_at,
        "approved_hazards": _json([hazard._asdict() for hazard in entry.approved_hazards]),
        "renames": _json([rename._asdict() for rename in entry.renames]),
        "backfills": _json([backfill._asdict() for backfill in entry.backfills]),
        "plan_fingerprint": entry.plan_fingerprint,
        "checks_fingerprint": entry.checks_fingerprint,
        "catalog_fingerprint": entry.catalog.fingerprint if entry.catalog else None,
    }


def read_back_step(entry: HistoryEntry) -> TransactionStep:
    """Return the step that fails unless the row of a deployment is the last one, as it was written.

    A trigger, or a constraint that another program gave the table, may skip, delete or change it. A deployment that the
    history does not know would run its scripts again. The step returns the id, so that the reply to another transaction
    cannot be taken for the one to this.
    """
    values = _values(entry)
    compared = ["id", "schema_version", "seeds_fingerprint", "seeds", "scripts", "checks_fingerprint"]
    if entry.continues is None:
        compared.append("catalog_fingerprint")
    same = " AND ".join(f"{name} IS ?{number}" for number, name in enumerate(compared, start=1))
    found = f"SELECT count(*) FROM {HISTORY_TABLE} WHERE {same} AND number = (SELECT max(number) FROM {HISTORY_TABLE})"
    sql = f"SELECT iif(({found}) = 1, ?1, json('the deployment is not recorded'))"
    return TransactionStep(Query(sql, tuple(values[name] for name in compared)), Purpose.CHECK, READ_BACK)


def lookup_query(deployment_id: str) -> Query:
    """Return the query for a deployment, whose answer `is_committed` reads."""
    found = f"EXISTS (SELECT 1 FROM {HISTORY_TABLE} WHERE id = ?1)"
    return Query(f"SELECT iif({found}, 'committed ', 'not committed ') || ?1", (deployment_id,))


def is_committed(deployment_id: str, answer: Rows) -> bool:
    """Return True if the answer to `lookup_query` shows the deployment. Raises ValueError for any other answer.

    Both answers name the deployment, so that neither can be one to another query, or one without its rows.
    """
    [[text]] = answer.rows
    if text not in (f"committed {deployment_id}", f"not committed {deployment_id}"):
        raise ValueError("not an answer to this query")
    return text == f"committed {deployment_id}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
