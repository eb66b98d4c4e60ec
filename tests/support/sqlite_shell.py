"""Run the script of `plan --sql` on a file, with the SQLite shell or with Python."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest
from turso_deploy.core.transaction import Value
from turso_deploy.sql.lexer import quote_string

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

_OF_ONE_RUN = (
    *("number", "id", "deployed_at", "started_at", "duration_ms"),
    *("commit_sha", "ref", "run_url", "actor", "tool_version"),
)


def content(file: Path, clock: Sequence[str] = ()) -> dict[str, Any]:
    """Return everything in a database except what distinguishes one deployment from another.

    `clock` names columns, as `table.column`, whose default is the time of the statement: their values are represented
    by their type and length.
    """
    database = DatabaseUnderTest(f"file:{file}", f"file:{file}")
    found = database.dump()
    found.pop("schema_version")
    names = [name for (name,) in database.rows("SELECT name FROM pragma_table_info('schema_deployments')")]
    history = [dict(zip(names, row, strict=True)) for row in found["schema_deployments"]]
    found["schema_deployments"] = [
        {name: value for name, value in row.items() if name not in _OF_ONE_RUN} for row in history
    ]
    for table, column in (name.split(".") for name in clock):
        names = [name for (name,) in database.rows(f"SELECT name FROM pragma_table_info({quote_string(table)})")]
        place = names.index(column)
        found[table] = [(*row[:place], _shape(row[place]), *row[place + 1 :]) for row in found[table]]
    return found


def _shape(value: Value) -> tuple[str, int]:
    return type(value).__name__, len(str(value))
