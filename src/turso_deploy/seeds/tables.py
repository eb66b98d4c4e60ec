"""Seeds: one file a table in `seeds/`, read and held against the wanted schema, ready to be rehearsed and sent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from turso_deploy.seeds.files import RawRow, read_seed_file, seed_error
from turso_deploy.seeds.packed_rows import PackedRows, Packer, SeedRow
from turso_deploy.seeds.upsert import as_json
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.parser import TableDefinition
from turso_deploy.sql.schema import Schema, VirtualTable

SEEDS_FOLDER = "seeds"


class SeedGroup(Struct, frozen=True):
    """Rows that give the same columns, in the table's order, and have the same key; `lines` goes with `rows`."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: PackedRows
    lines: tuple[int, ...]


class SeedTable(Struct, frozen=True):
    """The seeds of one table, or the part of them that follows `before` other rows.

    `fingerprint` is a SHA-256 of what the whole file says, whatever its format.
    """

    table: str
    file: str
    groups: tuple[SeedGroup, ...]
    fingerprint: str
    before: int = 0

    @property
    def row_count(self) -> int:
        """How many rows there are, in the order of the groups."""
        return sum(len(group.rows) for group in self.groups)

    def fingerprint_under(self, table: str, columns: Mapping[str, str]) -> str:
        """What the fingerprint of the whole file was when its table had another name; `columns` are old ones by new."""
        named = (
            replace(group, columns=tuple(columns.get(name, name) for name in group.columns)) for group in self.groups
        )
        return _fingerprint(table, named)

    def part(self, start: int, stop: int | None = None) -> SeedTable:
        """The rows from `start` on, without the one at `stop` and what follows it."""
        groups = []
        first = 0
        for group in self.groups:
            count = len(group.rows)
            own_start, own_stop = max(0, start - first), count if stop is None else min(count, stop - first)
            if own_start < own_stop:
                groups.append(
                    replace(group, rows=group.rows.part(own_start, own_stop), lines=group.lines[own_start:own_stop])
                )
            first += count
        return replace(self, groups=tuple(groups), before=self.before + start)


def load_seeds(folder: Path, displayed_folder: str, wanted: Schema) -> tuple[SeedTable, ...]:
    """Read every seed file of a schema folder, in the order of their names; without a folder `seeds` there are none.

    `displayed_folder` is how places name the schema folder. Raises ProjectError (`seed-invalid`) with file and line for
    whatever cannot be a row of the wanted schema by its shape; what the rows mean is for the rehearsal to judge.
    """
    seeds: dict[str, SeedTable] = {}
    for path in _seed_paths(folder, displayed_folder):
        shown = f"{displayed_folder}/{SEEDS_FOLDER}/{path.name}"
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise seed_error("this is not a file inside the schema folder", shown)
        rows = read_seed_file(path, shown)
        table, definition = _table_for(path.stem, shown, wanted)
        if table in seeds:
            raise seed_error(f"the table `{table}` has another seed file, {seeds[table].file}", shown)
        seeds[table] = _seed_table(table, shown, rows, definition, _keys(definition, wanted))
    return tuple(seeds.values())


