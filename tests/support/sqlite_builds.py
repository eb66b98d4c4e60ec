"""SQLite with the compile-time options of other builds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

NOTHING: Mapping[str, str] = MappingProxyType({})


@contextmanager
def secure_delete(*, on: bool, instead: Mapping[str, str] = NOTHING) -> Iterator[list[str]]:
    """SQLite as Debian builds it, which overwrites all that is deleted, or as its makers do.

    https://www.sqlite.org/pragma.html#pragma_secure_delete
    Gives the statements that run. `instead` is what runs in place of some.
    """
    ran: list[str] = []

    class Connection(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            super().execute(f"PRAGMA secure_delete = {int(on)}")

        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            ran.append(sql)
            return super().execute(instead.get(sql, sql), *arguments)

    with patch("sqlite3.connect", partial(sqlite3.connect, factory=Connection)):
        yield ran
