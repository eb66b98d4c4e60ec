"""Planning compares each pair of schemas once."""

from __future__ import annotations

import sys
from types import FrameType

from turso_deploy.catalog.catalog import Catalog, read_catalog
from turso_deploy.catalog.diff import diff
from turso_deploy.catalog.scratch import Scratch
from turso_deploy.plan.planner import make_plan
from turso_deploy.report.changes import object_changes
from turso_deploy.sql.schema import Schema, key_of

TABLES = ("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT)", "CREATE TABLE other (id INTEGER PRIMARY KEY)")
ADDED = ("CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT, pages INTEGER)", TABLES[1])


def catalog_of(*definitions: str) -> Catalog:
    scratch = Scratch()
    for sql in definitions:
        scratch.run(sql)
    catalog = read_catalog(scratch.rows(), scratch.shadows())
    scratch.close()
    return catalog


def test_a_plan_and_its_report_compare_each_pair_of_schemas_once() -> None:
    pairs: list[tuple[object, object]] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code is diff.__code__:
            pairs.append((_content(frame.f_locals["wanted"]), _content(frame.f_locals["live"])))

    wanted, live = catalog_of(*ADDED), catalog_of(*TABLES)
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        plan = make_plan(wanted.schema, live)
        object_changes(plan, live.schema)
    finally:
        sys.setprofile(before)
    # wanted to live, wanted to predicted, and predicted to live
    assert len(pairs) == 3
    assert [step.title for step in plan.steps] == ["books.pages"]


def _content(schema: Schema) -> object:
    return frozenset((key_of(item), item.sql) for item in schema.objects())
