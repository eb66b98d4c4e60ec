"""The deployment history: the table `schema_deployments`, one row a deployment, written in the deployment's own transaction.

A deployment of several transactions writes its row in the first of them, and the others bring it up to date, each under
an id of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType

from msgspec import Struct
from msgspec.json import decode

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.core.transaction import Purpose, Query, Rows, TransactionStep
from turso_deploy.sql.schema import Schema, title

_CREATE = f"""CREATE TABLE {HISTORY_TABLE} (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  deployed_at TEXT NOT NULL,
  schema_version TEXT,
  schema_fingerprint TEXT NOT NULL,
  seeds_fingerprint TEXT NOT NULL,
  seeds TEXT NOT NULL,
  commit_sha TEXT,
  ref TEXT,
  run_url TEXT,
  actor TEXT,
  tool_version TEXT NOT NULL,
  managed_objects TEXT NOT NULL,
  scripts TEXT NOT NULL,
  plan_summary TEXT NOT NULL,
  backup TEXT
)"""

_MARK = re.compile(r"([0-9a-f]+):([0-9]{1,18})")

# What is not the same in each transaction of one deployment.
_MOVING = ("id", "deployed_at", "schema_version", "seeds_fingerprint", "seeds", "scripts")

# Fails with "no such table" on a database that was never deployed to; the reader takes that as an empty history.
LAST_DEPLOYMENT_QUERY = Query(
    "SELECT id, schema_version, schema_fingerprint, seeds, managed_objects, scripts "
    f"FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1"
)


class Deployment(Struct, frozen=True):
    """What the deployment history says of the last deployment.

    `seeds` maps a table to the fingerprint of its seed rows (see `seeds_mark`), `scripts` the scripts that ever ran to
    their checksums.
    """

    id: str
    schema_version: str | None
    schema_fingerprint: str
    seeds: Mapping[str, str]
    managed: frozenset[str]
    scripts: Mapping[str, str]


class Provenance(Struct, frozen=True):
    """The origin of a deployment as its history row records it; all None outside of a pipeline."""

    commit_sha: str | None = None
    ref: str | None = None
    run_url: str | None = None
    actor: str | None = None
    backup: str | None = None
    """The restore point before the deployment: a moment, or the name of a branch."""


class Entry(Struct, frozen=True):
    """One row of the deployment history, to be written.

    `continues` is the id of the last row, when that is of the same deployment: it is brought up to date.
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


def seeds_mark(fingerprint: str, rows: int) -> str:
    """What stands for the seeds of a table of which so many rows are in, and others may follow."""
    return f"{fingerprint}:{rows}"


def rows_in(mark: str | None, fingerprint: str) -> int:
    """How many rows of the seeds with this fingerprint are in, by the mark of their table: none of any other."""
    found = _MARK.fullmatch(str(mark))
    return int(found[2]) if found and found[1] == fingerprint else 0


def last_deployment(rows: Rows) -> Deployment | None:
    """The answer to `LAST_DEPLOYMENT_QUERY`; None for an empty history. Raises ValueError for what is none."""
    if not rows.rows:
        return None
    identity, version, fingerprint, seeds, managed, scripts = rows.rows[0]
    return Deployment(
        str(identity),
        None if version is None else str(version),
        str(fingerprint),
        MappingProxyType(decode(str(seeds), type=dict[str, str])),
        decode(str(managed), type=frozenset[str]),
        MappingProxyType(decode(str(scripts), type=dict[str, str])),
    )


def managed_names(schema: Schema) -> frozenset[str]:
    """The objects of a schema as the deployment history names them, such as `table users`."""
    return frozenset(map(title, schema.objects()))


def schema_fingerprint(schema: Schema) -> str:
    """A SHA-256 over the SQL of all objects, whatever order the files hold them in."""
    return _sha256(sorted([item.kind, item.name, item.sql] for item in schema.objects()))


def seeds_fingerprint(seeds: Mapping[str, str]) -> str:
    """A SHA-256 over the fingerprints of all seeded tables."""
    return _sha256(sorted(seeds.items()))


def create_step() -> TransactionStep:
    """The step that makes the deployment history where there is none."""
    return TransactionStep(Query(_CREATE), Purpose.HISTORY, f"create {HISTORY_TABLE}")


def entry_step(entry: Entry) -> TransactionStep:
    """The step that writes a deployment down."""
    values = {
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
        "backup": entry.provenance.backup,
    }
    if entry.continues is None:
        places = ", ".join(f"?{number}" for number in range(1, len(values) + 1))
        query = Query(f"INSERT INTO {HISTORY_TABLE} ({', '.join(values)}) VALUES ({places})", tuple(values.values()))
    else:
        assignments = ", ".join(f"{name} = ?{number}" for number, name in enumerate(_MOVING, start=2))
        moved = (values[name] for name in _MOVING)
        query = Query(f"UPDATE {HISTORY_TABLE} SET {assignments} WHERE id = ?1", (entry.continues, *moved))
    return TransactionStep(query, Purpose.HISTORY, f"record the deployment in {HISTORY_TABLE}")


def lookup_query(deployment_id: str) -> Query:
    """Whether a deployment is in the deployment history: one row when it committed, none when it did not."""
    return Query(f"SELECT 1 FROM {HISTORY_TABLE} WHERE id = ?1", (deployment_id,))


def _sha256(value: object) -> str:
    return sha256(_json(value).encode()).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
