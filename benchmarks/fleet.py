"""How fast a fleet is: a thousand databases of one server, next to loops over programs that take one database."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.peers import DRIZZLE_KIT, HERE
from benchmarks.table import Row, seconds
from tests.support.fleets import NamespaceFleet, running_fleet
from tests.support.schema_folders import SHIPPED
from tests.support.sqld import running_sqld

DATABASES = int(os.environ.get("FLEET_DATABASES", "1000"))
LOOPED = 50
"""How many databases a loop over another program is measured with."""
_MANY = 10_000


class _Measured(NamedTuple):
    """A run of the whole process: wall time, processor time and memory."""

    wall: float
    cpu: float
    megabytes: float


def measure() -> Iterator[Row]:
    """Measure a thousand databases: first, unchanged, planned, changed; ten thousand names; a signal; other loops."""
    names = [f"t{number:04}" for number in range(DATABASES)]
    case = f"fleet of {DATABASES:,} databases, 16 at a time"
    with tempfile.TemporaryDirectory() as name, running_fleet(Path(name), names) as fleet:
        schema = Path(name) / "schema"
        shutil.copytree(SHIPPED, schema)
        yield _rate(case, "first deployment", _run(fleet, schema, "deploy"), None)
        unchanged = _run(fleet, schema, "deploy")
        yield _rate(case, "unchanged", unchanged, 5_000)
        yield Row(case, "unchanged, processor time each", unchanged.cpu / DATABASES * 1000, "ms", limit=3.5)
        _add_column(schema)
        yield _rate(case, "plan of an added column", _run(fleet, schema, "plan"), 4_000)
        yield _rate(case, "an added column", _run(fleet, schema, "deploy"), 2_500)
        yield Row(case, "from SIGTERM to the end", _time_to_end(fleet, schema), "s", limit=1)
        fleet.list_file.write_text("".join(_many_names(fleet)))
        many = _run(fleet, schema, "deploy")
        yield Row(f"fleet of {_MANY:,} names", "memory", many.megabytes, "MB", limit=80)
        yield _rate(f"fleet of {_MANY:,} names", "unchanged", many, None, _MANY)
        fleet.write_list(names[:LOOPED])
        yield from _measure_loops(_run(fleet, schema, "deploy").wall)


def _rate(case: str, what: str, run: _Measured, target: int | None, databases: int = DATABASES) -> Row:
    per_database = run.wall / databases
    found = f"{what}: {60 / per_database:,.0f} a minute"
    return Row(case, found, per_database * 1000, "ms", limit=60_000 / target if target else None)


def _run(fleet: NamespaceFleet, schema: Path, command: str) -> _Measured:
    started = time.perf_counter()
    process = _start(fleet, schema, command)
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, command
    return _Measured(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _start(fleet: NamespaceFleet, schema: Path, command: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "turso_deploy", command, "--fleet", str(fleet.list_file), "--quiet"]
    words += ["--schema-path", str(schema)]
    environment = {**os.environ, "TURSO_AUTH_TOKEN": fleet.token}
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)


def _add_column(schema: Path) -> None:
    """Add a column to the first table of the shipped schema."""
    for file in sorted(schema.glob("*.sql")):
        text = file.read_text()
        if "CREATE TABLE users (" in text:
            file.write_text(text.replace("CREATE TABLE users (", "CREATE TABLE users (\n  added TEXT,", 1))
            return
    raise AssertionError("the shipped schema has no table users")


def _time_to_end(fleet: NamespaceFleet, schema: Path) -> float:
    process = _start(fleet, schema, "verify")
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    return seconds(process.wait)


def _many_names(fleet: NamespaceFleet) -> Iterator[str]:
    for number in range(_MANY):
        # The first label names the database; an address that is twice in the list is an error.
        host = f"{fleet.names[number % len(fleet.names)]}.many{number}"
        yield json.dumps({"name": f"name{number:05}", "url": fleet.server.url, "host": host}) + "\n"


def _measure_loops(ours: float) -> Iterator[Row]:
    """Compare with loops over programs that take one database; each has nothing to do."""
    case = f"{LOOPED} unchanged databases"
    with tempfile.TemporaryDirectory() as name, running_sqld(Path(name)) as server:
        folder = Path(name)
        environment = {**os.environ, "TURSO_DATABASE_URL": server.url, "TURSO_AUTH_TOKEN": server.token()}
        own = [sys.executable, "-m", "turso_deploy", "deploy", "--quiet", "--schema-path", str(SHIPPED)]
        yield _against(case, ours, "a loop over turso-deploy", own, environment, folder, 10)
        (folder / "node_modules").symlink_to(HERE / "node_modules")
        (folder / "migrate.mjs").write_text(_MIGRATE)
        migrate = ["node", "migrate.mjs"]
        yield _against(case, ours, "a loop over migrations of @libsql/client", migrate, environment, folder, 10)
    with tempfile.TemporaryDirectory() as name, running_sqld(Path(name)) as server:
        folder = Path(name)
        (folder / "node_modules").symlink_to(HERE / "node_modules")
        (folder / "schema.ts").write_text(_DRIZZLE_SCHEMA)
        credentials = {"url": server.url, "authToken": server.token()}
        settings = {"dialect": "turso", "schema": "./schema.ts", "dbCredentials": credentials}
        (folder / "drizzle.config.ts").write_text(f"export default {json.dumps(settings)};\n")
        push = [str(DRIZZLE_KIT), "push", "--force"]
        yield _against(case, ours, "a loop over drizzle-kit push", push, dict(os.environ), folder, 20)


def _against(
    case: str, ours: float, what: str, command: Sequence[str], environment: dict[str, str], folder: Path, times: float
) -> Row:
    """Measure a command a few times, as each database of a loop costs the same."""
    tries = 5

    def once() -> object:
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)

    once()
    each = seconds(lambda: [once() for _ in range(tries)]) / tries
    return Row(case, "whole process", ours, "s", what, each * LOOPED, limit=times, at_least=True)


_MIGRATE = """\
import { createClient } from "@libsql/client";
const client = createClient({ url: process.env.TURSO_DATABASE_URL, authToken: process.env.TURSO_AUTH_TOKEN });
await client.execute("CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY)");
const { rows } = await client.execute("SELECT max(id) AS last FROM migrations");
if (rows[0].last === null) {
  await client.migrate(["CREATE TABLE people (id INTEGER PRIMARY KEY)", "INSERT INTO migrations VALUES (1)"]);
}
client.close();
"""
_DRIZZLE_SCHEMA = """\
import { sqliteTable, integer, text } from "drizzle-orm/sqlite-core";
export const users = sqliteTable("users", { id: integer("id").primaryKey(), name: text("name") });
"""
