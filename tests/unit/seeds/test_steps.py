"""Seeds as steps: their order, their size, and the questions about parents. The integration tests do the writing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.seeds import load_csv_seeds
from turso_deploy.core.errors import DatabaseError, ErrorCode
from turso_deploy.core.transaction import Purpose, Rows, TransactionStep
from turso_deploy.deploy.seed_results import SeedResult, seed_results
from turso_deploy.seeds.packed_rows import pack
from turso_deploy.seeds.steps import SeedPlan, error_for_orphans, seed_steps
from turso_deploy.seeds.tables import SeedTable
from turso_deploy.seeds.trigger_effects import trigger_effects
from turso_deploy.seeds.upsert import CHUNK_BYTES

Plan = Callable[..., tuple[tuple[SeedTable, ...], SeedPlan]]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Make a schema, load CSV seeds by table, and plan their steps."""

    def plan(*schema: str, chunk_bytes: int = CHUNK_BYTES, **files: str) -> tuple[tuple[SeedTable, ...], SeedPlan]:
        seeds, wanted, scratch = load_csv_seeds(tmp_path / "schema", schema, files)
        return seeds, seed_steps(seeds, wanted, scratch.connection, trigger_effects(wanted), chunk_bytes=chunk_bytes)

    return plan


def writing(plan: SeedPlan) -> list[TransactionStep]:
    """The steps that look for parents and write rows, without those that stage and verify these."""
    return [step for step in plan.steps if step.label.startswith(("seed ", "parents ", "defer "))]


def labels(plan: SeedPlan) -> list[str]:
    return [step.label for step in writing(plan)]


A = "CREATE TABLE a (id INTEGER PRIMARY KEY, c_id INTEGER REFERENCES c (id))"
B = "CREATE TABLE b (id INTEGER PRIMARY KEY, c_id INTEGER REFERENCES c)"
C = "CREATE TABLE c (id INTEGER PRIMARY KEY, name TEXT)"


def test_parents_come_before_children_whatever_their_names(plan: Plan) -> None:
    _, made = plan(A, B, C, a="id,c_id\n1,1\n", b="id,c_id\n1,1\n", c="id\n1\n")
    assert labels(made) == ["seed c", "seed a", "seed b"]
    assert {step.purpose for step in writing(made)} == {Purpose.SEED}


def test_without_seeds_there_are_no_steps(plan: Plan) -> None:
    _, made = plan(C, c="id,name\n")
    assert made == SeedPlan()


def test_tables_that_refer_to_each_other_defer_the_foreign_keys(plan: Plan) -> None:
    _, made = plan(
        A,
        "CREATE TABLE c (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a (id))",
        a="id,c_id\n1,1\n",
        c="id,a_id\n1,1\n",
    )
    assert labels(made)[0] == "defer foreign keys"
    assert writing(made)[0].query.sql == "PRAGMA defer_foreign_keys = on"
    assert sorted(labels(made)[1:]) == ["seed a", "seed c"]


TREE = "CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree (id))"


def test_a_table_that_refers_to_itself_needs_no_deferral_in_one_statement(plan: Plan) -> None:
    _, made = plan(TREE, tree="id,up\n1,2\n2,\n")
    assert labels(made) == ["seed tree"]


def test_a_table_that_refers_to_itself_defers_when_it_takes_several_statements(plan: Plan) -> None:
    _, made = plan(TREE, tree="id,up\n1,2\n2,\n", chunk_bytes=5)
    assert labels(made) == ["defer foreign keys", "seed tree", "seed tree"]


def test_each_chunk_knows_the_line_of_its_first_row(plan: Plan) -> None:
    _, made = plan(C, c="id,name\n1,a\n\n2,b\n3,c\n", chunk_bytes=12)
    assert [str(step.place) for step in writing(made)] == [
        "schema/seeds/c.csv:2",
        "schema/seeds/c.csv:4",
        "schema/seeds/c.csv:5",
    ]


def test_chunks_keep_the_rows_in_order_and_the_limit() -> None:
    rows = [(number, "ä" * (number % 7)) for number in range(1_000)]
    runs = list(pack(rows).chunks(500))
    assert [tuple(row) for run in runs for row in json.loads(run.text)] == rows
    assert all(len(run.text.encode()) <= 500 for run in runs)
    assert all(tuple(json.loads(run.text)[0]) == rows[run.first] for run in runs)


