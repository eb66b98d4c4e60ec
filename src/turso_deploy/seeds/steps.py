"""Turn seeds into the steps of a transaction: staged, guarded, parents before children, and verified.

The rows travel once, into a staging table that is dropped before the commit. The statements that guard, write and
verify rows read them there. If other rows than the statements' own may change, the rows stay staged until the end, and
are verified then; a table that nothing else writes to is verified chunk by chunk, in the same few pages.

A row may refer to a row that only the live database has. SQLite rejects a missing parent without naming the row, so a
pair of steps looks first: the figures return the rows, the check fails the transaction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from turso_deploy.core.errors import Cause, DatabaseError, ErrorCode, Place
from turso_deploy.core.transaction import Purpose, Query, Rows, TransactionStep, Value, change_step, whole_number
from turso_deploy.seeds.decisions import NO_DECISIONS, Decision, differs_from_live, existing_label, seed_label
from turso_deploy.seeds.packed_rows import RowChunk, SeedRow, pack
from turso_deploy.seeds.tables import Reference, SeedGroup, SeedTable, parents_first
from turso_deploy.seeds.trigger_effects import TriggerEffects
from turso_deploy.seeds.upsert import (
    CHUNK_BYTES,
    STAGING_TABLE,
    Source,
    Upsert,
    as_json,
    differs,
    insert_verb,
    qualified,
    same_key,
    staged,
)
from turso_deploy.sql.affinity import Affinity, affinity_of
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import Schema, Table
from turso_deploy.sqlite.connection import Connection

_MAX_ORPHANS = 20
_MAX_MISSING = 20
_MAX_ARGUMENTS = 100  # of a function, in any build: https://www.sqlite.org/limits.html#max_function_arg
_SHARED = 0  # the number in the staging table of the chunks that replace each other
_MARK = "substr(staged.kept, given.key + 1, 1)"  # `kept` has a character for each row of the chunk
_IS_KEPT = f"{_MARK} IS '1'"


SEED_CHECK = "every seed row is in the database"
_NUMBERS = (Affinity.INTEGER, Affinity.REAL, Affinity.NUMERIC)


class OrphanCheck(NamedTuple):
    """Rows whose parents are not among the seeds, and the two steps that look for these in the database.

    The rows of `figures` are positions in `lines`: the lines in `file` that refer to missing parents.
    """

    reference: Reference
    figures: TransactionStep
    check: TransactionStep
    file: str
    lines: tuple[int, ...]

    @property
    def parent(self) -> str:
        """The table that the rows refer to."""
        return self.reference.parent

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that refer to it."""
        return self.reference.columns


class Verified(NamedTuple):
    """The rows of a group that one statement verifies: its `number` in the result, the position of its first row."""

    number: int
    first: int
    file: str
    group: SeedGroup


class SeedPlan(NamedTuple):
    """The steps for the seeds of a transaction, and those of them that check parents and verify rows.

    `first` are the steps before anything changes: they stage rows, and fail if live rows changed since the comparison.
    `steps` write the rows. The result of `missing` has a number of `verified` and a position for each row that is not
    in the database as it should be; `check` fails if there is one.
    """

    first: tuple[TransactionStep, ...] = ()
    steps: tuple[TransactionStep, ...] = ()
    orphan_checks: tuple[OrphanCheck, ...] = ()
    missing: TransactionStep | None = None
    check: TransactionStep | None = None
    verified: tuple[Verified, ...] = ()


