"""The deployment to go back to: which one is meant, and what the deployment history holds of it."""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.catalog.diff import PresentNames
from turso_deploy.core.errors import DatabaseError, ErrorCode, PlanError
from turso_deploy.core.progress import report_step
from turso_deploy.core.transaction import Failure, Query, Rows, Value, whole_number
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.interface import Database
from turso_deploy.history.catalogs import DeployedCatalog, restore
from turso_deploy.history.lineage import UnknownNamesError, present_names, since_query
from turso_deploy.project.project import FirstRead
from turso_deploy.sql.lexer import column_title
from turso_deploy.transaction.database_state import STATE_QUERIES

_LAST = f"SELECT number, id, managed_objects, command, schema_version FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1"
_TARGET = f"""SELECT found.number, found.schema_version, found.schema_fingerprint, found.managed_objects, found.scripts,
  found.catalog_fingerprint, (
    SELECT stored.catalog FROM {HISTORY_TABLE} AS stored
    WHERE stored.catalog_fingerprint = found.catalog_fingerprint AND stored.catalog IS NOT NULL
    ORDER BY stored.number DESC LIMIT 1
  )
FROM {HISTORY_TABLE} AS found WHERE found.number = {{0}}"""
_BACKFILLS = (
    f"SELECT value->>'table', value->>'column' FROM {HISTORY_TABLE}, json_each(backfills) "
    "WHERE number > {0} AND json_valid(backfills)"
)
_BY_NUMBER = "?1"
_BEFORE_LAST = (
    f"(SELECT max(one.number) FROM {HISTORY_TABLE} AS one WHERE one.number < (SELECT max(number) FROM {HISTORY_TABLE}))"
)
_BY_VERSION = (
    f"(SELECT max(one.number) FROM {HISTORY_TABLE} AS one WHERE ltrim(one.schema_version, 'v') = ltrim(?1, 'v'))"
)
_ROLLBACK = "rollback "
"""The beginning of the command that the deployment history records for a rollback."""


class Target(NamedTuple):
    """A deployment to go back to. `last_id` and `managed_now` are those of the last deployment."""

    number: int
    version: str | None
    fingerprint: str
    managed: frozenset[str]
    scripts: frozenset[str]
    catalog: DeployedCatalog
    last_id: str
    managed_now: frozenset[str]
    present: PresentNames
    backfilled: tuple[str, ...] = ()
    """The columns whose values an `@using` has computed since, by their names then."""
    first_read: FirstRead | None = None


def read_target(database: Database, number: int | None, version: str | None) -> Target:
    """Read the deployment with this number, the last one of this version, or the one before the last one.

    Raises PlanError (`rollback-impossible`) if the history cannot lead back to it, DatabaseError (`history-damaged`) if
    what it holds of it is damaged.
    """
    report_step("reading the deployment history")
    chosen, arguments = _chosen(number, version)
    own = (Query(_LAST), *(Query(sql.format(chosen), arguments) for sql in (_TARGET, _BACKFILLS)))
    answers = database.query((*STATE_QUERIES, since_query(chosen, arguments), *own))
    received_at = time.monotonic()
    *first, last, found, backfills = answers
    first_read = FirstRead(database.address, first, received_at)
    last_row = _only_row(last)
    if last_row is None:
        raise _impossible("the deployment history is empty", "Nothing was ever deployed to this database.")
    row = _only_row(found)
    is_default = number is None and version is None
    if is_default and str(last_row[3]).startswith(_ROLLBACK):
        raise _impossible(
            f"the last deployment is a rollback already ({last_row[3]})",
            "Name the deployment that is meant, as in `turso-deploy rollback 3`; to undo a rollback, deploy the newer "
            "folder.",
        )
    if row is None:
        raise _not_found(number, version)
    if row[0] == last_row[0]:
        at = f" ({row[1]})" if row[1] else ""
        raise _impossible(
            f"deployment {row[0]}{at} is the last one, so the database is at it already",
            "Name an earlier deployment. What was changed by hand since shows `turso-deploy verify`.",
        )
    return _read(row, last_row, first[-1], backfills)._replace(first_read=first_read)


def _chosen(number: int | None, version: str | None) -> tuple[str, tuple[Value, ...]]:
    """Return the SQL expression for the number of the deployment that is meant, and its arguments."""
    if number is not None:
        return _BY_NUMBER, (number,)
    return (_BEFORE_LAST, ()) if version is None else (_BY_VERSION, (version,))


def _only_row(answer: Rows | Failure) -> tuple[Any, ...] | None:
    """Return the row of an answer, None without one and for a database without a history."""
    if isinstance(answer, Rows):
        return answer.rows[0] if answer.rows else None
    if f"no such table: {HISTORY_TABLE}" in answer.message:
        return None
    if "no such column" in answer.message:
        raise _impossible(
            "the deployment history has the form of an older version, which did not record schemas",
            "Deploy the folder of the earlier release in place of a rollback.",
        )
    raise explain(answer).error(DatabaseError, f"The table {HISTORY_TABLE} could not be read: {{}}.")


def _read(row: tuple[Any, ...], last_row: tuple[Any, ...], answer: Rows | Failure, backfills: Rows | Failure) -> Target:
    number, version, fingerprint, managed, scripts, catalog_fingerprint, content = row
    if catalog_fingerprint is None:
        raise _impossible(
            f"deployment {number} was made by a version that did not record the schema",
            "Deploy the folder of that release in place of a rollback.",
        )
    if content is None:
        raise damaged(number, "its catalog is missing")
    try:
        catalog = restore(str(catalog_fingerprint), content)
        catalog.read()
    except (ValueError, TypeError) as error:
        raise damaged(number, str(error)) from None
    try:
        names = frozenset(map(str, json.loads(managed)))
        ran = frozenset(map(str, dict(json.loads(scripts))))
        managed_now = frozenset(map(str, json.loads(last_row[2])))
    except (ValueError, TypeError) as error:
        raise damaged(number, "its managed objects or scripts cannot be read") from error
    columns = backfills.rows if isinstance(backfills, Rows) else ()
    try:
        if isinstance(answer, Failure):
            raise explain(answer).error(DatabaseError, f"The table {HISTORY_TABLE} could not be read: {{}}.")
        present = present_names(answer)
    except UnknownNamesError as error:
        raise _impossible(str(error), "Go back to a later deployment, or deploy the folder of that release.") from None
    return Target(
        whole_number(number),
        version if version is None else str(version),
        str(fingerprint),
        names,
        ran,
        catalog,
        str(last_row[1]),
        managed_now,
        present,
        tuple(dict.fromkeys(column_title(str(table), str(column)) for table, column in columns)),
    )


def _not_found(number: int | None, version: str | None) -> PlanError:
    look = "`turso-deploy history` lists the deployments with their numbers and versions."
    if number is not None:
        return _impossible(f"there is no deployment {number} in the history", look)
    if version is not None:
        return _impossible("no deployment in the history has that version", look)
    return _impossible("there is no deployment before the last one", "Nothing precedes the first deployment.")


def _impossible(reason: str, hint: str) -> PlanError:
    return PlanError(ErrorCode.ROLLBACK_IMPOSSIBLE, f"No rollback is possible: {reason}.", hint=hint)


def damaged(number: object, reason: str) -> DatabaseError:
    """Return the error for a deployment whose record is damaged. `reason` is a clause."""
    return DatabaseError(
        ErrorCode.HISTORY_DAMAGED,
        f"No rollback to deployment {number} is possible, because the history of it is damaged: {reason}.",
        hint="Go back to another deployment, or deploy the folder of that release.",
    )
