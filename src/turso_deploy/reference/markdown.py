"""Markdown for pages that a repository keeps: legible as text too. What it quotes is the repository's own."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKUP = re.compile(r"([\\`*_\[\]<>|&~])")
_BACK_TICKS = re.compile(r"`+")


def text(words: str) -> str:
    """Words as they are, on one line, with no markup in them."""
    return _MARKUP.sub(r"\\\1", " ".join(words.split()))


def code(words: str) -> str:
    """Words as code, also in a table: https://github.github.com/gfm/#code-spans and its tables' rule for `|`."""
    plain = " ".join(words.split()).replace("|", "\\|")
    longest = max(map(len, _BACK_TICKS.findall(plain)), default=0)
    ticks = "`" * (longest + 1)
    return f"{ticks} {plain} {ticks}" if longest else f"`{plain}`" if plain else ""


def fenced(block: str, language: str = "") -> str:
    """A block as it stands, in a fence longer than any run of back-ticks in it."""
    longest = max(map(len, _BACK_TICKS.findall(block)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{block}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; empty without rows."""
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def page(*parts: str) -> str:
    """Parts with an empty line between them; empty parts are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"
