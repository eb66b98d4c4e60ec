"""Simulate seeding: insert all rows into the scratch database, before anything is sent.

SQLite itself checks NOT NULL, UNIQUE, CHECK, STRICT types and the RAISE of triggers. Foreign keys are not enforced
here, because a parent may exist in the live database only; `seed_steps` adds a check for those.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import count

from turso_deploy.core.errors import ProjectError
from turso_deploy.core.transaction import Value
from turso_deploy.seeds.files import seed_error
from turso_deploy.seeds.packed_rows import SeedRow
from turso_deploy.seeds.tables import SeedGroup, SeedTable
from turso_deploy.seeds.upsert import as_json
from turso_deploy.sql.lexer import quote_identifier
from turso_deploy.sql.schema import Schema

# Messages of SQLite about a row that quote none of its values: https://www.sqlite.org/rescode.html#constraint
_WITHOUT_VALUES = (
    "CHECK constraint failed",
    "UNIQUE constraint failed",
    "NOT NULL constraint failed",
    "cannot store ",
    "datatype mismatch",
    "malformed JSON",
    "no such ",
)


def simulate_seeds(seeds: Sequence[SeedTable], wanted: Schema, connection: sqlite3.Connection) -> None:
    """Insert all seeds into a scratch database that has the wanted schema, and leave them there.

    `connection` is in autocommit mode. Raises ProjectError (`seed-invalid`) with file and line of the row that SQLite
    rejects; the message quotes no value.
    """
    (enforced,) = connection.execute("PRAGMA foreign_keys").fetchone()
    connection.execute("PRAGMA foreign_keys = off")
    connection.execute("BEGIN")
    try:
        for seed in seeds:
            for group in seed.groups:
                _insert(seed, group, wanted, connection)
    finally:
        if connection.in_transaction:  # RAISE(ROLLBACK) ends it
            connection.execute("COMMIT")
        connection.execute(f"PRAGMA foreign_keys = {enforced}")


def _insert(seed: SeedTable, group: SeedGroup, wanted: Schema, connection: sqlite3.Connection) -> None:
    names = ", ".join(map(quote_identifier, group.columns))
    parameters = ", ".join("?" * len(group.columns))
    fetched = count()
    rows = (row for row, _ in zip(group.rows, fetched, strict=False))
    try:
        connection.executemany(f"INSERT INTO {quote_identifier(seed.table)} ({names}) VALUES ({parameters})", rows)
    except sqlite3.Error as error:
        # `executemany` fetches a row after inserting the previous one, so the last one fetched was rejected.
        raise _error(str(error), seed, group, next(fetched) - 1, wanted, connection) from None


def _error(
    message: str, seed: SeedTable, group: SeedGroup, position: int, wanted: Schema, connection: sqlite3.Connection
) -> ProjectError:
    rule, _, subject = message.partition(" constraint failed: ")
    if rule == "NOT NULL":
        explanation = f"`{subject}` must have a value (NOT NULL)"
    elif rule == "UNIQUE":
        other = _line_of_equal_row(subject, seed, group, position, connection)
        explanation = f"`{subject}` must be unique, and {f'line {other}' if other else 'another row'} has the same"
    elif message.startswith(_WITHOUT_VALUES):
        explanation = f"SQLite rejects the row, {message}"
    elif any(message in trigger.sql for trigger in wanted.triggers.values()):
        explanation = f"a trigger rejects the row, {message}"
    else:
        explanation = f"a trigger or a constraint rejects the row of `{seed.table}`"
    return seed_error(explanation, seed.file, group.lines[position])


def _line_of_equal_row(
    subject: str, seed: SeedTable, group: SeedGroup, position: int, connection: sqlite3.Connection
) -> int | None:
    """Return the line of the row that has the same key by the collations and affinities of the table."""
    prefix = f"{seed.table}."
    columns = [part.removeprefix(prefix) for part in subject.split(", ") if part.startswith(prefix)]
    if not columns or not set(group.columns) >= set(columns):
        return None  # an index over expressions, a table that a trigger fills, a repeated default
    table = quote_identifier(seed.table)
    same = " AND ".join(
        f"{own} = ?{place + 2} AND {own} = given.value->>{place}"
        for place, own in enumerate(f"{table}.{quote_identifier(column)}" for column in columns)
    )
    sql = f"SELECT given.key FROM {table}, json_each(?1) AS given WHERE {same}"
    [row] = group.rows.slice(position, position + 1)
    rejected = _values(row, group, columns)
    for other in seed.groups:
        if set(other.columns) >= set(columns):
            rows = other.rows.slice(0, position) if other is group else other.rows
            given = as_json([_values(row, other, columns) for row in rows])
            for (place,) in connection.execute(sql, (given, *rejected)):
                return other.lines[int(place)]
        if other is group:
            break
    return None


def _values(row: SeedRow, group: SeedGroup, columns: Sequence[str]) -> list[Value]:
    return [row[group.columns.index(column)] for column in columns]