def seed_steps(
    seeds: Sequence[SeedTable],
    wanted: Schema,
    simulated: Connection,
    effects: TriggerEffects,
    decisions: Mapping[str, Decision] = NO_DECISIONS,
    chunk_bytes: int = CHUNK_BYTES,
    *,
    after_scripts: bool = False,
) -> SeedPlan:
    """Return the steps that insert or update the seeds, by the decision about each table.

    A table without a decision has no rows before. `simulated` is the scratch database that holds the seeds, `effects`
    are those of all triggers in the database after the changes of the schema. No step has more than `chunk_bytes` of
    JSON, unless a single row or key is larger. If scripts run before the seeds, `after_scripts`, the rows that exist
    are counted again.
    """
    if not any(seed.row_count for seed in seeds):
        return SeedPlan()
    ordered, references, has_cycle = parents_first(seeds, wanted)
    writer = _Writer(effects, simulated, chunk_bytes, after_scripts=after_scripts)
    needs_deferral = has_cycle
    orphan_checks: list[OrphanCheck] = []
    for seed in ordered:
        table = wanted.tables[fold_case(seed.table)]
        own_references = references[fold_case(seed.table)]
        own_checks = [
            check for reference in own_references for check in _orphan_checks(seed, reference, simulated, chunk_bytes)
        ]
        writer.steps += [check.figures for check in own_checks]
        writer.steps += [check.check for check in own_checks]
        decision = decisions.get(seed.table) or Decision(seed.table, "update")
        count = writer.write(seed, decision, table)
        refers_to_itself = any(fold_case(reference.parent) == fold_case(seed.table) for reference in own_references)
        needs_deferral |= (refers_to_itself and count > 1) or bool(decision.moved)
        orphan_checks += own_checks
    if needs_deferral:
        # A parent may come in a later statement than its child: https://www.sqlite.org/pragma.html#pragma_defer_foreign_keys
        deferral = TransactionStep(Query("PRAGMA defer_foreign_keys = on"), Purpose.SEED, "defer foreign keys")
        writer.steps.insert(0, deferral)
    return writer.plan(orphan_checks)


