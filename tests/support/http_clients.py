"""Requests for tests: their answer, or the error that they end with."""

from __future__ import annotations

import pytest

from tests.support.databases import quick_retries
from turso_deploy.core.errors import DatabaseError
from turso_deploy.core.transaction import Purpose, Query, Transaction, TransactionStep
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.http.client import HttpClient
from turso_deploy.http.errors import TransportError

WRITE = Transaction((TransactionStep(Query("CREATE TABLE t (a)"), Purpose.CHANGE, "t"),))
TOKEN = "hunter2"


def write(url: str, timeout: float = 5) -> DatabaseError:
    """The error that a write to the server ends with."""
    database = HranaDatabase(url, TOKEN, timeout, retry_budget=quick_retries(timeout))
    with pytest.raises(DatabaseError) as caught:
        database.apply(WRITE)
    database.close()
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


def ask(url: str, path: str = "/", body: bytes | None = None) -> bytes:
    connection = HttpClient(url, TOKEN, timeout=5)
    try:
        return connection.request("POST" if body else "GET", path, body).body
    finally:
        connection.close()


def failure(
    url: str, path: str = "/", body: bytes | None = b"{}", headers: dict[str, str] | None = None
) -> TransportError:
    """Why there is no answer."""
    connection = HttpClient(url, TOKEN, timeout=5, headers=headers)
    with pytest.raises(TransportError) as caught:
        connection.request("POST" if body else "GET", path, body)
    connection.close()
    return caught.value
