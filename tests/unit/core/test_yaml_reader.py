"""YAML in, plain values and their lines out; whatever could surprise a reader of the file is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import yaml

from turso_deploy.core.yaml_reader import Node, YamlTextError, read_yaml

Read = Callable[[str, str], Node]


@pytest.fixture(params=["libyaml", "python"])
def read(request: pytest.FixtureRequest) -> Read:
    """`read_yaml` with each parser of PyYAML: both must read alike, because not every platform has the fast one."""
    if request.param == "python":
        return partial(read_yaml, loader=yaml.SafeLoader)
    if not yaml.__with_libyaml__:
        pytest.skip("this PyYAML was built without libyaml")
    return read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("# only a comment", None),
        ("-17", -17),
        ("0o17", 15),
        ("0xfF", 255),
        ("1.50", 1.5),
        ("1e300", 1e300),
        ("-.inf", float("-inf")),
        ("yes", "yes"),
        ("off", "off"),
        ("2026-01-31", "2026-01-31"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ('"5"', "5"),
        ("'null'", "null"),
        ("|\n  5\n", "5\n"),
        ("2.2.0", "2.2.0"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(read: Read, text: str, value: object) -> None:
    found = read(f"key: {text}" if text else text, "f.yml").value
    found = found["key"] if isinstance(found, dict) else found
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text_whatever_they_look_like(read: Read) -> None:
    assert read("1: a\ntrue: b\n~: c\n", "f.yml").value == {"1": "a", "true": "b", "~": "c"}


def test_every_value_knows_its_line(read: Read) -> None:
    document = read("a: 1\n\nb:\n  - x: 1\n    y:\n      deep\n  - 5\n", "f.yml")
    assert document.value == {"a": 1, "b": [{"x": 1, "y": "deep"}, 5]}
    assert document.line_of(("a",)) == 1
    assert document.line_of(("b",)) == 3
    assert document.line_of(("b", 0, "x")) == 4
    assert document.line_of(("b", 0, "y")) == 5, "the line of the key, where a person looks"
    assert document.line_of(("b", 1)) == 7


def test_a_path_that_is_not_there_has_the_line_of_the_deepest_value_on_its_way(read: Read) -> None:
    document = read("a: 1\nb:\n  c: 2\n", "f.yml")
    assert document.line_of(("b", "missing", 3)) == 2
    assert document.line_of(("b", 0)) == 2
    assert document.line_of(()) == 1


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: &x 1", 1, 4, "anchors (`&name`) are not allowed"),
        ("a: 1\nb: *x", 2, 4, "aliases (`*name`) are not allowed"),
        ("a: !!str 1", 1, 4, "tags (`!name`) are not allowed"),
        ("a: !python/object:os.system 1", 1, 4, "tags (`!name`) are not allowed"),
        ("a: 1\nb: 2\na: 3", 3, 1, "the key appears twice in one mapping"),
        ("a: 1\n---\nb: 2", 2, 1, "a second document is not allowed"),
        ("? [a]\n: b", 1, 3, "a key must be a single word or text"),
        ("a: " + "1" * 5000, 1, 4, "the integer has too many digits"),
        ("a: 1\nb: x\0y", 2, 5, "a control character is not allowed here"),
    ],
)
def test_what_is_refused_is_refused_at_its_place(read: Read, text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(YamlTextError) as caught:
        read(text, "f.yml")
    assert (caught.value.message, caught.value.line, caught.value.column) == (message, line, column)
    assert str(caught.value) == f"f.yml:{line}:{column}: {message}"


@pytest.mark.parametrize("text", ["a: [1, 2", "a: 'open", "a: b: c", "a:\n\t- b", "}", "a: %b", 'a: "\\q"'])
def test_malformed_yaml_is_an_error_with_line_and_column(read: Read, text: str) -> None:
    with pytest.raises(YamlTextError) as caught:
        read(text, "f.yml")
    assert caught.value.line >= 1
    assert caught.value.column >= 1


def test_a_billion_laughs_are_refused_at_the_first_anchor(read: Read) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    with pytest.raises(YamlTextError, match="anchors"):
        read(bomb, "f.yml")


def test_ten_thousand_brackets_are_an_error_and_not_a_crash(read: Read) -> None:
    # PyYAML 6.0.4 and newer have a limit of their own in front of ours.
    with pytest.raises(YamlTextError, match=r"nested more than 100 levels deep|exceeded maximum nesting depth"):
        read("[" * 10_000, "f.yml")


def test_a_hundred_and_two_levels_are_an_error(read: Read) -> None:
    with pytest.raises(YamlTextError, match="nested more than 100 levels deep"):
        read("[" * 102 + "]" * 102, "f.yml")


def test_a_hundred_levels_are_fine(read: Read) -> None:
    assert read("[" * 100 + "]" * 100, "f.yml").value is not None