class _Writer:
    """Collects the steps that stage, guard, write and verify the rows of one transaction."""

    def __init__(
        self, effects: TriggerEffects, simulated: Connection, chunk_bytes: int, *, after_scripts: bool
    ) -> None:
        self.steps: list[TransactionStep] = []
        self._effects = effects
        self._simulated = simulated
        self._chunk_bytes = chunk_bytes
        self._after_scripts = after_scripts
        self._first: list[TransactionStep] = []
        self._last: list[TransactionStep] = []
        self._verified: list[Verified] = []
        self._number = _SHARED
        self._has_shared = False

    def plan(self, orphan_checks: Sequence[OrphanCheck]) -> SeedPlan:
        """Return all steps in their order, with the check that every row is there."""
        figures = f"SELECT number, first FROM {STAGING_TABLE} WHERE number < 0 LIMIT {_MAX_MISSING}"
        raising = (
            f"SELECT iif(NOT EXISTS (SELECT 1 FROM {STAGING_TABLE} WHERE number < 0), 'ok', "
            f"json({quote_string(f'check failed: {SEED_CHECK}')}))"
        )
        missing = TransactionStep(Query(figures), Purpose.FIGURES, SEED_CHECK)
        check = TransactionStep(Query(raising), Purpose.CHECK, SEED_CHECK)
        create = change_step(
            f"CREATE TABLE {STAGING_TABLE} (number INTEGER, first INTEGER, content TEXT, blobs BLOB, kept TEXT)",
            "create the staging table of the seeds",
        )
        drop = change_step(f"DROP TABLE {STAGING_TABLE}", "drop the staging table of the seeds")
        steps = (*self.steps, *self._last, missing, check, drop)
        return SeedPlan((create, *self._first), steps, tuple(orphan_checks), missing, check, tuple(self._verified))

    def write(self, seed: SeedTable, decision: Decision, table: Table) -> int:
        """Add the steps for one table, and return the number of statements that write rows."""
        definition, verb = table.definition, insert_verb(table.sql)
        loosely_compared = _columns_of_loose_keys(seed.table, self._simulated)
        stays = decision.live is not None or self._effects.is_touched(seed.table)
        first, written = seed.before, 0
        self.steps += _moves(seed, decision, definition)
        is_guarded = decision.empty_table is not None and decision.policy == "compare"
        if is_guarded and stays:
            self._first.append(_emptiness_guard(seed, decision))
        for group in seed.groups:
            updated = [name for name in group.columns if name not in group.key or name in loosely_compared]
            if decision.policy == "keep" or (is_guarded and not stays):
                updated = []
            upsert = Upsert(seed.table, group.columns, group.key, updated, group.blob_columns, verb)
            self._verified.append(Verified(-len(self._verified) - 1, first, seed.file, group))
            begin = self._number + 1
            for chunk in group.rows.chunks(self._chunk_bytes):
                kept = _row_marks(decision, first + chunk.first, chunk.row_count)
                number = self._stage(seed, chunk, first, kept, stays=stays, has_blobs=bool(group.blob_columns))
                source = staged(number, number)
                if self._after_scripts:
                    self.steps.append(_existing_rows(seed, group, source))
                self.steps += _upserts(seed, group, chunk, upsert, source, _left_columns(decision), kept or "")
                written += 1
                if is_guarded and not stays:
                    self.steps.append(_insertion_guard(seed, decision, chunk))
                if not stays:
                    self.steps.append(self._verification(seed, group, decision, definition, source, stays=False))
            if stays and self._number >= begin:
                source = staged(begin, self._number)
                self._last.append(self._verification(seed, group, decision, definition, source, stays=True))
                if decision.is_guarded and decision.live is not None:
                    self._guard(seed, group, first, decision, source)
            first += len(group.rows)
        return written

    def _stage(
        self, seed: SeedTable, chunk: RowChunk, first: int, kept: str | None, *, stays: bool, has_blobs: bool
    ) -> int:
        """Add the step that stages a chunk, and return its number in the staging table."""
        values: tuple[Value, ...] = (first + chunk.first, chunk.text, chunk.blobs if has_blobs else None, kept)
        if stays:
            self._number += 1
        number = self._number if stays else _SHARED
        sql = f"INSERT INTO {STAGING_TABLE} VALUES ({number}, ?1, ?2, ?3, ?4)"
        if not stays and self._has_shared:
            sql = f"UPDATE {STAGING_TABLE} SET first = ?1, content = ?2, blobs = ?3, kept = ?4 WHERE number = {_SHARED}"
        self._has_shared |= not stays
        place = Place(seed.file, None)
        steps = self._first if stays else self.steps
        steps.append(TransactionStep(Query(sql, values), Purpose.CHANGE, f"stage seeds of {seed.table}", place))
        return number

    def _verification(
        self,
        seed: SeedTable,
        group: SeedGroup,
        decision: Decision,
        definition: TableDefinition,
        source: Source,
        *,
        stays: bool,
    ) -> TransactionStep:
        """Return the step that notes each row that is not in the table as it should be.

        A kept row only has to exist. The values of columns that triggers assign may differ.
        """
        values = source.values(group.columns, group.blob_columns)
        assigned = self._effects.assigned(definition)
        target = f"{qualified(seed.table)} AS row"
        found = same_key("row", {name: values[name] for name in group.key})
        compared = {name: value for name, value in values.items() if name not in assigned}
        if decision.policy != "keep":
            condition = f"NOT ({differs('row', compared)})"
            if not (stays or group.blob_columns or assigned) and len(group.columns) <= _MAX_ARGUMENTS:
                # Texts of rows are compared first, because that is faster; a number may be spelled in another way.
                row = ", ".join(f"row.{quote_identifier(name)}" for name in group.columns)
                condition = f"(json_array({row}) = given.value OR {condition})"
            found += f" AND ({_IS_KEPT} OR {condition})" if decision.kept else f" AND {condition}"
        sql = (
            f"INSERT INTO {STAGING_TABLE} (number, first) SELECT {self._verified[-1].number}, staged.first + given.key "
            f"FROM {source.from_clause} WHERE {source.condition} "
            f"AND NOT EXISTS (SELECT 1 FROM {target} WHERE {found}) LIMIT {_MAX_MISSING}"
        )
        return change_step(sql, f"verify seeds of {seed.table}", Place(seed.file))

    def _guard(self, seed: SeedTable, group: SeedGroup, first: int, decision: Decision, source: Source) -> None:
        """Add the steps that fail if a live row differs that did not when the rows were compared.

        The live values of the rows to update are staged, so that each of them must be as it was.
        """
        live = decision.live
        assert live is not None
        overwritten = {at: decision.before[at] for at in decision.before if first <= at < first + len(group.rows)}
        if not all(name in live.values_after for name in group.key):
            return
        columns = [name for name in group.columns if name in live.values_before]
        positions = [group.columns.index(name) for name in columns]
        begin = self._number + 1
        for chunk in pack(tuple(row[at] for at in positions) for row in overwritten.values()).chunks(self._chunk_bytes):
            self._stage(seed, chunk, 0, None, stays=True, has_blobs=True)
        table = live.rows_as("live")
        values = source.values(group.columns, group.blob_columns)
        key = same_key("live", {live.values_after[name]: values[name] for name in group.key})
        not_kept = f" AND NOT {_IS_KEPT}" if decision.kept else ""
        different = (
            f"SELECT count(*) FROM {source.from_clause} CROSS JOIN {table} ON {key} "
            f"WHERE {source.condition}{not_kept} AND ({differs_from_live(group.columns, live, values)})"
        )
        as_compared = "0"
        if overwritten:
            before = staged(begin, self._number)
            values = before.values(columns, frozenset(columns))
            key = same_key("live", {live.values_before[name]: values[name] for name in group.key})
            same = differs("live", {live.values_before[name]: value for name, value in values.items()})
            as_compared = (
                f"(SELECT count(*) FROM {before.from_clause} CROSS JOIN {table} ON {key} "
                f"WHERE {before.condition} AND NOT ({same}))"
            )
        sql = f"SELECT iif(({different}) = {as_compared}, 'ok', json('rows changed: {STAGING_TABLE}'))"
        label = f"no live row of {live.name} changed since it was compared with the seeds"
        self._first.append(TransactionStep(Query(sql), Purpose.GUARD, label, Place(seed.file)))


