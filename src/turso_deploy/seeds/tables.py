"""Load seeds: one file for each table in `seeds/`, matched with the columns and keys of the wanted schema.

The rows of a file become seeds when SQLite has stored them (`simulate_seeds`): then they have the stored values, and
are sorted by key, so that neither the format of a file nor the order of its rows is a change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple, NoReturn

from turso_deploy.core.errors import Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.transaction import Value
from turso_deploy.seeds.files import RawRow, SeedErrors, read_seed_file, seed_error
from turso_deploy.seeds.packed_rows import PackedRows, RowPacker, SeedRow
from turso_deploy.seeds.upsert import as_json, text_form
from turso_deploy.seeds.values import Convert, ValueRuleError, Written, conversion
from turso_deploy.sql.definitions import KeyPart, TableDefinition
from turso_deploy.sql.lexer import fold_case
from turso_deploy.sql.schema import Schema, VirtualTable

SEEDS_FOLDER = "seeds"


class SeedGroup(NamedTuple):
    """Rows with the same columns, in the order of the table, and the same key. `lines` has the line of each row.

    `blob_columns` are the columns in which at least one row has a blob.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]
    rows: PackedRows
    lines: tuple[int, ...]
    blob_columns: frozenset[str] = frozenset()

    def key_text(self, row: SeedRow) -> str:
        """Return the JSON of a row's key, with the names of its columns: it identifies the row in a record."""
        return as_json([self.key, [text_form(row[self.columns.index(name)]) for name in self.key]])


class SeedFile(NamedTuple):
    """The rows of one file, as far as they can be checked without SQLite, in the order of the file."""

    table: str
    file: str
    groups: tuple[SeedGroup, ...]


class SeedTable(NamedTuple):
    """The seeds of one table as SQLite stores them, sorted by key, or a slice of them that begins after `before` rows.

    `fingerprint` is a SHA-256 of the columns and rows of the whole file, independent of its format and order. `made`
    has the rows that triggers make at the seeds of other tables, by the text of their key, with the columns of their
    group.
    """

    table: str
    file: str
    groups: tuple[SeedGroup, ...]
    fingerprint: str
    before: int = 0
    made: Mapping[str, SeedRow] = MappingProxyType({})

    @property
    def row_count(self) -> int:
        """Number of rows in all groups."""
        return sum(len(group.rows) for group in self.groups)

    def fingerprint_under(self, table: str, columns: Mapping[str, str]) -> str:
        """Return the fingerprint under earlier names: `table`, and `columns` with old names by new ones."""
        named = (
            group._replace(columns=tuple(columns.get(name, name) for name in group.columns)) for group in self.groups
        )
        return fingerprint_of(table, named)

    def rows_at(self, positions: Iterable[int]) -> Iterator[tuple[int, SeedGroup, SeedRow]]:
        """Yield position, group and values of some rows, in their order. Positions count the rows of the whole file."""
        chosen = sorted(positions)
        first, index = self.before, 0
        for group in self.groups:
            end = first + len(group.rows)
            own = []
            while index < len(chosen) and chosen[index] < end:
                own.append(chosen[index])
                index += 1
            for run_start, run_end in _runs(own):
                rows = group.rows.slice(run_start - first, run_end - first)
                yield from ((position, group, row) for position, row in enumerate(rows, run_start))
            first = end

    def group_at(self, position: int) -> SeedGroup:
        """Return the group of a row by its position in the whole file."""
        first = self.before
        for group in self.groups:
            first += len(group.rows)
            if position < first:
                return group
        raise IndexError(position)

    def place_at(self, position: int) -> Place:
        """Return the file and the line of a row by its position in the whole file."""
        first = self.before
        for group in self.groups:
            if position < first + len(group.rows):
                return Place(self.file, group.lines[position - first])
            first += len(group.rows)
        return Place(self.file)

    def slice(self, start: int, stop: int | None = None) -> SeedTable:
        """Return the rows from `start` to before `stop`, counted through all groups."""
        groups = []
        first = 0
        for group in self.groups:
            count = len(group.rows)
            own_start, own_stop = max(0, start - first), count if stop is None else min(count, stop - first)
            if own_start < own_stop:
                groups.append(
                    group._replace(rows=group.rows.slice(own_start, own_stop), lines=group.lines[own_start:own_stop])
                )
            first += count
        return self._replace(groups=tuple(groups), before=self.before + start)


