"""One call of a function of SQLite may take hours: a signal and the limit of time end the run all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.schema_folders import write_folder
from turso_deploy.core.errors import DeployError
from turso_deploy.core.signals import StoppedError, cancel_on_signals, cancellable, defer_signals
from turso_deploy.sqlite import limits, watcher
from turso_deploy.sqlite.connection import Connection

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY{});\n"
ENDLESS = "instr(hex(zeroblob(30000000)), hex(zeroblob(15000000)) || 'x')"
"""A call that takes days."""
LONG = "SELECT instr(hex(zeroblob({0}000)), hex(zeroblob({0}000 / 2)) || 'x')"

FOLDERS = {
    "a query": {"t.sql": TABLE.format(""), "queries/q.sql": f"SELECT 1;\nSELECT {ENDLESS};\n"},
    "a CHECK": {"t.sql": TABLE.format(f", CHECK ({ENDLESS} >= 0)"), "seeds/t.csv": "id\n1\n"},
    "a replace": {
        "t.sql": TABLE.format(""),
        "queries/q.sql": f"SELECT {ENDLESS.replace('instr', 'replace')[:-1]}, 'y');",
    },
}
PROGRAM = """
import sys
from turso_deploy.cli.main import main
from turso_deploy.sqlite import limits

limits.MAX_STATEMENT_SECONDS = float(sys.argv.pop(1))
sys.exit(main())
"""


def start(command: str, folder: Path, tmp_path: Path, limit: float) -> subprocess.Popen[str]:
    base = write_folder(tmp_path / "base", {"t.sql": "CREATE TABLE other (id INTEGER PRIMARY KEY);"})
    options = {
        "docs": ["docs", "--output", str(tmp_path / "out")],
        "docs --check": ["docs", "--check", "--output", str(tmp_path / "out")],
        "plan": ["plan", "--compare-to", str(base)],
    }[command]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(limit), *options, "--schema-path", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_busy(process: subprocess.Popen[str]) -> bool:
    """Return True if a process has worked for a second, most of it in the endless call."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) > os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("command", "what"),
    [("docs", "a query"), ("docs --check", "a replace"), ("docs", "a CHECK"), ("plan", "a CHECK")],
)
def test_signal_during_a_call_without_end_stops_the_run_with_its_report(
    tmp_path: Path, command: str, what: str
) -> None:
    process = start(command, write_folder(tmp_path / "schema", FOLDERS[what]), tmp_path, limit=1_000)
    while not is_busy(process):
        time.sleep(0.05)
    time.sleep(0.5)
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "A signal stopped the run before it changed the database." in printed
    assert printed.count("Failed") == 1
    assert time.monotonic() - sent < 10  # about a second, if the machine does nothing else


@pytest.mark.parametrize(("command", "what"), [("docs", "a query"), ("plan", "a CHECK")])
def test_call_without_end_is_an_error_when_its_time_is_over(tmp_path: Path, command: str, what: str) -> None:
    process = start(command, write_folder(tmp_path / "schema", FOLDERS[what]), tmp_path, limit=0.5)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "SQLite was stopped in memory, because the SQL takes longer than 0.5 s" in printed
    if what == "a query":
        assert "queries/q.sql:2" in printed


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[DeployError]:
    """Let the watcher end no process, and collect the errors that it would report."""
    found: list[DeployError] = []

    def end(statement: limits.WatchedStatement, error: DeployError, _: object) -> None:
        found.append(error)

    monkeypatch.setattr(watcher, "_end", end)
    monkeypatch.setattr(limits, "MAX_STATEMENT_SECONDS", 100)
    return found


def run(sql: str) -> None:
    connection = Connection.in_memory()
    connection.execute(sql)
    connection.close()


def long_call() -> str:
    """Return a query with one call that takes at least two seconds of processor time here."""
    size = 100
    while True:
        began = time.thread_time()
        run(LONG.format(size))
        if time.thread_time() - began > 2:
            return LONG.format(size)
        size = size * 3 // 2


def ignoring(_: DeployError) -> int:
    return 0


def test_signal_is_not_obeyed_by_force_while_a_write_may_be_on_its_way(reported: list[DeployError]) -> None:
    sql = long_call()
    with cancel_on_signals(), watcher.watching(ignoring):
        defer_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        run(sql)
        with pytest.raises(StoppedError), cancellable():  # between two chunks, of which the first is committed
            run(sql)
    assert reported == []


def test_signal_before_any_write_ends_a_long_call(reported: list[DeployError]) -> None:
    sql = long_call()
    with cancel_on_signals(), watcher.watching(ignoring):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        with pytest.raises(StoppedError):
            run(sql)
    assert {type(error) for error in reported} == {StoppedError}


def test_many_short_rows_and_statements_are_not_ended(
    reported: list[DeployError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_STATEMENT_SECONDS", 0.3)
    connection = Connection.in_memory()
    connection.execute("CREATE TABLE t (a)")
    with cancel_on_signals(), watcher.watching(ignoring):
        began = time.thread_time()
        while time.thread_time() - began < 2:
            connection.execute_for_each("INSERT INTO t VALUES (?)", ((number,) for number in range(100_000)))
        for _ in connection.rows("SELECT a FROM t LIMIT 3"):
            while time.thread_time() - began < 3:
                connection.execute("SELECT 1")
    connection.close()
    assert reported == []


def test_run_without_a_pipe_or_a_thread_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OSError

    def unable(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", unable)
        with watcher.watching(ignoring):
            run("SELECT 1")
    monkeypatch.setattr(os, "pipe", failing)
    with watcher.watching(ignoring):
        run("SELECT 1")
