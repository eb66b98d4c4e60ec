"""Run Python without the privilege of root to read and write every file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

_PRIVILEGES = "-dac_override,-dac_read_search"  # https://man7.org/linux/man-pages/man7/capabilities.7.html


def without_privileges(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, subject to the permissions of files."""
    command = [sys.executable, *arguments]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root has every right, and this system has no setpriv to go without")
        command = ["setpriv", f"--inh-caps={_PRIVILEGES}", f"--bounding-set={_PRIVILEGES}", *command]
    return subprocess.run(command, capture_output=True, text=True, check=False)
