"""The file of `--env-file`: variables that are used where the environment does not set them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from turso_deploy.core.errors import MAX_LISTED, Cause, ErrorCode, InputError, Place, listed
from turso_deploy.core.files import read_file

MAX_BYTES = 250_000


class EnvValue(NamedTuple):
    """The value of a variable, and its place in the file."""

    value: str
    place: Place


def read_env_file(name: str, known: Collection[str]) -> Mapping[str, EnvValue]:
    """Return the variables of a file with lines `NAME=VALUE`; nothing in a value is expanded.

    Raises InputError for a file that cannot be read, for lines of another form, and for one of the `known` variables
    that is set twice. No message repeats a part of the file.
    """
    from dotenv.parser import parse_stream  # takes 30 ms

    values: dict[str, EnvValue] = {}
    causes = list[Cause]()
    for binding in parse_stream(StringIO(_read(name), newline="")):
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        place = Place(name, binding.original.line + binding.original.string[:blank].count("\n"))
        if binding.error or (binding.key is not None and binding.value is None):
            causes.append(Cause("expected NAME=VALUE; a quoted value ends on a line of its own quote", place))
        elif binding.key in values and binding.key in known:
            causes.append(Cause(f"{binding.key} is set in line {values[binding.key].place.line} already", place))
        elif binding.key is not None and binding.value is not None:
            values[binding.key] = EnvValue(binding.value, place)
        if len(causes) == MAX_LISTED:  # it is another kind of file
            break
    if causes:
        raise InputError(
            ErrorCode.INPUT_INVALID,
            f"The file of variables cannot be used:{listed(causes)}",
            hint="Write one variable a line, as in TURSO_DATABASE_URL=libsql://….",
            place=causes[0].place,
            causes=causes,
        )
    return values


def _read(name: str) -> str:
    try:
        text = read_file(Path(name), MAX_BYTES, follow_links=True).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(name, "it is not text in UTF-8") from None
    except OSError as error:
        raise _unreadable(name, error.strerror or type(error).__name__) from None
    except ValueError:
        raise _unreadable(name, "no name holds the character NUL") from None
    if "\x00" in text:
        raise _unreadable(name, "it contains the character NUL")
    return text


def _unreadable(name: str, reason: str) -> InputError:
    return InputError(
        ErrorCode.INPUT_INVALID,
        f"The file of variables `{name}` cannot be read: {reason}.",
        hint="Set --env-file (input `env-file`) to a file, relative to the working directory.",
    )
