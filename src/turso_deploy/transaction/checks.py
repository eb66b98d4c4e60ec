"""The checks that must pass before a deployment commits: each queries figures, and fails if one is out of bounds.

The figures are returned even if the transaction is rolled back, so a failed check can report what it found. The raising
form prevents the COMMIT. A step of a Hrana batch can only succeed or fail, so it fails by `json('…')` of a text that is
not JSON, which SQLite evaluates only in the branch that is taken (https://www.sqlite.org/lang_corefunc.html#iif).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from typing import NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE, INTERNAL_NAMES, INTERNAL_PREFIXES, Catalog
from turso_deploy.core.errors import Place
from turso_deploy.core.transaction import Query, Rows, Value, whole_number
from turso_deploy.core.validation import Key
from turso_deploy.project.bound import NONE, Bound
from turso_deploy.project.manifest import Manifest, expected_counts
from turso_deploy.sql.lexer import column_title, fold_case, quote_string
from turso_deploy.sql.schema import Schema
from turso_deploy.sql.table_rows import MAX_NAMED_ROWS, TableRows, current_rows

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
    """One figure of a check and its bound. `capped` is true if counting stops as soon as the bound holds for certain.

    `key` is the key of the manifest that states the bound; empty for a check that is always made. `subject` is the
    table or column whose rows are counted, `row_word` precedes the keys of rows, and `find` is the SELECT that finds
    the rows which break the bound; "" if there is none.
    """

    name: str
    bound: Bound
    capped: bool = False
    key: Key = ()
    subject: str = ""
    row_word: str = ""
    find: str = ""

    def result(self, figure: int, keys: Sequence[object] = ()) -> CheckResult:
        """Compare a figure with the bound. `keys` are those of some of the rows that break it."""
        is_ok = self.bound.holds(figure)
        shown = f"{figure} or more" if self.capped and is_ok and figure >= self.bound.enough else str(figure)
        details = () if is_ok or not self.subject else tuple(self._details(figure, keys))
        return CheckResult(self.name, is_ok, str(self.bound), shown, self.key, details)

    def _details(self, figure: int, keys: Sequence[object]) -> Iterator[str]:
        wrong = max(0, figure - (self.bound.high or 0))
        named = [str(key) for key in keys[: min(wrong, MAX_NAMED_ROWS)]]
        if named:
            more = f" and {wrong - len(named):,} more" if wrong > len(named) else ""
            yield f"{self.subject}: {self.row_word} {', '.join(named)}{more}"
        if self.find:
            yield f"{self.find};"


class CheckResult(NamedTuple):
    """The result of one expectation, or of all expectations of a check with a summary."""

    name: str
    ok: bool
    expected: str
    actual: str
    key: Key = ()
    details: tuple[str, ...] = ()


class Check(NamedTuple):
    """A query that returns one row of figures, named `c0`, `c1`, … in the order of the expectations.

    After the figures, the row may hold a JSON array for each expectation, with the keys of rows that break it.
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
        """Compare the figures with the expectations. Raises ValueError for figures of another form."""
        [row], count = rows.rows, len(self.expectations)
        keys = [_keys_of_rows(text) for text in row[count:]] or [[]] * count
        results = tuple(
            expected.result(whole_number(figure), keys_of_rows)
            for expected, figure, keys_of_rows in zip(self.expectations, row[:count], keys, strict=True)
        )
        return (_summary(self.summary, results),) if self.summary else results

    def unread(self) -> tuple[CheckResult, ...]:
        """Return the results of a check whose figures could not be read."""
        return tuple(
            CheckResult(expected.name, False, str(expected.bound), "could not be read", expected.key)
            for expected in self.expectations
        )


def _keys_of_rows(text: Value) -> list[object]:
    if text is None:
        return []
    keys = json.loads(text) if isinstance(text, str) else None
    if not isinstance(keys, list):
        raise ValueError("not the keys of rows")
    return keys


def _summary(name: str, results: Iterable[CheckResult]) -> CheckResult:
    """Return one result for several, which names each figure that is out of its bound."""
    wrong = [f"{result.name}: {result.actual} instead of {result.expected}" for result in results if not result.ok]
    return CheckResult(name, not wrong, "as planned", "; ".join(wrong) or "as planned")


def count_check(manifest: Manifest, uncounted: Iterable[tuple[str, str]]) -> list[Check]:
    """Return the check of the manifest's object counts. `uncounted` holds kind and name of the objects to leave out.

    The first deployment has created the history table by then.
    """
    expected = [(kind, bound) for kind, bound in expected_counts(manifest).items() if bound is not None]
    if not expected:
        return []
    counted = f"sql IS NOT NULL AND {_COUNTED.format(1)}"
    columns = ", ".join(
        f"({_COUNT_OF[kind].format(counted=counted)}) AS c{position}" for position, (kind, _) in enumerate(expected)
    )
    expectations = tuple(Expectation(count_name(kind), bound, key=("expect", kind)) for kind, bound in expected)
    return [
        Check("object counts", f"SELECT {columns}", (_names([*uncounted, ("table", HISTORY_TABLE)]),), expectations)
    ]


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
    not_internal += f" AND lower(name) NOT IN ({', '.join(map(quote_string, sorted(INTERNAL_NAMES)))})"
    return [
        Check(
            CATALOG_CHECK,
            f"SELECT {columns} FROM sqlite_master WHERE sql IS NOT NULL AND {_COUNTED.format(2)}{not_internal}",
            (json.dumps(compared, ensure_ascii=False), _names([*excluded, ("table", HISTORY_TABLE)])),
            tuple(Expectation(name, Bound(number, number, str(number))) for name, _, number in figures),
            summary=CATALOG_CHECK,
        )
    ]


