"""The deployment history: the table `schema_deployments`, with one row for each deployment.

The row is written in the deployment's own transaction. A deployment of several transactions inserts it in the first of
them and updates it in the others, each time with a new id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE, Catalog
from turso_deploy.core.transaction import Purpose, Query, Rows, TransactionStep
from turso_deploy.core.versions import parse_version
from turso_deploy.seeds.trigger_effects import writes_of
from turso_deploy.sql.lexer import SqlTextError, canonical_tokens, fold_case, quote_identifier
from turso_deploy.sql.schema import Schema, key_of, title

if TYPE_CHECKING:
    from pydantic import TypeAdapter

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
  backup TEXT,
  seed_rows TEXT
)"""
SEED_ROWS_COLUMN = "seed_rows"
"""The column that the first versions of the table lack: the record of the seeded rows, in one row of the table only."""

READ_BACK = f"read the deployment back from {HISTORY_TABLE}"
"""The label of the step that proves that a deployment is recorded."""

_LATEST_RECORD = f"(SELECT max(number) FROM {HISTORY_TABLE} WHERE {SEED_ROWS_COLUMN} IS NOT NULL)"

_MARK = re.compile(r"([0-9a-f]+):([0-9]{1,18})")

# The columns that each transaction of one deployment updates.
_UPDATED_COLUMNS = ("id", "deployed_at", "schema_version", "seeds_fingerprint", "seeds", "scripts")

