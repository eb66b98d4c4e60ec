"""The process that deploys is stopped or killed, or the server is: what the database holds, and what was said."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, cast

import pytest

from tests.faults.proxy import running_proxy
from tests.support.counters import count
from tests.support.databases import DatabaseUnderTest, InterceptedDatabase
from tests.support.recording_proxy import RecordingProxy, recording_proxy
from tests.support.schema_folders import SMALL, with_changes, write_folder
from tests.support.sqld import Sqld, running_sqld
from turso_deploy.core.signals import cancel_on_signals
from turso_deploy.core.transaction import Outcome
from turso_deploy.deploy.deploy import deploy
from turso_deploy.http.backoff import MAX_PAUSE
from turso_deploy.project.loader import load_project
from turso_deploy.report.document import Status

KILLS = 60 if "FAULT_SCHEDULES" in os.environ else 6
STOPPING = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "schema", SMALL)


@pytest.fixture
def target(sqld: Sqld, proxy: RecordingProxy) -> DatabaseUnderTest:
    return DatabaseUnderTest(proxy.url, sqld.url, sqld.token(), proxy=proxy)


def start(
    target: DatabaseUnderTest, schema: Path, timeout: int = 30, request_size: int = 1_000_000
) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "INPUT_"))}
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "turso_deploy", "deploy", "--schema-path", schema, "--json"),
            *("--timeout", str(timeout), "--request-size", str(request_size)),
        ],
        env={**environment, "TURSO_DATABASE_URL": target.url, "TURSO_AUTH_TOKEN": target.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def report_of(process: subprocess.Popen[str]) -> Any:
    output, _ = process.communicate(timeout=60)
    return json.loads(output)


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_while_the_database_is_read_stops_the_run_and_says_so(
    target: DatabaseUnderTest, schema: Path, number: signal.Signals
) -> None:
    target.proxy.unheld_replies = 0
    process = start(target, schema)
    target.proxy.await_requests(1)
    process.send_signal(number)
    report = report_of(process)
    assert (report["error"]["code"], report["committed"], process.returncode) == ("stopped", False, 1)
    assert "before it changed the database" in report["error"]["message"]
    assert target.names() == set()


def reading_then_writing(target: DatabaseUnderTest, schema: Path, timeout: int = 30) -> subprocess.Popen[str]:
    """A run that has sent its transaction, and to which the proxy holds back the reply."""
    target.proxy.unheld_replies = 1
    process = start(target, schema, timeout)
    target.proxy.await_requests(2)
    return process


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_while_the_write_is_on_its_way_waits_for_what_becomes_of_it(
    target: DatabaseUnderTest, schema: Path, number: signal.Signals
) -> None:
    process = reading_then_writing(target, schema)
    process.send_signal(number)
    target.proxy.replies_released.set()
    report = report_of(process)
    assert (report["status"], report["committed"], process.returncode) == ("deployed", True, 0)
    assert target.value("SELECT id FROM schema_deployments") == report["deployment_id"]


def test_a_second_signal_does_not_wait_and_says_that_the_outcome_is_unknown(
    target: DatabaseUnderTest, schema: Path
) -> None:
    """Two signals of one kind could be handled as one. The third leaves no time to ask the history either."""
    process = reading_then_writing(target, schema)
    target.proxy.await_replies(2)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    target.proxy.await_requests(3)
    process.send_signal(signal.SIGTERM)
    report = report_of(process)
    assert (report["error"]["code"], report["committed"], process.returncode) == ("outcome-unknown", None, 1)
    assert str(target.value("SELECT id FROM schema_deployments")) in report["error"]["hint"]


def test_a_stop_after_a_lost_reply_is_answered_from_the_history(target: DatabaseUnderTest, schema: Path) -> None:
    process = reading_then_writing(target, schema, timeout=1)
    process.terminate()
    target.proxy.await_requests(3)  # the reply was waited for in vain
    target.proxy.replies_released.set()
    report = report_of(process)
    assert (report["status"], report["committed"], process.returncode) == ("deployed", True, 0)


def test_a_server_that_is_killed_at_any_moment_and_started_again_is_waited_for(tmp_path: Path, schema: Path) -> None:
    """The port stays the same, because the proxy before it does."""
    choice = random.Random(20260102)
    project = load_project(schema)
    for number in range(KILLS // 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        count("kills and restarts", "server killed in the middle of a run and started again")
        with running_proxy("") as proxy, ExitStack() as first, ThreadPoolExecutor(1) as pool:
            server = first.enter_context(running_sqld(folder))
            proxy.target = server.url
            target = DatabaseUnderTest(proxy.url, proxy.url, server.token(), max_pause=MAX_PAUSE)
            deploying = pool.submit(target.deploy, project)
            time.sleep(choice.uniform(0, 0.03))
            first.close()
            with running_sqld(folder, key=server.key) as second:
                proxy.target = second.url
                report = deploying.result(timeout=60)
                assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
                assert target.rows("SELECT id FROM schema_deployments") == [(report.deployment_id,)]
                assert target.rows("PRAGMA integrity_check") == [("ok",)]


class InterruptedOutcome:
    """An outcome that is read for the first time when signals arrive."""

    def __init__(self, outcome: Outcome, signals: int) -> None:
        self._outcome = outcome
        self.pending = signals

    def __getattr__(self, name: str) -> Any:
        arriving, self.pending = self.pending, 0
        for _ in range(arriving):
            signal.raise_signal(signal.SIGTERM)
        return getattr(self._outcome, name)


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_between_the_commit_and_the_report_hides_neither(
    target: DatabaseUnderTest, schema: Path, signals: int
) -> None:
    arrived: list[InterruptedOutcome] = []

    def interrupted(outcome: Outcome) -> Outcome:
        arrived.append(InterruptedOutcome(outcome, signals))
        return cast("Outcome", arrived[-1])

    with cancel_on_signals(), closing(target.open()) as database:
        report = deploy(load_project(schema), InterceptedDatabase(database, after_apply=interrupted))
        signal.raise_signal(signal.SIGINT)  # the report is not printed yet
    assert [outcome.pending for outcome in arrived] == [0]
    assert (report.status, report.committed) == (Status.DEPLOYED, True)
    assert "books" in target.names()


def test_killed_at_any_moment_the_database_is_the_old_or_the_new_one(tmp_path: Path, schema: Path) -> None:
    """With SIGKILL nothing can be said; with the others what is said is true. Run again, it ends in success."""
    choice = random.Random(20260101)
    for number in range(KILLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with running_sqld(folder) as sqld, recording_proxy(sqld.url) as proxy:
            target = DatabaseUnderTest(proxy.url, sqld.url, sqld.token(), proxy=proxy)
            proxy.latency = choice.uniform(0, 0.1)
            process = start(target, schema)
            proxy.await_requests(choice.choice([0, 1, 1, 2, 2]))
            time.sleep(choice.uniform(0, 0.15))
            sent = choice.choice([signal.SIGKILL, *STOPPING])
            process.send_signal(sent)
            output, _ = process.communicate(timeout=60)
            proxy.await_disconnection()  # what was on its way has come to its end
            names = target.names()
            committed = "schema_deployments" in names
            assert committed == ("books" in names)
            if output:
                assert json.loads(output)["committed"] == committed
            count("kills and restarts", f"client ended by {sent.name}, {'committed' if committed else 'not committed'}")
            assert target.rows("PRAGMA integrity_check") == [("ok",)]
            again = start(target, schema)
            report = report_of(again)
            assert (report["status"], again.returncode) == ("unchanged" if committed else "deployed", 0)


IN_CHUNKS = 100_000
BOOKS = 1_000


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Seeds that take several requests."""
    title = "a long title " * 20
    books = "".join(f'{{"id": "b{number}", "title": "{title}", "author": 1}}\n' for number in range(BOOKS))
    return write_folder(tmp_path / "large", with_changes(SMALL, books=books, manifest=f"rows: {{books: {BOOKS}}}\n"))


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_between_two_chunks_says_what_is_there_and_running_again_goes_on(
    target: DatabaseUnderTest, large: Path, number: signal.Signals
) -> None:
    target.proxy.unheld_replies = 4
    process = start(target, large, request_size=IN_CHUNKS)
    target.proxy.await_requests(5)  # read, schema, read, look for rows, and the first chunk is on its way
    process.send_signal(number)
    target.proxy.replies_released.set()
    report = report_of(process)
    assert (report["error"]["code"], report["committed"], process.returncode) == ("stopped", True, 1)
    assert report["chunks"]["sent"] == 1
    assert (
        f"Committed before that: the schema and 1 of {report['chunks']['total']} chunks" in report["error"]["message"]
    )
    assert "before it changed the database" not in report["error"]["message"]
    came_in = int(str(target.value("SELECT count(*) FROM books")))
    assert 0 < came_in < BOOKS
    again = report_of(start(target, large, request_size=IN_CHUNKS))
    assert (again["status"], again["chunks"]["total"]) == ("deployed", report["chunks"]["total"] - 1)
    assert {line["table"]: line["inserted"] for line in again["seeds"]} == {"authors": 0, "books": BOOKS - came_in}


