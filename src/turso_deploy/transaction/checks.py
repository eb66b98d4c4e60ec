"""The checks that must pass before a deployment commits: each queries figures, and fails if one is out of bounds.

The figures are returned even if the transaction is rolled back, so a failed check can report what it found. The raising
form prevents the COMMIT. A step of a Hrana batch can only succeed or fail, so it fails by `json('…')` of a text that is
not JSON, which SQLite evaluates only in the branch that is taken (https://www.sqlite.org/lang_corefunc.html#iif).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Set
from typing import NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE, INTERNAL_PREFIXES, Catalog
from turso_deploy.core.errors import Place
from turso_deploy.core.transaction import Query, Rows, Value
from turso_deploy.core.validation import Key
from turso_deploy.project.bound import NONE, Bound
from turso_deploy.project.expectations import expected_counts
from turso_deploy.project.manifest import Manifest
from turso_deploy.sql.lexer import column_title, fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import Schema

# `pragma_foreign_key_list` returns a row for each column of a key; `seq` 0 is the first of them.
_COUNT_OF = {
    "tables": "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND {counted}",
    "indexes": "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND {counted}",
    "views": "SELECT count(*) FROM sqlite_master WHERE type = 'view' AND {counted}",
    "triggers": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND {counted}",
    "foreign_keys": "SELECT count(*) FROM sqlite_master, pragma_foreign_key_list(sqlite_master.name) AS reference "
    "WHERE type = 'table' AND reference.seq = 0 AND {counted}",
}

CATALOG_CHECK = "catalog matches the plan"
"""The check that the engine created the catalog that the simulation in SQLite predicted."""

_COUNTED = "type || ' ' || sqlite_master.name NOT IN (SELECT value FROM json_each(?{}))"


class Expectation(NamedTuple):
    """One figure of a check and its bound. `capped` is true if counting stops as soon as the bound is decided.

    `key` is the key of the manifest that states the bound; empty for a check that is always made.
    """

    name: str
    bound: Bound
    capped: bool = False
    key: Key = ()

    def result(self, figure: int) -> CheckResult:
        """Compare a figure with the bound."""
        shown = f"{figure} or more" if self.capped and figure >= self.bound.enough else str(figure)
        return CheckResult(self.name, self.bound.holds(figure), str(self.bound), shown, self.key)


class CheckResult(NamedTuple):
    """The result of one expectation, or of all expectations of a check with a summary."""

    name: str
    ok: bool
    expected: str
    actual: str
    key: Key = ()


class Check(NamedTuple):
    """A query that returns one row of figures, named `c0`, `c1`, … in the order of the expectations.

    `details` returns a row with a text for each fault, and no row if there is none; `place` is the cause of a failure.
    A check with a `summary` is reported as one result of that name.
    """

    label: str
    sql: str
    arguments: tuple[Value, ...]
    expectations: tuple[Expectation, ...]
    details: Query | None = None
    place: Place | None = None
    summary: str = ""

    @property
    def figures(self) -> Query:
        """The query that returns the figures."""
        return Query(self.sql, self.arguments)

    @property
    def raising(self) -> Query:
        """The query that fails unless each figure is within its bound."""
        conditions = " AND ".join(
            f"c{position} >= {expected.bound.low}"
            + ("" if expected.bound.high is None else f" AND c{position} <= {expected.bound.high}")
            for position, expected in enumerate(self.expectations)
        )
        message = quote_string(f"check failed: {self.label}")
        return Query(f"SELECT iif({conditions}, 'ok', json({message})) FROM ({self.sql})", self.arguments)

    def results(self, rows: Rows) -> tuple[CheckResult, ...]:
        """Compare the figures with the expectations."""
        results = tuple(
            expected.result(int(str(figure))) for expected, figure in zip(self.expectations, rows.rows[0], strict=True)
        )
        return (_summary(self.summary, results),) if self.summary else results

    def unread(self) -> tuple[CheckResult, ...]:
        """Return the results of a check whose figures could not be read."""
        return tuple(
            CheckResult(expected.name, False, str(expected.bound), "could not be read", expected.key)
            for expected in self.expectations
        )


def _summary(name: str, results: Iterable[CheckResult]) -> CheckResult:
    """Return one result for several, which names each figure that is out of its bound."""
    wrong = [f"{result.name}: {result.actual} instead of {result.expected}" for result in results if not result.ok]
    return CheckResult(name, not wrong, "as planned", "; ".join(wrong) or "as planned")


def count_check(manifest: Manifest, uncounted: Iterable[tuple[str, str]]) -> list[Check]:
    """Return the check of the manifest's object counts. `uncounted` holds kind and name of the objects to leave out."""
    expected = [(kind, bound) for kind, bound in expected_counts(manifest).items() if bound is not None]
    if not expected:
        return []
    counted = f"sql IS NOT NULL AND {_COUNTED.format(1)}"
    columns = ", ".join(
        f"({_COUNT_OF[kind].format(counted=counted)}) AS c{position}" for position, (kind, _) in enumerate(expected)
    )
    expectations = tuple(Expectation(count_name(kind), bound, key=("expect", kind)) for kind, bound in expected)
    return [Check("object counts", f"SELECT {columns}", (_names(uncounted),), expectations)]


