"""Submit transactions to a database: each once, and look for it in the deployment history if its reply is lost.

A lost reply leaves three possibilities: the transaction committed, it failed, or it has yet to arrive, because the
network delays it. Two facts decide between them.

- The history is read under the write lock. A transaction that started earlier has ended by then: it is in the history,
  or it never will be.
- The guard of each transaction names a deadline in server time. If the history is read after the deadline, its answer
  is final. Before the deadline, a transaction that is not in it may still arrive.

It is safe to plan and submit again before the answer is final: of two transactions that were planned from the same
state only one can commit, because it makes the guard of the other fail.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

from turso_deploy.catalog.catalog import HISTORY_TABLE
from turso_deploy.core.errors import DatabaseError, ErrorCode, LostReplyError, RejectedError
from turso_deploy.core.progress import report_step
from turso_deploy.core.signals import (
    StoppedError,
    cancel_on_second_signal,
    cancellable,
    defer_signals,
    is_asked_to_stop,
    stop_if_asked,
)
from turso_deploy.core.transaction import Failure, Outcome, Purpose, Query, Rows, Transaction, TransactionStep
from turso_deploy.database.engine_errors import explain
from turso_deploy.database.interface import Database
from turso_deploy.deploy.batch import Batch, BatchId
from turso_deploy.history.entries import is_committed, lookup_query
from turso_deploy.http.backoff import Backoff
from turso_deploy.transaction.database_state import CLOCK_QUERY, DatabaseState

MAX_LOOKUPS = 20
"""With the pauses between them about 90 s, more than the default time-out, so that a server can restart meanwhile."""


class _InFlight(NamedTuple):
    """A batch whose outcome is not known, and the time, by the server's clock, after which it cannot start."""

    id: BatchId
    deadline: int


