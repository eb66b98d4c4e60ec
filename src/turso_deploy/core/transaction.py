"""The values of a transaction: queries and their rows, the steps of a transaction, and its outcome."""

from __future__ import annotations

import json
from enum import StrEnum

from msgspec import Struct

from turso_deploy.core.errors import Place

Value = None | int | float | str | bytes


def json_bytes(text: str) -> int:
    """How many bytes JSON takes as a text in a request, which is JSON itself, in ASCII; its quotes are not counted."""
    if text.isascii() and "\x7f" not in text:  # nearly always, and counted much faster than written
        return len(text) + text.count('"') + text.count("\\")
    return len(json.dumps(text)) - 2


class Query(Struct, frozen=True):
    """One SQL statement and its positional arguments (`?1`, `?2`, …)."""

    sql: str
    arguments: tuple[Value, ...] = ()


class Rows(Struct, frozen=True):
    """The answer to one query. `affected` is how many rows the statement inserted, updated or deleted."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Value, ...], ...] = ()
    affected: int = 0

    def number(self) -> int:
        """Return the only value of the first row as an integer."""
        return int(str(self.rows[0][0]))


class Failure(Struct, frozen=True):
    """One query that the engine refused. `message` may quote SQL text or data: it is shown only redacted.

    `offset` counts characters into the statement's own text, where the engine told it.
    """

    message: str
    code: str
    offset: int | None = None


class Purpose(StrEnum):
    """What a step of a transaction is there for."""

    GUARD = "guard"
    CHANGE = "change"
    SEED = "seed"
    FIGURES = "figures"
    CHECK = "check"
    HISTORY = "history"


class TransactionStep(Struct, frozen=True):
    """One statement inside the transaction, with what it is for and the place in the repository that caused it.

    A step that `leaves_copies` need not overwrite what it deletes: each value stands in the database in another place,
    and nothing in the transaction takes it away there.
    """

    query: Query
    purpose: Purpose
    label: str
    place: Place | None = None
    leaves_copies: bool = False


class Transaction(Struct, frozen=True):
    """Everything that one deployment writes, in order; it commits only when every step succeeded.

    `foreign_keys` is the enforcement that the steps need: set before BEGIN and read back.
    With `commit=False` the last word is ROLLBACK: a rehearsal on the real data.
    """

    steps: tuple[TransactionStep, ...]
    foreign_keys: bool = True
    commit: bool = True


class FailedStep(Struct, frozen=True):
    """The step that stopped a transaction.

    `index` counts into `Transaction.steps`; None when it was none of them (BEGIN, COMMIT).
    """

    index: int | None
    failure: Failure


class Outcome(Struct, frozen=True):
    """What became of a transaction. `results` follows `Transaction.steps`; None where a step failed or did not run.

    The results of the steps before a failure are there although the transaction was rolled back.
    """

    committed: bool
    results: tuple[Rows | None, ...]
    failed: FailedStep | None = None
