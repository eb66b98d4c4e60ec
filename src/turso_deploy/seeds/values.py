"""Convert the values of seed files by the declared types of their columns, so that SQLite stores what the file says.

SQLite converts a text to a number where it can, and keeps it where it cannot
(https://www.sqlite.org/datatype3.html#type_affinity): a text in an INTEGER column, a lost zero or a lost digit would
stay unnoticed. A value that would not be stored as it is written is an error here, in STRICT tables and in others. No
error quotes a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import Enum, auto
from functools import partial

from turso_deploy.core.text import Unquoted
from turso_deploy.core.transaction import Value
from turso_deploy.sql.affinity import Affinity, affinity_of

Written = None | bool | str | bytes
"""A value as a file has it: a number or an unquoted word is `Unquoted`, any other text is `str`."""

Convert = Callable[[Written], Value]

MAX_INTEGER = 2**63 - 1
_MIN_INTEGER = -(2**63)
_MAX_DIGITS = 400  # more than any double has, and too few to make a conversion slow

# https://www.rfc-editor.org/rfc/rfc8259#section-6
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
# What a column with numeric affinity converts: sqlite3AtoF in src/util.c
_CONVERTED = re.compile(r"[ \t\n\v\f\r]*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[ \t\n\v\f\r]*")
_BLOB = re.compile(r"[xX]'(.*)'", re.DOTALL)
_HEXADECIMAL = re.compile(r"(?:[0-9a-fA-F]{2})*")

_NUMBER_WORDS = ("NUM", "DEC", "BOOL")
_TEXT_WORDS = ("STR", "JSON")
_NO_INTEGER_WORDS = ("POINT", "INTERVAL")

_NUMBER_HINT = (
    "Write a number as JSON does (`-12`, `3.5`, `1e3`), without spaces, separators of thousands and leading zeros; "
    "where true and false are meant, write `true`, `false`, 1 or 0. A column of other texts needs the type TEXT."
)
_DIGITS_HINT = "Round the number to 15 digits, or declare the column as TEXT."


class Number(Unquoted):
    """A number of a JSON file, with its characters."""

    __slots__ = ()


class ValueRuleError(ValueError):
    """A value that its column cannot store as it is written. The message quotes no value."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


class _Kind(Enum):
    """Meaning of a declared type to the reader of a schema, which is more than its affinity."""

    INTEGER = auto()
    REAL = auto()
    NUMBER = auto()  # DECIMAL, NUMERIC, BOOLEAN
    OTHER = auto()  # DATE, UUID, JSON, STRING: numeric affinity, although texts are meant
    TEXT = auto()
    ANY = auto()  # no conversion


def conversion(type_name: str, *, strict: bool, is_typed: bool) -> Convert | None:
    """Return the conversion of the values of a column, or None if they are stored as they are.

    `type_name` is in upper case. A file that is not typed (CSV) has no quotes that tell a text from a number. The
    conversion raises ValueRuleError.
    """
    kind = _kind_of(type_name, strict=strict)
    takes_blobs = kind is _Kind.ANY or "BLOB" in type_name or type_name == "ANY"
    if kind is _Kind.TEXT:
        return _text if is_typed else None
    if kind is _Kind.INTEGER:
        convert: Callable[[str], Value] = partial(_integer, type_name)
    elif kind is _Kind.REAL:
        convert = partial(_real, type_name)
    elif kind is _Kind.NUMBER:
        convert = partial(_number, type_name)
    elif kind is _Kind.OTHER:
        convert = partial(_unchanged, type_name)
    else:
        convert = _any
    keeps_words = kind is _Kind.OTHER and any(word in type_name for word in _TEXT_WORDS)
    careful = partial(_converted, convert, kind, type_name, not is_typed, takes_blobs, keeps_words)
    if kind is _Kind.INTEGER:
        return partial(_plain_integer, careful)
    return partial(_plain_real, careful) if kind is _Kind.REAL else careful


def _plain_integer(careful: Convert, written: Written) -> Value:
    """Return an integer in its shortest form at once, because a large file has many; anything else takes longer."""
    if isinstance(written, str) and len(written) < 19:
        try:
            number = int(written)
        except ValueError:
            return careful(written)
        if str(number) == written:
            return number
    return careful(written)


def _plain_real(careful: Convert, written: Written) -> Value:
    """Return a finite number in its shortest form at once; anything else takes longer."""
    if isinstance(written, str):
        try:
            number = float(written)
        except ValueError:
            return careful(written)
        if repr(number) == written and math.isfinite(number):
            return number
    return careful(written)


def has_no_text_form(type_name: str, *, strict: bool) -> bool:
    """Return True if a column of this type can hold a number and a text of the same characters side by side."""
    return _kind_of(type_name, strict=strict) is _Kind.ANY


