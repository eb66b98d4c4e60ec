"""External data: taken strictly, and rejected with every error at its path, in our words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PlainValidator
from pydantic_core.core_schema import ErrorType

from turso_deploy.core.errors import ErrorCode, InputError
from turso_deploy.core.validation import (
    OTHER_REASON,
    REASONS,
    Issue,
    Key,
    Parsed,
    ValidationError,
    json_schema,
    validate,
)
from turso_deploy.project.manifest import Manifest
from turso_deploy.schema_docs.notes import Notes
from turso_deploy.settings.settings import Settings


def even(value: object) -> int:
    if not isinstance(value, int) or value % 2:
        raise ValueError("expected an even number")
    return value


Even = Annotated[int, PlainValidator(even)]


class Part(BaseModel, frozen=True, extra="forbid", strict=True):
    start: str = Field(alias="from")
    count: int = Field(default=1, ge=1, le=9)


class Whole(BaseModel, frozen=True, extra="forbid", strict=True):
    """All kinds of fields that the models of this project have."""

    part: Part | None = None
    parts: tuple[Part, ...] = Field(default=(), strict=False)
    named: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = {}
    even: Even | None = None
    evens: dict[str, Even] = {}
    choice: Literal["a", "b", "c"] = "a"
    share: float = Field(default=1.0, gt=0, le=1)
    switch: bool = False
    title: str | None = Field(default=None, min_length=1)
    either: bool | Part | int = False
    deep: dict[str, dict[str, Part | None]] = {}
    anything: dict[str, Any] = {}


def issues_of(value: Any, model: type = Whole) -> dict[Key, str]:
    with pytest.raises(ValidationError) as caught:
        validate(value, model)
    issues = caught.value.issues
    assert str(caught.value) == "; ".join(issue.message for issue in issues)
    assert len({issue.path for issue in issues}) == len(issues)
    return {issue.path: issue.message for issue in issues}


def test_valid_data_becomes_a_model() -> None:
    written = {"part": {"from": "x"}, "parts": [{"from": "y", "count": 9}], "even": 4, "named": {"n": []}}
    whole = validate(written, Whole)
    assert whole.part == Part.model_validate({"from": "x"})
    assert [part.count for part in whole.parts] == [9]
    assert (whole.even, whole.named) == (4, {"n": ()})
    assert validate({"part": None, "even": None, "title": None}, Whole) == Whole()


def test_every_error_is_reported_with_its_path() -> None:
    value = {"evens": {"b": 3, "a": 2}, "prat": 1, "parts": [{"count": 0}, {"from": 1, "to": 2}, "x"]}
    assert issues_of(value) == {
        ("parts", 0, "from"): "`parts.0.from` is missing",
        ("parts", 0, "count"): "`parts.0.count`: expected a number of at least 1",
        ("parts", 1, "from"): "`parts.1.from` must be text: write the value in quotes",
        ("parts", 1, "to"): "unknown key `parts.1.to`; known here: from, count",
        ("parts", 2): "`parts.2`: expected a mapping",
        ("evens", "b"): "`evens.b`: expected an even number",
        ("prat",): (
            "unknown key `prat`; known here: part, parts, named, even, evens, choice, share, switch, title, either, "
            "deep, anything"
        ),
    }


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("part", [], "`part`: expected a mapping"),
        ("parts", {}, "`parts`: expected a list"),
        ("parts", None, "`parts`: expected a list"),
        ("parts", "text", "`parts`: expected a list"),
        ("named", [], "`named`: expected a mapping"),
        ("even", 3, "`even`: expected an even number"),
        ("evens", {"a": None}, "`evens.a`: expected an even number"),
        ("choice", "d", "`choice`: expected `a`, `b` or `c`"),
        ("share", 0, "`share`: expected a number greater than 0"),
        ("share", 1.5, "`share`: expected a number of at most 1"),
        ("share", float("nan"), "`share`: expected a number of at most 1"),
        ("share", "1", "`share`: expected a number"),
        ("switch", "true", "`switch`: expected `true` or `false`"),
        ("switch", 1, "`switch`: expected `true` or `false`"),
        ("title", "", "`title`: expected text that is not empty"),
        ("title", 12, "`title` must be text: write the value in quotes"),
        ("title", True, "`title` must be text: write the value in quotes"),
        ("title", date(2026, 5, 1), "`title` must be text: write the value in quotes"),
        ("title", [], "`title`: expected text"),
        ("title", {"a": "b"}, "`title`: expected text"),
        ("named", {"a": [None]}, "`named.a.0`: expected text"),
    ],
)
def test_a_wrong_value_is_reported_with_what_is_expected(key: str, value: Any, message: str) -> None:
    assert list(issues_of({key: value}).values()) == [message]


def test_a_value_of_no_type_of_a_union_has_one_error() -> None:
    expected = "`either`: expected `true` or `false`, or expected a mapping, or expected an integer"
    assert issues_of({"either": "x"}) == {("either",): expected}
    assert issues_of({"either": {"from": 1}})[("either", "from")].startswith("`either.from` must be text")
    assert (
        issues_of({"either": {"from": "x", "y": 1}})[("either", "y")]
        == "unknown key `either.y`; known here: from, count"
    )
    assert issues_of({"either": {}})[("either", "from")] == "`either.from` is missing"


def test_an_unknown_key_is_reported_with_the_keys_of_its_own_mapping() -> None:
    known = "known here: from, count"
    assert issues_of({"part": {"from": "x", "y": 1}}) == {("part", "y"): f"unknown key `part.y`; {known}"}
    deep = {"deep": {"parts": {"from": {"from": "x", "y": 1}}}}
    assert issues_of(deep) == {("deep", "parts", "from", "y"): f"unknown key `deep.parts.from.y`; {known}"}


def test_value_is_read_only_by_its_name_in_the_data() -> None:
    class ByBoth(BaseModel, validate_by_name=True):
        start: int = Field(default=0, validation_alias="from")

    assert validate({"start": 7}, ByBoth) == ByBoth()
    assert validate({"from": 7, "start": 8}, ByBoth) == ByBoth(start=7)


def test_data_that_is_no_mapping_has_no_key_to_name() -> None:
    assert issues_of([]) == {(): "expected a mapping"}


def test_text_is_parsed_and_the_error_of_the_parser_is_kept() -> None:
    def parse(text: str) -> int:
        if not text:
            raise InputError(ErrorCode.TOKEN_MALFORMED, "the text is empty", hint="Write some.")
        return int(text)

    length: Any = Annotated[int | None, Parsed(parse)]
    assert validate("12", length) == 12
    assert list(issues_of(12, length).values()) == ["`` must be text: write the value in quotes"]
    with pytest.raises(ValidationError) as caught:
        validate("", length)
    [issue] = caught.value.issues
    assert (issue.message, issue.error and issue.error.hint) == ("The text is empty.", "Write some.")
    with pytest.raises(ValidationError) as caught:
        validate("x", length)
    assert caught.value.issues[0].error is None


@pytest.mark.parametrize("model", [int, bool, Annotated[float, Field(gt=0)], Literal["on", "off"], Part, Whole])
def test_an_error_never_quotes_the_value(model: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        validate("eyJ-secret", model)
    assert "eyJ" not in str(caught.value)


def test_the_json_schema_of_a_model_has_no_titles_of_fields() -> None:
    schema = json.loads(json_schema(Part, "a part"))
    assert schema["title"] == "a part"
    assert schema["properties"]["from"] == {"type": "string"}
    assert schema["required"] == ["from"]


SCALARS = st.none() | st.booleans() | st.integers(-3, 10) | st.integers() | st.floats()
UNICODE = st.characters(exclude_categories=())
"""All characters, also lone surrogates, which stand for bytes that are not UTF-8."""
WORDS = st.sampled_from(["", "a", "text", "1", "1.5", "9" * 5_000, "nan", "true", "90d", ">3", "5..3", "file:", "x:y"])


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """Return the keys of a model and of those within it."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        annotations = [field.annotation]
        for annotation in annotations:
            annotations += get_args(annotation)
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                yield from keys_of(annotation)


