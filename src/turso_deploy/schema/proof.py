"""The proof that a rebuild lost nothing: figures noted before the tables change, and held against those afterwards.

Inside one request nothing can be remembered but in the database itself, so the figures stand in a table that lives only
within the transaction (libSQL servers refuse temporary ones).
"""

from __future__ import annotations

from turso_deploy.database.base import Failure, Purpose, Query, Rows, TransactionStep
from turso_deploy.errors import ErrorCode, RefusedError
from turso_deploy.schema.bound import Bound
from turso_deploy.schema.checks import Check, Expectation
from turso_deploy.schema.plan import Plan
from turso_deploy.sql.lexer import literal, quote

_TABLE = "turso_deploy_proof"
_ROWS, _VIOLATIONS = "rows of ", "violations in "
_NONE = Bound(0, 0, "0")
_NONE_ADDED = Bound(-(2**63), 0, "0")

# Reads nothing, and fails where the server has no such pragma: Turso's own engine does not (its COMPAT.md).
FOREIGN_KEY_CHECK_PROBE = Query("SELECT 1 FROM pragma_foreign_key_check LIMIT 0")


def refuse_without_proof(plan: Plan, probe: Rows | Failure) -> None:
    """Stop a plan whose foreign keys could not be proven. `probe` is the answer to `FOREIGN_KEY_CHECK_PROBE`.

    Raises RefusedError (`plan-impossible`).
    """
    if plan.related and isinstance(probe, Failure):
        raise RefusedError(
            ErrorCode.PLAN_IMPOSSIBLE,
            "This server cannot check foreign keys (it has no foreign_key_check), so nothing would prove that making "
            f"tables anew keeps those of {', '.join(plan.related)}.",
            hint="Deploy this change to a database of the libSQL engine, or change the tables by hand.",
        )


def note_figures(plan: Plan) -> list[TransactionStep]:
    """The steps that note how things are before the tables change; none where no table is made anew or dropped."""
    if not _is_needed(plan):
        return []
    noted = [(_ROWS + name, _count_rows(name)) for name in plan.proven]
    noted += [(_VIOLATIONS + name, _count_violations(name)) for name in plan.related]
    return [
        _step(f"CREATE TABLE {_TABLE} (name TEXT PRIMARY KEY, figure INTEGER NOT NULL)", "note figures for the proof"),
        *(_step(f"INSERT INTO {_TABLE} SELECT {literal(name)}, ({count})", f"note {name}") for name, count in noted),
    ]


def row_proofs(plan: Plan) -> list[Check]:
    """Every table that was made anew, and every relative of one, has as many rows as before."""
    return [
        Check(
            f"rows of {name} kept",
            f"SELECT ({_noted(_ROWS + name)}) - ({_count_rows(name)}) AS c0",
            (),
            (Expectation(f"rows lost from {name}", _NONE),),
        )
        for name in plan.proven
    ]


def reference_proofs(plan: Plan) -> list[Check]:
    """No table has more rows that refer to nothing than before."""
    return [
        Check(
            f"foreign keys of {name} kept",
            f"SELECT ({_count_violations(name)}) - ({_noted(_VIOLATIONS + name)}) AS c0",
            (),
            (Expectation(f"foreign-key violations added in {name}", _NONE_ADDED),),
        )
        for name in plan.related
    ]


def forget_figures(plan: Plan) -> list[TransactionStep]:
    """The step that removes the table of figures."""
    return [_step(f"DROP TABLE {_TABLE}", "forget the figures of the proof")] if _is_needed(plan) else []


def _is_needed(plan: Plan) -> bool:
    return bool(plan.proven or plan.related)


def _step(sql: str, label: str) -> TransactionStep:
    return TransactionStep(Query(sql), Purpose.CHANGE, label)


def _count_rows(name: str) -> str:
    return f"SELECT count(*) FROM {quote(name)}"


def _count_violations(name: str) -> str:
    return f"SELECT count(*) FROM pragma_foreign_key_check({literal(name)})"


def _noted(name: str) -> str:
    return f"SELECT figure FROM {_TABLE} WHERE name = {literal(name)}"
