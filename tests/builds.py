"""SQLite as others build it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch


@contextmanager
def secure_delete(*, on: bool) -> Iterator[None]:
    """SQLite as Debian builds it, which overwrites all that is deleted, or as its makers do.

    https://www.sqlite.org/pragma.html#pragma_secure_delete
    """

    class Connection(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.execute(f"PRAGMA secure_delete = {int(on)}")

    with patch("sqlite3.connect", partial(sqlite3.connect, factory=Connection)):
        yield
