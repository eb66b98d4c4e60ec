"""What people see while a run takes a while: a line on a terminal that goes again, plain lines on a runner's log."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import apsw
import pytest

from tests.support.databases import QUICK, DatabaseUnderTest
from tests.support.schema_folders import SMALL, write_folder
from turso_deploy.cli.invocation import Timing
from turso_deploy.cli.run import DEFAULT_TIMING, run
from turso_deploy.core.progress import report_step, report_wait
from turso_deploy.report.progress_display import display_progress

LOCKED = "Another connection has locked the database file; tried again after"
ERASED = "\r\x1b[K"


@contextmanager
def locked(path: Path) -> Iterator[Callable[[], None]]:
    """A database file on which somebody else holds the lock until the function is called."""
    with closing(apsw.Connection(str(path))) as other:
        other.execute("BEGIN IMMEDIATE")

        def release() -> None:
            other.execute("ROLLBACK")

        yield release


@dataclass(frozen=True)
class Seen:
    """What came to the terminal, and to the standard output where that was another one."""

    terminal: str
    output: str


def run_on_a_terminal(
    target: DatabaseUnderTest, folder: Path, *, piped: bool, until: str, then: Callable[[], None], **variables: str
) -> Seen:
    """Deploy with a terminal for stderr (and stdout, unless `piped`). `then` is done when it shows `until`."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "turso_deploy", "deploy", "--database-url", target.url]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TURSO_", "GITHUB_", "NO_COLOR"))}
    process = subprocess.Popen(
        command,
        cwd=write_folder(folder / "schema", SMALL).parent,
        env={**kept, "TERM": "xterm", "TURSO_AUTH_TOKEN": target.token, **variables},
        stdout=subprocess.PIPE if piped else slave,
        stderr=slave,
    )
    os.close(slave)
    shown, done = b"", False
    while chunk := _read(master):
        shown += chunk
        if not done and until in shown.decode(errors="replace"):
            done = True
            then()
    os.close(master)
    output = process.communicate()[0]
    assert process.returncode == 0, shown.decode()
    assert done, shown.decode()
    return Seen(shown.decode().replace("\r\n", "\n"), (output or b"").decode())


def _read(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # how Linux says that nobody has the other end any more
        return b""


def test_a_terminal_shows_the_wait_for_a_lock_on_one_line_and_takes_it_away(
    in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    with locked(in_file.file) as release:
        seen = run_on_a_terminal(in_file, tmp_path, piped=True, until=LOCKED, then=release, NO_COLOR="1")
    assert "\n" not in seen.terminal, "it is one line"
    assert seen.terminal.endswith(ERASED)
    assert set(re.findall(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", seen.terminal)) == {"\x1b[K", "\x1b[?7l", "\x1b[?7h"}, (
        "no colour"
    )
    assert re.search(r"tried again after [\d.]+ s\. … \d+ s", seen.terminal)
    assert seen.output.startswith("✔ Deployed 1.0.0")
    assert "\x1b" not in seen.output
    assert LOCKED in seen.output, "the report says it for good"


def test_the_line_is_gone_before_the_report_comes_to_the_same_terminal(
    on_sqld: DatabaseUnderTest, tmp_path: Path
) -> None:
    on_sqld.proxy.unheld_replies = 0
    seen = run_on_a_terminal(
        on_sqld, tmp_path, piped=False, until="reading the database … 0 s", then=on_sqld.proxy.replies_released.set
    )
    assert seen.terminal.rindex(ERASED) < seen.terminal.index("✔")
    assert seen.terminal.index("reading the database") < seen.terminal.rindex(ERASED)


class Log(StringIO):
    """A log, or a terminal, on which a test can wait for a text."""

    def __init__(self, text: str, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.has_it = threading.Event()
        self._text = text
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._text in self.getvalue():
            self.has_it.set()
        return written


def deploy_in_the_background(
    target: DatabaseUnderTest, folder: Path, log: Log, environment: dict[str, str], timing: Timing = DEFAULT_TIMING
) -> threading.Thread:
    settings = {
        "command": "deploy",
        "schema_path": str(write_folder(folder / "schema", SMALL)),
        "database_url": target.url,
    }
    given = settings | ({"auth_token": target.token} if target.token else {})
    thread = threading.Thread(target=run, args=(given, environment, log, StringIO(), timing))
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("settings", "environment", "is_shown"),
    [
        ({}, {}, True),
        ({"quiet": True}, {}, False),
        ({"json_output": True}, {}, False),
        ({"command": "plan", "sql": True}, {}, False),
        ({}, {"TERM": "dumb"}, False),
    ],
)
def test_a_terminal_gets_no_line_that_is_in_the_way(
    in_file: DatabaseUnderTest,
    tmp_path: Path,
    settings: dict[str, object],
    environment: dict[str, str],
    is_shown: bool,
) -> None:
    terminal = Log("", is_terminal=True)
    folder = write_folder(tmp_path / "schema", SMALL)
    given = {"command": "deploy", "schema_path": str(folder), "database_url": in_file.url, **settings}
    assert run(given, environment, StringIO(), terminal, Timing(update_interval=0)) == 0
    assert (ERASED in terminal.getvalue()) == is_shown


def test_a_runners_log_gets_a_plain_line_when_something_is_tried_again(
    in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    log = Log(LOCKED)
    with locked(in_file.file) as release:
        thread = deploy_in_the_background(in_file, tmp_path, log, {"GITHUB_ACTIONS": "true"})
        assert log.has_it.wait(60), log.getvalue()
        release()
        thread.join()
    told, report = log.getvalue().split("::group::")
    assert told.startswith(LOCKED), "it is told when it happens, not afterwards"
    assert "\x1b" not in told
    assert LOCKED in report


def test_a_runners_log_is_told_once_of_a_request_that_takes_long(on_sqld: DatabaseUnderTest, tmp_path: Path) -> None:
    log = Log("Reading the database takes longer than 0 s.\n")
    on_sqld.proxy.unheld_replies = 0
    thread = deploy_in_the_background(on_sqld, tmp_path, log, {"GITHUB_ACTIONS": "true"}, Timing(slow_step=0))
    assert log.has_it.wait(60), log.getvalue()
    on_sqld.proxy.replies_released.set()
    thread.join()
    assert log.getvalue().count("Reading the database") == 1
    assert "Deployed 1.0.0" in log.getvalue()


def test_a_log_that_is_neither_a_terminals_nor_a_runners_gets_the_report_alone(
    in_file: DatabaseUnderTest, tmp_path: Path
) -> None:
    log = Log("code")
    with locked(in_file.file):
        deploy_in_the_background(in_file, tmp_path, log, {}, QUICK).join()
    assert log.getvalue().startswith("✗ Failed: nothing was changed")


def test_nothing_that_is_told_can_command_a_runner_or_a_terminal() -> None:
    hostile = "::error::x\n::error::y\x1b[2J##[error]z"
    log = Log("takes longer")
    with display_progress(log, None, on_runner=True, slow_step=0):
        report_step(hostile)
        assert log.has_it.wait(60)
        with report_wait(hostile):
            pass
    assert not re.search(r"^\s*::|##\[|\x1b", log.getvalue(), re.MULTILINE)
    terminal = Log("error", is_terminal=True)
    with display_progress(StringIO(), terminal, on_runner=False):
        report_step(hostile)
        assert terminal.has_it.wait(60)
    assert "\n" not in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
