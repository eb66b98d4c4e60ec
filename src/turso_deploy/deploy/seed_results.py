"""Read from the results of a transaction what it did with the seed rows of each table."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from turso_deploy.core.transaction import Purpose, Query, Rows, TransactionStep, whole_number
from turso_deploy.seeds.decisions import NO_DECISIONS, Decision, LeftRow, existing_label, seed_label
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.seeds.upsert import as_json, qualified, same_key


class SeedResult(NamedTuple):
    """Number of rows of one table that a transaction inserted, updated and did not write.

    `kept` is the number of those that exist and are left as they are, `left` are the rows that left the file and are in
    the database; each is None if the transaction did not look again.
    """

    table: str
    inserted: int
    updated: int
    unwritten: int
    kept: int | None = None
    left: tuple[LeftRow, ...] | None = None


def left_row_steps(decisions: Mapping[str, Decision]) -> Iterator[TransactionStep]:
    """Yield the steps that find the rows which left the files, after scripts that may have deleted some."""
    for table, decision in decisions.items():
        for columns in dict.fromkeys(row.columns for row in decision.left):
            rows = [(at, *row.key) for at, row in enumerate(decision.left) if row.columns == columns]
            key = same_key("row", {name: f"(given.value->>{place})" for place, name in enumerate(columns, start=1)})
            sql = (
                "SELECT given.value->>0 FROM json_each(?1) AS given "
                f"WHERE EXISTS (SELECT 1 FROM {qualified(table)} AS row WHERE {key})"
            )
            yield TransactionStep(Query(sql, (as_json(rows),)), Purpose.FIGURES, _left_label(table))


def seed_results(
    seeds: Sequence[SeedTable],
    steps: Sequence[TransactionStep],
    results: Sequence[Rows | None],
    decisions: Mapping[str, Decision] = NO_DECISIONS,
) -> tuple[SeedResult, ...]:
    """Return the row counts of each seeded table. `results` has an item for each of `steps`, seeds and others.

    Raises ValueError or LookupError for results that no seeds can have.
    """
    answers: dict[str, list[Rows]] = defaultdict(list)
    written: Counter[str] = Counter()
    for step, rows in zip(steps, results, strict=True):
        if rows is not None and step.purpose is Purpose.SEED:
            written[step.label] += rows.affected
        elif rows is not None and step.purpose is Purpose.FIGURES:
            answers[step.label].append(rows)
    found = []
    for seed in seeds:
        decision, count = decisions.get(seed.table), written[seed_label(seed.table)]
        _require_range(count, seed.row_count)
        updated = min(count, decision.updated_between(seed.before, seed.before + seed.row_count)) if decision else 0
        result = SeedResult(seed.table, count - updated, updated, seed.row_count - count)
        if existing := answers.get(existing_label(seed.table)):
            inserted = seed.row_count - sum(_number(rows, 0) for rows in existing)
            _require_range(inserted, seed.row_count)
            kept = sum(_number(rows, 1) for rows in existing)
            result = result._replace(inserted=inserted, updated=count - inserted, kept=kept)
        if decision and (present := answers.get(_left_label(seed.table))):
            left = sorted(whole_number(at) for rows in present for (at,) in rows.rows)
            _require_range(min(left, default=0), len(decision.left))
            result = result._replace(left=tuple(decision.left[at] for at in left))
        found.append(result)
    return tuple(found)


def _number(rows: Rows, column: int) -> int:
    [row] = rows.rows
    return whole_number(row[column])


def _require_range(number: int, limit: int) -> None:
    if not 0 <= number <= limit:
        raise ValueError("a number that these seeds cannot have")


def _left_label(table: str) -> str:
    return f"rows of {table} that left the file"
