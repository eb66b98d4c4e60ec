"""The process that deploys is stopped or killed, or the server is: what the database holds, and what was said."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.door import Door, open_door
from tests.faults.proxy import Fault, Proxy, running_proxy
from tests.projects import SMALL, with_changes, write_folder
from tests.sqld import Sqld, running_sqld
from tests.targets import Target
from turso_deploy.database import retries
from turso_deploy.report.document import Status
from turso_deploy.schema.project import load_project

KILLS = 100 if "FAULT_SCHEDULES" in os.environ else 6
STOPPING = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "schema", SMALL)


@pytest.fixture
def target(sqld: Sqld, door: Door) -> Target:
    return Target(door.url, sqld.url, sqld.token(), door=door)


def start(target: Target, schema: Path, timeout: int = 30, request_size: int = 1_000_000) -> subprocess.Popen[str]:
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


def until_requests(door: Door, count: int, process: subprocess.Popen[str]) -> None:
    while door.requests < count and process.poll() is None:
        time.sleep(0.005)


def report_of(process: subprocess.Popen[str]) -> Any:
    output, _ = process.communicate(timeout=60)
    return json.loads(output)


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_while_the_database_is_read_stops_the_run_and_says_so(
    target: Target, schema: Path, number: signal.Signals
) -> None:
    target.door.latency = 2
    process = start(target, schema)
    until_requests(target.door, 1, process)
    process.send_signal(number)
    report = report_of(process)
    assert (report["error"]["code"], report["committed"], process.returncode) == ("stopped", False, 1)
    assert "not changed" in report["error"]["message"]
    assert target.names() == set()


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_while_the_write_is_on_its_way_waits_for_what_becomes_of_it(
    target: Target, schema: Path, number: signal.Signals
) -> None:
    target.door.latency = 1
    process = start(target, schema)
    until_requests(target.door, 2, process)
    process.send_signal(number)
    report = report_of(process)
    assert (report["status"], report["committed"], process.returncode) == ("deployed", True, 0)
    assert target.value("SELECT id FROM schema_deployments") == report["deployment_id"]


def test_a_second_signal_does_not_wait_and_says_that_the_outcome_is_unknown(target: Target, schema: Path) -> None:
    target.door.latency = 1
    process = start(target, schema)
    until_requests(target.door, 1, process)
    time.sleep(0.5)  # the first reply is on its way
    target.door.latency = 20
    until_requests(target.door, 2, process)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)  # two signals at once may be handled as one
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)  # nor is there time to ask the ledger
    report = report_of(process)
    assert (report["error"]["code"], report["committed"], process.returncode) == ("outcome-unknown", None, 1)
    assert str(target.value("SELECT id FROM schema_deployments")) in report["error"]["hint"]


@pytest.fixture
def proxy(sqld: Sqld) -> Iterator[Proxy]:
    with running_proxy(sqld.url) as running:
        yield running


def test_a_stop_after_a_lost_reply_is_answered_from_the_ledger(sqld: Sqld, proxy: Proxy, schema: Path) -> None:
    proxy.delay = 3
    proxy.plan([Fault.NONE, Fault.DELAYED])
    target = Target(proxy.url, sqld.url, sqld.token())
    process = start(target, schema, timeout=1)
    while proxy.happened.total() < 2 and process.poll() is None:
        time.sleep(0.005)
    process.terminate()
    report = report_of(process)
    assert (report["status"], report["committed"], process.returncode) == ("deployed", True, 0)


def test_a_server_that_is_killed_at_any_moment_and_started_again_is_waited_for(
    tmp_path: Path, schema: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port stays the same, because the proxy before it does."""
    monkeypatch.setattr(retries, "LONGEST_PAUSE", 8.0)
    choice = random.Random(20260102)
    project = load_project(schema)
    for number in range(KILLS // 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with running_proxy("") as proxy, ExitStack() as first, ThreadPoolExecutor(1) as pool:
            server = first.enter_context(running_sqld(folder))
            proxy.target = server.url
            target = Target(proxy.url, proxy.url, server.token())
            deploying = pool.submit(target.deploy, project)
            time.sleep(choice.uniform(0, 0.03))
            first.close()
            with running_sqld(folder, key=server.key) as second:
                proxy.target = second.url
                report = deploying.result(timeout=60)
                assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
                assert target.rows("SELECT id FROM schema_deployments") == [(report.deployment_id,)]
                assert target.rows("PRAGMA integrity_check") == [("ok",)]


def test_killed_at_any_moment_the_database_is_the_old_or_the_new_one(tmp_path: Path, schema: Path) -> None:
    """With SIGKILL nothing can be said; with the others what is said is true. Run again, it ends in success."""
    choice = random.Random(20260101)
    found = {True: 0, False: 0}
    for number in range(KILLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with running_sqld(folder) as sqld, open_door(sqld.url) as door:
            target = Target(door.url, sqld.url, sqld.token(), door=door)
            door.latency = choice.uniform(0, 0.1)
            process = start(target, schema)
            until_requests(door, choice.choice([0, 1, 1, 2, 2]), process)
            time.sleep(choice.uniform(0, 0.15))
            sent = choice.choice([signal.SIGKILL, *STOPPING])
            process.send_signal(sent)
            output, _ = process.communicate(timeout=60)
            names = target.names()
            committed = "schema_deployments" in names
            assert committed == ("books" in names)
            if output:
                assert json.loads(output)["committed"] == committed
            found[committed] += 1
            assert target.rows("PRAGMA integrity_check") == [("ok",)]
            again = start(target, schema)
            report = report_of(again)
            assert (report["status"], again.returncode) == ("unchanged" if committed else "deployed", 0)
    print(f"killed {KILLS} times: {found[True]} committed, {found[False]} not")


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
    target: Target, large: Path, number: signal.Signals
) -> None:
    target.door.latency = 0.5
    process = start(target, large, request_size=IN_CHUNKS)
    until_requests(target.door, 4, process)  # read, schema, read, and the first chunk is on its way
    process.send_signal(number)
    report = report_of(process)
    assert (report["error"]["code"], report["committed"], process.returncode) == ("stopped", True, 1)
    assert report["chunks"]["sent"] == 1
    assert f"still there: the schema and 1 of {report['chunks']['total']} chunks" in report["error"]["message"]
    assert "not changed" not in report["error"]["message"]
    came_in = int(str(target.value("SELECT count(*) FROM books")))
    assert 0 < came_in < BOOKS
    target.door.latency = 0
    again = report_of(start(target, large, request_size=IN_CHUNKS))
    assert (again["status"], again["chunks"]["total"]) == ("deployed", report["chunks"]["total"] - 1)
    assert {line["table"]: line["written"] for line in again["seeds"]} == {"authors": 0, "books": BOOKS - came_in}


def test_killed_between_chunks_the_database_holds_whole_chunks_and_running_again_goes_on(
    tmp_path: Path, large: Path
) -> None:
    choice = random.Random(20260103)
    for number in range(KILLS // 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with running_sqld(folder) as sqld, open_door(sqld.url) as door:
            target = Target(door.url, sqld.url, sqld.token(), door=door)
            door.latency = 0.05
            process = start(target, large, request_size=IN_CHUNKS)
            until_requests(door, choice.randint(3, 6), process)
            time.sleep(choice.uniform(0, 0.1))
            process.kill()
            process.communicate()
            rows = target.value("SELECT count(*) FROM books")
            marks = json.loads(str(target.value("SELECT seeds FROM schema_deployments")))
            assert marks["books"].endswith(f":{rows!s}") or rows == BOOKS
            assert target.rows("PRAGMA integrity_check") == [("ok",)]
            assert target.rows("PRAGMA foreign_key_check") == []
            door.bodies.clear()
            again = report_of(start(target, large, request_size=IN_CHUNKS))
            assert again["status"] == ("unchanged" if ":" not in marks["books"] else "deployed")
            assert target.value("SELECT count(*) FROM books") == BOOKS
            assert again["requests"] == 1 + (
                again["chunks"]["total"] if again["chunks"] else int(":" in marks["books"])
            )
