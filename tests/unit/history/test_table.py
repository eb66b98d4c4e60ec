"""The table of the deployment history, as the catalog of a database describes it."""

from __future__ import annotations

import pytest

from turso_deploy.catalog.catalog import HISTORY_TABLE, Catalog
from turso_deploy.catalog.rows import CatalogRow
from turso_deploy.core.errors import DatabaseError
from turso_deploy.history.table import create_step, history_form, require_reliable
from turso_deploy.sql.schema import Schema


def catalog(sql: str) -> Catalog:
    return Catalog((CatalogRow("table", HISTORY_TABLE, HISTORY_TABLE, sql),), Schema({}, {}, {}, {}), has_history=True)


def test_history_that_this_program_creates_needs_nothing() -> None:
    assert history_form(catalog(create_step().query.sql)) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("NOT NULL", "NOT NU"),
        ("UNIQUE", "CHECK"),
        ("UNIQUE", "UNIQUE schema_version"),
        ("PRIMARY", "DEFERRABLE"),
    ],
)
def test_history_whose_definition_cannot_be_read_is_damaged(text: str, changed: str) -> None:
    sql = create_step().query.sql.replace(text, changed, 1)
    with pytest.raises(DatabaseError, match=f"The definition of {HISTORY_TABLE}, .*, cannot be read: ") as raised:
        require_reliable(catalog(sql))
    assert raised.value.code == "history-damaged"
