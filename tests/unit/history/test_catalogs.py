"""The catalogs in the deployment history: they are restored as they were stored, or not at all."""

from __future__ import annotations

import json
import zlib
from hashlib import sha256
from typing import Any

import pytest

from tests.support.catalogs import catalog_of
from tests.support.schema_folders import shipped_project
from turso_deploy.catalog.catalog import read_catalog
from turso_deploy.history import catalogs
from turso_deploy.history.catalogs import deployed_catalog, restore, store
from turso_deploy.history.table import create_step

STATEMENTS = (
    "CREATE TABLE t (a UNIQUE, b TEXT DEFAULT 'ä ''quoted''')",
    "CREATE INDEX t_b ON t (b) /* a\ncomment */",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END",
)


def packed(document: Any) -> tuple[str, bytes]:
    text = json.dumps(document).encode()
    return sha256(text).hexdigest(), zlib.compress(text)


def test_catalog_is_restored_as_it_was_stored() -> None:
    catalog = catalog_of(*STATEMENTS, create_step().query.sql)
    stored = store(deployed_catalog(catalog, ["log_*"]))
    assert stored.content is not None
    found = restore(stored.fingerprint, stored.content)
    assert found.ignored == ("log_*",)
    assert [(row.kind, row.name, row.sql) for row in found.rows] == [
        (row.kind, row.name, row.sql) for row in catalog.rows if row.sql and row.name != "schema_deployments"
    ]
    assert found.read().schema == catalog.schema


def test_shadow_and_internal_tables_are_not_stored() -> None:
    catalog = catalog_of(
        "CREATE VIRTUAL TABLE f USING fts5(a)", "CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT)"
    )
    assert [row.name for row in deployed_catalog(catalog, ()).rows] == ["f", "n"]


def test_stored_catalog_of_the_shipped_schema_is_small() -> None:
    scratch = shipped_project().scratch
    stored = store(deployed_catalog(read_catalog(scratch.rows(), scratch.shadows()), ()))
    assert stored.content is not None
    assert len(stored.content) < 5_500
    assert 20_000 < len(zlib.decompress(stored.content)) < 28_000


def test_same_catalog_has_the_same_fingerprint_and_another_one_does_not() -> None:
    first, again = (store(deployed_catalog(catalog_of(*STATEMENTS), ())) for _ in range(2))
    other = store(deployed_catalog(catalog_of(*STATEMENTS[:-1]), ()))
    assert first == again
    assert first.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    "document",
    [
        [],
        None,
        "text",
        {},
        {"objects": []},
        {"objects": 1, "ignore": []},
        {"objects": [["table", "t", "t"]], "ignore": []},
        {"objects": [["table", "t", "t", None]], "ignore": []},
        {"objects": [["table", "t", "t", "CREATE TABLE t (a)", ""]], "ignore": []},
        {"objects": [], "ignore": [1]},
    ],
)
def test_catalog_of_another_form_is_damaged(document: Any) -> None:
    with pytest.raises(ValueError, match=r"it has another form|it holds another value"):
        restore(*packed(document))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: b"", "cut"),
        (lambda content: b"not compressed", "not compressed"),
        (lambda content: content[:-5], "cut"),
        (lambda content: content[: len(content) // 2], "cut"),
        (lambda content: content + b"\0", "too long"),
        (lambda content: zlib.compress(b"{}"), "fingerprint"),
        (lambda content: zlib.compress(zlib.decompress(content).replace(b"v", b"w")), "fingerprint"),
    ],
)
def test_damaged_content_is_not_restored(change: Any, reason: str) -> None:
    stored = store(deployed_catalog(catalog_of(*STATEMENTS), ()))
    with pytest.raises(ValueError, match=reason):
        restore(stored.fingerprint, change(stored.content))


def test_content_that_grows_without_bound_is_not_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogs, "MAX_CATALOG_SIZE", 1000)
    with pytest.raises(ValueError, match="too long"):
        restore("0", zlib.compress(b" " * 1_000_000))


def test_catalog_with_sql_that_cannot_be_read_is_damaged() -> None:
    found = restore(*packed({"objects": [["table", "t", "t", "CREATE TABLE t ("]], "ignore": []}))
    with pytest.raises(ValueError, match="table t"):
        found.read()
