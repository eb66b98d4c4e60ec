"""What must hold before a deployment commits: each check is a figures query and a form of it that raises.

The figures come back even when the transaction is rolled back, so a failed check can say what it found; the raising
form is what stops the COMMIT. A Hrana batch knows only "succeeded" and "failed", hence `json('…')` on text that is
not JSON, which SQLite evaluates only in the branch that is taken (https://www.sqlite.org/lang_corefunc.html#iif).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Set

from msgspec import Struct

from turso_deploy.catalog.catalog import HISTORY_TABLE, INTERNAL_PREFIXES, Catalog
from turso_deploy.core.errors import Place
from turso_deploy.core.transaction import Query, Rows, Value
from turso_deploy.core.yaml_reader import Key
from turso_deploy.project.bound import NONE, Bound
from turso_deploy.project.expectations import expected_counts
from turso_deploy.project.manifest import Manifest
from turso_deploy.sql.lexer import column_title, fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import Schema

# `pragma_foreign_key_list` gives a composite key a row a column; `seq` 0 is the first of them.
_COUNT_OF = {
    "tables": "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND {counted}",
    "indexes": "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND {counted}",
    "views": "SELECT count(*) FROM sqlite_master WHERE type = 'view' AND {counted}",
    "triggers": "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND {counted}",
    "foreign_keys": "SELECT count(*) FROM sqlite_master, pragma_foreign_key_list(sqlite_master.name) AS reference "
    "WHERE type = 'table' AND reference.seq = 0 AND {counted}",
}

CATALOG_FIGURES = ("objects made as rehearsed", "objects in all", "length of their SQL")
"""The figures of the catalog, which are as the rehearsal predicted unless the engine does other than SQLite did."""

_COUNTED = "type || ' ' || sqlite_master.name NOT IN (SELECT value FROM json_each(?{}))"


class Expectation(Struct, frozen=True):
    """One figure of a check and the bound that it must keep. `capped`: counting stopped where the bound was decided.

    `key` says where in the manifest it stands; empty for what is always checked.
    """

    name: str
    bound: Bound
    capped: bool = False
    key: Key = ()


class CheckResult(Struct, frozen=True):
    """What one expectation came to."""

    name: str
    ok: bool
    expected: str
    actual: str
    key: Key = ()


class Check(Struct, frozen=True):
    """A query that returns one row of figures, named `c0`, `c1`, … in the order of the expectations.

    `details` returns rows of one text that name what is wrong, and none when nothing is; `place` is what is to blame.
    """

    label: str
    sql: str
    arguments: tuple[Value, ...]
    expectations: tuple[Expectation, ...]
    details: Query | None = None
    place: Place | None = None

    @property
    def figures(self) -> Query:
        """The query whose row says what there is."""
        return Query(self.sql, self.arguments)

    @property
    def raising(self) -> Query:
        """The query that fails unless every figure keeps its bound."""
        conditions = " AND ".join(
            f"c{position} >= {expected.bound.low}"
            + ("" if expected.bound.high is None else f" AND c{position} <= {expected.bound.high}")
            for position, expected in enumerate(self.expectations)
        )
        message = quote_string(f"check failed: {self.label}")
        return Query(f"SELECT iif({conditions}, 'ok', json({message})) FROM ({self.sql})", self.arguments)

    def results(self, rows: Rows) -> tuple[CheckResult, ...]:
        """Hold the figures against the expectations."""
        return tuple(
            CheckResult(
                expected.name,
                expected.bound.holds(int(str(figure))),
                str(expected.bound),
                _shown(int(str(figure)), expected),
                expected.key,
            )
            for expected, figure in zip(self.expectations, rows.rows[0], strict=True)
        )

    def unread(self) -> tuple[CheckResult, ...]:
        """What it comes to when the figures could not be read."""
        return tuple(
            CheckResult(expected.name, False, str(expected.bound), "could not be read", expected.key)
            for expected in self.expectations
        )


def _shown(figure: int, expected: Expectation) -> str:
    if expected.capped and figure >= expected.bound.enough:
        return f"{figure} or more"
    return str(figure)


def count_check(manifest: Manifest, uncounted: Iterable[tuple[str, str]]) -> list[Check]:
    """The manifest's object counts. `uncounted` gives kind and name of what is internal, shadow, history or ignored."""
    expected = [(kind, bound) for kind, bound in expected_counts(manifest).items() if bound is not None]
    if not expected:
        return []
    counted = f"sql IS NOT NULL AND {_COUNTED.format(1)}"
    columns = ", ".join(
        f"({_COUNT_OF[kind].format(counted=counted)}) AS c{position}" for position, (kind, _) in enumerate(expected)
    )
    expectations = tuple(
        Expectation(f"count of {kind.replace('_', ' ')}", bound, key=("expect", kind)) for kind, bound in expected
    )
    return [Check("object counts", f"SELECT {columns}", (_names(uncounted),), expectations)]


