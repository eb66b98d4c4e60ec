"""Temporary files of the tests in memory: commits then wait for no disk. A killed process loses as much on either."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

FOLDER = Path("/dev/shm")  # noqa: S108
BYTES = 1 << 30
"""The free space that the tests may need; a container's /dev/shm is often smaller."""


def use_memory_folder() -> None:
    """Have this process, and those that it starts, make temporary files in memory, unless TMPDIR says where."""
    if not os.environ.get("TMPDIR") and _is_fit(FOLDER):
        os.environ["TMPDIR"] = tempfile.tempdir = str(FOLDER)


def _is_fit(folder: Path) -> bool:
    """Return whether files can be made and executed in the folder, and as many as the tests make."""
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        return False
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize >= BYTES and not system.f_flag & os.ST_NOEXEC
