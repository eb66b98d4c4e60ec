"""Seeds that do not fit one request: what goes in which, how far it came, and that running again goes on from there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import DatabaseUnderTest, InterceptedDatabase
from tests.support.schema_folders import write_project
from turso_deploy.core.transaction import Transaction
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import deploy
from turso_deploy.deploy.deployment import Deployment
from turso_deploy.plan.hazards import Approval, HazardName
from turso_deploy.project.project import Project
from turso_deploy.report.console import render
from turso_deploy.report.document import ChunksLine, Report, SeedLine, Status
from turso_deploy.report.job_summary import summary

LIMIT = 20_000
AUTHORS = 400
BOOKS = 800

FILES = {
    "tables.sql": """\
CREATE TABLE books (
  id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  author INTEGER NOT NULL REFERENCES writers (id)
);
CREATE TABLE writers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
""",
    "seeds/writers.csv": "id,name\n" + "".join(f"{number},Writer “{number}”\n" for number in range(AUTHORS)),
    "seeds/books.csv": "id,title,author\n"
    + "".join(f'{number},"The ""long"" title of book {number}",{number % AUTHORS}\n' for number in range(BOOKS)),
    "manifest.yml": f"schema_version: 1.0.0\nrows: {{writers: {AUTHORS}, books: {BOOKS}}}\n",
}
ROWS = "SELECT (SELECT count(*) FROM writers), (SELECT count(*) FROM books)"
ALL = [(AUTHORS, BOOKS)]
HISTORY = "SELECT id, schema_version, seeds FROM schema_deployments"


@pytest.fixture
def chunked(on_sqld: DatabaseUnderTest) -> DatabaseUnderTest:
    return replace(on_sqld, request_size=LIMIT)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path / "schema", FILES)


def body_sizes(target: DatabaseUnderTest) -> list[int]:
    return [int(headers["Content-Length"]) for headers in target.proxy.headers]


def deploy_until(target: DatabaseUnderTest, project: Project, transactions: int) -> None:
    """A deployment whose way to the server ends before it sends one transaction more."""

    def stop(number: int) -> None:
        if number > transactions:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt), closing(target.open()) as database:
        deploy(project, InterceptedDatabase(database, before_apply=stop))


def marks(target: DatabaseUnderTest) -> Any:
    [(_, _, seeds), *_] = target.rows(f"{HISTORY} ORDER BY number DESC")
    return json.loads(str(seeds))


def test_seeds_that_do_not_fit_go_in_chunks_under_the_limit_and_once(
    chunked: DatabaseUnderTest, project: Project
) -> None:
    report = chunked.deploy(project)
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    assert report.chunks is not None
    assert report.chunks.sent == report.chunks.total > 4
    assert report.requests == chunked.proxy.requests == report.chunks.total + 4  # read, schema, read, count
    assert max(body_sizes(chunked)) <= LIMIT
    assert min(body_sizes(chunked)[4:-1]) > LIMIT * 0.7
    assert report.seeds == (SeedLine("books", BOOKS, BOOKS), SeedLine("writers", AUTHORS, AUTHORS))
    assert chunked.rows(ROWS) == ALL
    assert [(identity, version) for identity, version, _ in chunked.rows(HISTORY)] == [(report.deployment_id, "1.0.0")]


def test_a_second_deployment_asks_once_and_writes_nothing(chunked: DatabaseUnderTest, project: Project) -> None:
    chunked.deploy(project)
    before = chunked.dump()
    report = chunked.deploy(project)
    assert (report.status, report.requests, report.committed, report.chunks) == (Status.UNCHANGED, 1, False, None)
    assert chunked.dump() == before


def test_what_fits_is_one_transaction_as_ever(on_sqld: DatabaseUnderTest, project: Project) -> None:
    report = on_sqld.deploy(project)
    assert (report.status, report.requests, report.chunks) == (Status.DEPLOYED, 2, None)


def test_the_limit_is_for_requests_and_a_file_takes_none(in_file: DatabaseUnderTest, project: Project) -> None:
    target = replace(in_file, request_size=LIMIT)
    report = target.deploy(project)
    assert (report.status, report.chunks) == (Status.DEPLOYED, None)
    assert target.rows(ROWS) == ALL


def test_parents_are_there_before_their_children_after_each_chunk(chunked: DatabaseUnderTest, project: Project) -> None:
    seen: list[tuple[Any, ...]] = []

    def look(number: int) -> None:
        if number > 1:
            seen.append((*chunked.rows(ROWS)[0], len(chunked.rows("PRAGMA foreign_key_check"))))

    with closing(chunked.open()) as database:
        report = deploy(project, InterceptedDatabase(database, before_apply=look))
    assert report.status is Status.DEPLOYED
    assert all(writers == AUTHORS for writers, books, _ in seen if books)
    assert [orphans for *_, orphans in seen] == [0] * len(seen)
    assert len({(writers, books) for writers, books, _ in seen}) == len(seen)  # each chunk brought some in


def test_a_deployment_that_was_cut_off_goes_on_where_it_stopped(chunked: DatabaseUnderTest, project: Project) -> None:
    deploy_until(chunked, project, 4)
    [(writers, books)] = chunked.rows(ROWS)
    came_in = int(str(writers)) + int(str(books))
    assert 0 < came_in < AUTHORS + BOOKS
    assert chunked.value("SELECT schema_version FROM schema_deployments") is None
    report = chunked.deploy(project)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert (report.first_deployment, report.previous_version, report.schema_version) == (False, None, "1.0.0")
    assert sum(line.written for line in report.seeds) == AUTHORS + BOOKS - came_in
    assert chunked.rows(ROWS) == ALL
    assert chunked.deploy(project).status is Status.UNCHANGED


def test_seeds_that_were_changed_meanwhile_start_anew(
    chunked: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    deploy_until(chunked, project, 4)
    [(came_in,)] = chunked.rows("SELECT count(*) FROM books")
    assert marks(chunked)["books"] == f"{project.seeds[0].fingerprint}:{came_in!s}"
    changed = FILES["seeds/books.csv"].replace("book 0", "book zero")
    report = chunked.deploy(write_project(tmp_path / "changed", FILES, books=changed))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert chunked.value("SELECT title FROM books WHERE id = 0") == 'The "long" title of book zero'
    assert chunked.rows(ROWS) == ALL


def test_seeds_that_went_back_to_what_they_were_are_brought_in_again(
    chunked: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    chunked.deploy(project)
    changed = FILES["seeds/books.csv"].replace("long", "short")
    deploy_until(chunked, write_project(tmp_path / "changed", FILES, books=changed), 2)
    assert chunked.value("SELECT count(*) FROM books WHERE title LIKE '%short%'") != 0
    report = chunked.deploy(project)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert chunked.value("SELECT count(*) FROM books WHERE title LIKE '%short%'") == 0


def test_the_rest_may_be_one_transaction_when_the_limit_is_raised(chunked: DatabaseUnderTest, project: Project) -> None:
    deploy_until(chunked, project, 3)
    report = replace(chunked, request_size=1_000_000).deploy(project)
    assert (report.error, report.status, report.requests, report.chunks) == (None, Status.DEPLOYED, 3, None)
    assert chunked.rows(ROWS) == ALL
    assert chunked.rows("SELECT schema_version FROM schema_deployments") == [(None,), ("1.0.0",)]


def test_checks_of_rows_are_made_at_the_end_and_what_stands_then_is_told(
    chunked: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    wrong = write_project(
        tmp_path / "wrong", FILES, manifest=f"schema_version: 1.0.0\nrows: {{books: '>={BOOKS + 1}'}}\n"
    )
    report = chunked.deploy(wrong)
    assert (report.status, report.committed, report.exit_code) == (Status.FAILED, True, 1)
    assert (report.first_deployment, report.schema_version, report.manifest_version) == (True, None, "1.0.0")
    assert report.error is not None
    assert report.chunks is not None
    assert report.error.code == "check-failed"
    assert report.chunks == ChunksLine(report.chunks.total - 1, report.chunks.total)
    stands = f"Committed before that: the schema and {report.chunks.sent} of {report.chunks.total} chunks of the seeds."
    assert stands in report.error.message
    assert [check.name for check in report.checks if not check.ok] == ["rows of books"]
    assert chunked.value("SELECT schema_version FROM schema_deployments") is None
    assert 0 < int(str(chunked.value("SELECT count(*) FROM books"))) < BOOKS
    again = chunked.deploy(wrong)
    assert (again.status, again.committed) == (Status.FAILED, False)
    assert chunked.deploy(project).status is Status.DEPLOYED
    assert chunked.rows(ROWS) == ALL


def test_a_row_that_the_database_refuses_stops_at_its_chunk(
    chunked: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    """The application has taken the name of a writer meanwhile."""
    deploy_until(chunked, project, 2)
    chunked.run(f"INSERT INTO writers VALUES (1000, 'Writer “{AUTHORS - 1}”')")
    report = chunked.deploy(project)
    assert (report.status, report.error and report.error.code) == (Status.FAILED, "seed-invalid")
    assert (report.committed, report.error and report.error.line) == (False, AUTHORS + 1)
    chunked.run("DELETE FROM writers WHERE id = 1000")
    assert chunked.deploy(project).status is Status.DEPLOYED
    assert chunked.rows(ROWS) == ALL


def test_a_schema_that_changes_comes_first_and_whole(
    chunked: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    chunked.deploy(project)
    tables = FILES["tables.sql"].replace("title TEXT NOT NULL", "title BLOB NOT NULL")
    changed = {**FILES, "tables.sql": tables, "seeds/books.csv": FILES["seeds/books.csv"].replace("long", "short")}
    permissions = [Approval(HazardName.CHANGE_TYPE, None)]
    with closing(chunked.open()) as database:
        report = deploy(write_project(tmp_path / "changed", changed), database, allow_hazards=permissions)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert [step.kind for step in report.steps if step.object == "books"] == ["rebuild table"]
    assert report.seeds == (SeedLine("books", BOOKS, 0, BOOKS), SeedLine("writers", AUTHORS, deployed_before=AUTHORS))
    assert chunked.value("SELECT count(*) FROM books WHERE title LIKE '%short%'") == BOOKS
    assert not any("not needed" in notice for notice in report.notices)


def test_scripts_run_once_before_the_schema_and_after_the_seeds(chunked: DatabaseUnderTest, tmp_path: Path) -> None:
    scripts = {
        "scripts/one.sql": "-- @run before\nUPDATE writers SET name = 'before';\n",
        "scripts/two.sql": "-- @run after\nUPDATE books SET title = (SELECT count(*) FROM books) WHERE id = 0;\n",
    }
    project = write_project(tmp_path / "schema", FILES | scripts)
    deploy_until(chunked, project, 5)
    report = chunked.deploy(project)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert chunked.value("SELECT title FROM books WHERE id = 0") == str(BOOKS)
    assert chunked.deploy(project).status is Status.UNCHANGED


@pytest.mark.parametrize("order", [1, -1])
def test_a_tree_is_cut_only_where_no_row_waits_for_its_parent(
    chunked: DatabaseUnderTest, tmp_path: Path, order: int
) -> None:
    """Each row refers to the one before it by key, or to the one after it; the order in the file is another one."""
    parents = {number: number - order for number in range(1000) if 0 <= number - order < 1000}
    rows = [f"{number},{parents.get(number, '')},{'name ' * 5}\n" for number in range(1000)][::-1]
    files = {
        "tree.sql": "CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree (id), name TEXT);\n",
        "seeds/tree.csv": "id,up,name\n" + "".join(rows),
        "manifest.yml": "rows: {tree: 1000}\n",
    }
    report = chunked.deploy(write_project(tmp_path / "schema", files))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert report.chunks is not None
    assert (report.chunks.total > 3) == (order == 1)
    assert chunked.value("SELECT count(*) FROM tree") == 1000


def test_parents_that_only_the_database_has_are_asked_for_within_the_limit(
    chunked: DatabaseUnderTest, tmp_path: Path
) -> None:
    without = {name: text for name, text in FILES.items() if name != "seeds/writers.csv"}
    project = write_project(tmp_path / "schema", without, manifest=f"rows: {{books: {BOOKS}}}\n")
    failed = chunked.deploy(project)
    assert failed.error is not None
    assert (failed.status, failed.error.code, failed.error.line) == (Status.FAILED, "seed-invalid", 2)
    chunked.run(*(f"INSERT INTO writers VALUES ({number}, 'W{number}')" for number in range(AUTHORS)))
    report = chunked.deploy(project)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert max(body_sizes(chunked)) <= LIMIT


def test_a_row_larger_than_the_limit_goes_alone(chunked: DatabaseUnderTest, tmp_path: Path) -> None:
    books = "id,title,author\n" + "".join(f"{n},{'x' * (LIMIT if n == 5 else 900)},0\n" for n in range(20))
    project = write_project(tmp_path / "schema", FILES, books=books, manifest="rows: {books: 20}\n")
    report = chunked.deploy(project)
    assert report.status is Status.DEPLOYED
    assert any("more than `request-size`: a single row is that large" in notice for notice in report.notices)
    assert chunked.value("SELECT count(*) FROM books") == 20
    assert sum(size > LIMIT for size in body_sizes(chunked)) == 1


def test_a_schema_larger_than_the_limit_goes_whole_and_says_so(chunked: DatabaseUnderTest, tmp_path: Path) -> None:
    tables = FILES["tables.sql"] + "".join(f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, note);\n" for n in range(100))
    report = chunked.deploy(write_project(tmp_path / "schema", FILES, tables=tables))
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert any("one transaction" in notice and "`request-size`" in notice for notice in report.notices)
    schema, *others = (
        size for size, body in zip(body_sizes(chunked), chunked.proxy.bodies, strict=True) if "BEGIN" in str(body)
    )
    assert schema > LIMIT
    assert max(others) <= LIMIT


def test_two_deployers_of_the_same_seeds_bring_them_in_together(chunked: DatabaseUnderTest, project: Project) -> None:
    """Before each transaction of the one, the other gets a chunk in."""

    def intrude(number: int) -> None:
        if 1 < number < 8:
            deploy_until(chunked, project, 1)

    with closing(chunked.open()) as database:
        report = deploy(project, InterceptedDatabase(database, before_apply=intrude))
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    assert chunked.rows(ROWS) == ALL
    assert chunked.deploy(project).status is Status.UNCHANGED


def test_of_many_deployers_of_the_same_seeds_none_fails(chunked: DatabaseUnderTest, project: Project) -> None:
    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(lambda _: chunked.deploy(project), range(6)))
    assert [report.error for report in reports] == [None] * 6
    assert {report.status for report in reports} <= {Status.DEPLOYED, Status.UNCHANGED}
    assert sum(report.chunks.sent for report in reports if report.chunks) >= 4
    written = sum(line.written for report in reports for line in report.seeds)
    assert (written, chunked.rows(ROWS)) == (AUTHORS + BOOKS, ALL)


def test_of_many_deployers_of_two_commits_each_is_told_what_it_did(
    chunked: DatabaseUnderTest, project: Project, tmp_path: Path
) -> None:
    tables = FILES["tables.sql"].replace("title TEXT NOT NULL", "title TEXT NOT NULL, year")
    books = FILES["seeds/books.csv"].replace("long", "short")
    commits = [project, write_project(tmp_path / "other", FILES, tables=tables, books=books)]
    permissions = [Approval(name, None) for name in HazardName]

    def deploy_commit(number: int) -> Report:
        with closing(chunked.open()) as database:
            return deploy(commits[number % 2], database, allow_hazards=permissions)

    with ThreadPoolExecutor(6) as pool:
        reports = list(pool.map(deploy_commit, range(6)))
    ids = {identity for identity, *_ in chunked.rows(HISTORY)}
    assert {report.error.code for report in reports if report.error} <= {"stale-plan", "check-failed"}
    assert all(report.committed is not None for report in reports)
    assert {report.deployment_id for report in reports if report.committed} <= ids
    assert all(bool(report.committed) == bool(report.deployment_id) for report in reports)
    assert deploy_commit(0).error is None
    assert chunked.rows(ROWS) == ALL
    assert chunked.value("SELECT count(*) FROM books WHERE title LIKE '%short%'") == 0


def test_a_plan_tells_how_many_chunks_there_will_be(chunked: DatabaseUnderTest, project: Project) -> None:
    planned = chunked.plan(project)
    assert planned.chunks is not None
    assert (planned.status, planned.chunks.sent, planned.requests) == (Status.PLANNED, 0, 1)
    assert f"in {planned.chunks.total} chunks" in render(planned, False)
    assert f"seeds in {planned.chunks.total} chunks" in summary(planned)
    assert chunked.names() == set()
    assert chunked.deploy(project).chunks == ChunksLine(planned.chunks.total, planned.chunks.total)


def test_a_report_says_that_the_chunks_are_not_one_transaction(chunked: DatabaseUnderTest, project: Project) -> None:
    report = chunked.deploy(project)
    assert report.chunks is not None
    said = f"{report.chunks.total} of {report.chunks.total} chunks committed"
    for text in (render(report, False), summary(report)):
        assert said in text
        assert "each in its own transaction" in text
    assert report.as_json()["chunks"] == {"sent": report.chunks.total, "total": report.chunks.total}


def test_a_dry_run_tries_the_schema_and_says_what_it_does_not_try(chunked: DatabaseUnderTest, project: Project) -> None:
    for expected in ("Dry run of the schema", "Dry run of the first chunk of seeds"):
        before = chunked.dump()
        with closing(chunked.open()) as database:
            report = preview.plan(project, database, dry_run=True)
        assert (report.error, report.status, report.committed) == (None, Status.PLANNED, False)
        assert any(expected in notice and "were not part of the dry run" in notice for notice in report.notices)
        assert chunked.dump() == before
        assert max(body_sizes(chunked)) <= LIMIT
        deploy_until(chunked, project, 2)


def test_a_script_holds_all_seeds_in_one_transaction(chunked: DatabaseUnderTest, project: Project) -> None:
    with closing(chunked.open()) as database:
        _, script = preview.script(Deployment(project, database))
    assert script.count("COMMIT;") == 1
    assert f"book {BOOKS - 1}" in script


def sent_ids(target: DatabaseUnderTest) -> Sequence[str]:
    """The id that each write carries for the deployment history, in the order of the requests."""
    found = []
    for body in target.proxy.bodies:
        steps = body["requests"][0]["batch"]["steps"]
        entries = [step["stmt"] for step in steps if "INTO schema_deployments" in step["stmt"]["sql"]]
        entries += [step["stmt"] for step in steps if "UPDATE schema_deployments" in step["stmt"]["sql"]]
        for entry in entries:
            if "seed_rows" in entry["sql"]:
                continue
            found.append(entry["args"][1 if entry["sql"].startswith("UPDATE") else 0]["value"])
    return found


def test_no_chunk_is_sent_twice_when_replies_are_lost(chunked: DatabaseUnderTest, project: Project) -> None:
    """Every reply to a write gets lost: it is looked up, found, and the next chunk is sent."""

    def lose(number: int) -> None:
        chunked.proxy.lose_replies = number % 2 == 1  # each write is followed by a look into the deployment history

    def answer(number: int) -> None:
        chunked.proxy.lose_replies = False

    with closing(chunked.open()) as database:
        report = deploy(project, InterceptedDatabase(database, after_query=answer, before_apply=lose))
    assert (report.error, report.status, report.committed) == (None, Status.DEPLOYED, True)
    ids = sent_ids(chunked)
    assert len(ids) == len(set(ids)) == (report.chunks.total if report.chunks else 0) + 1
    assert chunked.rows(ROWS) == ALL


def test_the_size_of_a_request_is_counted_to_the_byte(chunked: DatabaseUnderTest, project: Project) -> None:
    counted: list[int] = []

    class Counting(InterceptedDatabase):
        def apply(self, transaction: Transaction) -> Any:
            counted.append(self.size(transaction))
            return super().apply(transaction)

    with closing(chunked.open()) as database:
        deploy(project, Counting(database))
    writes = [
        size for size, body in zip(body_sizes(chunked), chunked.proxy.bodies, strict=True) if "BEGIN" in str(body)
    ]
    assert counted == writes


def edition(path: Path, number: int, first: int = 0) -> Project:
    """Return the project with other names of the writers; the first and the last one exchange theirs if told so."""
    names = [f"Writer {row} of edition {number}" for row in range(AUTHORS)]
    if first:
        names[0], names[-1] = names[-1].replace(str(number), str(first)), names[0].replace(str(number), str(first))
    rows = "".join(f"{row},{name}\n" for row, name in enumerate(names))
    return write_project(path / f"edition-{number}", {**FILES, "seeds/writers.csv": f"id,name\n{rows}"})


def test_rows_that_exchange_unique_values_go_in_however_far_apart_they_are(
    chunked: DatabaseUnderTest, tmp_path: Path
) -> None:
    chunked.deploy(edition(tmp_path, 1))
    exchanged = edition(tmp_path, 2, first=1)
    assert chunked.plan(exchanged).status is Status.PLANNED
    report = chunked.deploy(exchanged)
    assert (report.error, report.status) == (None, Status.DEPLOYED)
    assert chunked.rows("SELECT id FROM writers WHERE name LIKE '%1'") == [(0,), (AUTHORS - 1,)]


def test_rows_of_interrupted_deployments_are_known_as_seeded_until_all_are_newer(
    chunked: DatabaseUnderTest, tmp_path: Path
) -> None:
    chunked.deploy(edition(tmp_path, 1))
    for number, transactions in ((2, 3), (3, 1), (4, 2), (5, 99), (6, 1)):
        deploy_until(chunked, edition(tmp_path, number), transactions)
    plan = chunked.plan(edition(tmp_path, 7))
    assert (plan.error, plan.hazards) == (None, ())
    chunked.run("UPDATE writers SET name = 'live' WHERE id = 390")
    assert [hazard.rows for hazard in chunked.plan(edition(tmp_path, 7)).hazards] == [1]
    report = replace(chunked, request_size=1_000_000).deploy(
        edition(tmp_path, 8), approvals=(Approval(HazardName.OVERWRITE_ROWS),)
    )
    assert report.status is Status.DEPLOYED
    names = [
        name for (name,) in chunked.rows("SELECT entry.key FROM schema_deployments, json_each(seed_rows) AS entry")
    ]
    assert [name for name in names if str(name).startswith("writers")] == ["writers"]