def _seed_paths(folder: Path, displayed_folder: str) -> list[Path]:
    seeds_folder = folder / SEEDS_FOLDER
    if not seeds_folder.exists() and not seeds_folder.is_symlink():
        return []
    try:
        return sorted(path for path in seeds_folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        message = f"the folder cannot be read ({error.strerror})"
        raise seed_error(message, f"{displayed_folder}/{SEEDS_FOLDER}") from None


def _table_for(name: str, file: str, wanted: Schema) -> tuple[str, TableDefinition]:
    table = wanted.all_tables.get(fold_case(name))
    if table is None and fold_case(name) in wanted.views:
        raise seed_error(f"`{name}` is a view, and seeds are for tables", file)
    if table is None:
        raise seed_error(f"the schema has no table `{name}`", file, hint="A seed file is named for its table.")
    if isinstance(table, VirtualTable):
        raise seed_error(f"`{name}` is a virtual table, which has no key to find its rows by", file)
    return table.name, table.definition


def _keys(definition: TableDefinition, wanted: Schema) -> tuple[tuple[str, ...], ...]:
    """What can identify a row: the primary key, UNIQUE constraints, unique indexes of all rows by columns alone."""
    indexes = (index.definition for index in wanted.indexes.values())
    own = (index for index in indexes if index.table == definition.name and index.unique and index.where is None)
    candidates = [key.parts for key in (*definition.keys, *own)]
    return tuple(
        tuple(definition.by_name[part.column].name for part in parts if part.column)
        for parts in candidates
        if all(part.column for part in parts)
    )


class _Layout(Struct, frozen=True):
    """How the values of rows with certain column names become values in the table's order, and where the keys are."""

    columns: tuple[str, ...]
    positions: tuple[int, ...]
    keys: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]

    def row(self, values: SeedRow) -> SeedRow:
        return tuple([values[position] for position in self.positions])

    def key(self, row: SeedRow) -> tuple[str, ...] | None:
        """The first key that the row gives in full; NULL is no key, because UNIQUE allows it any number of times."""
        for names, positions in self.keys:
            if all(row[position] is not None for position in positions):
                return names
        return None


def _seed_table(
    table: str, file: str, raw_rows: Iterable[RawRow], definition: TableDefinition, keys: Sequence[tuple[str, ...]]
) -> SeedTable:
    layouts: dict[tuple[str, ...], _Layout] = {}
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[Packer, list[int]]] = {}
    for raw in raw_rows:
        layout = layouts.get(raw.columns)
        if layout is None:
            layout = layouts[raw.columns] = _layout(raw, table, file, definition, keys)
        row = layout.row(raw.values)
        key = layout.key(row)
        if key is None:
            choices = " or ".join(f"({', '.join(names)})" for names in keys)
            hint = f"The columns that can identify a row of `{table}`: {choices or 'none; give it a primary key'}."
            raise seed_error(f"the row of `{table}` needs a key, so that it is found again", file, raw.line, hint)
        packer, lines = groups.setdefault((layout.columns, key), (Packer(), []))
        packer.add(row)
        lines.append(raw.line)
    # Rows that bring their primary key come first, lest a number that SQLite makes up for another row takes it.
    by_key = sorted(groups.items(), key=lambda group: keys.index(group[0][1]))
    complete = tuple(SeedGroup(*shape, packer.rows(), tuple(lines)) for shape, (packer, lines) in by_key)
    return SeedTable(table, file, complete, _fingerprint(table, complete))


def _layout(
    raw: RawRow, table: str, file: str, definition: TableDefinition, keys: Sequence[tuple[str, ...]]
) -> _Layout:
    given: dict[str, int] = {}
    for position, name in enumerate(raw.columns):
        column = definition.by_name.get(fold_case(name))
        if column is None:
            hint = f"Its columns: {', '.join(column.name for column in definition.columns)}."
            raise seed_error(f"`{table}` has no column `{name}`", file, raw.columns_line, hint)
        if column.generated:
            raise seed_error(f"the column `{column.name}` is generated, and cannot be given", file, raw.columns_line)
        if column.name in given:
            raise seed_error(f"the column `{column.name}` is given twice", file, raw.columns_line)
        given[column.name] = position
    columns = tuple(column.name for column in definition.columns if column.name in given)
    usable = tuple(names for names in keys if given.keys() >= set(names))
    if definition.primary_key and usable[:1] == keys[:1]:
        usable = usable[:1]  # SQLite would make up a NULL rowid anew each time, so no other key may stand in for it
    return _Layout(
        columns,
        tuple(given[name] for name in columns),
        tuple((names, tuple(columns.index(name) for name in names)) for names in usable),
    )


def _fingerprint(table: str, groups: Iterable[SeedGroup]) -> str:
    digest = hashlib.sha256(fold_case(table).encode())
    for group in groups:
        digest.update(as_json([group.columns])[:-1].encode())
        for run in group.rows.runs:
            digest.update(f",{run.text}".encode())
        digest.update(b"]")
    return digest.hexdigest()
