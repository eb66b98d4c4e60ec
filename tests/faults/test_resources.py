"""A server or a client that runs out of disk, memory or time for its lock: the old state, whole, and a true report.

The disk of a server is made small by RLIMIT_FSIZE, which no file of it may outgrow (to the server a disk that refuses a
write), and by the size limit of the database itself; its memory by RLIMIT_DATA and by the limit of its heap.
"""

from __future__ import annotations

import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.faults.limits import bytes_of_data, limited, until_it_works_for
from tests.faults.states import damage, state
from tests.faults.writers import writing_all_the_time
from tests.support.counters import count
from tests.support.databases import DatabaseUnderTest
from tests.support.recording_proxy import recording_proxy
from tests.support.schema_folders import SMALL, write_project
from tests.support.sqld import Sqld, running_sqld
from turso_deploy.deploy.deploy import deploy
from turso_deploy.http.backoff import RetryBudget
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status

_ANEW = SMALL["tables.sql"].replace("title TEXT NOT NULL,", "title TEXT NOT NULL CHECK (title <> ''),\n  year,")
_BOOKS = "".join(
    f'{{"id": "b{number}", "title": "Book {number} {"x" * 300}", "author": 1}}\n' for number in range(3000)
)
_OUT_OF_ROOM = {"server-error", "database-full"}


@pytest.fixture
def before(tmp_path: Path) -> Project:
    """What is deployed to begin with."""
    return write_project(tmp_path / "before", books=_BOOKS.replace("Book", "Volume"), manifest="")