def _names(objects: Iterable[tuple[str, str]]) -> str:
    return json.dumps(sorted({f"{kind} {name}" for kind, name in objects}), ensure_ascii=False)


def catalog_check(predicted: Catalog, touched: Set[tuple[str, str]]) -> list[Check]:
    """The catalog is the one that the rehearsal predicted, with nothing missing and nothing besides.

    `touched` are the objects, by kind and folded name, that have to stand there with the very text that was predicted.
    The others are known by their number and the length of their texts: all texts would be a large part of a request.
    """
    beside = {(kind, name) for kind, name in predicted.uncounted if name not in predicted.ignored}
    rows = [row for row in predicted.rows if row.sql is not None and (row.kind, row.name) not in beside]
    made = [[row.kind, row.name, row.sql] for row in rows if row.key in touched]
    made_as_rehearsed, objects_in_all, length_in_all = CATALOG_FIGURES
    figures = [
        (
            made_as_rehearsed,
            "(SELECT count(*) FROM sqlite_master WHERE (type, name, sql) IN "
            "(SELECT value->>0, value->>1, value->>2 FROM json_each(?1)))",
            len(made),
        ),
        (objects_in_all, "count(*)", len(rows)),
    ]
    texts = [row.sql or "" for row in rows]
    if not any("\ufffd" in text for text in texts):  # which stands for bytes whose number nobody told
        figures.append((length_in_all, "coalesce(sum(length(sql)), 0)", sum(map(len, texts))))
    columns = ", ".join(f"{figure} AS c{position}" for position, (_, figure, _) in enumerate(figures))
    # The engine and the platform may make some of their own at any moment.
    not_internal = "".join(f" AND lower(name) NOT GLOB {quote_string(f'{prefix}*')}" for prefix in INTERNAL_PREFIXES)
    return [
        Check(
            "catalog as rehearsed",
            f"SELECT {columns} FROM sqlite_master WHERE sql IS NOT NULL AND {_COUNTED.format(2)}{not_internal}",
            (json.dumps(made, ensure_ascii=False), _names([*beside, ("table", HISTORY_TABLE)])),
            tuple(Expectation(name, Bound(number, number, str(number))) for name, _, number in figures),
        )
    ]


def row_checks(manifest: Manifest, wanted: Schema) -> list[Check]:
    """The manifest's bounds on rows. No more rows are read than decide the matter, because Turso bills rows read."""
    checks = []
    for name, bound in manifest.rows.items():
        if bound.low == 0 and bound.high is None:
            continue  # always true
        table = quote_identifier(wanted.all_tables[fold_case(name)].name)
        sql = f"SELECT count(*) AS c0 FROM (SELECT 1 FROM {table} LIMIT {bound.enough})"
        expectation = Expectation(f"rows of {name}", bound, capped=True, key=("rows", name))
        checks.append(Check(f"rows of {name}", sql, (), (expectation,)))
    return checks


def json_checks(manifest: Manifest, wanted: Schema) -> list[Check]:
    """The manifest's JSON columns: one scan a table counts the values that are not valid JSON, column by column."""
    checks = []
    for name, columns in manifest.json_columns.items():
        if not columns:
            continue
        figures = ", ".join(
            f"count(*) FILTER (WHERE {quote_identifier(column)} IS NOT NULL AND NOT json_valid({quote_identifier(column)})) AS c{position}"
            for position, column in enumerate(columns)
        )
        expectations = tuple(
            Expectation(f"invalid JSON in {column_title(name, column)}", NONE, key=("json_columns", name, position))
            for position, column in enumerate(columns)
        )
        table = quote_identifier(wanted.tables[fold_case(name)].name)
        checks.append(Check(f"JSON of {name}", f"SELECT {figures} FROM {table}", (), expectations))
    return checks
