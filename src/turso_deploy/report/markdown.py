"""Markdown for pages that a repository keeps: legible as text too. What it quotes is shown, and never acted on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from turso_deploy.core.text import printable, printable_lines

_MARKUP = re.compile(r"([\\`*_\[\]<>|&~$])")
# What at the start of a line makes it a heading, an item of a list, or a line across the page.
_AT_START = re.compile(r"^(?:\d{1,9}(?=[.)](?: |$))|(?=(?:#{1,6}|[+-]|-{2,})(?: |$)))")
_BACK_TICKS = re.compile(r"`+")


def text(words: str) -> str:
    """Words as they are, on one line, with no markup in them."""
    return _AT_START.sub(r"\g<0>\\", _MARKUP.sub(r"\\\1", _line(words)))


def code(words: str) -> str:
    """Words as code, also in a table: https://github.github.com/gfm/#code-spans and its tables' rule for `|`."""
    plain = _line(words).replace("|", "\\|")
    longest = max(map(len, _BACK_TICKS.findall(plain)), default=0)
    ticks = "`" * (longest + 1)
    return f"{ticks} {plain} {ticks}" if longest else f"`{plain}`" if plain else ""


def fenced(block: str, language: str = "") -> str:
    """A block as it stands, in a fence longer than any run of back-ticks in it."""
    block = "\n".join(printable_lines(block))
    longest = max(map(len, _BACK_TICKS.findall(block)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{block}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; empty without rows."""
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _line(words: str) -> str:
    return printable(" ".join(words.split()))


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def page(*parts: str) -> str:
    """Parts with an empty line between them; empty parts are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"
