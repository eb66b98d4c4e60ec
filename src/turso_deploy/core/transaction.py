"""The values of a transaction: queries and their rows, the steps of a transaction, and its outcome."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from turso_deploy.core.errors import Place

Value = None | int | float | str | bytes


def json_bytes(text: str) -> int:
    """Return the size in bytes of a text inside an ASCII JSON request, without its quotes."""
    if text.isascii() and "\x7f" not in text:  # the common case; counting is much faster than encoding
        return len(text) + text.count('"') + text.count("\\")
    return len(json.dumps(text)) - 2


class Query(NamedTuple):
    """One SQL statement and its positional arguments (`?1`, `?2`, …)."""

    sql: str
    arguments: tuple[Value, ...] = ()


def whole_number(value: Value) -> int:
    """Return a value that has to be an integer. Raises ValueError for any other."""
    if isinstance(value, int):
        return value
    raise ValueError("not an integer")


class Rows(NamedTuple):
    """Result of one query. `affected` is the number of rows that the statement inserted, updated or deleted."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    affected: int = 0

    def number(self) -> int:
        """Return the only value, an integer. Raises ValueError for rows of another form."""
        [[value]] = self.rows
        return whole_number(value)


class Failure(NamedTuple):
    """A query that the engine rejected. `message` may contain SQL or data and must be redacted before it is shown.

    `offset` counts characters into the text of the statement; None if the engine did not report it.
    """

    message: str
    code: str
    offset: int | None = None


Answers = Sequence[Rows | Failure]
"""The answers to several queries, in their order."""


class Purpose(StrEnum):
    """Purpose of a step of a transaction."""

    GUARD = "guard"
    CHANGE = "change"
    SEED = "seed"
    FIGURES = "figures"
    CHECK = "check"
    COMPILE = "compile"
    HISTORY = "history"


class TransactionStep(NamedTuple):
    """One statement of a transaction, its purpose, and the place in the repository that caused it.

    A step with `leaves_copies` does not have to overwrite what it deletes: the database holds each value in another
    place as well, and nothing in the transaction deletes it there.
    """

    query: Query
    purpose: Purpose
    label: str
    place: Place | None = None
    leaves_copies: bool = False


def change_step(sql: str, label: str, place: Place | None = None, *, leaves_copies: bool = False) -> TransactionStep:
    """Return a step without arguments that changes the database."""
    return TransactionStep(Query(sql), Purpose.CHANGE, label, place, leaves_copies)


class Transaction(NamedTuple):
    """The statements of one transaction, in order; it commits only if every step succeeds.

    `foreign_keys` is the enforcement that the steps need: set before BEGIN and read back.
    With `commit=False` the transaction ends with ROLLBACK: a dry run.
    """

    steps: tuple[TransactionStep, ...]
    foreign_keys: bool = True
    commit: bool = True

    @property
    def schema_changes(self) -> int:
        """The number by which the schema version grows (https://www.sqlite.org/pragma.html#pragma_schema_version)."""
        return sum(step.query.sql.startswith(("CREATE ", "ALTER ", "DROP ")) for step in self.steps)


class FailedStep(NamedTuple):
    """The step that stopped a transaction.

    `position` is its index in `Transaction.steps`; None for BEGIN and COMMIT.
    """

    position: int | None
    failure: Failure


class Outcome(NamedTuple):
    """Outcome of a transaction. `results` follows `Transaction.steps`; None for a step that failed or did not run.

    Results of the steps before a failure are kept although the transaction was rolled back. `contradiction` says why a
    server's reply does not prove the outcome: then only the deployment history shows whether it committed.
    """

    committed: bool
    results: tuple[Rows | None, ...]
    failed: FailedStep | None = None
    contradiction: str = ""
