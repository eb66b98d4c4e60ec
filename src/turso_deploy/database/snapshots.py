"""Restore points in a folder: copies of database files and dumps of servers, of which the newest are kept."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from turso_deploy.core.errors import DatabaseError, ErrorCode
from turso_deploy.core.files import give_to_owner, make_folder
from turso_deploy.database.dump import dump
from turso_deploy.database.file import FileDatabase
from turso_deploy.database.hrana import HranaDatabase
from turso_deploy.database.interface import Database
from turso_deploy.sqlite.backup import copy_database
from turso_deploy.sqlite.connection import SqliteError

_NAME = re.compile(r"restore-point-[0-9a-f]{12}-\d{8}-\d{6}-\d{6}\.(?:db|sql)")


def save_restore_point(database: Database, folder: Path, now: datetime, *, keep: int) -> tuple[str, tuple[str, ...]]:
    """Save the database in a new file, keep the newest `keep` of its files, and return the name and the commands.

    The file is readable by its owner only. Its name has a hash of the address and the time, and nothing that a user has
    written. Raises DatabaseError: without a restore point there is no deployment.
    """
    start = f"restore-point-{sha256(database.address.encode()).hexdigest()[:12]}"
    ending = "db" if isinstance(database, FileDatabase) else "sql"
    path = folder / f"{start}-{now:%Y%m%d-%H%M%S-%f}.{ending}"
    try:
        if folder.is_symlink():
            raise _failed("the folder is a link")
        make_folder(folder)
        _write(database, path)
        for old in sorted(_earlier(folder, start))[:-keep]:
            (folder / old).unlink(missing_ok=True)
    except SqliteError as error:
        raise _failed(error.message) from error
    except OSError as error:
        raise _failed(error.strerror or "the file system does not take it") from error
    shown = shlex.quote(path.as_posix())
    if ending == "db":
        return path.name, (f"cp {shown} restored.db",)
    return path.name, (f"sqlite3 restored.db < {shown}", f"turso db create restored --from-dump {shown}")


def _write(database: Database, path: Path) -> None:
    """Write the restore point. A file that is not complete is removed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            give_to_owner(path, file.fileno())
            if isinstance(database, FileDatabase):
                if database.file.exists():
                    copy_database(database.file, path)
            elif isinstance(database, HranaDatabase):
                with database.reading() as read:
                    file.writelines(dump(read))
            else:
                raise _failed("this kind of database cannot be copied")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def _earlier(folder: Path, start: str) -> Iterator[str]:
    """Yield the names of the restore points of one database."""
    for path in folder.iterdir():
        if path.name.startswith(f"{start}-") and _NAME.fullmatch(path.name) and path.is_file():
            yield path.name


def _failed(reason: str) -> DatabaseError:
    return DatabaseError(
        ErrorCode.RESTORE_POINT_FAILED,
        f"The restore point could not be made: {reason}.",
        hint="Check the folder of `restore-point-folder`, its permissions and the space on its disk. To deploy without "
        "a restore point, set `restore-point: off`.",
    )