def orphan_checks(seeds: Sequence[SeedTable], wanted: Schema, simulated: Connection) -> Iterator[OrphanCheck]:
    """Yield the checks of all parents that are not among the seeds."""
    ordered, references, _ = parents_first(seeds, wanted)
    for seed in ordered:
        for reference in references[fold_case(seed.table)]:
            yield from _orphan_checks(seed, reference, simulated, CHUNK_BYTES)


def missing_parents_query(reference: Reference, check: OrphanCheck) -> Query:
    """Return the query for the missing parents of a check by other names, those before the deployment."""
    return check.figures.query._replace(sql=f"{_missing_parents_sql(reference)} LIMIT {_MAX_ORPHANS}")


def error_for_orphans(check: OrphanCheck, rows: Rows) -> DatabaseError:
    """Return the error for rows without a parent. `rows` is the result of the figures step of the check.

    Raises ValueError or LookupError for a result of another form.
    """
    lines = sorted(check.lines[whole_number(position)] for (position,) in rows.rows)
    columns = ", ".join(f"`{column}`" for column in check.columns)
    also = f"; likewise line {', '.join(map(str, lines[1:]))}" if lines[1:] else ""
    return DatabaseError(
        ErrorCode.SEED_INVALID,
        f"The seeds cannot be used: {columns} refers to a row of `{check.parent}` that is neither among the seeds "
        f"nor in the database{also}.",
        hint=f"Add the row to the seeds of `{check.parent}`, or correct the reference.",
        place=Place(check.file, lines[0] if lines else None),
    )


def error_for_missing_rows(plan: SeedPlan, rows: Rows) -> DatabaseError:
    """Return the error for rows that are not in the database as they should be. `rows` is the result of `missing`.

    Raises ValueError or LookupError for a result of another form.
    """
    found = {item.number: item for item in plan.verified}
    places = [
        Place(item.file, item.group.lines[whole_number(position) - item.first])
        for number, position in rows.rows
        for item in [found[whole_number(number)]]
    ]
    others = f"; likewise {', '.join(map(str, places[1:]))}" if places[1:] else ""
    return DatabaseError(
        ErrorCode.SEED_INVALID,
        f"A seed row is not in the database with the values of the file after it was written{others}.",
        hint="A trigger removes, skips or changes the row, or the engine stores a value in another form. Change the "
        "trigger or the row.",
        place=places[0],
        causes=[Cause("the row is not in the database as the file says", place) for place in places],
    )


