"""Turn seeds into the steps of a transaction: parents before children, and checks of parents that are not seeded.

A row may refer to a row that only the live database has. SQLite rejects a missing parent without naming the row, so a
pair of steps looks first: the figures return the rows, the check fails the transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from turso_deploy.core.errors import DatabaseError, ErrorCode, Place
from turso_deploy.core.transaction import Purpose, Query, Rows, TransactionStep
from turso_deploy.seeds.packed_rows import SeedRow, pack
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.seeds.upsert import as_json, upsert_sql
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import Schema

CHUNK_BYTES = (
    500_000  # far below the maximum of 5 MB of a value in Turso Cloud, and small enough to locate a rejected row
)

_MAX_ORPHANS = 20


class OrphanCheck(NamedTuple):
    """Rows whose parents are not among the seeds, and the two steps that look for these in the database.

    The rows of `figures` are positions in `lines`: the lines in `file` that refer to missing parents.
    """

    figures: TransactionStep
    check: TransactionStep
    parent: str
    columns: tuple[str, ...]
    file: str
    lines: tuple[int, ...]


class SeedPlan(NamedTuple):
    """The steps, in order, and those of them that check parents."""

    steps: tuple[TransactionStep, ...] = ()
    orphan_checks: tuple[OrphanCheck, ...] = ()


class SeedResult(NamedTuple):
    """Number of rows in the seeds of one table: in the file, written, and unchanged in the database."""

    table: str
    rows: int
    written: int
    unchanged: int


class Reference(NamedTuple):
    """A foreign key of a seeded table to a table of the wanted schema, with the parent columns resolved."""

    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


def seed_steps(
    seeds: Sequence[SeedTable], wanted: Schema, simulated: sqlite3.Connection, chunk_bytes: int = CHUNK_BYTES
) -> SeedPlan:
    """Return the steps that insert or update the seeds. `simulated` is the scratch database that holds them.

    No step has more than `chunk_bytes` of JSON, unless a single row or key is larger.
    """
    ordered, references, has_cycle = parents_first(seeds, wanted)
    needs_deferral = has_cycle
    steps: list[TransactionStep] = []
    orphan_checks: list[OrphanCheck] = []
    for seed in ordered:
        own_references = references[fold_case(seed.table)]
        own_checks = [
            check for reference in own_references for check in _orphan_checks(seed, reference, simulated, chunk_bytes)
        ]
        upserts = list(_upserts(seed, simulated, chunk_bytes))
        refers_to_itself = any(fold_case(reference.parent) == fold_case(seed.table) for reference in own_references)
        needs_deferral |= refers_to_itself and len(upserts) > 1
        steps += [check.figures for check in own_checks]
        steps += [check.check for check in own_checks]
        steps += upserts
        orphan_checks += own_checks
    if needs_deferral:
        # A parent may come in a later statement than its child: https://www.sqlite.org/pragma.html#pragma_defer_foreign_keys
        steps.insert(0, TransactionStep(Query("PRAGMA defer_foreign_keys = on"), Purpose.SEED, "defer foreign keys"))
    return SeedPlan(tuple(steps), tuple(orphan_checks))


def seed_results(
    seeds: Sequence[SeedTable], steps: Sequence[TransactionStep], results: Sequence[Rows | None]
) -> tuple[SeedResult, ...]:
    """Return the row counts of each seeded table. `results` has an item for each of `steps`, seeds and others."""
    written: Counter[str] = Counter()
    for step, rows in zip(steps, results, strict=True):
        if step.purpose is Purpose.SEED and rows is not None:
            written[step.label] += rows.affected
    return tuple(
        SeedResult(seed.table, seed.row_count, count, seed.row_count - count)
        for seed in seeds
        for count in (written[_label(seed)],)
    )


def error_for_orphans(check: OrphanCheck, rows: Rows) -> DatabaseError:
    """Return the error for rows without a parent. `rows` is the result of the figures step of the check."""
    lines = sorted(check.lines[int(str(position))] for (position,) in rows.rows)
    columns = ", ".join(f"`{column}`" for column in check.columns)
    also = f"; likewise line {', '.join(map(str, lines[1:]))}" if lines[1:] else ""
    return DatabaseError(
        ErrorCode.SEED_INVALID,
        f"The seeds cannot be used: {columns} refers to a row of `{check.parent}` that is neither among the seeds "
        f"nor in the database{also}.",
        hint=f"Add the row to the seeds of `{check.parent}`, or correct the reference.",
        place=Place(check.file, lines[0] if lines else None),
    )


def _label(seed: SeedTable) -> str:
    return f"seed {seed.table}"


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


def _upserts(seed: SeedTable, simulated: sqlite3.Connection, chunk_bytes: int) -> Iterator[TransactionStep]:
    loosely_compared = _columns_of_loose_keys(seed.table, simulated)
    for group in seed.groups:
        updated = [name for name in group.columns if name not in group.key or name in loosely_compared]
        sql = upsert_sql(seed.table, group.columns, group.key, updated, group.blob_columns)
        for chunk in group.rows.chunks(chunk_bytes):
            place = Place(seed.file, group.lines[chunk.first])
            arguments = (chunk.text, chunk.blobs) if group.blob_columns else (chunk.text,)
            yield TransactionStep(Query(sql, arguments), Purpose.SEED, _label(seed), place)


def _columns_of_loose_keys(table: str, simulated: sqlite3.Connection) -> set[str]:
    """Return columns whose key finds a row by another spelling too (NOCASE, RTRIM), which may then need an update."""
    sql = (
        "SELECT part.name FROM pragma_index_list(?1) AS list, pragma_index_xinfo(list.name) AS part "
        """WHERE list."unique" AND part.key AND part.name IS NOT NULL AND part.coll <> 'BINARY'"""
    )
    return {str(name) for (name,) in simulated.execute(sql, (table,))}


def _orphan_checks(
    seed: SeedTable, reference: Reference, simulated: sqlite3.Connection, chunk_bytes: int
) -> Iterator[OrphanCheck]:
    lines = _line_of_each_parent(seed, reference)
    keys = list(lines)
    if not keys:
        return
    missing = _missing_parents_sql(reference)
    orphans = [keys[position] for (position,) in simulated.execute(missing, (as_json(keys),))]
    if not orphans:
        return
    label = f"parents of {seed.table} in {reference.parent}"
    raising = f"SELECT iif(NOT EXISTS ({missing}), 'ok', json({quote_string(f'check failed: {label}')}))"
    place = Place(seed.file, lines[orphans[0]])
    for chunk in pack(orphans).chunks(chunk_bytes):
        following = orphans[chunk.first :]
        yield OrphanCheck(
            TransactionStep(Query(f"{missing} LIMIT {_MAX_ORPHANS}", (chunk.text,)), Purpose.FIGURES, label, place),
            TransactionStep(Query(raising, (chunk.text,)), Purpose.CHECK, label, place),
            reference.parent,
            reference.columns,
            seed.file,
            tuple(lines[key] for key in following),
        )


def _line_of_each_parent(seed: SeedTable, reference: Reference) -> dict[SeedRow, int]:
    """Return each parent key in the seeds with the first line that has it. A key with a NULL has no parent.

    Source: https://www.sqlite.org/foreignkeys.html#fk_composite. A column that is left out has its default; SQLite
    checks the parent of that, and of a key with a blob.
    """
    lines: dict[SeedRow, int] = {}
    for group in seed.groups:
        if not set(group.columns) >= set(reference.columns):
            continue
        positions = [group.columns.index(column) for column in reference.columns]
        for row, line in zip(group.rows, group.lines, strict=True):
            key = tuple([row[position] for position in positions])
            if None not in key and not any(isinstance(value, bytes) for value in key):
                lines.setdefault(key, line)
    return lines


def _missing_parents_sql(reference: Reference) -> str:
    """Return the SQL for the positions of the keys in `?1` that no parent has.

    The column of the parent is on the left, because its collation and affinity apply
    (https://www.sqlite.org/foreignkeys.html#fk_basics).
    """
    same = " AND ".join(
        f"parent.{quote_identifier(column)} = given.value->>{position}"
        for position, column in enumerate(reference.parent_columns)
    )
    return (
        f"SELECT given.key FROM json_each(?1) AS given "
        f"WHERE NOT EXISTS (SELECT 1 FROM {quote_identifier(reference.parent)} AS parent WHERE {same})"
    )
