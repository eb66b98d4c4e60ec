"""How long a deployment takes over a slow line, next to drizzle-kit doing its share of the same change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import DRIZZLE_KIT, HERE
from benchmarks.table import Row, best_of, seconds
from tests.support.recording_proxy import RecordingProxy, recording_proxy
from tests.support.schema_folders import SHIPPED, write_folder
from tests.support.sqld import running_sqld

TABLES = 100
LATENCY = 0.025
TRIES = 3


class Column(NamedTuple):
    """The column that each table has before the change, or after it."""

    before: bool
    after: bool


_ADDED = Column(before=False, after=True)
_DROPPED = Column(before=True, after=False)
_START = "import turso_deploy.cli.run, turso_deploy.database.hrana"


def measure() -> Iterator[Row]:
    """Two hundred changed objects, harmless ones and then lossy ones; then the schema that this repository ships."""
    yield from _measure_change(_ADDED, "100 columns and 100 indexes more", times_faster=2.5)
    yield from _measure_change(_DROPPED, "100 columns less, 100 indexes more", times_faster=3)
    our_start = best_of(TRIES, lambda: subprocess.run([sys.executable, "-c", _START], check=True))
    their_start = best_of(TRIES, lambda: subprocess.run([DRIZZLE_KIT, "--version"], check=True, capture_output=True))
    yield Row("starting the program", "whole process", our_start, "s", "drizzle-kit --version", their_start)
    yield from _measure_shipped()


def _measure_change(column: Column, what: str, times_faster: float) -> Iterator[Row]:
    ours, our_requests = _our_change(column)
    theirs, their_requests = _drizzle_change(column)
    case = f"{2 * TABLES} changed objects, {LATENCY * 1000:.0f} ms a request: {what}"
    against = "drizzle-kit push"
    yield Row(case, "requests", our_requests, "requests", against, their_requests)
    yield Row(case, "whole process", ours, "s", against, theirs, limit=times_faster, at_least=True)


def _our_change(column: Column) -> tuple[float, int]:
    """Return the time of the shortest deployment of the change, and its requests."""
    found = []
    for _ in range(TRIES):
        with _slow_server() as (folder, proxy, token):
            schema = write_folder(folder / "schema", _files(column, changed=False))
            _deploy(schema, proxy.url, token)
            write_folder(schema, _files(column, changed=True))
            proxy.bodies.clear()
            found.append((seconds(partial(_deploy, schema, proxy.url, token)), proxy.requests))
    return min(found)


def _drizzle_change(column: Column) -> tuple[float, int]:
    """Return the time of the shortest push of the same change, and its requests."""
    found = []
    for _ in range(TRIES):
        with _slow_server() as (folder, proxy, token):
            _push(folder, column, proxy.url, token, changed=False)
            proxy.bodies.clear()
            found.append((seconds(partial(_push, folder, column, proxy.url, token, changed=True)), proxy.requests))
    return min(found)


def _measure_shipped() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"file:{folder}/database.db"
        yield Row("the shipped schema, a new file", "whole process", seconds(lambda: _deploy(SHIPPED, url, "")))
        yield Row("the shipped schema, unchanged, file", "whole process", best_of(3, lambda: _deploy(SHIPPED, url, "")))
    with _slow_server(latency=0) as (_, proxy, token):
        for case in ("the shipped schema, a new server", "the shipped schema, unchanged, server"):
            proxy.bodies.clear()
            yield Row(case, "whole process", seconds(lambda: _deploy(SHIPPED, proxy.url, token)))
            yield Row(case, "requests", proxy.requests, "requests")


@contextmanager
def _slow_server(latency: float = LATENCY) -> Iterator[tuple[Path, RecordingProxy, str]]:
    """Provide a folder, a recording proxy in front of a new server, and a token."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_sqld(Path(name)) as server,
        recording_proxy(server.url) as proxy,
    ):
        proxy.latency = latency
        yield Path(name), proxy, server.token()


def _deploy(schema: Path, url: str, token: str) -> None:
    command = [sys.executable, "-m", "turso_deploy", "deploy", "--schema-path", str(schema)]
    command += ["--allow-hazards", "drop-column"]
    environment = {**os.environ, "TURSO_DATABASE_URL": url, "TURSO_AUTH_TOKEN": token}
    subprocess.run(command, env=environment, check=True, capture_output=True)


def _files(column: Column, *, changed: bool) -> dict[str, str]:
    sql = []
    for number in range(TABLES):
        extra = ", extra TEXT" if column[changed] else ""
        sql.append(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name TEXT NOT NULL, note TEXT{extra});")
        sql += [f"CREATE INDEX i{number} ON t{number} (name);"] if changed else []
    return {"schema.sql": "\n".join(sql) + "\n", "manifest.yml": "schema_version: 1.0.0\n"}


def _push(folder: Path, column: Column, url: str, token: str, *, changed: bool) -> None:
    lines = ['import { sqliteTable, integer, text, index } from "drizzle-orm/sqlite-core";']
    for number in range(TABLES):
        columns = 'id: integer("id").primaryKey(), name: text("name").notNull(), note: text("note")'
        columns += ', extra: text("extra")' if column[changed] else ""
        indexes = f', (table) => [index("i{number}").on(table.name)]' if changed else ""
        lines.append(f'export const t{number} = sqliteTable("t{number}", {{ {columns} }}{indexes});')
    (folder / "schema.ts").write_text("\n".join(lines) + "\n")
    settings = {"dialect": "turso", "schema": "./schema.ts", "dbCredentials": {"url": url, "authToken": token}}
    (folder / "drizzle.config.ts").write_text(f"export default {json.dumps(settings)};\n")
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(HERE / "node_modules")
    subprocess.run([DRIZZLE_KIT, "push", "--force"], cwd=folder, check=True, capture_output=True)
