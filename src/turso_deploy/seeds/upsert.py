"""Build the SQL that reads seed rows, and that inserts, updates and compares rows with them.

Seed rows are a JSON array with an array for each row, expanded by `json_each` (https://www.sqlite.org/json1.html#jeach):
one parameter holds a chunk of rows. A row that exists with the same values is not written, because Turso bills rows
written. A row is never replaced, because REPLACE deletes it, and ON DELETE CASCADE would delete its children.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from turso_deploy.core.transaction import Value
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import quote_identifier

CHUNK_BYTES = 250_000
"""The maximum size of the rows in a statement: small enough to locate a rejected row, and to stay in memory."""

STAGING_TABLE = "turso_deploy_seeds"
"""The table that holds the seed rows within the transaction, so that they are sent once."""

_MAX_TERMS = 20  # in a condition without parentheses
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=lambda value: {"blob": value.hex()})


class Source(NamedTuple):
    """Seed rows in the FROM clause of a statement, each a row of `given`; `blobs` is the SQL of their blobs.

    A blob in a row is the array `[start, length]` of its bytes in `blobs`: SQLite 3.40 has no `unhex`.
    """

    from_clause: str
    blobs: str
    condition: str = "true"

    def value(self, position: int, *, may_be_blob: bool = False) -> str:
        """Return the expression for the value at a position of a row. `->>` returns an element with its SQL type."""
        if not may_be_blob:
            return f"(given.value->>{position})"
        start, length = f"given.value->>'$[{position}][0]'", f"given.value->>'$[{position}][1]'"
        blob = f"coalesce(substr({self.blobs}, {start}, {length}), x'')"  # of an empty blob, substr makes NULL
        return (
            f"(CASE json_type(given.value, '$[{position}]') WHEN 'array' THEN {blob} ELSE given.value->>{position} END)"
        )

    def values(self, columns: Sequence[str], blob_columns: Set[str] = frozenset()) -> Mapping[str, str]:
        """Return the expressions for all values of a row, by column."""
        return {name: self.value(position, may_be_blob=name in blob_columns) for position, name in enumerate(columns)}


PARAMETER = Source("json_each(?1) AS given", "?2")
"""Seed rows in the parameters `?1` (rows) and `?2` (blobs)."""


def staged(first: int, last: int) -> Source:
    """Return the seed rows of the staging table with the numbers from `first` to `last`."""
    return Source(
        f"{STAGING_TABLE} AS staged CROSS JOIN json_each(staged.content) AS given",
        "staged.blobs",
        f"staged.number BETWEEN {first} AND {last}" if last > first else f"staged.number = {first}",
    )


class Upsert(NamedTuple):
    """The SQL of an upsert of rows with given columns and a given key into a table.

    `updated` are the columns that an existing row gets; with none, existing rows are left as they are.
    """

    table: str
    columns: Sequence[str]
    key: Sequence[str]
    updated: Sequence[str]
    blob_columns: Set[str] = frozenset()
    verb: str = "INSERT"

    def sql(self, source: Source = PARAMETER, condition: str = "") -> str:
        """Return the statement for the rows of a source that meet a condition.

        The affinity of each column applies, as in any INSERT. The WHERE clause keeps the parser from reading ON
        CONFLICT as the ON of a join (https://www.sqlite.org/lang_upsert.html#parsing_ambiguity).
        """
        target = f"{qualified(self.table)} AS live"  # a table may be named `given`, `staged` or `excluded`
        names = ", ".join(map(quote_identifier, self.columns))
        values = ", ".join(source.values(self.columns, self.blob_columns).values())
        where = " AND ".join(filter(None, (source.condition, condition)))
        insert = f"{self.verb} INTO {target} ({names}) SELECT {values} FROM {source.from_clause} WHERE {where}"
        conflict = f"ON CONFLICT ({', '.join(map(quote_identifier, self.key))}) DO"
        if not self.updated:
            return f"{insert} {conflict} NOTHING"
        new = {name: f"excluded.{quote_identifier(name)}" for name in self.updated}
        assignments = ", ".join(f"{quote_identifier(name)} = {value}" for name, value in new.items())
        return f"{insert} {conflict} UPDATE SET {assignments} WHERE {differs('live', new)}"


def insert_verb(table_sql: str) -> str:
    """Return the verb that inserts rows into a table, and neither replaces nor skips one.

    OR ABORT overrides the conflict clauses of the table (https://www.sqlite.org/lang_conflict.html). It would override
    those in the triggers of other tables, too (https://www.sqlite.org/lang_createtrigger.html), which then fail where
    they are meant to replace or to skip a row, so it is left out where it is not needed.
    """
    return "INSERT OR ABORT" if "conflict" in identifiers_in(table_sql) else "INSERT"


def upsert_sql(
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    updated: Sequence[str],
    blob_columns: Set[str] = frozenset(),
) -> str:
    """Return the SQL that inserts the rows of `?1`, and sets the `updated` columns of rows whose `key` exists.

    Blobs are in `?2`, if there are `blob_columns`.
    """
    return Upsert(table, columns, key, updated, blob_columns).sql()


def differs(row: str, values: Mapping[str, str]) -> str:
    """Return the condition that a row has another value in a column; COLLATE BINARY makes a change of case a change."""
    return any_of(f"{row}.{quote_identifier(name)} IS NOT {value} COLLATE BINARY" for name, value in values.items())


def any_of(conditions: Iterable[str]) -> str:
    """Return the condition that one of these holds; of many columns it is nested, because SQLite limits the depth.

    Source: https://www.sqlite.org/limits.html#max_expr_depth.
    """
    terms = list(conditions)
    while len(terms) > _MAX_TERMS:
        starts = range(0, len(terms), _MAX_TERMS)
        terms = [f"({' OR '.join(terms[start : start + _MAX_TERMS])})" for start in starts]
    return " OR ".join(terms) or "false"


def qualified(table: str) -> str:
    """Return the quoted name of a table with its schema, so that it is not taken for another name of the statement."""
    return f"main.{quote_identifier(table)}"


def same_key(row: str, key: Mapping[str, str]) -> str:
    """Return the condition that a row has a key. Its columns are on the left: their affinity and collation apply."""
    return " AND ".join(f"{row}.{quote_identifier(name)} = {value}" for name, value in key.items())


def text_form(value: Value) -> Value:
    """Return a number as text, and any other value as it is: equal for what a change of a column's type keeps.

    Servers read some decimal texts as the neighbour of the nearest double, so the last digits are left out.
    """
    return f"{value:.15g}" if isinstance(value, float) else str(value) if isinstance(value, int) else value


def as_json(rows: Sequence[Sequence[Value]]) -> str:
    """Return rows as compact JSON, with text unescaped, numbers in their shortest exact form and blobs as objects."""
    return _ENCODER.encode(rows)