def _runs(positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each run of consecutive positions."""
    start = 0
    for index in range(1, len(positions) + 1):
        if index == len(positions) or positions[index] != positions[index - 1] + 1:
            yield positions[start], positions[index - 1] + 1
            start = index


def read_seeds(folder: SchemaFolder, wanted: Schema, ignored: Set[str] = frozenset()) -> tuple[SeedFile, ...]:
    """Read every seed file of a schema folder, in the order of their names; a folder without `seeds/` has none.

    Files of `ignored` tables, which are given by folded name, are left out.
    Raises ProjectError (`seed-invalid`) with file and line if a row does not fit the columns and keys of its table, or
    if a column would not store a value as it is written, for several of them at once. The constraints are checked by
    the simulation.
    """
    if not folder.has(SEEDS_FOLDER):
        return ()
    if not folder.is_folder(SEEDS_FOLDER):
        raise seed_error("this is not a folder", folder.place(SEEDS_FOLDER).file)
    seeds: dict[str, SeedFile] = {}
    errors = SeedErrors()
    for name in folder.entries(f"{SEEDS_FOLDER}/*"):
        path = PurePosixPath(name)
        if path.name.startswith(".") or fold_case(path.stem) in ignored:
            continue
        if errors.are_enough:
            break
        file = folder.place(name).file
        try:
            rows = read_seed_file(folder, name)
            table, definition = _table_named(path.stem, file, wanted)
            if table in seeds:
                raise seed_error(f"the table `{table}` has another seed file, {seeds[table].file}", file)
            seeds[table] = _seed_file(table, file, rows, definition, usable_keys(definition, wanted), errors)
        except ProjectError as error:
            errors.add(error)
    errors.raise_all()
    return tuple(seeds.values())


def _table_named(name: str, file: str, wanted: Schema) -> tuple[str, TableDefinition]:
    table = wanted.all_tables.get(fold_case(name))
    if table is None and fold_case(name) in wanted.views:
        raise seed_error(f"`{name}` is a view, and seeds are for tables", file)
    if table is None:
        raise seed_error(f"the schema has no table `{name}`", file, hint="A seed file is named for its table.")
    if isinstance(table, VirtualTable):
        raise seed_error(f"`{name}` is a virtual table, which has no key to find its rows by", file)
    return table.name, table.definition


def usable_keys(definition: TableDefinition, wanted: Schema) -> tuple[tuple[str, ...], ...]:
    """Return the keys by which rows can be found: primary key, UNIQUE constraints, full unique indexes on columns.

    A key with another collation than its column's takes rows for equal that a comparison with the column does not.
    """
    indexes = (index.definition for index in wanted.indexes.values())
    own = (index for index in indexes if index.table == definition.name and index.unique and index.where is None)
    candidates = [key.parts for key in (*definition.keys, *own)]
    return tuple(
        tuple(definition.by_name[part.column].name for part in parts if part.column)
        for parts in candidates
        if all(part.column and _has_collation_of_column(part, definition) for part in parts)
    )


def _has_collation_of_column(part: KeyPart, definition: TableDefinition) -> bool:
    """Return True if a key finds the rows that a comparison with its column finds."""
    own = definition.by_name[part.column or ""].collation or "binary"
    return (part.collation or own) == own


class _Layout(NamedTuple):
    """The order of the values, their conversions and the usable keys of rows with certain column names."""

    columns: tuple[str, ...]
    positions: tuple[int, ...]
    conversions: tuple[tuple[int, int, Convert], ...]
    keys: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]

    def row(self, written: Sequence[Written], file: str, line: int) -> SeedRow:
        """Return the values in the order of the table, as the types of its columns have them."""
        values: list[Value] = [written[position] for position in self.positions]
        place = 0
        try:
            for place, position, convert in self.conversions:
                values[place] = convert(written[position])
        except ValueRuleError as error:
            raise seed_error(f"column `{self.columns[place]}`: {error}", file, line, error.hint) from None
        return tuple(values)

    def key(self, row: SeedRow) -> tuple[str, ...] | None:
        """Return the first key without a NULL in the row; UNIQUE allows any number of NULLs."""
        for names, positions in self.keys:
            for position in positions:
                if row[position] is None:
                    break
            else:
                return names
        return None


def _seed_file(
    table: str,
    file: str,
    raw_rows: Iterable[RawRow],
    definition: TableDefinition,
    keys: Sequence[tuple[str, ...]],
    errors: SeedErrors,
) -> SeedFile:
    """Return the rows of a file that fit their table, and add the errors of the others to `errors`."""
    layouts: dict[tuple[str, ...], _Layout] = {}
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[RowPacker, list[int]]] = {}
    for raw in raw_rows:
        layout = layouts.get(raw.columns)
        if layout is None:
            layout = layouts[raw.columns] = _layout(raw, table, file, definition, keys)
        try:
            row = layout.row(raw.values, file, raw.line)
            key = layout.key(row) or _no_key(table, file, raw, keys)
        except ProjectError as error:
            errors.add(error)
            if errors.are_enough:
                break
            continue
        packer, lines = groups.setdefault((layout.columns, key), (RowPacker(), []))
        packer.add(row)
        lines.append(raw.line)
    places = {column.name: place for place, column in enumerate(definition.columns)}
    # Rows with a primary key come first: otherwise SQLite may assign the number of one of them to another row.
    in_order = sorted(
        groups.items(), key=lambda group: (keys.index(group[0][1]), [places[name] for name in group[0][0]])
    )
    return SeedFile(
        table, file, tuple(SeedGroup(*shape, packer.rows(), tuple(lines)) for shape, (packer, lines) in in_order)
    )


def _no_key(table: str, file: str, raw: RawRow, keys: Sequence[tuple[str, ...]]) -> NoReturn:
    choices = " or ".join(f"({', '.join(names)})" for names in keys)
    hint = f"The columns that can identify a row of `{table}`: {choices or 'none; give it a primary key'}."
    raise seed_error(f"the row of `{table}` needs a key, by which later deployments find it", file, raw.line, hint)


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
        usable = usable[
            :1
        ]  # SQLite assigns a new number to a NULL rowid each time, so no other key can identify the row
    types = [definition.by_name[fold_case(name)].type for name in columns]
    converts = [conversion(type_name, strict=definition.strict, is_typed=raw.is_typed) for type_name in types]
    return _Layout(
        columns,
        tuple(given[name] for name in columns),
        tuple((place, given[columns[place]], convert) for place, convert in enumerate(converts) if convert),
        tuple((names, tuple(columns.index(name) for name in names)) for names in usable),
    )


def fingerprint_of(table: str, groups: Iterable[SeedGroup]) -> str:
    """Return the SHA-256 of a table's name, columns and rows."""
    digest = hashlib.sha256(fold_case(table).encode())
    for group in groups:
        digest.update(as_json([group.columns])[:-1].encode())
        for block in group.rows.blocks:
            digest.update(f",{block.text}".encode())
        digest.update(b"]")
    return digest.hexdigest()


class Reference(NamedTuple):
    """A foreign key of a seeded table to a table of the wanted schema, with the parent columns resolved."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


def parents_first(
    seeds: Sequence[SeedTable], wanted: Schema
) -> tuple[Sequence[SeedTable], Mapping[str, Sequence[Reference]], bool]:
    """Return the seeds with parents before children, the references of each table, and True if some form a cycle."""
    references = {fold_case(seed.table): _resolved_references(seed, wanted) for seed in seeds}
    ordered, has_cycle = _sorted_by_references(seeds, references)
    return ordered, references, has_cycle


def _resolved_references(seed: SeedTable, wanted: Schema) -> list[Reference]:
    """Return the foreign keys of a seeded table whose parent table and columns exist."""
    definition = wanted.tables[fold_case(seed.table)].definition
    found = []
    for foreign_key in definition.foreign_keys:
        parent = wanted.tables.get(foreign_key.parent)
        if parent is None:
            continue
        keys = wanted.parent_columns(foreign_key)
        if len(keys) == len(foreign_key.columns) and parent.definition.by_name.keys() >= set(keys):
            columns = tuple(definition.by_name[name].name for name in foreign_key.columns)
            found.append(Reference(columns, parent.name, keys))
    return found


def _sorted_by_references(
    seeds: Sequence[SeedTable], references: Mapping[str, Sequence[Reference]]
) -> tuple[Sequence[SeedTable], bool]:
    """Return the seeds with each table after those that it refers to, and True if a cycle makes that impossible."""
    by_name = {fold_case(seed.table): seed for seed in seeds}
    parents = {
        name: [fold_case(reference.parent) for reference in references[name] if fold_case(reference.parent) != name]
        for name in by_name
    }
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError:
        return seeds, True
    return [by_name[name] for name in order if name in by_name], False
