"""Lines of the keys in a TOML document, which the parser of the standard library does not report."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def lines_of(text: str) -> Mapping[Path, int]:
    """Return the line on which each key of a valid TOML document is written first, by the path to it.

    The document is parsed once more, statement by statement: a statement ends with the first line at which it can be
    parsed. Tables in lists are left out.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    statement, start = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            start = number
        statement += f"{line}\n"
        try:
            content = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
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
        if isinstance(value, dict):
            yield from _paths(value, path)
