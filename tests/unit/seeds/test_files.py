"""Every format of a seed file: the values as they are written, and the place where the file is malformed."""

from __future__ import annotations

from pathlib import Path

import pytest

from turso_deploy.core.errors import ErrorCode, ProjectError
from turso_deploy.core.schema_folder import SchemaFolder
from turso_deploy.core.text import Unquoted
from turso_deploy.seeds.files import RawRow, read_seed_file
from turso_deploy.seeds.values import Number, Written


def rows(folder: Path, name: str, content: str | bytes) -> list[RawRow]:
    path = folder / name
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return list(read_seed_file(SchemaFolder(path.parent, "seeds"), path.name))


def refusal(folder: Path, name: str, content: str | bytes) -> str:
    """The error of reading this file, as `line: message`."""
    with pytest.raises(ProjectError) as caught:
        rows(folder, name, content)
    assert caught.value.code is ErrorCode.SEED_INVALID
    assert "SECRET" not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.place is not None
    assert caught.value.place.file == f"seeds/{name}"
    return f"{caught.value.place.line}: {caught.value.message.removeprefix('The seeds cannot be used: ')[:-1]}"


def test_csv_keeps_text_as_it_is_and_reads_an_empty_field_as_null(tmp_path: Path) -> None:
    found = rows(tmp_path, "t.csv", 'a,b\n007,\n" x ","say ""hi"", 😀"\n')
    assert found == [
        RawRow(("a", "b"), ("007", None), 2, 1, is_typed=False),
        RawRow(("a", "b"), (" x ", 'say "hi", 😀'), 3, 1, is_typed=False),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('a,b\n"",\n,""\n', [("", None), (None, "")]),
        ('a,b\n"",""\n"a,"","",b",""""\n', [("", ""), ('a,",",b', '"')]),
        ('a\n""\n\n""', [("",), ("",)]),
        ('a,b\n5" disk,x\n "q",y\n', [('5" disk', "x"), (' "q"', "y")]),
        ('a,b\r1,"x\ry"\r2,z', [("1", "x\ry"), ("2", "z")]),
    ],
)
def test_csv_field_that_is_empty_is_text_in_quotes_and_null_without(
    tmp_path: Path, content: str, expected: list[tuple[str | None, ...]]
) -> None:
    assert [row.values for row in rows(tmp_path, "t.csv", content)] == expected


def test_csv_lines_are_those_of_the_editor(tmp_path: Path) -> None:
    found = rows(tmp_path, "t.csv", 'a,b\r\n1,"two\r\nlines\nand\u2028one"\r\n\r\n2,x\r\n')
    assert [(row.line, row.values) for row in found] == [(2, ("1", "two\r\nlines\nand\u2028one")), (6, ("2", "x"))]


