"""The interface of a database: `query` reads, `apply` writes; each is one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from turso_deploy.core.transaction import Failure, Outcome, Query, Rows, Transaction
from turso_deploy.http.backoff import RetryBudget

REQUEST_SIZE = 1_000_000
"""The default of `request-size`: the maximum size of a request with seeds in bytes."""
REQUEST_SIZES = range(100_000, 100_000_001)
"""The valid values of `request-size`."""
MAX_TIMEOUT = 3_600
"""The maximum of `timeout` in seconds."""


class Database(Protocol):
    """A database that answers reads and applies one transaction, each in a single round trip.

    It is a context manager that closes the database.
    """

    address: str
    """The address for logs: no token, no credentials."""

    timeout: float
    """The time to wait for an answer in seconds; 0 where no answer can be lost on the way."""

    retry_budget: RetryBudget
    """The time that this run may spend on retries."""

    request_size: int | None
    """The maximum size of a request with seeds in bytes; None where no requests are made."""

    @property
    def requests(self) -> int:
        """The number of requests (for a local file: connections) so far."""
        ...

    @property
    def retries(self) -> list[str]:
        """The retries so far, a sentence each."""
        return self.retry_budget.log

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        """Run each query by itself, in order; a failed one does not stop the rest. Changes nothing.

        Raises DatabaseError if the database cannot be queried at all.
        """
        ...

    def apply(self, transaction: Transaction) -> Outcome:
        """Run a transaction: all of it, or nothing.

        Raises LostReplyError if it was sent and no answer came back, RejectedError if the answer is that it did not
        run, DatabaseError if it surely did not.
        """
        ...

    def size(self, transaction: Transaction) -> int:
        """Return the size of the request for a transaction in bytes; 0 where no requests are made."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
