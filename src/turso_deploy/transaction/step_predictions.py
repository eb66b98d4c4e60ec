"""Predict the steps of a plan that fail on live rows: expressions that cannot be evaluated, and CHECKs that stay.

Hazards count the rows that break a new constraint. These queries evaluate what a step evaluates besides that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from turso_deploy.core.errors import DatabaseError
from turso_deploy.core.transaction import Answers, Failure, Query, Rows
from turso_deploy.database.engine_errors import explain
from turso_deploy.plan.renames import before_renames
from turso_deploy.plan.steps import Step, StepKind
from turso_deploy.plan.table_change import TableChange, projected
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string
from turso_deploy.sql.table_rows import TableRows
from turso_deploy.transaction.predictions import Pending

_ABSENT = ("no such table", "no such column", "not authorized")
"""The messages for what the database does not have before the plan, or not for this token: they predict nothing."""


class StepProbe(NamedTuple):
    """A step, and a query that fails or returns a number if the step would fail on the live rows."""

    step: Step
    query: Query
    rows: TableRows | None = None
    """The rows over which a new virtual column is evaluated, if they have integer keys."""

    def failure(self, answer: Rows | Failure, query: Callable[[Sequence[Query]], Answers]) -> DatabaseError | None:
        """Return the error with which the step would fail; None if it would not.

        `query` asks the database which row is the first that fails.
        """
        if isinstance(answer, Rows):
            if not int(str(answer.rows[0][0] or 0)):
                return None
            answer = Failure("CHECK constraint failed", "SQLITE_CONSTRAINT_CHECK")
        if any(text in answer.message for text in _ABSENT):
            return None
        explanation = explain(answer)
        row = self._first_failing_row(query)
        return DatabaseError(
            explanation.code,
            f"{self.step.label} would fail{f' for the row {row}' if row else ''}: {explanation.message}.",
            hint=explanation.hint,
            place=self.step.place,
        )

    def _first_failing_row(self, query: Callable[[Sequence[Query]], Answers]) -> str:
        """Return the integer key of the first row for which a new virtual column fails; "" if it is not found.

        SQLite names no row in an error, so ranges of keys are tried, each a fraction of the one before.
        """
        if self.rows is None or self.rows.key is None or self.rows.key.word == "key":  # a text
            return ""
        key, source, first = self.rows.key, self.rows.source, self.rows.with_clause
        [bounds] = query([Query(f"{first}SELECT min({key.sql}), max({key.sql}) FROM {source}")])
        if not isinstance(bounds, Rows) or not all(isinstance(value, int) for value in bounds.rows[0]):
            return ""
        low, high = (int(str(value)) for value in bounds.rows[0])
        column = projected(self.step.column or "")
        sql = f"{first}SELECT count({column}) FROM {source} WHERE {key.sql} BETWEEN ?1 AND ?2"
        while low < high:
            size = -((low - high - 1) // _RANGES)
            ranges = [(start, min(start + size - 1, high)) for start in range(low, high + 1, size)]
            answers = query([Query(sql, each) for each in ranges])
            failed = [each for each, answer in zip(ranges, answers, strict=True) if isinstance(answer, Failure)]
            if not failed:
                return ""
            low, high = failed[0]
        return f"{key.word} {low}"


_RANGES = 64


def step_probes(changes: Pending) -> Iterator[StepProbe]:
    """Yield a probe for each step that evaluates expressions or old CHECKs over rows that no script writes."""
    for step in changes.plan.steps:
        name = fold_case(step.object)
        query = ""
        if step.kind is StepKind.REBUILD_TABLE and name in changes.plan.changes and name not in changes.writers:
            query = _rebuild_query(changes.plan.changes[name])
        elif step.kind in (StepKind.CREATE_INDEX, StepKind.RECREATE_INDEX):
            query = _index_query(changes, name)
        elif step.kind is StepKind.ADD_COLUMN and name not in changes.writers:
            query = _added_column_query(changes, step)
        if query:
            change = changes.plan.changes.get(name)
            is_virtual = step.kind is StepKind.ADD_COLUMN and change and step.column in change.new_virtual_columns
            rows = changes.rows_after(name) if is_virtual else None
            yield StepProbe(step, Query(before_renames(changes.plan.with_clause, query)), rows)


def _added_column_query(changes: Pending, step: Step) -> str:
    """Return the query for the rows that break a rule of their table, which evaluates a new virtual column; else "".

    ADD COLUMN looks for such rows if the new column has a CHECK, and in a STRICT table, and then it finds violations of
    older rules, too: https://www.sqlite.org/lang_altertable.html#altertabaddcol
    """
    name = fold_case(step.object)
    change = changes.plan.changes.get(name)
    if change is None:
        return ""
    is_virtual = step.column in change.new_virtual_columns
    is_checked = any(check.at_column == fold_case(step.column or "") for check in change.new.checks)
    if not (is_virtual or is_checked or change.new.strict):
        return ""
    rows, _ = change.judged()
    values = f", (SELECT count({projected(step.column or '')}) FROM {rows})" if is_virtual else ""
    new = [check.expression for check in change.new.checks if check.at_column == fold_case(step.column or "")]
    if new:
        judged, checks = change.judged(*new)
        values += f", (SELECT {_evaluated(checks)} FROM {judged})"
    if not (is_checked or change.new.strict):
        return f"SELECT 0{values}"
    live_name = changes.plan.old_names.get(name, change.live.name)
    found = f"pragma_quick_check({quote_string(live_name)})"
    kinds = " OR ".join(f"quick_check GLOB '{kind}'" for kind in ("CHECK*", "NULL*", "non-* value in*"))
    return f"SELECT count(*){values} FROM {found} WHERE {kinds}"


def _rebuild_query(change: TableChange) -> str:
    """Return the query that counts the rows which break a CHECK that stays, and evaluates new values and new CHECKs.

    It is "" if a rebuild copies whole records, or has neither a CHECK nor an expression to evaluate.
    """
    computed = [
        column.name
        for name, column in change.new.by_name.items()
        if column.generated is not None or change.backfill(name) is not None
    ]
    stays = [
        check.expression
        for check in change.new.checks
        if check in change.old.checks and change.changed_columns.isdisjoint(identifiers_in(" ".join(check.expression)))
    ]
    new = [check.expression for check in change.new.checks if check.expression not in stays]
    if not (computed or stays or new):
        return ""
    rows, checks = change.judged(*stays, *new)
    breaks = " OR ".join(f"NOT ({check})" for check in checks[: len(stays)]) or "0"
    values = "".join(f", count({projected(name)})" for name in computed)
    evaluated = f", {_evaluated(checks[len(stays) :])}" if new else ""
    return f"SELECT count(*) FILTER (WHERE {breaks}){values}{evaluated} FROM {rows}"


def _evaluated(checks: Sequence[str]) -> str:
    """Return columns that evaluate CHECKs, whose breaking rows hazards count. As conditions: AND and OR stop early."""
    return ", ".join(f"count(*) FILTER (WHERE NOT ({check}))" for check in checks)


def _index_query(changes: Pending, name: str) -> str:
    """Return the query that evaluates the expressions of an index over the live rows; "" if it has none."""
    index = changes.plan.predicted.schema.indexes.get(name)
    if index is None or index.definition.table in changes.writers:
        return ""
    tokens = [part.expression for part in index.definition.parts if part.column is None]
    condition = index.definition.where or ()
    if not (tokens or condition) or index.definition.table not in changes.plan.predicted.schema.tables:
        return ""
    rows, change = changes.rows_after(index.definition.table), changes.plan.changes.get(index.definition.table)
    if rows is None:
        return ""
    if change is not None:
        source, (*expressions, where) = change.judged(*tokens, condition)
    else:
        source = f"{rows.source} AS {quote_identifier(index.table)}"
        *expressions, where = [" ".join(each) for each in (*tokens, condition)]
    values = "".join(f", count({expression})" for expression in expressions)
    return f"SELECT 0{values or ', count(*)'} FROM {source}{f' WHERE {where}' if where else ''}"