def test_killed_between_chunks_the_database_holds_whole_chunks_and_running_again_goes_on(
    tmp_path: Path, large: Path
) -> None:
    choice = random.Random(20260103)
    for number in range(KILLS // 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with running_sqld(folder) as sqld, recording_proxy(sqld.url) as proxy:
            target = DatabaseUnderTest(proxy.url, sqld.url, sqld.token(), proxy=proxy)
            process = start(target, large, request_size=IN_CHUNKS)
            proxy.await_requests(choice.randint(3, 6))
            time.sleep(choice.uniform(0, 0.02))
            process.kill()
            process.communicate()
            proxy.await_disconnection()  # what was on its way has come to its end
            rows = target.value("SELECT count(*) FROM books")
            marks = json.loads(str(target.value("SELECT seeds FROM schema_deployments")))
            assert marks["books"].endswith(f":{rows!s}") or rows == BOOKS
            assert target.rows("PRAGMA integrity_check") == [("ok",)]
            assert target.rows("PRAGMA foreign_key_check") == []
            proxy.bodies.clear()
            again = report_of(start(target, large, request_size=IN_CHUNKS))
            assert again["status"] == ("unchanged" if ":" not in marks["books"] else "deployed")
            assert target.value("SELECT count(*) FROM books") == BOOKS
            if again["status"] == "deployed":  # what is left is compared with the rows that are there, then written
                chunks = again["chunks"]["total"] if again["chunks"] else 1
                assert again["requests"] <= 2 + 2 * chunks