# Fails with "no such table" on a database that was never deployed to, which is read as an empty history.
LAST_DEPLOYMENT_QUERY = Query(
    "SELECT id, schema_version, schema_fingerprint, seeds, managed_objects, scripts "
    f"FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1"
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
    that was ever run to its checksum; `managed` holds the objects that were deployed.
    """

    id: str
    schema_version: str | None
    schema_fingerprint: str
    seeds: Mapping[str, str]
    managed: frozenset[str]
    scripts: Mapping[str, str]


class Provenance(NamedTuple):
    """The origin of a deployment as its history row records it; all None outside of a pipeline."""

    commit_sha: str | None = None
    ref: str | None = None
    run_url: str | None = None
    actor: str | None = None
    restore_point: str | None = None
    """The restore point before the deployment: a timestamp, or the name of a branch."""


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


def partial_mark(fingerprint: str, rows: int) -> str:
    """Return the record of a table's seeds of which the first `rows` rows are deployed."""
    return f"{fingerprint}:{rows}"


def rows_deployed(mark: str | None, fingerprint: str) -> int:
    """Return the number of rows that a `partial_mark` records for seeds with this fingerprint; 0 for other seeds."""
    found = _MARK.fullmatch(str(mark))
    return int(found[2]) if found and found[1] == fingerprint else 0


def parse_last_deployment(rows: Rows) -> LastDeployment | None:
    """Parse the answer to `LAST_DEPLOYMENT_QUERY`; None for an empty history. Raises ValueError for damaged values."""
    if not rows.rows:
        return None
    return LastDeployment(*_row_type().validate_python(rows.rows[0]))


@cache
def _row_type() -> TypeAdapter[tuple[Any, ...]]:
    """Return the type of the answer's row, in which three columns are JSON."""
    from pydantic import Json, TypeAdapter

    checksums = Json[dict[str, str]]
    return TypeAdapter(tuple[str, str | None, str, checksums, Json[frozenset[str]], checksums])


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


def create_step() -> TransactionStep:
    """Return the step that creates the table of the deployment history."""
    return TransactionStep(Query(_CREATE), Purpose.HISTORY, f"create {HISTORY_TABLE}")


def table_steps(catalog: Catalog) -> list[TransactionStep]:
    """Return the steps that create the table of the deployment history, or add the column that an older one lacks."""
    if not catalog.has_history:
        return [create_step()]
    if has_seed_records(catalog):
        return []
    sql = f"ALTER TABLE {HISTORY_TABLE} ADD COLUMN {SEED_ROWS_COLUMN} TEXT"
    return [TransactionStep(Query(sql), Purpose.HISTORY, f"add {SEED_ROWS_COLUMN} to {HISTORY_TABLE}")]


def has_seed_records(catalog: Catalog) -> bool:
    """Return True if the deployment history of a database can hold records of seeded rows."""
    return any(fold_case(row.name) == HISTORY_TABLE and SEED_ROWS_COLUMN in (row.sql or "") for row in catalog.rows)


def with_seed_records(catalog: Catalog) -> Catalog:
    """Return the catalog after a deployment, whose history can hold records of seeded rows."""
    if not catalog.has_history or has_seed_records(catalog):
        return catalog
    rows = (row._replace(sql=_CREATE) if fold_case(row.name) == HISTORY_TABLE else row for row in catalog.rows)
    return replace(catalog, rows=tuple(rows))


def recorded_groups_query(table: str) -> Query:
    """Return the query for the groups in the records of a table: id, JSON of the key, JSON of the hashed columns."""
    sql = f"SELECT {_GROUP_ID}, {_PART}->'$.key', {_PART}->'$.columns' FROM {_RECORDS} WHERE {_IS_TABLE}"
    return Query(sql, (table,))


def recorded_rows_query(table: str, live_table: str, key: Sequence[str]) -> Query:
    """Return the query for the recorded rows of a table with a key: group, JSON of the key's values, hash, presence.

    Presence is 1 if `live_table` has a row with that key. Rows of interrupted deployments come last, the newest at the
    end.
    """
    same = " AND ".join(
        f"live.{quote_identifier(name)} = ({_ITEM}->>'$[0][{position}]')" for position, name in enumerate(key)
    )
    return Query(
        f"SELECT {_GROUP_ID}, {_ITEM}->'$[0]', {_ITEM}->>'$[1]', "
        f"EXISTS (SELECT 1 FROM {quote_identifier(live_table)} AS live WHERE {same}) "
        f"FROM {_RECORDS}, json_each({_PART}, '$.rows') AS item WHERE {_IS_TABLE} AND {_PART}->'$.key' = ?2 "
        f"ORDER BY {_IS_PARTIAL}, {_GENERATION}",
        (table, _json(list(key))),
    )


def partial_record_name(table: str, first: int) -> str:
    """Return the name of the record of a table's rows from position `first`, until all its rows are deployed."""
    return f"{table}\n{first}"


# A record that is damaged counts as none: its rows count as never seeded, and the next deployment replaces it.
_VALID = "CASE WHEN json_valid({0}) THEN {0} ELSE '{{}}' END"
_IS_RECORD = "entry.type = 'array'"
_RECORDS = (
    f"{HISTORY_TABLE} AS history, json_each({_VALID.format(f'history.{SEED_ROWS_COLUMN}')}) AS entry, "
    f"json_each(CASE WHEN {_IS_RECORD} THEN entry.value ELSE '[]' END) AS part"
)
_PART = "(CASE part.type WHEN 'object' THEN part.value ELSE '{}' END)"
_ITEM = "(CASE item.type WHEN 'array' THEN item.value ELSE '[]' END)"
_GROUP_ID = "entry.key || '/' || part.key"
_IS_PARTIAL = "instr(entry.key, char(10)) > 0"
# The name of a partial record ends with a line feed for each time that its seeds were begun again since.
_GENERATION = "length(rtrim(entry.key, char(10))) - length(entry.key)"
_IS_EARLIER = "substr(entry.key, -1) = char(10)"
_TABLE_OF_ENTRY = "substr(entry.key, 1, instr(entry.key || char(10), char(10)) - 1)"
_IS_TABLE = f"history.number = {_LATEST_RECORD} AND {_TABLE_OF_ENTRY} = ?1"


def entry_steps(entry: HistoryEntry) -> list[TransactionStep]:
    """Return the steps that record a deployment."""
    steps = [entry_step(entry)]
    if entry.seed_records:
        # A merge patch (https://www.rfc-editor.org/rfc/rfc7396) replaces the records of some tables, which are arrays.
        # Interrupted deployments may follow each other, and each row holds what the last of them to reach it seeded.
        # So partial records stay until those of all rows are newer.
        patch = "{" + ",".join(f"{_json(name)}:{record}" for name, record in entry.seed_records.items()) + "}"
        names = [name.partition("\n") for name in entry.seed_records]
        whole = [table for table, _, first in names if not first]
        begun = [table for table, _, first in names if first == "0"]
        latest = f"SELECT {_VALID.format(SEED_ROWS_COLUMN)} FROM {HISTORY_TABLE} WHERE number = {_LATEST_RECORD}"
        is_whole, is_begun, is_completed = (
            f"{_TABLE_OF_ENTRY} IN (SELECT value FROM json_each(?{number}))" for number in (2, 3, 4)
        )
        kept = (
            f"SELECT json_group_object(entry.key || iif({_IS_PARTIAL} AND {is_begun}, char(10), ''), "
            f"json(entry.value)) FROM json_each(coalesce(({latest}), '{{}}')) AS entry "
            f"WHERE {_IS_RECORD} AND iif({_IS_PARTIAL}, "
            f"NOT {is_whole} AND NOT ({is_completed} AND ({is_begun} OR {_IS_EARLIER})), NOT {is_completed})"
        )
        last = f"number = (SELECT max(number) FROM {HISTORY_TABLE})"
        record = f"UPDATE {HISTORY_TABLE} SET {SEED_ROWS_COLUMN} = json_patch(({kept}), ?1) WHERE {last}"
        forget = (
            f"UPDATE {HISTORY_TABLE} SET {SEED_ROWS_COLUMN} = NULL WHERE {SEED_ROWS_COLUMN} IS NOT NULL AND NOT {last}"
        )
        label = f"record the seeded rows in {HISTORY_TABLE}"
        tables = (_json(whole), _json(begun), _json(sorted(entry.completed)))
        steps.append(TransactionStep(Query(record, (patch, *tables)), Purpose.HISTORY, label))
        steps.append(TransactionStep(Query(forget), Purpose.HISTORY, label))
    return steps


def entry_step(entry: HistoryEntry) -> TransactionStep:
    """Return the step that inserts or updates the row of a deployment, without the records of seeded rows."""
    values = _values(entry)
    if entry.continues is None:
        places = ", ".join(f"?{number}" for number in range(1, len(values) + 1))
        query = Query(f"INSERT INTO {HISTORY_TABLE} ({', '.join(values)}) VALUES ({places})", tuple(values.values()))
    else:
        assignments = ", ".join(f"{name} = ?{number}" for number, name in enumerate(_UPDATED_COLUMNS, start=2))
        updated = (values[name] for name in _UPDATED_COLUMNS)
        query = Query(f"UPDATE {HISTORY_TABLE} SET {assignments} WHERE id = ?1", (entry.continues, *updated))
    return TransactionStep(query, Purpose.HISTORY, f"record the deployment in {HISTORY_TABLE}")


def _values(entry: HistoryEntry) -> dict[str, str | None]:
    """Return the columns of the row of a deployment, without the records of seeded rows."""
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
    }