def test_a_csv_field_may_be_larger_than_the_default_limit(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "t.csv", "a\n" + "x" * 1_000_000)
    assert len(str(row.values[0])) == 1_000_000


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\nSECRET\n", "3: the row has 1 fields and the header has 2"),
        ("a,b\n1,2,SECRET\n", "2: the row has 3 fields and the header has 2"),
        ("a,b,a\n", "1: the column `a` is given twice"),
        ("a,,c\n1,2,3\n", "1: the header has a column without a name"),
        ('a,b\n1,2\n3,"SECRET\n4,5\n', "3: malformed CSV, the quotes of a field are never closed"),
        ('a,b\n1,"SECRET"x\n', "2: malformed CSV, a comma is expected behind the quotes of a field"),
        ("a\n1\nSEC\0RET\n", "3: the character U+0000 is not allowed"),
        ("a\n" + "x" * 5_000_001, "2: a field is longer than 5,000,000 characters"),
        ('a\n"' + "x" * 5_000_001 + '"', "2: a field is longer than 5,000,000 characters"),
        ("id;name\n1;SECRET\n", "1: the fields are separated by `;`, and those of CSV by a comma"),
        ('\n"id";"name"\n1;SECRET\n', "2: the fields are separated by `;`, and those of CSV by a comma"),
        ("id\tname\n1\tSECRET\n", "1: the fields are separated by a tab, and those of CSV by a comma"),
        ("id|name\n1|SECRET\n", "1: the fields are separated by `|`, and those of CSV by a comma"),
        ("\ufeff\ufeffid,name\n1,SECRET\n", "1: the file begins with two byte order marks"),
        (b"a\n1\n\xe9\n", "3: the file is not UTF-8 text"),
        ("a\n1\n".encode("utf-16"), "1: the file is not UTF-8 text"),
        (b"\xef\xbb\xbfa\n\xff\n", "2: the file is not UTF-8 text"),
    ],
)
def test_malformed_csv_is_refused_at_its_line(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert refusal(tmp_path, "t.csv", content) == expected


VALUES: list[tuple[str, Written]] = [
    ("null", None),
    ("true", True),
    ("false", False),
    ("9223372036854775808", Number("9223372036854775808")),
    ("1e300", Number("1e300")),
    ("1.10", Number("1.10")),
    ("-0", Number("-0")),
    ('""', ""),
    ('"007"', "007"),
    ('"😀\\u2028"', "😀\u2028"),
    ('[1, "ä", {"b": null}]', '[1,"ä",{"b":null}]'),
    ('{"deep": [true, 1.50, 1000000000000000000000000000000]}', '{"deep":[true,1.50,1000000000000000000000000000000]}'),
    ("{}", "{}"),
]


@pytest.mark.parametrize(("text", "written"), VALUES)
@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.yaml"])
def test_value_is_read_as_it_is_written(tmp_path: Path, name: str, text: str, written: Written) -> None:
    row = f'{{"v": {text}}}'
    (found,) = rows(tmp_path, name, row if name == "t.jsonl" else f"[{row}]")
    if name == "t.yaml" and isinstance(written, bool | Number):
        written = Unquoted(text)  # the column decides whether it is a number, a boolean or text
    assert found.values == (written,)
    assert type(found.values[0]) is type(written)
    assert found.is_typed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1e400]", "column `v`: a number inside is not finite"),
        ("[" + "1" * 5_000 + "]", "column `v`: a number inside is not finite"),
        ('"SECRET\\u0000"', "column `v`: the character U+0000 is not allowed"),
    ],
)
@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.yaml"])
def test_a_value_that_no_column_can_hold_is_refused(tmp_path: Path, name: str, text: str, expected: str) -> None:
    good, bad = '{"v": 1}', f'{{"v": {text}}}'
    content = f"{good}\n{bad}\n" if name == "t.jsonl" else f"[{good},\n{bad}]"
    message = refusal(tmp_path, name, content)
    assert message in (f"2: {expected}", "2: column `v`: a number inside has too many digits")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_json_has_no_such_numbers(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, "t.json", f'[{{"v": {text}}}]') == "1: NaN and Infinity are not JSON"


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf"])
def test_yaml_number_that_is_not_finite_cannot_be_part_of_a_list(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, "t.yaml", f"- v: [{text}]\n") == "1: column `v`: a number inside is not finite"


def test_yaml_scalars_inside_a_list_have_the_values_of_the_core_schema(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "t.yaml", "- v: [1.10, 0x1F, .5, True, ~, no, '1']\n")
    assert row.values == ('[1.10,31,0.5,true,null,"no","1"]',)


def test_yaml_binary_is_a_blob(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "t.yaml", "- v: !!binary SGVs\n  w: !!binary |\n    SGVs\n    bG8=\n")
    assert row.values == (b"Hel", b"Hello")


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
def test_half_of_a_surrogate_pair_is_refused(tmp_path: Path, name: str) -> None:
    row = '{"v": "SECRET\\ud83d"}'
    expected = "1: column `v`: half of a surrogate pair is not a character"
    assert refusal(tmp_path, name, row if name == "t.jsonl" else f"[{row}]") == expected


def test_each_json_row_knows_its_line(tmp_path: Path) -> None:
    found = rows(tmp_path, "t.json", '\n[\n  {"a": 1}, {"a": 2},\n\n  {\n    "a": 3\n  }\n]\n')
    assert [(row.values, row.line) for row in found] == [(("1",), 3), (("2",), 3), (("3",), 5)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": 1}', "1: malformed JSON, expected [ here; the file is one array"),
        ("[", "1: malformed JSON, expecting value"),
        ('[{"a": 1}\n{"a": 2}]', "2: malformed JSON, expected , or ] here; the file is one array"),
        ('[{"a": 1},\n]', "2: malformed JSON, expecting value"),
        ('[{"a": 1}', "1: malformed JSON, expected , or ] here; the file is one array"),
        ('[{"a": 1}]\n[]', "2: malformed JSON, text after the array"),
        ("[]SECRET", "1: malformed JSON, text after the array"),
        ('[\n{"a": "SECRET\n"}]', "2: malformed JSON, invalid control character at"),
        ('[{"a": 1,\n"b": }]', "2: malformed JSON, expecting value"),
        ('[{"a": 1},\n ["SECRET"]]', "2: each row must be an object of column names and values"),
        ('[{"a": 1},\n {"a": "SECRET", "a": 3}]', "2: a key appears twice in one object"),
        ('[{"a": {"b": 1, "b": 2}}]', "1: a key appears twice in one object"),
        ("[" * 100_000, "1: the JSON is nested too deeply"),
    ],
)
def test_malformed_json_is_refused_at_its_line(tmp_path: Path, content: str, expected: str) -> None:
    assert refusal(tmp_path, "t.json", content) == expected


