"""Open the database at an address. A client is imported when it is first used, because it loads slowly."""

from __future__ import annotations

from turso_deploy.database.address import Address, FileAddress, parse_address
from turso_deploy.database.interface import REQUEST_SIZE, Database
from turso_deploy.http.backoff import RetryBudget


def open_database(
    url: str | Address,
    *,
    auth_token: str | None = None,
    timeout: float = 60,
    request_size: int = REQUEST_SIZE,
    allow_insecure_http: bool = False,
    retry_budget: RetryBudget | None = None,
) -> Database:
    """Return the database at a URL, to be used in one thread at a time; nothing is sent yet.

    `timeout` is in seconds: for each request to a server, or until the lock of a file is free. `request_size` is the
    maximum size of a request with seeds in bytes. `allow_insecure_http` allows plaintext HTTP to hosts other than this
    one; the token is sent in clear text. `retry_budget` is by default the timeout.
    Raises InputError for a URL that cannot be used, and for a token that a header cannot hold.
    """
    address = parse_address(url, allow_insecure_http=allow_insecure_http) if isinstance(url, str) else url
    if isinstance(address, FileAddress):
        from turso_deploy.database.file import FileDatabase

        return FileDatabase(address.path, retry_budget or RetryBudget(timeout))
    from turso_deploy.database.hrana import HranaDatabase

    return HranaDatabase(address.url, auth_token or "", timeout, request_size=request_size, retry_budget=retry_budget)
