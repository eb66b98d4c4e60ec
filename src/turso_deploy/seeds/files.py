"""The formats of seed files: CSV, JSON, JSON Lines and YAML, each read into rows of column names and values.

A value becomes what SQLite can store: text, an integer of 64 bits, a finite float, NULL; true and false become 1 and 0
(https://www.sqlite.org/datatype3.html#boolean_datatype), a list or an object its compact JSON text. CSV knows only
text, which the column's affinity turns into numbers later; an empty field is NULL. Errors name file, line, column and
rule, and never a value.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.transaction import Value
from turso_deploy.core.yaml_reader import YamlTextError, read_yaml

_LARGEST_FIELD = 5_000_000  # characters: a Turso row holds no more than 5 MB
# The csv module knows one limit for the whole process; its default of 128 KiB is too small for an article's text.
csv.field_size_limit(_LARGEST_FIELD)

_LARGEST_FILE = 64_000_000  # bytes: three times what 100,000 rows take, and little enough to be read as a whole
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # `splitlines` would also break at U+2028 and its like
_WHITE_SPACE = re.compile(r"[ \t\n\r]*")


class RawRow(NamedTuple):
    """One row as its file gives it; `columns_line` is where its column names stand (in CSV: the header)."""

    columns: tuple[str, ...]
    values: tuple[Value, ...]
    line: int
    columns_line: int


def seed_error(message: str, file: str, line: int | None = None, hint: str | None = None) -> ProjectError:
    """The error for a seed file that cannot be used. `message` ends without a full stop and quotes no value."""
    hint = hint or "Correct the file here; docs/guides/seeds.md of turso-deploy describes what a row needs."
    place = Place(file, line)
    return ProjectError(ErrorCode.SEED_INVALID, f"The seeds cannot be used: {message}.", hint=hint, place=place)


def read_seed_file(path: Path, shown: str) -> Iterator[RawRow]:
    """The rows of a seed file, in order; `shown` is how errors name it. Raises ProjectError (`seed-invalid`)."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise seed_error(f"a seed file must end in {', '.join(_READERS)}", shown)
    return reader(_read_text(path, shown), shown)


def _read_text(path: Path, file: str) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise seed_error(
                f"the file is larger than {_LARGEST_FILE // 1_000_000} MB",
                file,
                hint="Import large data sets once, and leave them out of the deployment.",
            )
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise seed_error(f"the file cannot be read ({error.strerror})", file) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise seed_error("the file is not UTF-8 text", file, line, "Save it as UTF-8.") from None


def _read_csv(text: str, file: str) -> Iterator[RawRow]:
    """CSV as RFC 4180 has it, with a header."""
    if "\0" in text:
        raise seed_error("the character U+0000 is not allowed", file, text.count("\n", 0, text.index("\0")) + 1)
    records = _csv_records(text, file)
    header_line, header = next(records, (1, []))
    columns = tuple(header)
    if not all(columns):
        raise seed_error("the header has a column without a name", file, header_line)
    for line, fields in records:
        if len(fields) != len(columns):
            message = f"the row has {len(fields)} fields and the header has {len(columns)}"
            raise seed_error(message, file, line, "Quote a field that holds a comma or a line break.")
        yield RawRow(columns, tuple([field or None for field in fields]), line, header_line)


def _csv_records(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader((line.group() for line in _LINE.finditer(text)), strict=True)
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise seed_error(f"malformed CSV, {error}", file, line) from None


def _read_json(text: str, file: str) -> Iterator[RawRow]:
    """One array of objects, walked item by item, so that each row knows its line."""

    def after_white_space(position: int) -> int:
        found = _WHITE_SPACE.match(text, position)
        return found.end() if found else position

    def expect(position: int, allowed: str) -> str:
        found = text[position : position + 1]
        if not found or found not in allowed:
            line = text.count("\n", 0, position) + 1
            raise seed_error(f"malformed JSON, expected {' or '.join(allowed)} here; the file is one array", file, line)
        return found

    position = after_white_space(0)
    if position == len(text):
        return
    expect(position, "[")
    position = after_white_space(position + 1)
    line, counted = 1, 0
    closed = text[position : position + 1] == "]"
    while not closed:
        line, counted = line + text.count("\n", counted, position), position
        row, position = _decode(text, position, file, line, 1)
        yield _row_of(row, file, line)
        position = after_white_space(position)
        closed = expect(position, ",]") == "]"
        position = position if closed else after_white_space(position + 1)
    position = after_white_space(position + 1)
    if position != len(text):
        raise seed_error("malformed JSON, text after the array", file, text.count("\n", 0, position) + 1)


def _read_json_lines(text: str, file: str) -> Iterator[RawRow]:
    """One object a line; empty lines are passed over."""
    for line, content in enumerate(text.split("\n"), start=1):
        content = content.strip(" \t\r")
        if content:
            row, end = _decode(content, 0, file, line, line)
            if end != len(content):
                raise seed_error("malformed JSON, text after the object", file, line)
            yield _row_of(row, file, line)


def _read_yaml(text: str, file: str) -> Iterator[RawRow]:
    """One list of mappings."""
    try:
        document = read_yaml(text, file)
    except YamlTextError as error:
        raise seed_error(f"malformed YAML, {error.message}", file, error.line) from None
    if document.content is None:
        return
    if not isinstance(document.content, list):
        raise seed_error("a YAML seed file is one list of mappings", file, document.line)
    for node in document.content:
        yield _row_of(node.value, file, node.line)


_READERS: dict[str, Callable[[str, str], Iterator[RawRow]]] = {
    ".csv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}


class _RefusedValueError(ValueError):
    """A value, or a piece of JSON, that no column can hold; its text is ours and quotes nothing."""


def _decode(text: str, position: int, file: str, line: int, first_line: int) -> tuple[Any, int]:
    """The JSON value at `position`, and where it ends. `first_line` is the line on which `text` begins."""
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise seed_error(f"malformed JSON, {error.msg.lower()}", file, first_line + error.lineno - 1) from None
    except _RefusedValueError as error:
        raise seed_error(str(error), file, line) from None
    except ValueError:  # https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        raise seed_error("an integer has too many digits", file, line) from None
    except RecursionError:
        raise seed_error("the JSON is nested too deeply", file, line) from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedValueError("a key appears twice in one object")
    return members


def _refuse_constant(_: str) -> NoReturn:
    raise _RefusedValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _row_of(row: object, file: str, line: int) -> RawRow:
    if not isinstance(row, dict):
        raise seed_error("each row must be an object of column names and values", file, line)
    values = []
    for column, value in row.items():
        try:
            values.append(_storable(value))
        except _RefusedValueError as error:
            raise seed_error(f"column `{column}`: {error}", file, line) from None
    return RawRow(tuple(row), tuple(values), line, line)


def _storable(value: object) -> Value:
    if isinstance(value, str):
        return _storable_text(value)
    if value is None:
        return None
    if isinstance(value, int):  # and bool, which is one
        if not -(2**63) <= value < 2**63:
            raise _RefusedValueError("the integer does not fit into 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _RefusedValueError("the number is not finite")
        return value
    try:
        nested = _ENCODER.encode(value)
    except ValueError:
        raise _RefusedValueError("a number inside is not finite") from None
    except RecursionError:
        raise _RefusedValueError("the value is nested too deeply") from None
    return _storable_text(nested)


def _storable_text(text: str) -> str:
    if "\0" in text:
        raise _RefusedValueError("the character U+0000 is not allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _RefusedValueError("half of a surrogate pair is not a character") from None
    return text