class Submission:
    """The transactions that one deployment submits to one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._backoff = Backoff(database.retry_budget)
        self._in_flight: list[_InFlight] = []
        self._error: DatabaseError | None = None

    def deadline(self, state: DatabaseState) -> int | None:
        """Return the latest start, in server time, of a transaction submitted now; None for a file.

        `state` carries the offset between the server's clock and ours.
        """
        if not self._database.timeout:
            return None
        return state.read_at + math.ceil(time.monotonic() - state.received_at + self._database.timeout)

    def try_again(self, reason: str) -> bool:
        """Wait before the transaction is planned and submitted again; return False if no time is left.

        Never waits for a file: SQLite has waited for its lock already.
        """
        with cancellable():
            return bool(self._database.timeout) and self._backoff.wait(reason)

    def send(self, batch: Batch) -> Outcome | None:
        """Submit a transaction and return its outcome; None if the reply was lost, and the history has to be read.

        A signal is deferred until the reply arrives, and from then on to the end of the run, except where an operation
        is declared cancellable. Raises RejectedError if the server says that it did not run the transaction,
        DatabaseError if it cannot have been executed.
        """
        stop_if_asked()
        defer_signals()
        self._backoff.begin()
        try:
            with cancel_on_second_signal():
                return self._database.apply(batch.assembly.transaction)
        except LostReplyError as lost:
            self._error = lost
        except StoppedError:  # the second signal: do not wait for the reply
            self._error = DatabaseError(
                ErrorCode.STOPPED, "A second signal ended the wait for the server's reply", committed=None
            )
        self._in_flight.append(_InFlight(batch.id, batch.deadline or 0))
        return None

    def is_committed(self, batch: Batch, attempts: int = MAX_LOOKUPS) -> BatchId | None:
        """Return the batch in flight, or this one, that is committed; None if none is.

        The server has replied to this one, so the answer is final for it. Raises DatabaseError (`outcome-unknown`) if
        the history cannot be read in a number of attempts.
        """
        self._in_flight.append(_InFlight(batch.id, deadline=0))
        found = self._find(final=False, attempts=attempts)
        self._in_flight.pop()
        return found

    def add_possible_duplicate(self, batch: Batch) -> None:
        """Record that the guard stopped a batch: the network may have delivered it twice, and the first copy ran."""
        if self._database.timeout:
            self._in_flight.append(_InFlight(batch.id, deadline=0))

    def reset(self) -> None:
        """Forget all batches in flight once one is committed: its commit makes the guards of the others fail."""
        self._backoff = Backoff(self._database.retry_budget)
        self._in_flight.clear()

    def match_history(self, state: DatabaseState) -> BatchId | None:
        """Return the batch in flight that is the last one in the deployment history of a state; None if none is."""
        last = state.last_deployment
        return next((batch.id for batch in self._in_flight if last and batch.id.deployment_id == last.id), None)

    def find_commit(self) -> BatchId | None:
        """Return the batch in flight that is committed now; None if none is yet.

        Raises DatabaseError (`outcome-unknown`) if the history cannot be read.
        """
        return self._find(final=False)

    def resolve(self) -> BatchId | None:
        """Return the batch in flight that is committed; None if none is and none ever will be.

        Waits, if necessary, until the last of them cannot start any more. Raises DatabaseError (`outcome-unknown`) if
        the history cannot be read, or if a signal leaves no time to wait.
        """
        return self._find(final=True)

    def failure(self) -> DatabaseError:
        """Return the error for a lost reply if the final answer of the deployment history is that nothing committed."""
        assert self._error is not None
        return LostReplyError(
            self._error.code,
            f"{self._error.message.removesuffix('.')}. According to the deployment history it was not committed.",
            hint=self._error.hint,
        )

    def _find(self, *, final: bool, attempts: int = MAX_LOOKUPS) -> BatchId | None:
        if not self._in_flight:
            return None
        last = max(batch.deadline for batch in self._in_flight)
        while True:
            try:
                with cancel_on_second_signal():
                    found, now = self._look_up(attempts)
            except StoppedError:
                raise self._unknown("there was no time to wait for the answer") from None
            if found or not final or now > last:
                return found
            if is_asked_to_stop():
                raise self._unknown("there was no time to wait until the request can no longer arrive")
            report_step("waiting until the transaction can no longer arrive")
            try:
                with cancellable():
                    self._database.retry_budget.clock.sleep(last + 1 - now)
            except StoppedError:
                continue  # read the history once more, and report what it shows

    def _look_up(self, attempts: int) -> tuple[BatchId | None, int]:
        """Return the batch in flight that is in the history, and the server's time, both read under the write lock."""
        report_step("looking for the transaction in the deployment history")
        queries = (CLOCK_QUERY, *(lookup_query(batch.id.deployment_id) for batch in self._in_flight))
        read = self._read_under_lock
        backoff = Backoff(self._database.retry_budget, attempts)
        while True:
            try:
                return self._found(read(queries))
            except RejectedError as error:
                if read != self._database.query:
                    # The token may not write, or writes are blocked. No lock is needed then, because no other
                    # transaction of this run can be under way.
                    read = self._database.query
                    continue
                reason = error.message
            except DatabaseError as error:
                reason = error.message
            except ValueError:
                reason = "the server's reply does not have the expected form"
            if is_asked_to_stop() or not backoff.wait(f"the deployment history could not be read: {reason}"):
                raise self._unknown(reason)

    def _read_under_lock(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        """Return the answers to queries that are run in a write transaction, up to the first that failed.

        Raises DatabaseError if the transaction could not begin, RejectedError if the database may not be written to.
        """
        label = f"read {HISTORY_TABLE}"
        steps = tuple(TransactionStep(query, Purpose.FIGURES, label) for query in queries)
        outcome = self._database.apply(Transaction(steps, commit=False))
        answers: list[Rows | Failure] = [result for result in outcome.results if result is not None]
        failed = outcome.failed
        if outcome.contradiction and not failed:
            raise ValueError(outcome.contradiction)
        if failed is None:
            return answers
        explanation = explain(failed.failure)
        if explanation.code is ErrorCode.ACCESS_BLOCKED:
            raise explanation.error(RejectedError)
        if failed.position is None:
            raise explanation.error(DatabaseError)
        return [*answers, failed.failure]

    def _found(self, answers: Sequence[Rows | Failure]) -> tuple[BatchId | None, int]:
        """Return the result of a lookup. Raises DatabaseError if it failed, ValueError if its form is unexpected.

        A database without a history holds no deployment.
        """
        clock, *lookups = answers
        if isinstance(clock, Failure):
            raise explain(clock).error(DatabaseError)
        now = clock.number()
        failure = next((answer for answer in lookups if isinstance(answer, Failure)), None)
        if failure is not None:
            if failure.message.endswith(f"no such table: {HISTORY_TABLE}"):
                return None, now
            raise explain(failure).error(DatabaseError)
        answered = zip(self._in_flight, lookups, strict=True)
        committed = [
            batch.id
            for batch, answer in answered
            if isinstance(answer, Rows) and is_committed(batch.id.deployment_id, answer)
        ]
        return next(iter(committed), None), now

    def _unknown(self, reason: str) -> DatabaseError:
        ids = " or ".join(batch.id.deployment_id for batch in self._in_flight)
        lost = self._error.message.removesuffix(".") if self._error else "The transaction may have arrived twice"
        return DatabaseError(
            ErrorCode.OUTCOME_UNKNOWN,
            f"{lost}. The deployment history could not be read either: {reason.removesuffix('.')}.",
            hint=f"Look for the deployment {ids} in {HISTORY_TABLE}, or run again: nothing is done twice.",
            committed=None,
        )
