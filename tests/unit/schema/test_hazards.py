"""Permissions for hazards, as they are written."""

from __future__ import annotations

import pytest

from turso_deploy.errors import InputError
from turso_deploy.schema.hazards import HazardName, Permission, parse_permissions


def test_permissions_are_for_every_object_or_for_one() -> None:
    assert parse_permissions(" drop-table:old , drop-column\nchange-type : t.a,") == (
        Permission(HazardName.DROP_TABLE, "old"),
        Permission(HazardName.DROP_COLUMN),
        Permission(HazardName.CHANGE_TYPE, "t.a"),
    )


@pytest.mark.parametrize("written", ["drop-table:", "drop-column,drop-table: ", "drop-table:,drop-column"])
def test_a_permission_whose_object_is_empty_does_not_allow_everything(written: str) -> None:
    with pytest.raises(InputError, match=r"`drop-table:` names no object") as caught:
        parse_permissions(written)
    assert caught.value.hint == "Write `drop-table:object` for one object, or `drop-table` to allow every one."


@pytest.mark.parametrize("written", ["drop", "drop-tables", ":old", "DROP_TABLE"])
def test_a_hazard_that_does_not_exist_is_refused(written: str) -> None:
    with pytest.raises(InputError, match="There is no hazard") as caught:
        parse_permissions(written)
    assert "drop-table, drop-column" in str(caught.value.hint)
