"""The rows of a table as SQL, and the keys that name them in a report."""

from __future__ import annotations

from typing import NamedTuple

from turso_deploy.sql.lexer import projected_name, quote_identifier, readable_identifier
from turso_deploy.sql.schema import AnyTable, Table

MAX_NAMED_ROWS = 10
"""The number of rows that a message names."""
MAX_KEY_LENGTH = 60
"""The number of characters that are shown of each column of a key."""


class RowKey(NamedTuple):
    """An expression that names a row in a report, and the word before it: a column, `rowid`, or `key` for a text."""

    word: str
    sql: str


class TableRows(NamedTuple):
    """The rows of one table: `source` follows FROM, and `with_clause` precedes the whole query.

    `key` is None if no key of the rows may be shown. In a projection some columns have other names.
    """

    source: str
    key: RowKey | None
    with_clause: str = ""
    is_projection: bool = False

    def name_of(self, column: str) -> str:
        """Return the name of a column, quoted if it needs to be."""
        return readable_identifier(projected_name(column) if self.is_projection else column)


def current_rows(table: AnyTable, *, show_keys: bool = False) -> TableRows:
    """Return the rows of a table as it is."""
    return TableRows(readable_identifier(table.name), key_of_rows(table, show_keys=show_keys))


def key_of_rows(table: AnyTable, *, show_keys: bool, is_projection: bool = False) -> RowKey | None:
    """Return the key by which the rows of a table are named: an integer, or a text if keys may be shown.

    With `is_projection` it is read from a subquery.
    """
    shown = projected_name if is_projection else str
    if not isinstance(table, Table):
        return None
    definition = table.definition
    key = definition.primary_key
    if key is not None and key.rowid_alias:
        name = definition.by_name[key.parts[0].column or ""].name
        return RowKey(name, readable_identifier(shown(name)))
    if key is not None and show_keys:
        names = [definition.by_name[part.column or ""].name for part in key.parts]
        values = (f"substr(quote({quote_identifier(shown(name))}), 1, {MAX_KEY_LENGTH})" for name in names)
        return RowKey("key", " || ', ' || ".join(values))
    return RowKey("rowid", definition.rowid_names[0]) if definition.rowid_names else None
