"""Read and write regular files: no device, pipe or socket, which may never end, and no link unless that is allowed.

What root creates, as in a container, belongs to the owner of the folder that it is in.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

# Absent on Windows, where git writes no links unless it is asked to, and where no file name leads to a pipe.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)

NO_FOLDER = "its folder does not exist"
"""The reason against writing a file whose folder is missing."""


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


def write_file(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a regular file, or replace its content if that is allowed. Raises OSError, among them SpecialFileError."""
    is_new = not os.path.lexists(path)
    if not is_new and replace:
        require_regular(path)
    exclusive = 0 if replace else os.O_EXCL
    with os.fdopen(_open(path, os.O_WRONLY | os.O_CREAT | exclusive | _NO_LINK), "wb") as file:
        if is_new:
            give_to_owner(path, file.fileno())
        file.truncate(0)
        file.write(content)


def reason_against_writing(path: Path, max_bytes: int, is_ours: Callable[[bytes], bool], what: str) -> str | None:
    """Return why a file of a run must not be written there, as a clause; None if it may be created or replaced.

    Only a regular file that `is_ours` is replaced; `what` names what that holds.
    """
    if not path.parent.is_dir():
        return NO_FOLDER
    try:
        require_regular(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or "it cannot be read"
    try:
        may_be_replaced = is_ours(read_file(path, max_bytes))
    except OSError:
        may_be_replaced = False
    return None if may_be_replaced else f"it holds something else than {what}, and is not overwritten"


def make_folder(path: Path) -> None:
    """Create a folder, and those that lead to it, if they are missing. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        give_to_owner(folder)


def give_to_owner(path: Path, descriptor: int | None = None) -> None:
    """Give a file or a folder that was just created to the owner and the group of the folder that it is in.

    Only root can, and only root has to: the files of a container that runs as root would else be in the workspace of a
    user who can neither change nor remove them. Where the file system does not let root do it, nothing happens.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    with suppress(OSError):
        folder = path.absolute().parent.stat()
        if descriptor is None:
            os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)
        else:
            os.fchown(descriptor, folder.st_uid, folder.st_gid)


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
