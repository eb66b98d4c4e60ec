"""Random rows that satisfy a schema, and what a changed schema has to make of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing, suppress

from hypothesis import strategies as st

from tests.property.schemas import Schema, Table
from turso_deploy.core.transaction import Value
from turso_deploy.sql.lexer import quote_identifier
from turso_deploy.sql.splitter import split
from turso_deploy.sqlite.connection import Connection, SqliteError

Row = tuple[Value, ...]

VALUES = (
    None, 1, 2, 3, -7, 99, 0, 2**53 + 1, -(2**63), 1.0, 2.5, 1e300, "", "x", "X", "bad", "x ", "1", "007", "1e3", " 5 ",
    "1e400", "ünïcode", "it's", "line\nbreak", b"", b"\x01\x02", b"1",
)  # fmt: skip
# What quote() gives for a text of many digits in a REAL column is no literal in every version.
_INFINITE = {"Inf": "9e999", "-Inf": "-9e999"}
_REAL = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?")
PLAIN_VALUES = (1, 2, 3, 4, "1", "x", "y", "z")


def rows_for(schema: Schema) -> st.SearchStrategy[dict[str, list[Row]]]:
    """Rows for each table, as they are offered to it; `accepted` says which of them it takes."""
    value = st.one_of(st.sampled_from(PLAIN_VALUES), st.sampled_from(VALUES))
    return st.fixed_dictionaries(
        {
            name: st.lists(st.tuples(st.integers(1, 50), *(value for _ in table.stored_columns)), max_size=6)
            for name, table in schema.tables.items()
        }
    )


def insertion(table: Table) -> tuple[str, slice]:
    """The INSERT for a row of `rows_for`, and which of its values it takes: the rowid only where it can be named."""
    columns = [*(["rowid"] if table.has_own_rowid else []), *map(quote_identifier, table.stored_columns)]
    places = ", ".join(f"?{number}" for number in range(1, len(columns) + 1))
    sql = f"INSERT INTO {quote_identifier(table.name)} ({', '.join(columns)}) VALUES ({places})"
    return sql, slice(0 if table.has_own_rowid else 1, None)


def top_rows(schema: Schema) -> list[str]:
    """The statements that delete the last row of every table that counts, so that its counter is ahead of its rows."""
    counting = (table for table in schema.tables.values() if table.key == "counter")
    names = (quote_identifier(table.name) for table in counting)
    return [f"DELETE FROM {name} WHERE id = (SELECT max(id) FROM {name})" for name in names]


def texts(schema: Schema) -> list[str]:
    """The statements that give every full-text index something to find."""
    found = []
    for search in schema.searches.values():
        if search.content:
            found.append(f"INSERT INTO {search.name} ({search.name}) VALUES ('rebuild')")
        else:
            values = ", ".join(f"'running {number}'" for number, _ in enumerate(search.columns))
            columns = ", ".join(map(quote_identifier, search.columns))
            found.append(f"INSERT INTO {search.name} (rowid, {columns}) VALUES (7, {values}), (9, {values})")
    return found


def accepted(schema: Schema, offered: dict[str, list[Row]]) -> list[tuple[str, Row]]:
    """The statements that fill the tables, with the arguments that the schema accepts."""
    found = []
    with closing(Connection.in_memory()) as database:
        for statement in split(schema.files()["schema.sql"]):
            database.execute(statement.text)
        database.execute("PRAGMA foreign_keys = on")
        for _ in range(2):  # what refers to a later row is accepted the second time
            for name, table in schema.tables.items():
                sql, taken = insertion(table)
                for row in offered[name]:
                    with suppress(SqliteError):
                        database.execute(sql, row[taken])
                        found.append((sql, row[taken]))
    return found


def reading(table: Table, columns: Sequence[str], *, rowid: bool) -> str:
    """A query for the rows of a table, each value as an SQL literal."""
    terms = [*(["rowid"] if rowid else []), *(f"quote({quote_identifier(name)})" for name in columns)]
    return f"SELECT {', '.join(terms) or '1'} FROM {quote_identifier(table.name)}"


def as_stored(table: Table, columns: Sequence[str], rows: Sequence[Row], *, rowid: bool) -> list[Row]:
    """What columns of the table's types store when they are given rows of `reading`; the oracle is SQLite itself."""
    if not columns:
        return list(rows)
    types = [table.columns[name].type if name in table.columns else "INTEGER" for name in columns]
    declared = ", ".join(f"{quote_identifier(name)} {kind}" for name, kind in zip(columns, types, strict=True))
    with closing(Connection.in_memory()) as database:
        database.execute(f"CREATE TABLE copy ({declared}) {'STRICT' if table.strict else ''}")
        found: list[Row] = []
        for row in rows:
            literals = [_INFINITE.get(str(value), str(value)) for value in row[int(rowid) :]]
            database.execute(f"INSERT INTO copy VALUES ({', '.join(literals)})")
            terms = ", ".join(f"quote({quote_identifier(name)})" for name in columns)
            [stored] = database.execute(f"SELECT {terms} FROM copy").rows
            found.append((*row[: int(rowid)], *stored))
            database.execute("DELETE FROM copy")
        return found


def compared(rows: Sequence[Row]) -> list[str]:
    """Rows as texts in one order, in which a REAL has one writing: SQLite's own differs from version to version."""
    return sorted(str([_one_writing(value) for value in row]) for row in rows)


def _one_writing(literal: Value) -> Value:
    return repr(float(literal)) if isinstance(literal, str) and _REAL.fullmatch(literal) else literal