def documents_of(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings with these keys and unknown ones, and with any plain data as values."""
    key = st.sampled_from([*keys, "x"])
    plain = st.recursive(
        SCALARS | WORDS | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(key, inner, max_size=4),
        max_leaves=12,
    )
    return st.dictionaries(key, plain, max_size=6)


def require_reasons(value: Any, model: type) -> None:
    """Require that all errors of a value are in our words, each at another path."""
    issues: tuple[Issue, ...] | None = None
    try:
        validate(value, model)
    except ValidationError as error:
        issues = error.issues
    if issues is not None:
        assert issues
        assert len({issue.path for issue in issues}) == len(issues)
        assert not [issue for issue in issues if OTHER_REASON in issue.message]


@pytest.mark.parametrize("model", [Whole, Manifest, Notes])
def test_every_error_of_a_document_has_a_reason_in_our_words(model: type[BaseModel]) -> None:
    @given(documents_of(sorted(set(keys_of(model)))))
    def holds(value: Any) -> None:
        require_reasons(value, model)

    holds()


@given(st.dictionaries(st.sampled_from(list(Settings.__dataclass_fields__)), WORDS | st.text(UNICODE) | st.booleans()))
def test_every_error_of_a_setting_has_a_reason_in_our_words(flags: dict[str, Any]) -> None:
    require_reasons(flags, Settings)


def test_an_error_of_another_type_is_reported_in_our_words_too() -> None:
    assert issues_of("x", UUID) == {(): OTHER_REASON}


def test_every_reason_belongs_to_a_type_of_error_of_pydantic() -> None:
    assert set(REASONS) <= set(get_args(ErrorType))


def test_an_issue_is_named_once() -> None:
    assert Issue("expected a list", ("a", 1)).message == "`a.1`: expected a list"
    assert Issue("`a.1` is missing", ("a", 1)).message == "`a.1` is missing"
    assert Issue("expected a list", ()).message == "expected a list"
