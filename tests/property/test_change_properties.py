"""Two random schemas and random rows: any change converges and keeps what both schemas know, or is refused.

The examples are the same in every run. `HYPOTHESIS_PROFILE=long pytest tests/property` tries fifty times as many, new
ones each time, and makes what fails as small as it can, which may take minutes.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, Phase, event, given, note, settings
from hypothesis import strategies as st

from tests.projects import write_folder
from tests.property.contents import Row, accepted, as_stored, reading, rows_for
from tests.property.schemas import Schema, two_schemas
from tests.sqld import running_sqld
from tests.targets import NOWHERE, Target
from turso_deploy import deploy as story
from turso_deploy.database.base import Purpose, Query, Transaction, TransactionStep
from turso_deploy.report.document import Report, Status
from turso_deploy.schema.hazards import HAZARDS, Permission
from turso_deploy.schema.project import Project, load_project

# The one rule that is not counted before: rows that will refer to a table which the same deployment makes.
_DANGLING = "foreign-key violations added"
EVERYTHING = tuple(Permission(name) for name in HAZARDS)


def _examples(count: int) -> settings:
    """How many examples, and how they are found; schemas are large, so making them small is left to the long run."""
    long = os.environ.get("HYPOTHESIS_PROFILE") == "long"
    return settings(
        max_examples=50 * count if long else count,
        derandomize=not long,
        phases=tuple(Phase) if long else (Phase.generate,),
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


@_examples(250)
@given(two_schemas(), st.data())
def test_any_schema_becomes_any_other_in_a_file(schemas: tuple[Schema, Schema], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"file:{folder}/database.db"
        _there_and_back(Target(url, url), Path(folder), *schemas, data)


@_examples(25)
@given(two_schemas(), st.data())
def test_any_schema_becomes_any_other_on_a_server(schemas: tuple[Schema, Schema], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, running_sqld(Path(folder)) as server:
        _there_and_back(Target(server.url, server.url, server.token()), Path(folder), *schemas, data)


def _there_and_back(target: Target, folder: Path, first: Schema, second: Schema, data: st.DataObject) -> None:
    projects = {id(schema): _project(schema, folder) for schema in (first, second)}
    assert _deploy(target, projects[id(first)]).status in (Status.DEPLOYED, Status.UNCHANGED)
    _fill(target, accepted(first, data.draw(rows_for(first))))
    for before, after in ((first, second), (second, first)):
        if not _change(target, before, after, projects[id(after)]):
            return


def _project(schema: Schema, folder: Path) -> Project:
    note(schema.files()["schema.sql"])
    return load_project(write_folder(folder / "schema", schema.files()))


def _deploy(target: Target, project: Project) -> Report:
    with closing(target.open()) as database:
        return story.deploy(project, database, NOWHERE, EVERYTHING)


def _fill(target: Target, rows: list[tuple[str, Row]]) -> None:
    if rows:
        steps = tuple(TransactionStep(Query(sql, values), Purpose.CHANGE, sql) for sql, values in rows)
        with closing(target.open()) as database:
            assert database.apply(Transaction(steps, foreign_keys=False)).committed


def _change(target: Target, before: Schema, after: Schema, project: Project) -> bool:
    """Deploy, and hold the database against what it was. False when the change was refused."""
    dump, kept, faults = target.dump(), _kept(target, before, after), _faults(target)
    report = _deploy(target, project)
    if report.error is not None:
        note(f"{report.error.code}: {report.error.message}")
        event(f"refused: {report.error.code}")
        assert report.error.code == "hazard-refused" or _DANGLING in report.error.message
        assert target.dump() == dump
        return False
    assert target.plan(project).status is Status.UNCHANGED
    for name, columns, rowid, rows in kept:
        found = target.rows(reading(after.tables[name], columns, rowid=rowid))
        wanted = as_stored(after.tables[name], columns, rows, rowid=rowid)
        assert sorted(found, key=str) == sorted(wanted, key=str), name
    assert _faults(target) <= faults
    return True


def _kept(target: Target, before: Schema, after: Schema) -> list[tuple[str, list[str], bool, list[Row]]]:
    """The rows of every table that both schemas have, in the columns that both store."""
    found = []
    for name in before.tables.keys() & after.tables.keys():
        old, new = before.tables[name], after.tables[name]
        columns = [column for column in old.stored_columns if column in new.stored_columns]
        rowid = old.has_own_rowid and new.has_own_rowid
        found.append((name, columns, rowid, target.rows(reading(old, columns, rowid=rowid))))
    return found


def _faults(target: Target) -> set[Row]:
    """What the engine finds wrong; a generated column of a STRICT table may be, whatever anybody does."""
    references = target.rows('SELECT "table", count(*) FROM pragma_foreign_key_check GROUP BY 1')
    return {*references, *target.rows("SELECT * FROM pragma_integrity_check")}
