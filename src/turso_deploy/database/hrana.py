"""Databases behind SQL over HTTP (Turso Cloud, sqld): a whole transaction is one conditional batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from turso_deploy.core.errors import DatabaseError, ErrorCode
from turso_deploy.core.transaction import FailedStep, Failure, Outcome, Purpose, Query, Rows, Transaction, json_bytes
from turso_deploy.database.engine_errors import SETTING_NOT_TAKEN, explain
from turso_deploy.database.hrana_transport import Transport, encode_pipeline, transport_error
from turso_deploy.database.hrana_wire import (
    AUTOCOMMIT,
    CLOSE,
    Json,
    MalformedStepError,
    batch,
    every,
    negated,
    read_batch,
    read_failure,
    step,
    succeeded,
)
from turso_deploy.database.http_errors import UNREADABLE
from turso_deploy.database.interface import REQUEST_SIZE, Database
from turso_deploy.http.backoff import RetryBudget

_NOT_PARSED = ("SQL_PARSE_ERROR", "SQL_NO_STATEMENT", "SQL_MANY_STATEMENTS")
_LONG_TEXT = 1_000  # characters
_READ_BACK = 1
_FIRST_STEP = 3  # foreign keys, their read-back, BEGIN
_IN_TRANSACTION = negated(AUTOCOMMIT)
_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError)
_NOT_READ = "the result of a step cannot be read"
_REJECTED = "it rejects all steps together"
_ROLLBACK = "every step succeeded, and ROLLBACK is not as it has to be"


class HranaDatabase(Database):
    """A remote database. `url` starts with http: or https:; `timeout` is in seconds, for each request.

    An empty token is not sent (a server without authentication). `request_size` is in bytes.
    `retry_budget` is by default the timeout. `host` is the Host header, by default the host of the URL.
    Raises InputError for a token that a header cannot hold.
    """

    def __init__(
        self,
        url: str,
        token: str,
        timeout: float,
        *,
        request_size: int = REQUEST_SIZE,
        retry_budget: RetryBudget | None = None,
        host: str = "",
    ) -> None:
        self.address = url
        self.timeout = timeout
        self.request_size: int | None = request_size
        self.retry_budget = retry_budget or RetryBudget(timeout)
        self._transport = Transport(url, token, timeout, self.retry_budget, host)

    @property
    def requests(self) -> int:
        """The number of requests sent so far."""
        return self._transport.requests

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        """Run queries as one batch without conditions, so that a failed query does not stop the rest."""
        steps = [step(query, want_rows=True) for query in queries]
        results = self._transport.send(_pipeline(steps), writes=False)
        return _answers(results, steps)

    def apply(self, transaction: Transaction) -> Outcome:
        """Run a transaction as one batch in which a step runs only if the step before it succeeded."""
        steps = _conditional_steps(transaction)
        results = self._transport.send(_pipeline(steps), writes=True)
        try:
            replies = read_batch(results[0], steps)
        except MalformedStepError:
            return Outcome(False, (None,) * len(transaction.steps), None, _NOT_READ)
        except _UNREADABLE as error:
            raise transport_error(UNREADABLE, lost=True) from error
        if isinstance(replies, Failure):
            return self._rejected(transaction, replies)
        return _outcome(transaction, replies)

    @contextmanager
    def reading(self) -> Iterator[Callable[[Sequence[Query]], list[Rows | Failure]]]:
        """Open a read transaction, and yield the function that runs queries in it, one request for each call.

        The requests belong to one stream of the server, which ends when it is not used for some seconds. Raises
        DatabaseError, also for a stream that has ended.
        """
        self._read_in_stream([Query("BEGIN")], last=False, first=True)
        try:
            yield lambda queries: self._read_in_stream(queries, last=False)
        finally:
            with suppress(DatabaseError):
                self._read_in_stream([Query("ROLLBACK")], last=True)

    def _read_in_stream(self, queries: Sequence[Query], *, last: bool, first: bool = False) -> list[Rows | Failure]:
        steps = [step(query, want_rows=True) for query in queries]
        results = self._transport.send_in_stream([batch(steps), *([CLOSE] if last else [])], is_first=first)
        answers = _answers(results, steps)
        if first and isinstance(answers[0], Failure):
            raise transport_error(explain(answers[0]), lost=False)
        return answers

    def size(self, transaction: Transaction) -> int:
        """Return the size of the request for a transaction in bytes; long JSON arguments are counted, not encoded."""
        long = 0
        steps = []
        for one in transaction.steps:
            arguments = []
            for value in one.query.arguments:
                is_long = isinstance(value, str) and len(value) > _LONG_TEXT and value.startswith(("[", "{"))
                long += json_bytes(str(value)) if is_long else 0
                arguments.append("" if is_long else value)
            steps.append(one._replace(query=Query(one.query.sql, tuple(arguments))))
        return long + len(encode_pipeline(_pipeline(_conditional_steps(transaction._replace(steps=tuple(steps))))))

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _rejected(self, transaction: Transaction, failure: Failure) -> Outcome:
        """Return the outcome of a batch that was rejected as a whole, of which no step shows that it did not run."""
        nothing = (None,) * len(transaction.steps)
        if failure.code in _NOT_PARSED:
            return Outcome(False, nothing, self._not_parsed(transaction, failure), _REJECTED)
        explanation = explain(failure)
        if explanation.code is ErrorCode.ACCESS_BLOCKED:
            return Outcome(False, nothing, FailedStep(None, failure), _REJECTED)
        raise transport_error(explanation, lost=True)

    def _not_parsed(self, transaction: Transaction, failure: Failure) -> FailedStep:
        """Find the step that the server could not parse: sqld parses all steps first, and names none.

        A batch for each step, under a condition that never holds, is parsed again and never run.
        """
        probes = [batch([step(Query(one.query.sql), _IN_TRANSACTION)]) for one in transaction.steps]
        try:
            results = self._transport.send([*probes, CLOSE], writes=False)
            for index, one in enumerate(transaction.steps):
                if results[index]["type"] == "error":
                    return FailedStep(index, read_failure(results[index]["error"], one.query.sql))
        except (DatabaseError, KeyError, TypeError, ValueError):
            pass  # the rejection itself is known, and matters more
        return FailedStep(None, failure)


def _pipeline(steps: list[Json]) -> list[Json]:
    return [batch(steps), CLOSE]


def _answers(results: Sequence[Json], steps: Sequence[Json]) -> list[Rows | Failure]:
    """Return the answer to each step of a batch without conditions. Raises DatabaseError if one cannot be read."""
    try:
        replies = read_batch(results[0], steps)
    except _UNREADABLE as error:
        raise transport_error(UNREADABLE, lost=False) from error
    if isinstance(replies, Failure):
        raise transport_error(explain(replies), lost=False)
    answers = [reply for reply in replies if reply is not None]
    if len(answers) != len(steps):
        raise transport_error(UNREADABLE, lost=False)
    return answers


def _conditional_steps(transaction: Transaction) -> list[Json]:
    """Return the batch: foreign keys and their read-back, BEGIN, the steps, COMMIT, and ROLLBACK if it did not commit.

    `PRAGMA foreign_keys` does nothing inside a transaction: https://www.sqlite.org/pragma.html#pragma_foreign_keys.
    An error can end a transaction by itself, and the condition on autocommit keeps later steps from running outside it:
    https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction.
    """
    wanted = int(transaction.foreign_keys)
    read_back = f"SELECT iif((SELECT foreign_keys FROM pragma_foreign_keys) IS {wanted}, {wanted}, json('not set'))"
    steps = [
        step(Query(f"PRAGMA foreign_keys={wanted}")),
        step(Query(read_back), succeeded(0)),
        step(Query("BEGIN IMMEDIATE"), succeeded(1)),
    ]
    for one in transaction.steps:
        steps.append(step(one.query, _after(len(steps)), want_rows=one.purpose is Purpose.FIGURES))
    if not transaction.commit:
        return [*steps, step(Query("ROLLBACK"), _IN_TRANSACTION)]
    commit = len(steps)
    steps.append(step(Query("COMMIT"), _after(commit)))
    return [*steps, step(Query("ROLLBACK"), every(negated(succeeded(commit)), _IN_TRANSACTION))]


def _after(position: int) -> Json:
    return every(succeeded(position - 1), _IN_TRANSACTION)


def _outcome(transaction: Transaction, replies: list[Rows | Failure | None]) -> Outcome:
    """Return the outcome that the replies show; see `_contradiction` for replies that show none."""
    end = _FIRST_STEP + len(transaction.steps)
    results = tuple(reply if isinstance(reply, Rows) else None for reply in replies[_FIRST_STEP:end])
    failed = next((_failed_step(i, reply, end) for i, reply in enumerate(replies) if isinstance(reply, Failure)), None)
    contradiction = _contradiction(replies[:-1], replies[-1], commits=transaction.commit)
    return Outcome(transaction.commit and isinstance(replies[end], Rows), results, failed, contradiction)


def _contradiction(replies: list[Rows | Failure | None], rollback: Rows | Failure | None, *, commits: bool) -> str:
    """Return why the replies to the steps and to ROLLBACK do not prove what happened; "" if they do.

    After the first failure each step is skipped, and ROLLBACK runs unless the failure has ended the transaction. If no
    step fails, ROLLBACK runs only where there is no COMMIT.
    """
    stopped = next((at for at, reply in enumerate(replies) if not isinstance(reply, Rows)), None)
    if stopped is None:
        return "" if isinstance(rollback, Rows) is not commits and not isinstance(rollback, Failure) else _ROLLBACK
    if replies[stopped] is None:
        return "a step did not run, although no step failed before it"
    if any(reply is not None for reply in replies[stopped + 1 :]):
        return "a step failed, and steps after it ran"
    if commits and stopped == len(replies) - 1 and not isinstance(rollback, Rows):
        return "COMMIT failed, and nothing was rolled back"
    return ""


def _failed_step(position: int, failure: Failure, end: int) -> FailedStep:
    if position == _READ_BACK:
        return FailedStep(None, Failure("foreign keys could not be switched on or off", SETTING_NOT_TAKEN))
    return FailedStep(position - _FIRST_STEP if _FIRST_STEP <= position < end else None, failure)
