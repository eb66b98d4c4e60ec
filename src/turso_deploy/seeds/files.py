"""Parse seed files (CSV, JSON, JSON Lines, YAML) into rows of column names and values.

A value becomes text, an integer of 64 bits, a finite float or NULL. True and false become 1 and 0
(https://www.sqlite.org/datatype3.html#boolean_datatype), a list or an object becomes compact JSON text. All values of
CSV are text, which the affinity of the column converts later; an empty field is NULL. Errors state file, line, column
and rule, but no value.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple, NoReturn

from turso_deploy.core.errors import ErrorCode, Place, ProjectError
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
from turso_deploy.core.transaction import Value
from turso_deploy.core.yaml_reader import YamlTextError, read_yaml

_MAX_FIELD = 5_000_000  # characters: a row in Turso Cloud holds at most 5 MB
# The csv module has one limit for the whole process; its default of 128 KiB is too small for the text of an article.
csv.field_size_limit(_MAX_FIELD)

_MAX_FILE_BYTES = 64_000_000  # three times the size of 100,000 rows, and small enough to be read at once
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # `splitlines` would also break at U+2028 and similar characters
_WHITE_SPACE = re.compile(r"[ \t\n\r]*")


class RawRow(NamedTuple):
    """One row of a file; `columns_line` is the line of its column names (in CSV, of the header)."""

    columns: tuple[str, ...]
    values: tuple[Value, ...]
    line: int
    columns_line: int


def seed_error(message: str, file: str, line: int | None = None, hint: str | None = None) -> ProjectError:
    """Return the error for a seed file. `message` ends without a full stop and quotes no value."""
    hint = hint or "Correct the file here; docs/guides/seeds.md of turso-deploy describes what a row needs."
    place = Place(file, line)
    return ProjectError(ErrorCode.SEED_INVALID, f"The seeds cannot be used: {message}.", hint=hint, place=place)


def read_seed_file(folder: SchemaFolder, name: str) -> Iterator[RawRow]:
    """Return the rows of a seed file, in order. Raises ProjectError (`seed-invalid`)."""
    file = folder.place(name).file
    try:
        parse = _PARSERS.get(PurePosixPath(name).suffix.lower())
        if parse is None:
            raise seed_error(f"a seed file must end in {', '.join(_PARSERS)}", file)
        return parse(folder.read_text(name, _MAX_FILE_BYTES), file)
    except SchemaFileError as error:
        raise seed_error(error.reason, file, error.place.line, error.hint) from None


def _parse_csv(text: str, file: str) -> Iterator[RawRow]:
    """Parse CSV with a header, by RFC 4180."""
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


def _parse_json(text: str, file: str) -> Iterator[RawRow]:
    """Parse one array of objects, item by item, to count the line of each row."""

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


def _parse_json_lines(text: str, file: str) -> Iterator[RawRow]:
    """Parse one object on each line; empty lines are skipped."""
    for line, content in enumerate(text.split("\n"), start=1):
        content = content.strip(" \t\r")
        if content:
            row, end = _decode(content, 0, file, line, line)
            if end != len(content):
                raise seed_error("malformed JSON, text after the object", file, line)
            yield _row_of(row, file, line)


def _parse_yaml(text: str, file: str) -> Iterator[RawRow]:
    """Parse one list of mappings."""
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


_PARSERS: dict[str, Callable[[str, str], Iterator[RawRow]]] = {
    ".csv": _parse_csv,
    ".json": _parse_json,
    ".jsonl": _parse_json_lines,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}


class _UnstorableValueError(ValueError):
    """A value, or part of a JSON text, that no column can hold. The message quotes no value."""


def _decode(text: str, position: int, file: str, line: int, first_line: int) -> tuple[Any, int]:
    """Return the JSON value at `position`, and its end. `first_line` is the line on which `text` begins."""
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        raise seed_error(f"malformed JSON, {error.msg.lower()}", file, first_line + error.lineno - 1) from None
    except _UnstorableValueError as error:
        raise seed_error(str(error), file, line) from None
    except ValueError:  # https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        raise seed_error("an integer has too many digits", file, line) from None
    except RecursionError:
        raise seed_error("the JSON is nested too deeply", file, line) from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _UnstorableValueError("a key appears twice in one object")
    return members


def _reject_constant(_: str) -> NoReturn:
    raise _UnstorableValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_reject_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _row_of(row: object, file: str, line: int) -> RawRow:
    if not isinstance(row, dict):
        raise seed_error("each row must be an object of column names and values", file, line)
    values = []
    for column, value in row.items():
        try:
            values.append(_storable(value))
        except _UnstorableValueError as error:
            raise seed_error(f"column `{column}`: {error}", file, line) from None
    return RawRow(tuple(row), tuple(values), line, line)


def _storable(value: object) -> Value:
    if isinstance(value, str):
        return _storable_text(value)
    if value is None:
        return None
    if isinstance(value, int):  # and bool, which is one
        if not -(2**63) <= value < 2**63:
            raise _UnstorableValueError("the integer does not fit into 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _UnstorableValueError("the number is not finite")
        return value
    try:
        nested = _ENCODER.encode(value)
    except ValueError:
        raise _UnstorableValueError("a number inside is not finite") from None
    except RecursionError:
        raise _UnstorableValueError("the value is nested too deeply") from None
    return _storable_text(nested)


def _storable_text(text: str) -> str:
    if "\0" in text:
        raise _UnstorableValueError("the character U+0000 is not allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _UnstorableValueError("half of a surrogate pair is not a character") from None
    return text
