"""Copy of an SQLite database as it is at one moment, while others may use it."""

from __future__ import annotations

from pathlib import Path

import apsw

from turso_deploy.sqlite.connection import SqliteError

_WAIT = 5_000
"""The time to wait for the lock of the database, in milliseconds."""


def copy_database(source: Path, target: Path) -> None:
    """Copy a database to an empty file, byte by byte of each page. Raises SqliteError.

    https://www.sqlite.org/backup.html. The copy is one read transaction, so that no writer is in half of it.
    """
    try:
        original = apsw.Connection(str(source.absolute()), apsw.SQLITE_OPEN_READWRITE)
        try:
            original.set_busy_timeout(_WAIT)
            copy = apsw.Connection(str(target.absolute()), apsw.SQLITE_OPEN_READWRITE)
            try:
                with copy.backup("main", original, "main") as backup:
                    backup.step(-1)
                    if not backup.done:
                        raise SqliteError("the database is locked", "SQLITE_BUSY")
            finally:
                copy.close()
        finally:
            original.close()
    except apsw.Error as error:
        raise SqliteError(str(error)) from error
