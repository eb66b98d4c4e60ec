"""Records of seeded rows in the deployment history, and the three-way comparison with them.

It compares what was seeded last (kept as a hash in the deployment history), what the database holds, and what the file
says. A row that still holds what was seeded gets the values of the file. A row that the file did not change is left as
the application made it. Everything else would overwrite what the application wrote.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from hashlib import blake2b
from typing import Any, NamedTuple

from turso_deploy.core.transaction import Value
from turso_deploy.seeds.decisions import Key, LeftRow
from turso_deploy.seeds.packed_rows import SeedRow
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.seeds.trigger_effects import stored_hash
from turso_deploy.seeds.upsert import as_json, text_form

MAX_RECORDED_ROWS = 10_000
"""The number of rows of a table up to which the deployment history keeps a hash of each."""


class RecordedValue(NamedTuple):
    """What the history keeps of a value that triggers may change: the hash of the given value, and of the stored one.

    `stored` is None if it is unknown: the deployment did not write the value, or its text is too long.
    """

    given: str
    stored: int | None


class RecordedRow(NamedTuple):
    """What the deployment history keeps of a seeded row: the columns that were given, and the hash of their values.

    `key` has the values of its key; `is_present` is True if the table still has a row with that key. `assigned` has the
    given columns that triggers assign, which are not in `columns`; None in the older form, which does not keep them.
    """

    columns: tuple[str, ...]
    hash: str
    key: Key
    is_present: bool
    assigned: Mapping[str, RecordedValue] | None = None


class RowDecisions(NamedTuple):
    """The decisions about the rows of which the database holds other values, by position.

    `before` has the live values of the rows to update, `kept` are the rows to keep, `overwritten` those that would
    overwrite what the application wrote. `same` is the number of kept rows that hold what the deployment left there.
    `left` has the columns of a row that triggers assign and the file did not change, which stay as they are. `stored`
    has what to record again, by column, where the transaction does not write the value.
    """

    before: dict[int, SeedRow]
    kept: set[int]
    overwritten: list[int]
    same: int
    left: dict[int, frozenset[str]]
    stored: dict[int, dict[str, int | None]]


def decide_rows(
    seed: SeedTable,
    different: Mapping[int, SeedRow],
    recorded: Mapping[str, RecordedRow],
    columns: Sequence[str],
    free_values: Mapping[str, Set[Value]],
    assigned: Set[str],
) -> RowDecisions:
    """Decide about the rows of which the database holds other values.

    `different` holds the live values of these rows by position, in the order of `columns`; `recorded` the rows of the
    last deployment by the JSON of their key. `free_values` are the values of a column that count as unwritten: NULL and
    its default. `assigned` are the columns that triggers assign.
    """
    before: dict[int, SeedRow] = {}
    kept: set[int] = set()
    overwritten: list[int] = []
    left: dict[int, frozenset[str]] = {}
    stored: dict[int, dict[str, int | None]] = {}
    same = 0
    for position, group, row in seed.rows_at(different):
        live = dict(zip(columns, different[position], strict=True))  # without the columns that the deployment adds
        given = dict(zip(group.columns, row, strict=True))
        record = recorded.get(group.key_text(row))
        values = tuple(live.get(name) for name in group.columns)
        if record is None:
            if seed.made.get(group.key_text(row)) == values:
                before[position] = values
            else:
                overwritten.append(position)
            continue
        compared = _ComparedRow(live, given, record, assigned)
        if compared.is_as_in_file or compared.holds_what_is_written:
            kept.add(position)
            same += compared.holds_what_was_stored
            stored[position] = compared.stored(assigned)
            continue
        left[position] = compared.left
        if compared.is_as_seeded and compared.are_added_columns_free(free_values):
            before[position] = values
            stored[position] = compared.stored(frozenset(filter(lambda name: not compared.holds(name), compared.left)))
        else:
            overwritten.append(position)
            stored[position] = compared.stored(compared.left)
    return RowDecisions(before, kept, overwritten, same, {at: names for at, names in left.items() if names}, stored)


class _ComparedRow:
    """A row in the database, in the file, and as the last deployment recorded it."""

    def __init__(
        self, live: Mapping[str, Value], given: Mapping[str, Value], record: RecordedRow, assigned: Set[str]
    ) -> None:
        self._live = live
        self._given = given
        self._record = record
        self._values = record.assigned or {}
        self._in_older_form = assigned if record.assigned is None else frozenset[str]()
        unchanged = {name for name in given if name in self._values and self._is_given(name, given)}
        self._is_unchanged = unchanged == given.keys() & self._values.keys()
        self.left = frozenset(unchanged & assigned & live.keys())
        """The columns that triggers assign and the file did not change: the row keeps its values."""

    @property
    def is_as_in_file(self) -> bool:
        """True if the file has not changed since the last deployment."""
        known = {*self._record.columns, *self._values, *self._in_older_form}
        is_same = _hash_of(self._given, self._record.columns) == self._record.hash and self._is_unchanged
        return is_same and self._given.keys() <= known

    @property
    def holds_what_is_written(self) -> bool:
        """True if the row holds every value of the file that it would get."""
        return all(
            name in self._live and self._live[name] == value
            for name, value in self._given.items()
            if name not in self.left
        )

    @property
    def holds_what_was_stored(self) -> bool:
        """True if the row holds the values of the file, or what triggers made of them."""
        return all(self._live.get(name) == value or self.holds(name) for name, value in self._given.items())

    @property
    def is_as_seeded(self) -> bool:
        """True if the row holds what the last deployment left in the columns that it gets."""
        written = (self._given.keys() & self._values.keys()) - self.left
        return _hash_of(self._live, self._record.columns) == self._record.hash and all(
            self._live.get(name) == self._given[name] or self.holds(name) for name in written
        )

    def holds(self, name: str) -> bool:
        """Return True if the row holds what the last deployment gave or left in a column that triggers assign."""
        if name not in self._values or name not in self._live:
            return False
        stored = self._values[name].stored
        return self._is_given(name, self._live) or (stored is not None and stored == stored_hash(self._live[name]))

    def are_added_columns_free(self, free_values: Mapping[str, Set[Value]]) -> bool:
        """Return True if the columns that the last deployment did not give count as unwritten."""
        live = self._live
        added = self._given.keys() - self._values.keys() - set(self._record.columns)
        return all(
            name not in live or live[name] == self._given[name] or live[name] in free_values.get(name, ())
            for name in added
        )

    def stored(self, names: Set[str]) -> dict[str, int | None]:
        """Return what is recorded of the stored values of some columns."""
        return {name: self._values[name].stored if name in self._values else None for name in names}

    def _is_given(self, name: str, row: Mapping[str, Value]) -> bool:
        return self._values[name].given == _hash_of(row, [name])


def record_of(
    seed: SeedTable, assigned: Set[str], stored: Callable[[int, str, str], int | bool | None] = lambda *_: None
) -> str:
    """Return the record of a table's seeds for the deployment history, as JSON; `null` for one with too many rows.

    It is a list with an object for each group: the columns of its `key`, the `columns` of the hash, the given columns
    that triggers assign, and `rows`, each with the values of its key, the hash, and, if triggers assign columns, the
    hashes of what is given in each of these, and those of what is stored there. `stored` returns the latter by the
    position of a row, the text of its key and a column; True stands for the value that the table holds after the
    deployment, as `filled_record_sql` inserts it.
    """
    if seed.before + seed.row_count > MAX_RECORDED_ROWS:
        return "null"
    groups = []
    position = seed.before
    for group in seed.groups:
        columns = [name for name in group.columns if name not in assigned]
        others = [name for name in group.columns if name in assigned]
        positions = [group.columns.index(name) for name in group.key]
        rows = []
        for at, row in enumerate(group.rows, position):
            given = dict(zip(group.columns, row, strict=True))
            entry: list[Any] = [[row[place] for place in positions], _hash_of(given, columns)]
            if others:
                key = group.key_text(row)
                entry += [[_hash_of(given, [name]) for name in others], [stored(at, key, name) for name in others]]
            rows.append(entry)
        groups.append({"key": group.key, "columns": columns, "assigned": others, "rows": rows})
        position += len(group.rows)
    return as_json(groups)  # type: ignore[arg-type]


def records_by_key(
    groups: Mapping[str, tuple[str, str, str | None]],
    rows: Iterable[tuple[str, str, str, bool, str | None, str | None]],
    new_names: Mapping[str, str],
) -> dict[str, RecordedRow]:
    """Return recorded rows by the text of their key, under the names of the schema folder.

    `groups` holds the JSON of the key's columns, of the hashed columns and of those that triggers assign of each group
    by its id, `rows` the id of a group, the JSON of a key, a hash, whether the row is present, and the JSON of the
    hashes of what is given and of what is stored in the columns that triggers assign. `new_names` maps the names of
    columns before the deployment to those after it. What is damaged is left out.
    """
    records = {}
    names = {
        number: (_names_in(key, new_names), _names_in(columns, new_names), _assigned_in(assigned, new_names))
        for number, (key, columns, assigned) in groups.items()
    }
    for number, key_values, digest, is_present, given, stored in rows:
        # Without names if it was recorded since the groups were read.
        key, columns, assigned = names.get(number, ((), (), None))
        values = _list_in(key_values)
        if key and (columns or assigned) and len(values) == len(key):
            records[as_json([key, list(map(text_form, values))])] = RecordedRow(
                columns, digest, tuple(values), is_present, _recorded_values(assigned, given, stored)
            )
    return records


def _assigned_in(text: str | None, new_names: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the new names of the columns that triggers assign; None in the older form of a record."""
    return None if text is None else _names_in(text, new_names)


