"""How long a table of a million rows takes to be rebuilt, next to the bare copy of its rows and to sqlite-utils."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.peers import SQLITE_UTILS
from benchmarks.table import Row, seconds
from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from tests.support.sqld import running_sqld
from turso_deploy.core.transaction import Purpose, Query, Transaction, TransactionStep
from turso_deploy.database.open import open_database
from turso_deploy.deploy.deploy import deploy
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Status
from turso_deploy.sqlite.connection import Connection

ROWS = 1_000_000
TIMEOUT = 600
AT_MOST = 1.3
TRIES = 9  # an odd number, so that one of them is the middle one

_COLUMNS = "(id INTEGER PRIMARY KEY, name TEXT, price REAL, quantity INTEGER{})"
_INDEX = "CREATE INDEX {0}_name ON {0} (name)"
_CHECK = ", CHECK (quantity >= 0)"
_KEPT = "id, name, price, quantity"
_BONUS = ", bonus INTEGER, CHECK (bonus >= 0)"
_SAME_ROWS = "1 index, a CHECK taken away"
_CHANGES = {
    "1 index, a CHECK added": ("", _CHECK, _INDEX),
    _SAME_ROWS: (_CHECK, "", _INDEX),
    "1 index, a column taken away": (_BONUS, "", _INDEX),
    "no index, a CHECK taken away": (_CHECK, "", ""),
}
"""What stands in the table behind its four columns, before a change and after it; each rebuilds the table.

The limit is for the copy of rows in which nothing changes: the rows that break a new CHECK are counted first, and the
values of a column that goes are overwritten in a file. No bare copy does either. Without an index
a run is so short that it is at the limit or under it by chance.
"""

_FILL = (
    f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) "
    "INSERT INTO things SELECT i, 'the name of ' || i, i * 0.5, i % 1000 FROM n"
)
_TRANSFORM = """
import json, sys, time
import sqlite_utils
database = sqlite_utils.Database(sys.argv[1])
start = time.perf_counter()
database["things"].transform(not_null={"quantity"})
print(json.dumps(time.perf_counter() - start))
"""


def measure() -> Iterator[Row]:
    """Yield a file, then a server."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"file:{folder}/things.db"
        target = DatabaseUnderTest(url, url)
        _fill(target, Path(folder))
        yield from _measure_target("file", target, Path(folder))
        pairs = [(_rebuild(target, Path(folder)), _transform(target)) for _ in range(TRIES)]
        yield _row("file", "1 index, either", _middle(pairs), "sqlite-utils transform", 1)
    with tempfile.TemporaryDirectory() as folder, running_sqld(Path(folder)) as server:
        target = DatabaseUnderTest(server.url, server.url, server.token())
        _fill(target, Path(folder))
        yield from _measure_target("sqld", target, Path(folder))


def _fill(target: DatabaseUnderTest, folder: Path) -> None:
    _deploy(target, "", folder)
    _run(target, _FILL)


def _measure_target(engine: str, target: DatabaseUnderTest, folder: Path) -> Iterator[Row]:
    for change, (before, after, index) in _CHANGES.items():
        columns = _KEPT if before == _BONUS else "*"
        measures = {
            "copy": partial(_bare_copy, target, after, columns, index),
            "hand": partial(_by_hand, target, after, columns, index),
            "ours": partial(_deploy, target, after, folder, index),
        }
        found: dict[str, list[float]] = {name: [] for name in measures}
        for turn in range(TRIES):  # in turns, each of them first as often as the others
            order = list(measures)
            for name in order[turn % len(order) :] + order[: turn % len(order)]:
                _by_hand(target, before, f"{_KEPT}, quantity" if before == _BONUS else _KEPT, index)
                found[name].append(measures[name]())
        ours, copied, by_hand = found["ours"], found["copy"], found["hand"]
        pair = _middle(list(zip(ours, copied, strict=True)))
        copy = f"bare INSERT … SELECT{' and CREATE INDEX' if index else ''}"
        yield _row(engine, change, pair, copy, AT_MOST if change == _SAME_ROWS else None)
        pair = _middle(list(zip(ours, by_hand, strict=True)))
        yield _row(engine, change, pair, "the five statements by hand")


def _middle(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the pair with the median ratio: both of a pair met the same machine, whose speed varies."""
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]


def _row(engine: str, change: str, pair: tuple[float, float], against: str, limit: float | None = None) -> Row:
    case = f"rebuild {ROWS:,} rows of 4 columns: {engine}, {change}"
    return Row(case, "deploy", pair[0], against=against, reference=pair[1], limit=limit)


def _rebuild(target: DatabaseUnderTest, folder: Path) -> float:
    """Return the time of the shorter of two deployments that rebuild the table: there, and back."""
    return min(_deploy(target, rules, folder) for rules in (_CHECK, ""))


def _deploy(target: DatabaseUnderTest, rules: str, folder: Path, index: str = _INDEX) -> float:
    schema = f"CREATE TABLE things {_COLUMNS.format(rules)};\n{index.format('things')};\n"
    files = {"schema.sql": schema, "manifest.yml": "schema_version: 1.0.0\n"}
    project = load_project(write_folder(folder / "schema", files))
    with open_database(target.url, auth_token=target.token, timeout=TIMEOUT) as database:

        def run() -> None:
            report = deploy(project, database, allow_hazards=[Approval(HazardName.DROP_COLUMN)])
            assert report.status is Status.DEPLOYED, report.error

        return seconds(run)


def _bare_copy(target: DatabaseUnderTest, rules: str, columns: str, index: str) -> float:
    """How long the copy takes into the table as it is wanted. The old one stays, and the copy goes afterwards."""
    table = f"CREATE TABLE bare {_COLUMNS.format(rules)}"
    copy = (table, f"INSERT INTO bare SELECT {columns} FROM things", index.format("bare"))
    taken = seconds(lambda: _run(target, *filter(None, copy)))
    _run(target, "DROP TABLE bare")
    return taken


def _by_hand(target: DatabaseUnderTest, rules: str, columns: str, index: str) -> float:
    """How long the engine takes for the statements that every table rebuild needs."""
    statements = (
        f"CREATE TABLE rebuilt {_COLUMNS.format(rules)}",
        f"INSERT INTO rebuilt SELECT {columns} FROM things",
        "DROP TABLE things",
        "ALTER TABLE rebuilt RENAME TO things",
        index.format("things"),
    )
    return seconds(lambda: _run(target, *filter(None, statements)))


def _run(target: DatabaseUnderTest, *statements: str) -> None:
    """Run statements in one transaction, a file's in the same SQLite and with deleted content overwritten, too."""
    if target.is_file:
        with closing(Connection.to_file(target.file)) as connection:
            for sql in ("PRAGMA secure_delete = ON", "BEGIN IMMEDIATE", *statements, "COMMIT"):
                connection.execute(sql)
        return
    steps = tuple(TransactionStep(Query(sql), Purpose.CHANGE, sql) for sql in statements)
    with open_database(target.url, auth_token=target.token, timeout=TIMEOUT) as database:
        outcome = database.apply(Transaction(steps))
        assert outcome.committed, outcome.failed


def _transform(target: DatabaseUnderTest) -> float:
    environment = {"PYTHONPATH": str(SQLITE_UTILS)}
    command = [sys.executable, "-c", _TRANSFORM, str(target.file)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))
