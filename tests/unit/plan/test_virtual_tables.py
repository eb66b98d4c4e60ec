"""Full-text indexes that get their content elsewhere, or not any more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.catalogs import catalog_of
from turso_deploy.plan.hazards import HazardName
from turso_deploy.plan.planner import make_plan

OF_A_TABLE = "CREATE VIRTUAL TABLE words USING fts5 (a, content = 't', content_rowid = 'id')"


@pytest.mark.parametrize("content", [[], ["CREATE TABLE t (id INTEGER PRIMARY KEY)"]], ids=["no table", "no column"])
def test_an_index_whose_content_cannot_be_read_is_made_without_it(content: Sequence[str]) -> None:
    wanted = catalog_of(*content, "CREATE VIRTUAL TABLE words USING fts5 (a)").schema
    plan = make_plan(wanted, catalog_of(*content, OF_A_TABLE))
    assert [f"{step.kind} {step.title}" for step in plan.steps] == ["replace table words"]
    assert [hazard.name for hazard in plan.hazards] == [HazardName.DROP_TABLE]


def test_the_rows_of_an_index_that_keeps_its_content_are_proven() -> None:
    live = catalog_of("CREATE VIRTUAL TABLE words USING fts5 (a, b)")
    plan = make_plan(catalog_of("CREATE VIRTUAL TABLE words USING fts5 (a)").schema, live)
    assert [f"{step.kind} {step.title}" for step in plan.steps] == ["rebuild table words"]
    assert plan.tables_with_verified_rows == ("words",)
