"""A file of the schema folder as text; no link out of the folder is followed, lest what it leads to is quoted."""

from __future__ import annotations

import os
from pathlib import Path


class TextFileError(Exception):
    """The file cannot be used. `message` says why, and `line` where, counting from 1, if it is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def read_text(path: Path, folder: Path) -> str:
    """The text of a file inside the schema folder. Raises TextFileError."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise TextFileError("it is a link to a file outside of the schema folder")
    if not path.is_file():
        raise TextFileError("it is no file")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TextFileError(f"it cannot be read ({os.strerror(error.errno or 0)})") from None
    except UnicodeDecodeError as error:
        raise TextFileError("it is not UTF-8 text", error.object.count(b"\n", 0, error.start) + 1) from None