def _recorded_values(
    names: tuple[str, ...] | None, given: str | None, stored: str | None
) -> dict[str, RecordedValue] | None:
    """Return what is recorded of the columns that triggers assign; None if that is not known."""
    if not names:
        return None if names is None else {}
    values = list(zip(_list_in(given or ""), _list_in(stored or ""), strict=False))
    if len(values) != len(names):
        return None
    return {
        name: RecordedValue(str(one), other if type(other) is int else None)
        for name, (one, other) in zip(names, values, strict=True)
    }


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
    groups = {
        number: (as_json(part["key"]), as_json(part["columns"]), as_json(part["assigned"]))
        for number, part in parts.items()
    }
    rows = (
        (number, as_json(key), digest, True, *(map(as_json, values) if values else (None, None)))
        for number, part in parts.items()
        for key, digest, *values in part["rows"]
    )
    return records_by_key(groups, rows, new_names)


def record_under_new_names(recorded: Mapping[str, RecordedRow]) -> str:
    """Return the record of rows that are recorded under the names before a deployment, as JSON."""
    groups: dict[str, dict[str, Any]] = {}
    for text, row in recorded.items():
        key, _ = json.loads(text)
        names = None if row.assigned is None else list(row.assigned)
        group = {"key": key, "columns": row.columns, "rows": []}
        if names is not None:
            group["assigned"] = names
        group = groups.setdefault(as_json([key, row.columns, names or []]) + str(names is None), group)
        values = list(zip(*row.assigned.values(), strict=True)) if row.assigned else []
        group["rows"].append([row.key, row.hash, *values])
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