def count_name(kind: str) -> str:
    """Return the name of the check that counts the objects of a kind: `count of foreign keys`."""
    return f"count of {kind.replace('_', ' ')}"


def _names(objects: Iterable[tuple[str, str]]) -> str:
    return json.dumps(sorted({f"{kind} {name}" for kind, name in objects}), ensure_ascii=False)


def catalog_check(predicted: Catalog, changed: Set[tuple[str, str]]) -> list[Check]:
    """Return the check that the catalog is the predicted one, with no object missing and none added.

    `changed` holds kind and case-folded name of the objects whose SQL is compared. The others are compared by their
    number and the length of their SQL, as the SQL of all would be a large part of a request.
    """
    excluded = {(kind, name) for kind, name in predicted.uncounted if name not in predicted.ignored}
    rows = [row for row in predicted.rows if row.sql is not None and (row.kind, row.name) not in excluded]
    compared = [[row.kind, row.name, row.sql] for row in rows if row.key in changed]
    figures = [
        (
            "changed objects",
            "(SELECT count(*) FROM sqlite_master WHERE (type, name, sql) IN "
            "(SELECT value->>0, value->>1, value->>2 FROM json_each(?1)))",
            len(compared),
        ),
        ("all objects", "count(*)", len(rows)),
    ]
    texts = [row.sql or "" for row in rows]
    if not any("\ufffd" in text for text in texts):  # which replaces an unknown number of bytes
        figures.append(("length of their SQL", "coalesce(sum(length(sql)), 0)", sum(map(len, texts))))
    columns = ", ".join(f"{figure} AS c{position}" for position, (_, figure, _) in enumerate(figures))
    # The engine and the platform may create internal objects at any moment.
    not_internal = "".join(f" AND lower(name) NOT GLOB {quote_string(f'{prefix}*')}" for prefix in INTERNAL_PREFIXES)
    return [
        Check(
            CATALOG_CHECK,
            f"SELECT {columns} FROM sqlite_master WHERE sql IS NOT NULL AND {_COUNTED.format(2)}{not_internal}",
            (json.dumps(compared, ensure_ascii=False), _names([*excluded, ("table", HISTORY_TABLE)])),
            tuple(Expectation(name, Bound(number, number, str(number))) for name, _, number in figures),
            summary=CATALOG_CHECK,
        )
    ]


def row_checks(manifest: Manifest, wanted: Schema) -> list[Check]:
    """Return the checks of the manifest's bounds on rows. Counting stops at the bound: Turso bills rows read."""
    checks = []
    for name, bound in manifest.rows.items():
        if bound.low == 0 and bound.high is None:
            continue  # any number is within this bound
        table = quote_identifier(wanted.all_tables[fold_case(name)].name)
        sql = f"SELECT count(*) AS c0 FROM (SELECT 1 FROM {table} LIMIT {bound.enough})"
        expectation = Expectation(f"rows of {name}", bound, capped=True, key=("rows", name))
        checks.append(Check(f"rows of {name}", sql, (), (expectation,)))
    return checks


def json_checks(manifest: Manifest, wanted: Schema) -> list[Check]:
    """Return the checks of the manifest's JSON columns: one scan of a table counts the invalid values of each."""
    checks = []
    for name, columns in manifest.json_columns.items():
        if not columns:
            continue
        figures = ", ".join(
            f"count(*) FILTER (WHERE {quoted} IS NOT NULL AND NOT json_valid({quoted})) AS c{position}"
            for position, quoted in enumerate(map(quote_identifier, columns))
        )
        expectations = tuple(
            Expectation(f"invalid JSON in {column_title(name, column)}", NONE, key=("json_columns", name, position))
            for position, column in enumerate(columns)
        )
        table = quote_identifier(wanted.tables[fold_case(name)].name)
        checks.append(Check(f"JSON of {name}", f"SELECT {figures} FROM {table}", (), expectations))
    return checks