def test_a_row_larger_than_a_chunk_travels_alone() -> None:
    rows = [("x",), ("y" * 100,), ("z",)]
    assert [chunk.first for chunk in pack(rows).chunks(20)] == [0, 1, 2]


def test_parents_among_the_seeds_are_not_asked_for(plan: Plan) -> None:
    _, made = plan(A, C, a="id,c_id\n1,1.0\n2,\n", c="id\n1\n")
    assert made.orphan_checks == ()


def test_each_parent_that_is_no_seed_is_asked_for_once(plan: Plan) -> None:
    _, made = plan(A, C, a="id,c_id\n1,7\n2,1\n3,8\n4,7\n", c="id\n1\n")
    assert labels(made) == ["seed c", "parents of a in c", "parents of a in c", "seed a"]
    assert [step.purpose for step in writing(made)[1:3]] == [Purpose.FIGURES, Purpose.CHECK]
    (check,) = made.orphan_checks
    assert [check.figures, check.check] == writing(made)[1:3]
    assert (check.file, check.lines) == ("schema/seeds/a.csv", (2, 4))
    assert json.loads(str(check.figures.query.arguments[0])) == [[7], [8]]


def test_missing_parents_are_explained_by_file_and_line_without_their_values(plan: Plan) -> None:
    _, made = plan(A, C, a="id,c_id\n1,7777\n2,8888\n3,9999\n")
    error = error_for_orphans(made.orphan_checks[0], Rows(("key",), ((2,), (0,))))
    assert isinstance(error, DatabaseError)
    assert (error.code, error.committed, str(error.place)) == (ErrorCode.SEED_INVALID, False, "schema/seeds/a.csv:2")
    assert error.message == (
        "The seeds cannot be used: `c_id` refers to a row of `c` that is neither among the seeds nor in the database; "
        "likewise line 4."
    )


def test_a_composite_key_is_compared_as_a_whole_and_null_refers_to_nothing(plan: Plan) -> None:
    _, made = plan(
        "CREATE TABLE p (x TEXT COLLATE NOCASE, y INTEGER, PRIMARY KEY (x, y))",
        "CREATE TABLE k (id INTEGER PRIMARY KEY, kx TEXT, ky INTEGER, FOREIGN KEY (kx, ky) REFERENCES p)",
        p="x,y\na,1\nb,2\n",
        k="id,kx,ky\n1,A,1\n2,b,2.0\n3,a,2\n4,,9\n5,zz,\n",
    )
    (check,) = made.orphan_checks
    assert (check.columns, check.lines) == (("kx", "ky"), (4,))


def test_a_reference_column_that_is_left_out_is_left_to_the_engine(plan: Plan) -> None:
    _, made = plan(A, C, a="id\n1\n")
    assert labels(made) == ["seed a"]


def test_written_and_unchanged_rows_are_counted_over_all_chunks(plan: Plan) -> None:
    seeds, made = plan(A, C, a="id,c_id\n1,1\n", c="id,name\n1,a\n2,b\n3,c\n", chunk_bytes=22)
    assert labels(made) == ["seed c", "seed c", "seed a"]
    results = {"seed c": 1, "seed a": 0}
    affected = [Rows(affected=results.get(step.label, 5)) for step in made.steps]
    assert seed_results(seeds, made.steps, affected) == (SeedResult("a", 0, 0, 1), SeedResult("c", 2, 0, 1))


def test_rows_of_a_table_that_triggers_write_to_stay_staged_until_all_seeds_are_written(plan: Plan) -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE c SET name = 'x' WHERE id = new.c_id; END"
    _, made = plan(A, C, trigger, a="id,c_id\n1,1\n", c="id,name\n1,a\n")
    assert [step.label for step in made.first] == [
        "create the staging table of the seeds",
        "stage seeds of c",
        "stage seeds of a",
    ]
    order = [step.label for step in made.steps]
    assert order.index("seed a") < order.index("verify seeds of c")
    [verification] = [step.query.sql for step in made.steps if step.label == "verify seeds of c"]
    assert '"name"' not in verification, "the trigger assigns it"


def test_rows_of_a_table_that_nothing_else_writes_to_are_verified_chunk_by_chunk(plan: Plan) -> None:
    _, made = plan(C, c="id,name\n1,a\n2,b\n", chunk_bytes=8)
    assert [step.label for step in made.first] == ["create the staging table of the seeds"]
    assert [step.label for step in made.steps] == [
        *["stage seeds of c", "seed c", "verify seeds of c"] * 2,
        *["every seed row is in the database"] * 2,
        "drop the staging table of the seeds",
    ]
