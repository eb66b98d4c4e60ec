"""The proof that a rebuild lost nothing: figures noted before the tables change, and held against those afterwards.

Inside one request nothing can be remembered but in the database itself, so the figures stand in a table that lives only
within the transaction (libSQL servers refuse temporary ones).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType

from msgspec.structs import replace

from turso_deploy.catalog.catalog import Catalog
from turso_deploy.core.errors import BlockedError, ErrorCode
from turso_deploy.core.transaction import Failure, Purpose, Query, Rows, TransactionStep
from turso_deploy.plan.foreign_keys import refers_to_nothing
from turso_deploy.plan.plan import Plan
from turso_deploy.project.bound import NONE
from turso_deploy.sql.lexer import fold_case, quote_identifier, quote_string
from turso_deploy.sql.schema import Schema
from turso_deploy.transaction.checks import Check, Expectation

_TABLE = "turso_deploy_proof"
_ROWS, _BEFORE, _AFTER = "rows of ", "violations in ", "violations left in "
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_NAMED_VIOLATIONS = 10
_LONGEST_KEY = 60

# Reads nothing, and fails where the server has no such pragma: Turso's own engine does not (its COMPAT.md).
FOREIGN_KEY_CHECK_PROBE = Query("SELECT 1 FROM pragma_foreign_key_check LIMIT 0")


def refuse_without_proof(plan: Plan, probe: Rows | Failure) -> None:
    """Stop a plan whose foreign keys could not be proven. `probe` is the answer to `FOREIGN_KEY_CHECK_PROBE`.

    Raises BlockedError (`plan-impossible`).
    """
    if plan.related and isinstance(probe, Failure):
        raise BlockedError(
            ErrorCode.PLAN_IMPOSSIBLE,
            "This server cannot check foreign keys (it has no foreign_key_check), so nothing would prove that making "
            f"tables anew keeps those of {', '.join(plan.related)}.",
            hint="Deploy this change to a database of the libSQL engine, or change the tables by hand.",
        )


def refuse_a_taken_name(plan: Plan, live: Catalog) -> None:
    """Stop a plan whose figures would have no table to stand in. Raises BlockedError (`plan-impossible`)."""
    if _is_needed(plan) and any(fold_case(row.name) == _TABLE for row in live.rows):
        raise BlockedError(
            ErrorCode.PLAN_IMPOSSIBLE,
            f"The database has an object {_TABLE}: the transaction makes a table of that name for its proof.",
            hint="No deployment leaves it behind. Look at what it holds, and drop or rename it by hand.",
        )


def with_written_rows(plan: Plan) -> Plan:
    """The plan of a deployment that writes rows besides: where foreign keys are off, none is enforced for those either.

    No action of a key fires, and no row that refers to nothing is refused, so all tables have to be looked at.
    """
    return plan if plan.keeps_foreign_keys_on else replace(plan, related=plan.keyed)


def note_references(plan: Plan, live: Schema | None = None) -> list[TransactionStep]:
    """The steps that note how many rows refer to nothing before anything changes; none where no proof is needed.

    `live` is the schema as it is, where the renames are still to come.
    """
    if not _is_needed(plan):
        return []
    return [
        _step(f"CREATE TABLE {_TABLE} (name TEXT, key TEXT, figure INTEGER)", "note figures for the proof"),
        *(
            _note(_BEFORE + name, _violations_before_renames(name, plan, live) if live else _violations(name))
            for name in plan.related
            if fold_case(name) not in plan.created_tables
        ),
    ]


def note_rows(plan: Plan) -> list[TransactionStep]:
    """The steps that note how many rows there are before the tables change."""
    return [
        _note(_ROWS + name, f"SELECT '', count(*) FROM {_as_read(name, plan.rebuilt_tables)}") for name in plan.proven
    ]


def note_violations(plan: Plan) -> list[TransactionStep]:
    """The steps that note how many rows refer to nothing when all is done; each looks through one table."""
    return [_note(_AFTER + name, _violations(name)) for name in plan.related]


def row_proofs(plan: Plan) -> list[Check]:
    """Every table that was made anew, and every relative of one, has as many rows as before."""
    return [
        Check(
            f"rows of {name} kept",
            f"SELECT ({_noted(_ROWS + name)}) - ({_count_rows(name)}) AS c0",
            (),
            (Expectation(f"rows lost from {name}", NONE),),
        )
        for name in plan.proven
    ]


def reference_proofs(plan: Plan) -> list[Check]:
    """No foreign key of any table has more rows that refer to nothing than before; a new one has none at all."""
    return [
        Check(
            f"foreign keys of {name} kept",
            f"SELECT coalesce(sum(more), 0) AS c0 FROM ({_worse(name)})",
            (),
            (Expectation(f"foreign-key violations added in {name}", NONE),),
            Query(f"SELECT * FROM ({rows}) LIMIT {_NAMED_VIOLATIONS}") if rows else None,
            plan.places.get(fold_case(name)),
        )
        for name in plan.related
        for rows in [_violating_rows(name, plan.predicted.with_ignored)]
    ]


def forget_figures(plan: Plan) -> list[TransactionStep]:
    """The step that removes the table of figures."""
    return [_step(f"DROP TABLE {_TABLE}", "forget the figures of the proof")] if _is_needed(plan) else []


def _is_needed(plan: Plan) -> bool:
    return bool(plan.proven or plan.related)


def _step(sql: str, label: str) -> TransactionStep:
    return TransactionStep(Query(sql), Purpose.CHANGE, label)


def _note(name: str, figures: str) -> TransactionStep:
    return _step(f"INSERT INTO {_TABLE} SELECT {quote_string(name)}, * FROM ({figures})", f"note {name}")


def _as_read(name: str, copied: Set[str]) -> str:
    """A table whose rows are counted: one that is copied afterwards is read itself, and is in memory already then.

    SQLite alone would rather count in the smallest index: https://www.sqlite.org/lang_indexedby.html
    """
    return f"{quote_identifier(name)} NOT INDEXED" if fold_case(name) in copied else quote_identifier(name)


def _count_rows(name: str) -> str:
    return f"SELECT count(*) FROM {quote_identifier(name)}"


def _violations(
    name: str, new_tables: Mapping[str, str] = _NO_NAMES, new_columns: Mapping[str, str] = _NO_NAMES
) -> str:
    """How many rows violate each foreign key of a table (https://www.sqlite.org/pragma.html#pragma_foreign_key_check).

    The keys are called by what their parents and columns will be named, both by their folded names of now.
    """
    by_number = f"SELECT parent, fkid, count(*) AS n FROM pragma_foreign_key_check({quote_string(name)}) GROUP BY fkid"
    return f"SELECT {_key_of(name, new_tables, new_columns)}, sum(n) FROM ({by_number}) AS violation GROUP BY 1"


def _violations_before_renames(name: str, plan: Plan, live: Schema) -> str:
    was = plan.old_names.get(fold_case(name), name)
    new_tables = {fold_case(old): new for new, old in plan.old_names.items()}
    new_columns = {fold_case(old): fold_case(new) for new, old in plan.old_columns(name, live).items()}
    return _violations(was, new_tables, new_columns)


def _key_of(name: str, new_tables: Mapping[str, str] = _NO_NAMES, new_columns: Mapping[str, str] = _NO_NAMES) -> str:
    """What identifies the foreign key of a `violation`: its number is another one when the table has been made anew."""
    column, parent = _translated('lower("from")', new_columns), _translated("lower(violation.parent)", new_tables)
    columns = f"SELECT {column} AS name FROM pragma_foreign_key_list({quote_string(name)}) WHERE id = violation.fkid"
    return f"(SELECT {parent} || ':' || group_concat(name, ', ') FROM ({columns} ORDER BY 1))"


def _translated(value: str, new_names: Mapping[str, str]) -> str:
    if not new_names:
        return value
    cases = " ".join(f"WHEN {quote_string(old)} THEN {quote_string(new)}" for old, new in new_names.items())
    return f"CASE {value} {cases} ELSE {value} END"


def _worse(name: str) -> str:
    """The foreign keys that have `more` violations than before, and how many."""
    return (
        f"SELECT later.key, later.figure - coalesce(sooner.figure, 0) AS more FROM {_TABLE} AS later "
        f"LEFT JOIN {_TABLE} AS sooner ON sooner.name = {quote_string(_BEFORE + name)} AND sooner.key = later.key "
        f"WHERE later.name = {quote_string(_AFTER + name)} AND later.figure > coalesce(sooner.figure, 0)"
    )


def _violating_rows(name: str, schema: Schema) -> str:
    """A query for the rows that violate a key which is worse than before; "" where a table without rowids has no key.

    Each row is a text. No table is looked through when no key is worse.
    """
    definition = schema.tables[fold_case(name)].definition
    if not definition.without_rowid:
        key = "substr(worse.key, length(violation.parent) + 2)"
        text = _violation(name, "'rowid ' || violation.rowid", key, "violation.parent")
        return (
            f"SELECT {text} FROM ({_worse(name)}) AS worse CROSS JOIN pragma_foreign_key_check({quote_string(name)}) "
            f"AS violation WHERE {_key_of(name)} = worse.key"
        )
    # The pragma does not tell which row of a table it is that has no rowid.
    assert definition.primary_key is not None
    parts = (
        f"substr(quote(child.{quote_identifier(part.column or '')}), 1, {_LONGEST_KEY})"
        for part in definition.primary_key.parts
    )
    row = "'key ' || " + " || ', ' || ".join(parts)
    return " UNION ALL ".join(
        f"SELECT {_violation(name, row, quote_string(columns), quote_string(key.parent))} "
        f"FROM ({_worse(name)}) AS worse CROSS JOIN {quote_identifier(name)} AS child "
        f"WHERE worse.key = {quote_string(f'{key.parent}:{columns}')} AND {refers_to_nothing(key, schema)}"
        for key in definition.foreign_keys
        if key.parent in schema.all_tables and (columns := ", ".join(sorted(key.columns)))
    )


def _violation(name: str, row: str, columns: str, parent: str) -> str:
    return f"{quote_string(f'{name}, ')} || {row} || ': ' || {columns} || ' leads to nothing in ' || {parent}"


def _noted(name: str) -> str:
    return f"SELECT figure FROM {_TABLE} WHERE name = {quote_string(name)}"
