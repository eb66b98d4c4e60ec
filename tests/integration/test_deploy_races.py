"""What happens between a deployment's read and its write, and when the answer to the write is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import apsw
import pytest

from tests.support.databases import DatabaseUnderTest, InterceptedDatabase
from tests.support.recording_proxy import recording_proxy
from tests.support.schema_folders import SMALL, write_project
from tests.support.sqld import Sqld, send
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import deploy
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path / "schema")


def deploy_while(
    target: DatabaseUnderTest,
    project: Project,
    after_query: Callable[[int], None] = lambda number: None,
    before_apply: Callable[[int], None] = lambda number: None,
    timeout: float = 30,
) -> Report:
    database = InterceptedDatabase(target.open(timeout), after_query, before_apply)
    try:
        return deploy(project, database)
    finally:
        database.close()


def ids(target: DatabaseUnderTest) -> list[object]:
    return [identity for (identity,) in target.rows("SELECT id FROM schema_deployments ORDER BY number")]


@pytest.mark.parametrize("deployed_before", [False, True])
def test_a_schema_that_changes_after_it_was_read_is_planned_again(
    target: DatabaseUnderTest, project: Project, deployed_before: bool
) -> None:
    if deployed_before:
        target.deploy(project)
        target.run("DROP INDEX idx_books_author")

    def meddle(number: int) -> None:
        if number == 1:
            target.run("CREATE TABLE other_1 (id INTEGER PRIMARY KEY)")

    report = deploy_while(target, project, after_query=meddle)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 4)
    assert {"other_1", "idx_books_author"} <= target.names()
    assert ids(target)[-1] == report.deployment_id
    assert len(ids(target)) == 1 + deployed_before


def test_a_plan_that_is_stale_three_times_is_given_up(target: DatabaseUnderTest, project: Project) -> None:
    report = deploy_while(
        target, project, after_query=lambda number: target.run(f"CREATE TABLE other_{number} (id INTEGER PRIMARY KEY)")
    )
    asked = not target.is_file  # the deployment history: a network can deliver twice, and then the second copy is stale
    assert (report.status, report.committed, report.requests) == (Status.FAILED, False, 6 + asked)
    assert report.error is not None
    assert report.error.code == "stale-plan"
    assert "concurrency" in str(report.error.hint)
    assert target.names() == {"other_1", "other_2", "other_3"}


def test_a_dry_run_of_a_plan_that_is_stale_says_so(target: DatabaseUnderTest, project: Project) -> None:
    database = InterceptedDatabase(
        target.open(), lambda number: target.run("CREATE TABLE other_1 (id INTEGER PRIMARY KEY)")
    )
    report = preview.plan(project, database, dry_run=True)
    database.close()
    assert (report.status, report.committed) == (Status.FAILED, False)
    assert report.error is not None
    assert report.error.code == "stale-plan"
    assert target.names() == {"other_1"}


def test_the_second_of_two_deployers_of_one_commit_finds_nothing_to_do(
    target: DatabaseUnderTest, project: Project
) -> None:
    winners = []

    def meddle(number: int) -> None:
        if number == 1:
            winners.append(target.deploy(project).deployment_id)

    report = deploy_while(target, project, after_query=meddle)
    assert (report.error, report.status, report.committed) == (None, Status.UNCHANGED, False)
    assert (report.requests, report.deployment_id) == (3 + (not target.is_file), None)
    assert ids(target) == winners


def test_seeds_that_somebody_deploys_in_between_are_not_written_over_unseen(
    target: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    """No object changes here: only the deployment history tells the two deployments apart."""
    target.deploy(project)
    theirs = write_project(tmp_path / "theirs", authors="id,name,profile\n1,Theirs,\n2,Grace,\n")
    ours = write_project(tmp_path / "ours", authors="id,name,profile\n1,Ours,\n2,Grace,\n")

    def meddle(number: int) -> None:
        if number == 1:
            assert target.deploy(theirs).status is Status.DEPLOYED

    report = deploy_while(target, ours, after_query=meddle)
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 6)
    assert target.value("SELECT name FROM authors WHERE id = 1") == "Ours"
    assert len(ids(target)) == 3


def test_the_seeds_of_the_same_commit_are_deployed_once(
    target: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    target.deploy(project)
    newer = write_project(tmp_path / "newer", authors="id,name,profile\n1,Ada L.,\n2,Grace,\n")

    def meddle(number: int) -> None:
        if number == 1:
            assert target.deploy(newer).status is Status.DEPLOYED

    assert deploy_while(target, newer, after_query=meddle).status is Status.UNCHANGED
    assert len(ids(target)) == 2


def test_rows_that_change_in_between_do_not_make_a_plan_stale(target: DatabaseUnderTest, project: Project) -> None:
    target.deploy(project)
    target.run("DROP INDEX idx_books_author")
    report = deploy_while(
        target, project, after_query=lambda number: target.run("INSERT INTO authors (name) VALUES ('Alan')")
    )
    assert (report.error, report.status, report.requests) == (None, Status.DEPLOYED, 2)


EMPTY = {
    "tables.sql": "CREATE TABLE old (id INTEGER PRIMARY KEY, code TEXT);",
    "manifest.yml": "schema_version: 1.0.0\n",
}
LOSSES = {
    "drop-table old": "CREATE TABLE new (id INTEGER PRIMARY KEY);",
    "drop-column old.code": "CREATE TABLE old (id INTEGER PRIMARY KEY);",
    "change-type old.code": "CREATE TABLE old (id INTEGER PRIMARY KEY, code INTEGER);",
    "change-type old.number": "CREATE TABLE old (id INTEGER PRIMARY KEY, \nnumber INTEGER -- @renamed from=code\n);",
    "change-generated old.code": "CREATE TABLE old (id INTEGER PRIMARY KEY, code TEXT AS (id || 'x'));",
}


@pytest.mark.parametrize("hazard", LOSSES)
def test_rows_that_come_after_none_were_counted_are_not_lost_without_permission(
    target: DatabaseUnderTest, tmp_path: Path, hazard: str
) -> None:
    target.deploy(write_project(tmp_path / "before", EMPTY))
    after = write_project(tmp_path / "after", EMPTY, tables=LOSSES[hazard])

    def meddle(number: int) -> None:
        if number == 2:  # the second read is the one that counts
            target.run("INSERT INTO old VALUES (1, '007')")

    report = deploy_while(target, after, after_query=meddle)
    assert (report.status, report.committed) == (Status.BLOCKED, False)
    assert report.error is not None
    assert report.error.code == "hazard-blocked"
    assert hazard in report.error.message
    assert "(1 row)" in report.error.message
    assert target.rows("SELECT id, code FROM old") == [(1, "007")]


def test_a_dry_run_does_not_call_a_plan_safe_that_would_lose_rows_which_have_come_since(
    target: DatabaseUnderTest, tmp_path: Path
) -> None:
    target.deploy(write_project(tmp_path / "before", EMPTY))
    after = write_project(tmp_path / "after", EMPTY, tables=LOSSES["drop-table old"])

    def meddle(number: int) -> None:
        if number == 2:
            target.run("INSERT INTO old VALUES (1, '007')")

    with closing(InterceptedDatabase(target.open(), meddle)) as database:
        report = preview.plan(after, database, dry_run=True)
    assert report.error is not None
    assert report.error.code == "stale-plan"


def test_of_many_deployers_at_once_one_deploys_and_the_others_find_nothing_to_do(
    on_sqld: DatabaseUnderTest, project: Project
) -> None:
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda _: on_sqld.deploy(project), range(6)))
    assert Counter(report.status for report in reports) == {Status.DEPLOYED: 1, Status.UNCHANGED: 5}
    [winner] = [report.deployment_id for report in reports if report.deployment_id]
    assert ids(on_sqld) == [winner]


def test_one_project_is_deployed_to_many_databases_side_by_side(tmp_path: Path, project: Project) -> None:
    urls = [f"file:{tmp_path / f'{number}.db'}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda url: DatabaseUnderTest(url, url).deploy(project), urls))
    assert {report.status for report in reports} == {Status.DEPLOYED}
    assert all(DatabaseUnderTest(url, url).value("SELECT count(*) FROM books") == 2 for url in urls)


def losing(target: DatabaseUnderTest, *numbers: int) -> Callable[[int], None]:
    """Lose the replies to the transactions of these numbers."""

    def decide(number: int) -> None:
        target.proxy.lose_replies = number in numbers

    return decide


@pytest.mark.parametrize("deployed_before", [False, True])
def test_a_lost_reply_to_a_deployment_that_committed_is_resolved_from_the_history(
    on_sqld: DatabaseUnderTest, project: Project, tmp_path: Path, deployed_before: bool
) -> None:
    if deployed_before:
        on_sqld.deploy(write_project(tmp_path / "before", authors="id,name,profile\n1,Before,\n2,Grace,\n"))
    report = deploy_while(on_sqld, project, before_apply=losing(on_sqld, 1))
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    assert report.requests == 3 + deployed_before  # the seeds are compared
    assert any("history" in notice for notice in report.notices)
    assert ids(on_sqld)[-1] == report.deployment_id
    assert on_sqld.deploy(project).status is Status.UNCHANGED


@pytest.mark.parametrize("deployed_before", [False, True])
def test_a_lost_reply_to_a_deployment_that_was_rolled_back_is_a_failure_without_change(
    on_sqld: DatabaseUnderTest, tmp_path: Path, deployed_before: bool
) -> None:
    if deployed_before:
        on_sqld.deploy(write_project(tmp_path / "schema"))
    impossible = SMALL["manifest.yml"].replace(">=2", ">=200")
    seeds = "id,name,profile\n1,Ada L.,\n2,Grace,\n"
    before = on_sqld.dump()
    report = deploy_while(
        on_sqld,
        write_project(tmp_path / "schema", manifest=impossible, authors=seeds),
        before_apply=losing(on_sqld, 1),
        timeout=2,
    )
    assert (report.status, report.committed) == (Status.FAILED, False)
    assert report.error is not None
    assert report.error.code == "check-failed"
    assert any("the deployment history shows no commit" in notice for notice in report.notices)
    assert on_sqld.dump() == before


def test_when_the_history_cannot_be_asked_either_the_outcome_is_called_unknown(
    on_sqld: DatabaseUnderTest, project: Project
) -> None:
    report = deploy_while(on_sqld, project, before_apply=losing(on_sqld, *range(1, 100)), timeout=1)
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, None, 1)
    assert report.error is not None
    assert report.error.code == "outcome-unknown"
    [committed] = ids(on_sqld)  # which is why it must not be called a failure
    assert str(committed) in str(report.error.hint)


def test_a_server_that_is_gone_for_good_leaves_the_outcome_unknown(
    on_sqld: DatabaseUnderTest, project: Project
) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(recording_proxy(on_sqld.direct_url))

        def lose_and_leave(number: int) -> None:
            proxy.lose_replies = True
            if number == 2:
                stack.close()

        way = DatabaseUnderTest(proxy.url, on_sqld.direct_url, on_sqld.token, proxy=proxy)
        report = deploy_while(way, project, before_apply=lose_and_leave)
    assert report.committed is None
    assert report.error is not None
    assert report.error.code == "outcome-unknown"
    assert "does not accept connections" in report.error.message


class Writer:
    """Another writer that is inside a transaction, and so holds the write lock."""

    def __init__(self, sqld: Sqld) -> None:
        self._url = f"{sqld.url}/v3/pipeline"
        self._headers = {"Authorization": f"Bearer {sqld.token()}"}
        self._baton: str | None = None

    def take_the_lock(self) -> None:
        self._send({"type": "execute", "stmt": {"sql": "BEGIN IMMEDIATE"}})

    def release_it(self) -> None:
        self._send({"type": "close"})

    def _send(self, request: object) -> None:
        body = {"baton": self._baton, "requests": [request]}
        self._baton = send("POST", self._url, body, self._headers)["baton"]


def test_a_transaction_that_still_waits_for_the_lock_is_not_called_rolled_back(
    sqld: Sqld, on_sqld: DatabaseUnderTest, project: Project
) -> None:
    """The client gives up, the server does not: the history is asked behind the transaction, under the same lock."""
    writer = Writer(sqld)

    def meddle(number: int) -> None:
        if number == 1:
            writer.take_the_lock()
        else:
            writer.release_it()

    report = deploy_while(on_sqld, project, before_apply=meddle, timeout=1)
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    assert ids(on_sqld) == [report.deployment_id]


def test_a_lock_that_is_not_given_leaves_the_outcome_unknown(
    sqld: Sqld, on_sqld: DatabaseUnderTest, project: Project
) -> None:
    writer = Writer(sqld)

    def meddle(number: int) -> None:
        if number == 1:
            writer.take_the_lock()

    report = deploy_while(on_sqld, project, before_apply=meddle, timeout=0.5)
    writer.release_it()
    assert report.committed is None
    assert report.error is not None
    assert report.error.code == "outcome-unknown"


def test_a_database_that_is_locked_is_busy_and_not_stale(in_file: DatabaseUnderTest, project: Project) -> None:
    in_file.deploy(project)
    in_file.run("DROP INDEX idx_books_author")
    before = in_file.dump()
    with ExitStack() as stack:

        def take_the_lock(number: int) -> None:
            stack.enter_context(locked(in_file.file))

        report = deploy_while(in_file, project, before_apply=take_the_lock)
    assert (report.status, report.committed, report.requests) == (Status.FAILED, False, 2)
    assert report.error is not None
    assert report.error.code == "database-busy"
    assert in_file.dump() == before


@contextmanager
def locked(file: Path) -> Iterator[None]:
    connection = apsw.Connection(str(file))
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.close()