LiveRows = Callable[[str], TableRows | None]
"""The rows of a table that the database holds while a report is read, by folded name; None if it has none."""


def row_checks(manifest: Manifest, wanted: Schema, *, show_keys: bool = False) -> list[Check]:
    """Return the checks of the manifest's bounds on rows."""
    return [
        row_check(name, bound, current_rows(wanted.all_tables[fold_case(name)], show_keys=show_keys))
        for name, bound in manifest.rows.items()
        if bound.low > 0 or bound.high is not None  # any other bound holds for any number
    ]


def row_check(name: str, bound: Bound, rows: TableRows) -> Check:
    """Return the check of a bound on the rows of a table.

    Turso bills the rows that are read. Counting stops when the bound is decided; only the rows of a table with too many
    are all counted, and the last of them named.
    """
    counted = f"SELECT count(*) AS n FROM (SELECT 1 FROM {rows.source} LIMIT {bound.enough})"
    expectation = Expectation(f"rows of {name}", bound, capped=True, key=("rows", name), subject=name)
    expectation = expectation._replace(find=f"{rows.with_clause}SELECT count(*) FROM {rows.source}")
    if bound.high is None:
        figures = "n AS c0"
    else:
        figures = f"iif(n > {bound.high}, (SELECT count(*) FROM {rows.source}), n) AS c0"
        if rows.key is not None and rows.key.word != "key":
            last = f"SELECT {rows.key.sql} AS k FROM {rows.source} ORDER BY 1 DESC LIMIT {MAX_NAMED_ROWS}"
            figures += f", iif(n > {bound.high}, (SELECT json_group_array(k) FROM ({last})), NULL) AS d0"
            expectation = expectation._replace(row_word=f"the last are {rows.key.word}")
    return Check(f"rows of {name}", f"{rows.with_clause}SELECT {figures} FROM ({counted})", (), (expectation,))


def json_checks(
    manifest: Manifest, wanted: Schema, *, show_keys: bool = False, live_rows: LiveRows | None = None
) -> list[Check]:
    """Return the checks of the manifest's JSON columns.

    `live_rows` give the rows for the SELECT that is shown, if the table is another one then.
    """
    checks = []
    for name, columns in manifest.json_columns.items():
        table = wanted.tables[fold_case(name)]
        rows = current_rows(table, show_keys=show_keys)
        if columns:
            checks.append(json_check(name, columns, rows, live_rows(fold_case(name)) if live_rows else rows))
    return checks


def json_check(name: str, columns: Sequence[str], rows: TableRows, shown: TableRows | None) -> Check:
    """Return the check of the JSON columns of a table: one scan counts and names the rows with invalid values.

    `shown` are the rows for the SELECT that finds them; None if there is none to show.
    """
    invalid = [invalid_json(rows.name_of(column)) for column in columns]
    key = rows.key.sql if rows.key else "NULL"
    flags = ", ".join(f"{condition} AS b{position}" for position, condition in enumerate(invalid))
    # SQLite keeps a subquery that is named and used more than once: https://www.sqlite.org/lang_with.html
    found = f"SELECT {key} AS k, {flags} FROM {rows.source} WHERE {' OR '.join(invalid)}"
    positions = range(len(columns))
    figures = [f"(SELECT count(*) FROM {_INVALID} WHERE b{position}) AS c{position}" for position in positions]
    if rows.key:
        named = "SELECT json_group_array(k) FROM (SELECT k FROM {} WHERE b{} LIMIT {})"
        figures += [f"({named.format(_INVALID, position, MAX_NAMED_ROWS)}) AS d{position}" for position in positions]
    sql = f"WITH {_INVALID} AS ({found}) SELECT {', '.join(figures)}"
    expectations = tuple(
        Expectation(
            f"{INVALID_JSON}{column_title(name, column)}",
            NONE,
            key=("json_columns", name, position),
            subject=column_title(name, column),
            row_word=rows.key.word if rows.key else "",
            find=_select_invalid(column, shown) if shown else "",
        )
        for position, column in enumerate(columns)
    )
    if rows.with_clause:  # it names the tables that the subquery reads
        sql = f"{rows.with_clause}SELECT * FROM ({sql})"
    return Check(f"JSON of {name}", sql, (), expectations)


_INVALID = "turso_deploy_invalid"
INVALID_JSON = "invalid JSON in "
"""The beginning of the name of a check for JSON; the title of a column follows."""


def invalid_json(name: str) -> str:
    """Return the condition that a row has a value in a column, and that it is not JSON. `name` is its name in SQL."""
    return f"({name} IS NOT NULL AND NOT json_valid({name}))"


def _select_invalid(column: str, rows: TableRows) -> str:
    names = [*([rows.key.sql] if rows.key else []), rows.name_of(column)]
    condition = invalid_json(rows.name_of(column))[1:-1]
    return f"{rows.with_clause}SELECT {', '.join(names)} FROM {rows.source} WHERE {condition}"