def _left_columns(decision: Decision) -> dict[frozenset[str], str]:
    """Return the mark of each set of columns in which some rows keep their values."""
    found = sorted(set(decision.left_columns.values()), key=sorted)
    return {names: chr(ord("A") + number) for number, names in enumerate(found)}


def _row_marks(decision: Decision, first: int, row_count: int) -> str | None:
    """Return a character for each row of a chunk: `1` for one that is kept, one of `_left_columns`, or `0`.

    Returns None if all rows are written with all their values.
    """
    if not (decision.kept or decision.left_columns):
        return None
    marks = _left_columns(decision)
    of_rows = {at: marks[names] for at, names in decision.left_columns.items()} | dict.fromkeys(decision.kept, "1")
    digits = "".join(of_rows.get(at, "0") for at in range(first, first + row_count))
    return digits if digits.strip("0") else None


def _emptiness_guard(seed: SeedTable, decision: Decision) -> TransactionStep:
    """Return the step that fails if a table that was empty has other rows than those that earlier chunks inserted."""
    table, expected = quote_identifier(decision.empty_table or ""), seed.before - decision.empty_before
    sql = f"SELECT iif((SELECT count(*) FROM {table}) = {expected}, 'ok', json('rows added: {STAGING_TABLE}'))"
    label = f"no row was added to {decision.empty_table} since it was read"
    return TransactionStep(Query(sql), Purpose.GUARD, label, Place(seed.file))


def _insertion_guard(seed: SeedTable, decision: Decision, chunk: RowChunk) -> TransactionStep:
    """Return the step that fails if the statement before it did not insert every row: some exist since it was read."""
    sql = f"SELECT iif(changes() = {chunk.row_count}, 'ok', json('rows added: {STAGING_TABLE}'))"
    label = f"no row of the seeds was added to {decision.empty_table} since it was read"
    return TransactionStep(Query(sql), Purpose.GUARD, label, Place(seed.file))


def _existing_rows(seed: SeedTable, group: SeedGroup, source: Source) -> TransactionStep:
    """Return the step that counts the rows of a chunk that exist, and those of them that are kept."""
    values = source.values(group.columns, group.blob_columns)
    key = same_key("row", {name: values[name] for name in group.key})
    sql = (
        f"SELECT count(*), coalesce(sum({_IS_KEPT}), 0) FROM {source.from_clause} WHERE {source.condition} "
        f"AND EXISTS (SELECT 1 FROM {qualified(seed.table)} AS row WHERE {key})"
    )
    return TransactionStep(Query(sql), Purpose.FIGURES, existing_label(seed.table))


def _upserts(
    seed: SeedTable,
    group: SeedGroup,
    chunk: RowChunk,
    upsert: Upsert,
    source: Source,
    left_columns: Mapping[frozenset[str], str],
    marks: str,
) -> Iterator[TransactionStep]:
    """Yield the steps that write a chunk: all rows, or those that are kept only where they are missing.

    A row that keeps its values in some columns is updated in the others. `marks` has the character of each row.
    """
    place = Place(seed.file, group.lines[chunk.first])
    if not marks:
        yield TransactionStep(Query(upsert.sql(source)), Purpose.SEED, seed_label(seed.table), place)
        return
    others = [(names, mark) for names, mark in left_columns.items() if mark in marks]
    parts = [(upsert.updated, f"{_MARK} IS '0'")]
    parts += [
        ([name for name in upsert.updated if name not in names], f"{_MARK} IS '{mark}'") for names, mark in others
    ]
    if "1" in marks or not others:
        parts.append(((), _IS_KEPT))
    for updated, condition in parts:
        sql = upsert._replace(updated=updated).sql(source, condition)
        yield TransactionStep(Query(sql), Purpose.SEED, seed_label(seed.table), place)


