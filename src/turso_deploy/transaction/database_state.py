"""The state of a database, read in one request: its catalog, its version, and its last deployment."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE, Catalog, read_catalog
from turso_deploy.catalog.diff import NO_PRESENT_NAMES, PresentNames
from turso_deploy.catalog.engine import FUNCTIONS_QUERY, MODULES_QUERY, Engine, read_engine
from turso_deploy.catalog.rows import CATALOG_QUERY, SHADOW_QUERY, catalog_rows
from turso_deploy.core.errors import DatabaseError, ErrorCode, InternalError
from turso_deploy.core.transaction import Failure, Purpose, Query, Rows, TransactionStep, Value, whole_number
from turso_deploy.core.versions import parse_version
from turso_deploy.database.engine_errors import UNSUPPORTED_ENGINE, explain
from turso_deploy.history.last_deployment import (
    BASELINE_QUERY,
    LAST_DEPLOYMENT_QUERY,
    LastDeployment,
    parse_baseline,
    parse_last_deployment,
)

# Changes with every change to the schema: https://www.sqlite.org/pragma.html#pragma_schema_version
_SCHEMA_VERSION_QUERY = Query("SELECT schema_version FROM pragma_schema_version")

# The server's clock, in whole seconds: https://www.sqlite.org/lang_datefunc.html
_CLOCK = "CAST(strftime('%s', 'now') AS INTEGER)"
CLOCK_QUERY = Query(f"SELECT {_CLOCK}")

# A server executes each query by itself, so a deployment may commit between two of them. The values that the guard
# compares are therefore read first: a change while the others are read makes the guard fail, and no plan wrong.
_CLOCK_AND_VERSION_QUERY = Query(f"SELECT {_CLOCK}, sqlite_version(), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')")
STATE_QUERIES = (
    _SCHEMA_VERSION_QUERY,
    LAST_DEPLOYMENT_QUERY,
    CATALOG_QUERY,
    SHADOW_QUERY,
    BASELINE_QUERY,
    _CLOCK_AND_VERSION_QUERY,
    FUNCTIONS_QUERY,
    MODULES_QUERY,
)


class DatabaseState(NamedTuple):
    """A database at one moment: `read_at` by its own clock (seconds since 1970), `received_at` by ours.

    `schema_version` is None if the server does not support the pragma. `past_schemas` are the fingerprints of all
    schemas that were deployed, the oldest first; () unless the wanted one is among them and not the last.
    `past_version` is the last semantic version of the history if the last deployment has none, else None.
    """

    catalog: Catalog
    schema_version: int | None
    last_deployment: LastDeployment | None
    read_at: int = 0
    received_at: float = 0.0
    past_schemas: tuple[str, ...] = ()
    past_version: str | None = None
    sqlite_version: tuple[int, ...] = (3, 45)
    started_at: str | None = None
    """The moment by the database's clock, in ISO 8601 with milliseconds."""
    is_torn: bool = False
    """True if a deployment committed while the database was read, so that catalog and history may not match."""
    engine: Engine | None = None
    """What the database runs on; None if it does not say which functions it has."""
    present_names: PresentNames = NO_PRESENT_NAMES
    """What the database calls now what was renamed since the wanted schema was deployed, if it ever was."""

    @property
    def managed(self) -> frozenset[str]:
        """The objects that were deployed, such as `table users`."""
        return self.last_deployment.managed if self.last_deployment else frozenset()


