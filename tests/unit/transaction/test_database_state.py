"""The live database as it is read, and the guard that knows when it has changed since."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.errors import DatabaseError
from turso_deploy.core.transaction import Failure, Purpose, Rows
from turso_deploy.history.entries import HistoryEntry, entry_step
from turso_deploy.history.table import create_step
from turso_deploy.transaction.database_state import STATE_QUERIES, DatabaseState, guard_step, parse_state

DATABASE = ("CREATE TABLE t (a UNIQUE)", "CREATE INDEX i ON t (a)", "CREATE VIEW v AS SELECT 'it''s' FROM t")
HISTORY = create_step().query.sql


@pytest.fixture
def scratch() -> Scratch:
    scratch = Scratch()
    for sql in DATABASE:
        scratch.run(sql)
    return scratch


def answers(scratch: Scratch) -> list[Rows | Failure]:
    found: list[Rows | Failure] = []
    for query in STATE_QUERIES:
        try:
            found.append(scratch.query(query))
        except ScratchError as error:
            found.append(Failure(error.message, "SQLITE_ERROR"))
    return found


def read(scratch: Scratch, ignore: Sequence[str] = ()) -> DatabaseState:
    return parse_state(answers(scratch), ignore)


def deployed(scratch: Scratch, deployment_id: str) -> None:
    entry = HistoryEntry(
        id=deployment_id,
        deployed_at="2026-01-02T03:04:05.678Z",
        schema_version=None,
        schema_fingerprint="f",
        seeds={},
        managed=frozenset(),
        scripts={},
        tool_version="1",
        plan_summary={},
    )
    scratch.query(entry_step(entry).query)


def passes(live: DatabaseState, scratch: Scratch) -> bool:
    step = guard_step(live)
    assert step.purpose is Purpose.GUARD
    try:
        return scratch.query(step.query).rows == (("ok",),)
    except ScratchError as error:
        if error.message not in ("malformed JSON", "no such table: schema_deployments"):
            raise
        return False


def by_version(live: DatabaseState) -> DatabaseState:
    assert live.schema_version is not None
    return live


def by_catalog(live: DatabaseState) -> DatabaseState:
    """What a server that does not tell its schema version leaves us."""
    return live._replace(schema_version=None)


Form = Callable[[DatabaseState], DatabaseState]
forms = pytest.mark.parametrize("form", [by_version, by_catalog])


def test_a_database_that_was_never_deployed_to(scratch: Scratch) -> None:
    live = read(scratch)
    assert list(live.catalog.schema.all_tables) == ["t"]
    assert live.last_deployment is None
    assert not live.catalog.has_history


def test_what_was_deployed_last_is_read_along(scratch: Scratch) -> None:
    scratch.run(HISTORY)
    assert read(scratch).last_deployment is None
    deployed(scratch, "first")
    deployed(scratch, "second")
    last = read(scratch).last_deployment
    assert last is not None
    assert last.id == "second"


def test_what_the_manifest_ignores_is_ignored(scratch: Scratch) -> None:
    assert list(read(scratch, ["t"]).catalog.schema.views) == ["v"]
    assert not read(scratch, ["t"]).catalog.schema.all_tables


def test_a_catalog_that_cannot_be_read_is_a_failure(scratch: Scratch) -> None:
    failure = Failure("no", "SQLITE_AUTH")
    version, deployments, _, *others = answers(scratch)
    with pytest.raises(DatabaseError, match=r"The schema of the database could not be read: .*SQLITE_AUTH"):
        parse_state([version, deployments, failure, *others], [])


def test_a_history_that_is_there_and_cannot_be_read_is_a_failure(scratch: Scratch) -> None:
    scratch.run("CREATE TABLE schema_deployments (number, id, schema_fingerprint, managed_objects)")
    with pytest.raises(DatabaseError, match=r"is not the deployment history of turso-deploy: .*no such column"):
        parse_state(answers(scratch), [])


def test_a_server_that_tells_neither_shadows_nor_its_version_is_read(scratch: Scratch) -> None:
    _, deployments, catalog, _, baseline, clock, *_ = answers(scratch)
    refused = Failure("not authorized", "SQLITE_AUTH")
    live = parse_state([refused, deployments, catalog, refused, baseline, clock, refused, refused], [])
    assert live.engine is None
    assert live.schema_version is None
    assert passes(live, scratch)


@pytest.mark.parametrize("with_history", [False, True])
@pytest.mark.parametrize("moment", range(1, len(STATE_QUERIES)))
def test_a_deployment_between_two_of_the_reads_is_caught_by_the_guard(
    scratch: Scratch, moment: int, with_history: bool
) -> None:
    if with_history:
        scratch.run(HISTORY)
        deployed(scratch, "first")
    before = answers(scratch)
    scratch.run("CREATE TABLE theirs (a)")
    if not with_history:
        scratch.run(HISTORY)
    deployed(scratch, "theirs")
    live = parse_state([*before[:moment], *answers(scratch)[moment:]], [])
    assert isinstance(live, DatabaseState)
    assert not passes(live, scratch)


@forms
@pytest.mark.parametrize("with_history", [False, True])
def test_the_guard_lets_an_unchanged_database_pass(scratch: Scratch, form: Form, with_history: bool) -> None:
    if with_history:
        scratch.run(HISTORY)
        assert passes(form(read(scratch)), scratch)  # made and still empty
        deployed(scratch, "one")
    live = form(read(scratch))
    scratch.run("INSERT INTO t VALUES (1)")
    assert passes(live, scratch)


@forms
def test_the_guard_lets_an_empty_database_pass(form: Form) -> None:
    scratch = Scratch()
    assert passes(form(read(scratch)), scratch)


@forms
@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE u (a)",
        "DROP VIEW v",
        "DROP INDEX i",
        "ALTER TABLE t ADD COLUMN b",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
        HISTORY,
    ],
)
def test_the_guard_stops_at_every_change_of_the_schema(scratch: Scratch, form: Form, change: str) -> None:
    live = form(read(scratch))
    scratch.run(change)
    assert not passes(live, scratch)


@forms
def test_the_guard_stops_when_one_object_took_the_place_of_another(scratch: Scratch, form: Form) -> None:
    live = form(read(scratch))
    scratch.run("DROP VIEW v")
    scratch.run("CREATE VIEW v AS SELECT 'its' FROM t")
    assert not passes(live, scratch)


@forms
def test_the_guard_stops_after_a_deployment_that_changed_no_schema(scratch: Scratch, form: Form) -> None:
    scratch.run(HISTORY)
    empty = form(read(scratch))
    deployed(scratch, "one")
    assert not passes(empty, scratch)
    first = form(read(scratch))
    deployed(scratch, "two")
    assert not passes(first, scratch)


@forms
def test_the_guard_stops_when_the_history_is_gone(scratch: Scratch, form: Form) -> None:
    scratch.run(HISTORY)
    deployed(scratch, "one")
    live = form(read(scratch))
    scratch.run("DROP TABLE schema_deployments")
    assert not passes(live, scratch)


def test_database_of_the_engine_of_turso_is_an_error(scratch: Scratch) -> None:
    *others, _, modules = answers(scratch)
    functions = Rows(("f",), (('["upper 1", "turso_version 0"]',),))
    with pytest.raises(DatabaseError, match=r"runs on Turso's own engine") as raised:
        parse_state([*others, functions, modules], [])
    assert raised.value.code == "engine-unsupported"
