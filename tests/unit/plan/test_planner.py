"""Plans that only add: exactly what is missing, in an order that runs, and the catalog that they lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.catalogs import catalog_of
from tests.support.schema_folders import shipped_project
from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.history.table import create_step
from turso_deploy.plan.plan import Plan
from turso_deploy.plan.planner import make_plan
from turso_deploy.sql.splitter import split

DRIZZLE = Path(__file__).parents[2] / "cases" / "drizzle-2.2.0.sql"
WANTED = (
    "CREATE TABLE parents (id INTEGER PRIMARY KEY AUTOINCREMENT)",
    "CREATE TABLE children (id INTEGER PRIMARY KEY, parent REFERENCES parents)",
    "CREATE VIRTUAL TABLE search USING fts5 (text)",
    "CREATE INDEX children_parent ON children (parent)",
    "CREATE VIEW v AS SELECT * FROM children",
    "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN SELECT 1; END",
)


def plan_for(wanted: Sequence[str], live: Sequence[str] = (), ignore: Sequence[str] = ()) -> Plan:
    return make_plan(catalog_of(*wanted).schema, catalog_of(*live), ignore=ignore)


def made(plan: Plan) -> list[str]:
    return [f"{step.kind} {step.title}" for step in plan.all_steps]


def predicted(plan: Plan) -> set[str]:
    return {f"{item.kind} {item.name}" for item in plan.predicted.schema.objects()}


def test_an_empty_database_gets_everything_in_an_order_that_runs() -> None:
    plan = plan_for(WANTED)
    assert made(plan) == [
        "create table parents",
        "create table children",
        "create table search",
        "create index children_parent",
        "create view v",
        "create trigger r",
    ]
    assert [step.sql for step in plan.steps] == list(WANTED)
    assert not plan.hazards
    assert plan.keeps_foreign_keys_on
    assert len(predicted(plan)) == len(WANTED)


@pytest.mark.parametrize("left_out", range(3, len(WANTED)))
def test_only_what_is_missing_is_made(left_out: int) -> None:
    live = list(WANTED[:left_out])
    assert [step.sql for step in plan_for(WANTED, live).steps] == list(WANTED[left_out:])


def test_a_database_that_has_everything_gets_nothing() -> None:
    respelt = [sql.replace("CREATE TABLE children", 'CREATE TABLE "children" /* ours */') for sql in WANTED]
    plan = plan_for(WANTED, respelt)
    assert not plan.all_steps
    assert plan.predicted.rows == catalog_of(*respelt).rows


def test_what_the_schema_folder_does_not_define_is_reported_and_left() -> None:
    others = ("CREATE TABLE theirs (a)", "CREATE INDEX theirs_a ON theirs (a)", "CREATE TABLE skipped (a)")
    plan = make_plan(
        catalog_of(*WANTED).schema,
        read_catalog(catalog_of(*others).rows, ignore=["skip*"]),
        ignore=["skip*"],
    )
    assert [item.name for item in plan.unmanaged] == ["theirs", "theirs_a"]
    assert {"table theirs", "index theirs_a"} < predicted(plan)
    assert ("table", "skipped") in plan.predicted.uncounted
    assert not [step for step in plan.steps if step.object in ("theirs", "theirs_a", "skipped")]


def test_what_never_counts_before_never_counts_after() -> None:
    """Statistics, storage of vector indexes and the deployment history pass through the rehearsal."""
    live = catalog_of("CREATE TABLE t (a)", "CREATE INDEX t_a ON t (a)", create_step().query.sql, "ANALYZE")
    vector = [
        CatalogRow("index", "near", "t", "CREATE INDEX near ON t (libsql_vector_idx(a))"),
        CatalogRow("table", "near_shadow", "near_shadow", "CREATE TABLE near_shadow (a)"),
        CatalogRow("index", "near_shadow_idx", "near_shadow", "CREATE INDEX near_shadow_idx ON near_shadow (a)"),
    ]
    plan = make_plan(catalog_of(*WANTED).schema, read_catalog([*live.rows, *vector]))
    assert predicted(plan) == predicted(plan_for(WANTED)) | {"table t", "index t_a", "index near"}
    assert {
        ("table", "sqlite_stat1"),
        ("table", "schema_deployments"),
        ("table", "near_shadow"),
        ("index", "near_shadow_idx"),
    } < plan.predicted.uncounted


def test_a_table_of_a_module_that_only_the_server_has_stays_and_counts() -> None:
    unknown = CatalogRow("table", "geo", "geo", "CREATE VIRTUAL TABLE geo USING their_module (a)")
    plan = make_plan(catalog_of(*WANTED).schema, read_catalog([unknown]))
    assert "table geo" in predicted(plan)
    assert [item.name for item in plan.unmanaged] == ["geo"]


def test_a_database_of_drizzle_is_only_added_to() -> None:
    live = catalog_of(*(statement.text for statement in split(DRIZZLE.read_text(encoding="utf-8"))))
    plan = make_plan(shipped_project().wanted, live)
    assert Counter(step.kind for step in plan.all_steps) == {"create index": 32, "create view": 3, "create trigger": 2}
    assert "users_username_unique" not in {step.object for step in plan.all_steps}
    assert not plan.hazards
    assert not plan.unmanaged


def test_every_step_names_the_line_that_wants_it() -> None:
    plan = make_plan(shipped_project().wanted, catalog_of())
    assert len(plan.steps) == 12 + 33 + 3 + 2
    for step in plan.steps:
        assert step.place is not None
        file = Path(step.place.file)
        assert step.place.line is not None
        assert step.object in file.read_text(encoding="utf-8").splitlines()[step.place.line - 1]


def test_each_of_many_columns_with_a_check_has_its_own_hazard() -> None:
    live = [f"c{number} TEXT" for number in range(200)]
    new = [f"n{number} TEXT CHECK (n{number} <> '')" for number in range(200)]
    plan = plan_for([f"CREATE TABLE t ({', '.join([*live, *new])})"], [f"CREATE TABLE t ({', '.join(live)})"])
    assert [hazard.object for hazard in plan.hazards] == [f"t.n{number}" for number in range(200)]
    assert [step.hazards[0].object for step in plan.steps] == [step.title for step in plan.steps]


def test_of_many_tables_that_may_be_the_renamed_one_a_few_are_named() -> None:
    live = catalog_of(*(f"CREATE TABLE t{number} (a, b)" for number in range(100)))
    managed = frozenset(f"table t{number}" for number in range(100))
    wanted = catalog_of(*(f"CREATE TABLE u{number} (a, b)" for number in range(100))).schema
    remedies = [hazard.remedy for hazard in make_plan(wanted, live, managed=managed).hazards]
    assert remedies[7] == (
        "If the table t7 was renamed to u0 or u1 or u2 or u3 or u4 or another, write there: `-- @renamed from=t7`."
    )
