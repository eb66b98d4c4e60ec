"""Open the database at an address. A client is imported when it is first used, because it loads slowly."""

from __future__ import annotations

from turso_deploy.database.address import Address, FileAddress
from turso_deploy.database.interface import REQUEST_SIZE, Database
from turso_deploy.http.backoff import RetryBudget


def open_database(
    address: Address,
    token: str,
    timeout: float,
    request_size: int = REQUEST_SIZE,
    retry_budget: RetryBudget | None = None,
) -> Database:
    """Return the database at an address; nothing is sent yet.

    `timeout` is in seconds: for each request to a server, or until the lock of a file is free. `request_size` is the
    maximum size of a request with seeds in bytes. `retry_budget` is by default the timeout.
    Raises InputError if a local file cannot exist, or a header cannot hold the token.
    """
    if isinstance(address, FileAddress):
        from turso_deploy.database.file import FileDatabase

        return FileDatabase(address.path, retry_budget or RetryBudget(timeout))
    from turso_deploy.database.hrana import HranaDatabase

    return HranaDatabase(address.url, token, timeout, request_size=request_size, retry_budget=retry_budget)