@contextmanager
def expected_form() -> Iterator[None]:
    """Raise DatabaseError (`unexpected-reply`) if answers that are read inside the context have another form."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DatabaseError(
            ErrorCode.UNEXPECTED_REPLY,
            "The database answered a query with rows of another form than the query gives.",
            hint="Check that the URL leads to a libSQL server, without a proxy in between.",
        ) from error


def parse_past(schemas: Rows | Failure, versions: Rows | Failure, state: DatabaseState) -> DatabaseState:
    """Return the state with the answers to `past_schemas_query` and `past_version_query`.

    Raises DatabaseError if the history cannot be read.
    """
    if state.last_deployment is None:
        return state
    if isinstance(schemas, Failure):
        raise _unreadable(schemas)
    if isinstance(versions, Failure):
        raise _unreadable(versions)
    found = (str(version) for (version,) in versions.rows)
    return state._replace(
        past_schemas=tuple(str(fingerprint) for (fingerprint,) in schemas.rows),
        past_version=next((version for version in found if parse_version(version)), None),
    )


def parse_state(answers: Sequence[Rows | Failure], ignore: Sequence[str]) -> DatabaseState:
    """Parse the answers to `STATE_QUERIES`; `ignore` holds the manifest's patterns of names.

    Raises DatabaseError if the catalog or the deployment history cannot be read.
    """
    try:
        return _parse_state(answers, ignore)
    except InternalError as error:  # a definition that cannot be read
        raise DatabaseError(
            ErrorCode.UNEXPECTED_REPLY,
            error.message.replace(", which SQLite accepts,", " in the database"),
            hint="Look at sqlite_master: was a row changed or damaged? If SQLite can use the object, this is a bug of "
            "turso-deploy: please report it, with the definition.",
        ) from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DatabaseError(
            ErrorCode.UNEXPECTED_REPLY,
            "The schema or the deployment history of the database cannot be read: it holds unexpected values.",
            hint=f"Look at sqlite_master and at {HISTORY_TABLE}: was a row changed or damaged?",
        ) from error


def _parse_state(answers: Sequence[Rows | Failure], ignore: Sequence[str]) -> DatabaseState:
    (
        version_answer,
        history_answer,
        catalog_answer,
        shadow_answer,
        baseline_answer,
        clock_answer,
        *engine_answers,
    ) = answers
    engine = _engine(*engine_answers)
    if engine is not None and engine.is_tursos_own:
        raise UNSUPPORTED_ENGINE.error(DatabaseError, "{}.")
    if isinstance(catalog_answer, Failure):
        raise _unreadable(catalog_answer)
    if isinstance(clock_answer, Failure):
        raise _unreadable(clock_answer)
    shadows = [] if isinstance(shadow_answer, Failure) else [str(name) for (name,) in shadow_answer.rows]
    catalog = _catalog(catalog_answer, tuple(shadows), tuple(ignore))
    if isinstance(history_answer, Failure) and catalog.has_history and not _had_no_history(history_answer):
        raise _unreadable(history_answer)
    [[clock, version, started_at]] = clock_answer.rows
    last = None if isinstance(history_answer, Failure) else parse_last_deployment(history_answer)
    last, is_torn = _with_baseline(last, baseline_answer)
    return DatabaseState(
        catalog,
        None if isinstance(version_answer, Failure) else version_answer.number(),
        last,
        whole_number(clock),
        time.monotonic(),
        sqlite_version=tuple(int(part) for part in str(version).split(".")),
        started_at=str(started_at),
        is_torn=is_torn,
        engine=engine,
    )


# Many databases of a fleet have the same engine and the same catalog, and a deployment reads its own several times.
_engine = lru_cache(maxsize=16)(read_engine)


@lru_cache(maxsize=64)
def _catalog(answer: Rows, shadows: tuple[str, ...], ignore: tuple[str, ...]) -> Catalog:
    return read_catalog(catalog_rows(answer), shadows, ignore)


def _with_baseline(last: LastDeployment | None, answer: Rows | Failure) -> tuple[LastDeployment | None, bool]:
    """Return the last deployment with the catalog after it, and True if another deployment followed meanwhile.

    The answer is a failure if the history has an older form, or does not exist. Raises DatabaseError for another one.
    """
    if isinstance(answer, Failure):
        if not answer.message.rpartition(": ")[0].endswith(("no such column", "no such table")):
            raise _unreadable(answer)
        return last, False
    if not answer.rows:
        return last, last is not None
    deployment_id, checks, baseline = parse_baseline(answer)
    if last is None or deployment_id != last.id:
        return last, True
    return last._replace(baseline=baseline, checks=checks), False


def _had_no_history(answer: Failure) -> bool:
    """Return True if the history did not exist when it was read; if the catalog shows it, it was created since."""
    return f"no such table: {HISTORY_TABLE}" in answer.message


def _unreadable(failure: Failure) -> DatabaseError:
    explanation = explain(failure)
    if "no such column" not in failure.message:  # the other queries name no columns of tables
        return explanation.error(DatabaseError, "The schema of the database could not be read: {}.")
    return DatabaseError(
        explanation.code,
        f"The table {HISTORY_TABLE} of the database is not the deployment history of turso-deploy: "
        f"{explanation.message}.",
        hint="Another program, or another version of turso-deploy, seems to have created it. Rename it, or deploy to "
        "another database.",
    )


def guard_step(state: DatabaseState, deadline: int | None = None) -> TransactionStep:
    """Return the step that fails if the database has another schema or another last deployment than `state`.

    It also fails after the `deadline`, in server time: a request that the network delays until then does nothing, so
    that its sender can be sure that it never will.
    """
    arguments: tuple[Value, ...]
    if state.schema_version is not None:
        unchanged, arguments = "(SELECT schema_version FROM pragma_schema_version) = ?1", (state.schema_version,)
    else:
        unchanged, arguments = _SAME_CATALOG, (json.dumps(state.catalog.rows, ensure_ascii=False),)
    if state.catalog.has_history:
        unchanged += f" AND (SELECT id FROM {HISTORY_TABLE} ORDER BY number DESC LIMIT 1) IS ?2"
        arguments += (state.last_deployment.id if state.last_deployment else None,)
    if deadline is not None:
        unchanged += f" AND {_CLOCK} <= ?{len(arguments) + 1}"
        arguments += (deadline,)
    sql = f"SELECT iif({unchanged}, 'ok', json('the database has changed since it was read'))"
    return TransactionStep(Query(sql, arguments), Purpose.GUARD, "the database has not changed since it was read")


_SAME_CATALOG = (
    "(SELECT count(*) FROM sqlite_master) = json_array_length(?1) AND NOT EXISTS ("
    "SELECT type, name, tbl_name, sql FROM sqlite_master EXCEPT "
    "SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?1))"
)
