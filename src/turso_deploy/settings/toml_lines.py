"""Lines of the keys in a TOML document, which the parser of the standard library does not report."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]

_MAX_DEPTH = 8
"""Parts of a path; no key of a settings file has more than three."""
_MAX_ATTEMPTS = 100
"""Attempts to find the end of one statement: each parses it once more, so many would take long."""


def lines_of(text: str) -> Mapping[Path, int]:
    """Return the line on which each key of a valid TOML document is written first, by the path to it.

    The document is parsed once more, statement by statement: a statement ends with the first line at which it can be
    parsed. Tables in lists are left out, and so are very deep keys and what follows a very long statement.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    statement, start, attempts = "", 0, 0
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            start, attempts = number, 0
        statement += f"{line}\n"
        if attempts == _MAX_ATTEMPTS:
            break
        attempts += 1
        try:
            content = tomllib.loads(statement)
        except (ValueError, RecursionError):
            continue
        is_header = statement.lstrip().startswith("[")
        paths = list(_paths(content))
        if is_header:
            table = paths[-1]
        for path in paths:
            lines.setdefault(path if is_header else (*table, *path), start)
        statement = ""
    return lines


def _paths(content: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    for key, value in content.items():
        path = (*above, key)
        yield path
        if isinstance(value, dict) and len(path) < _MAX_DEPTH:
            yield from _paths(value, path)
