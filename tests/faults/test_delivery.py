"""A deployment whose request or reply the network loses, holds back or doubles: who is told what, and when."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from tests.faults.proxy import Fault, Proxy, running_proxy
from tests.faults.writers import Writer, writing_all_the_time
from tests.support.clocks import PausingClock
from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_project
from tests.support.sqld import Sqld
from turso_deploy.deploy.deploy import deploy
from turso_deploy.deploy.submission import MAX_LOOKUPS
from turso_deploy.http.backoff import MAX_ATTEMPTS, RetryBudget
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status

READ = [Fault.NONE]


@pytest.fixture
def proxy(sqld: Sqld) -> Iterator[Proxy]:
    with running_proxy(sqld.url) as running:
        yield running


@pytest.fixture
def target(sqld: Sqld, proxy: Proxy) -> DatabaseUnderTest:
    return DatabaseUnderTest(proxy.url, sqld.url, sqld.token())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path / "schema")


def deploy_to(
    target: DatabaseUnderTest, project: Project, timeout: float = 30, retry_budget: RetryBudget | None = None
) -> Report:
    database = target.open(timeout, retry_budget)
    try:
        return deploy(project, database)
    finally:
        database.close()


def test_a_request_that_arrives_after_it_was_given_up_does_nothing(
    target: DatabaseUnderTest, proxy: Proxy, project: Project
) -> None:
    """Between the loss and the next plan the server is away, so that no second deployment makes the first one stale."""
    proxy.late = 600
    proxy.plan([*READ, Fault.HELD_BACK, Fault.NONE, *[Fault.CUT_BEFORE] * MAX_ATTEMPTS])
    report = deploy_to(target, project, timeout=1)
    assert (report.status, report.committed) == (Status.FAILED, False)
    proxy.released.set()
    proxy.calm()
    assert target.names() == set()
    assert deploy_to(target, project).status is Status.DEPLOYED


def test_a_request_that_arrives_before_it_is_given_up_is_found(
    target: DatabaseUnderTest, proxy: Proxy, project: Project
) -> None:
    proxy.late = 0.2
    proxy.plan([*READ, Fault.HELD_BACK, Fault.NONE, *[Fault.CUT_BEFORE] * MAX_ATTEMPTS])
    report = deploy_to(target, project, timeout=2)
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    assert target.rows("SELECT id FROM schema_deployments") == [(report.deployment_id,)]


def test_a_request_that_is_delivered_twice_deploys_once_and_is_not_called_unchanged(
    target: DatabaseUnderTest, proxy: Proxy, project: Project
) -> None:
    proxy.plan([*READ, Fault.DUPLICATED_SECOND])
    report = deploy_to(target, project)
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    assert target.rows("SELECT id FROM schema_deployments") == [(report.deployment_id,)]


@pytest.mark.parametrize("late", [Fault.DELAYED, Fault.DRIPPED])
def test_a_reply_that_comes_too_late_is_looked_up_in_the_history(
    target: DatabaseUnderTest, proxy: Proxy, project: Project, late: Fault
) -> None:
    proxy.delay = 3
    proxy.plan([*READ, late])
    report = deploy_to(target, project, timeout=1)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert any("reply was lost" in notice for notice in report.notices)


@pytest.mark.parametrize("seeded", [False, True])
def test_seed_rows_of_a_lost_reply_are_counted_as_the_guard_of_the_transaction_allows(
    target: DatabaseUnderTest, proxy: Proxy, tmp_path: Path, seeded: bool
) -> None:
    files = {"t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"} | ({"seeds/t.csv": "id\n1\n"} if seeded else {})
    proxy.plan([*READ, Fault.CUT_AFTER])
    report = deploy_to(target, write_project(tmp_path / "schema", files))
    assert report.status is Status.DEPLOYED
    assert [(line.rows, line.inserted) for line in report.seeds] == ([(1, 1)] if seeded else [])


@pytest.mark.parametrize("fault", [Fault.RAN_400, Fault.RAN_404])
def test_a_refusal_of_a_stream_that_is_gone_may_hide_a_commit(
    target: DatabaseUnderTest, proxy: Proxy, project: Project, fault: Fault
) -> None:
    proxy.plan([*READ, fault])
    report = deploy_to(target, project)
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    assert target.rows("SELECT id FROM schema_deployments") == [(report.deployment_id,)]


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.STATUS_503, Fault.BROKEN_JSON])
def test_a_read_that_fails_in_passing_is_made_again_and_said_so(
    target: DatabaseUnderTest, proxy: Proxy, project: Project, fault: Fault
) -> None:
    proxy.plan([fault, fault])
    report = deploy_to(target, project)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 4)
    assert sum("tried again" in notice for notice in report.notices) == 2


def test_a_write_is_never_sent_again_before_the_history_was_asked(
    sqld: Sqld, target: DatabaseUnderTest, proxy: Proxy, project: Project
) -> None:
    proxy.plan([*READ, Fault.CUT_AFTER, *[Fault.CUT_BEFORE] * 2])
    report = deploy_to(target, project)
    assert (report.status, report.requests) == (
        Status.DEPLOYED,
        5,
    )  # read, write, and the deployment history asked three times
    assert target.value("SELECT count(*) FROM schema_deployments") == 1


SHUT = Fault.CUT_BEFORE


@pytest.mark.parametrize(
    ("write", "shut_for", "committed"),
    [
        (Fault.CUT_AFTER, 1000, None),
        (Fault.CUT_AFTER, MAX_LOOKUPS - 1, True),
        (Fault.RAN_502, MAX_ATTEMPTS, True),
        (Fault.HELD_BACK, 1, True),
        (SHUT, MAX_ATTEMPTS, True),
    ],
)
def test_an_outcome_is_unknown_only_while_the_server_stays_unreachable(
    target: DatabaseUnderTest, proxy: Proxy, project: Project, write: Fault, shut_for: int, committed: bool | None
) -> None:
    proxy.plan([*READ, write, *[SHUT] * shut_for])
    report = deploy_to(target, project)
    assert (report.status, report.committed) == (Status.DEPLOYED if committed else Status.FAILED, committed)
    proxy.calm()
    ids = [identity for (identity,) in target.rows("SELECT id FROM schema_deployments")]
    if committed is None:
        assert report.error is not None
        assert (report.error.code, report.exit_code) == ("outcome-unknown", 1)
        assert [identity for identity in ids if str(identity) in str(report.error.hint)] == ids
    else:
        assert ids == [report.deployment_id]
    assert deploy_to(target, project).status is Status.UNCHANGED


@pytest.mark.parametrize(("shut_for", "committed"), [(1000, None), (MAX_LOOKUPS - 1, False)])
def test_a_failure_whose_reply_is_lost_is_known_once_the_server_is_back(
    target: DatabaseUnderTest, proxy: Proxy, tmp_path: Path, shut_for: int, committed: bool | None
) -> None:
    """A bound that does not hold: the transaction was rolled back, and would be again."""
    project = write_project(tmp_path / "wrong", manifest='rows: {authors: ">=200"}\n')
    proxy.plan([*READ, Fault.CUT_AFTER, *[SHUT] * shut_for])
    report = deploy_to(target, project, timeout=2)
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, committed, 1)
    assert report.error is not None
    assert report.error.code == ("outcome-unknown" if committed is None else "check-failed")
    proxy.calm()
    assert target.names() == set()


@pytest.mark.parametrize("seconds", [1, 4, 6, *([20] if "FAULT_SCHEDULES" in os.environ else [])])
def test_a_lock_that_another_writer_holds_is_waited_for(
    sqld: Sqld, target: DatabaseUnderTest, project: Project, seconds: int
) -> None:
    """A server gives the lock to the next one after 5 s, so the other writer may lose it."""
    target.run("CREATE TABLE other_rows (number)")
    writer = Writer(sqld)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO other_rows VALUES (1)")
    releasing = Thread(target=writer.commit_after, args=(seconds,))
    releasing.start()
    report = deploy_to(target, project)
    releasing.join()
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    kept = target.value("SELECT count(*) FROM other_rows")
    assert kept == (1 if writer.committed else 0)
    assert deploy_to(target, project).status is Status.UNCHANGED


def test_an_application_that_writes_all_the_time_is_neither_blocked_nor_in_the_way(
    sqld: Sqld, target: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    deploy_to(target, project)
    with writing_all_the_time(sqld, "INSERT INTO authors (name) VALUES ('Author ' || ?1)") as written:
        for number in range(5):
            seeds = f"id,name,profile\n1,Ada {number},\n2,Grace,\n"
            report = deploy_to(target, write_project(tmp_path / "next", authors=seeds))
            assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert target.value("SELECT count(*) FROM authors") == 2 + len(written)


def test_of_twenty_deployers_of_one_commit_one_deploys(target: DatabaseUnderTest, project: Project) -> None:
    with ThreadPoolExecutor(20) as pool:
        reports = list(pool.map(lambda _: deploy_to(target, project, 60), range(20)))
    assert Counter(report.status for report in reports) == {Status.DEPLOYED: 1, Status.UNCHANGED: 19}
    [(deployed,)] = target.rows("SELECT id FROM schema_deployments")
    assert {report.deployment_id for report in reports} == {deployed, None}


def test_of_twenty_deployers_of_two_commits_none_is_told_a_lie(
    target: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    other = write_project(tmp_path / "other", authors="id,name,profile\n1,Other,\n2,Grace,\n")
    commits = [project, other]
    with ThreadPoolExecutor(20) as pool:
        reports = list(pool.map(lambda number: deploy_to(target, commits[number % 2], 60), range(20)))
    ids = [identity for (identity,) in target.rows("SELECT id FROM schema_deployments")]
    assert {report.deployment_id for report in reports if report.committed} == set(ids)
    assert {report.error.code for report in reports if report.error} <= {"stale-plan"}
    assert all(report.committed is not None for report in reports)
    assert target.rows("SELECT name FROM authors WHERE id = 1") in ([("Ada",)], [("Other",)])


@pytest.fixture
def clock() -> PausingClock:
    return PausingClock()


@pytest.mark.parametrize(("lost", "committed"), [([], False), ([*READ, Fault.CUT_AFTER], None)])
def test_all_that_is_tried_again_in_a_run_stays_within_the_time_that_was_set(
    target: DatabaseUnderTest,
    proxy: Proxy,
    project: Project,
    clock: PausingClock,
    lost: list[Fault],
    committed: bool | None,
) -> None:
    """Reading, asking the history, and planning again are not given that time each, nor one inside the other."""
    proxy.plan([*lost, *[Fault.STATUS_503] * 1000])
    report = deploy_to(target, project, 20, RetryBudget(20, clock=clock))
    assert (report.status, report.committed) == (Status.FAILED, committed)
    assert 5 < sum(clock.pauses) <= 20
    assert sum("tried again" in notice for notice in report.notices) == len(clock.pauses)


def test_no_try_is_made_after_the_time_that_was_set(
    target: DatabaseUnderTest, proxy: Proxy, project: Project, clock: PausingClock
) -> None:
    proxy.plan([Fault.STATUS_503] * 1000)
    report = deploy_to(target, project, 0.5, RetryBudget(0.5, clock=clock))
    assert report.error is not None
    assert (report.error.code, report.committed) == ("server-error", False)
    assert report.requests == 1 + len(clock.pauses) <= MAX_ATTEMPTS
    assert sum(clock.pauses) <= 0.5