@pytest.fixture
def larger(tmp_path: Path) -> Project:
    """A table made anew, and all its rows written again: about 2 MB."""
    return write_project(tmp_path / "larger", tables=_ANEW, books=_BOOKS, manifest="")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the server has its files."""
    path = tmp_path / "server"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def _counted(request: pytest.FixtureRequest) -> None:
    count("out of disk, memory or lock", request.function.__name__.removeprefix("test_").replace("_", " "))


def target_of(sqld: Sqld) -> DatabaseUnderTest:
    return DatabaseUnderTest(sqld.url, sqld.url, sqld.token(), request_size=4_000_000)  # one transaction


def deploy_to(
    target: DatabaseUnderTest, project: Project, timeout: float = 30, retry_budget: RetryBudget | None = None
) -> Report:
    database = target.open(timeout, retry_budget)
    try:
        return deploy(project, database, allow_hazards=tuple(Approval(name, None) for name in HazardName))
    finally:
        database.close()


def assert_nothing_changed(target: DatabaseUnderTest, held: Any, report: Report) -> None:
    """The report says that it failed and changed nothing, and that is true."""
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, False, 1)
    assert state(target) == held
    assert damage(target) == []


def assert_succeeds(target: DatabaseUnderTest, project: Project) -> None:
    report = deploy_to(target, project)
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    assert target.value("SELECT count(*) FROM books WHERE title LIKE 'Book %'") == 3000
    assert damage(target) == []
    assert deploy_to(target, project).status is Status.UNCHANGED


@pytest.fixture
def needed(tmp_path: Path, before: Project, larger: Project) -> int:
    """The size in bytes of the largest file of a server that had all the room it wanted."""
    folder = tmp_path / "twin"
    folder.mkdir()
    with running_sqld(folder) as sqld:
        for project in (before, larger):
            assert deploy_to(target_of(sqld), project).status is Status.DEPLOYED
        return max(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("share", [0.1, 0.6, 0.8, 1])
def test_a_server_whose_disk_is_full_keeps_the_old_state_and_deploys_once_there_is_room(
    folder: Path, before: Project, larger: Project, needed: int, share: float
) -> None:
    """With the whole of what is needed, less one byte, it is the COMMIT that finds no room."""
    with running_sqld(folder) as sqld:
        target = target_of(sqld)
        deploy_to(target, before)
        held = state(target)
        with limited(sqld.process_id, resource.RLIMIT_FSIZE, int(needed * share) - 1):
            report = deploy_to(target, larger)
            assert_nothing_changed(target, held, report)
        assert report.error is not None
        assert report.error.code in _OUT_OF_ROOM
        assert "disk" in str(report.error.hint)
    with running_sqld(folder, key=sqld.key) as again:
        assert_succeeds(target_of(again), larger)


def test_a_database_at_its_size_limit_keeps_the_old_state_and_says_that_it_is_full(
    folder: Path, before: Project, larger: Project
) -> None:
    with running_sqld(folder) as sqld:
        target = target_of(sqld)
        deploy_to(target, before)
        held = state(target)
        sqld.configure(max_db_size="1100KB")
        report = deploy_to(target, larger)
        assert_nothing_changed(target, held, report)
        assert report.error is not None
        assert report.error.code == "database-full"
        assert "more space" in str(report.error.hint)
        sqld.configure(max_db_size="1GB")
    with running_sqld(folder, key=sqld.key) as again:
        assert_succeeds(target_of(again), larger)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
def test_a_file_whose_disk_is_full_keeps_the_old_state(
    tmp_path: Path, before: Project, larger: Project, share: float
) -> None:
    twin, target = (
        DatabaseUnderTest(url, url) for url in (f"file:{tmp_path / 'twin.db'}", f"file:{tmp_path / 'database.db'}")
    )
    for project in (before, larger):
        deploy_to(twin, project)
    deploy_to(target, before)
    held = state(target)
    with limited(os.getpid(), resource.RLIMIT_FSIZE, int(twin.file.stat().st_size * share)):
        report = deploy_to(target, larger)
    assert_nothing_changed(target, held, report)
    assert report.error is not None
    assert report.error.code in _OUT_OF_ROOM
    assert_succeeds(target, larger)


def test_a_server_that_gets_no_more_memory_keeps_the_old_state(folder: Path, before: Project, larger: Project) -> None:
    with running_sqld(folder) as sqld:
        deploy_to(target_of(sqld), before)
    with running_sqld(folder, "--hard-heap-limit-mb", "2", key=sqld.key) as small:
        held = target_of(small).value("SELECT count(*) FROM schema_deployments")
        report = deploy_to(target_of(small), larger)
        assert (report.status, report.committed) == (Status.FAILED, False)
        assert report.error is not None
        assert "SQLITE_NOMEM" in report.error.message
    with running_sqld(folder, key=sqld.key) as again:
        target = target_of(again)
        assert target.value("SELECT count(*) FROM schema_deployments") == held
        assert target.value("SELECT count(*) FROM books WHERE title LIKE 'Volume %'") == 3000
        assert_succeeds(target, larger)


def test_a_server_that_dies_for_want_of_memory_leaves_the_old_state_and_an_outcome_that_is_not_made_up(
    folder: Path, before: Project, larger: Project
) -> None:
    with running_sqld(folder) as sqld:
        target = target_of(sqld)
        deploy_to(target, before)
        held = state(target)
        with limited(sqld.process_id, resource.RLIMIT_DATA, bytes_of_data(sqld.process_id)):
            report = deploy_to(target, larger, timeout=2)
    # It may die of the first request that reads: then it is known that nothing was sent which writes.
    assert (report.status, report.exit_code) == (Status.FAILED, 1)
    assert report.committed is not True
    with running_sqld(folder, key=sqld.key) as again:
        target = target_of(again)
        assert state(target) == held
        assert_succeeds(target, larger)


_PATIENCE = "CREATE TABLE patience (number INTEGER PRIMARY KEY, counted);\n"
_COUNT = """\
UPDATE patience SET counted = (
  WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < patience.number) SELECT count(*) FROM n
);
"""


def slow_project(folder: Path, statements: int = 1) -> Project:
    """A project with a script of this many statements, each of which counts to the number in the table `patience`."""
    files = {**SMALL, "tables.sql": SMALL["tables.sql"] + _PATIENCE, "manifest.yml": ""}
    return write_project(folder, {**files, "scripts/slow.sql": "-- @run after\n" + _COUNT * statements})


@pytest.fixture
def patient(sqld: Sqld, tmp_path: Path) -> DatabaseUnderTest:
    """A database with the table `patience`, and without the script."""
    target = target_of(sqld)
    target.run(_PATIENCE.rstrip(";\n"), "CREATE TABLE other_rows (number)")
    return target


def test_a_server_that_is_killed_in_the_middle_of_a_statement_keeps_the_old_state(folder: Path, tmp_path: Path) -> None:
    """As the kernel does when memory is short. The statement would take years."""
    project = slow_project(tmp_path / "slow")
    with running_sqld(folder) as sqld, recording_proxy(sqld.url) as proxy, ThreadPoolExecutor(1) as pool:
        target = DatabaseUnderTest(proxy.url, sqld.url, sqld.token())
        target.run(_PATIENCE.rstrip(";\n"), f"INSERT INTO patience VALUES ({10**15}, NULL)")
        held = state(target)
        deploying = pool.submit(deploy_to, target, project, 10)
        proxy.await_requests(2)
        until_it_works_for(sqld.process_id, 0.5)
        os.kill(sqld.process_id, signal.SIGKILL)
        report = deploying.result(timeout=60)
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, None, 1)
    with running_sqld(folder, key=sqld.key) as again:
        target = target_of(again)
        assert state(target) == held
        assert damage(target) == []
        target.run("UPDATE patience SET number = 10")
        assert deploy_to(target, project).status is Status.DEPLOYED
        assert target.rows("SELECT * FROM patience") == [(10, 10)]


def test_a_lock_that_the_server_takes_away_leaves_the_old_state_and_is_told_as_such(
    sqld: Sqld, patient: DatabaseUnderTest, tmp_path: Path
) -> None:
    """The transaction could go on for minutes; after 5 s the server ends it at the next statement, for another writer.

    A retry would lose the lock again, so the test leaves no time for one.
    """
    project = slow_project(tmp_path / "slow", statements=500)
    patient.run("INSERT INTO patience VALUES (2000000, NULL)")
    held = state(patient)
    with writing_all_the_time(sqld, "INSERT INTO other_rows VALUES (?1)") as written:
        report = deploy_to(patient, project, timeout=60, retry_budget=RetryBudget(0))
    assert report.error is not None
    assert (report.error.code, report.status, report.committed) == ("database-busy", Status.FAILED, False)
    assert "took the write lock away" in report.error.message
    assert "run it again" in str(report.error.hint)
    found = state(patient)
    assert found.pop("other_rows") == [(number,) for number in written]
    assert found == {table: rows for table, rows in held.items() if table != "other_rows"}
    patient.run("UPDATE patience SET number = 10")
    assert deploy_to(patient, project).status is Status.DEPLOYED
    assert patient.rows("SELECT * FROM patience") == [(10, 10)]
