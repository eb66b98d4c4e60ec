"""Simulate seeding in the scratch database before anything is sent: it gives the seeds as SQLite stores them.

SQLite itself checks NOT NULL, UNIQUE, CHECK, STRICT types and the RAISE of triggers. Foreign keys are not enforced
here, because a parent may exist in the live database only; `seed_steps` adds a check for those.

Where triggers fire at the rows, the rows are stored without them first, and then inserted or updated with them, as in a
deployment: a trigger may make the row that a later file sets, and it must not leave out a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, count

from turso_deploy.core.errors import Place, ProjectError
from turso_deploy.core.transaction import whole_number
from turso_deploy.seeds.files import SeedErrors, seed_error
from turso_deploy.seeds.packed_rows import RowPacker, SeedRow
from turso_deploy.seeds.tables import SeedFile, SeedGroup, SeedTable, fingerprint_of, parents_first
from turso_deploy.seeds.upsert import insert_verb
from turso_deploy.seeds.values import has_no_text_form
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.schema import Schema
from turso_deploy.sqlite.connection import Connection, SqliteError
from turso_deploy.sqlite.limits import WorkLimitError

# Messages of SQLite about a row that quote none of its values: https://www.sqlite.org/rescode.html#constraint
_WITHOUT_VALUES = (
    "CHECK constraint failed",
    "UNIQUE constraint failed",
    "NOT NULL constraint failed",
    "cannot store ",
    "datatype mismatch",
    "malformed JSON",
    "no such ",
    "string or blob too big",
)

_MATCHES = re.compile(r"\b(LIKE|GLOB)\b", re.IGNORECASE)

_STORED = "turso_deploy_stored"  # a temporary table, and the trigger that fills it; no name of the wanted schema


def simulate_seeds(files: Sequence[SeedFile], wanted: Schema, connection: Connection) -> tuple[SeedTable, ...]:
    """Insert all rows into a scratch database that has the wanted schema, leave them there, and return them as stored.

    `connection` is in autocommit mode. Raises ProjectError (`seed-invalid`) with file and line of the rows that SQLite
    or a trigger rejects; the message quotes no value.
    """
    errors = SeedErrors()
    seeded = {fold_case(file.table) for file in files}
    triggers = [
        trigger.name
        for trigger in wanted.triggers.values()
        if trigger.definition.event == "INSERT" and fold_case(trigger.table) in seeded
    ]
    if _may_match_blobs(files, wanted):
        connection.match_blobs()
    enforced = connection.execute("PRAGMA foreign_keys").number()
    connection.execute("PRAGMA foreign_keys = off")
    connection.execute("PRAGMA temp_store = memory")  # the rows of temporary tables go into no file
    connection.execute("BEGIN")
    try:
        for name in triggers:
            connection.execute(f"DROP TRIGGER {quote_identifier(name)}")
        seeds = tuple(_store(file, wanted, connection, errors) for file in files)
        errors.raise_all()
        if triggers:
            connection.execute("ROLLBACK")
            connection.execute("BEGIN")
            seeds = _insert_with_triggers(seeds, wanted, connection)
    finally:
        if connection.in_transaction:  # RAISE(ROLLBACK) ends it
            connection.execute("COMMIT")
        connection.execute(f"PRAGMA foreign_keys = {enforced}")
    return seeds


def _may_match_blobs(files: Sequence[SeedFile], wanted: Schema) -> bool:
    """Return True if LIKE or GLOB, in a CHECK for example, may compare a blob of the seeds."""
    if not any(_MATCHES.search(item.sql) for item in wanted.objects()):
        return False
    return any(group.rows.has_blobs for file in files for group in file.groups)


def _store(file: SeedFile, wanted: Schema, connection: Connection, errors: SeedErrors) -> SeedTable:
    """Insert the rows of a file without triggers, and return them as stored. What is rejected is added to `errors`.

    A temporary trigger copies what the table has stored, with the position of the row, so that SQLite sorts the rows.
    """
    columns = tuple(dict.fromkeys(column for group in file.groups for column in group.columns))
    if not columns:
        return SeedTable(file.table, file.file, (), fingerprint_of(file.table, ()))
    copies = {column: f"c{number}" for number, column in enumerate(columns)}
    connection.execute(f"CREATE TEMP TABLE {_STORED} (position INTEGER PRIMARY KEY, {', '.join(copies.values())})")
    connection.execute(
        f"CREATE TEMP TRIGGER {_STORED} AFTER INSERT ON main.{quote_identifier(file.table)} BEGIN "
        f"INSERT INTO {_STORED} ({', '.join(copies.values())}) "
        f"VALUES ({', '.join(f'new.{quote_identifier(column)}' for column in columns)}); END"
    )
    try:
        for group in file.groups:
            _insert(file, group, wanted, connection, copies, errors)
        if errors.exist:
            return SeedTable(file.table, file.file, (), "")
        _require_keys_of_one_text(file, wanted, connection, copies)
        firsts = accumulate((len(group.rows) for group in file.groups), initial=1)
        groups = tuple(
            _stored_group(group, first, connection, copies) for first, group in zip(firsts, file.groups, strict=False)
        )
    finally:
        connection.execute(f"DROP TRIGGER IF EXISTS temp.{_STORED}")
        connection.execute(f"DROP TABLE IF EXISTS temp.{_STORED}")
    return SeedTable(file.table, file.file, groups, fingerprint_of(file.table, groups))


def _insert(
    file: SeedFile,
    group: SeedGroup,
    wanted: Schema,
    connection: Connection,
    copies: dict[str, str],
    errors: SeedErrors,
) -> None:
    """Insert the rows of a group. OR ABORT, because a conflict clause of the table could leave out or replace a row."""
    position = 0

    def fetched() -> Iterator[SeedRow]:
        nonlocal position
        for position, row in enumerate(group.rows):  # noqa: B007, the position is that of the last row
            yield row

    rows = fetched()
    try:
        while not errors.are_enough:
            try:
                connection.execute_for_each(_insert_sql(file.table, group), rows)
                break
            except SqliteError as error:
                # A row is fetched after the previous one was inserted, so the last one fetched was rejected.
                other = _line_of_equal_row(error.message, file, group, position, connection, copies)
                found = _error(error.message, file, group.lines[position], wanted, other)
                if error.message.startswith("no such "):  # each row has the same fault
                    raise found from None
                errors.add(found)
                connection.execute(f"INSERT INTO temp.{_STORED} DEFAULT VALUES")  # so that positions stay those of rows
    except WorkLimitError as error:
        error.place = Place(file.file, group.lines[position])
        raise


def _insert_sql(table: str, group: SeedGroup, verb: str = "INSERT OR ABORT") -> str:
    names = ", ".join(map(quote_identifier, group.columns))
    parameters = ", ".join("?" * len(group.columns))
    return f"{verb} INTO main.{quote_identifier(table)} ({names}) VALUES ({parameters})"


def _stored_group(group: SeedGroup, first: int, connection: Connection, copies: dict[str, str]) -> SeedGroup:
    """Return the rows as stored, sorted by key as SQLite sorts values: numbers, texts by their characters, blobs."""
    names = [copies[column] for column in group.columns]
    key = ", ".join(copies[column] for column in group.key)
    stored = f"FROM temp.{_STORED} WHERE position BETWEEN {first} AND {first + len(group.rows) - 1}"
    packer = RowPacker()
    lines = []
    for row in connection.rows(f"SELECT {', '.join(names)}, position {stored} ORDER BY {key}"):
        packer.add(row[:-1])
        lines.append(group.lines[whole_number(row[-1]) - first])
    rows = packer.rows()
    blob_columns: set[str] = set()
    if rows.has_blobs:
        has_one = ", ".join(f"max(typeof({name}) = 'blob')" for name in names)
        [figures] = connection.execute(f"SELECT {has_one} {stored}").rows
        blob_columns = {column for column, found in zip(group.columns, figures, strict=True) if found}
    return group._replace(rows=rows, lines=tuple(lines), blob_columns=frozenset(blob_columns))


def _require_keys_of_one_text(file: SeedFile, wanted: Schema, connection: Connection, copies: dict[str, str]) -> None:
    """Raise ProjectError if two keys differ only in that one is a number and the other a text, as `1` and `'1'`."""
    definition = wanted.tables[fold_case(file.table)].definition
    types = {name: definition.by_name[fold_case(name)].type for name in copies}
    for key in dict.fromkeys(group.key for group in file.groups):
        if not any(has_no_text_form(types[name], strict=definition.strict) for name in key):
            continue
        texts = ", ".join(f"CAST({copies[name]} AS TEXT)" for name in key)
        comparable = " AND ".join(f"typeof({copies[name]}) NOT IN ('null', 'blob')" for name in key)
        found = connection.row(
            f"SELECT min(position), max(position) FROM temp.{_STORED} WHERE {comparable} "
            f"GROUP BY {texts} HAVING count(*) > 1 LIMIT 1"
        )
        if found:
            lines = [line for group in file.groups for line in group.lines]
            first, second = sorted(lines[whole_number(position) - 1] for position in found)
            raise seed_error(
                f"{', '.join(f'`{name}`' for name in key)} is a number here and a text in line {first}, or the other "
                "way round, with the same characters",
                file.file,
                second,
                "Write the key in one form, or declare a type for its column: without one, SQLite keeps two rows.",
            )


def _insert_with_triggers(seeds: Sequence[SeedTable], wanted: Schema, connection: Connection) -> tuple[SeedTable, ...]:
    """Insert or update all rows in the order of a deployment, and return the seeds with the rows that triggers made.

    Raises ProjectError if a row is not there afterwards.
    """
    ordered, _, _ = parents_first(seeds, wanted)
    made = {}
    for seed in ordered:
        made[seed.table] = _existing_rows(seed, connection)
        for group in seed.groups:
            fetched = count()
            rows = (row for row, _ in zip(group.rows, fetched, strict=False))
            try:
                insert = _insert_sql(seed.table, group, insert_verb(wanted.tables[fold_case(seed.table)].sql))
                connection.execute_for_each(f"{insert} {_on_conflict(seed.table, group)}", rows)
            except SqliteError as error:
                raise _error(error.message, seed, group.lines[next(fetched) - 1], wanted, None) from None
            except WorkLimitError as error:
                error.place = Place(seed.file, group.lines[next(fetched) - 1])
                raise
    errors = SeedErrors()
    for seed in ordered:
        for group in seed.groups:
            for line in _lines_left_out(seed, group, connection):
                message = f"a trigger leaves out the row of `{seed.table}`, or deletes it"
                errors.add(seed_error(message, seed.file, line, "Remove the row here, or let the trigger accept it."))
    errors.raise_all()
    return tuple(seed._replace(made=made[seed.table]) for seed in seeds)


def _existing_rows(seed: SeedTable, connection: Connection) -> dict[str, SeedRow]:
    """Return the rows of a table by the text of their key, with the columns of each group."""
    rows = {}
    for group in seed.groups:
        columns = ", ".join(map(quote_identifier, group.columns))
        for row in connection.rows(f"SELECT {columns} FROM main.{quote_identifier(seed.table)}"):
            rows[group.key_text(row)] = row
    return rows


def _on_conflict(table: str, group: SeedGroup) -> str:
    target = f"ON CONFLICT ({', '.join(map(quote_identifier, group.key))}) DO"
    updated = [quote_identifier(column) for column in group.columns if column not in group.key]
    if not updated:
        return f"{target} NOTHING"
    own = quote_identifier(table)
    assignments = ", ".join(f"{name} = excluded.{name}" for name in updated)
    differs = " OR ".join(f"{own}.{name} IS NOT excluded.{name} COLLATE BINARY" for name in updated)
    return f"{target} UPDATE SET {assignments} WHERE {differs}"


def _lines_left_out(seed: SeedTable, group: SeedGroup, connection: Connection) -> Iterator[int]:
    """Yield the lines of rows whose keys are not in the table."""
    places = [group.columns.index(column) for column in group.key]
    names = [f"k{number}" for number in range(len(places))]
    connection.execute(f"CREATE TEMP TABLE {_STORED} (position INTEGER PRIMARY KEY, {', '.join(names)})")
    try:
        connection.execute_for_each(
            f"INSERT INTO temp.{_STORED} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            ([row[place] for place in places] for row in group.rows),
        )
        same = " AND ".join(
            f"own.{quote_identifier(column)} = {name}" for column, name in zip(group.key, names, strict=True)
        )
        missing = connection.execute(
            f"SELECT position FROM temp.{_STORED} "
            f"WHERE NOT EXISTS (SELECT 1 FROM main.{quote_identifier(seed.table)} AS own WHERE {same}) ORDER BY 1"
        ).rows
    finally:
        connection.execute(f"DROP TABLE temp.{_STORED}")
    for (position,) in missing:
        yield group.lines[whole_number(position) - 1]


def _error(message: str, seed: SeedFile | SeedTable, line: int, wanted: Schema, other_line: int | None) -> ProjectError:
    rule, _, subject = message.partition(" constraint failed: ")
    if rule == "NOT NULL":
        explanation = f"`{subject}` must have a value (NOT NULL)"
    elif rule == "UNIQUE":
        other = f"line {other_line}" if other_line else "another row"
        explanation = f"`{subject}` must be unique, and {other} has the same"
    elif message.startswith(_WITHOUT_VALUES):
        explanation = f"SQLite rejects the row, {message}"
    elif any(message.replace("'", "''") in trigger.sql for trigger in wanted.triggers.values()):
        explanation = f"a trigger rejects the row, {message}"
    else:
        explanation = f"a trigger or a constraint rejects the row of `{seed.table}`"
    return seed_error(explanation, seed.file, line)


def _line_of_equal_row(
    message: str,
    file: SeedFile,
    group: SeedGroup,
    position: int,
    connection: Connection,
    copies: dict[str, str],
) -> int | None:
    """Return the line of the row that has the same key by the collations and affinities of the table."""
    rule, _, subject = message.partition(" constraint failed: ")
    prefix = f"{file.table}."
    columns = [part.removeprefix(prefix) for part in subject.split(", ") if part.startswith(prefix)]
    if rule != "UNIQUE" or not columns or not set(group.columns) >= set(columns):
        return None  # an index over expressions, a repeated default
    same = " AND ".join(
        f"{own} = ?{place + 1} AND {own} = {copies[column]}"
        for place, column in enumerate(columns)
        for own in [f"own.{quote_identifier(column)}"]
    )
    [row] = group.rows.slice(position, position + 1)
    found = connection.row(
        f"SELECT position FROM main.{quote_identifier(file.table)} AS own, temp.{_STORED} WHERE {same} LIMIT 1",
        [row[group.columns.index(column)] for column in columns],
    )
    lines = [line for each in file.groups for line in each.lines]
    return lines[whole_number(found[0]) - 1] if found else None
