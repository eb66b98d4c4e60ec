"""What others write: taken strictly, and refused with everything that is wrong at its place."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct, field

from turso_deploy.core.validation import ValidationError, field_type, validate


class Even:
    """A type that msgspec does not know."""

    def __init__(self, number: int) -> None:
        self.number = number


def read(_: Any, value: Any) -> Even:
    if not isinstance(value, int) or value % 2:
        raise ValueError("expected an even number")
    return Even(value)


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    start: str = field(name="from")
    count: Annotated[int, Meta(ge=1, le=9)] = 1


class Whole(Struct, frozen=True, forbid_unknown_fields=True):
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    named: dict[str, tuple[str, ...]] = {}
    even: Even | None = None
    evens: dict[str, Even] = {}
    choice: Literal["a", "b", "c"] = "a"
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    switch: bool = False
    title: Annotated[str, Meta(min_length=2)] | None = None
    anything: dict[str, Any] = {}


def faults(value: Any) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(ValidationError) as caught:
        validate(value, Whole, read)
    assert str(caught.value) == "; ".join(fault.message for fault in caught.value.issues)
    return {fault.path: fault.message for fault in caught.value.issues}


def test_what_is_right_is_taken() -> None:
    written = {"part": {"from": "x"}, "parts": [{"from": "y", "count": 9}], "even": 4, "named": {"n": []}}
    whole = validate(written, Whole, read)
    assert whole.part == Part("x")
    assert whole.parts == (Part("y", 9),)
    assert whole.even is not None
    assert whole.even.number == 4
    assert whole.named == {"n": ()}
    assert validate({"part": None, "even": None, "title": None}, Whole, read) == Whole()


def test_everything_that_is_wrong_is_told_in_the_order_of_what_was_written() -> None:
    told = faults({"evens": {"b": 3, "a": 2}, "prat": 1, "parts": [{"count": 0}, {"from": 1, "to": 2}, "x"]})
    assert list(told.items()) == [
        (("evens", "b"), "`evens.b`: expected an even number"),
        (
            ("prat",),
            "unknown key `prat`; known here: part, parts, named, even, evens, choice, share, switch, title, anything",
        ),
        (("parts", 0, "count"), "`parts.0.count`: expected an integer, at least 1 and at most 9"),
        (("parts", 0, "from"), "`parts.0.from` is missing"),
        (("parts", 1, "from"), "`parts.1.from` must be text: write the value in quotes"),
        (("parts", 1, "to"), "unknown key `parts.1.to`; known here: from, count"),
        (("parts", 2), "`parts.2`: expected a mapping"),
    ]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("part", [], "`part`: expected a mapping"),
        ("parts", {}, "`parts`: expected a list"),
        ("parts", None, "`parts`: expected a list"),
        ("named", [], "`named`: expected a mapping"),
        ("even", 3, "`even`: expected an even number"),
        ("evens", {"a": None}, "`evens.a`: expected an even number"),
        ("choice", "d", "`choice`: expected `a`, `b` or `c`"),
        ("share", 0, "`share`: expected a number, greater than 0 and at most 1"),
        ("share", float("nan"), "`share`: expected a number, greater than 0 and at most 1"),
        ("switch", "true", "`switch`: expected `true` or `false`"),
        ("switch", 1, "`switch`: expected `true` or `false`"),
        ("title", "x", "`title`: expected text, at least 2 characters"),
        ("title", 12, "`title` must be text: write the value in quotes"),
    ],
)
def test_a_wrong_value_is_told_what_it_has_to_be(key: str, value: Any, told: str) -> None:
    assert list(faults({key: value}).values()) == [told]


def test_what_is_no_mapping_at_all_has_no_key_to_name() -> None:
    assert faults([]) == {(): "expected a mapping"}


@pytest.mark.parametrize("wanted", [int, bool, Annotated[float, Meta(gt=0)], Literal["on", "off"], Part, Whole])
def test_a_fault_of_a_single_value_never_quotes_it(wanted: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        validate("eyJ-secret", wanted)
    assert "eyJ" not in str(caught.value)


KEYS = st.sampled_from(
    ["part", "parts", "named", "even", "evens", "choice", "share", "switch", "title", "anything", "from", "count", "x"]
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10) | st.floats() | st.sampled_from(["", "a", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def refusal(value: dict[str, Any]) -> ValidationError | None:
    try:
        validate(value, Whole, read)
    except ValidationError as error:
        return error
    return None


@given(st.dictionaries(KEYS, PLAIN, max_size=6))
def test_whatever_is_refused_has_its_reasons_each_told_once(value: dict[str, Any]) -> None:
    refused = refusal(value)
    messages = [fault.message for fault in refused.issues] if refused else ["none"]
    assert messages
    assert len(set(messages)) == len(messages)


def test_a_type_is_taken_apart() -> None:
    short = Annotated[str, Meta(max_length=3)]
    core, notes, optional = field_type(Annotated[short | None, Meta(description="Short.")])
    assert (core, optional) == (str, True)
    assert {note.max_length for note in notes} == {3, None}
    assert {note.description for note in notes} == {"Short.", None}
    assert field_type(bool) == (bool, (), False)
