"""The interface of a database: `query` reads, `apply` writes; each is one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from turso_deploy.core.transaction import Failure, Outcome, Query, Rows, Transaction
from turso_deploy.http.backoff import RetryBudget

REQUEST_SIZE = 1_000_000
"""How many bytes a request with seeds may have, unless `request-size` says otherwise."""


class Database(Protocol):
    """A database that answers reads and applies one transaction, each in a single round trip."""

    address: str
    """Where it is, fit for a log: no token, no credentials."""

    timeout: float
    """How long to wait for an answer, in seconds; 0 where no answer can be lost on the way."""

    @property
    def retry_budget(self) -> RetryBudget:
        """The time that this run has for all that fails in passing and is tried again."""
        ...

    request_size: int | None
    """How many bytes a request with seeds may have; None where no requests are made."""

    @property
    def requests(self) -> int:
        """How many requests (for a `file:` database: connections) were used so far."""
        ...

    @property
    def retries(self) -> list[str]:
        """What was tried again, and why: a sentence for each time."""
        ...

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        """Run each query on its own, in order; one that fails does not stop the rest. Changes nothing.

        Raises DatabaseError when the database cannot be asked at all.
        """
        ...

    def apply(self, transaction: Transaction) -> Outcome:
        """Run the transaction: all of it, or nothing.

        Raises LostReplyError when it was sent and no answer came back, DatabaseError when it surely did not run.
        """
        ...

    def size(self, transaction: Transaction) -> int:
        """How many bytes the request for a transaction has; 0 where no requests are made."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
