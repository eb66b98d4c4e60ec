"""How a transaction gets to a database: sent once, and when the reply is lost, looked for in the deployment history.

A reply that is lost leaves three possibilities: the transaction committed, it failed, or it has yet to arrive, because
the network holds it back. Two facts decide between them.

- The deployment history is asked under the write lock. Whatever started before has ended by then, and is in it or never will be.
- The guard of every transaction names a deadline by the server's clock. Asked after it, the deployment history has the last word;
  asked before it, a transaction that is not there may still come, so the word is not final.

Until then it is no error to plan and send again: of two transactions that were planned from the same state, each with
its guard, one can commit at most, because it makes the guard of the other fail.
"""

from __future__ import annotations

import math
import time

from msgspec import Struct

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.core.errors import DatabaseError, ErrorCode, LostReplyError
from turso_deploy.core.progress import report_step
from turso_deploy.core.signals import (
    StoppedError,
    cancel_on_second_signal,
    cancellable,
    defer_signals,
    is_asked_to_stop,
    stop_if_asked,
)
from turso_deploy.core.transaction import Outcome, Purpose, Transaction, TransactionStep
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.interface import Database
from turso_deploy.deploy.batches import Batch, BatchId
from turso_deploy.http.backoff import Backoff
from turso_deploy.transaction import history
from turso_deploy.transaction.database_state import CLOCK_QUERY, DatabaseState

# With its pauses about 90 s, more than the time-out is by default: a server that is started again meanwhile is heard.
MOST_QUESTIONS = 20


class _Open(Struct, frozen=True):
    """A part that may be in the deployment history, or come to be, and when it can no longer start."""

    name: BatchId
    deadline: int


class Submission:
    """The transactions of one deployment on their way to one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._retries = Backoff(database.retry_budget)
        self._open: list[_Open] = []
        self._error: DatabaseError | None = None

    def deadline(self, live: DatabaseState) -> int | None:
        """Until when, by the server's clock, a transaction that is sent now may start; None for a file.

        `live` tells how the server's clock and ours go together.
        """
        if not self._database.timeout:
            return None
        return live.read_at + math.ceil(time.monotonic() - live.received_at + self._database.timeout)

    def try_again(self, reason: str) -> bool:
        """Wait a moment before the transaction is planned and sent again; False when there is no more time.

        A file is not waited for here: its client has waited for the lock already.
        """
        with cancellable():
            return bool(self._database.timeout) and self._retries.wait(reason)

    def send(self, part: Batch) -> Outcome | None:
        """What became of the transaction; None when the reply was lost, and `committed` is to be asked.

        A signal to stop waits until the reply is there, and from then on until all is told or something may be ended.
        Raises DatabaseError when it surely did not run.
        """
        stop_if_asked()
        defer_signals()
        self._retries.begin()
        try:
            with cancel_on_second_signal():
                return self._database.apply(part.assembly.transaction)
        except LostReplyError as lost:
            self._error = lost
        except StoppedError:  # the second signal: no time is left to wait for the reply
            self._error = _impatient()
        self._open.append(_Open(part.name, part.deadline or 0))
        return None

    def note_stale(self, part: Batch) -> None:
        """The guard stopped the transaction, or a copy of it: the network may have delivered it twice."""
        if self._database.timeout:
            self._open.append(_Open(part.name, deadline=0))

    def settle(self) -> None:
        """A part is committed, so that those sent before it never can be; the next has all tries again."""
        self._retries = Backoff(self._database.retry_budget)
        self._open.clear()

    def recognised(self, live: DatabaseState) -> BatchId | None:
        """The part that is the last in the deployment history, if it is one of those whose reply was lost."""
        return next((sent.name for sent in self._open if live.last and sent.name.id == live.last.id), None)

    def committed(self, *, finally_: bool = False) -> BatchId | None:
        """The part that stands in the deployment history although no reply says so; None when none does.

        With `finally_` the answer is for good: if need be it waits until the last of them can no longer start.
        Raises DatabaseError (`outcome-unknown`) when the deployment history cannot be asked, or a signal leaves no time to wait.
        """
        if not self._open:
            return None
        last = max(sent.deadline for sent in self._open)
        while True:
            try:
                with cancel_on_second_signal():
                    found, now = self._look_up()
            except StoppedError:
                raise self._unknown("there was no time to wait for the answer") from None
            if found or not finally_ or now > last:
                return found
            if is_asked_to_stop():
                raise self._unknown("there was no time to wait until the request can no longer arrive")
            report_step("waiting until the transaction can no longer arrive")
            try:
                with cancellable():
                    time.sleep(last + 1 - now)
            except StoppedError:
                continue  # ask once more, and say what is known

    def failure(self) -> DatabaseError:
        """The error for a reply that was lost when the deployment history, asked for good, shows no commit."""
        assert self._error is not None
        return LostReplyError(
            self._error.code,
            f"{self._error.message.removesuffix('.')}. The deployment history shows that it was not committed.",
            hint=self._error.hint,
        )

    def _look_up(self) -> tuple[BatchId | None, int]:
        """Which of the open ones is in the deployment history, and the server's time, both under the write lock."""
        report_step("asking the deployment history what became of the transaction")
        clock = TransactionStep(CLOCK_QUERY, Purpose.FIGURES, "read the clock")
        lookups = (history.lookup_query(sent.name.id) for sent in self._open)
        steps = tuple(TransactionStep(query, Purpose.FIGURES, f"look into {HISTORY_TABLE}") for query in lookups)
        retries = Backoff(self._database.retry_budget, MOST_QUESTIONS)
        while True:
            try:
                outcome = self._database.apply(Transaction((clock, *steps), commit=False))
            except DatabaseError as error:
                reason = error.message
            else:
                answers, failed = outcome.results, outcome.failed
                if answers[0] is not None:
                    now = answers[0].number()
                    if failed is None:
                        pairs = zip(self._open, answers[1:], strict=True)
                        return next((sent.name for sent, answer in pairs if answer and answer.rows), None), now
                    if f"no such table: {HISTORY_TABLE}" in failed.failure.message:
                        return None, now
                assert failed is not None
                reason = explain(failed.failure).message
            if is_asked_to_stop() or not retries.wait(f"the deployment history was asked: {reason}"):
                raise self._unknown(reason)

    def _unknown(self, reason: str) -> DatabaseError:
        ids = " or ".join(sent.name.id for sent in self._open)
        lost = self._error.message.removesuffix(".") if self._error else "The transaction may have arrived twice"
        return DatabaseError(
            ErrorCode.OUTCOME_UNKNOWN,
            f"{lost}. Asking the deployment history failed too: {reason.removesuffix('.')}.",
            hint=f"Look for the deployment {ids} in {HISTORY_TABLE}, or run again: nothing is done twice.",
            committed=None,
        )


def _impatient() -> DatabaseError:
    return DatabaseError(ErrorCode.STOPPED, "A second signal ended the wait for the server's reply", committed=None)
