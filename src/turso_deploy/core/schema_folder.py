"""The schema folder as text files by name, with places for error messages and one rule about links."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, NoReturn

from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.files import TooLargeError, read_file
from turso_deploy.core.text import enumerated

MAX_SQL_BYTES = 5_000_000
"""Maximum size of a file with SQL: ten times that of a schema with four thousand objects."""


class SchemaFileError(ProjectError):
    """A file of the schema folder that cannot be read as text. `reason` is a clause for a message, `place` the file."""

    place: Place
    hint: str

    def __init__(self, reason: str, place: Place, hint: str, code: ErrorCode = ErrorCode.SCHEMA_NOT_FOUND) -> None:
        super().__init__(code, f"The schema folder cannot be used: {reason}", hint=hint, place=place)
        self.reason = reason


class SkipReason(StrEnum):
    """Why a statement of the schema folder is skipped, as a clause."""

    OF_DEPLOYMENT = "a deployment is one transaction with foreign keys on, and its plan drops what has to be dropped"
    OF_SQLITE = "SQLite, libSQL and turso-deploy create these tables and their indexes themselves"


class SkippedStatement(NamedTuple):
    """A statement of the schema folder that is skipped. `title` names it."""

    title: str
    place: Place
    reason: SkipReason


def notice_of_skipped(reason: SkipReason, skipped: Sequence[SkippedStatement]) -> str:
    """Return the notice of the statements that are skipped for a reason."""
    found = [f"{item.title} ({item.place})" for item in skipped if item.reason is reason]
    return f"Skipped in the schema folder, because {reason}: {enumerated(found, 'statement')}."


class SchemaFolder(NamedTuple):
    """A folder with files. Names are relative to it, with `/` between their parts; `shown` is its name in messages."""

    path: Path
    shown: str

    @classmethod
    def open(cls, path: Path, shown: str | None = None) -> SchemaFolder:
        """Return the folder after checking that all of it can be listed.

        A subfolder that cannot be listed seems to be empty, and what it defines seems to have been removed. Raises
        ProjectError (`schema-not-found`).
        """
        folder = cls(path, path.as_posix() if shown is None else shown)
        folder._require_readable_folders()
        return folder

    def place(self, name: str, line: int | None = None, column: int | None = None) -> Place:
        """Return the place of a file, or of a line in it, for messages."""
        return Place(f"{self.shown}/{name}", line, column)

    def has(self, name: str) -> bool:
        """Return True if there is a file, a folder or a link of this name."""
        return os.path.lexists(self.path / name)

    def entries(self, pattern: str) -> list[str]:
        """Return the names of the files, folders and links that match a glob pattern, sorted by their parts."""
        return [path.relative_to(self.path).as_posix() for path in sorted(self.path.glob(pattern))]

    def is_folder(self, name: str) -> bool:
        """Return True if the name is that of a folder, or of a link to one."""
        return (self.path / name).is_dir()

    def is_link(self, name: str) -> bool:
        """Return True if the name itself is a link."""
        return (self.path / name).is_symlink()

    def require_file(self, name: str) -> None:
        """Raise SchemaFileError unless the name leads to a file inside the folder, through links or without them.

        Messages may quote a file, so a link must not lead to one outside.
        """
        path = self.path / name
        if not path.is_file() or not path.resolve().is_relative_to(self.path.resolve()):
            raise SchemaFileError(
                "this is not a file inside the schema folder",
                self.place(name),
                "Put the file itself in place of a link, a folder or a device.",
            )

    def require_total(self, names: Iterable[str], max_bytes: int) -> None:
        """Raise SchemaFileError if these files are larger in all; git stores a large file of one byte in a few."""
        total = 0
        for name in names:
            path = self.path / name
            total += path.stat().st_size if path.is_file() else 0
            if total > max_bytes:
                raise SchemaFileError(
                    f"the files up to this one are larger than {max_bytes // 1_000_000} MB in all",
                    self.place(name),
                    "Import large data sets once, and leave them out of the deployment.",
                )

    def read_text(self, name: str, max_bytes: int = MAX_SQL_BYTES) -> str:
        """Return the text of a UTF-8 file, without a byte order mark. Raises SchemaFileError.

        The code of a file with another encoding is `sql-syntax`, that of a file which cannot be read is
        `schema-not-found`.
        """
        path = self.path / name
        try:
            path.stat()
            self.require_file(name)
            return read_file(path, max_bytes, follow_links=True).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            place = self.place(name, error.object.count(b"\n", 0, error.start) + 1)
            raise SchemaFileError(
                "the file is not UTF-8 text", place, "Save it as UTF-8.", ErrorCode.SQL_SYNTAX
            ) from None
        except TooLargeError:
            raise SchemaFileError(
                f"the file is larger than {max_bytes // 1_000_000} MB",
                self.place(name),
                "Split it, or import a large data set once and leave it out of the deployment.",
            ) from None
        except OSError as error:
            raise SchemaFileError(
                f"the file cannot be read ({os.strerror(error.errno or 0)})",
                self.place(name),
                "Give the user who deploys the right to read it.",
            ) from None

    def _require_readable_folders(self) -> None:
        if not self.path.is_dir():
            raise ProjectError(
                ErrorCode.SCHEMA_NOT_FOUND,
                f"There is no schema folder `{self.shown}`{': it is a file' if self.path.exists() else ''}.",
                hint="Name it with --schema-path (input `schema-path`), relative to the working folder. In a workflow, "
                "actions/checkout has to run first.",
            )
        for found, _, _ in os.walk(self.path, onerror=self._raise_unreadable):
            if not os.access(found, os.X_OK):  # its files have names, and nothing else can be read of them
                self._raise_unreadable(PermissionError(errno.EACCES, "", found))

    def _raise_unreadable(self, error: OSError) -> NoReturn:
        name = Path(error.filename).relative_to(self.path).as_posix()
        raise ProjectError(
            ErrorCode.SCHEMA_NOT_FOUND,
            f"The folder cannot be read: {os.strerror(error.errno or 0)}.",
            hint="Give the user who deploys the right to read it.",
            place=Place(self.shown) if name == "." else self.place(name),
        )
