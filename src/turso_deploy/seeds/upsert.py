"""Build the SQL that inserts or updates rows: one statement and one parameter for a chunk of rows.

The parameter is a JSON array with an array for each row, expanded by `json_each` (https://www.sqlite.org/json1.html#jeach).
A row that exists with the same values is not written, because Turso bills rows written. A row is never replaced,
because REPLACE deletes it, and ON DELETE CASCADE would delete its children.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from turso_deploy.core.transaction import Value
from turso_deploy.sql.lexer import quote_identifier


def _blob_as_object(blob: object) -> dict[str, str]:
    assert isinstance(blob, bytes)
    return {"blob": blob.hex()}


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_blob_as_object)


def upsert_sql(
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    updated: Sequence[str],
    blob_columns: frozenset[str] = frozenset(),
) -> str:
    """Return the SQL that inserts the rows of `?1`, and sets the `updated` columns of rows whose `key` exists.

    `->>` returns an element with its SQL type, and the affinity of the column applies, as in any INSERT. `WHERE true`
    keeps the parser from reading ON CONFLICT as the ON of a join
    (https://www.sqlite.org/lang_upsert.html#parsing_ambiguity). COLLATE BINARY makes a change of case a change. In the
    `blob_columns`, an array `[start,length]` stands for these bytes of `?2`.
    """
    target = quote_identifier(table)
    names = ", ".join(map(quote_identifier, columns))
    values = ", ".join(_value(position, column in blob_columns) for position, column in enumerate(columns))
    insert = f"INSERT INTO {target} ({names}) SELECT {values} FROM json_each(?1) WHERE true"
    conflict = f"ON CONFLICT ({', '.join(map(quote_identifier, key))}) DO"
    if not updated:
        return f"{insert} {conflict} NOTHING"
    assignments = ", ".join(f"{quote_identifier(name)} = excluded.{quote_identifier(name)}" for name in updated)
    differs = " OR ".join(
        f"{target}.{quote_identifier(name)} IS NOT excluded.{quote_identifier(name)} COLLATE BINARY" for name in updated
    )
    return f"{insert} {conflict} UPDATE SET {assignments} WHERE {differs}"


def _value(position: int, may_be_blob: bool) -> str:
    value = f"value->>{position}"
    if not may_be_blob:
        return value
    blob = f"substr(?2, value->>'$[{position}][0]', value->>'$[{position}][1]')"
    return f"CASE json_type(value, '$[{position}]') WHEN 'array' THEN {blob} ELSE {value} END"


def as_json(rows: Sequence[Sequence[Value]]) -> str:
    """Return rows as compact JSON, with text unescaped and numbers in their shortest exact form.

    A blob becomes an object with its hexadecimal digits: `{"blob":"4869"}`.
    """
    return _ENCODER.encode(rows)
