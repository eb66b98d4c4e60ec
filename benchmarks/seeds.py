"""How many seed rows a second come into a database, next to the same rows as plain INSERTs and by sqlite-utils."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.peers import SQLITE_UTILS
from benchmarks.table import Row, seconds
from tests.integration.test_memory import MEASURED_PROGRAM, MEGABYTES
from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from tests.support.sqld import running_sqld
from turso_deploy.core.transaction import Purpose, Query, Transaction, TransactionStep, Value
from turso_deploy.deploy.deploy import deploy
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Status

ROWS = 100_000
AT_LEAST = 150_000
TRIES = 5
_IN_A_STATEMENT = 2_500  # rows: about 1 MB as parameters, as much as one of our requests

_TABLE = (
    "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL, category TEXT, price REAL, description TEXT);\n"
)
_INSERT_ALL = """
import csv, json, sys, time
import sqlite_utils
with open(sys.argv[2], newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
database = sqlite_utils.Database(sys.argv[1])
start = time.perf_counter()
database["things"].insert_all(rows, pk="id", batch_size=10_000)
print(json.dumps(time.perf_counter() - start))
"""


def measure() -> Iterator[Row]:
    """Measure a server, a file, and the memory of the whole process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = list(_rows())
        schema = write_folder(folder / "schema", _files(rows))
        project = load_project(schema)
        pairs = [(_to_server(project), _plain_inserts(rows)) for _ in range(TRIES)]  # in turns, on the same machine
        ours, theirs = map(min, zip(*pairs, strict=True))
        case = f"{ROWS:,} seed rows of 200 bytes: sqld"
        yield Row(case, "deploy", ROWS / ours, "rows/s", limit=AT_LEAST, at_least=True)
        yield Row(case, "deploy", ROWS / ours, "rows/s", "INSERT of many rows", ROWS / theirs)
        pairs = [(_to_file(project, folder), _sqlite_utils(schema, folder)) for _ in range(TRIES)]
        ours, theirs = map(min, zip(*pairs, strict=True))
        case = f"{ROWS:,} seed rows of 200 bytes: file"
        yield Row(case, "deploy", ROWS / ours, "rows/s", "sqlite-utils insert_all", ROWS / theirs)
        for what, taken, memory in _whole_processes(schema):
            case = f"{ROWS:,} seed rows of 200 bytes: sqld, {what}"
            yield Row(case, "whole process", taken)
            yield Row(case, "memory", memory, "MB", limit=MEGABYTES)


def _rows() -> Iterator[tuple[Value, ...]]:
    for number in range(1, ROWS + 1):
        description = f"words of the description number {number} " * 4
        yield number, f"the name of thing {number}", f"category {number % 97}", number / 4, description


def _files(rows: list[tuple[Value, ...]]) -> dict[str, str]:
    lines = ["id,name,category,price,description", *(",".join(map(str, row)) for row in rows)]
    return {
        "schema.sql": _TABLE,
        "seeds/things.csv": "\n".join(lines) + "\n",
        "manifest.yml": "rows: {things: 100000}\n",
    }


def _to_server(project: Project) -> float:
    """Return the time of the deployment, with the folder already loaded."""
    with tempfile.TemporaryDirectory() as folder, running_sqld(Path(folder)) as server:
        return _deploy(project, DatabaseUnderTest(server.url, server.url, server.token()))


def _to_file(project: Project, folder: Path) -> float:
    path = folder / "ours.db"
    path.unlink(missing_ok=True)
    return _deploy(project, DatabaseUnderTest(f"file:{path}", f"file:{path}"))


def _deploy(project: Project, target: DatabaseUnderTest) -> float:
    with closing(target.open(600)) as database:

        def run() -> None:
            report = deploy(project, database)
            assert report.status is Status.DEPLOYED, report.error

        return seconds(run)


def _plain_inserts(rows: list[tuple[Value, ...]]) -> float:
    """Return the time of INSERTs of many rows with parameters, each a transaction, by the same client."""
    with tempfile.TemporaryDirectory() as folder, running_sqld(Path(folder)) as server:
        target = DatabaseUnderTest(server.url, server.url, server.token())
        target.run(_TABLE)
        with closing(target.open(600)) as database:

            def run() -> None:
                for first in range(0, len(rows), _IN_A_STATEMENT):
                    some = rows[first : first + _IN_A_STATEMENT]
                    values = ", ".join(["(?, ?, ?, ?, ?)"] * len(some))
                    query = Query(f"INSERT INTO things VALUES {values}", tuple(value for row in some for value in row))
                    outcome = database.apply(Transaction((TransactionStep(query, Purpose.SEED, "rows"),)))
                    assert outcome.committed, outcome.failed

            return seconds(run)


def _sqlite_utils(schema: Path, folder: Path) -> float:
    path = folder / "theirs.db"
    path.unlink(missing_ok=True)
    command = [sys.executable, "-c", _INSERT_ALL, str(path), str(schema / "seeds/things.csv")]
    environment = {"PYTHONPATH": str(SQLITE_UTILS)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def _whole_processes(schema: Path) -> Iterator[tuple[str, float, float]]:
    """Return seconds and peak megabytes of the first deployment, and of the second, which has nothing to do."""
    with tempfile.TemporaryDirectory() as folder, running_sqld(Path(folder)) as server:
        environment = {**os.environ, "TURSO_DATABASE_URL": server.url, "TURSO_AUTH_TOKEN": server.token()}
        command = [sys.executable, "-c", MEASURED_PROGRAM, "deploy", "--schema-path", str(schema), "--quiet"]
        for what in ("new", "unchanged"):
            start = time.perf_counter()
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            yield what, time.perf_counter() - start, float(done.stderr.split()[-1])
