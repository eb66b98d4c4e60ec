"""Count the live rows that triggers, foreign keys and conflict clauses delete while seeds and scripts are written.

Two temporary triggers note the key of each row that is deleted or inserted, so that only these rows cost anything. A
row is lost if its key was deleted first and does not exist afterwards: one that is deleted and inserted again under its
key, as the entries of an index are, is not lost, and neither is a new row. No trigger fires for a row that REPLACE
deletes, and virtual tables have none: there all keys are noted before. Everything is dropped in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.core.errors import ErrorCode, PlanError
from turso_deploy.core.transaction import TransactionStep, change_step
from turso_deploy.plan.hazards import Approval, Hazard, is_approved
from turso_deploy.project.bound import NONE, Bound
from turso_deploy.project.scripts import Script
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import AnyTable, VirtualTable
from turso_deploy.transaction.checks import Check, Expectation
from turso_deploy.transaction.deletions import PossibleDeletion

_TABLE = "turso_deploy_deletions"
_TRIGGER = "turso_deploy_notes_"
_LOST = "lost "


class DeletionCheck(NamedTuple):
    """The check that a table loses no row, and the hazard that an approval has to name if it does."""

    check: Check
    hazard: Hazard


def check_names_are_free(deletions: Sequence[PossibleDeletion], live: Catalog) -> None:
    """Raise PlanError (`plan-impossible`) if the name of the table or a trigger that notes deletions is taken."""
    taken = [row.name for row in live.rows if fold_case(row.name).startswith((_TABLE, _TRIGGER))]
    if deletions and taken:
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The database has an object {taken[0]}, and the transaction needs that name to count deleted rows.",
            hint="No deployment leaves an object of that name. Look at what it is, and drop or rename it by hand.",
        )


def begin_counting(deletions: Sequence[PossibleDeletion]) -> list[TransactionStep]:
    """Return the step that creates the table of deletions, before the first rows are written."""
    return [_step(f"CREATE TABLE {_TABLE} (name TEXT, key, existed INTEGER)")] if deletions else []


def end_counting(deletions: Sequence[PossibleDeletion]) -> list[TransactionStep]:
    """Return the step that drops the table of deletions."""
    return [_step(f"DROP TABLE {_TABLE}")] if deletions else []


def with_deletions_by_seeds(
    steps: Sequence[TransactionStep], deletions: Sequence[PossibleDeletion]
) -> Iterator[TransactionStep]:
    """Yield the steps of seeds, and around them the steps that count the rows that others delete meanwhile."""
    return _count(steps, _counters([deletion for deletion in deletions if deletion.writer.position is None]))


def with_deletions_by_scripts(
    scripts: Iterable[Script], deletions: Sequence[PossibleDeletion]
) -> Iterator[TransactionStep]:
    """Yield the steps of scripts, and around each statement the steps that count the rows that others delete."""
    for script in scripts:
        found: dict[int | None, list[PossibleDeletion]] = {}
        for deletion in deletions:
            if deletion.writer.place.file == script.file:
                found.setdefault(deletion.writer.position, []).append(deletion)
        counted = ((step, _counters(found.get(position, ()))) for position, step in enumerate(script.steps()))
        for counters, group in groupby(counted, key=lambda item: item[1]):
            yield from _count([step for step, _ in group], counters)


def _count(steps: Sequence[TransactionStep], counters: Sequence[_Counter]) -> Iterator[TransactionStep]:
    if steps:
        yield from (step for counter in counters for step in counter.begin())
        yield from steps
        yield from (step for counter in counters for step in counter.end())


def deletion_checks(
    deletions: Sequence[PossibleDeletion], hazards: Sequence[Hazard], approvals: Sequence[Approval]
) -> list[DeletionCheck]:
    """Return a check for each table that may lose rows: that it has lost none, or any number if that is approved."""
    names = {fold_case(deletion.table.name) for deletion in deletions}
    return [
        DeletionCheck(
            Check(
                f"rows deleted from {hazard.object}",
                f"SELECT coalesce(sum(existed), 0) AS c0 FROM {_TABLE} "
                f"WHERE name = {quote_string(_LOST + hazard.object)}",
                (),
                (Expectation(f"rows deleted from {hazard.object}", _ANY if is_approved(hazard, approvals) else NONE),),
                place=hazard.place,
            ),
            hazard,
        )
        for hazard in hazards
        if fold_case(hazard.object) in names
    ]


_ANY = Bound(0, None, "any number, as approved")


class _Counter(NamedTuple):
    """The steps that count the rows that one table loses. `number` distinguishes the triggers."""

    name: str
    key: tuple[str, ...]
    lists_keys: bool
    number: int

    def begin(self) -> Iterator[TransactionStep]:
        """Yield the steps before the writes: they create the triggers, or note the key of each row."""
        name, table = quote_string(self.name), quote_identifier(self.name)
        if self.lists_keys:
            yield self._step(f"INSERT INTO {_TABLE} SELECT {name}, {self._key('live')}, 1 FROM {table} AS live")
            return
        for event, row, existed in (("DELETE", "old", 1), ("INSERT", "new", 0)):
            yield self._step(
                f"CREATE TRIGGER {_TRIGGER}{event}_{self.number} AFTER {event} ON {table} "
                f"BEGIN INSERT INTO {_TABLE} VALUES ({name}, {self._key(row)}, {existed}); END"
            )

    def end(self) -> Iterator[TransactionStep]:
        """Yield the steps after the writes: they count the rows that are lost, and forget the keys."""
        if not self.lists_keys:
            for event in ("DELETE", "INSERT"):
                yield self._step(f"DROP TRIGGER {_TRIGGER}{event}_{self.number}")
        name, lost = quote_string(self.name), quote_string(_LOST + self.name)
        # `existed` is that of the first note about a key: https://www.sqlite.org/lang_select.html#bareagg
        first = f"SELECT key, existed, min(rowid) FROM {_TABLE} WHERE name = {name} GROUP BY key"
        yield self._step(
            f"INSERT INTO {_TABLE} SELECT {lost}, NULL, count(*) FROM ({first}) AS noted "
            f"WHERE existed AND {self._is_gone()}"
        )
        yield self._step(f"DELETE FROM {_TABLE} WHERE name = {name}")

    def _is_gone(self) -> str:
        table = quote_identifier(self.name)
        if len(self.key) == 1:
            return f"NOT EXISTS (SELECT 1 FROM {table} AS live WHERE {self._key('live')} = noted.key)"
        return f"noted.key NOT IN (SELECT {self._key('live')} FROM {table} AS live)"

    def _key(self, row: str) -> str:
        """Return an expression for the key of a row: its only column as it is, or several as one text."""
        columns = [f"{row}.{quote_identifier(column)}" for column in self.key]
        return columns[0] if len(columns) == 1 else " || ',' || ".join(f"quote({column})" for column in columns)

    def _step(self, sql: str) -> TransactionStep:
        return _step(sql, f"count rows deleted from {self.name}")


def _counters(deletions: Sequence[PossibleDeletion]) -> tuple[_Counter, ...]:
    """Return a counter for each table. All keys are noted if triggers cannot note every deletion."""
    tables = {fold_case(deletion.table.name): deletion.table for deletion in deletions}
    replaced = {fold_case(deletion.table.name) for deletion in deletions if deletion.replaces}
    return tuple(
        _Counter(table.name, _key_of(table), name in replaced or isinstance(table, VirtualTable), number)
        for number, (name, table) in enumerate(sorted(tables.items(), key=lambda item: item[0]))
    )


def _key_of(table: AnyTable) -> tuple[str, ...]:
    """Return the columns that identify a row: the primary key, the rowid, or else all stored columns."""
    if isinstance(table, VirtualTable):
        return ("rowid",)
    definition = table.definition
    if definition.primary_key:
        return tuple(part.column or "" for part in definition.primary_key.parts)
    stored = (column.name for column in definition.columns if not column.generated)
    return definition.rowid_names[:1] or tuple(stored)


def _step(sql: str, label: str = "count deleted rows") -> TransactionStep:
    return change_step(sql, label)
