"""A signal ends the run within a second while SQLite works: in memory, and in a file, which keeps its old state."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.schema_folders import write_folder

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
TABLE = {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, a);\nCREATE TABLE u (a);\n"}
TRIGGER = f"CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO u {NUMBERS} SELECT count(*) FROM n; END;\n"
IN_MEMORY = {
    "query": ("docs", {**TABLE, "queries/q.sql": f"{NUMBERS} SELECT count(*) FROM n;\n"}),
    "seeds": ("plan", {**TABLE, "t.sql": TABLE["t.sql"] + TRIGGER, "seeds/t.csv": "id\n1\n"}),
}
IN_FILE = {
    "script": {**TABLE, "scripts/s.sql": f"-- @run after\nINSERT INTO u (a) {NUMBERS} SELECT count(*) FROM n;\n"},
    "update": {
        **TABLE,
        "scripts/s.sql": f"-- @run after\nUPDATE t SET a = ({NUMBERS} SELECT count(*) FROM n);\n",
    },
}


def ended(command: str, folder: Path, number: signal.Signals) -> tuple[int, float, str]:
    """Start the command, send the signal once SQLite works, and return exit status, seconds until the end, output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "INPUT_"))}
    arguments = [sys.executable, "-m", "turso_deploy", command, "--json"]
    with subprocess.Popen(arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and _processor_seconds(process.pid) < 2:
            time.sleep(0.05)
        started = time.monotonic()
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
        return process.returncode, time.monotonic() - started, output


def _processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("case", IN_MEMORY)
def test_signal_while_sqlite_works_in_memory_stops_the_run(tmp_path: Path, case: str, number: signal.Signals) -> None:
    command, files = IN_MEMORY[case]
    write_folder(tmp_path / "schema", files)
    status, seconds, output = ended(command, tmp_path, number)
    assert (status, '"code": "stopped"' in output) == (1, True), output
    assert seconds < 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("case", IN_FILE)
def test_signal_while_a_file_is_written_rolls_the_transaction_back(
    tmp_path: Path, case: str, number: signal.Signals
) -> None:
    write_folder(tmp_path / "schema", IN_FILE[case])
    with closing(sqlite3.connect(tmp_path / "turso-deploy.db")) as database:
        database.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);")
    status, seconds, output = ended("deploy", tmp_path, number)
    assert (status, '"code": "stopped"' in output, '"committed": false' in output) == (1, True, True), output
    assert seconds < 3
    with closing(sqlite3.connect(tmp_path / "turso-deploy.db")) as database:
        assert database.execute("SELECT name FROM sqlite_schema").fetchall() == [("t",)]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
