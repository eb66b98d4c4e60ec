"""Permissions for hazards, as they are written."""

from __future__ import annotations

import pytest

from turso_deploy.core.errors import InputError
from turso_deploy.core.transaction import Failure, Query
from turso_deploy.database.engine_messages import showable
from turso_deploy.plan.hazards import Approval, Hazard, HazardName, blocking_error, parse_approvals, with_counts
from turso_deploy.sql.lexer import column_title


def test_permissions_are_for_every_object_or_for_one() -> None:
    assert parse_approvals(" drop-table:old , drop-column\nchange-type : t.a,") == (
        Approval(HazardName.DROP_TABLE, "old"),
        Approval(HazardName.DROP_COLUMN),
        Approval(HazardName.CHANGE_TYPE, "t.a"),
    )


def test_lines_of_a_yaml_list_are_approvals() -> None:
    assert parse_approvals("- drop-table:old\n  - drop-column:t.a\n-\n") == parse_approvals(
        "drop-table:old,drop-column:t.a"
    )


@pytest.mark.parametrize("written", ["drop-table:", "drop-column,drop-table: ", "drop-table:,drop-column"])
def test_a_permission_whose_object_is_empty_does_not_allow_everything(written: str) -> None:
    with pytest.raises(InputError, match=r"`drop-table:` names no object") as caught:
        parse_approvals(written)
    assert (
        caught.value.hint == "Write `drop-table:object` to approve one object, or `drop-table` to approve every object."
    )


@pytest.mark.parametrize("written", ["drop", "drop-tables", ":old", "DROP_TABLE"])
def test_a_hazard_that_does_not_exist_is_refused(written: str) -> None:
    with pytest.raises(InputError, match="There is no hazard") as caught:
        parse_approvals(written)
    assert "drop-table, drop-column" in str(caught.value.hint)


@pytest.mark.parametrize("written", ["drop-colum", "DROP_COLUMN", "dropcolumn:users.email"])
def test_a_misspelt_hazard_gets_the_one_that_is_like_it(written: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_approvals(written)
    assert str(caught.value.hint).startswith("Did you mean `drop-column`? The hazards are ")


@pytest.mark.parametrize(
    "name",
    [
        *("a,b", "t.a,drop-table", 'say "hi", twice', "two\nlines", ' "', " t ", 'a"b', "plain.column"),
        *('"a"', '"a.b".c', '"a.b"."c.d"', '"a,b"."c,d"'),
    ],
)
def test_a_permission_is_read_as_it_is_printed_whatever_the_object_is_called(name: str) -> None:
    permission = Approval(HazardName.DROP_COLUMN, name)
    assert parse_approvals(f"drop-table,{permission},change-type:t.a") == (
        Approval(HazardName.DROP_TABLE),
        permission,
        Approval(HazardName.CHANGE_TYPE, "t.a"),
    )


def test_a_permission_for_a_column_with_a_full_stop_is_written_as_it_is_told() -> None:
    assert parse_approvals('drop-column:"a.b"."c.d", drop-table:"a.b"') == (
        Approval(HazardName.DROP_COLUMN, column_title("a.b", "c.d")),
        Approval(HazardName.DROP_TABLE, "a.b"),
    )


@pytest.mark.parametrize(
    ("written", "covers"),
    [('"a"."b"', True), ("A.b", True), ('"a".B', True), ("a.b.c", False), ("a", False), ('"a.b"', True)],
)
def test_a_permission_covers_a_column_however_it_is_quoted(written: str, covers: bool) -> None:
    [permission] = parse_approvals(f"drop-column:{written}")
    assert permission.covers(Hazard(HazardName.DROP_COLUMN, "a.b", Query("SELECT 1"))) is covers


def test_of_very_many_hazards_a_refusal_tells_the_first_hundred_and_how_many_more() -> None:
    hazards = [Hazard(HazardName.DROP_COLUMN, f"t{number}.gone", Query("SELECT 1"), rows=1) for number in range(1_250)]
    error = blocking_error(hazards, ())
    assert error is not None
    assert error.message.splitlines()[-1] == "  and 1,150 more, which the command plan lists"
    assert len(error.message.splitlines()) == 102
    assert (
        error.hint == "To approve these hazards for every object (input `allow-hazards`): --allow-hazards drop-column"
    )
    assert blocking_error(hazards, parse_approvals("drop-column")) is None


def test_what_a_server_says_in_place_of_a_count_is_told_only_where_it_quotes_no_rows() -> None:
    hazard = Hazard(HazardName.ADD_CHECK, "t", Query("SELECT 1"))
    said = [Failure("malformed JSON", "SQLITE_ERROR"), Failure("no such hunter2", "SQLITE_ERROR")]
    known, unknown = with_counts([hazard, hazard], said, showable)
    assert str(known).endswith("(rows not counted: malformed JSON)")
    assert "hunter2" not in str(unknown)