def _kind_of(type_name: str, *, strict: bool) -> _Kind:
    match affinity_of(type_name, strict=strict):
        case Affinity.INTEGER:
            return _Kind.OTHER if any(word in type_name for word in _NO_INTEGER_WORDS) else _Kind.INTEGER
        case Affinity.REAL:
            return _Kind.REAL
        case Affinity.NUMERIC:
            return _Kind.NUMBER if any(word in type_name for word in _NUMBER_WORDS) else _Kind.OTHER
        case Affinity.TEXT:
            return _Kind.TEXT
        case _:
            return _Kind.ANY


def _text(value: Written) -> Value:
    """Return the characters, also of a number and of a boolean."""
    if isinstance(value, bytes):
        raise ValueRuleError("a blob needs a column of type BLOB")
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _converted(
    convert: Callable[[str], Value],
    kind: _Kind,
    type_name: str,
    is_unquoted: bool,
    takes_blobs: bool,
    keeps_words: bool,
    value: Written,
) -> Value:
    """Return the value of a column that is not TEXT: NULL, a boolean, a blob, or what `convert` makes of the text."""
    if value is None:
        return None
    if isinstance(value, bool):
        value = Unquoted("true" if value else "false")
    if isinstance(value, bytes):
        if not takes_blobs:
            raise ValueRuleError(f"a blob needs a column of type BLOB, and this one is {_shown(type_name)}")
        return value
    is_number = isinstance(value, Number)
    is_unquoted = is_unquoted or isinstance(value, Unquoted)
    if is_unquoted and value[:1] in "tTfF" and (word := value.lower()) in ("true", "false"):
        return word if keeps_words else int(word == "true")
    if takes_blobs and value[:2] in ("x'", "X'") and (literal := _BLOB.fullmatch(value)):
        if not _HEXADECIMAL.fullmatch(literal[1]):
            raise ValueRuleError(
                "the blob has malformed hexadecimal digits", "Write two digits for each byte: x'4869'."
            )
        return bytes.fromhex(literal[1])
    if is_number and kind in (_Kind.OTHER, _Kind.ANY):
        return _number(type_name, value)
    return convert(value) if is_unquoted or kind is not _Kind.ANY else str(value)


def _integer(type_name: str, text: str) -> int:
    if _INTEGER.fullmatch(text) and _MIN_INTEGER <= (small := int(text)) <= MAX_INTEGER:
        return small
    _require_number(type_name, text)
    number = _decimal(text)
    if not math.isfinite(float(number)) or not _MIN_INTEGER <= number <= MAX_INTEGER:
        raise ValueRuleError("the integer does not fit into 64 bits", "Declare the column of longer numbers as TEXT.")
    if number != int(number):
        raise ValueRuleError(f"the number has a fraction, and the column is {_shown(type_name)}", _NUMBER_HINT)
    return int(number)


def _real(type_name: str, text: str) -> float:
    _require_number(type_name, text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueRuleError("the number is not finite as a double, which SQLite stores", _DIGITS_HINT)
    exact = _decimal(text)
    if Decimal(repr(number)) != exact:
        # A double has up to 17 digits of its own; some programs print all: https://www.sqlite.org/floatingpoint.html
        digits = len(exact.normalize().as_tuple().digits)
        if not 15 < digits <= 17 or Decimal(f"{number:.{digits - 1}e}") != exact:
            raise ValueRuleError("the number has more digits than a double keeps", _DIGITS_HINT)
    return number


def _number(type_name: str, text: str) -> int | float:
    found = _require_number(type_name, text)
    return _real(type_name, text) if found[1] or "e" in text or "E" in text else _integer(type_name, text)


def _unchanged(type_name: str, text: str) -> Value:
    """Return a text that SQLite stores as it is, or the number whose text it is."""
    if not _CONVERTED.fullmatch(text):
        return str(text)
    number = _canonical_number(text)
    if number is None or (isinstance(number, float) and number.is_integer()):
        raise ValueRuleError(
            f"SQLite would store the text as another number, because the type {type_name} has numeric affinity",
            "Declare the column as TEXT, or write the number in its shortest form.",
        )
    return number


def _any(text: str) -> Value:
    number = _canonical_number(text)
    return str(text) if number is None else number


def _canonical_number(text: str) -> int | float | None:
    """Return the number whose text in JSON is this one."""
    if text[:1] not in "-0123456789":
        return None
    if _INTEGER.fullmatch(text):
        return number if _MIN_INTEGER <= (number := int(text)) <= MAX_INTEGER and text != "-0" else None
    if not NUMBER.fullmatch(text) or len(text) > _MAX_DIGITS:
        return None
    real = float(text)
    return real if repr(real) == text else None


def _require_number(type_name: str, text: str) -> re.Match[str]:
    found = NUMBER.fullmatch(text)
    if not found:
        raise ValueRuleError(f"the text is not a number, and the column is {_shown(type_name)}", _NUMBER_HINT)
    if len(text) > _MAX_DIGITS:
        raise ValueRuleError("the number has too many digits", _DIGITS_HINT)
    return found


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueRuleError("the exponent has too many digits", _DIGITS_HINT) from None


def _shown(type_name: str) -> str:
    return type_name or "without a type"