def read_back_step(entry: HistoryEntry) -> TransactionStep:
    """Return the step that fails unless the row of a deployment is the last one, as it was written.

    A trigger, or a constraint that another program gave the table, may skip, delete or change it. A deployment that the
    history does not know would run its scripts again.
    """
    values = _values(entry)
    compared = ("id", "schema_version", "seeds_fingerprint", "seeds", "scripts")
    same = " AND ".join(f"{name} IS ?{number}" for number, name in enumerate(compared, start=1))
    found = f"SELECT count(*) FROM {HISTORY_TABLE} WHERE {same} AND number = (SELECT max(number) FROM {HISTORY_TABLE})"
    sql = f"SELECT iif(({found}) = 1, 'ok', json('the deployment is not recorded'))"
    return TransactionStep(Query(sql, tuple(values[name] for name in compared)), Purpose.CHECK, READ_BACK)


def writing_triggers(catalog: Catalog) -> list[str]:
    """Return the names of the triggers on the history table, and of those on other tables that write to it.

    No deployment creates one. The manifest's `ignore` does not hide them.
    """
    return [
        row.name
        for row in catalog.rows
        if row.kind == "trigger" and (fold_case(row.table) == HISTORY_TABLE or _writes_to_history(row.sql or ""))
    ]


def _writes_to_history(sql: str) -> bool:
    if HISTORY_TABLE not in fold_case(sql):
        return False
    try:
        return any(table == HISTORY_TABLE for table, _ in writes_of(canonical_tokens(sql)))
    except SqlTextError:
        return True


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


def _sha256(value: object) -> str:
    return sha256(_json(value).encode()).hexdigest()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
