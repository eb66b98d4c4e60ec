"""The statements that run on connections to SQLite, recorded and replaced by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from unittest.mock import patch

from turso_deploy.sqlite.connection import Connection, Result, Value

NOTHING: Mapping[str, str] = MappingProxyType({})


@contextmanager
def recorded_statements(instead: Mapping[str, str] = NOTHING) -> Iterator[list[str]]:
    """Gives the statements that run. `instead` is what runs in place of some."""
    ran: list[str] = []
    execute = Connection.execute

    def recorded(self: Connection, sql: str, arguments: Iterable[Value] = (), max_bytes: int | None = None) -> Result:
        ran.append(sql)
        return execute(self, instead.get(sql, sql), arguments, max_bytes)

    with patch.object(Connection, "execute", recorded):
        yield ran
