"""Compare seed rows with the live rows of their table: the queries, and the decision that their answers lead to.

A read-only token may ask them. The rows travel once for each comparison: one query counts the rows that exist, returns
those with other values, and finds the live rows that hold a UNIQUE value of a seed row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from turso_deploy.core.transaction import Query, Rows, Value
from turso_deploy.seeds.decisions import Conflict, Decision, LiveTable, Move, Policy, differs_from_live
from turso_deploy.seeds.packed_rows import SeedRow
from turso_deploy.seeds.records import MAX_RECORDED_ROWS, RecordedRow, decide_rows
from turso_deploy.seeds.tables import SeedGroup, SeedTable
from turso_deploy.seeds.unique_keys import GivenRows, UniqueKey, conflicts_sql, other_forms_sql
from turso_deploy.seeds.upsert import PARAMETER, same_key
from turso_deploy.sql.definitions import TableDefinition
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import fold_case, quote_identifier
from turso_deploy.sql.table_rows import MAX_NAMED_ROWS

_EXISTING, _DIFFERENT, _COUNT, _CONFLICT = "existing", "different", "count", "conflict"


class Comparison(NamedTuple):
    """One query for some rows of a group. `first` is the position of its first row in the file."""

    group: SeedGroup
    first: int
    query: Query


def compared_columns(seed: SeedTable, live: LiveTable) -> tuple[str, ...]:
    """Return the columns whose live values are compared: those that some row gives and that exist already."""
    given = {name: None for group in seed.groups for name in group.columns}
    return tuple(name for name in given if name in live.values_before)


def comparisons(
    seed: SeedTable,
    live: LiveTable,
    policy: Policy,
    definition: TableDefinition,
    uniques: Sequence[UniqueKey],
    chunk_bytes: int,
) -> Iterator[Comparison]:
    """Yield the queries that compare the rows of a table with the live ones, each with at most `chunk_bytes` of rows.

    Rows whose key has a column that the deployment adds have no counterpart, and are not compared.
    """
    returned = compared_columns(seed, live) if has_record(seed, policy) else ()
    first = seed.before
    for group in seed.groups:
        if all(name in live.values_after for name in group.key):
            sql = _sql(seed, group, live, policy, definition, uniques, returned)
            for chunk in group.rows.chunks(chunk_bytes):
                arguments = (chunk.text, chunk.blobs) if group.blob_columns else (chunk.text,)
                yield Comparison(group, first + chunk.first, Query(sql, arguments))
        first += len(group.rows)


def has_record(seed: SeedTable, policy: Policy) -> bool:
    """Return True if the rows of a table are decided one by one, by the record in the deployment history."""
    return policy == "compare" and seed.before + seed.row_count <= MAX_RECORDED_ROWS


def _sql(
    seed: SeedTable,
    group: SeedGroup,
    live: LiveTable,
    policy: Policy,
    definition: TableDefinition,
    uniques: Sequence[UniqueKey],
    returned: Sequence[str],
) -> str:
    place = {name: f"c{number}" for number, name in enumerate(group.columns)}
    values = PARAMETER.values(group.columns, group.blob_columns)
    given = ", ".join(["given.key AS position", *(f"{values[name]} AS {place[name]}" for name in group.columns)])
    rows = live.rows_as("live")
    key = same_key("live", {live.values_after[name]: f"given.{place[name]}" for name in group.key})
    changed = differs_from_live(group.columns, live, {name: f"given.{place[name]}" for name in group.columns})
    keys = [other.key for other in seed.groups]
    all_named = [unique.named_columns(keys, live) for unique in uniques]
    width = 2 + max(len(returned), len(group.key), *map(len, all_named))

    def select(what: str, sql: str, columns: int = 1) -> str:
        return f"SELECT '{what}', {', '.join(['*', *['NULL'] * (width - columns)])} FROM ({sql})"

    matched = f"FROM given JOIN {rows} ON {key}"
    parts = [select(_EXISTING, f"SELECT count(*) {matched}")]
    if returned:
        live_values = (f"live.{quote_identifier(live.values_before[name])}" for name in returned)
        columns = ", ".join(["given.position", *live_values])
        parts.append(select(_DIFFERENT, f"SELECT {columns} {matched} WHERE {changed}", len(returned) + 1))
    else:
        parts.append(select(_COUNT, f"SELECT count(*) {matched} WHERE {changed}"))
        if policy == "compare":
            sql = f"SELECT given.position {matched} WHERE {changed} LIMIT {MAX_NAMED_ROWS}"
            parts.append(select(_DIFFERENT, sql))
    rows_given = GivenRows(place, group.key, group.blob_columns)
    for number, unique in enumerate(uniques):
        named = all_named[number]
        conflicts = conflicts_sql(unique, rows_given, live, definition, named, only_new=policy == "keep")
        if conflicts:
            parts.append(select(f"{_CONFLICT}{number}", conflicts, len(named) + 2))
    if others := other_forms_sql(rows_given, live, definition, group.key):
        parts.append(select(f"{_CONFLICT}-1", others, len(group.key) + 2))
    return f"WITH given AS MATERIALIZED (SELECT {given} FROM {PARAMETER.from_clause}) " + " UNION ALL ".join(parts)


class ComparedRows(NamedTuple):
    """The answers to the comparisons of one table."""

    existing: int
    different_count: int
    different: Mapping[int, SeedRow]
    conflicts: Sequence[tuple[int, int, Sequence[Value]]]
    """Position of a seed row, number of the key in conflict (-1 for a key in another form), values of the live row."""


def read_answers(asked: Sequence[Comparison], answers: Sequence[Rows], width: int) -> ComparedRows:
    """Return the answers of one table, with the positions of its file. `width` is the number of returned columns."""
    existing = count = 0
    different: dict[int, SeedRow] = {}
    conflicts = []
    for comparison, answer in zip(asked, answers, strict=True):
        for what, number, *values in answer.rows:
            if what == _EXISTING:
                existing += int(str(number))
            elif what == _COUNT:
                count += int(str(number))
            elif what == _DIFFERENT:
                different[comparison.first + int(str(number))] = tuple(values[:width])
            else:
                conflicts.append((comparison.first + int(str(number)), int(str(what)[len(_CONFLICT) :]), values))
    return ComparedRows(existing, count or len(different), different, conflicts)


def decide(
    seed: SeedTable,
    live: LiveTable,
    policy: Policy,
    definition: TableDefinition,
    uniques: Sequence[UniqueKey],
    answers: ComparedRows,
    recorded: Mapping[str, RecordedRow],
    free_values: Mapping[str, Set[Value]],
    assigned: Set[str],
) -> Decision:
    """Return the decision about the rows of a table."""
    inserted, found = seed.row_count - answers.existing, answers.different_count
    decision = Decision(seed.table, policy, live, inserted, unchanged=answers.existing - found)
    if policy == "keep":
        decision = decision._replace(kept_count=found)
    elif policy == "update":
        decision = decision._replace(updated=found)
    elif has_record(seed, policy):
        columns = compared_columns(seed, live)
        rows = decide_rows(seed, answers.different, recorded, columns, free_values, assigned)
        decision = decision._replace(
            updated=len(rows.before) + len(rows.overwritten),
            unchanged=decision.unchanged + rows.same,
            kept=frozenset(rows.kept),
            kept_count=len(rows.kept) - rows.same,
            before=rows.before,
            overwritten=tuple(rows.overwritten),
            overwritten_count=len(rows.overwritten),
            is_guarded=True,
            left_columns=rows.left,
            stored=rows.stored,
        )
    else:
        decision = decision._replace(
            updated=found, overwritten=tuple(sorted(answers.different)), overwritten_count=found, is_guarded=True
        )
    return _with_conflicts(seed, decision, definition, uniques, answers)


def _with_conflicts(
    seed: SeedTable,
    decision: Decision,
    definition: TableDefinition,
    uniques: Sequence[UniqueKey],
    answers: ComparedRows,
) -> Decision:
    """Add the conflicts with live rows, and the rows that have to give a UNIQUE value away before another gets it."""
    found = [item for item in answers.conflicts if _writes_key(decision, item[0], item[1], uniques)]
    live = decision.live
    computed = {unique.undecided_column(group.columns, definition) for unique in uniques for group in seed.groups}
    undecided = [
        f"the seeds of {seed.table}: `{column}` must be unique, and is computed when a row is written"
        for column in sorted(filter(None, computed))
    ]
    if not found or live is None:
        return decision._replace(undecided=tuple(undecided))
    keys = [group.key for group in seed.groups]
    live_rows = [
        dict(zip(uniques[number].named_columns(keys, live), values[1:], strict=False)) if number >= 0 else {}
        for _, number, values in found
    ]
    own = _seeds_of(seed, live_rows) if decision.policy != "keep" else {}
    moved: dict[Move, None] = {}
    waits: dict[int, int] = {}
    checked = {name for check in definition.checks for name in identifiers_in(" ".join(check.expression))}
    conflicts = []
    for (position, number, values), row in zip(found, live_rows, strict=True):
        others = (own.get((key, tuple(row.get(name) for name in key))) for key in dict.fromkeys(keys))
        other = next((item for item in others if item is not None and item[0] not in decision.kept), None)
        left = decision.left_columns.get(other[0], frozenset()) if other else frozenset()
        column = _given_away(uniques[number], other, row, definition, left) if other and number >= 0 else None
        if other and column:
            moved[Move(other[0], column)] = None
            if other[0] > position:
                waits[position] = max(other[0], waits.get(position, 0))
            if not uniques[number].is_plain or fold_case(column) in checked:
                undecided.append(
                    f"the seeds of {seed.table}: rows exchange values of `{column}`, and need others in between"
                )
            continue
        name = f"the live row with rowid {values[0]}" if isinstance(values[0], int) else "a live row"
        columns = uniques[number].columns if number >= 0 else seed.group_at(position).key
        conflicts.append(Conflict(position, columns, seed.place_at(position), name, number < 0))
    return decision._replace(
        moved=tuple(moved), waits=waits, conflicts=tuple(conflicts), undecided=tuple(dict.fromkeys(undecided))
    )


def _writes_key(decision: Decision, position: int, number: int, uniques: Sequence[UniqueKey]) -> bool:
    """Return True if a seed row is written with its values of a UNIQUE key; `number` is -1 for its own key."""
    left = decision.left_columns.get(position, frozenset())
    return position not in decision.kept and not (number >= 0 and left.intersection(uniques[number].columns))


_Own = tuple[int, SeedGroup, SeedRow]


def _seeds_of(seed: SeedTable, rows: Sequence[Mapping[str, Value]]) -> dict[tuple[tuple[str, ...], SeedRow], _Own]:
    """Return position, group and values of the seed rows that have the key of a live row, by the key."""
    found = {}
    wanted = {key: {tuple(row.get(name) for name in key) for row in rows} for key in {one.key for one in seed.groups}}
    for position, group, row in seed.rows_at(range(seed.before, seed.before + seed.row_count)):
        values = tuple(row[group.columns.index(name)] for name in group.key)
        if values in wanted[group.key]:
            found[group.key, values] = (position, group, row)
    return found


def _given_away(
    unique: UniqueKey, other: _Own, live_row: Mapping[str, Value], definition: TableDefinition, left: Set[str]
) -> str | None:
    """Return the column in which a seed row gives up a value of a key; None if it keeps all of them, as those `left`.

    One that may be NULL is preferred: no CHECK and no other row stands against that.
    """
    _, group, row = other
    changed = [
        name
        for name in unique.columns
        if name in group.columns
        and name not in (*group.key, *left)
        and row[group.columns.index(name)] != live_row.get(name)
    ]
    nullable = [name for name in changed if not definition.by_name[fold_case(name)].not_null]
    return next(iter((*nullable, *changed)), None)
