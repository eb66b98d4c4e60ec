"""The live database, read in one request: its catalog, its version, and what the deployment history says was deployed last."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from msgspec import Struct, field

from turso_deploy.catalog.catalog import CATALOG_QUERY, HISTORY_TABLE, SHADOW_QUERY, Catalog, catalog_rows, read_catalog
from turso_deploy.core.transaction import Failure, Purpose, Query, Rows, TransactionStep, Value
from turso_deploy.transaction.history import LAST_DEPLOYMENT_QUERY, Deployment, last_deployment

# Changes with every change to the schema: https://www.sqlite.org/pragma.html#pragma_schema_version
_SCHEMA_VERSION_QUERY = Query("SELECT schema_version FROM pragma_schema_version")

# The server's clock, in whole seconds: https://www.sqlite.org/lang_datefunc.html
_CLOCK = "CAST(strftime('%s', 'now') AS INTEGER)"
CLOCK_QUERY = Query(f"SELECT {_CLOCK}")

# A server answers each query for itself, so a deployment may commit between two of them. What the guard holds is
# therefore read first: whatever changes while the rest is read makes the guard fail, and never the plan be wrong.
LIVE_QUERIES = (_SCHEMA_VERSION_QUERY, LAST_DEPLOYMENT_QUERY, CATALOG_QUERY, SHADOW_QUERY, CLOCK_QUERY)


class DatabaseState(Struct, frozen=True):
    """A database as it was at one moment: `read_at` by its own clock (seconds since 1970), `received_at` by ours.

    `schema_version` is None where the server does not serve it.
    """

    catalog: Catalog
    schema_version: int | None
    last: Deployment | None
    read_at: int = 0
    received_at: float = field(default_factory=time.monotonic)


def read_state(answers: Sequence[Rows | Failure], ignore: Sequence[str]) -> DatabaseState | Failure:
    """The answers to `LIVE_QUERIES` as a Live; the failure, where the catalog or the deployment history could not be read."""
    version_answer, history_answer, catalog_answer, shadow_answer, clock_answer = answers
    if isinstance(catalog_answer, Failure):
        return catalog_answer
    if isinstance(clock_answer, Failure):
        return clock_answer
    shadows = [] if isinstance(shadow_answer, Failure) else [str(name) for (name,) in shadow_answer.rows]
    catalog = read_catalog(catalog_rows(catalog_answer), shadows, ignore)
    if isinstance(history_answer, Failure) and catalog.has_history and not _had_no_history(history_answer):
        return history_answer
    return DatabaseState(
        catalog,
        None if isinstance(version_answer, Failure) else version_answer.number(),
        None if isinstance(history_answer, Failure) else last_deployment(history_answer),
        clock_answer.number(),
    )


def _had_no_history(answer: Failure) -> bool:
    """Whether there was no deployment history yet when it was asked for; one that the catalog shows was made since."""
    return f"no such table: {HISTORY_TABLE}" in answer.message


def guard_step(live: DatabaseState, deadline: int | None = None) -> TransactionStep:
    """The step that fails when the database is no longer as `live` has it: another schema, another deployment.

    It also fails after the `deadline`, by the server's clock: a request that the network held back until then does
    nothing, and whoever gave it up can know that it never will.
    """
    arguments: tuple[Value, ...]
    if live.schema_version is not None:
        unchanged, arguments = "(SELECT schema_version FROM pragma_schema_version) = ?1", (live.schema_version,)
    else:
        unchanged, arguments = _SAME_CATALOG, (_catalog_text(live.catalog),)
    if live.catalog.has_history:
        unchanged += f" AND (SELECT id FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1) IS ?2"
        arguments += (live.last.id if live.last else None,)
    if deadline is not None:
        unchanged += f" AND {_CLOCK} <= ?{len(arguments) + 1}"
        arguments += (deadline,)
    sql = f"SELECT iif({unchanged}, 'ok', json('the database has changed since it was read'))"
    return TransactionStep(Query(sql, arguments), Purpose.GUARD, "the database is as it was when planned")


_SAME_CATALOG = (
    "(SELECT count(*) FROM sqlite_master) = json_array_length(?1) AND NOT EXISTS ("
    "SELECT type, name, tbl_name, sql FROM sqlite_master EXCEPT "
    "SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?1))"
)


def _catalog_text(catalog: Catalog) -> str:
    return json.dumps([[row.kind, row.name, row.table, row.sql] for row in catalog.rows], ensure_ascii=False)
