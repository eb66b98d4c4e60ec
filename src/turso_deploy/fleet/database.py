"""A database of a fleet: each write needs the permit of its task."""

from __future__ import annotations

from collections.abc import Sequence

from turso_deploy.core.transaction import Failure, Outcome, Query, Rows, Transaction
from turso_deploy.database.interface import Database
from turso_deploy.fleet.stopping import WritePermit


class PermittedDatabase(Database):
    """A database whose writes take a permit before they begin. Everything else is that of the database itself."""

    def __init__(self, database: Database, permit: WritePermit) -> None:
        self._database = database
        self._permit = permit
        self.address = database.address
        self.timeout = database.timeout
        self.retry_budget = database.retry_budget
        self.request_size = database.request_size

    @property
    def requests(self) -> int:
        """The number of requests so far."""
        return self._database.requests

    def query(self, queries: Sequence[Query]) -> list[Rows | Failure]:
        """Run queries. See `Database.query`."""
        return self._database.query(queries)

    def apply(self, transaction: Transaction) -> Outcome:
        """Run a transaction with the permit to write. Raises StoppedError if the run is to end."""
        self._permit.take()
        return self._database.apply(transaction)

    def size(self, transaction: Transaction) -> int:
        """Return the size of the request for a transaction."""
        return self._database.size(transaction)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()
