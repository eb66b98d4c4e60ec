"""Make text safe to print: escape control characters and workflow commands, and format numbers with their nouns."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_NAMES = 10
"""The number of objects that a sentence names; they may be all of a large database."""

ZERO_WIDTH_JOINER = "\u200d"
_COMMAND_AT_LINE_START = re.compile(r"^(\s*):(?=:)")


def capitalized(text: str) -> str:
    """Return a text with a capital first letter; `str.capitalize` would lower all other letters."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Return a message with a capital first letter, and with a full stop unless it ends with a list."""
    ended = text.endswith((".", "?", "!", ":")) or "\n" in text
    return capitalized(text) + ("" if ended else ".")


def retry_hint(seconds: int | None) -> str:
    """Return the advice to run again after a pause; `seconds` is the time that the server asked for, if it did."""
    return f"Wait {seconds} seconds and run it again." if seconds is not None else "Wait a while and run it again."


def printable(text: str) -> str:
    """Return the text on one line, with control characters (line breaks, ANSI escapes, bidi marks) escaped.

    The zero-width joiner stays, because emoji contain it (https://www.unicode.org/reports/tr51/#Emoji_ZWJ_Sequences).
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character == ZERO_WIDTH_JOINER
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def printable_lines(text: str) -> list[str]:
    """Return the lines of a preformatted text (SQL, a comparison), each printable; tabs become spaces."""
    return [printable(line.expandtabs(4)) for line in text.replace("\r\n", "\n").strip("\n").split("\n")]


def encodable(text: str) -> str:
    """Return the text with lone surrogates escaped, as which Python reads bytes that are not UTF-8 in a file's name."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def count_of(number: int, noun: str, plural: str | None = None) -> str:
    """Format a number with its noun: `1 row`, `1,200 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or f'{noun}s'}"


def enumerated(names: Sequence[str], noun: str = "object") -> str:
    """Return the first names, and the number of the others."""
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {count_of(more, f'more {noun}')}" if more > 0 else "")


def inert(text: str) -> str:
    """Return the text with a space inside everything that a runner could take for a workflow command.

    The runner looks for `::` after the leading white space of a line, and for `##[` anywhere in it. A carriage return
    alone ends a line, too.
    """
    lines = text.replace("##[", "## [").splitlines(keepends=True)
    return "".join(_COMMAND_AT_LINE_START.sub(r"\1: ", line) for line in lines)


class Unquoted(str):
    """The characters of a scalar without quotes, which may mean a number or a boolean."""

    __slots__ = ()