def _moves(seed: SeedTable, decision: Decision, definition: TableDefinition) -> Iterator[TransactionStep]:
    """Yield the steps that give UNIQUE values away which other rows get: each row gets its own value afterwards.

    SQLite checks UNIQUE row by row, so rows that exchange values need values in between that no row has.
    """
    end = seed.before + seed.row_count
    positions: dict[str, list[int]] = {}
    for move in decision.moved:
        positions.setdefault(move.column, []).append(move.position)
    for column, chosen in positions.items():
        rows = [(group, row) for _, group, row in seed.rows_at(at for at in chosen if seed.before <= at < end)]
        for group in seed.groups:
            keys = [tuple(row[group.columns.index(name)] for name in group.key) for own, row in rows if own is group]
            if keys:
                yield _move(seed, group, column, keys, definition)


def _move(
    seed: SeedTable, group: SeedGroup, column: str, keys: Sequence[SeedRow], definition: TableDefinition
) -> TransactionStep:
    target, name = qualified(seed.table), quote_identifier(column)
    declared = definition.by_name[fold_case(column)]
    if not declared.not_null:
        value = "NULL"
    elif affinity_of(declared.type, strict=definition.strict) in _NUMBERS:
        given = (row[one.columns.index(column)] for one in seed.groups if column in one.columns for row in one.rows)
        highest = max((value for value in given if isinstance(value, int | float)), default=0)
        value = f"max(coalesce((SELECT max({name}) FROM {target}), 0), {math.ceil(highest)}) + 1 + given.key"
    elif definition.strict and declared.type == "BLOB":
        value = "randomblob(16)"
    else:
        value = "'turso-deploy ' || given.key || ' ' || hex(randomblob(8))"
    key = same_key("live", {name: f"(given.value->>{at})" for at, name in enumerate(group.key)})
    sql = f"UPDATE OR ABORT {target} AS live SET {name} = {value} FROM json_each(?1) AS given WHERE {key}"
    place = Place(seed.file, group.lines[0])
    return TransactionStep(Query(sql, (as_json(keys),)), Purpose.CHANGE, f"move unique values of {seed.table}", place)


def _columns_of_loose_keys(table: str, simulated: Connection) -> set[str]:
    """Return columns whose key finds a row by another spelling too (NOCASE, RTRIM), which may then need an update."""
    sql = (
        "SELECT part.name FROM pragma_index_list(?1) AS list, pragma_index_xinfo(list.name) AS part "
        """WHERE list."unique" AND part.key AND part.name IS NOT NULL AND part.coll <> 'BINARY'"""
    )
    return {str(name) for (name,) in simulated.rows(sql, (table,))}


def _orphan_checks(
    seed: SeedTable, reference: Reference, simulated: Connection, chunk_bytes: int
) -> Iterator[OrphanCheck]:
    lines = _line_of_each_parent(seed, reference)
    keys = list(lines)
    if not keys:
        return
    missing = _missing_parents_sql(reference)
    orphans = [keys[int(str(position))] for (position,) in simulated.rows(missing, (as_json(keys),))]
    if not orphans:
        return
    label = f"parents of {seed.table} in {reference.parent}"
    raising = f"SELECT iif(NOT EXISTS ({missing}), 'ok', json({quote_string(f'check failed: {label}')}))"
    place = Place(seed.file, lines[orphans[0]])
    for chunk in pack(orphans).chunks(chunk_bytes):
        following = orphans[chunk.first :]
        yield OrphanCheck(
            reference,
            TransactionStep(Query(f"{missing} LIMIT {_MAX_ORPHANS}", (chunk.text,)), Purpose.FIGURES, label, place),
            TransactionStep(Query(raising, (chunk.text,)), Purpose.CHECK, label, place),
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
        f"WHERE NOT EXISTS (SELECT 1 FROM {qualified(reference.parent)} AS parent WHERE {same})"
    )
