"""Two random schemas and random rows: any change, and its rollback, keeps what both schemas know, or is refused.

The examples are the same in every run. `HYPOTHESIS_PROFILE=long pytest tests/property` tries fifty times as many, new
ones each time, and makes what fails as small as it can, which may take minutes.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st

from tests.property.contents import Row, accepted, as_stored, compared, reading, rows_for, texts, top_rows
from tests.property.directions import Way, old_columns, ways
from tests.property.schemas import Schema
from tests.support.databases import DatabaseUnderTest
from tests.support.schema_folders import write_folder
from tests.support.sqld import running_sqld
from turso_deploy.cli.pull_command import pull
from turso_deploy.core.transaction import Purpose, Query, Transaction, TransactionStep, Value
from turso_deploy.deploy import preview
from turso_deploy.deploy.deploy import deploy
from turso_deploy.plan.hazards import HAZARDS, Approval
from turso_deploy.project.loader import load_project
from turso_deploy.project.project import Project
from turso_deploy.report.document import Report, Status
from turso_deploy.rollback.project import load_earlier
from turso_deploy.sql.lexer import quote_identifier, quote_string

# The one rule that is not counted before: rows that will refer to a table which the same deployment makes.
_DANGLING = "foreign-key violations added"
EVERYTHING = tuple(Approval(name) for name in HAZARDS)


def _examples(count: int) -> settings:
    """How many examples, and how they are found; schemas are large, so making them small is left to the long run.

    `make faults` sets PROPERTY_EXAMPLES, the number of new examples of each test.
    """
    long = os.environ.get("HYPOTHESIS_PROFILE") == "long"
    number = int(os.environ.get("PROPERTY_EXAMPLES", 50 * count if long else count))
    return settings(
        max_examples=number,
        derandomize=number == count,
        phases=tuple(Phase) if long else (Phase.generate,),
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


@_examples(150)
@given(ways(), st.data())
def test_any_schema_becomes_any_other_in_a_file(way: Way, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"file:{folder}/database.db"
        _there_and_back(DatabaseUnderTest(url, url), Path(folder), way, data)


@_examples(25)
@given(ways(), st.data())
def test_any_schema_becomes_any_other_on_a_server(way: Way, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, running_sqld(Path(folder)) as server:
        _there_and_back(DatabaseUnderTest(server.url, server.url, server.token()), Path(folder), way, data)


@_examples(500)
@given(ways(), st.data())
def test_rollback_leads_back_from_any_schema_in_a_file(way: Way, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"file:{folder}/database.db"
        _there_and_rolled_back(DatabaseUnderTest(url, url), Path(folder), way, data)


@_examples(20)
@given(ways(), st.data())
def test_rollback_leads_back_from_any_schema_on_a_server(way: Way, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, running_sqld(Path(folder)) as server:
        _there_and_rolled_back(DatabaseUnderTest(server.url, server.url, server.token()), Path(folder), way, data)


@_examples(30)
@given(ways())
def test_what_was_adopted_needs_no_change(way: Way) -> None:
    with tempfile.TemporaryDirectory() as name:
        url, adopted = f"file:{name}/database.db", Path(name) / "adopted"
        target = DatabaseUnderTest(url, url)
        assert _deploy(target, _project(way.first, Path(name))).status is Status.DEPLOYED
        with closing(target.open()) as database:
            report = pull(adopted, database)
        assert report.error is None, report.error
        assert target.plan(load_project(adopted)).status is Status.UNCHANGED


@_examples(40)
@given(ways(), st.data())
def test_plan_predicts_the_checks_of_rows_and_of_json(way: Way, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, url = Path(name), f"file:{name}/database.db"
        target = DatabaseUnderTest(url, url)
        assert _deploy(target, _project(way.first, folder)).succeeded
        _fill(target, way.first, accepted(way.first, data.draw(rows_for(way.first))))
        bounds = st.sampled_from(("0", ">=1", "<=1", "1..2"))
        manifest = {
            "rows": {table: data.draw(bounds) for table in way.second.tables},
            "json_columns": {
                name: data.draw(st.lists(st.sampled_from(sorted(table.columns)), max_size=2, unique=True))
                for name, table in way.second.tables.items()
            },
        }
        files = {**way.second.files(), "manifest.yml": json.dumps(manifest)}
        project = load_project(write_folder(folder / "schema", files))
        plan = target.plan(project, EVERYTHING)
        _expect_the_plan_to_be_the_deployment(plan, _deploy(target, project))


def _there_and_back(target: DatabaseUnderTest, folder: Path, way: Way, data: st.DataObject) -> None:
    first, second = _project(way.first, folder), _project(way.second, folder)
    event(f"renames {len(way.tables)} table, {len(way.columns)} column")
    assert _deploy(target, first).status in (Status.DEPLOYED, Status.UNCHANGED)
    _fill(target, way.first, accepted(way.first, data.draw(rows_for(way.first))))
    if _change(target, way, second):
        _change(target, way.back(), first)


def _there_and_rolled_back(target: DatabaseUnderTest, folder: Path, way: Way, data: st.DataObject) -> None:
    """Deploy both, and roll back: blocked, or the schema means the first, and what both know is as it was."""
    first, second = _project(way.first, folder), _project(way.second, folder)
    assert _deploy(target, first).succeeded
    _fill(target, way.first, accepted(way.first, data.draw(rows_for(way.first))))
    report = _deploy(target, second)
    numbers = [number for (number,) in target.rows("SELECT number FROM schema_deployments")]
    if report.error is not None or numbers != [1, 2]:
        event(f"not deployed: {report.status}")
        return
    event(f"renames {len(way.tables)} table, {len(way.columns)} column")
    is_there = _change_with(
        target,
        way.back(),
        lambda: _rolled_back(target, preview.plan),
        lambda: _rolled_back(target, deploy),
    )
    if is_there:
        assert target.plan(first).status is Status.UNCHANGED


def _rolled_back(target: DatabaseUnderTest, act: Callable[..., Report]) -> Report:
    with closing(target.open()) as database, load_earlier(database, 1) as project:
        return act(project, database, allow_hazards=EVERYTHING)


def _project(schema: Schema, folder: Path) -> Project:
    note(schema.files()["schema.sql"])
    return load_project(write_folder(folder / "schema", schema.files()))


def _deploy(target: DatabaseUnderTest, project: Project) -> Report:
    with closing(target.open()) as database:
        return deploy(project, database, allow_hazards=EVERYTHING)


def _fill(target: DatabaseUnderTest, schema: Schema, rows: list[tuple[str, Row]]) -> None:
    queries = [Query(sql, values) for sql, values in rows]
    queries += [Query(sql) for sql in (*top_rows(schema), *texts(schema))]
    if queries:
        steps = tuple(TransactionStep(query, Purpose.CHANGE, query.sql) for query in queries)
        with closing(target.open()) as database:
            outcome = database.apply(Transaction(steps, foreign_keys=False))
        assert outcome.committed, outcome.failed


@dataclass(frozen=True)
class _Kept:
    """The rows of a table that both schemas have, in the columns that both store, by its new name."""

    name: str
    columns: list[str]
    rowid: bool
    rows: list[Row]
    counter: Value


def _change(target: DatabaseUnderTest, way: Way, project: Project) -> bool:
    """Deploy, and hold the database against what it was. False when the change was refused."""
    is_there = _change_with(target, way, lambda: target.plan(project, EVERYTHING), lambda: _deploy(target, project))
    assert not is_there or target.plan(project).status is Status.UNCHANGED
    return is_there


def _change_with(target: DatabaseUnderTest, way: Way, plans: Callable[[], Report], acts: Callable[[], Report]) -> bool:
    """Plan and act, and hold the database against what it was. False when the change was refused."""
    dump, kept, found, faults = target.dump(), _kept(target, way), _found(target, way), _faults(target)
    plan = plans()
    report = acts()
    _expect_the_plan_to_be_the_deployment(plan, report)
    if report.error is not None:
        note(f"{report.error.code}: {report.error.message}")
        event(f"refused: {report.error.code}")
        assert report.error.code == "hazard-blocked" or _DANGLING in report.error.message
        assert target.dump() == dump
        return False
    for was in kept:
        table = way.second.tables[was.name]
        rows = target.rows(reading(table, was.columns, rowid=was.rowid))
        # Rows have no order, so both sides are sorted; each value is compared as the SQL literal of what is stored.
        wanted = as_stored(table, was.columns, was.rows, rowid=was.rowid)
        assert compared(rows) == compared(wanted), was.name
        assert was.counter is None or _counter(target, was.name) == was.counter, was.name
    for query, rows in found.items():
        assert target.rows(query) == rows, query
    for search in way.second.searches.values():
        target.rows(f"SELECT rowid, * FROM {search.name}")
    assert _faults(target) <= faults
    return True


def _expect_the_plan_to_be_the_deployment(plan: Report, report: Report) -> None:
    """The plan fails if and only if the deployment does, for the same reason, and both count the same objects."""
    assert plan.undecided == ()
    assert (plan.error is None) == (report.error is None), (plan.error, report.error)
    if plan.error and report.error and report.error.code == "hazard-blocked":
        assert report.error.message in plan.error.message  # a plan reports what fails besides
    elif plan.error and report.error:
        assert plan.error.code == report.error.code
    assert plan.counts == report.counts
    found = {check.name: check.actual for check in report.checks}
    assert all(found.get(check.name, check.actual) == check.actual for check in plan.checks)


def _kept(target: DatabaseUnderTest, way: Way) -> list[_Kept]:
    """What has to be there afterwards. A counter is held only where both tables have one."""
    found = []
    for name, new in way.second.tables.items():
        old = way.first.tables.get(way.tables.get(name, name))
        if old is None:
            continue
        columns = old_columns(way, name)
        rowid = old.has_own_rowid and new.has_own_rowid
        rows = target.rows(reading(old, [was for _, was in columns], rowid=rowid))
        counter = _counter(target, old.name) if (old.key, new.key) == ("counter", "counter") else None
        found.append(_Kept(name, [column for column, _ in columns], rowid, rows, counter))
    return found


def _counter(target: DatabaseUnderTest, name: str) -> Value:
    """The number that AUTOINCREMENT gave last; None where it has never given one."""
    if "sqlite_sequence" not in {str(found) for (found,) in target.rows("SELECT name FROM sqlite_master")}:
        return None
    rows = target.rows(f"SELECT seq FROM sqlite_sequence WHERE name = {quote_string(name)}")
    return rows[0][0] if rows else None


def _found(target: DatabaseUnderTest, way: Way) -> dict[str, list[Row]]:
    """What the full-text indexes of their own content hold in the columns that they keep, by the query for it."""
    queries = []
    for name, search in way.second.searches.items():
        old = way.first.searches.get(name)
        shared = [column for column in search.columns if old and column in old.columns]
        if old and shared and old.content is None and search.content is None:
            queries.append(f"SELECT rowid, {', '.join(map(quote_identifier, shared))} FROM {name} ORDER BY rowid")
            queries.append(
                f"SELECT rowid FROM {name} WHERE {name} MATCH '{{{quote_identifier(shared[0])}}} : running' ORDER BY 1"
            )
    return {query: target.rows(query) for query in queries}


def _faults(target: DatabaseUnderTest) -> set[Row]:
    """What the engine finds wrong; but for a generated column of a STRICT table, which it never holds to its type."""
    references = target.rows('SELECT "table", count(*) FROM pragma_foreign_key_check GROUP BY 1')
    found = target.rows("SELECT * FROM pragma_integrity_check")
    wrong = (row for row in found if row != ("ok",) and not re.match(r"non-\w+ value in ", str(row[0])))
    return {*references, *(row for row in wrong if not _is_false_alarm(target, str(row[0])))}


def _is_false_alarm(target: DatabaseUnderTest, fault: str) -> bool:
    """SQLite 3.45, of sqld, takes the REAL default of a NOT NULL column that was added for NULL, which no row holds."""
    told = re.fullmatch(r"NULL value in (.+)\.(.+)", fault)
    if told is None:
        return False
    return (
        target.rows(f"SELECT 1 FROM {quote_identifier(told[1])} WHERE {quote_identifier(told[2])} IS NULL LIMIT 1")
        == []
    )
