"""The deployment history: what is written is what is read, and the fingerprints know what matters."""

from __future__ import annotations

import pytest

from tests.support.catalogs import catalog_of
from turso_deploy.catalog.scratch import Scratch, ScratchError
from turso_deploy.core.transaction import Purpose, Query, Rows, Value
from turso_deploy.history.entries import HistoryEntry, Provenance, entry_step, is_committed, lookup_query
from turso_deploy.history.last_deployment import (
    LAST_DEPLOYMENT_QUERY,
    managed_names,
    parse_last_deployment,
    schema_fingerprint,
    seeds_fingerprint,
)
from turso_deploy.history.table import create_step
from turso_deploy.sql.schema import Schema

ENTRY = HistoryEntry(
    id="0199",
    deployed_at="2026-01-02T03:04:05.678Z",
    schema_version="2.2.0",
    schema_fingerprint="f" * 64,
    seeds={"users": "1" * 64, 'it\'s "odd"': "2" * 64},
    managed=frozenset({"table users", "index i'1"}),
    scripts={},
    tool_version="1.0.0",
    plan_summary={"create table": 12},
)


@pytest.fixture
def scratch() -> Scratch:
    scratch = Scratch()
    scratch.run(create_step().query.sql)
    return scratch


def schema_of(*statements: str) -> Schema:
    return catalog_of(*statements).schema


def write(scratch: Scratch, entry: HistoryEntry) -> None:
    step = entry_step(entry)
    assert step.purpose is Purpose.HISTORY
    scratch.query(step.query)


def test_the_last_deployment_is_read_as_it_was_written(scratch: Scratch) -> None:
    write(scratch, ENTRY._replace(id="before", schema_version=None))
    write(scratch, ENTRY)
    last = parse_last_deployment(scratch.query(LAST_DEPLOYMENT_QUERY))
    assert last is not None
    assert (last.id, last.schema_version, last.schema_fingerprint) == ("0199", "2.2.0", "f" * 64)
    assert (last.seeds, last.managed) == (ENTRY.seeds, ENTRY.managed)


@pytest.mark.parametrize(
    ("column", "text"),
    [("seeds", "{"), ("seeds", "[]"), ("seeds", '{"t": 1}'), ("managed_objects", "{}"), ("scripts", '["a"]')],
)
def test_a_damaged_history_is_not_read(scratch: Scratch, column: str, text: str) -> None:
    write(scratch, ENTRY)
    scratch.query(Query(f"UPDATE schema_deployments SET {column} = ?1", (text,)))
    with pytest.raises(ValueError, match="validation error"):
        parse_last_deployment(scratch.query(LAST_DEPLOYMENT_QUERY))


def test_an_empty_history_knows_no_deployment(scratch: Scratch) -> None:
    assert parse_last_deployment(scratch.query(LAST_DEPLOYMENT_QUERY)) is None


def test_a_database_without_a_history_says_so() -> None:
    with pytest.raises(ScratchError, match="no such table: schema_deployments"):
        Scratch().query(LAST_DEPLOYMENT_QUERY)


def test_a_deployment_is_looked_up_by_its_id(scratch: Scratch) -> None:
    write(scratch, ENTRY)
    assert is_committed("0199", scratch.query(lookup_query("0199")))
    assert not is_committed("0198", scratch.query(lookup_query("0198")))


@pytest.mark.parametrize(
    "rows", [(), ((),), ((1,),), (("committed",),), (("committed 0198",),), (("not committed ",),)]
)
def test_answer_that_does_not_name_the_deployment_decides_nothing(rows: tuple[tuple[Value, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"answer|unpack"):
        is_committed("0199", Rows(("answer",), rows))


def test_one_deployment_is_written_once(scratch: Scratch) -> None:
    write(scratch, ENTRY)
    with pytest.raises(ScratchError, match="UNIQUE"):
        write(scratch, ENTRY)


def test_who_deployed_from_where_is_kept(scratch: Scratch) -> None:
    run = "https://example.invalid/1"
    write(scratch, ENTRY._replace(provenance=Provenance("abc", "refs/tags/v1", run, "ada")))
    columns = "commit_sha, ref, run_url, actor, tool_version, plan_summary"
    row = scratch.query(Query(f"SELECT {columns} FROM schema_deployments")).rows
    assert row == (("abc", "refs/tags/v1", run, "ada", "1.0.0", '{"create table":12}'),)


def test_the_fingerprint_of_a_schema_is_of_its_objects_and_not_of_their_order() -> None:
    first = schema_of("CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE VIEW v AS SELECT 1")
    second = schema_of("CREATE VIEW v AS SELECT 1", "CREATE TABLE b (x)", "CREATE TABLE a (x)")
    other = schema_of("CREATE TABLE a (y)", "CREATE TABLE b (x)", "CREATE VIEW v AS SELECT 1")
    assert schema_fingerprint(first) == schema_fingerprint(second)
    assert schema_fingerprint(first) != schema_fingerprint(other)
    assert len(schema_fingerprint(first)) == 64


def test_the_fingerprint_of_all_seeds_changes_with_each() -> None:
    seeds = {"a": "1", "b": "2"}
    assert seeds_fingerprint(seeds) == seeds_fingerprint({"b": "2", "a": "1"})
    assert seeds_fingerprint(seeds) != seeds_fingerprint({"a": "2", "b": "1"})


def test_managed_objects_are_named_by_their_kind() -> None:
    schema = schema_of("CREATE TABLE Users (a)", "CREATE INDEX i ON users (a)", "CREATE VIEW v AS SELECT 1")
    assert managed_names(schema) == {"table Users", "index i", "view v"}
