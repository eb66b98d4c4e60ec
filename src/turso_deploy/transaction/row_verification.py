"""Verify that a table rebuild loses no row: compare figures counted before the tables change with those after it.

Within one request figures can be kept only in the database itself, so they are written to a table that exists only
within the transaction (libSQL servers reject temporary tables).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from types import MappingProxyType

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.core.errors import ErrorCode, PlanError
from turso_deploy.core.transaction import Failure, Query, Rows, TransactionStep, change_step
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.table_hazards import has_no_parent
from turso_deploy.project.bound import NONE
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import Schema
from turso_deploy.sql.table_rows import MAX_KEY_LENGTH, MAX_NAMED_ROWS
from turso_deploy.transaction.checks import Check, Expectation

_TABLE = "turso_deploy_verification"
_ROWS, _BEFORE, _AFTER = "rows of ", "violations in ", "violations left in "
_NO_NAMES: Mapping[str, str] = MappingProxyType({})

# Reads no row, and fails if the server has no such pragma: Turso Database, for example (its COMPAT.md).
FOREIGN_KEY_CHECK_PROBE = Query("SELECT 1 FROM pragma_foreign_key_check LIMIT 0")


def check_verifiable(plan: Plan, probe: Rows | Failure) -> None:
    """Raise PlanError (`plan-impossible`) if the server lacks the foreign-key check that the plan needs.

    `probe` is the answer to `FOREIGN_KEY_CHECK_PROBE`.
    """
    if plan.tables_with_verified_keys and isinstance(probe, Failure):
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            "This server cannot check foreign keys (it has no foreign_key_check), so it cannot be verified that table "
            f"rebuilds keep those of {', '.join(plan.tables_with_verified_keys)}.",
            hint="Deploy this change to a database of the libSQL engine, or change the tables by hand.",
        )


def check_name_is_free(plan: Plan, live: Catalog) -> None:
    """Raise PlanError (`plan-impossible`) if the name of the table of figures is taken."""
    if _is_needed(plan) and any(fold_case(row.name) == _TABLE for row in live.rows):
        raise PlanError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The database has an object {_TABLE}, and the transaction needs that name for its row verification.",
            hint="No deployment leaves a table of that name. Look at what it holds, and drop or rename it by hand.",
        )


def with_written_rows(plan: Plan) -> Plan:
    """Return the plan for a deployment that also writes rows, with the foreign keys of all tables to verify.

    While enforcement is off, it is off for these rows, too: no action of a key fires, and no row is rejected.
    """
    return plan if plan.keeps_foreign_keys_on else replace(plan, tables_with_verified_keys=plan.tables_with_keys)


def count_references_before(plan: Plan, live: Schema | None = None) -> list[TransactionStep]:
    """Return the steps that count foreign-key violations before anything changes; [] if nothing is verified.

    `live` is the schema of the database if the steps run before the renames.
    """
    if not _is_needed(plan):
        return []
    return [
        change_step(f"CREATE TABLE {_TABLE} (name TEXT, key TEXT, figure INTEGER)", "create the table of figures"),
        *(
            _count(_BEFORE + name, _violations_before(name, plan, live))
            for name in plan.tables_with_verified_keys
            if fold_case(name) not in plan.created_tables
        ),
    ]


def count_rows_before(plan: Plan) -> list[TransactionStep]:
    """Return the steps that count rows before the tables change."""
    return [
        _count(_ROWS + name, f"SELECT '', count(*) FROM {_counted_table(name, plan.rebuilt_tables)}")
        for name in plan.tables_with_verified_rows
    ]


def count_violations_after(plan: Plan) -> list[TransactionStep]:
    """Return the steps that count foreign-key violations after all changes; each reads one table."""
    return [_count(_AFTER + name, _violations(name)) for name in plan.tables_with_verified_keys]


def row_count_checks(plan: Plan) -> list[Check]:
    """Return the checks that each rebuilt table, and each table related to one, has as many rows as before."""
    return [
        Check(
            f"rows of {name} kept",
            f"SELECT (SELECT figure FROM {_TABLE} WHERE name = {quote_string(_ROWS + name)}) - "
            f"(SELECT count(*) FROM {quote_identifier(name)}) AS c0",
            (),
            (Expectation(f"rows lost from {name}", NONE),),
        )
        for name in plan.tables_with_verified_rows
    ]


ADDED_VIOLATIONS = "foreign-key violations added in "
"""The beginning of the name of a check for foreign keys; the name of a table follows."""


def foreign_key_checks(plan: Plan, *, show_keys: bool = False) -> list[Check]:
    """Return the checks that no foreign key has more violations than before, and a new one none at all.

    Rows are named by their rowids; those of a table WITHOUT ROWID by their keys, and only with `show_keys`.
    """
    return [
        Check(
            f"foreign keys of {name} kept",
            f"SELECT coalesce(sum(more), 0) AS c0 FROM ({_worse(name)})",
            (),
            (Expectation(f"{ADDED_VIOLATIONS}{name}", NONE),),
            Query(f"SELECT * FROM ({rows}) LIMIT {MAX_NAMED_ROWS}") if rows else None,
            plan.places.get(fold_case(name)),
        )
        for name in plan.tables_with_verified_keys
        for rows in [_violating_rows(name, plan.predicted.with_ignored, show_keys=show_keys)]
    ]


def drop_figures(plan: Plan) -> list[TransactionStep]:
    """Return the step that drops the table of figures."""
    return [change_step(f"DROP TABLE {_TABLE}", "drop the table of figures")] if _is_needed(plan) else []


def _is_needed(plan: Plan) -> bool:
    return bool(plan.tables_with_verified_rows or plan.tables_with_verified_keys)


def _count(name: str, figures: str) -> TransactionStep:
    return change_step(f"INSERT INTO {_TABLE} SELECT {quote_string(name)}, * FROM ({figures})", f"count {name}")


def _counted_table(name: str, rebuilt: Set[str]) -> str:
    """Return a table for a FROM clause. One that is rebuilt is read itself, so that its copy finds it in memory.

    By itself SQLite would count in the smallest index: https://www.sqlite.org/lang_indexedby.html
    """
    return f"{quote_identifier(name)} NOT INDEXED" if fold_case(name) in rebuilt else quote_identifier(name)


def _violations(
    name: str, new_tables: Mapping[str, str] = _NO_NAMES, new_columns: Mapping[str, str] = _NO_NAMES
) -> str:
    """Return the query for the violations of each key (https://www.sqlite.org/pragma.html#pragma_foreign_key_check).

    Keys are identified by their parents and columns. `new_tables` and `new_columns` map the case-folded names of now to
    those after the renames.
    """
    by_number = f"SELECT parent, fkid, count(*) AS n FROM pragma_foreign_key_check({quote_string(name)}) GROUP BY fkid"
    return f"SELECT {_key_of(name, new_tables, new_columns)}, sum(n) FROM ({by_number}) AS violation GROUP BY 1"


def _violations_before(name: str, plan: Plan, live: Schema | None) -> str:
    """Return the query for the violations of a table, which reads it by its old names and returns the new ones.

    Without `live` the table has its new name, and its columns, too, unless a rebuild renames them.
    """
    old_names = plan.old_names if live else {}
    was = old_names.get(fold_case(name), name)
    old_columns = plan.old_columns(name, live) if live else plan.moved_columns(name)
    new_tables = {fold_case(old): new for new, old in old_names.items()}
    new_columns = {fold_case(old): fold_case(new) for new, old in old_columns.items()}
    return _violations(was, new_tables, new_columns)


def _key_of(name: str, new_tables: Mapping[str, str] = _NO_NAMES, new_columns: Mapping[str, str] = _NO_NAMES) -> str:
    """Return an expression that identifies the key of a `violation`, whose number may change in a table rebuild."""
    column, parent = _translated('lower("from")', new_columns), _translated("lower(violation.parent)", new_tables)
    columns = f"SELECT {column} AS name FROM pragma_foreign_key_list({quote_string(name)}) WHERE id = violation.fkid"
    return f"(SELECT {parent} || ':' || group_concat(name, ', ') FROM ({columns} ORDER BY 1))"


def _translated(value: str, new_names: Mapping[str, str]) -> str:
    if not new_names:
        return value
    cases = " ".join(f"WHEN {quote_string(old)} THEN {quote_string(new)}" for old, new in new_names.items())
    return f"CASE {value} {cases} ELSE {value} END"


def _worse(name: str) -> str:
    """Return the query for the foreign keys that have `more` violations than before, and how many."""
    return (
        f"SELECT later.key, later.figure - coalesce(sooner.figure, 0) AS more FROM {_TABLE} AS later "
        f"LEFT JOIN {_TABLE} AS sooner ON sooner.name = {quote_string(_BEFORE + name)} AND sooner.key = later.key "
        f"WHERE later.name = {quote_string(_AFTER + name)} AND later.figure > coalesce(sooner.figure, 0)"
    )


def _violating_rows(name: str, schema: Schema, *, show_keys: bool) -> str:
    """Return the query that describes each row that violates a key with more violations than before.

    It is "" for a table WITHOUT ROWID that has no foreign key, or whose keys are not shown. If no key has more
    violations, no table is read.
    """
    definition = schema.tables[fold_case(name)].definition
    if not definition.without_rowid:
        ordered = f'SELECT "from" FROM pragma_foreign_key_list({quote_string(name)}) WHERE id = violation.fkid'
        columns = f'(SELECT group_concat("from", \', \') FROM ({ordered} ORDER BY lower("from")))'
        text = _violation_message(name, "'rowid ' || violation.rowid", columns, "violation.parent")
        return (
            f"SELECT {text} FROM ({_worse(name)}) AS worse CROSS JOIN pragma_foreign_key_check({quote_string(name)}) "
            f"AS violation WHERE {_key_of(name)} = worse.key"
        )
    if not show_keys:
        return ""
    # The pragma does not identify a row of a table WITHOUT ROWID.
    assert definition.primary_key is not None
    parts = (
        f"substr(quote(child.{quote_identifier(part.column or '')}), 1, {MAX_KEY_LENGTH})"
        for part in definition.primary_key.parts
    )
    row = "'key ' || " + " || ', ' || ".join(parts)
    queries = []
    for key in definition.foreign_keys:
        if parent := schema.all_tables.get(key.parent):
            own = sorted(key.columns)
            names = quote_string(", ".join(definition.by_name[column].name for column in own))
            identity = quote_string(f"{key.parent}:{', '.join(own)}")
            queries.append(
                f"SELECT {_violation_message(name, row, names, quote_string(parent.name))} "
                f"FROM ({_worse(name)}) AS worse CROSS JOIN {quote_identifier(name)} AS child "
                f"WHERE worse.key = {identity} AND {has_no_parent(key, schema)}"
            )
    return " UNION ALL ".join(queries)


def _violation_message(name: str, row: str, columns: str, parent: str) -> str:
    """Return the SQL expression for the text that names a row without a parent. All but `name` are expressions."""
    return f"{quote_string(f'{name}, ')} || {row} || ': ' || {columns} || ' references no row in ' || {parent}"
