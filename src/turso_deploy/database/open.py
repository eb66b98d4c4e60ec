"""Open the database at an address. A client is imported when it is first used, because it loads slowly."""

from __future__ import annotations

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.database.address import Address, FileAddress, parse_address
from turso_deploy.database.interface import MAX_TIMEOUT, REQUEST_SIZE, REQUEST_SIZES, Database
from turso_deploy.http.backoff import RetryBudget


def open_database(
    url: str,
    *,
    auth_token: str | None = None,
    timeout: float = 60,
    request_size: int = REQUEST_SIZE,
    allow_insecure_http: bool = False,
) -> Database:
    """Return the database at a URL, to be used in one thread at a time; nothing is sent yet.

    `timeout` is in seconds: for each request to a server and for all retries, or until the lock of a file is free.
    `request_size` is the maximum size of a request with seeds in bytes. `allow_insecure_http` allows plaintext HTTP to
    hosts other than this one; the token is sent in clear text.
    Raises InputError for a URL that cannot be used, for a token that a header cannot hold, and for a timeout or a size
    that the settings do not take either.
    """
    if type(timeout) not in (int, float) or not 0 < timeout <= MAX_TIMEOUT:
        raise _invalid("timeout", f"seconds, more than 0 and at most {MAX_TIMEOUT}")
    if type(request_size) is not int or request_size not in REQUEST_SIZES:
        raise _invalid("request_size", f"bytes, an integer from {REQUEST_SIZES[0]} to {REQUEST_SIZES[-1]}")
    address = parse_address(url, allow_insecure_http=allow_insecure_http)
    return open_address(address, auth_token, timeout, request_size=request_size)


def open_address(
    address: Address,
    auth_token: str | None,
    timeout: float,
    *,
    request_size: int = REQUEST_SIZE,
    retry_budget: RetryBudget | None = None,
    host: str = "",
) -> Database:
    """Return the database at an address. `retry_budget` is by default the timeout. See `open_database`.

    `host` is the Host header, which names a namespace of a server; by default it is the host of the address.
    """
    retry_budget = retry_budget or RetryBudget(timeout)
    if isinstance(address, FileAddress):
        from turso_deploy.database.file import FileDatabase

        return FileDatabase(address.path, retry_budget)
    from turso_deploy.database.hrana import HranaDatabase

    return HranaDatabase(
        address.url, auth_token or "", timeout, request_size=request_size, retry_budget=retry_budget, host=host
    )


def _invalid(argument: str, expected: str) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"The argument `{argument}` of `open_database` is not valid: expected {expected}.",
        hint="Leave it out for the default.",
    )
