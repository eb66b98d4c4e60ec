"""Compare seed rows with the live rows of their table: the queries, and the decision that their answers lead to.

A read-only token may ask them. The rows travel once for each comparison: one query counts the rows that exist, returns
those with other values, and finds the live rows that hold a UNIQUE value of a seed row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from turso_deploy.core.transaction import Query, Rows, Value
from turso_deploy.seeds.decisions import Conflict, Decision, LiveTable, Policy, differs_from_live
from turso_deploy.seeds.packed_rows import SeedRow
from turso_deploy.seeds.records import MAX_RECORDED_ROWS, RecordedRow, decide_rows
from turso_deploy.seeds.tables import SeedGroup, SeedTable
from turso_deploy.seeds.upsert import PARAMETER, qualified, same_key
from turso_deploy.sql.lexer import quote_identifier

MAX_NAMED_ROWS = 10
"""The number of rows that a message names."""

_EXISTING, _DIFFERENT, _COUNT, _CONFLICT = "existing", "different", "count", "conflict"


class UniqueKey(NamedTuple):
    """A key of a table over plain columns, which a seed row may share with a live row that has another key."""

    columns: tuple[str, ...]


class Comparison(NamedTuple):
    """One query for some rows of a group. `first` is the position of its first row in the file."""

    group: SeedGroup
    first: int
    query: Query


def compared_columns(seed: SeedTable, live: LiveTable) -> tuple[str, ...]:
    """Return the columns whose live values are compared: those that some row gives and that exist already."""
    given = {name: None for group in seed.groups for name in group.columns}
    return tuple(name for name in given if name in live.columns)


def comparisons(
    seed: SeedTable, live: LiveTable, policy: Policy, uniques: Sequence[UniqueKey], chunk_bytes: int
) -> Iterator[Comparison]:
    """Yield the queries that compare the rows of a table with the live ones, each with at most `chunk_bytes` of rows.

    Rows whose key has a column that the deployment adds have no counterpart, and are not compared.
    """
    returned = compared_columns(seed, live) if has_record(seed, policy) else ()
    first = seed.before
    for group in seed.groups:
        if all(name in live.columns for name in group.key):
            sql = _sql(group, live, policy, uniques, returned)
            for chunk in group.rows.chunks(chunk_bytes):
                arguments = (chunk.text, chunk.blobs) if group.blob_columns else (chunk.text,)
                yield Comparison(group, first + chunk.first, Query(sql, arguments))
        first += len(group.rows)


def has_record(seed: SeedTable, policy: Policy) -> bool:
    """Return True if the rows of a table are decided one by one, by the record in the deployment history."""
    return policy == "compare" and seed.before + seed.row_count <= MAX_RECORDED_ROWS


def _sql(
    group: SeedGroup, live: LiveTable, policy: Policy, uniques: Sequence[UniqueKey], returned: Sequence[str]
) -> str:
    place = {name: f"c{number}" for number, name in enumerate(group.columns)}
    values = PARAMETER.values(group.columns, group.blob_columns)
    given = ", ".join(["given.key AS position", *(f"{values[name]} AS {place[name]}" for name in group.columns)])
    rows = f"{qualified(live.name)} AS live"
    key = same_key("live", {live.columns[name]: f"given.{place[name]}" for name in group.key})
    changed = differs_from_live(group.columns, live, {name: f"given.{place[name]}" for name in group.columns})
    width = max(len(returned), len(group.key) + 1)
    nulls = ["NULL"] * width

    def select(what: str, position: str, columns: Sequence[str], source: str) -> str:
        return f"SELECT '{what}', {', '.join([position, *columns, *nulls[len(columns) :]])} FROM {source}"

    matched = f"given JOIN {rows} ON {key}"
    parts = [select(_EXISTING, "count(*)", (), matched)]
    if returned:
        columns = [f"live.{quote_identifier(live.columns[name])}" for name in returned]
        parts.append(select(_DIFFERENT, "given.position", columns, f"{matched} WHERE {changed}"))
    else:
        parts.append(select(_COUNT, "count(*)", (), f"{matched} WHERE {changed}"))
        if policy == "compare":
            limited = select(_DIFFERENT, "given.position", (), f"{matched} WHERE {changed} LIMIT {MAX_NAMED_ROWS}")
            parts.append(f"SELECT * FROM ({limited})")
    for number, unique in enumerate(uniques):
        if not all(name in live.columns and name in place for name in unique.columns):
            continue
        same = same_key("live", {live.columns[name]: f"given.{place[name]}" for name in unique.columns})
        rowid = f"live.{live.rowid}" if live.rowid else "NULL"
        own = [rowid, *(f"live.{quote_identifier(live.columns[name])}" for name in group.key)]
        source = f"given JOIN {rows} ON {same} WHERE NOT ({key})"
        if policy == "keep":  # a row that exists is not written, so it cannot be in conflict
            source += f" AND NOT EXISTS (SELECT 1 FROM {rows} WHERE {key})"
        parts.append(select(f"{_CONFLICT}{number}", "given.position", own, source))
    return f"WITH given AS MATERIALIZED (SELECT {given} FROM {PARAMETER.from_clause}) " + " UNION ALL ".join(parts)


class Answers(NamedTuple):
    """The answers to the comparisons of one table."""

    existing: int
    different_count: int
    different: Mapping[int, SeedRow]
    conflicts: Sequence[tuple[int, int, Sequence[Value]]]
    """Position of a seed row, number of the key in conflict, rowid and key of the live row."""


def read_answers(asked: Sequence[Comparison], answers: Sequence[Rows], width: int) -> Answers:
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
                key = values[: len(comparison.group.key) + 1]
                conflicts.append((comparison.first + int(str(number)), int(str(what)[len(_CONFLICT) :]), key))
    return Answers(existing, count or len(different), different, conflicts)


def decide(
    seed: SeedTable,
    live: LiveTable,
    policy: Policy,
    uniques: Sequence[UniqueKey],
    answers: Answers,
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
        before, kept, overwritten, same = decide_rows(seed, answers.different, recorded, columns, free_values, assigned)
        decision = decision._replace(
            updated=len(before) + len(overwritten),
            unchanged=decision.unchanged + same,
            kept=frozenset(kept),
            kept_count=len(kept) - same,
            before=before,
            overwritten=tuple(overwritten),
            overwritten_count=len(overwritten),
            is_guarded=True,
        )
    else:
        decision = decision._replace(
            updated=found, overwritten=tuple(sorted(answers.different)), overwritten_count=found, is_guarded=True
        )
    return _with_conflicts(seed, decision, uniques, answers)


def _with_conflicts(seed: SeedTable, decision: Decision, uniques: Sequence[UniqueKey], answers: Answers) -> Decision:
    """Add the conflicts with live rows, and the rows that have to give a UNIQUE value away before another gets it."""
    found = [item for item in answers.conflicts if item[0] not in decision.kept]
    if not found:
        return decision
    wanted = {tuple(key[1:]) for _, _, key in found}
    own = {}
    for position, group, row in seed.rows_at(range(seed.before, seed.before + seed.row_count)):
        key_values = tuple(row[group.columns.index(name)] for name in group.key)
        if key_values in wanted:
            own[key_values] = position
    moved: dict[tuple[str, ...], set[int]] = {}
    waits: dict[int, int] = {}
    conflicts = []
    for position, number, (rowid, *key) in found:
        other = own.get(tuple(key))
        if other is not None and other not in decision.kept and decision.policy != "keep":
            moved.setdefault(uniques[number].columns, set()).add(other)
            if other > position:
                waits[position] = max(other, waits.get(position, 0))
        else:
            name = f"the live row with rowid {rowid}" if isinstance(rowid, int) else "a live row"
            conflicts.append(Conflict(position, uniques[number].columns, seed.place_at(position), name))
    sorted_moves = {columns: tuple(sorted(positions)) for columns, positions in moved.items()}
    return decision._replace(moved=sorted_moves, waits=waits, conflicts=tuple(conflicts))
