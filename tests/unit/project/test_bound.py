"""Bounds: what the manifest may write, and which counts they let through."""

from __future__ import annotations

import pytest

from turso_deploy.project.bound import Bound, parse_bound


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        (12, 12, 12),
        (0, 0, 0),
        ("12", 12, 12),
        (">=20", 20, None),
        (" >= 20 ", 20, None),
        ("<=40", 0, 40),
        ("20..40", 20, 40),
        ("20 .. 40", 20, 40),
        ("7..7", 7, 7),
    ],
)
def test_a_bound_is_read(written: object, low: int, high: int | None) -> None:
    bound = parse_bound(written)
    assert (bound.low, bound.high) == (low, high)
    assert str(bound) == str(written).strip()
    assert parse_bound(bound) is bound


@pytest.mark.parametrize(
    "written",
    [
        -1,
        2.5,
        True,
        None,
        [],
        "",
        "many",
        ">20",
        "=20",
        "-1",
        "1_000",
        "٣",
        ">=",
        "..",
        "1..",
        "..5",
        "1...5",
        "1..2..3",
    ],
)
def test_what_is_no_bound_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="bound"):
        parse_bound(written)


def test_a_bound_that_no_count_can_keep_is_refused() -> None:
    with pytest.raises(ValueError, match=r'"5..3" is empty: 3 is less than 5'):
        parse_bound("5..3")


def test_a_bound_fits_into_the_numbers_of_sql() -> None:
    assert parse_bound("<=" + "9" * 18).enough == 10**18 < 2**63
    with pytest.raises(ValueError, match="at most 18 digits"):
        parse_bound(">=" + "9" * 19)
    with pytest.raises(ValueError, match="at most 18 digits"):
        parse_bound("9" * 5000)


@pytest.mark.parametrize(
    ("written", "inside", "outside"),
    [(3, [3], [2, 4]), (">=3", [3, 900], [0, 2]), ("<=3", [0, 3], [4]), ("2..4", [2, 3, 4], [1, 5])],
)
def test_a_bound_holds_within_its_ends(written: object, inside: list[int], outside: list[int]) -> None:
    bound = parse_bound(written)
    assert all(map(bound.holds, inside))
    assert not any(map(bound.holds, outside))


@pytest.mark.parametrize("written", [0, 3, ">=3", ">=0", "<=3", "2..4"])
def test_no_more_rows_are_counted_than_decide(written: object) -> None:
    bound = parse_bound(written)
    for rows in range(10):
        assert bound.holds(min(rows, bound.enough)) is bound.holds(rows)


def test_a_lower_bound_counts_no_further_than_itself() -> None:
    assert Bound(20, None, ">=20").enough == 20


def test_bounds_are_equal_when_they_are_written_alike() -> None:
    assert parse_bound(">=20") == Bound(20, None, ">=20")
    assert len({parse_bound("20..40"), parse_bound("20..40"), parse_bound("20")}) == 2
