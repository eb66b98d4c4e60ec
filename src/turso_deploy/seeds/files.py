"""Parse seed files (CSV, JSON, JSON Lines, YAML) into rows of column names and values as they are written.

A value is text, NULL, true or false, a blob, or `Unquoted`: a number, or a word whose meaning the column decides. A
list or an object becomes compact JSON text. All values of CSV are text; an empty field is NULL without quotes and an
empty text with them, as in PostgreSQL (https://www.postgresql.org/docs/current/sql-copy.html). Errors state file, line,
column and rule, but no value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple, NoReturn

from turso_deploy.core.errors import MAX_LISTED, ErrorCode, Place, ProjectError, error_of_all
from turso_deploy.core.schema_folder import SchemaFileError, SchemaFolder
from turso_deploy.core.text import Unquoted
from turso_deploy.core.yaml_reader import YamlTextError, read_yaml, scalar_of
from turso_deploy.seeds.values import NUMBER, Number, Written

_MAX_FIELD = 5_000_000  # characters: a row in Turso Cloud holds at most 5 MB
_MAX_FILE_BYTES = 64_000_000  # three times the size of 100,000 rows, and small enough to be read at once
_MAX_YAML_BYTES = 5_000_000  # read as a whole, at hundreds of bytes of memory for each value
_MAX_LINES = 2_000_000
_MAX_COLUMNS = 2_000  # of SQLite: https://www.sqlite.org/limits.html#max_column
_MAX_ROW = 5_000_000  # characters of JSON: a row in Turso Cloud holds at most 5 MB
_MAX_LITERAL = len("-Infinity")
_IMPORT_ONCE = "Import large data sets once, and leave them out of the deployment."
_LINE = re.compile(r"([^\r\n]*)(?:\r\n|\r|\n|\Z)")  # `splitlines` would also break at U+2028 and similar characters
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_QUOTED_FIELD = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"')
_FIELD = re.compile(r"[^,\r\n]*")
_OTHER_SEPARATORS = {";": "`;`", "\t": "a tab", "|": "`|`"}
_WHITE_SPACE = re.compile(r"[ \t\n\r]*")


class RawRow(NamedTuple):
    """One row of a file; `columns_line` is the line of its column names (in CSV, of the header).

    A file that is not typed (CSV) has no quotes that tell a text from a number.
    """

    columns: tuple[str, ...]
    values: tuple[Written, ...]
    line: int
    columns_line: int
    is_typed: bool


_START = "The seeds cannot be used:"


def seed_error(message: str, file: str, line: int | None = None, hint: str | None = None) -> ProjectError:
    """Return the error for a seed file. `message` ends without a full stop and quotes no value."""
    hint = hint or "Correct the file here; docs/guides/seeds.md of turso-deploy describes what a row needs."
    place = Place(file, line)
    return ProjectError(ErrorCode.SEED_INVALID, f"{_START} {message}.", hint=hint, place=place)


class SeedErrors:
    """The errors of rows and files, so that all are reported at once: enough of them, as each row may have one."""

    def __init__(self) -> None:
        self._errors: list[ProjectError] = []

    @property
    def exist(self) -> bool:
        """True if there is one."""
        return bool(self._errors)

    @property
    def are_enough(self) -> bool:
        """True if no more need to be looked for."""
        return len(self._errors) >= MAX_LISTED

    def add(self, error: ProjectError) -> None:
        """Add the error of one row or file."""
        self._errors.append(error)

    def raise_all(self) -> None:
        """Raise ProjectError (`seed-invalid`) for all, if there are any."""
        if self._errors:
            more = f"The seeds cannot be used; the first {MAX_LISTED} reasons are:"
            raise error_of_all(self._errors, _START, more if self.are_enough else _START)


def read_seed_file(folder: SchemaFolder, name: str) -> Iterator[RawRow]:
    """Return the rows of a seed file, in order. Raises ProjectError (`seed-invalid`)."""
    file = folder.place(name).file
    try:
        if folder.is_folder(name):
            hint = "Move its files one level up, into `seeds/`, or the folder out of it."
            raise seed_error("this is a folder, and `seeds/` holds one file for each table", file, hint=hint)
        parse = _PARSERS.get(PurePosixPath(name).suffix.lower())
        if parse is None:
            hint = "Save the rows in one of these formats, or move a file that is no seed out of `seeds/`."
            raise seed_error(f"a seed file must end in {', '.join(_PARSERS)}", file, hint=hint)
        text = folder.read_text(name, _MAX_YAML_BYTES if parse is _parse_yaml else _MAX_FILE_BYTES)
        if text.startswith("\ufeff"):
            raise seed_error("the file begins with two byte order marks", file, 1, "Save it as UTF-8 without one.")
        if max(text.count("\n"), text.count("\r")) > _MAX_LINES:
            raise seed_error(f"the file has more than {_MAX_LINES:,} lines", file, hint=_IMPORT_ONCE)
        return parse(text, file)
    except SchemaFileError as error:
        raise seed_error(error.reason, file, error.place.line, error.hint) from None


def _parse_csv(text: str, file: str) -> Iterator[RawRow]:
    """Parse CSV with a header, by RFC 4180."""
    if "\0" in text:
        raise seed_error("the character U+0000 is not allowed", file, text.count("\n", 0, text.index("\0")) + 1)
    _require_commas(text, file)
    records = _csv_records(text, file)
    header_line, header = next(records, (1, []))
    columns = tuple([name or "" for name in header])
    if not all(columns):
        hint = "Name each column, and remove a comma at the end of the line."
        raise seed_error("the header has a column without a name", file, header_line, hint)
    if len(columns) > _MAX_COLUMNS:
        raise seed_error(f"the header has more than {_MAX_COLUMNS:,} columns", file, header_line)
    for name in columns:
        if columns.count(name) > 1:
            raise seed_error(f"the column `{name}` is given twice", file, header_line)
    for line, fields in records:
        if len(fields) != len(columns):
            message = f"the row has {len(fields)} fields and the header has {len(columns)}"
            raise seed_error(message, file, line, "Quote a field that holds a comma or a line break.")
        yield RawRow(columns, tuple(fields), line, header_line, False)


def _require_commas(text: str, file: str) -> None:
    """Raise ProjectError if the header has another separator and no comma, as some spreadsheets write it."""
    start = next((found.start() for found in re.finditer(r"[^\r\n]", text)), 0)
    header = _LINE.match(text, start)
    line = header[1] if header else ""
    if "," not in line:
        for separator, shown in _OTHER_SEPARATORS.items():
            if separator in line:
                raise seed_error(
                    f"the fields are separated by {shown}, and those of CSV by a comma",
                    file,
                    len(_LINE_BREAK.findall(text, 0, start)) + 1,
                    "Save the file with commas between the fields; quote a field that holds a comma.",
                )


def _csv_records(text: str, file: str) -> Iterator[tuple[int, list[str | None]]]:
    """Yield each record that is not empty, with its first line; an empty field without quotes is None."""
    position = line = 0
    for found in _LINE.finditer(text):
        line += 1
        content = found[1]
        if found.start() < position or not content:  # part of a record that began above, or empty
            continue
        if '"' in content:
            fields, position = _quoted_record(text, found.start(), file, line)
        else:
            fields = [field or None for field in content.split(",")]
            if len(content) > _MAX_FIELD and max(len(field or "") for field in fields) > _MAX_FIELD:
                raise _field_too_long(file, line)
        yield line, fields


def _quoted_record(text: str, position: int, file: str, line: int) -> tuple[list[str | None], int]:
    """Return the fields of the record at `position`, and the position of the next one."""
    fields: list[str | None] = []
    while True:
        if text.startswith('"', position):
            found = _QUOTED_FIELD.match(text, position)
            if not found:
                hint = 'Close the quotes; a quote inside a quoted field is written twice (`""`).'
                raise seed_error("malformed CSV, the quotes of a field are never closed", file, line, hint)
            field: str | None = found[1].replace('""', '"')
        else:
            found = _FIELD.match(text, position)
            assert found is not None
            field = found[0] or None
        if field and len(field) > _MAX_FIELD:
            raise _field_too_long(file, line)
        fields.append(field)
        position = found.end()
        if not text.startswith(",", position):
            break
        position += 1
    end = _LINE_BREAK.match(text, position)
    if not end and position < len(text):
        hint = 'A quote inside a quoted field is written twice (`""`).'
        raise seed_error("malformed CSV, a comma is expected behind the quotes of a field", file, line, hint)
    return fields, end.end() if end else position


def _field_too_long(file: str, line: int) -> ProjectError:
    return seed_error(f"a field is longer than {_MAX_FIELD:,} characters", file, line)


def _row_too_long(file: str, line: int) -> ProjectError:
    return seed_error(f"a row is longer than {_MAX_ROW:,} characters, or never ends", file, line)


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
    part, start = text[: 2 * _MAX_ROW], 0
    while not closed:
        line, counted = line + text.count("\n", counted, position), position
        if position - start > _MAX_ROW and start + len(part) < len(text):
            part, start = text[position : position + 2 * _MAX_ROW], position
        row, end = _decode(part, position - start, file, line, goes_on=start + len(part) < len(text))
        if start + end - position > _MAX_ROW:
            raise _row_too_long(file, line)
        position = start + end
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
            if len(content) > _MAX_ROW:
                raise _row_too_long(file, line)
            row, end = _decode(content, 0, file, line)
            if end != len(content):
                raise seed_error("malformed JSON, text after the object", file, line)
            yield _row_of(row, file, line)


def _parse_yaml(text: str, file: str) -> Iterator[RawRow]:
    """Parse one list of mappings."""
    try:
        document = read_yaml(text, file, as_written=True)
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


def _decode(text: str, position: int, file: str, line: int, *, goes_on: bool = False) -> tuple[Any, int]:
    """Return the JSON value at `position`, which is in line `line`, and its end.

    If the file `goes_on` behind the text, a value that does not end in it is too long.
    """
    try:
        return _DECODER.raw_decode(text, position)
    except json.JSONDecodeError as error:
        if goes_on and (error.pos >= len(text) - _MAX_LITERAL or error.msg.startswith("Unterminated")):
            raise _row_too_long(file, line) from None
        first_line = line - text.count("\n", 0, position)
        raise seed_error(f"malformed JSON, {error.msg.lower()}", file, first_line + error.lineno - 1) from None
    except _UnstorableValueError as error:
        raise seed_error(str(error), file, line) from None
    except RecursionError:
        raise seed_error("the JSON is nested too deeply", file, line) from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _UnstorableValueError("a key appears twice in one object")
    return members


def _reject_constant(_: str) -> NoReturn:
    raise _UnstorableValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_constant=_reject_constant, parse_int=Number, parse_float=Number
)
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def _row_of(row: object, file: str, line: int) -> RawRow:
    if not isinstance(row, dict):
        raise seed_error("each row must be an object of column names and values", file, line)
    values = []
    for column, value in row.items():
        try:
            values.append(_written(value))
        except _UnstorableValueError as error:
            raise seed_error(f"column `{column}`: {error}", file, line) from None
    return RawRow(tuple(row), tuple(values), line, line, True)


def _written(value: object) -> Written:
    if value is None or isinstance(value, bool | bytes):
        return value
    if isinstance(value, str):
        return _storable_text(value)
    try:
        return _storable_text(_compact(value))
    except RecursionError:
        raise _UnstorableValueError("the value is nested too deeply") from None


def _compact(value: object) -> str:
    """Return compact JSON, in which a number keeps its characters and a scalar of YAML has the core schema's value."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_ENCODER.encode(key)}:{_compact(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    if isinstance(value, Unquoted):
        return _compact_scalar(value)
    if isinstance(value, bytes):
        raise _UnstorableValueError("a blob cannot be part of a list or an object")
    return _ENCODER.encode(value)


def _compact_scalar(text: Unquoted) -> str:
    try:
        value = float(text) if isinstance(text, Number) else scalar_of(text)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_finite = not isinstance(value, int | float) or math.isfinite(value)
    except (OverflowError, ValueError):  # https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        raise _UnstorableValueError("a number inside has too many digits") from None
    if not is_finite:
        raise _UnstorableValueError("a number inside is not finite")
    return str(text) if is_number and NUMBER.fullmatch(text) else _ENCODER.encode(value)


def _storable_text(text: str) -> str:
    """Return the text itself, which may be `Unquoted`."""
    if "\0" in text:
        raise _UnstorableValueError("the character U+0000 is not allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _UnstorableValueError("half of a surrogate pair is not a character") from None
    return text
