"""Predict the steps of a plan that fail on live rows: expressions that cannot be evaluated, and CHECKs that stay.

Hazards count the rows that break a new constraint. These queries evaluate what a step evaluates besides that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from turso_deploy.core.errors import DatabaseError
from turso_deploy.core.transaction import Answers, Failure, Query, Rows
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.engine_messages import showable
from turso_deploy.plan.renames import before_renames
from turso_deploy.plan.steps import Step, StepFailure, StepKind
from turso_deploy.plan.table_change import TableChange, projected
from turso_deploy.sql.identifiers import identifiers_in
from turso_deploy.sql.lexer import (
    Tokens,
    canonical_tokens,
    fold_case,
    quote_identifier,
    quote_string,
    readable_identifier,
    without_quotes,
)
from turso_deploy.sql.schema import Table
from turso_deploy.sql.table_rows import TableRows, key_of_rows
from turso_deploy.transaction.predictions import Pending

_ABSENT = ("no such table", "no such column", "not authorized")
"""The messages for what the database does not have before the plan, or not for this token: they predict nothing."""


class StepProbe(NamedTuple):
    """A step, and a query that fails, or counts rows first, if the step would fail on the live rows.

    `in_range` is the same query for the rows with keys between ?1 and ?2, and `rows` are all of them; it is "" if they
    have no integer keys, or if the step evaluates nothing for each row.
    """

    step: Step
    query: Query
    in_range: str = ""
    rows: TableRows | None = None

    def failure(self, answer: Rows | Failure, query: Callable[[Sequence[Query]], Answers]) -> StepFailure | None:
        """Return the failure of the step; None if it would not fail.

        `query` asks the database which row is the first that fails.
        """
        if isinstance(answer, Rows):
            if not _counts_rows(answer):
                return None
            answer = Failure("CHECK constraint failed", "SQLITE_CONSTRAINT_CHECK")
        if any(text in answer.message for text in _ABSENT):
            return None
        explanation = explain(answer)
        row = self._first_failing_row(query)
        error = DatabaseError(
            explanation.code,
            f"{self.step.label} would fail{f' for the row {row}' if row else ''}: {explanation.message}.",
            hint=explanation.hint,
            place=self.step.place,
        )
        return StepFailure(self.step, showable(answer.message), error)

    def _first_failing_row(self, query: Callable[[Sequence[Query]], Answers]) -> str:
        """Return the integer key of the first row for which the step fails; "" if it is not found.

        SQLite names no row in an error, so ranges of keys are tried, each a fraction of the one before.
        """
        if not self.in_range or self.rows is None or self.rows.key is None:
            return ""
        key, first = self.rows.key, self.rows.with_clause
        [bounds] = query([Query(f"{first}SELECT min({key.sql}), max({key.sql}) FROM {self.rows.source}")])
        if not isinstance(bounds, Rows) or not all(isinstance(value, int) for value in bounds.rows[0]):
            return ""
        low, high = (int(str(value)) for value in bounds.rows[0])
        is_found = False
        while low < high or not is_found:
            size = max(-((low - high - 1) // _RANGES), 1)
            ranges = [(start, min(start + size - 1, high)) for start in range(low, high + 1, size)]
            answers = query([Query(self.in_range, each) for each in ranges])
            failed = [
                each
                for each, answer in zip(ranges, answers, strict=True)
                if isinstance(answer, Failure) or _counts_rows(answer)
            ]
            if not failed:
                return ""
            (low, high), is_found = failed[0], True
        return f"{key.word} {low}"


def _counts_rows(answer: Rows) -> bool:
    return int(str(answer.rows[0][0] or 0)) > 0


_RANGES = 64


def step_probes(changes: Pending) -> Iterator[StepProbe]:
    """Yield a probe for each step that evaluates expressions or old CHECKs over rows that no script writes."""
    for step in changes.plan.steps:
        build = _query_builder(changes, step)
        if build and (sql := build("")):
            rows = _live_rows(changes, step)
            in_range = build(f"{rows.key.sql} BETWEEN ?1 AND ?2") if rows and rows.key else ""
            texts = [before_renames(changes.plan.with_clause, text) if text else "" for text in (sql, in_range)]
            yield StepProbe(step, Query(texts[0]), texts[1], rows)


Builder = Callable[[str], str]
"""A function that returns a query over the live rows that meet a condition, or over all rows if that is ""."""


def _query_builder(changes: Pending, step: Step) -> Builder | None:
    name = fold_case(step.object)
    change = changes.plan.changes.get(name)
    if step.kind in (StepKind.CREATE_INDEX, StepKind.RECREATE_INDEX):
        return partial(_index_query, changes, name)
    if change is None or name in changes.writers:
        return None
    if step.kind is StepKind.REBUILD_TABLE:
        return partial(_rebuild_query, change)
    return partial(_added_column_query, changes, change, step) if step.kind is StepKind.ADD_COLUMN else None


def _live_rows(changes: Pending, step: Step) -> TableRows | None:
    """Return the live rows of the table of a step, with its name after the renames; None without integer keys."""
    schema = changes.plan.renamed or changes.live
    index = changes.plan.predicted.schema.indexes.get(fold_case(step.object))
    table = schema.all_tables.get(index.definition.table if index else fold_case(step.object))
    hides = bool(changes.plan.with_clause)
    key = key_of_rows(table, show_keys=False, is_projection=hides) if table else None
    if table is None or key is None:
        return None
    return TableRows(readable_identifier(table.name), key, changes.plan.with_clause, is_projection=hides)


def _added_column_query(changes: Pending, change: TableChange, step: Step, within: str) -> str:
    """Return the query for the rows that break a rule of their table, which evaluates a new virtual column; else "".

    ADD COLUMN looks for such rows if the new column has a CHECK, and in a STRICT table, and then it finds violations of
    older rules, too: https://www.sqlite.org/lang_altertable.html#altertabaddcol. That search has no condition `within`.
    """
    is_virtual = step.column in change.new_virtual_columns
    new = [check.expression for check in change.new.checks if check.at_column == fold_case(step.column or "")]
    if not (is_virtual or new or change.new.strict):
        return ""
    rows, _ = change.judged(within=within)
    values = f", (SELECT count({projected(step.column or '')}) FROM {rows})" if is_virtual else ""
    if new:
        judged, checks = change.judged(*new, within=within)
        values += f", (SELECT {_evaluated(checks)} FROM {judged})"
    if within or not (new or change.new.strict):
        return f"SELECT 0{values}"
    live_name = changes.plan.old_names.get(fold_case(step.object), change.live.name)
    found = f"pragma_quick_check({quote_string(live_name)})"
    kinds = " OR ".join(f"quick_check GLOB '{kind}'" for kind in ("CHECK*", "NULL*", "non-* value in*"))
    return f"SELECT count(*){values} FROM {found} WHERE {kinds}"


def _rebuild_query(change: TableChange, within: str) -> str:
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
    rows, checks = change.judged(*stays, *new, within=within)
    breaks = " OR ".join(f"NOT ({check})" for check in checks[: len(stays)]) or "0"
    values = "".join(f", count({projected(name)})" for name in computed)
    evaluated = f", {_evaluated(checks[len(stays) :])}" if new else ""
    return f"SELECT count(*) FILTER (WHERE {breaks}){values}{evaluated} FROM {rows}"


def _evaluated(checks: Sequence[str]) -> str:
    """Return columns that evaluate CHECKs, whose breaking rows hazards count. As conditions: AND and OR stop early."""
    return ", ".join(f"count(*) FILTER (WHERE NOT ({check}))" for check in checks)


def _index_query(changes: Pending, name: str, within: str) -> str:
    """Return the query that evaluates the expressions of an index over the live rows; "" if it has none."""
    index = changes.plan.predicted.schema.indexes.get(name)
    if index is None or index.definition.table in changes.writers:
        return ""
    table = changes.plan.predicted.schema.tables.get(index.definition.table)
    if table is None:
        return ""
    tokens = [_evaluated_by(part.expression, table) for part in index.definition.parts if part.column is None]
    condition = index.definition.where or ()
    if not (tokens or condition):
        return ""
    rows, change = changes.rows_after(index.definition.table), changes.plan.changes.get(index.definition.table)
    if rows is None:
        return ""
    if change is not None:
        source, (*expressions, where) = change.judged(*tokens, condition, within=within)
        conditions = [where]
    else:
        source = f"{rows.source} AS {quote_identifier(index.table)}"
        *expressions, where = [" ".join(each) for each in (*tokens, condition)]
        conditions = [within, where]
    values = "".join(f", count({expression})" for expression in expressions)
    given = " AND ".join(f"({each})" for each in conditions if each)
    return f"SELECT 0{values or ', count(*)'} FROM {source}{f' WHERE {given}' if given else ''}"


_VECTOR_INDEX = "libsql_vector_idx"
_VECTOR_TYPE = re.compile(r"(?:FLOAT|F)(32|64|16|B16|8|1BIT)(?:_BLOB)? ?\( ?(\d+) ?\)", re.IGNORECASE)


def _evaluated_by(expression: Tokens, table: Table) -> Tokens:
    """Return the expression that fails for a row if an index over a given one does.

    That of a vector index fails for no row, but the index takes vectors of its column's type and length only: the same
    that have a distance to one of that type. https://docs.turso.tech/features/ai-and-embeddings#types
    """
    if expression[:2] != (_VECTOR_INDEX, "("):
        return expression
    column = table.definition.by_name.get(fold_case(without_quotes(expression[2])))
    found = _VECTOR_TYPE.fullmatch(column.type) if column else None
    if column is None or found is None:
        return expression
    name, zeros = quote_identifier(column.name), f"rtrim(replace(hex(zeroblob({found[2]})), '00', '0,'), ',')"
    distance = f"vector_distance_cos({name}, vector{found[1].lower()}('[' || {zeros} || ']'))"
    return canonical_tokens(f"CASE WHEN {name} IS NOT NULL THEN {distance} END")
