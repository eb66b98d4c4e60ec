"""How long a plan takes that concerns a thousand tables, in a new process and for the planning alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.table import Row, best_of
from turso_deploy.database.open import open_database
from turso_deploy.pending.find import find_pending
from turso_deploy.project.loader import load_project

TARGET_SECONDS = 1.5
SIZES = (500, 1000, 2000)
INDEXES = 3
_ANCHOR = "CREATE TABLE anchor (id INTEGER PRIMARY KEY);\n"


def schema_of(tables: int, *, with_change: bool = False) -> str:
    """Tables of twelve columns and three indexes, each but the first with a foreign key to the one before it.

    With the change, every tenth table has one column more.
    """
    return _ANCHOR + "".join(_table(number, with_change and number % 10 == 0) for number in range(tables))


def _table(number: int, changed: bool) -> str:
    name = f"table_{number:04}"
    parent = f" REFERENCES table_{number - 1:04} (id) ON DELETE CASCADE" if number else ""
    extra = "  added TEXT NOT NULL DEFAULT '',\n" if changed else ""
    return (
        f"CREATE TABLE {name} (\n"
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
        f"  parent_id INTEGER{parent},\n"
        "  name TEXT NOT NULL,\n  email TEXT COLLATE NOCASE,\n  status TEXT NOT NULL DEFAULT 'new',\n"
        "  price REAL CHECK (price >= 0),\n  quantity INTEGER NOT NULL DEFAULT 1,\n  payload BLOB,\n  notes TEXT,\n"
        f"{extra}"
        "  position INTEGER,\n  created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,\n  updated_at TEXT\n);\n"
        f"CREATE INDEX {name}_parent ON {name} (parent_id);\n"
        f"CREATE UNIQUE INDEX {name}_email ON {name} (email) WHERE email IS NOT NULL;\n"
        f"CREATE INDEX {name}_created ON {name} (status, created_at DESC);\n"
    )


def measure() -> Iterator[Row]:
    """Each case and size: the whole process, and the planning alone."""
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            yield from _measure_size(size, Path(folder) / str(size))


def _measure_size(size: int, folder: Path) -> Iterator[Row]:
    schema = folder / "schema"
    schema.mkdir(parents=True)
    (schema / "manifest.yml").write_text("schema_version: 1.0.0\n")
    filled, empty = folder / "filled.db", folder / "empty.db"
    (schema / "schema.sql").write_text(schema_of(size))
    _command("deploy", schema, filled)
    limit = TARGET_SECONDS if size == 1000 else None
    for case, with_change, database in (
        ("unchanged", False, filled),
        ("everything new", False, empty),
        ("1 column added to every 10th", True, filled),
    ):
        (schema / "schema.sql").write_text(schema_of(size, with_change=with_change))
        process = best_of(2, partial(_command, "plan", schema, database))
        planning = _planning_alone(schema, database)
        title = f"plan {size:,} tables, {INDEXES * size:,} indexes: {case}"
        yield Row(title, "whole process", process, limit=limit)
        yield Row(title, "planning alone", planning, limit=limit)


def _command(command: str, schema: Path, database: Path) -> None:
    arguments = [
        sys.executable,
        "-m",
        "turso_deploy",
        command,
        "--schema-path",
        str(schema),
        "--database-url",
        f"file:{database}",
    ]
    subprocess.run(arguments, check=True, capture_output=True)


def _planning_alone(schema: Path, database: Path) -> float:
    project = load_project(schema)
    with open_database(f"file:{database}", timeout=30) as opened:
        return best_of(3, lambda: find_pending(project, opened))
