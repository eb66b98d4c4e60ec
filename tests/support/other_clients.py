"""Clients of libSQL that this project did not write: libsql-client for Python, and @libsql/client for JavaScript.

Both connect to a server by `http://` and by `ws://`, and to a file. Their limits, found with 0.3.1 and 0.18.0:

- libsql-client sends each statement to `/v1/execute` when the URL begins with `http://`; Turso Cloud does not have it.
- libsql-client opens a file anew for each statement, without foreign keys, and `PRAGMA foreign_keys` has no effect in
  the transactions that it offers. So it finds a broken foreign key in a file, and does not prevent it.
- @libsql/client ends a text of a file at U+0000, and Node ends with it at a text that is not UTF-8.
- Neither reads an infinite number from a server, where JSON makes it null.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from libsql_client import LibsqlError, create_client  # type: ignore[import-untyped]

from turso_deploy.core.transaction import Value

Row = tuple[Value, ...]
Execute = Callable[[str, str, Sequence[str]], list[list[Row]]]

_SCRIPT = Path(__file__).with_suffix(".mjs")
_READ: dict[str, Callable[[str], Value]] = {
    "null": lambda text: None,
    "integer": int,
    "real": float,
    "text": str,
    "blob": bytes.fromhex,
}


class OtherClientError(Exception):
    """A statement that the database rejected, with the message that the client reports."""


def with_libsql_client(url: str, token: str, statements: Sequence[str]) -> list[list[Row]]:
    """Execute statements with libsql-client for Python, and return the rows of each."""
    try:
        return asyncio.run(_with_libsql_client(url, token, statements))
    except LibsqlError as error:
        raise OtherClientError(str(error)) from error


async def _with_libsql_client(url: str, token: str, statements: Sequence[str]) -> list[list[Row]]:
    async with create_client(url, auth_token=token) as client:
        return [[row.astuple() for row in await client.execute(statement)] for statement in statements]


def with_npm_client(url: str, token: str, statements: Sequence[str]) -> list[list[Row]]:
    """Execute statements with @libsql/client, and return the rows of each."""
    given = json.dumps({"url": url, "token": token, "statements": list(statements)})
    done = subprocess.run(["node", _SCRIPT], input=given, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    errors = [answer["error"] for answer in answers if isinstance(answer, dict)]
    if errors:
        raise OtherClientError(*errors)
    return [[tuple(_READ[kind](text) for kind, text in row) for row in rows] for rows in answers]


class OtherClient(NamedTuple):
    """One client and one way to a database."""

    name: str
    scheme: str
    execute_at: Execute

    def __str__(self) -> str:
        return f"{self.name}-{self.scheme}"


OTHER_CLIENTS = [
    OtherClient(name, scheme, execute)
    for name, execute in (("libsql-client", with_libsql_client), ("npm", with_npm_client))
    for scheme in ("http", "ws", "file")
]
