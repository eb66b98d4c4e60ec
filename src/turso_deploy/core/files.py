"""Read and write regular files: no device, pipe or socket, which may never end, and no link unless that is allowed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# Absent on Windows, where git writes no links unless it is asked to, and where no file name leads to a pipe.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class SpecialFileError(OSError):
    """A link, a folder, a device, a pipe or a socket in place of a regular file. `strerror` is a clause about it."""


class TooLargeError(OSError):
    """A file with more bytes than may be read."""


def read_file(path: Path, max_bytes: int, *, follow_links: bool = False) -> bytes:
    """Return the content of a regular file. Raises OSError, among them SpecialFileError and TooLargeError."""
    require_regular(path, follow_links=follow_links)
    with os.fdopen(_open(path, os.O_RDONLY | (0 if follow_links else _NO_LINK)), "rb") as file:
        # Nothing is read of a file that is too large; it may also grow while it is read.
        is_small = os.fstat(file.fileno()).st_size <= max_bytes
        if is_small and len(content := file.read(max_bytes + 1)) <= max_bytes:
            return content
    raise TooLargeError(errno.EFBIG, os.strerror(errno.EFBIG))


def write_file(path: Path, content: bytes) -> None:
    """Write a regular file, or replace its content. Raises OSError, among them SpecialFileError."""
    if os.path.lexists(path):
        require_regular(path)
    with os.fdopen(_open(path, os.O_WRONLY | os.O_CREAT | _NO_LINK), "wb") as file:
        file.truncate(0)
        file.write(content)


def require_regular(path: Path, *, follow_links: bool = False) -> None:
    """Raise SpecialFileError for anything but a regular file; to open a device can be too much already."""
    _require_regular(path.stat() if follow_links else path.lstat())


def _open(path: Path, flags: int) -> int:
    """Open a file without waiting for the other end of a pipe, and check again what was opened."""
    descriptor = os.open(path, flags | _AT_ONCE | _BINARY, 0o666)
    try:
        _require_regular(os.fstat(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise SpecialFileError(errno.ELOOP, "it is a link")
    if not stat.S_ISREG(status.st_mode):
        raise SpecialFileError(errno.EINVAL, "it is not a regular file")
