"""The script of `plan --sql`, run by hand on a file: with the shell of SQLite, or with Python."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import Target

SHELL = shutil.which("sqlite3") or ""


def in_shell(script: str, file: Path) -> int:
    environment = {**os.environ, "HOME": str(file.parent)}
    done = subprocess.run([SHELL, file], input=script, text=True, encoding="utf-8", cwd=file.parent, env=environment)
    return done.returncode


def in_python(script: str, file: Path) -> int:
    first, _, rest = script.partition("\n")
    assert first == ".bail on"
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.executescript(rest)
    except sqlite3.Error:
        return 1
    finally:
        connection.close()
    return 0


CLIENTS = pytest.mark.parametrize(
    "client", [pytest.param(in_shell, marks=pytest.mark.skipif(not SHELL, reason="no sqlite3 shell")), in_python]
)
Client = Callable[[str, Path], int]


def content(file: Path) -> dict[str, Any]:
    """Everything in a database but what tells one deployment from another."""
    found = Target(f"file:{file}", f"file:{file}").dump()
    found.pop("schema_version")
    found["schema_deployments"] = [row[3:7] + row[12:] for row in found["schema_deployments"]]
    return found