def test_json_lines_pass_over_empty_lines_and_keep_the_count(tmp_path: Path) -> None:
    found = rows(tmp_path, "t.jsonl", '{"a": 1}\r\n\r\n  {"a": "x\u2028y"}\n')
    assert [(row.values, row.line) for row in found] == [(("1",), 1), (("x\u2028y",), 3)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": 1}\n{"a": SECRET}', "2: malformed JSON, expecting value"),
        ('{"a": 1} {"a": 2}', "1: malformed JSON, text after the object"),
        ("1", "1: each row must be an object of column names and values"),
        ('[{"a": 1}]', "1: each row must be an object of column names and values"),
    ],
)
def test_malformed_json_lines_are_refused_at_their_line(tmp_path: Path, content: str, expected: str) -> None:
    assert refusal(tmp_path, "t.jsonl", content) == expected


def test_each_yaml_row_knows_its_line(tmp_path: Path) -> None:
    found = rows(tmp_path, "t.yaml", "# people\n- a: 1\n  b: no\n\n-\n  a: 2026-01-01\n")
    assert [(row.columns, row.values, row.line) for row in found] == [
        (("a", "b"), ("1", "no"), 2),
        (("a",), ("2026-01-01",), 6),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: 1\n", "1: a YAML seed file is one list of mappings"),
        ("- a: 1\n- SECRET\n", "2: each row must be an object of column names and values"),
        ("- a: 1\n- a: 'SECRET\n", "3: malformed YAML, found unexpected end of stream"),
        ("- a: 1\n  a: SECRET\n", "2: malformed YAML, the key appears twice in one mapping"),
        ("- &x {a: 1}\n- *x\n", "1: malformed YAML, anchors (`&name`) are not allowed"),
        ("- a: !!str SECRET\n", "1: malformed YAML, tags (`!name`) are not allowed"),
        ("- a: !!binary SECRET\n", "1: malformed YAML, `!!binary` needs a value in Base64"),
        ("- a: !!binary [SECRET]\n", "1: malformed YAML, tags (`!name`) are not allowed"),
        ("- a: [!!binary U0VDUkVU]\n", "1: column `a`: a blob cannot be part of a list or an object"),
    ],
)
def test_malformed_yaml_is_refused_at_its_line(tmp_path: Path, content: str, expected: str) -> None:
    assert refusal(tmp_path, "t.yaml", content) == expected


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="the file cannot be read"):
        list(read_seed_file(SchemaFolder(tmp_path, "seeds"), "missing.csv"))


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("t.csv", ",".join(f"c{number}" for number in range(2_001)), "the header has more than 2,000 columns"),
        ("t.csv", "id\n" + "\n" * 2_000_001, "the file has more than 2,000,000 lines"),
        ("t.csv", "id\r" + "\r" * 2_000_001, "the file has more than 2,000,000 lines"),
        ("t.json", f'[{{"id": 1}},\n{{"a": [{"[]," * 3_000_000}[]]}}]', "a row is longer than 5,000,000 characters"),
        ("t.json", f'[{{"id": 1}},\n{{"a": "{"x" * 11_000_000}"}}]', "a row is longer than 5,000,000 characters"),
        ("t.json", f'[{{"id": 1}},\n{{"a": {"1" * 11_000_000}}}]', "a row is longer than 5,000,000 characters"),
        ("t.jsonl", f'{{"id": 1}}\n{{"a": [{"[]," * 3_000_000}[]]}}', "a row is longer than 5,000,000 characters"),
        ("t.yaml", f"- {{id: 1, a: [{'1,' * 2_500_000}]}}\n", "the file is larger than 5 MB"),
    ],
    ids=lambda value: value[:20],
)
def test_file_that_would_fill_the_memory_is_an_error(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(ProjectError, match=reason) as caught:
        rows(tmp_path, name, text)
    if name.startswith("t.json"):
        assert caught.value.place
        assert caught.value.place.line == 2


def test_rows_of_a_large_json_file_are_read_part_by_part(tmp_path: Path) -> None:
    value = "x" * 999_990
    text = "[" + ",\n".join(f'{{"id": {number}, "a": "{value}"}}' for number in range(25)) + "]"
    found = rows(tmp_path, "t.json", text)
    assert [(str(row.values[0]), row.values[1] == value, row.line) for row in found] == [
        (str(number), True, number + 1) for number in range(25)
    ]
    with pytest.raises(ProjectError, match="malformed JSON") as caught:
        rows(tmp_path, "t.json", text.replace('"id": 20,', '"id" 20,'))
    assert caught.value.place
    assert caught.value.place.line == 21
