"""The renames in the deployment history: what the tables and columns of an earlier deployment are called now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.catalog.diff import NO_PRESENT_NAMES, PresentNames
from turso_deploy.core.transaction import Query, Rows, Value, whole_number
from turso_deploy.history.catalogs import DeployedCatalog, restore
from turso_deploy.history.entries import RecordedRename
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, Table

_OF_NUMBER = "?1"
# The last deployment of a schema; none if the database has that schema now.
_OF_FINGERPRINT = f"""(SELECT CASE WHEN schema_fingerprint IS NOT ?1 THEN (
    SELECT max(number) FROM {HISTORY_TABLE} WHERE schema_fingerprint = ?1) END
  FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1)"""
# Catalogs are long, so there are no rows without a rename, and one of each catalog.
_SINCE = f"""SELECT later.number, later.renames, later.catalog_fingerprint, iif(later.number = (
    SELECT min(same.number) FROM {HISTORY_TABLE} AS same
    WHERE same.catalog_fingerprint = later.catalog_fingerprint AND same.number >= {{0}}
  ), (
    SELECT stored.catalog FROM {HISTORY_TABLE} AS stored
    WHERE stored.catalog_fingerprint = later.catalog_fingerprint AND stored.catalog IS NOT NULL
    ORDER BY stored.number DESC LIMIT 1
  ), NULL)
FROM {HISTORY_TABLE} AS later WHERE later.number >= {{0}} AND EXISTS (
  SELECT 1 FROM {HISTORY_TABLE} WHERE number > {{0}} AND renames IS NOT '[]'
) ORDER BY later.number"""


class UnknownNamesError(ValueError):
    """The history does not hold the renames since a deployment. The text is a clause that says why."""


class _Recorded(NamedTuple):
    """A deployment with its renames and the catalog after it, as they are read."""

    number: int
    renames: Any
    fingerprint: str
    catalog: DeployedCatalog | None


def since_number_query(number: int) -> Query:
    """Return the query for the renames since a deployment, whose answer `present_names` reads.

    It fails with "no such column" on a history of an older form.
    """
    return Query(_SINCE.format(_OF_NUMBER), (number,))


def since_query(number: str, arguments: tuple[Value, ...]) -> Query:
    """Return the same query for a deployment whose number an SQL expression gives."""
    return Query(_SINCE.format(number), arguments)


def since_schema_query(fingerprint: str) -> Query:
    """Return the query for the renames since the last deployment of a schema, for `present_names`.

    It gives no row for a schema that was never deployed, and for that of the last deployment.
    """
    return Query(_SINCE.format(_OF_FINGERPRINT), (fingerprint,))


def present_names(rows: Rows) -> PresentNames:
    """Return the present names of what the first of the deployments left, by its names then.

    What was dropped since has none, although something else may have its name by now. Raises UnknownNamesError for a
    deployment that did not record its renames, or whose catalog cannot be read.
    """
    deployments = _read(rows)
    if not deployments:
        return NO_PRESENT_NAMES
    first, *later = deployments
    then = _schema_of(first)
    tables = {name: name for name in then.all_tables}
    columns = {name: {column: column for column in table.definition.by_name} for name, table in then.tables.items()}
    for deployment in later:
        for rename in _renames_of(deployment):
            _follow(rename, tables, columns)
        _forget_dropped(_schema_of(deployment), tables, columns)
    changed = {
        name: {column: present for column, present in found.items() if present != column}
        for name, found in columns.items()
        if name in tables
    }
    return PresentNames(
        {name: present for name, present in tables.items() if present != name},
        {name: found for name, found in changed.items() if found},
    )


def _read(rows: Rows) -> list[_Recorded]:
    """Return the deployments in an answer, each with its catalog."""
    contents: dict[str, DeployedCatalog] = {}
    found = []
    for number, renames, fingerprint, content in rows.rows:
        at = str(fingerprint)
        if isinstance(content, bytes) and at not in contents:
            try:
                contents[at] = restore(at, content)
            except ValueError as error:
                at_number = whole_number(number)
                raise UnknownNamesError(f"the catalog of deployment {at_number} is damaged: {error}") from error
        found.append(_Recorded(whole_number(number), renames, at, contents.get(at)))
    return found


def _schema_of(deployment: _Recorded) -> Schema:
    if deployment.catalog is None:
        raise UnknownNamesError(f"deployment {deployment.number} has no catalog, from which its tables could be read")
    try:
        return deployment.catalog.read().schema
    except ValueError as error:
        raise UnknownNamesError(f"the catalog of deployment {deployment.number} is damaged: {error}") from error


def _renames_of(deployment: _Recorded) -> Iterator[RecordedRename]:
    if deployment.renames is None:
        raise UnknownNamesError(f"deployment {deployment.number} was made by a version that records no renames")
    try:
        for item in json.loads(str(deployment.renames)):
            yield RecordedRename(item["kind"], *(fold_case(item[key]) for key in ("table", "old", "new")))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UnknownNamesError(f"the renames of deployment {deployment.number} are damaged") from error


def _follow(rename: RecordedRename, tables: dict[str, str], columns: Mapping[str, dict[str, str]]) -> None:
    """Note the new name of what a deployment renamed."""
    if rename.kind == "table":
        names = [tables]
    else:
        names = [found for name, found in columns.items() if tables.get(name) == rename.table]
    for known in names:
        for name, present in known.items():
            if present == rename.old:
                known[name] = rename.new
                break


def _forget_dropped(schema: Schema, tables: dict[str, str], columns: Mapping[str, dict[str, str]]) -> None:
    """Remove what is not in the schema after a deployment."""
    for name, present in list(tables.items()):
        table = schema.all_tables.get(present)
        if table is None:
            del tables[name]
            continue
        existing = table.definition.by_name if isinstance(table, Table) else {}
        known = columns.get(name, {})
        for column in [column for column, at in known.items() if at not in existing]:
            del known[column]
