"""Records of seeded rows in the deployment history, and the three-way comparison with them.

It compares what was seeded last (kept as a hash in the deployment history), what the database holds, and what the file
says. A row that still holds what was seeded gets the values of the file. A row that the file did not change is left as
the application made it. Everything else would overwrite what the application wrote.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence, Set
from hashlib import blake2b
from typing import Any, NamedTuple

from turso_deploy.core.transaction import Value
from turso_deploy.seeds.decisions import Key, LeftRow
from turso_deploy.seeds.packed_rows import SeedRow
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.seeds.upsert import as_json, text_form

MAX_RECORDED_ROWS = 10_000
"""The number of rows of a table up to which the deployment history keeps a hash of each."""


class RecordedRow(NamedTuple):
    """What the deployment history keeps of a seeded row: the columns that were given, and the hash of their values.

    `key` has the values of its key; `is_present` is True if the table still has a row with that key.
    """

    columns: tuple[str, ...]
    hash: str
    key: Key
    is_present: bool


def decide_rows(
    seed: SeedTable,
    different: Mapping[int, SeedRow],
    recorded: Mapping[str, RecordedRow],
    columns: Sequence[str],
    free_values: Mapping[str, Set[Value]],
    assigned: Set[str],
) -> tuple[dict[int, SeedRow], set[int], list[int], int]:
    """Decide about the rows of which the database holds other values.

    `different` holds the live values of these rows by position, in the order of `columns`; `recorded` the rows of the
    last deployment by the JSON of their key. `free_values` are the values of a column that count as unwritten: NULL and
    its default. `assigned` are the columns that triggers assign, which are not compared.
    Returns the live values of the rows to update, the positions of the rows to keep, those of the rows that would
    overwrite what the application wrote, and the number of kept rows that differ only in what triggers assign.
    """
    before: dict[int, SeedRow] = {}
    kept: set[int] = set()
    overwritten: list[int] = []
    same = 0
    for position, group, row in seed.rows_at(different):
        live = dict(zip(columns, different[position], strict=True))  # without the columns that the deployment adds
        given = dict(zip(group.columns, row, strict=True))
        record = recorded.get(group.key_text(row))
        values = tuple(live.get(name) for name in group.columns)
        if record is None:
            is_seeded = seed.made.get(group.key_text(row)) == values
        else:
            is_seeded = _hash_of(live, record.columns) == record.hash and _are_free(live, given, record, free_values)
        is_as_in_file = record is not None and _hash_of(given, record.columns) == record.hash
        if record and is_as_in_file and set(group.columns) <= set(record.columns) | assigned:
            kept.add(position)
            same += all(live.get(name) == given[name] for name in group.columns if name not in assigned)
        elif is_seeded:
            before[position] = values
        else:
            overwritten.append(position)
    return before, kept, overwritten, same


def _are_free(
    live: Mapping[str, Value], given: Mapping[str, Value], record: RecordedRow, free_values: Mapping[str, Set[Value]]
) -> bool:
    """Return True if the columns that the last deployment did not give count as unwritten."""
    added = (name for name in given if name not in record.columns)
    return all(
        name not in live or live[name] == given[name] or live[name] in free_values.get(name, ()) for name in added
    )


def record_of(seed: SeedTable, assigned: Set[str]) -> str:
    """Return the record of a table's seeds for the deployment history, as JSON; `null` for one with too many rows.

    It is a list with an object for each group: the columns of its `key`, the `columns` of the hash, and `rows`, each
    with the values of its key and the hash. Columns that triggers assign are not hashed.
    """
    if seed.before + seed.row_count > MAX_RECORDED_ROWS:
        return "null"
    groups = []
    for group in seed.groups:
        columns = [name for name in group.columns if name not in assigned]
        positions = [group.columns.index(name) for name in group.key]
        rows = [
            [[row[at] for at in positions], _hash_of(dict(zip(group.columns, row, strict=True)), columns)]
            for row in group.rows
        ]
        groups.append({"key": group.key, "columns": columns, "rows": rows})
    return as_json(groups)  # type: ignore[arg-type]


def records_by_key(
    groups: Mapping[str, tuple[str, str]],
    rows: Iterable[tuple[str, str, str, bool]],
    new_names: Mapping[str, str],
) -> dict[str, RecordedRow]:
    """Return recorded rows by the text of their key, under the names of the schema folder.

    `groups` holds the JSON of the key's columns and that of the hashed columns of each group by its id, `rows` the id
    of a group, the JSON of a key, a hash, and whether the row is present. `new_names` maps the names of columns before
    the deployment to those after it. What is damaged is left out.
    """
    records = {}
    names = {
        number: (_names_in(key, new_names), _names_in(columns, new_names)) for number, (key, columns) in groups.items()
    }
    for number, key_values, digest, is_present in rows:
        key, columns = names.get(number, ((), ()))  # without names if it was recorded since the groups were read
        values = _list_in(key_values)
        if key and columns and len(values) == len(key):
            records[as_json([key, list(map(text_form, values))])] = RecordedRow(
                columns, digest, tuple(values), is_present
            )
    return records


def _names_in(text: str, new_names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the new names of the columns in a JSON array; none if it is anything else."""
    names = _list_in(text)
    return tuple(new_names.get(name, name) for name in names) if all(isinstance(name, str) for name in names) else ()


def _list_in(text: str) -> list[Any]:
    """Return a JSON array; an empty one if the text is anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def records_in(record: str, new_names: Mapping[str, str]) -> dict[str, RecordedRow]:
    """Return the rows of a record that `record_of` made, by the text of their key; all count as present."""
    parts = {str(number): part for number, part in enumerate(json.loads(record) or ())}
    groups = {number: (as_json(part["key"]), as_json(part["columns"])) for number, part in parts.items()}
    rows = ((number, as_json(key), digest, True) for number, part in parts.items() for key, digest in part["rows"])
    return records_by_key(groups, rows, new_names)


def record_under_new_names(recorded: Mapping[str, RecordedRow]) -> str:
    """Return the record of rows that are recorded under the names before a deployment, as JSON."""
    groups: dict[str, dict[str, Any]] = {}
    for text, row in recorded.items():
        key, _ = json.loads(text)
        group = groups.setdefault(as_json([key, row.columns]), {"key": key, "columns": row.columns, "rows": []})
        group["rows"].append([row.key, row.hash])
    return as_json(list(groups.values()))  # type: ignore[arg-type]


def left_rows(seed: SeedTable, recorded: Mapping[str, RecordedRow]) -> tuple[LeftRow, ...]:
    """Return the recorded rows that the file has no longer, and that stay in the database."""
    if not recorded:
        return ()
    given = {group.key_text(row) for group in seed.groups for row in group.rows}
    left = {text: record.key for text, record in recorded.items() if record.is_present and text not in given}
    return tuple(LeftRow(tuple(json.loads(text)[0]), key) for text, key in left.items())


def _hash_of(row: Mapping[str, Value], columns: Sequence[str]) -> str:
    """Return a hash of 64 bits of the values of some columns; "" if the row lacks one of them."""
    if not all(name in row for name in columns):
        return ""
    text = as_json([[text_form(row[name]) for name in columns]])
    return urlsafe_b64encode(blake2b(text.encode(), digest_size=8).digest())[:-1].decode()
