"""The rows of the deployment history, as the command `history` reads them; rows of older forms have gaps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.core.transaction import Answers, Failure, Query, Rows, Value, whole_number
from turso_deploy.history.stored_catalog import StoredCatalog

_FIRST = (
    *("number", "id", "deployed_at", "schema_version", "commit_sha", "ref", "run_url", "actor", "tool_version"),
    *("plan_summary", "backup"),
    "lag(schema_version) OVER (ORDER BY number)",
)
_ADDED = (
    *("command", "previous_version", "started_at", "duration_ms", "approved_hazards", "renames", "backfills"),
    "plan_fingerprint",
    "catalog_fingerprint",
)

_STORED = f"""(SELECT stored.catalog FROM {HISTORY_TABLE} AS stored
  WHERE stored.catalog_fingerprint = one.catalog_fingerprint AND stored.catalog IS NOT NULL
  ORDER BY stored.number DESC LIMIT 1)"""


class PastDeployment(NamedTuple):
    """A row of the deployment history. What an older program did not record is None, and so is what is damaged.

    `steps` maps the kinds of steps to their numbers. `previous_version` of a row of an older program is the version of
    the row before.
    """

    number: int
    id: str
    deployed_at: str
    schema_version: str | None
    commit_sha: str | None
    ref: str | None
    run_url: str | None
    actor: str | None
    tool_version: str
    steps: Mapping[str, int] | None
    restore_point: str | None
    previous_version: str | None
    command: str | None = None
    started_at: str | None = None
    duration_ms: int | None = None
    approved_hazards: Sequence[Mapping[str, Any]] | None = None
    renames: Sequence[Mapping[str, Any]] | None = None
    backfills: Sequence[Mapping[str, Any]] | None = None
    plan_fingerprint: str | None = None
    catalog_fingerprint: str | None = None


def past_deployments_queries(limit: int) -> tuple[Query, ...]:
    """Return the queries for the last deployments, the newest first: for the present form, and for the first one.

    The first of them fails with "no such column" on a history of an older form.
    """
    return tuple(_rows_query(columns, "TRUE", "LIMIT ?1", (limit,)) for columns in ((*_FIRST, *_ADDED), _FIRST))


def past_deployment_queries(number: int) -> tuple[Query, ...]:
    """Return the queries for one deployment in both forms, and for the catalogs after it and the one before it."""
    catalogs = Query(
        f"SELECT one.number, one.catalog_fingerprint, {_STORED} FROM {HISTORY_TABLE} AS one "
        "WHERE one.number <= ?1 ORDER BY one.number DESC LIMIT 2",
        (number,),
    )
    forms = ((*_FIRST, *_ADDED), _FIRST)
    return (*(_rows_query(columns, "number = ?1", "", (number,)) for columns in forms), catalogs)


def _rows_query(columns: Sequence[str], condition: str, limit: str, arguments: tuple[Value, ...]) -> Query:
    names = ", ".join(f"{column} AS c{position}" for position, column in enumerate(columns))
    sql = f"SELECT * FROM (SELECT {names} FROM {HISTORY_TABLE}) WHERE {condition.replace('number', 'c0')}"
    return Query(f"{sql} ORDER BY c0 DESC {limit}".rstrip(), arguments)


def parse_past_deployments(answers: Answers) -> list[PastDeployment] | Failure:
    """Parse the answers for both forms; return the failure if neither form could be read.

    Raises ValueError for rows of another form.
    """
    present, first = answers
    if isinstance(present, Rows):
        return [_parsed(row) for row in present.rows]
    return first if isinstance(first, Failure) else [_parsed(row) for row in first.rows]


def _parsed(row: tuple[Value, ...]) -> PastDeployment:
    number, identity, at, version, commit, ref, run, actor, tool, steps, restore_point, before, *added = row
    found = PastDeployment(
        whole_number(number),
        str(identity),
        str(at),
        _text(version),
        _text(commit),
        _text(ref),
        _text(run),
        _text(actor),
        str(tool),
        _steps(steps),
        _text(restore_point),
        _text(before),
    )
    if not added or added[0] is None:  # an older program wrote the row
        return found
    command, before, started, duration, approved, renames, backfills, plan, fingerprint = added
    return found._replace(
        previous_version=_text(before),
        command=_text(command),
        started_at=_text(started),
        duration_ms=duration if isinstance(duration, int) else None,
        approved_hazards=_documents(approved, "name", "object", "rows", "source"),
        renames=_documents(renames, "kind", "table", "old", "new"),
        backfills=_documents(backfills, "table", "column", "expression"),
        plan_fingerprint=_text(plan),
        catalog_fingerprint=_text(fingerprint),
    )


def parse_catalogs(rows: Rows, number: int) -> tuple[StoredCatalog | None, StoredCatalog | None, bool]:
    """Parse the catalogs of a deployment and of the one before it; None for each that is not recorded.

    The last value is False for the first deployment, before which there was none.
    """
    found = {whole_number(at): _catalog(fingerprint, content) for at, fingerprint, content in rows.rows}
    before = [at for at in found if at < number]
    return found.get(number), found[before[0]] if before else None, bool(before)


def _catalog(fingerprint: Value, content: Value) -> StoredCatalog | None:
    if fingerprint is None:
        return None
    return StoredCatalog(str(fingerprint), content if content is None or isinstance(content, bytes) else b"")


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _json(value: Value) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _steps(value: Value) -> Mapping[str, int] | None:
    found = _json(value)
    is_readable = isinstance(found, dict) and all(isinstance(number, int) for number in found.values())
    return found if is_readable else None


def _documents(value: Value, *keys: str) -> Sequence[Mapping[str, Any]] | None:
    """Return the objects of a JSON array with these keys only, because a later program may write more."""
    found = _json(value)
    is_readable = isinstance(found, list) and all(isinstance(one, dict) and one.keys() >= set(keys) for one in found)
    return [{key: one[key] for key in keys} for one in found] if is_readable else None
